package cms

import (
	"crypto/ecdh"
	"crypto/x509"
)

// publicKey returns the certificate's key: what crypto/x509 made of it, or, where that knows the
// algorithm's identifier not, an *ecdh.PublicKey for X25519 (RFC 8410) or an *rsa.PublicKey for a key
// that is for RSASSA-PSS alone (RFC 4055 section 1.2). nil: unsupported.
func publicKey(cert *x509.Certificate) any {
	if cert.PublicKey != nil {
		return cert.PublicKey
	}
	d := newDocument(cert.RawSubjectPublicKeyInfo, NewBudget(Limits{}))
	r := d.root().take(tagSequence, "subjectPublicKeyInfo").children()
	algorithm := r.algorithm("algorithm")
	key := r.take(tagBitString, "subjectPublicKey").bits()
	if d.err != nil {
		return nil
	}
	switch algorithm.oid {
	case oidX25519:
		if k, err := ecdh.X25519().NewPublicKey(key); err == nil {
			return k
		}
	case oidPSS:
		if k, err := x509.ParsePKCS1PublicKey(key); err == nil {
			return k
		}
	}
	return nil
}

// pssOnly tells whether the certificate's RSA key is for RSASSA-PSS alone.
func pssOnly(cert *x509.Certificate) bool { return cert.PublicKey == nil }
