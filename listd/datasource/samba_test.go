package datasource_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"testing"

	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
)

// TestSambaADGroups includes groups of an Active Directory: nested ones, a primary group, which no member attribute names,
// and a large one. Samba gives all values of member at once, where Windows gives 1,500: TestRangedValues has that.
func TestSambaADGroups(t *testing.T) {
	const many = 1600
	ca := smimetest.NewCA("LDAP CA", smimetest.ECP256)
	id := ca.Issue("dc1", smimetest.ECP256, smimetest.NoSAN, smimetest.ExtKeyUsage(x509.ExtKeyUsageServerAuth),
		smimetest.KeyUsage(x509.KeyUsageDigitalSignature), func(t *smimetest.Template) { t.X509.IPAddresses = []net.IP{net.ParseIP(peer.SambaAddress)} })
	dn := func(name string) string { return "CN=" + name + "," + peer.SambaUsersDN }
	user := func(name string) peer.Entry {
		return peer.Entry{DN: dn(name), Attributes: map[string][]string{"objectClass": {"user"}, "sAMAccountName": {name},
			"mail": {name + "@" + domain}, "userAccountControl": {"544"}}}
	}
	group := func(name string, members ...string) peer.Entry {
		e := peer.Entry{DN: dn(name), Attributes: map[string][]string{"objectClass": {"group"}, "sAMAccountName": {name}}}
		if len(members) > 0 {
			e.Attributes["member"] = members
		}
		return e
	}
	entries := []peer.Entry{user("anna"), user("bob"), user("carl"), group("inner", dn("bob")), group("outer", dn("anna"), dn("inner")), group("prime")}
	var all []string
	for i := range many {
		e := peer.Entry{DN: dn(fmt.Sprint("m", i)), Attributes: map[string][]string{"objectClass": {"contact"}, "mail": {fmt.Sprintf("m%d@%s", i, domain)}}}
		entries, all = append(entries, e), append(all, e.DN)
	}
	entries = append(entries, group("large", all...))
	dc := peer.StartSamba(t, peer.SambaOptions{Certificate: id.CertificatePEM(), Key: id.KeyPEM(), CA: ca.PEM(), Entries: entries})
	pool := x509.NewCertPool()
	pool.AddCert(ca.Certificate)
	w := newWorld(t, dc.TLSURL, func(o *ldap.Options) {
		o.Preset, o.BaseDN, o.TLS = "active-directory", peer.SambaBaseDN, &tls.Config{RootCAs: pool}
		o.BindDN, o.BindPassword = peer.SambaServiceName, func() ([]byte, error) { return []byte(peer.SambaServiceSecret), nil }
	})
	outer := w.define(store.Include{Group: dn("outer"), Nested: true})
	if run, err := w.sync(outer); err != nil {
		t.Errorf("%+v, %v", run, err)
	}
	w.membersAre("anna bob")

	dc.Replace(dn("prime"), "member", dn("carl"))
	dc.MakePrimary("carl", "prime")
	prime := w.define(store.Include{Group: dn("prime")})
	if run, err := w.sync(prime); err != nil || fmt.Sprint(run.Added) != "[carl@corp.example]" {
		t.Errorf("a primary group: %+v, %v", run, err)
	}

	large := w.define(store.Include{Group: dn("large")})
	run, err := w.sync(large)
	if err != nil || run.Found+run.Refusals != many {
		t.Errorf("a large group: %d found, %d refused, %v", run.Found, run.Refusals, err)
	}
}
