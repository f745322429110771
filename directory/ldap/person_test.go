package ldap_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/resolver"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// adSchema has what Active Directory and 389 DS have and slapd has not.
var adSchema = []string{
	`attributetype ( 1.2.840.113556.1.2.210 NAME 'proxyAddresses' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )`,
	`attributetype ( 1.2.840.113556.1.4.8 NAME 'userAccountControl' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )`,
	`attributetype ( 1.2.840.113556.1.4.159 NAME 'accountExpires' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )`,
	`attributetype ( 2.16.840.1.113730.3.1.610 NAME 'nsAccountLock' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )`,
	`objectclass ( 1.2.840.113556.1.5.15 NAME 'contact' SUP top STRUCTURAL MUST cn MAY ( mail $ proxyAddresses $ userCertificate $ userSMIMECertificate ) )`,
}

// withMore is an entry with more attributes than peer.Person gives.
func withMore(uid, mail string, more map[string][]string, certs ...*x509.Certificate) peer.Entry {
	var ders [][]byte
	for _, c := range certs {
		ders = append(ders, c.Raw)
	}
	e := peer.Person(uid, mail, ders...)
	e.Attributes["objectClass"] = append(e.Attributes["objectClass"], "extensibleObject")
	for name, values := range more {
		e.Attributes[name] = append(e.Attributes[name], values...)
	}
	return e
}

// filetime is a moment as Active Directory writes it.
func filetime(t time.Time) string { return fmt.Sprint((t.Unix() + 11_644_473_600) * 10_000_000) }

