package cms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
)

// scheme is a signature algorithm with its parameters.
type scheme struct {
	name string // as reports print it
	kind schemeKind
	hash crypto.Hash // that the algorithm itself names, 0: it leaves that to digestAlgorithm
	salt int         // of PSS
}

type schemeKind int

const (
	unknownScheme schemeKind = iota
	pkcs1
	pss
	ecdsaScheme
	ed25519Scheme
)

// readScheme says what a signatureAlgorithm means. The name is good even where there is an error.
func readScheme(a algorithm) (scheme, error) {
	var s scheme
	switch a.oid {
	case oidRSA, oidMD5WithRSA, oidSHA1WithRSA, oidSHA256WithRSA, oidSHA384WithRSA, oidSHA512WithRSA:
		s = scheme{name: "rsa-pkcs1", kind: pkcs1}
	case oidPSS:
		s = scheme{name: "rsa-pss", kind: pss}
	case oidECPublicKey, oidECDSAWithSHA1, oidECDSAWithSHA256, oidECDSAWithSHA384, oidECDSAWithSHA512:
		// QUIRK: id-ecPublicKey names a key and no signature; some signers write it all the same, as
		// PKCS #7 had it with rsaEncryption, which RFC 3370 section 3.2 allows.
		s = scheme{name: "ecdsa", kind: ecdsaScheme}
	case oidEd25519:
		s = scheme{name: "ed25519", kind: ed25519Scheme, hash: crypto.SHA512} // RFC 8419 section 3.1
	case oidECDSAWithSHA224:
		return scheme{name: "ecdsa"}, fmt.Errorf("%w: ECDSA with SHA-224", ErrUnsupportedAlgorithm)
	case oidSHA224WithRSA:
		return scheme{name: "rsa-pkcs1"}, fmt.Errorf("%w: RSA with SHA-224", ErrUnsupportedAlgorithm)
	default:
		return scheme{name: a.oid.String()}, fmt.Errorf("%w: signature %s", ErrUnsupportedAlgorithm, a.oid)
	}
	switch a.oid {
	case oidMD5WithRSA:
		s.hash = crypto.MD5
	case oidSHA1WithRSA, oidECDSAWithSHA1:
		s.hash = crypto.SHA1
	case oidSHA256WithRSA, oidECDSAWithSHA256:
		s.hash = crypto.SHA256
	case oidSHA384WithRSA, oidECDSAWithSHA384:
		s.hash = crypto.SHA384
	case oidSHA512WithRSA, oidECDSAWithSHA512:
		s.hash = crypto.SHA512
	case oidPSS:
		var err error
		s.hash, s.salt, err = readPSS(a)
		return s, err
	}
	return s, nil
}

// readPSS reads RSASSA-PSS-params. They must be there (RFC 4056 section 3), name one hash function
// for everything, as section 2.2 advises and crypto/rsa demands, and the usual trailer.
func readPSS(a algorithm) (hash crypto.Hash, salt int, err error) {
	e := a.parameters.apart()
	if e.doc == nil || e.tag != tagSequence {
		return 0, 0, fmt.Errorf("%w: RSASSA-PSS without parameters", ErrSignerMalformed)
	}
	hashOID, mgfOID := oidSHA1, oidSHA1
	salt, trailer := 20, 1
	r := e.children()
	if r.is(explicit) {
		hashOID = r.next().children().algorithm("hashAlgorithm").oid
	}
	if r.is(explicit | 1) {
		mgf := r.next().children().algorithm("maskGenAlgorithm")
		if e.doc.err == nil && (mgf.oid != oidMGF1 || mgf.parameters.doc == nil) {
			return 0, 0, fmt.Errorf("%w: mask generation %s", ErrUnsupportedAlgorithm, mgf.oid)
		}
		mgfOID = mgf.parameters.algorithm().oid
	}
	if r.is(explicit | 2) {
		salt = r.next().children().take(tagInteger, "saltLength").small()
	}
	if r.is(explicit | 3) {
		trailer = r.next().children().take(tagInteger, "trailerField").small()
	}
	switch {
	case e.doc.err != nil || !r.empty() || trailer != 1:
		return 0, 0, fmt.Errorf("%w: parameters of RSASSA-PSS", ErrSignerMalformed)
	case digest(hashOID) == 0 || hashOID != mgfOID:
		return digest(hashOID), salt, fmt.Errorf("%w: RSASSA-PSS with %s and MGF1 with %s",
			ErrUnsupportedAlgorithm, hashOID.name(), mgfOID.name())
	}
	return digest(hashOID), salt, nil
}

// verify checks the mathematics: signature over message, which digest is the hash of.
func (s scheme) verify(cert *x509.Certificate, h crypto.Hash, digest, message, signature []byte) error {
	ok := false
	switch key := publicKey(cert).(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < 1024 {
			return fmt.Errorf("%w: RSA with %d bits", ErrWeakAlgorithm, key.N.BitLen())
		}
		switch s.kind {
		case pkcs1:
			ok = !pssOnly(cert) && rsa.VerifyPKCS1v15(key, h, digest, signature) == nil
		case pss:
			// crypto/rsa takes a salt length of 0 for "find out", so a signature with salt passes as one
			// without; nothing is gained by telling these apart.
			ok = rsa.VerifyPSS(key, h, digest, signature, &rsa.PSSOptions{SaltLength: s.salt, Hash: h}) == nil
		}
	case *ecdsa.PublicKey:
		if !supportedCurve(key.Curve) {
			return fmt.Errorf("%w: curve of the signer's key", ErrUnsupportedAlgorithm)
		}
		// Both (r, s) and (r, -s) verify: whoever sees a signature can make the other, so nothing
		// may take the octets of a signature for an identity.
		ok = s.kind == ecdsaScheme && ecdsa.VerifyASN1(key, digest, signature)
	case ed25519.PublicKey:
		ok = s.kind == ed25519Scheme && ed25519.Verify(key, message, signature)
	default:
		return fmt.Errorf("%w: public key of the signer", ErrUnsupportedAlgorithm)
	}
	if !ok {
		return fmt.Errorf("%w: signature", ErrAltered)
	}
	return nil
}

func supportedCurve(c elliptic.Curve) bool {
	return c == elliptic.P256() || c == elliptic.P384() || c == elliptic.P521()
}
