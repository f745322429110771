package smimetest

import (
	"crypto/x509"
	"encoding/pem"

	"software.sslmate.com/src/go-pkcs12"
)

// PKCS12 returns certificate, chain, root and key as OpenSSL 3 writes them (PBES2, AES-256-CBC).
func (id *Identity) PKCS12(password string) []byte { return id.pkcs12(pkcs12.Modern2023, password) }

// PKCS12Legacy is PKCS12 as old software writes and reads it (3DES, SHA-1): gpgsm before 2.4, Windows before 10.
func (id *Identity) PKCS12Legacy(password string) []byte {
	return id.pkcs12(pkcs12.LegacyDES, password)
}

func (id *Identity) pkcs12(encoder *pkcs12.Encoder, password string) []byte {
	out, err := encoder.Encode(id.Private, id.Certificate, id.withRoot(), password)
	must(err)
	return out
}

// withRoot is the chain with the root at its end.
func (id *Identity) withRoot() []*x509.Certificate {
	chain := append([]*x509.Certificate(nil), id.Chain...)
	if id.Issuer != nil {
		chain = append(chain, id.Issuer.Root.Certificate)
	}
	return chain
}

// CertificatePEM returns the certificate alone.
func (id *Identity) CertificatePEM() []byte { return certificatePEM(id.Certificate) }

// KeyPEM returns the private key as unencrypted PKCS#8.
func (id *Identity) KeyPEM() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(id.Private)
	must(err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
