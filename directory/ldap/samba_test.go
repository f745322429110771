package ldap_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime/smimetest"
)

// TestSambaAD asks an Active Directory domain controller with its preset, as a service user that it makes for itself.
func TestSambaAD(t *testing.T) {
	p := newPKI(t)
	id := p.server.Issue("dc1", smimetest.ECP256, smimetest.NoSAN, smimetest.ExtKeyUsage(x509.ExtKeyUsageServerAuth),
		smimetest.KeyUsage(x509.KeyUsageDigitalSignature), func(t *smimetest.Template) { t.X509.IPAddresses = []net.IP{net.ParseIP(peer.SambaAddress)} })
	account := func(name, control string, more map[string][]string) peer.Entry {
		e := peer.Entry{DN: "CN=" + name + "," + peer.SambaUsersDN, Attributes: map[string][]string{"objectClass": {"user"}, "sAMAccountName": {name},
			"unicodePwd": {peer.UnicodePassword("Not-so-secret-1")}, "userAccountControl": {control}}}
		for a, v := range more {
			e.Attributes[a] = v
		}
		return e
	}
	alice, bob, gone, team := p.issue("alice@ad.example"), p.issue("bob@ad.example"), p.issue("gone@ad.example"), p.issue("team@ad.example")
	entries := []peer.Entry{
		account("alice", "512", map[string][]string{"mail": {"alice@ad.example"}, "proxyAddresses": {"SMTP:alice@ad.example", "smtp:A.Liddell@ad.example"}, "userCertificate": {string(alice.Raw)}}),
		account("bob", "512", map[string][]string{"mail": {"bob@ad.example"}, "userSMIMECertificate": {bag(t, bob)}}),
		account("gone", "514", map[string][]string{"mail": {"gone@ad.example"}, "userCertificate": {string(gone.Raw)}}),
		{DN: "CN=team," + peer.SambaUsersDN, Attributes: map[string][]string{"objectClass": {"contact"}, "mail": {"team@ad.example"}, "userCertificate": {string(team.Raw)}}},
	}
	for i := range 60 {
		entries = append(entries, peer.Entry{DN: fmt.Sprintf("CN=u%d,%s", i, peer.SambaUsersDN), Attributes: map[string][]string{"objectClass": {"user"},
			"sAMAccountName": {fmt.Sprint("u", i)}, "mail": {fmt.Sprintf("u%d@ad.example", i)}, "userAccountControl": {"544"}, "userCertificate": {string(alice.Raw)}}})
	}
	dc := peer.StartSamba(t, peer.SambaOptions{Certificate: id.CertificatePEM(), Key: id.KeyPEM(), CA: p.server.PEM(), Entries: entries})
	service := func(change func(*ldap.Options)) ldap.Options {
		o := ldap.Options{Name: "ad", Preset: "active-directory", BaseDN: peer.SambaBaseDN, Domains: []string{peer.SambaDomain},
			ClientOptions: ldap.ClientOptions{URLs: []string{dc.TLSURL}, Timeout: 10 * time.Second, TLS: p.roots, BindDN: peer.SambaServiceName,
				BindPassword: func() ([]byte, error) { return []byte(peer.SambaServiceSecret), nil }}}
		if change != nil {
			change(&o)
		}
		return o
	}
	d := open(t, service(nil))
	for address, want := range map[string]*x509.Certificate{
		"alice@ad.example": alice, "ALICE@ad.example": alice, "a.liddell@AD.example": alice, "bob@ad.example": bob,
	} {
		a := ask(t, d, address)
		if a.Err != nil || len(a.Candidates) != 1 || string(a.Candidates[0].Certificate) != string(want.Raw) {
			t.Errorf("%s: %+v", address, a)
		}
	}
	if a := ask(t, d, "nobody@ad.example"); !errors.Is(a.Err, directory.ErrNotFound) {
		t.Errorf("nobody: %v", a.Err) // and the referrals to the DNS zones are no outage
	}
	if a := ask(t, d, "team@ad.example"); len(a.Candidates) != 0 || a.Outage() != nil {
		t.Errorf("a contact: %+v", a)
	}
	if r := d.Test(t.Context(), "gone@ad.example"); !strings.Contains(fmt.Sprintf("%+v", r), "disabled") {
		t.Errorf("a disabled account: %+v", r)
	}
	var many []string
	for i := range 60 {
		many = append(many, fmt.Sprintf("u%d@ad.example", i))
	}
	for _, a := range d.Lookup(t.Context(), many) {
		if a.Err != nil || len(a.Candidates) != 1 {
			t.Errorf("%+v", a)
		}
	}
	if a := ask(t, open(t, service(func(o *ldap.Options) { o.URLs, o.StartTLS = []string{dc.URL}, true })), "alice@ad.example"); a.Err != nil || len(a.Candidates) != 1 {
		t.Errorf("StartTLS: %+v", a)
	}
	for name, c := range map[string]struct {
		change func(*ldap.Options)
		hint   string
	}{
		"a wrong password":    {func(o *ldap.Options) { o.BindPassword = func() ([]byte, error) { return []byte("x"), nil } }, "bind_password_file"},
		"a password in clear": {func(o *ldap.Options) { o.URLs, o.Insecure = []string{dc.URL}, true }, "ldaps://"},
		"anonymous":           {func(o *ldap.Options) { o.BindDN, o.BindPassword = "", nil }, "bind_dn"},
		"an unknown CA":       {func(o *ldap.Options) { o.TLS = nil }, "cafile"},
		"no such base":        {func(o *ldap.Options) { o.BaseDN = "OU=nowhere," + peer.SambaBaseDN }, "base_dn"},
	} {
		d := open(t, service(c.change))
		if a := ask(t, d, "alice@ad.example"); a.Outage() == nil {
			t.Errorf("%s: %+v", name, a)
		}
		if r := d.Test(t.Context(), "alice@ad.example"); len(r.Servers) != 1 || !strings.Contains(r.Servers[0].Remedy, c.hint) {
			t.Errorf("%s: %+v", name, r.Servers)
		}
	}
}
