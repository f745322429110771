package listd_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// audit reads the audit log as the listmaster does.
func (w *world) audit(f admin.AuditFilter) []admin.AuditEntry {
	w.t.Helper()
	entries, err := admin.New(admin.Parts{Store: w.sealist.Store, Clock: w.now}).AuditEntries(w.t.Context(), f)
	w.must(err)
	return entries
}

// TestAuditOfDecisions: each says on whose post it was, which rule decided, and whose signature; and nothing that was
// encrypted.
func TestAuditOfDecisions(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice, bob, mallory := w.people["alice"], w.people["bob"], w.people["mallory"]
	stranger := smimetest.NewCA("Another CA").Issue("alice@example.org")
	key := w.keys[secretList]
	from := alice.Address
	print := func(id *smimetest.Identity) string { return trust.Fingerprint(id.Certificate) }
	for _, c := range []struct {
		name   string
		octets []byte
		actor  string
		detail map[string]string // "" is: not there
	}{
		{"signed, then encrypted", mail(from, secretList, smimetest.Encrypt(alice.Sign(text), key)), from,
			map[string]string{"state": "distributing", "method": "smime", "action": "do_it", "signer": print(alice), "reason": "", "signature": ""}},
		{"encrypted, unsigned", mail(from, secretList, smimetest.Encrypt(text, key)), from + " (claimed)",
			map[string]string{"state": "rejected", "method": "smtp", "action": "reject", "signer": "", "signature": "unsigned", "reason": "unsigned"}},
		{"signed by a stranger of that address", mail(from, secretList, smimetest.Encrypt(stranger.Sign(text), key)), from + " (claimed)",
			map[string]string{"state": "rejected", "signer": "", "signature": "unknown_ca"}},
		{"signed by another member", mail(from, secretList, smimetest.Encrypt(bob.Sign(text), key)), from + " (claimed)",
			map[string]string{"state": "rejected", "signer": "", "signature": "address_mismatch"}},
		{"an outsider", mail(mallory.Address, secretList, smimetest.Encrypt(mallory.Sign(text), key)), mallory.Address,
			map[string]string{"state": "rejected", "method": "smime", "action": "reject", "signer": print(mallory)}},
		{"two From fields", append([]byte("From: bob@example.org\r\n"), mail(from, secretList, text)...), "unknown",
			map[string]string{"state": "rejected", "method": "smtp", "signer": "", "rule": "send.private_smime:4"}},
	} {
		item, _ := w.settled(w.send(from, secretList, c.octets))
		entries := w.audit(admin.AuditFilter{Object: item.ID, Action: "decide"})
		if len(entries) != 1 {
			t.Errorf("%s: %+v", c.name, entries)
			continue
		}
		e := entries[0]
		if e.Actor != c.actor || e.ListAddress != secretList || !strings.Contains(item.Detail, e.Detail["rule"]) || c.detail["rule"] == "" && e.Detail["rule_text"] == "" {
			t.Errorf("%s: %+v, item %s", c.name, e, item.Detail)
		}
		for name, want := range c.detail {
			if name != "rule" && e.Detail[name] != want {
				t.Errorf("%s: %s is %q, want %q", c.name, name, e.Detail[name], want)
			}
		}
	}
	all, err := json.Marshal(w.audit(admin.AuditFilter{Copies: true}))
	w.must(err)
	for _, secret := range []string{marker, "Another CA", print(stranger)} {
		if strings.Contains(string(all), secret) {
			t.Errorf("%q stands in the audit log", secret)
		}
	}
	if harvested := w.audit(admin.AuditFilter{Action: "cert harvest"}); len(harvested) != 2 || harvested[0].Actor != from || harvested[1].Actor != mallory.Address {
		t.Errorf("%+v", harvested)
	}
}

// TestAuditOfCopies: for every copy the certificates that it was sealed to, however many and in whichever form it left, as long
// as it is known that there was one.
func TestAuditOfCopies(t *testing.T) {
	w := newWorld(t).byHand()
	second := w.ca.Issue("bob@example.org")
	w.file(filepath.Join("data", "X509-user-certs", "bob@example.org"), slices.Concat(w.people["bob"].CertificatePEM(), second.CertificatePEM()))
	w.without("carol")
	w.start()
	item, deliveries := w.post()
	for _, d := range deliveries {
		if d.State == store.DeliveryRelayed && d.Kind == store.KindCopy && d.Certificate == "" {
			t.Errorf("%+v", d)
		}
	}
	got := map[string]string{}
	for _, e := range w.audit(admin.AuditFilter{Post: item.ID}) {
		if strings.HasPrefix(e.Action, "copy ") {
			sealed := strings.Fields(e.Detail["sealed_to"])
			slices.Sort(sealed)
			got[e.Object] = e.Action + " " + strings.Join(sealed, " ")
			if e.Detail["item"] != item.ID || e.ListAddress != secretList {
				t.Errorf("%+v", e)
			}
		}
	}
	both := []string{trust.Fingerprint(w.people["bob"].Certificate), trust.Fingerprint(second.Certificate)}
	slices.Sort(both)
	for address, want := range map[string]string{
		"alice@example.org": "copy relayed " + trust.Fingerprint(w.people["alice"].Certificate),
		"bob@example.org":   "copy relayed " + strings.Join(both, " "),
		"carol@example.org": "copy withheld ",
	} {
		if got[address] != want {
			t.Errorf("%s: %q, want %q", address, got[address], want)
		}
	}
	if n := len(w.audit(admin.AuditFilter{Post: item.ID, Action: "decide"})); n != 1 {
		t.Errorf("%d decisions and no copies were wanted", n)
	}
	w.ahead.Add(int64(399 * aDay))
	w.run("purge")
	if len(w.audit(admin.AuditFilter{Post: item.ID})) < 4 {
		t.Error("gone before its time")
	}
	w.ahead.Add(int64(2 * aDay))
	w.run("withheld_retry")
	w.run("purge")
	w.run("purge")
	if left := w.audit(admin.AuditFilter{Action: "decide"}); len(left) != 0 {
		t.Errorf("%+v", left)
	}
	if left := w.audit(admin.AuditFilter{Post: item.ID}); len(left) != 0 {
		t.Errorf("%+v", left)
	}
}

// TestAuditOfCommands: what is done by mail has its actor, marked where nothing shows that it was he.
func TestAuditOfCommands(t *testing.T) {
	w := newWorld(t)
	w.set(wallList, "visibility", "noconceal", "subscribe", "open_notify")
	w.start()
	const zoe = "zoe@example.org"
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(wallList))
	w.must(err)
	w.say(zoe, robot, command(zoe, robot, "subscribe wall Zoe\n", nil))
	alice := w.people["alice"]
	w.say(alice.Address, robot, command(alice.Address, robot, "set wall nomail\nsignoff wall\n", alice))
	var got []string
	for _, e := range w.audit(admin.AuditFilter{List: wallList, Since: time.Now().Add(-time.Hour)}) {
		if e.List != l.ID {
			t.Errorf("%+v", e)
		}
		got = append(got, e.Actor+": "+e.Action+" "+e.Object)
	}
	for _, want := range []string{zoe + " (claimed): subscribe " + zoe, alice.Address + ": set " + alice.Address, alice.Address + ": unsubscribe " + alice.Address} {
		if !slices.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
}
