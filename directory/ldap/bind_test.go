package ldap_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime/smimetest"
)

// TestBinds is the table of how a server is reached and bound to, and of what keeps it from being so. Nothing ever goes on
// as anonymous.
func TestBinds(t *testing.T) {
	p := newPKI(t)
	clients := smimetest.NewCA("Clients", smimetest.ECP256)
	client := clients.Issue("sealist", smimetest.ECP256, smimetest.NoSAN, smimetest.CommonName("sealist"), smimetest.ExtKeyUsage(x509.ExtKeyUsageClientAuth))
	alice := p.issue("alice@corp.example")
	// By its own name, and by what ldapi makes of our user id.
	user := fmt.Sprintf("gidNumber=%d+uidNumber=%d,cn=peercred,cn=external,cn=auth", os.Getgid(), os.Getuid())
	s := peer.StartSlapd(t, peer.SlapdOptions{Entries: []peer.Entry{withMore("alice", "alice@corp.example", nil, alice)}, Certificate: p.certPEM, Key: p.keyPEM,
		CA: clients.PEM(), ClientSubject: "cn=sealist,o=sealist tests", Global: []string{`authz-regexp "^` + strings.ReplaceAll(user, "+", ".") + `$" "` + peer.SlapdServiceDN + `"`}})
	show := func(id *smimetest.Identity) *tls.Config {
		c := p.roots.Clone()
		c.Certificates = []tls.Certificate{must(tls.X509KeyPair(id.CertificatePEM(), id.KeyPEM()))}
		return c
	}
	named := func(name string) *tls.Config { c := p.roots.Clone(); c.ServerName = name; return c }
	for name, test := range map[string]struct {
		change func(*ldap.Options)
		stage  ldap.Stage // empty: it works
		hint   string
	}{
		"password over ldaps":    {func(*ldap.Options) {}, "", ""},
		"password over StartTLS": {func(o *ldap.Options) { o.URLs, o.StartTLS = []string{s.URL}, true }, "", ""},
		"password over ldapi":    {func(o *ldap.Options) { o.URLs, o.TLS = []string{s.Socket}, nil }, "", ""},
		"wrong password":         {func(o *ldap.Options) { o.BindPassword = func() ([]byte, error) { return []byte("x"), nil } }, ldap.StageBind, "bind_password_file"},
		"no password file":       {func(o *ldap.Options) { o.BindPassword = func() ([]byte, error) { return nil, os.ErrNotExist } }, ldap.StageBind, ""},
		"external over ldaps":    {func(o *ldap.Options) { o.BindDN, o.External, o.TLS = "", true, show(client) }, "", ""},
		"external over StartTLS": {func(o *ldap.Options) {
			o.BindDN, o.External, o.TLS, o.URLs, o.StartTLS = "", true, show(client), []string{s.URL}, true
		}, "", ""},
		"external over ldapi":     {func(o *ldap.Options) { o.BindDN, o.External, o.TLS, o.URLs = "", true, nil, []string{s.Socket} }, "", ""},
		"external by nobody":      {func(o *ldap.Options) { o.BindDN, o.External = "", true }, ldap.StageBind, ""},
		"an unknown CA":           {func(o *ldap.Options) { o.TLS = &tls.Config{RootCAs: x509.NewCertPool()} }, ldap.StageTLS, "cafile"},
		"another name":            {func(o *ldap.Options) { o.TLS = named("ldap.corp.example") }, ldap.StageTLS, "server_name"},
		"its name, said":          {func(o *ldap.Options) { o.TLS = named("127.0.0.1") }, "", ""},
		"nothing listens there":   {func(o *ldap.Options) { o.URLs = []string{"ldaps://127.0.0.1:1"} }, ldap.StageConnect, "host and port"},
		"TLS on the other port":   {func(o *ldap.Options) { o.URLs = []string{strings.Replace(s.URL, "ldap:", "ldaps:", 1)} }, ldap.StageTLS, "starttls"},
		"anonymous, who may none": {func(o *ldap.Options) { o.BindDN = "" }, ldap.StageSearch, "base_dn"},
	} {
		t.Run(name, func(t *testing.T) {
			o := p.service(s)
			test.change(&o)
			d, err := ldap.New(o)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			a := d.Lookup(t.Context(), []string{"alice@corp.example"})[0]
			report := d.Test(t.Context(), "alice@corp.example").Servers[0]
			if test.stage == "" {
				if a.Err != nil || len(a.Candidates) != 1 || report.Error != "" {
					t.Errorf("%v, %+v", a.Err, report)
				}
				return
			}
			if a.Outage() == nil {
				t.Errorf("an outage is an absence: %+v", a)
			}
			if report.Stage != test.stage || !strings.Contains(report.Remedy, test.hint) || len(a.Candidates) != 0 {
				t.Errorf("%+v", report)
			}
		})
	}
}

