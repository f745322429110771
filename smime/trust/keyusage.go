package trust

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/x509"
	"time"
)

// keyUsage holds a key to what its certificate allows (RFC 5280 section 4.2.1.3) and to what its kind can do.
//
// A certificate without the extension may be used for everything (RFC 8550 section 4.4.2 speaks of certificates in
// which it is present). For a signature it names digitalSignature or nonRepudiation (RFC 8550 section 4.4.2). To be
// encrypted to, an RSA key names keyEncipherment (RFC 5280 section 4.2.1.3), a key for key agreement keyAgreement
// (RFC 5753 section 7 by way of RFC 5480 section 3; RFC 8410 section 5). encipherOnly and decipherOnly narrow a key
// agreement: who sends to an encipherOnly key does encipher, so only decipherOnly stands in the way.
func keyUsage(cert *x509.Certificate, use Use, _ time.Time) Verdict {
	key := publicKey(cert)
	switch key.(type) {
	case *ecdh.PublicKey:
		if use == Signing {
			return refuse(WrongUsage, "%s has an X25519 key, which cannot sign", describe(cert))
		}
	case ed25519.PublicKey, pssKey:
		if use == Encryption {
			return refuse(WrongUsage, "%s has a key that can only sign (Ed25519, RSASSA-PSS)", describe(cert))
		}
	}
	if !hasKeyUsage(cert) {
		return Verdict{}
	}
	allowed, wanted := wantedUsage(key, use)
	if cert.KeyUsage&allowed == 0 {
		return refuse(WrongUsage, "%s is not for %s: its keyUsage has no %s", describe(cert), use, wanted)
	}
	if use == Encryption && allowed == x509.KeyUsageKeyAgreement && cert.KeyUsage&x509.KeyUsageDecipherOnly != 0 {
		return refuse(WrongUsage, "%s is not for encryption: its keyUsage says decipherOnly", describe(cert))
	}
	return Verdict{}
}

// wantedUsage gives the bits of which one must be set, and their names.
func wantedUsage(key any, use Use) (x509.KeyUsage, string) {
	if use == Signing {
		return x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment, "digitalSignature or nonRepudiation"
	}
	switch key.(type) {
	case *ecdsa.PublicKey, *ecdh.PublicKey:
		return x509.KeyUsageKeyAgreement, "keyAgreement"
	}
	return x509.KeyUsageKeyEncipherment, "keyEncipherment"
}

// hasKeyUsage tells an absent extension from one without bits, which crypto/x509 does not.
func hasKeyUsage(cert *x509.Certificate) bool { return hasExtension(cert, oidKeyUsage) }