// TestPeople is the table of whose certificate is whose: aliases, disabled accounts, contacts, conflicts, and a user who
// writes somebody else's address into his own entry.
func TestPeople(t *testing.T) {
	p := newPKI(t)
	cert := func(addresses ...string) *x509.Certificate {
		return p.issue(addresses[0], smimetest.Addresses(addresses...))
	}
	none := p.issue("nobody", smimetest.NoSAN)
	alice, mallory, erin := cert("alice@corp.example"), cert("mallory@corp.example"), cert("erin@corp.example")
	entries := []peer.Entry{
		withMore("alice", "alice@corp.example", map[string][]string{"proxyAddresses": {"SMTP:alice@corp.example", "smtp:a.liddell@corp.example", "smtp:alice@other.example", "x500:/o=corp"}}, alice),
		withMore("bob", "bob@corp.example", nil),
		withMore("mallory", "mallory@corp.example", map[string][]string{"proxyAddresses": {"smtp:alice@corp.example", "smtp:bob@corp.example", "smtp:ceo@partner.example"}}, mallory, none),
		withMore("dis", "dis@corp.example", map[string][]string{"userAccountControl": {"514"}}, cert("dis@corp.example")),
		withMore("on", "on@corp.example", map[string][]string{"userAccountControl": {"512"}, "accountExpires": {"9223372036854775807"}}, cert("on@corp.example")),
		withMore("past", "past@corp.example", map[string][]string{"accountExpires": {filetime(time.Now().Add(-time.Hour))}}, cert("past@corp.example")),
		withMore("future", "future@corp.example", map[string][]string{"accountExpires": {filetime(time.Now().Add(time.Hour))}}, cert("future@corp.example")),
		withMore("never", "never@corp.example", map[string][]string{"accountExpires": {"0"}}, cert("never@corp.example")),
		withMore("lock", "lock@corp.example", map[string][]string{"nsAccountLock": {"TRUE"}}, cert("lock@corp.example")),
		{DN: "cn=partner," + peer.SlapdPeopleDN, Attributes: map[string][]string{"objectClass": {"contact"}, "cn": {"partner"}, "mail": {"contact@corp.example"},
			"userCertificate;binary": {string(cert("contact@corp.example").Raw)}}},
		withMore("erin", "erin@corp.example", nil, erin),
		{DN: "cn=erin," + peer.SlapdPeopleDN, Attributes: map[string][]string{"objectClass": {"contact"}, "cn": {"erin"}, "mail": {"erin@corp.example"},
			"userCertificate;binary": {string(cert("stale@corp.example").Raw)}}},
		withMore("nameless", "nameless@corp.example", nil, none),
	}
	s := peer.StartSlapd(t, peer.SlapdOptions{Entries: entries, Certificate: p.certPEM, Key: p.keyPEM, Global: adSchema, Anonymous: true})
	ca := trust.NewPolicy(trust.PolicyOptions{Anchors: []*x509.Certificate{p.people.Certificate}})

	type row struct {
		address string
		used    *x509.Certificate // nil: none is
		reason  trust.Reason      // of what is refused
		note    string
	}
	for name, test := range map[string]struct {
		change func(*ldap.Options)
		rows   []row
	}{
		"with domains": {func(o *ldap.Options) { o.Domains = []string{"corp.example"} }, []row{
			{"alice@corp.example", alice, trust.AddressMismatch, "2 entries"}, // mallory's is refused
			{"a.liddell@corp.example", alice, "", ""},
			{"A.Liddell@CORP.example", alice, "", ""},
			{"alice@other.example", nil, "", ""}, // not served
			{"bob@corp.example", nil, trust.AddressMismatch, "2 entries"},
			{"ceo@partner.example", nil, "", ""},
			{"mallory@corp.example", mallory, trust.NoAddress, ""},
			{"dis@corp.example", nil, trust.AccountDisabled, ""},
			{"on@corp.example", entryCert(entries, "on"), "", ""},
			{"past@corp.example", nil, trust.AccountDisabled, ""},
			{"future@corp.example", entryCert(entries, "future"), "", ""},
			{"never@corp.example", entryCert(entries, "never"), "", ""},
			{"lock@corp.example", nil, trust.AccountDisabled, ""},
			{"contact@corp.example", nil, trust.NotAPerson, ""},
			{"erin@corp.example", erin, trust.NotAPerson, "2 entries"},
			{"nameless@corp.example", nil, trust.NoAddress, ""},
			{"*", nil, "", ""}, {"*@corp.example", nil, "", ""}, {"x)(mail=*@corp.example", nil, "", ""}, {"alice@corp.example)(|(mail=*", nil, "", ""},
			{`al\69ce@corp.example`, nil, "", ""}, {"alice@corp.example\x00", nil, "", ""}, {"älice@corp.example", nil, "", ""},
		}},
		"without domains": {func(*ldap.Options) {}, []row{
			{"alice@corp.example", alice, trust.AddressMismatch, "2 entries"},
			{"a.liddell@corp.example", nil, trust.AddressMismatch, "domains are not set"},
			{"ceo@partner.example", nil, trust.AddressMismatch, "domains are not set"},
			{"bob@corp.example", nil, trust.AddressMismatch, "2 entries"},
		}},
		"with entry": {func(o *ldap.Options) { o.Domains, o.EntryBinds = []string{"corp.example"}, true }, []row{
			{"nameless@corp.example", none, "", ""},
			{"bob@corp.example", nil, trust.NoAddress, "2 entries"},
			{"alice@corp.example", alice, trust.NoAddress, "2 entries"},
		}},
		"in clear": {func(o *ldap.Options) {
			o.URLs, o.TLS, o.Domains, o.EntryBinds = []string{s.URL}, nil, []string{"corp.example"}, true
		}, []row{
			{"a.liddell@corp.example", nil, trust.AddressMismatch, "TLS"},
			{"nameless@corp.example", nil, trust.NoAddress, ""},
			{"alice@corp.example", alice, "", "2 entries"},
		}},
	} {
		for _, batched := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " batched=", batched), func(t *testing.T) {
				o := p.service(s)
				o.BindDN, o.BindPassword = "", nil
				o.Preset, o.Filter = "active-directory", ""
				test.change(&o)
				d, err := ldap.New(o)
				if err != nil {
					t.Fatal(err)
				}
				defer d.Close()
				var addresses []string
				for _, row := range test.rows {
					addresses = append(addresses, row.address)
				}
				answers := make([]directory.Answer, len(addresses))
				if batched {
					answers = d.Lookup(t.Context(), addresses)
				} else {
					for i, a := range addresses {
						answers[i] = d.Lookup(t.Context(), []string{a})[0]
					}
				}
				for i, row := range test.rows {
					if answers[i].Outage() != nil {
						t.Errorf("%q: %v", row.address, answers[i].Err)
						continue
					}
					r := resolver.New([]resolver.Source{given{answers[i]}}, ca, resolver.Options{})
					result := r.Resolve(t.Context(), []string{row.address}, resolver.Allowances{})[0]
					if row.used == nil && len(result.Certificates) != 0 || row.used != nil && (len(result.Certificates) != 1 || result.Certificates[0].Fingerprint != trust.Fingerprint(row.used)) {
						t.Errorf("%q: %d certificates, want %v (%+v)", row.address, len(result.Certificates), row.used != nil, result.Refused)
					}
					if row.reason != "" && !slices.ContainsFunc(result.Refused, func(no resolver.Refusal) bool { return no.Reason == row.reason }) {
						t.Errorf("%q: nothing refused as %s: %+v", row.address, row.reason, result.Refused)
					}
					if !strings.Contains(strings.Join(answers[i].Notes, "; "), row.note) {
						t.Errorf("%q: no %q in %q", row.address, row.note, answers[i].Notes)
					}
				}
			})
		}
	}
}

