package ldap_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mozilla.org/pkcs7"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime/smimetest"
)

// pki is what the tests with slapd share: a CA for the server, one for people.
type pki struct {
	server, people *smimetest.CA
	roots          *tls.Config
	certPEM        []byte
	keyPEM         []byte
}

func newPKI(t testing.TB) pki {
	t.Helper()
	p := pki{server: smimetest.NewCA("LDAP CA", smimetest.ECP256), people: smimetest.NewCA("People CA", smimetest.ECP256)}
	id := p.server.Issue("ldap", smimetest.ECP256, smimetest.NoSAN, smimetest.ExtKeyUsage(x509.ExtKeyUsageServerAuth),
		smimetest.KeyUsage(x509.KeyUsageDigitalSignature), func(t *smimetest.Template) { t.X509.IPAddresses = loopback })
	p.certPEM, p.keyPEM = id.CertificatePEM(), id.KeyPEM()
	pool := x509.NewCertPool()
	pool.AddCert(p.server.Certificate)
	p.roots = &tls.Config{RootCAs: pool}
	return p
}

func (p pki) issue(address string, o ...smimetest.Option) *x509.Certificate {
	return p.people.Issue(address, append([]smimetest.Option{smimetest.ECP256}, o...)...).Certificate
}

// service binds as the service user over LDAPS.
func (p pki) service(s *peer.Slapd) ldap.Options {
	o := options(s.TLSURL)
	o.TLS = p.roots
	o.BindDN, o.BindPassword = peer.SlapdServiceDN, func() ([]byte, error) { return []byte(peer.SlapdServiceSecret), nil }
	return o
}

func bag(t testing.TB, certs ...*x509.Certificate) string {
	t.Helper()
	var all []byte
	for _, c := range certs {
		all = append(all, c.Raw...)
	}
	der, err := pkcs7.DegenerateCertificate(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(der)
}

func ders(a directory.Answer) []string {
	var all []string
	for _, c := range a.Candidates {
		all = append(all, string(c.Certificate))
	}
	slices.Sort(all)
	return all
}

func sorted(certs ...*x509.Certificate) []string {
	var all []string
	for _, c := range certs {
		all = append(all, string(c.Raw))
	}
	slices.Sort(all)
	return all
}

// TestWaysToReachSlapd: LDAPS, StartTLS, the unix socket, loopback in clear; and what must not work.
func TestWaysToReachSlapd(t *testing.T) {
	p := newPKI(t)
	cert := p.issue(alice)
	s := peer.StartSlapd(t, peer.SlapdOptions{Certificate: p.certPEM, Key: p.keyPEM, SimpleBindNeedsTLS: true,
		Entries: []peer.Entry{peer.Person("alice", alice, cert.Raw)}})
	stranger := x509.NewCertPool()
	stranger.AddCert(p.people.Certificate)
	tests := []struct {
		name   string
		change func(*ldap.Options)
		works  bool
		says   string
	}{
		{"LDAPS", func(o *ldap.Options) {}, true, ""},
		{"StartTLS", func(o *ldap.Options) { o.URLs, o.StartTLS = []string{s.URL}, true }, true, ""},
		{"unix socket", func(o *ldap.Options) { o.URLs = []string{s.Socket} }, true, ""},
		{"in clear with a password the server refuses", func(o *ldap.Options) { o.URLs = []string{s.URL} }, false, "Confidentiality Required"},
		{"LDAPS, another CA", func(o *ldap.Options) { o.TLS = &tls.Config{RootCAs: stranger} }, false, "TLS: "},
		{"LDAPS, the system's CAs", func(o *ldap.Options) { o.TLS = nil }, false, "TLS: "},
		{"LDAPS, another name", func(o *ldap.Options) { o.TLS = &tls.Config{RootCAs: p.roots.RootCAs, ServerName: "dc1.corp.example"} }, false, "dc1.corp.example"},
		{"StartTLS, another CA", func(o *ldap.Options) {
			o.URLs, o.StartTLS, o.TLS = []string{s.URL}, true, &tls.Config{RootCAs: stranger}
		}, false, "StartTLS: "},
		{"wrong password", func(o *ldap.Options) { o.BindPassword = func() ([]byte, error) { return []byte("wrong"), nil } }, false, "Invalid Credentials"},
		{"a base that is not there", func(o *ldap.Options) { o.BaseDN = "ou=nowhere," + peer.SlapdBaseDN }, false, "No Such Object"},
		// OpenLDAP hides the base from those who may not read it.
		{"anonymous, where nobody may read", func(o *ldap.Options) { o.BindDN = "" }, false, "No Such Object"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := p.service(s)
			test.change(&o)
			d := open(t, o)
			for _, address := range []string{alice, "Alice@Corp.EXAMPLE"} {
				a := ask(t, d, address)
				if test.works && (a.Err != nil || !slices.Equal(ders(a), sorted(cert))) {
					t.Errorf("%+v", a)
				}
				if !test.works && (a.Outage() == nil || len(a.Candidates) > 0) {
					t.Errorf("%+v", a)
				}
				if !test.works && address == alice && a.Err != nil && !strings.Contains(a.Err.Error(), test.says) {
					t.Errorf("%v, want an error about %q", a.Err, test.says)
				}
			}
			if a := ask(t, d, "nobody@corp.example"); test.works != errors.Is(a.Err, directory.ErrNotFound) {
				t.Errorf("an address that nobody has: %v", a.Err)
			}
		})
	}
	t.Run("anonymous, where everybody may read", func(t *testing.T) {
		s := peer.StartSlapd(t, peer.SlapdOptions{Anonymous: true, Entries: []peer.Entry{peer.Person("alice", alice, cert.Raw)}})
		o := options(s.URL)
		o.BaseDN = peer.SlapdPeopleDN
		if a := ask(t, open(t, o), alice); a.Err != nil || len(a.Candidates) != 1 {
			t.Errorf("%+v", a)
		}
	})
}

