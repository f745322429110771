package listd_test

import (
	"crypto/x509"
	"net"
	"testing"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
)

// TestEntryBindsTheSigner is invariant 4(d): a certificate that names nobody signs for the person whose entry has it, in a
// directory that is asked for that; for nobody else, and not while the directory is away. A stranger's makes nobody ask.
func TestEntryBindsTheSigner(t *testing.T) {
	w := newWorld(t)
	w.must(w.sealist.Close())
	bare := w.ca.Issue("alice at her desk", smimetest.NoSAN)
	other := w.ca.Issue("somebody else", smimetest.NoSAN)
	stranger := smimetest.NewCA("Elsewhere").Issue("a stranger", smimetest.NoSAN)
	ca := smimetest.NewCA("LDAP CA", smimetest.ECP256)
	id := ca.Issue("ldap", smimetest.ECP256, smimetest.NoSAN, smimetest.ExtKeyUsage(x509.ExtKeyUsageServerAuth), smimetest.KeyUsage(x509.KeyUsageDigitalSignature),
		func(t *smimetest.Template) { t.X509.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })
	slapd := peer.StartSlapd(t, peer.SlapdOptions{Certificate: id.CertificatePEM(), Key: id.KeyPEM(), Anonymous: true,
		Entries: []peer.Entry{peer.Person("alice", "alice@example.org", bare.Certificate.Raw)}})
	w.config.Directories = []config.Directory{{Name: "corp", Preset: "openldap", URLs: []string{slapd.TLSURL}, CAFile: w.file("ldap.pem", ca.PEM()),
		BaseDN: peer.SlapdPeopleDN, Domains: []string{"example.org"}, AddressMatch: "entry"}}
	w.config.Resolver.Order = []string{"files", "corp"}
	w.config.Complete()
	w.open()
	w.start()
	for _, c := range []struct {
		name   string
		signer *smimetest.Identity
		from   string
		state  store.ItemState
	}{
		{"a stranger", stranger, "alice@example.org", store.ItemRejected},
		{"her own", bare, "alice@example.org", store.ItemDone},
		{"not in her entry", other, "alice@example.org", store.ItemRejected},
		{"hers, for another", bare, "bob@example.org", store.ItemRejected},
	} {
		before := slapd.Searches()
		post := smimetest.Mail(c.from, plainList, c.name, c.signer.Sign(smimetest.Text(c.name)))
		item, _ := w.settled(w.send(c.from, plainList, post))
		if item.State != c.state {
			t.Errorf("%s: %s (%s; %s)", c.name, item.State, item.Reason, item.Detail)
		}
		if c.signer == stranger && slapd.Searches() != before {
			t.Error("a stranger's mail made the directory be asked")
		}
	}
}
