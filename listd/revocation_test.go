package listd_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// TestRevocation takes a post through the server with one member whose certificate is good, one whose certificate has
// been revoked, and one about whom nobody answers; and then a post by a signer whose certificate has been revoked.
func TestRevocation(t *testing.T) {
	w := newWorld(t)
	w.must(w.sealist.Close())
	named := func(address, page string) *smimetest.Identity {
		return w.ca.Issue(address, smimetest.CRLURL("http://crl.example.org/"+page))
	}
	alice, bob, carol := named("alice@example.org", "ca.crl"), named("bob@example.org", "ca.crl"), named("carol@example.org", "missing.crl")
	for _, id := range []*smimetest.Identity{alice, bob, carol} {
		w.file("data/X509-user-certs/"+id.Address, id.CertificatePEM())
	}
	crl := w.ca.CRL(time.Now().Add(-time.Minute), time.Time{}, bob.Certificate)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ca.crl" {
			http.NotFound(rw, r)
			return
		}
		rw.Write(crl)
	}))
	t.Cleanup(server.Close)
	w.config.Trust.Revocation.URLMap = []config.URLMapping{{From: "http://crl.example.org", To: server.URL}}
	w.config.Trust.Revocation.Recipients.Unknown = "refuse"
	w.open()
	w.start()

	key := w.keys[secretList]
	item := w.send(alice.Address, secretList, mail(alice.Address, secretList, smimetest.Encrypt(alice.Sign(text), key)))
	want := map[string]store.DeliveryState{"alice": store.DeliveryRelayed, "bob": store.DeliveryWithheld, "carol": store.DeliveryDelayed}
	var deliveries []store.Delivery
	w.until("every copy has its state", func() bool {
		var err error
		deliveries, err = w.sealist.Store.Deliveries(t.Context(), store.DeliveryFilter{Item: item.ID})
		w.must(err)
		n := 0
		for _, d := range deliveries {
			if d.Kind == store.KindCopy && d.State == want[d.Address.Local()] {
				n++
			}
		}
		return n == len(want)
	})
	for _, d := range deliveries {
		if d.Kind != store.KindCopy {
			continue
		}
		switch d.Address.Local() {
		case "bob":
			if !strings.Contains(d.Reason, "revoked") {
				t.Errorf("bob: %q", d.Reason)
			}
		case "carol":
			if !strings.Contains(d.Reason, "is not known") || !strings.Contains(d.Reason, "missing.crl") {
				t.Errorf("carol: %q", d.Reason)
			}
		}
	}

	item = w.send(bob.Address, secretList, mail(bob.Address, secretList, smimetest.Encrypt(bob.Sign(text), key)))
	if item, _ = w.settled(item); item.State != store.ItemRejected || item.Reason != string(trust.Revoked) {
		t.Errorf("a post by a revoked signer: %s (%s)", item.State, item.Reason)
	}
}

