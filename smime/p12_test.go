package smime_test

import (
	"crypto/x509"
	"testing"

	"github.com/sealist/sealist/listd/keyring"
)

// decodeP12 reads a PKCS#12 file of the corpora.
func decodeP12(t testing.TB, octets []byte, password string) (any, *x509.Certificate) {
	t.Helper()
	b, err := keyring.ParsePKCS12(octets, password)
	if err != nil {
		t.Fatal(err)
	}
	return b.Private, b.Certificate
}