// given is a source with one answer.
type given struct{ answer directory.Answer }

func (given) Name() string { return "corp" }

func (g given) Lookup(context.Context, []string) []directory.Answer {
	return []directory.Answer{g.answer}
}

// entryCert is the certificate of an entry.
func entryCert(entries []peer.Entry, uid string) *x509.Certificate {
	for _, e := range entries {
		if strings.HasPrefix(e.DN, "uid="+uid+",") {
			cert, err := x509.ParseCertificate([]byte(e.Attributes["userCertificate;binary"][0]))
			if err == nil {
				return cert
			}
		}
	}
	return nil
}

// TestIssuersInTheDirectory: an intermediate that stands in a person's entry, or in an entry of its own, completes a path;
// it is asked for once.
func TestIssuersInTheDirectory(t *testing.T) {
	p := newPKI(t)
	inEntry := p.people.Sub("In the entry", smimetest.ECP256)
	subject := func(t *smimetest.Template) {
		t.X509.RawSubject = must(asn1.Marshal(pkix.RDNSequence{
			{{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, Value: "example"}}, {{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, Value: "corp"}},
			{{Type: asn1.ObjectIdentifier{2, 5, 4, 11}, Value: "people"}}, {{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "Issuing"}}}))
	}
	published := p.people.Sub("Issuing", smimetest.ECP256, subject)
	alice, bob := inEntry.Issue("alice@corp.example", smimetest.ECP256), published.Issue("bob@corp.example", smimetest.ECP256)
	s := peer.StartSlapd(t, peer.SlapdOptions{Entries: []peer.Entry{
		withMore("alice", "alice@corp.example", map[string][]string{"cACertificate;binary": {string(inEntry.Certificate.Raw)}}, alice.Certificate),
		withMore("bob", "bob@corp.example", nil, bob.Certificate),
		{DN: "cn=Issuing," + peer.SlapdPeopleDN, Attributes: map[string][]string{"objectClass": {"applicationProcess", "extensibleObject"}, "cn": {"Issuing"},
			"cACertificate;binary": {string(published.Certificate.Raw)}}},
	}, Certificate: p.certPEM, Key: p.keyPEM, Anonymous: true})
	o := p.service(s)
	o.BindDN, o.BindPassword = "", nil
	d, err := ldap.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r := resolver.New([]resolver.Source{d}, trust.NewPolicy(trust.PolicyOptions{Anchors: []*x509.Certificate{p.people.Certificate}}), resolver.Options{})
	for _, address := range []string{"alice@corp.example", "bob@corp.example"} {
		if result := r.Resolve(t.Context(), []string{address}, resolver.Allowances{})[0]; len(result.Certificates) != 1 {
			t.Errorf("%s: %+v", address, result)
		}
	}
	before := s.Searches()
	r.Resolve(t.Context(), []string{"bob@corp.example"}, resolver.Allowances{})
	if n := s.Searches() - before; n != 1 {
		t.Errorf("%d searches for somebody whose issuer is known", n)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