// TestCRLInDirectory: an LDAP URL without a host, as Active Directory's certificate services write it, is asked of the
// configured directory that has the entry.
func TestCRLInDirectory(t *testing.T) {
	w := newWorld(t)
	w.must(w.sealist.Close())
	const dn = "cn=Corp CA,ou=services,dc=corp,dc=example"
	gone := w.ca.Issue("gone@example.org", smimetest.CRLURL("ldap:///CN=Corp%20CA,OU=services,DC=corp,DC=example?certificateRevocationList?base?objectClass=cRLDistributionPoint"))
	good := w.ca.Issue("good@example.org", smimetest.CRLURL("ldap:///CN=Corp%20CA,OU=services,DC=corp,DC=example?certificateRevocationList;binary"))
	astray := w.ca.Issue("astray@example.org", smimetest.CRLURL("ldap:///CN=Corp%20CA,DC=other,DC=example?certificateRevocationList"))
	curious := w.ca.Issue("curious@example.org", smimetest.CRLURL("ldap:///CN=Corp%20CA,OU=services,DC=corp,DC=example?userPassword"))
	slapd := peer.StartSlapd(t, peer.SlapdOptions{Entries: []peer.Entry{{DN: dn, Attributes: map[string][]string{
		"objectClass": {"cRLDistributionPoint"}, "cn": {"Corp CA"},
		"certificateRevocationList;binary": {string(w.ca.CRL(time.Now().Add(-time.Minute), time.Time{}, gone.Certificate))},
	}}}})
	w.config.Directories = []config.Directory{{
		Name: "corp", Preset: "openldap", URLs: []string{slapd.URL}, BaseDN: peer.SlapdPeopleDN, BindDN: peer.SlapdServiceDN,
		BindPasswordFile: w.file("ldap_password", []byte(peer.SlapdServiceSecret+"\n")),
	}}
	w.config.Trust.Revocation.Signers.Unknown = "refuse"
	w.config.Complete()
	w.open()
	t.Cleanup(func() { w.must(w.sealist.Close()) })
	// A server that is not configured is asked anonymously, and not on this machine.
	elsewhere := w.ca.Issue("elsewhere@example.org", smimetest.CRLURL(strings.Replace(slapd.URL, "127.0.0.1", "localhost.example.invalid", 1)+"/"+dn+"?certificateRevocationList"))
	for _, test := range []struct {
		id    *smimetest.Identity
		want  trust.Reason
		state trust.RevocationState
	}{
		{good, "", trust.RevocationGood}, {gone, trust.Revoked, trust.RevocationRevoked},
		{astray, trust.RevocationUnknown, trust.RevocationNoAnswer}, {curious, trust.RevocationUnknown, trust.RevocationNoAnswer},
		{elsewhere, trust.RevocationUnknown, trust.RevocationNoAnswer},
	} {
		v := w.sealist.Judge.Judge(test.id.Certificate, trust.Signing, time.Now(), nil)
		if v.Reason != test.want || v.Revocation != test.state {
			t.Errorf("%s: %q, %s (%s)", test.id.Address, v.Reason, v.Revocation, v.Detail)
		}
	}
	if strings.Contains(slapd.Log(), "userPassword") {
		t.Error("the directory was asked for a password")
	}
}

// TestCRLOfForeignDirectory: a server that a certificate names and the configuration does not is asked anonymously, and
// on this machine only where url_map leads there.
func TestCRLOfForeignDirectory(t *testing.T) {
	w := newWorld(t)
	w.must(w.sealist.Close())
	const dn = "cn=CA,ou=people,dc=corp,dc=example"
	slapd := peer.StartSlapd(t, peer.SlapdOptions{Anonymous: true, Entries: []peer.Entry{{DN: dn, Attributes: map[string][]string{
		"objectClass": {"cRLDistributionPoint"}, "cn": {"CA"},
		"certificateRevocationList;binary": {string(w.ca.CRL(time.Now().Add(-time.Minute), time.Time{}))},
	}}}})
	direct := w.ca.Issue("direct@example.org", smimetest.CRLURL(slapd.URL+"/"+dn+"?certificateRevocationList"))
	mapped := w.ca.Issue("mapped@example.org", smimetest.CRLURL("ldap://pki.example.org/"+dn+"?certificateRevocationList"))
	w.config.Trust.Revocation.Signers.Unknown = "refuse"
	w.config.Trust.Revocation.URLMap = []config.URLMapping{{From: "ldap://pki.example.org", To: slapd.URL}}
	judge := func(id *smimetest.Identity) trust.Verdict {
		return w.sealist.Judge.Judge(id.Certificate, trust.Signing, time.Now(), nil)
	}
	w.open()
	if v := judge(direct); v.Reason != trust.RevocationUnknown || !strings.Contains(v.Detail, "must not lead there") || strings.Contains(slapd.Log(), "IP=") {
		t.Errorf("straight to this machine: %q (%s)", v.Reason, v.Detail)
	}
	if v := judge(mapped); v.Reason != "" {
		t.Errorf("mapped: %q (%s)", v.Reason, v.Detail)
	}
	if n := slapd.Binds(); n != 0 {
		t.Errorf("%d binds: it was not asked anonymously", n)
	}
	slapd.Stop()
	if v := judge(mapped); v.Reason != "" {
		t.Errorf("an outage, with a list in date: %q (%s)", v.Reason, v.Detail)
	}
	w.must(w.sealist.Close())
	w.open()
	if v := judge(mapped); v.Reason != "" || v.Revocation != trust.RevocationGood {
		t.Errorf("an outage, after a restart, with a list that is kept: %q (%s)", v.Reason, v.Detail)
	}
	w.must(w.sealist.Close())
}
