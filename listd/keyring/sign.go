package keyring

import (
	"crypto"
	"crypto/x509"
	"time"

	"github.com/sealist/sealist/listd/store"
)

// MaySign tells whether the key usage of a certificate lets its key sign mail
// (RFC 8550 section 4.4.2).
func MaySign(cert *x509.Certificate) bool {
	return cert.KeyUsage == 0 || cert.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) != 0
}

// Signer returns the private key as one that signs, false if it or its
// certificate does not let it.
func (k Key) Signer() (crypto.Signer, bool) {
	s, ok := k.Private.(crypto.Signer)
	return s, ok && MaySign(k.Certificate)
}

// Signing returns the key a list signs with at a time: of the active ones that
// are valid then and may sign the one that was activated last. False if there
// is none.
func Signing(keys []Key, now time.Time) (Key, bool) {
	var signing Key
	for _, k := range keys {
		_, can := k.Signer()
		if can && k.State == store.KeyActive && validAt(k.Certificate, now) && (signing.Certificate == nil || k.Since.After(signing.Since)) {
			signing = k
		}
	}
	return signing, signing.Certificate != nil
}

func validAt(c *x509.Certificate, at time.Time) bool {
	return !at.Before(c.NotBefore) && !at.After(c.NotAfter)
}
