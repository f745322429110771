package directory_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/smime/smimetest"
)

func TestNormalise(t *testing.T) {
	for in, want := range map[string]string{
		"Firstname.Last@Corp.Example": "firstname.last@corp.example",
		" a@b.example\r\n":            "a@b.example",
		"\u212aim@corp.example":       "\u212aim@corp.example", // Kelvin sign
		"JÖRG@corp.example":           "jÖrg@corp.example",
	} {
		if got := directory.Normalise(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestServes(t *testing.T) {
	domains := []string{"Corp.example", "sub.partner.example"}
	for address, want := range map[string]bool{
		"a@corp.example": true, "a@CORP.EXAMPLE": true, "a@sub.corp.example": false, "a@partner.example": false, "a@sub.partner.example": true,
		"a@evilcorp.example": false, "corp.example": false, "a@corp.example@evil.example": false, "": false,
	} {
		if directory.Serves(domains, address) != want {
			t.Errorf("%q: %v", address, !want)
		}
	}
	if !directory.Serves(nil, "a@anywhere.example") {
		t.Error("without domains it does not serve all")
	}
}

func TestOutage(t *testing.T) {
	down := errors.New("down")
	for _, test := range []struct {
		err    error
		outage bool
	}{{nil, false}, {directory.ErrNotFound, false}, {fmt.Errorf("ldap: %w", directory.ErrNotSource), false}, {down, true}} {
		if got := (directory.Answer{Err: test.err}).Outage(); (got != nil) != test.outage {
			t.Errorf("%v: %v", test.err, got)
		}
	}
	if answers := directory.Fail([]string{"a", "b"}, down); len(answers) != 2 || answers[1].Address != "b" || answers[1].Outage() != down {
		t.Errorf("%+v", answers)
	}
}

func TestReadContents(t *testing.T) {
	ca := smimetest.NewCA("CA", smimetest.ECP256)
	a, b := ca.Issue("a@corp.example", smimetest.ECP256).Certificate, ca.Issue("b@corp.example", smimetest.ECP256).Certificate
	bag := []byte{0x30, 0x80, 0x06, 0x01, 0x2a} // all that is looked at before open
	opener := func([]byte) ([]*x509.Certificate, int, error) {
		return []*x509.Certificate{ca.Certificate, a, b}, 1, nil
	}
	armour := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	tests := []struct {
		name           string
		value          []byte
		certs, helpers []*x509.Certificate
		complains      bool
	}{
		{name: "DER", value: a.Raw, certs: []*x509.Certificate{a}},
		{name: "PEM", value: armour("CERTIFICATE", a.Raw), certs: []*x509.Certificate{a}},
		{name: "PEM, several and a CA", value: slices.Concat(armour("CERTIFICATE", a.Raw), armour("CERTIFICATE", ca.Certificate.Raw), armour("X509 CERTIFICATE", b.Raw)),
			certs: []*x509.Certificate{a, b}, helpers: []*x509.Certificate{ca.Certificate}},
		{name: "a CA alone is what the value is about", value: ca.Certificate.Raw, certs: []*x509.Certificate{ca.Certificate}},
		{name: "SignedData", value: bag, certs: []*x509.Certificate{a, b}, helpers: []*x509.Certificate{ca.Certificate}, complains: true},
		{name: "SignedData in PEM", value: armour("PKCS7", bag), certs: []*x509.Certificate{a, b}, helpers: []*x509.Certificate{ca.Certificate}, complains: true},
		{name: "a private key", value: armour("PRIVATE KEY", []byte("k")), complains: true},
		{name: "PEM without an end", value: armour("CERTIFICATE", a.Raw)[:100], complains: true},
		{name: "text", value: []byte("see the web page"), complains: true},
		{name: "empty", complains: true},
		{name: "one octet", value: []byte{0x30}, complains: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := directory.ReadContents(test.value, opener)
			if !sameCerts(got.Certificates, test.certs) || !sameCerts(got.Helpers, test.helpers) || (err != nil) != test.complains {
				t.Errorf("%d certificates, %d helpers, %v", len(got.Certificates), len(got.Helpers), err)
			}
		})
	}
	t.Run("what only looks like a certificate is for the resolver", func(t *testing.T) {
		got, err := directory.ReadContents([]byte{0x30, 0x02, 0x30, 0x00}, opener)
		if len(got.Certificates) != 1 || err != nil {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("too many", func(t *testing.T) {
		var many []byte
		for range directory.MaxContents + 10 {
			many = append(many, armour("CERTIFICATE", a.Raw)...)
		}
		got, err := directory.ReadContents(many, opener)
		if len(got.Certificates) != directory.MaxContents || err == nil {
			t.Errorf("%d certificates, %v", len(got.Certificates), err)
		}
	})
	t.Run("unreadable SignedData", func(t *testing.T) {
		got, err := directory.ReadContents(bag, func([]byte) ([]*x509.Certificate, int, error) { return nil, 0, errors.New("cut") })
		if len(got.Certificates) != 0 || err == nil {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func sameCerts(ders [][]byte, certs []*x509.Certificate) bool {
	return slices.EqualFunc(ders, certs, func(der []byte, c *x509.Certificate) bool { return slices.Equal(der, c.Raw) })
}