// TestValues: what entries hold in practice.
func TestValues(t *testing.T) {
	p := newPKI(t)
	sub := p.people.Sub("Issuing CA", smimetest.ECP256)
	inBag, bare, plain := sub.Issue(alice, smimetest.ECP256).Certificate, p.issue(alice), p.issue(alice)
	person := peer.Person("alice", alice, plain.Raw)
	person.Attributes["mail"] = append(person.Attributes["mail"], "alice.alias@corp.example")
	person.Attributes["userSMIMECertificate"] = []string{bag(t, inBag, sub.Certificate, p.people.Certificate), string(bare.Raw),
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.issue(alice).Raw})), "garbage"}
	var old []*x509.Certificate
	long := peer.Person("long", "long@corp.example")
	for i := range 60 {
		o := []smimetest.Option{}
		if i < 55 {
			o = append(o, smimetest.Validity(time.Now().Add(-time.Duration(1000+i)*time.Hour), time.Now().Add(-time.Hour)))
		}
		old = append(old, p.issue("long@corp.example", o...))
		long.Attributes["userCertificate;binary"] = append(long.Attributes["userCertificate;binary"], string(old[i].Raw))
	}
	twice := func(uid string) peer.Entry {
		return peer.Person(uid, "shared@corp.example", p.issue("shared@corp.example").Raw)
	}
	s := peer.StartSlapd(t, peer.SlapdOptions{Certificate: p.certPEM, Key: p.keyPEM, Entries: []peer.Entry{person, long, twice("one"), twice("two"), peer.Person("empty", "empty@corp.example")}})
	o := p.service(s)
	o.EntryBinds = true
	d := open(t, o)

	a := ask(t, d, alice)
	if a.Err != nil || len(a.Candidates) != 4 || len(a.Helpers) != 2 || len(a.Unreadable) != 1 || a.Unreadable[0].Reason != "malformed" {
		t.Fatalf("%d candidates, %d helpers, %+v, %v", len(a.Candidates), len(a.Helpers), a.Unreadable, a.Err)
	}
	for _, c := range a.Candidates {
		o := c.Origin
		if o.Source != "corp" || o.Server != s.TLSURL || o.Entry != person.DN || !slices.Contains([]string{"userSMIMECertificate", "userCertificate"}, o.Attribute) || !o.BoundByEntry {
			t.Errorf("%+v", o)
		}
	}
	if a.Filter != "(mail=alice@corp.example)" || a.Server != s.TLSURL || a.Took <= 0 {
		t.Errorf("%q, %q, %v", a.Filter, a.Server, a.Took)
	}
	if b := ask(t, d, "alice.alias@corp.example"); !slices.Equal(ders(a), ders(b)) {
		t.Errorf("by her alias: %+v", b)
	}
	if a := ask(t, d, "long@corp.example"); !slices.Equal(ders(a), sorted(old...)) {
		t.Errorf("of 60 values %d came", len(a.Candidates))
	}
	if a := ask(t, d, "shared@corp.example"); len(a.Candidates) != 2 || a.Candidates[0].Origin.BoundByEntry {
		t.Errorf("two entries for one address bind nobody: %+v", a)
	}
	if a := ask(t, d, "empty@corp.example"); a.Err != nil || len(a.Candidates)+len(a.Unreadable) != 0 {
		t.Errorf("a person without certificates: %+v", a)
	}
	plainOptions := options(s.Socket)
	plainOptions.BindDN, plainOptions.BindPassword = o.BindDN, o.BindPassword
	if a := ask(t, open(t, plainOptions), alice); len(a.Candidates) == 0 || a.Candidates[0].Origin.BoundByEntry {
		t.Errorf("without address_match: entry nothing is bound: %+v", a)
	}
	inClear := o
	inClear.URLs = []string{s.URL}
	if a := ask(t, open(t, inClear), alice); len(a.Candidates) == 0 || a.Candidates[0].Origin.BoundByEntry {
		t.Errorf("in clear nothing is bound: %+v", a)
	}
}

