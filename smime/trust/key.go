package trust

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// pssKey is an RSA key that is for RSASSA-PSS alone (RFC 4055 section 1.2).
type pssKey struct{ *rsa.PublicKey }

var oidRSASSAPSS = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}

// publicKey is the certificate's key: what crypto/x509 made of it, or an *ecdh.PublicKey (X25519, RFC 8410 section 4) or
// a pssKey, whose identifiers it does not know in certificates. nil: not supported.
func publicKey(cert *x509.Certificate) any {
	if cert.PublicKey != nil {
		return cert.PublicKey
	}
	if key, err := x509.ParsePKIXPublicKey(cert.RawSubjectPublicKeyInfo); err == nil {
		return key
	}
	spki := cryptobyte.String(cert.RawSubjectPublicKeyInfo)
	var info, algorithm cryptobyte.String
	var oid asn1.ObjectIdentifier
	var octets []byte
	ok := spki.ReadASN1(&info, cbasn1.SEQUENCE) && info.ReadASN1(&algorithm, cbasn1.SEQUENCE) &&
		algorithm.ReadASN1ObjectIdentifier(&oid) && info.ReadASN1BitStringAsBytes(&octets)
	if !ok || !oid.Equal(oidRSASSAPSS) {
		return nil
	}
	key, err := x509.ParsePKCS1PublicKey(octets)
	if err != nil {
		return nil
	}
	return pssKey{key}
}

// KeyName names the kind and size of a certificate's key: "RSA 2048", "RSASSA-PSS 3072", "EC P-256", "X25519", "Ed25519",
// or "unsupported".
func KeyName(cert *x509.Certificate) string {
	switch key := publicKey(cert).(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case pssKey:
		return fmt.Sprintf("RSASSA-PSS %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "EC " + key.Curve.Params().Name
	case *ecdh.PublicKey:
		return fmt.Sprint(key.Curve())
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "unsupported"
}
