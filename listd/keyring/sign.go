package keyring

import (
	"crypto"
	"crypto/x509"
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