// TestInjection: an address is a value and nothing else, alone and among others.
func TestInjection(t *testing.T) {
	p := newPKI(t)
	odd := "o*d(d)\\@corp.example"
	s := peer.StartSlapd(t, peer.SlapdOptions{Certificate: p.certPEM, Key: p.keyPEM, Entries: []peer.Entry{
		peer.Person("alice", alice, p.issue(alice).Raw), peer.Person("odd", odd, p.issue(alice).Raw)}})
	d := open(t, p.service(s))
	hostile := []string{"*@corp.example", "*)(mail=*@corp.example", "a)(|(mail=*))@corp.example", `\2a@corp.example`, "x)(objectClass=*)(mail=@corp.example",
		"al*@corp.example", "*", "(", "alice@corp.example)(mail=*", "\x00@corp.example", "ﬀ@corp.example", "\xff\xfe@corp.example", "alice@corp.example\x00", "{addr}@{domain}"}
	for _, address := range hostile {
		if a := ask(t, d, address); !errors.Is(a.Err, directory.ErrNotFound) || len(a.Candidates) > 0 {
			t.Errorf("%q: %+v", address, a)
		}
	}
	answers := d.Lookup(t.Context(), slices.Concat(hostile, []string{alice, odd}))
	for i, a := range answers {
		if found := i >= len(hostile); found != (a.Err == nil && len(a.Candidates) == 1) || !found && !errors.Is(a.Err, directory.ErrNotFound) {
			t.Errorf("together: %q: %+v", a.Address, a)
		}
	}
	if strings.Contains(s.Log(), "objectClass=*)(mail") || strings.Contains(s.Log(), "(mail=*)") {
		t.Error("slapd saw an injected filter")
	}
}