// TestDiscovery: servers that DNS names are asked over TLS, with their own names, within the domain, without credentials;
// that DNS says nothing is an outage.
func TestDiscovery(t *testing.T) {
	server := smimetest.NewCA("LDAP CA", smimetest.ECP256)
	id := server.Issue("ldap", smimetest.ECP256, smimetest.NoSAN, smimetest.ExtKeyUsage(x509.ExtKeyUsageServerAuth),
		smimetest.KeyUsage(x509.KeyUsageDigitalSignature), func(t *smimetest.Template) { t.X509.DNSNames = []string{"localhost"} })
	p := newPKI(t)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate)
	alice := p.issue("alice@localhost")
	s := peer.StartSlapd(t, peer.SlapdOptions{Entries: []peer.Entry{withMore("alice", "alice@localhost", nil, alice)}, Certificate: id.CertificatePEM(), Key: id.KeyPEM(), Anonymous: true})
	at := func(url, host string) *net.SRV {
		_, port, _ := strings.Cut(strings.TrimPrefix(url, "ldap"), "127.0.0.1:")
		n, err := strconv.Atoi(port)
		if err != nil {
			t.Fatal(err)
		}
		return &net.SRV{Target: host, Port: uint16(n)}
	}
	notFound := &net.DNSError{Err: "no such host", IsNotFound: true}
	for name, test := range map[string]struct {
		ldaps, ldap []*net.SRV
		domain      string
		found       bool
	}{
		"ldaps":                 {[]*net.SRV{at(s.TLSURL, "localhost.")}, nil, "localhost", true},
		"StartTLS":              {nil, []*net.SRV{at(s.URL, "LOCALHOST")}, "localhost", true},
		"nothing":               {nil, nil, "localhost", false},
		"outside of the domain": {[]*net.SRV{at(s.TLSURL, "localhost")}, nil, "corp.example", false},
		"its name as a suffix":  {[]*net.SRV{at(s.TLSURL, "notlocalhost")}, nil, "localhost", false},
		"none":                  {[]*net.SRV{{Target: "."}}, nil, "localhost", false},
		"no TLS there":          {[]*net.SRV{at(s.URL, "localhost")}, nil, "localhost", false},
	} {
		t.Run(name, func(t *testing.T) {
			o := ldap.Options{Name: "discovered", Preset: "openldap", Domains: []string{test.domain}}
			o.Discover, o.TLS = test.domain, &tls.Config{RootCAs: pool}
			o.LookupSRV = func(_ context.Context, service, _, domain string) (string, []*net.SRV, error) {
				records := test.ldaps
				if service == "ldap" {
					records = test.ldap
				}
				if domain != test.domain || records == nil {
					return "", nil, notFound
				}
				return "", records, nil
			}
			d, err := ldap.New(o)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			a := d.Lookup(t.Context(), []string{"alice@" + test.domain})[0]
			if test.found && (a.Err != nil || len(a.Candidates) != 1) || !test.found && a.Outage() == nil {
				t.Errorf("%+v", a)
			}
			if b := d.Lookup(t.Context(), []string{"alice@elsewhere.example"})[0]; !errors.Is(b.Err, directory.ErrNotSource) {
				t.Errorf("another domain: %+v", b)
			}
		})
	}
	for what, change := range map[string]func(*ldap.Options){
		"a password": func(o *ldap.Options) { o.BindDN, o.BindPassword = "o=x", func() ([]byte, error) { return nil, nil } },
		"EXTERNAL":   func(o *ldap.Options) { o.External = true },
		"a certificate": func(o *ldap.Options) {
			o.TLS = &tls.Config{Certificates: []tls.Certificate{must(tls.X509KeyPair(id.CertificatePEM(), id.KeyPEM()))}}
		},
		"URLs": func(o *ldap.Options) { o.URLs = []string{s.TLSURL} },
	} {
		o := ldap.Options{Name: "x", Preset: "openldap", Domains: []string{"localhost"}}
		o.Discover = "localhost"
		change(&o)
		if _, err := ldap.New(o); err == nil {
			t.Errorf("%s beside discovery is taken", what)
		}
	}
}
