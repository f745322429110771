package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// SignOptions say who signs and how.
type SignOptions struct {
	// Certificate is the signer's, and Signer its private key.
	Certificate *x509.Certificate
	Signer      crypto.Signer
	// Chain is put into the message beside the certificate.
	Chain []*x509.Certificate
	// PSS signs with RSASSA-PSS in place of PKCS #1 v1.5, if the key is RSA.
	PSS bool
	// Detached leaves the content out of the message.
	Detached bool
	// SigningTime is claimed in the signature; zero: none.
	SigningTime time.Time
	// Capabilities adds SMIMECapabilities: the ciphers this package reads, best first.
	Capabilities bool
	// EncryptionCertificate is put into the message and named as the one to encrypt to
	// (SMIMEEncryptionKeyPreference); nil: none.
	EncryptionCertificate *x509.Certificate
	// SigningCertificate binds the signature to the certificate (signingCertificateV2, RFC 5035).
	SigningCertificate bool
	// Attributes are further signed attributes, each in DER, that none of the above makes.
	Attributes [][]byte
}

// digest is the hash function that goes with the key: SHA-256 for RSA and P-256, SHA-384 for P-384,
// SHA-512 for P-521 and Ed25519 (RFC 8419 section 3.1).
func (o SignOptions) digest() crypto.Hash {
	switch key := o.Certificate.PublicKey.(type) {
	case ed25519.PublicKey:
		return crypto.SHA512
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P384():
			return crypto.SHA384
		case elliptic.P521():
			return crypto.SHA512
		}
	}
	return crypto.SHA256
}

// MICAlgorithm is the micalg parameter of the multipart/signed that a detached signature goes into:
// sha-256, sha-384 or sha-512 (RFC 8551 section 3.5.3.2).
func (o SignOptions) MICAlgorithm() string {
	name := digestOID(o.digest()).name()
	return name[:3] + "-" + name[3:]
}

// Sign makes a SignedData with one signer over content as id-data, in DER. The signature always
// covers signed attributes, so that it cannot be taken for one over other content.
func Sign(content []byte, o SignOptions) ([]byte, error) {
	if o.Certificate == nil || o.Signer == nil {
		return nil, errors.New("cms: signing without key or certificate")
	}
	if key, ok := o.Certificate.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !key.Equal(o.Signer.Public()) {
		return nil, errors.New("cms: the signing key is not the certificate's")
	}
	algorithm, options, err := o.algorithm()
	if err != nil {
		return nil, err
	}
	hash := o.digest()
	digestAlgorithm := encodeAlgorithm(digestOID(hash), nil) // parameters absent: RFC 5754 section 2
	attributes := o.attributes(sum(hash, content), digestAlgorithm, algorithm)
	message := sum(hash, attributes)
	if options.HashFunc() == 0 {
		message = attributes
	}
	signature, err := o.Signer.Sign(rand.Reader, message, options)
	if err != nil {
		return nil, fmt.Errorf("cms: signing: %w", err)
	}
	signed := bytes.Clone(attributes)
	signed[0] = explicit
	info := encode(tagSequence,
		encode(tagInteger, []byte{1}),
		issuerAndSerial(tagSequence, o.Certificate),
		digestAlgorithm, signed, algorithm, encode(tagOctetString, signature))
	before := append(encode(tagInteger, []byte{1}), encode(tagSet, digestAlgorithm)...)
	after := append(encodeSet(explicit, o.bag()...), encode(tagSet, info)...)
	if o.Detached {
		return assemble(before, nil, after, true), nil
	}
	return assemble(before, content, after, false), nil
}

// assemble writes the ContentInfo, copying the content once.
func assemble(before, content, after []byte, detached bool) []byte {
	encap := elementLen(len(oidData))
	if !detached {
		encap += elementLen(elementLen(len(content)))
	}
	signed := len(before) + elementLen(encap) + len(after)
	info := elementLen(len(oidSignedData)) + elementLen(elementLen(signed))
	out := appendHeader(make([]byte, 0, elementLen(info)), tagSequence, info)
	out = append(out, oidSignedData.der()...)
	out = appendHeader(out, explicit, elementLen(signed))
	out = appendHeader(out, tagSequence, signed)
	out = append(out, before...)
	out = appendHeader(out, tagSequence, encap)
	out = append(out, oidData.der()...)
	if !detached {
		out = appendHeader(out, explicit, elementLen(len(content)))
		out = appendHeader(out, tagOctetString, len(content))
		out = append(out, content...)
	}
	return append(out, after...)
}

