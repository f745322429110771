package trust

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"

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
