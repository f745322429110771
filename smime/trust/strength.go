package trust

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"time"
)

// maxRSABits is the longest RSA key that is used: a longer one costs whoever verifies more than it protects (RFC 8550
// section 4.3 wants support up to 4096 bits and leaves longer keys open).
const maxRSABits = 8192

// minRSAExponent is the smallest public exponent: FIPS 186-5 section 5.1 wants 2^16 < e.
const minRSAExponent = 1<<16 + 1

// strength judges a certificate's key. A key of a kind, or on a curve, that is not known is unsupported_algorithm; one
// that is known and not good enough is weak_algorithm (RFC 8550 section 4.3; RFC 8551 sections 2.2 and 2.3 name the
// kinds: RSA, EC on a NIST curve, Ed25519, X25519).
func (p *Policy) strength(cert *x509.Certificate, _ Use, _ time.Time) Verdict {
	switch key := publicKey(cert).(type) {
	case *rsa.PublicKey:
		return p.rsaStrength(cert, key)
	case pssKey:
		return p.rsaStrength(cert, key.PublicKey)
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return Verdict{}
		}
		return refuse(WeakAlgorithm, "%s has a key on the curve %s; P-256, P-384 and P-521 are used", describe(cert), key.Curve.Params().Name)
	case *ecdh.PublicKey:
		if key.Curve() == ecdh.X25519() {
			return Verdict{}
		}
	case ed25519.PublicKey:
		return Verdict{}
	}
	return refuse(UnsupportedAlgorithm, "%s has a kind of key that is not supported", describe(cert))
}

func (p *Policy) rsaStrength(cert *x509.Certificate, key *rsa.PublicKey) Verdict {
	bits := key.N.BitLen()
	switch {
	case bits < p.rsaMinBits:
		return refuse(WeakAlgorithm, "%s has an RSA key of %d bits, the least is %d", describe(cert), bits, p.rsaMinBits)
	case bits > maxRSABits:
		return refuse(WeakAlgorithm, "%s has an RSA key of %d bits, the most is %d", describe(cert), bits, maxRSABits)
	case key.E < minRSAExponent || key.E%2 == 0:
		return refuse(WeakAlgorithm, "%s has an RSA key with the public exponent %d, the least is %d", describe(cert), key.E, minRSAExponent)
	case roca(key):
		return refuse(WeakAlgorithm, "%s has an RSA key that a flawed smart card made and that can be factored (ROCA, CVE-2017-15361)", describe(cert))
	}
	return Verdict{}
}

// tooCostly tells of a helper whose key is not worth a verification.
func tooCostly(cert *x509.Certificate) bool {
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	return ok && key.N.BitLen() > maxRSABits
}
