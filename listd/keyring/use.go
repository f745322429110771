package keyring

import (
	"crypto/ecdsa"
	"crypto/x509"
)

// Use is what the certificate of a key lets it do.
type Use string

// The uses. A list may have one pair for both, or one for each.
const (
	Sign    Use = "sign"
	Encrypt Use = "encrypt"
	Both    Use = "both"
)

// ParseUse reads one of the words.
func ParseUse(word string) (Use, bool) {
	u := Use(word)
	return u, u == Sign || u == Encrypt || u == Both
}

// Signs tells whether a key of this use signs.
func (u Use) Signs() bool { return u == Sign || u == Both }

// Encrypts tells whether people encrypt to a key of this use.
func (u Use) Encrypts() bool { return u == Encrypt || u == Both }

// without is what is left of a use where other keys do the rest.
func (u Use) without(signs, encrypts bool) Use {
	return useOf(u.Signs() && !signs, u.Encrypts() && !encrypts)
}

func useOf(signs, encrypts bool) Use {
	switch {
	case signs && encrypts:
		return Both
	case signs:
		return Sign
	case encrypts:
		return Encrypt
	}
	return ""
}

// UseOf reads the key usage of a certificate; empty if it is for neither.
func UseOf(cert *x509.Certificate) Use { return useOf(MaySign(cert), mayEncrypt(cert)) }

// mayEncrypt tells whether the key usage lets people encrypt to the certificate
// (RFC 5280 section 4.2.1.3; RFC 5480 section 3).
func mayEncrypt(cert *x509.Certificate) bool {
	wanted := x509.KeyUsageKeyEncipherment
	if _, ec := cert.PublicKey.(*ecdsa.PublicKey); ec {
		wanted = x509.KeyUsageKeyAgreement
	}
	return cert.KeyUsage == 0 || cert.KeyUsage&wanted != 0
}
