package trust_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"strings"
	"testing"

	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

func TestEqualAddress(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"a@b.example", "a@b.example", true},
		{"Firstname.Last@Corp.Example", "firstname.last@corp.example", true},
		{"a@b.example", "a@b.exampl", false},
		{"\u212aim@corp.example", "kim@corp.example", false},   // Kelvin sign
		{"\u017ftan@corp.example", "stan@corp.example", false}, // long s
		{"\u0130@corp.example", "i@corp.example", false},
		{"Ä@corp.example", "ä@corp.example", false},
		{"[@corp.example", "{@corp.example", false}, // letters alone have a case
		{"@corp.example", "`corp.example", false},
		{"", "", true},
		// RFC 9598 section 5: A-labels and U-labels of a domain are the same.
		{"a@bücher.example", "a@xn--bcher-kva.example", true},
		{"A@Bücher.EXAMPLE", "a@XN--BCHER-KVA.example", true},
		{"a@BÜCHER.example", "a@xn--bcher-kva.example", false}, // a capital is no U-label
		{"a@bucher.example", "a@xn--bcher-kva.example", false},
		{"a@bu\u0308cher.example", "a@xn--bcher-kva.example", false}, // not normalised, so no U-label
		{"a@例え.テスト", "a@xn--r8jz45g.xn--zckzah", true},
		{"a@\u212aelvin.example", "a@kelvin.example", false}, // Kelvin sign
		{"a@corp\u3002example", "a@corp.example", false},     // ideographic full stop
		{"a@\uff43orp.example", "a@corp.example", false},     // full-width letter
		{"a@cor\u00adp.example", "a@corp.example", false},    // soft hyphen
		{"bücher@corp.example", "xn--bcher-kva@corp.example", false},
		{"bücher", "xn--bcher-kva", false},
	} {
		if got := trust.EqualAddress(test.a, test.b); got != test.want || trust.EqualAddress(test.b, test.a) != test.want {
			t.Errorf("EqualAddress(%q, %q) = %v", test.a, test.b, got)
		}
	}
}

func TestAddresses(t *testing.T) {
	ca := smimetest.NewCA("CA")
	old := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
	dn := func(values ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.EmailAddresses = nil
			for _, v := range values {
				c.Subject.ExtraNames = append(c.Subject.ExtraNames, pkix.AttributeTypeAndValue{Type: old, Value: v})
			}
		}
	}
	tests := []struct {
		name   string
		change func(*x509.Certificate)
		want   []string
	}{
		{"one rfc822Name", nil, []string{"alice@corp.example"}},
		{"three of them", func(c *x509.Certificate) { c.EmailAddresses = []string{"a@x.example", "b@x.example", "c@x.example"} }, []string{"a@x.example", "b@x.example", "c@x.example"}},
		{"the subject's emailAddress", dn("old@corp.example"), []string{"old@corp.example"}},
		{"two in the subject", dn("old@corp.example", "older@corp.example"), []string{"old@corp.example", "older@corp.example"}},
		{"the same in both", func(c *x509.Certificate) {
			dn("Alice@Corp.example")(c)
			c.EmailAddresses = []string{"alice@corp.example"}
		}, []string{"alice@corp.example"}},
		{"SmtpUTF8Mailbox", func(c *x509.Certificate) {
			c.EmailAddresses, c.ExtraExtensions = nil, []pkix.Extension{smtpUTF8(t, false, "jörg@corp.example", "münch@corp.example")}
		}, []string{"jörg@corp.example", "münch@corp.example"}},
		{"none", func(c *x509.Certificate) { c.EmailAddresses = nil }, nil},
		{"a host name only", func(c *x509.Certificate) { c.EmailAddresses, c.DNSNames = nil, []string{"corp.example"} }, nil},
		{"nonsense", func(c *x509.Certificate) {
			c.EmailAddresses = []string{"alice@corp.example\x00.evil.example", "alice@corp.example\r\n", "@corp.example", "alice@", "alice", ""}
		}, nil},
		{"two in one value", dn("a@corp.example b@corp.example"), nil},
		{"a quoted @", func(c *x509.Certificate) { c.EmailAddresses = []string{`"a@b"@corp.example`} }, nil},
		{"a domain of 256 octets", func(c *x509.Certificate) {
			c.EmailAddresses = []string{"a@" + strings.Repeat("a.", 126) + "test"}
		}, nil},
		{"not UTF-8", func(c *x509.Certificate) {
			c.EmailAddresses, c.ExtraExtensions = nil, []pkix.Extension{smtpUTF8(t, false, "j\xf6rg@corp.example")}
		}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cert := issue(t, ca, rsaWith(t, 2048, 65537), test.change)
			if got := trust.Addresses(cert); !slices.Equal(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
			for _, a := range test.want {
				if !trust.Names(cert, strings.ToUpper(a[:1])+a[1:]) && a[0] < 0x80 {
					t.Errorf("it does not name %q", a)
				}
			}
			if trust.Names(cert, "someone@else.example") || trust.Names(cert, "") {
				t.Error("it names somebody else")
			}
		})
	}
}

// TestCriticalSAN: with an empty subject the subjectAltName is critical, and crypto/x509 does not know SmtpUTF8Mailbox.
func TestCriticalSAN(t *testing.T) {
	ca := smimetest.NewCA("CA")
	cert := issue(t, ca, rsaWith(t, 2048, 65537), func(c *x509.Certificate) {
		c.Subject, c.EmailAddresses, c.ExtraExtensions = pkix.Name{}, nil, []pkix.Extension{smtpUTF8(t, true, "jörg@corp.example")}
	})
	if v := anchored(ca).Judge(cert, trust.Encryption, now, nil); !v.OK() || v.Path[0] != cert {
		t.Errorf("%q (%s)", v.Reason, v.Detail)
	}
	if !trust.Names(cert, "jörg@CORP.example") {
		t.Error("it does not name its address")
	}
	alien := issue(t, ca, rsaWith(t, 2048, 65537), func(c *x509.Certificate) {
		c.EmailAddresses = nil
		c.ExtraExtensions = []pkix.Extension{smtpUTF8(t, true, "jörg@corp.example"), {Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
	})
	if v := anchored(ca).Judge(alien, trust.Encryption, now, nil); v.Reason != trust.BadPath {
		t.Errorf("another critical extension beside it: %q", v.Reason)
	}
}

func FuzzAddresses(f *testing.F) {
	ca := smimetest.NewCA("CA", smimetest.ECP256)
	f.Add(ca.Issue("alice@corp.example", smimetest.ECP256).Certificate.Raw)
	f.Add(ca.Certificate.Raw)
	f.Fuzz(func(t *testing.T, der []byte) {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		for _, a := range trust.Addresses(cert) {
			if strings.ContainsAny(a, "\x00\r\n") || !strings.Contains(a, "@") {
				t.Errorf("%q is an address", a)
			}
		}
		anchored(ca).Judge(cert, trust.Encryption, now, []*x509.Certificate{cert})
	})
}

// FuzzSubjectAltName puts octets where the subjectAltName is.
func FuzzSubjectAltName(f *testing.F) {
	f.Add([]byte{0x30, 0x00})
	f.Add([]byte{0x30, 0x1b, 0xa0, 0x19, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x09, 0xa0, 0x0d, 0x0c, 0x0b, 'a', '@', 'b', '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e'})
	f.Fuzz(func(t *testing.T, san []byte) {
		cert := &x509.Certificate{Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: san}}}
		for _, a := range trust.Addresses(cert) {
			if strings.ContainsAny(a, "\x00\r\n") {
				t.Errorf("%q is an address", a)
			}
		}
	})
}
