package trust

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"crypto/x509"
	"slices"
	"time"

	_ "crypto/sha256" // the hashes that a CertID may name
	_ "crypto/sha512"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// OCSPAnswer is what an authentic OCSP response says about a certificate.
type OCSPAnswer struct {
	RevocationStatus
	ThisUpdate time.Time
	// Responder is the delegated responder that signed, if its own revocation is still to be asked about: the CA
	// signed nothing itself, and did not excuse the responder by id-pkix-ocsp-nocheck (RFC 6960 section 4.2.2.2.1).
	Responder *x509.Certificate
}

// StatusFromOCSP reads an OCSP response in DER and returns what it says about a certificate at a moment. issuer is the
// certificate above it on its path. RFC 6960 section 3.2 wants of a response that counts: it is about this certificate,
// by serial number and by the hashes of its issuer's name and key; it is signed by the issuer, or by a responder to
// which the issuer itself delegated that; and it is recent. A response that does not count is an error that wraps
// ErrOCSP. An authentic answer that is out of date is stale, unless it says revoked.
func StatusFromOCSP(der []byte, cert, issuer *x509.Certificate, at time.Time, l RevocationLimits) (OCSPAnswer, error) {
	r, err := parseOCSP(der)
	if err != nil {
		return OCSPAnswer{}, err
	}
	responder, err := r.authentic(issuer, at, l)
	if err != nil {
		return OCSPAnswer{}, err
	}
	single, err := r.about(cert, issuer, at)
	if err != nil {
		return OCSPAnswer{}, err
	}
	a := OCSPAnswer{ThisUpdate: single.thisUpdate, Responder: responder}
	a.State, a.Until = single.state, l.until(single.thisUpdate, single.nextUpdate)
	switch {
	case a.State == RevocationRevoked:
		a.RevocationStatus = statusf(RevocationRevoked, "%s is revoked: %s", describe(cert), single.reason)
	case at.After(a.Until):
		a.Detail = "the OCSP response about " + describe(cert) + " was to be replaced by " + day(a.Until)
		if a.State == RevocationGood {
			a.State = RevocationStale
		}
	case a.State == RevocationNoAnswer:
		a.Detail = "the OCSP responder does not know " + describe(cert)
	}
	return a, nil
}

// about finds the answers about one certificate: revoked if any says so, else the newest.
func (r *ocspResponse) about(cert, issuer *x509.Certificate, at time.Time) (found ocspSingle, err error) {
	err = badOCSP("it is not about %s", describe(cert))
	for _, a := range r.answers {
		switch {
		case !a.matches(cert, issuer):
			continue
		case a.unusable != nil:
			return a, a.unusable
		case a.thisUpdate.After(at.Add(maxClockSkew)):
			return a, badOCSP("it is of a time that has not come: %s", day(a.thisUpdate))
		case !a.nextUpdate.IsZero() && a.nextUpdate.Before(a.thisUpdate):
			return a, badOCSP("its nextUpdate lies before its thisUpdate")
		}
		if err != nil || a.state == RevocationRevoked || found.state != RevocationRevoked && a.thisUpdate.After(found.thisUpdate) {
			found, err = a, nil
		}
	}
	return found, err
}

// matches compares a CertID.
func (a ocspSingle) matches(cert, issuer *x509.Certificate) bool {
	if a.hash == 0 || a.serial.Cmp(cert.SerialNumber) != 0 {
		return false
	}
	// RFC 6960 section 4.1.1: the issuer's name as this certificate has it, the issuer's key as its certificate has it.
	return bytes.Equal(digest(a.hash, cert.RawIssuer), a.nameHash) && bytes.Equal(digest(a.hash, keyBits(issuer)), a.keyHash)
}

func digest(hash crypto.Hash, octets []byte) []byte {
	h := hash.New()
	h.Write(octets)
	return h.Sum(nil)
}

// keyBits is the subjectPublicKey of a certificate, without the algorithm.
func keyBits(cert *x509.Certificate) []byte {
	spki := cryptobyte.String(cert.RawSubjectPublicKeyInfo)
	var info cryptobyte.String
	var bits []byte
	if !spki.ReadASN1(&info, cbasn1.SEQUENCE) || !info.SkipASN1(cbasn1.SEQUENCE) || !info.ReadASN1BitStringAsBytes(&bits) {
		return nil
	}
	return bits
}

// authentic finds who signed: the issuer (nil is returned, or a delegate that needs no asking about), or a delegate.
func (r *ocspResponse) authentic(issuer *x509.Certificate, at time.Time, l RevocationLimits) (*x509.Certificate, error) {
	algorithm := signatureAlgorithm(r.algorithm)
	switch {
	case algorithm == x509.UnknownSignatureAlgorithm:
		return nil, badOCSP("it is signed with an algorithm that is not supported")
	case isSHA1(algorithm) && !l.AllowSHA1:
		return nil, badOCSP("it is signed with SHA-1")
	}
	if r.names(issuer) && !tooCostly(issuer) && issuer.CheckSignature(algorithm, r.tbs, r.signature) == nil {
		return nil, nil
	}
	err := badOCSP("neither the issuer %q nor a responder of its own signed it", issuer.Subject)
	for _, c := range r.certificates {
		if !r.names(c) || tooCostly(c) {
			continue
		}
		if refused := delegated(c, issuer, at, l); refused != nil {
			err = refused
			continue
		}
		if c.CheckSignature(algorithm, r.tbs, r.signature) != nil {
			continue
		}
		if hasExtension(c, oidOCSPNoCheck) {
			return nil, nil
		}
		return c, nil
	}
	return nil, err
}

// names tells whether a certificate is the one that the ResponderID means.
func (r *ocspResponse) names(cert *x509.Certificate) bool {
	if r.byName {
		a, okA := keyOfName(r.responder)
		b, okB := keyOfName(cert.RawSubject)
		return okA && okB && a == b
	}
	sum := sha1.Sum(keyBits(cert)) // RFC 6960 section 4.2.2.3 has no other
	return bytes.Equal(sum[:], r.responder)
}

// delegated says why a certificate is not one to which issuer gave the right to answer for it (RFC 6960 section
// 4.2.2.2): issued by that very CA, for that purpose, and in date.
func delegated(cert, issuer *x509.Certificate, at time.Time, l RevocationLimits) error {
	switch {
	case isSHA1(cert.SignatureAlgorithm) && !l.AllowSHA1:
		return badOCSP("the certificate of its responder is signed with SHA-1")
	case !namesAlike(cert.RawIssuer, issuer.RawSubject) || issuer.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) != nil:
		return badOCSP("its responder, %s, is not certified by the issuer %q itself", describe(cert), issuer.Subject)
	case !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return badOCSP("its responder, %s, may not sign OCSP responses", describe(cert))
	case hasKeyUsage(cert) && cert.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0:
		return badOCSP("its responder, %s, may not sign", describe(cert))
	case at.Before(cert.NotBefore) || at.After(cert.NotAfter):
		return badOCSP("the certificate of its responder, %s, is not in date", describe(cert))
	case len(cert.UnhandledCriticalExtensions) > 0:
		return badOCSP("its responder, %s, has a critical extension that is not supported", describe(cert))
	}
	return nil
}

func namesAlike(a, b []byte) bool {
	x, okX := keyOfName(a)
	y, okY := keyOfName(b)
	return okX && okY && x == y
}
