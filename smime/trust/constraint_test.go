package trust_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"

	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

func TestWithinMail(t *testing.T) {
	for _, test := range []struct {
		address, constraint string
		permits, excludes   bool
	}{
		{"a@corp.example", "corp.example", true, true},
		{"a@CORP.example", "corp.Example", true, true},
		{"a@mail.corp.example", "corp.example", false, false}, // crypto/x509 lets this pass
		{"a@mail.corp.example", ".corp.example", true, true},
		{"a@corp.example", ".corp.example", false, false},
		{"a@evilcorp.example", ".corp.example", false, false},
		{"a@corp.example", "a@corp.example", true, true},
		{"b@corp.example", "a@corp.example", false, false},
		{"A@corp.example", "a@corp.example", false, true}, // RFC 5280 section 7.5; but Names compares without case
		{`"a"@corp.example`, "a@corp.example", false, true},
		{"a@mail.corp.example", "a@corp.example", false, false},
		{"a@corp.example", "", true, true},
		{`"a@b"@corp.example`, "corp.example", false, true}, // list.Address refuses it as well
		{"a@b@corp.example", "corp.example", false, true},
		{"corp.example", "corp.example", false, true},
		{"a@", "corp.example", false, true},
		{"@corp.example", "corp.example", false, true},
		{"", "corp.example", false, true},
		{"a\x00@corp.example", "corp.example", false, true},
		{"jörg@corp.example", "corp.example", true, true},
		{"a@bücher.example", "xn--bcher-kva.example", true, true},
		{"a@mail.bücher.example", ".xn--bcher-kva.example", true, true},
		{"a@xn--bcher-kva.example", "bücher.example", true, true},
	} {
		if permits, excludes := trust.WithinMail(test.address, test.constraint, false), trust.WithinMail(test.address, test.constraint, true); permits != test.permits || excludes != test.excludes {
			t.Errorf("%q within %q: permitted %v, excluded %v", test.address, test.constraint, permits, excludes)
		}
	}
}

func TestNameConstraints(t *testing.T) {
	constrain := func(permitted, excluded []string) smimetest.Option {
		return func(t *smimetest.Template) {
			t.X509.PermittedDNSDomainsCritical = true
			t.X509.PermittedEmailAddresses, t.X509.ExcludedEmailAddresses = permitted, excluded
		}
	}
	root := smimetest.NewCA("Root")
	partner := root.Sub("Partner", constrain([]string{"partner.example"}, nil))
	partners := root.Sub("Partners", constrain([]string{".partner.example"}, nil))
	not := root.Sub("Not", constrain(nil, []string{"corp.example"}))
	tests := []struct {
		name   string
		ca     *smimetest.CA
		change func(*x509.Certificate)
		want   trust.Reason
	}{
		{"permitted host", partner, emails("a@partner.example"), ""},
		{"host below the permitted one", partner, emails("a@mail.partner.example"), trust.BadPath},
		{"another host", partner, emails("ceo@corp.example"), trust.BadPath},
		{"one of two", partner, emails("a@partner.example", "ceo@corp.example"), trust.BadPath},
		{"no address", partner, emails(), ""},
		{"in the subject", partner, inSubject("ceo@corp.example"), trust.BadPath},
		{"in the subject beside a permitted rfc822Name", partner, func(c *x509.Certificate) {
			inSubject("ceo@corp.example")(c)
			c.EmailAddresses = []string{"a@partner.example"}
		}, trust.BadPath},
		{"SmtpUTF8Mailbox", partner, func(c *x509.Certificate) {
			c.EmailAddresses, c.ExtraExtensions = nil, []pkix.Extension{smtpUTF8(t, false, "jörg@corp.example")}
		}, trust.BadPath},
		{"permitted SmtpUTF8Mailbox", partner, func(c *x509.Certificate) {
			c.EmailAddresses, c.ExtraExtensions = nil, []pkix.Extension{smtpUTF8(t, false, "jörg@partner.example")}
		}, ""},
		{"permitted domain", partners, emails("a@mail.partner.example"), ""},
		{"the domain itself", partners, emails("a@partner.example"), trust.BadPath},
		{"excluded host", not, emails("ceo@corp.example"), trust.BadPath},
		{"excluded, in the subject", not, inSubject("CEO@Corp.example"), trust.BadPath},
		{"not excluded", not, emails("a@partner.example"), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cert := issue(t, test.ca, rsaWith(t, 2048, 65537), test.change)
			v := anchored(root).Judge(cert, trust.Encryption, now, test.ca.Chain)
			if v.Reason != test.want {
				t.Errorf("%q (%s), want %q", v.Reason, v.Detail, test.want)
			}
		})
	}
}

func emails(addresses ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.EmailAddresses = addresses }
}

func inSubject(address string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.EmailAddresses = nil
		c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: []int{1, 2, 840, 113549, 1, 9, 1}, Value: address}}
	}
}