// TestTenThousand: many addresses, some absent, some twice, under a size limit of the server.
func TestTenThousand(t *testing.T) {
	if testing.Short() {
		t.Skip("10,000 entries")
	}
	p := newPKI(t)
	cert := p.issue(alice)
	var entries []peer.Entry
	var addresses []string
	for i := range 10_000 {
		mail := fmt.Sprintf("u%d@corp.example", i)
		entries = append(entries, peer.Person(fmt.Sprintf("u%d", i), mail, cert.Raw))
		addresses = append(addresses, mail)
		if i%100 == 0 {
			addresses = append(addresses, fmt.Sprintf("absent%d@corp.example", i))
		}
	}
	for _, limit := range []int{0, 30} {
		t.Run(fmt.Sprint("size limit ", limit), func(t *testing.T) {
			s := peer.StartSlapd(t, peer.SlapdOptions{Certificate: p.certPEM, Key: p.keyPEM, Entries: entries, SizeLimit: limit})
			d := open(t, p.service(s))
			start := time.Now()
			answers := d.Lookup(t.Context(), addresses)
			t.Logf("%d addresses in %v with %d searches", len(addresses), time.Since(start), s.Searches())
			for _, a := range answers {
				if strings.HasPrefix(a.Address, "absent") {
					if !errors.Is(a.Err, directory.ErrNotFound) {
						t.Fatalf("%+v", a)
					}
				} else if a.Err != nil || len(a.Candidates) != 1 || !strings.HasPrefix(a.Candidates[0].Origin.Entry, "uid="+strings.TrimSuffix(a.Address, "@corp.example")+",") {
					t.Fatalf("%+v", a)
				}
			}
			if binds := strings.Count(s.Log(), "method=128"); binds != 1 {
				t.Errorf("%d connections, want one", binds)
			}
			if limit == 0 && s.Searches() > 2*len(addresses)/50+2 {
				t.Errorf("%d searches for %d addresses", s.Searches(), len(addresses))
			}
		})
	}
}

// TestSlapdFailover: a server that hangs, is killed, and comes back.
func TestSlapdFailover(t *testing.T) {
	p := newPKI(t)
	start := func() *peer.Slapd {
		return peer.StartSlapd(t, peer.SlapdOptions{Certificate: p.certPEM, Key: p.keyPEM, Entries: []peer.Entry{peer.Person("alice", alice, p.issue(alice).Raw)}})
	}
	first, second := start(), start()
	ticking := newClock()
	o := p.service(first)
	o.URLs, o.Timeout, o.ConnectTimeout, o.Clock = []string{first.TLSURL, second.TLSURL}, time.Second, 500*time.Millisecond, ticking.Now
	d := open(t, o)
	from := func(what string, s *peer.Slapd) {
		t.Helper()
		if a := ask(t, d, alice); a.Err != nil || a.Server != s.TLSURL || len(a.Candidates) != 1 {
			t.Errorf("%s: %+v", what, a)
		}
	}
	from("both up", first)
	first.Freeze()
	from("the first hangs with a connection open", second)
	ticking.Advance(2 * time.Second)
	from("it still hangs, when connecting", second)
	first.Thaw()
	from("it is back, but not asked yet", second)
	ticking.Advance(time.Minute)
	from("it is asked again", first)
	first.Kill()
	from("it is killed", second)
	second.Kill()
	if a := ask(t, d, alice); a.Outage() == nil || !strings.Contains(a.Err.Error(), first.TLSURL) || !strings.Contains(a.Err.Error(), second.TLSURL) {
		t.Errorf("both are killed: %+v", a)
	}
	if a := ask(t, d, "nobody@corp.example"); a.Outage() == nil {
		t.Errorf("both are killed, an address that nobody has: %+v", a)
	}
	first.Start()
	ticking.Advance(2 * time.Minute)
	from("the first runs again", first)
}

