package smimetest

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"
)

// RSA makes an RSA key of that many bits. 2048-bit keys come from the pool unless FreshKey is given.
func RSA(bits int) Option { return func(t *Template) { t.Key.type_, t.Key.bits = keyRSA, bits } }

// ECP256 makes an ECDSA/ECDH key on P-256.
func ECP256(t *Template) { t.Key.type_ = keyP256 }

// ECP384 makes an ECDSA/ECDH key on P-384.
func ECP384(t *Template) { t.Key.type_ = keyP384 }

// ECP521 makes an ECDSA/ECDH key on P-521.
func ECP521(t *Template) { t.Key.type_ = keyP521 }

// Ed25519 makes an Ed25519 key, which can only sign.
func Ed25519(t *Template) { t.Key.type_ = keyEd25519 }

// X25519 makes an X25519 key, which can only be encrypted to.
func X25519(t *Template) { t.Key.type_ = keyX25519 }

// FreshKey makes a key of its own instead of taking one from the pool.
func FreshKey(t *Template) { t.Key.fresh = true }

// KeyUsage sets exactly these usages; without arguments the extension is left out.
func KeyUsage(usages ...x509.KeyUsage) Option {
	return func(t *Template) {
		t.X509.KeyUsage, t.usageSet = 0, true
		for _, u := range usages {
			t.X509.KeyUsage |= u
		}
	}
}

// SignOnly is the key usage of a certificate that nobody may encrypt to.
func SignOnly(t *Template) {
	KeyUsage(x509.KeyUsageDigitalSignature, x509.KeyUsageContentCommitment)(t)
}

// EncryptOnly is the key usage of a certificate that may not sign, for RSA and EC keys alike.
func EncryptOnly(t *Template) {
	t.usageSet = true
	t.X509.KeyUsage = x509.KeyUsageKeyEncipherment
	if t.Key.type_ != keyRSA {
		t.X509.KeyUsage = x509.KeyUsageKeyAgreement
	}
}

// ExtKeyUsage sets exactly these purposes; without arguments the extension is left out.
func ExtKeyUsage(usages ...x509.ExtKeyUsage) Option {
	return func(t *Template) { t.X509.ExtKeyUsage = usages }
}

// Validity sets notBefore and notAfter.
func Validity(from, to time.Time) Option {
	return func(t *Template) { t.X509.NotBefore, t.X509.NotAfter = from.UTC(), to.UTC() }
}

// Addresses sets the rfc822Names of the subjectAltName.
func Addresses(addresses ...string) Option {
	return func(t *Template) { t.X509.EmailAddresses = addresses }
}

// NoSAN leaves the subjectAltName out; the certificate names no address.
func NoSAN(t *Template) { t.X509.EmailAddresses = nil }

// DNEmail puts an emailAddress attribute into the subject, as old CAs do.
func DNEmail(address string) Option {
	return func(t *Template) {
		t.X509.Subject.ExtraNames = append(t.X509.Subject.ExtraNames, pkix.AttributeTypeAndValue{
			Type:  asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1},
			Value: asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(address)},
		})
	}
}

// CommonName sets the subject's common name, which is the address otherwise.
func CommonName(name string) Option {
	return func(t *Template) { t.X509.Subject.CommonName = name }
}

// Serial sets the serial number.
func Serial(n int64) Option { return func(t *Template) { t.X509.SerialNumber = big.NewInt(n) } }

// PathLen limits how many CAs may stand below this one.
func PathLen(n int) Option {
	return func(t *Template) { t.X509.MaxPathLen, t.X509.MaxPathLenZero = n, n == 0 }
}

// CRLURL sets the CRL distribution points.
func CRLURL(urls ...string) Option {
	return func(t *Template) { t.X509.CRLDistributionPoints = urls }
}

// OCSPURL sets the OCSP responders of the authority information access extension.
func OCSPURL(urls ...string) Option { return func(t *Template) { t.X509.OCSPServer = urls } }

// Extension adds an extension of its own.
func Extension(oid asn1.ObjectIdentifier, critical bool, value []byte) Option {
	return func(t *Template) {
		t.X509.ExtraExtensions = append(t.X509.ExtraExtensions, pkix.Extension{Id: oid, Critical: critical, Value: value})
	}
}
