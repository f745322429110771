package trust_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"testing"

	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

func TestParseCertificates(t *testing.T) {
	ca := smimetest.NewCA("CA", smimetest.ECP256)
	a, b := ca.Issue("a@corp.example", smimetest.ECP256), ca.Issue("b@corp.example", smimetest.ECP256)
	broken := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30, 0x00}})
	tests := []struct {
		name  string
		input []byte
		want  []*x509.Certificate
		fails bool
	}{
		{"DER", a.Certificate.Raw, []*x509.Certificate{a.Certificate}, false},
		{"DER, two", slices.Concat(a.Certificate.Raw, b.Certificate.Raw), []*x509.Certificate{a.Certificate, b.Certificate}, false},
		{"PEM with text and a key", slices.Concat([]byte("subject=CN=a\n"), a.CertificatePEM(), a.KeyPEM()), []*x509.Certificate{a.Certificate}, false},
		{"PEM bundle", slices.Concat(ca.PEM(), []byte("\n# b\n"), b.CertificatePEM()), []*x509.Certificate{ca.Certificate, b.Certificate}, false},
		{"PEM with CRLF", bytes.ReplaceAll(ca.PEM(), []byte("\n"), []byte("\r\n")), []*x509.Certificate{ca.Certificate}, false},
		{"one broken", slices.Concat(ca.PEM(), broken, b.CertificatePEM()), []*x509.Certificate{ca.Certificate, b.Certificate}, true},
		{"a key alone", a.KeyPEM(), nil, true},
		{"empty", nil, nil, true},
		{"garbage", []byte("certificate"), nil, true},
		{"cut", ca.PEM()[:200], nil, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := trust.ParseCertificates(test.input)
			same := slices.EqualFunc(got, test.want, (*x509.Certificate).Equal)
			if !same || (err != nil) != test.fails || (test.want == nil) != errors.Is(err, trust.ErrNoCertificate) {
				t.Errorf("%d certificates and %v", len(got), err)
			}
		})
	}
}

func TestFingerprint(t *testing.T) {
	// openssl x509 -fingerprint -sha256 gives this in capitals with colons.
	cert := &x509.Certificate{Raw: []byte("abc")}
	if got := trust.Fingerprint(cert); got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Error(got)
	}
}

func TestKeyName(t *testing.T) {
	ca := smimetest.NewCA("CA")
	for want, cert := range map[string]*x509.Certificate{
		"RSA 2048":        ca.Certificate,
		"EC P-384":        ca.Issue("a@corp.example", smimetest.ECP384).Certificate,
		"X25519":          ca.Issue("a@corp.example", smimetest.X25519).Certificate,
		"Ed25519":         ca.Issue("a@corp.example", smimetest.Ed25519).Certificate,
		"RSASSA-PSS 2048": withPSSKey(t, ca, issue(t, ca, rsaWith(t, 2048, 65537), nil)),
		"unsupported":     {},
	} {
		if got := trust.KeyName(cert); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