// algorithm returns the signatureAlgorithm and what the signer is to be told.
func (o SignOptions) algorithm() ([]byte, crypto.SignerOpts, error) {
	hash := o.digest()
	switch key := o.Certificate.PublicKey.(type) {
	case *rsa.PublicKey:
		if o.PSS {
			return encodeAlgorithm(oidPSS, pssParameters(hash)),
				&rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}, nil
		}
		return encodeAlgorithm(oidRSA, null), hash, nil
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			return encodeAlgorithm(oidECDSAWithSHA256, nil), hash, nil
		case elliptic.P384():
			return encodeAlgorithm(oidECDSAWithSHA384, nil), hash, nil
		case elliptic.P521():
			return encodeAlgorithm(oidECDSAWithSHA512, nil), hash, nil
		}
	case ed25519.PublicKey:
		return encodeAlgorithm(oidEd25519, nil), crypto.Hash(0), nil
	}
	return nil, nil, fmt.Errorf("%w: key of the signer", ErrUnsupportedAlgorithm)
}

// pssParameters is RSASSA-PSS-params with one hash for everything and a salt of its length
// (RFC 4056 section 3).
func pssParameters(hash crypto.Hash) []byte {
	h := encodeAlgorithm(digestOID(hash), null)
	return encode(tagSequence,
		encode(explicit, h),
		encode(explicit|1, encodeAlgorithm(oidMGF1, h)),
		encode(explicit|2, encode(tagInteger, []byte{byte(hash.Size())})))
}

// bag is the CertificateSet: the signer's, the one to encrypt to, and the chain, each once.
func (o SignOptions) bag() [][]byte {
	var bag [][]byte
	seen := make(map[string]bool)
	for _, cert := range append([]*x509.Certificate{o.Certificate, o.EncryptionCertificate}, o.Chain...) {
		if cert != nil && !seen[string(cert.Raw)] {
			seen[string(cert.Raw)] = true
			bag = append(bag, cert.Raw)
		}
	}
	return bag
}

// attributes returns the SignedAttributes as a SET OF in DER.
func (o SignOptions) attributes(digest, digestAlgorithm, signatureAlgorithm []byte) []byte {
	attribute := func(o oid, value []byte) []byte {
		return encode(tagSequence, o.der(), encode(tagSet, value))
	}
	set := [][]byte{
		attribute(oidContentType, oidData.der()),
		attribute(oidMessageDigest, encode(tagOctetString, digest)),
		attribute(oidAlgorithmProtection, encode(tagSequence, digestAlgorithm, retag(signatureAlgorithm, explicit|1))),
	}
	if !o.SigningTime.IsZero() {
		set = append(set, attribute(oidSigningTime, encodeTime(o.SigningTime)))
	}
	if o.Capabilities {
		set = append(set, attribute(oidSMIMECapabilities, ownCapabilities()))
	}
	if o.EncryptionCertificate != nil {
		set = append(set, attribute(oidEncryptionKeyPref, issuerAndSerial(explicit, o.EncryptionCertificate)))
	}
	if o.SigningCertificate {
		// SHA-256 is the default of ESSCertIDv2 and left out.
		id := encode(tagSequence, encode(tagOctetString, sum(crypto.SHA256, o.Certificate.Raw)))
		set = append(set, attribute(oidSigningCertV2, encode(tagSequence, encode(tagSequence, id))))
	}
	return encodeSet(tagSet, append(set, o.Attributes...)...)
}

func retag(der []byte, tag byte) []byte {
	der = bytes.Clone(der)
	der[0] = tag
	return der
}

// encodeTime returns a Time: UTCTime from 1950 to 2049 (RFC 5652 section 11.3).
func encodeTime(t time.Time) []byte {
	t = t.UTC()
	if t.Year() >= 1950 && t.Year() < 2050 {
		return encode(tagUTCTime, []byte(t.Format("060102150405Z")))
	}
	return encode(tagGeneralizedTime, []byte(t.Format("20060102150405Z")))
}