func TestDomains(t *testing.T) {
	server := startFake(t, answering(person{alice, anyone}, person{"alice@sub.corp.example", anyone}))
	o := options(server.url)
	o.Domains = []string{"CORP.example"}
	d := open(t, o)
	answers := d.Lookup(t.Context(), []string{"alice@partner.example", alice, "alice@sub.corp.example", "alice@CORP.example"})
	for i, served := range []bool{false, true, false, true} {
		if got := !errors.Is(answers[i].Err, directory.ErrNotSource); got != served || served && answers[i].Err != nil {
			t.Errorf("%+v", answers[i])
		}
	}
	if filters := strings.Join(server.asked(), ""); strings.Contains(filters, "partner") || strings.Contains(filters, "sub") {
		t.Errorf("another domain's address was sent: %s", filters)
	}
}

func TestReport(t *testing.T) {
	p := newPKI(t)
	cert := p.issue(alice)
	s := peer.StartSlapd(t, peer.SlapdOptions{Certificate: p.certPEM, Key: p.keyPEM, Entries: []peer.Entry{peer.Person("alice", alice, cert.Raw, []byte("\x30\x03\x30\x01\x00"))}})
	gone := startFake(t, nil)
	gone.stop()
	o := p.service(s)
	o.Domains = []string{"corp.example"}
	o.URLs = []string{gone.url, s.TLSURL, s.URL, s.Socket}
	d := open(t, o)
	r := d.Test(t.Context(), "Alice@corp.example")
	if r.Directory != "corp" || !r.Served || r.BaseDN != peer.SlapdBaseDN || r.Scope != "sub" || r.Filter != "(mail=alice@corp.example)" || r.AnsweredBy != s.TLSURL || r.Error != "" {
		t.Errorf("%+v", r)
	}
	if len(r.Servers) != 4 || r.Servers[0].Stage != ldap.StageConnect || r.Servers[0].Error == "" || r.Servers[0].BindIdentity != "" {
		t.Fatalf("%+v", r.Servers)
	}
	if one := r.Servers[1]; one.Error != "" || one.BindIdentity != peer.SlapdServiceDN || one.TLS == nil || !one.TLS.Verified || !strings.Contains(one.TLS.Issuer, "LDAP CA") || one.Milliseconds <= 0 {
		t.Errorf("%+v %+v", one, one.TLS)
	}
	if r.Servers[2].TLS != nil || r.Servers[3].Error != "" {
		t.Errorf("%+v", r.Servers)
	}
	if len(r.Entries) != 1 || !strings.HasPrefix(r.Entries[0].DN, "uid=alice,") || len(r.Entries[0].Certificates) != 2 {
		t.Fatalf("%+v", r.Entries)
	}
	if i := slices.IndexFunc(r.Entries[0].Attributes, func(a ldap.AttributeReport) bool { return a.Name == "userCertificate;binary" }); i < 0 || r.Entries[0].Attributes[i].Values != 2 {
		t.Errorf("%+v", r.Entries[0].Attributes)
	}
	for _, c := range r.Entries[0].Certificates {
		if (c.Error == "") != (c.Serial != "") || c.Fingerprint == "" || c.Attribute != "userCertificate" {
			t.Errorf("%+v", c)
		}
	}
	octets, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(octets), `"bind_identity"`) || strings.Contains(string(octets), peer.SlapdServiceSecret) {
		t.Errorf("%s, %v", octets, err)
	}
	if r := d.Test(t.Context(), "x@partner.example"); r.Served || len(r.Entries) != 0 || r.AnsweredBy == "" {
		t.Errorf("%+v", r)
	}
	if r := d.Test(t.Context(), "no address"); r.Error == "" || len(r.Servers) != 0 {
		t.Errorf("%+v", r)
	}
	o.BindPassword = func() ([]byte, error) { return []byte("wrong"), nil }
	if r := open(t, o).Test(t.Context(), alice); r.AnsweredBy != "" || r.Error == "" || r.Servers[1].Stage != ldap.StageBind {
		t.Errorf("%+v", r)
	}
}
