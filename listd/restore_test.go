package listd_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/resolver"
	"github.com/sealist/sealist/smime/smimetest"
)

// What was signed before a restore, or does not say when, waits: it may be a mail of the time that was lost, sent again by
// whoever kept it. What was signed later goes its way.
func TestReplaysAfterARestore(t *testing.T) {
	w := newWorld(t)
	w.start()
	seal := func(at time.Time) []byte {
		signed := w.people["alice"].Sign(text, smimetest.SignedAt(at))
		return mail("alice@example.org", secretList, smimetest.Encrypt(signed, w.keys[secretList]))
	}
	old, undated := seal(time.Now().Add(-time.Hour)), seal(time.Time{})
	w.must(w.sealist.Store.MarkRestored(t.Context()))
	w.ahead.Store(int64(2 * time.Hour))
	for name, c := range map[string]struct {
		octets []byte
		state  store.ItemState
		reason string
	}{
		"signed before":                  {old, store.ItemHeld, "replay"},
		"does not say when":              {undated, store.ItemHeld, "replay"},
		"within the tolerance of clocks": {seal(time.Now().Add(59 * time.Minute)), store.ItemHeld, "replay"},
		"signed since":                   {seal(time.Now().Add(90 * time.Minute)), store.ItemDone, ""},
	} {
		item, _ := w.settled(w.send("alice@example.org", secretList, c.octets))
		if item.State != c.state || item.Reason != c.reason {
			t.Errorf("%s: %s, %q, want %s, %q", name, item.State, item.Reason, c.state, c.reason)
		}
		if item.State == store.ItemHeld && !item.Author.IsZero() {
			t.Errorf("%s: %s counts as its author", name, item.Author)
		}
	}
}

// Commands wait for the listmaster, and are carried out once he says so.
func TestReplayedCommandsAfterARestore(t *testing.T) {
	w := newWorld(t)
	w.start()
	signed := w.people["mallory"].Sign(smimetest.Text("SUBSCRIBE "+openList+"\r\n"), smimetest.SignedAt(time.Now().Add(-time.Hour)))
	octets := smimetest.Mail("mallory@example.org", "sealist@lists.example.org", "", signed)
	w.must(w.sealist.Store.MarkRestored(t.Context()))
	item, _ := w.settled(w.send("mallory@example.org", "sealist@lists.example.org", octets))
	if item.State != store.ItemHeld || item.Reason != "replay" {
		t.Fatalf("%s, %q", item.State, item.Reason)
	}
	w.must(admin.New(admin.Parts{Store: w.sealist.Store, Actor: "test"}).ApprovePost(t.Context(), item.ID))
	if item, _ = w.settled(item); item.State != store.ItemDone || item.Reason != "commands" {
		w.until("the command is carried out", func() bool {
			item, _ = w.settled(item)
			return item.State == store.ItemDone && item.Reason == "commands"
		})
	}
}

// What may be a replay teaches no certificate, not even once it is approved, and an encrypted one is answered as one that
// nobody signed, at the reverse-path.
func TestReplaysAfterARestoreEarnNothing(t *testing.T) {
	w := newWorld(t)
	w.start()
	mallory := w.people["mallory"]
	old := mail(mallory.Address, wallList, mallory.Sign(text, smimetest.SignedAt(time.Now().Add(-time.Hour))))
	signed := w.people["alice"].Sign(text, smimetest.SignedAt(time.Now().Add(-time.Hour)))
	sealed := mail("alice@example.org", secretList, smimetest.Encrypt(signed, w.keys[secretList]))
	w.must(w.sealist.Store.MarkRestored(t.Context()))

	item, _ := w.settled(w.send(mallory.Address, wallList, old))
	if item.State != store.ItemHeld {
		t.Fatalf("%s, %q", item.State, item.Reason)
	}
	w.must(admin.New(admin.Parts{Store: w.sealist.Store, Actor: "test"}).ApprovePost(t.Context(), item.ID))
	w.until("it is distributed", func() bool {
		item, _ = w.settled(item)
		return item.State == store.ItemDone
	})
	if r := w.sealist.Resolver.Resolve(t.Context(), []string{mallory.Address}, resolver.Allowances{})[0]; len(r.Certificates) != 0 {
		t.Errorf("learnt from %s", r.Source)
	}

	w.settled(w.send("bob@example.org", secretList, sealed))
	w.until("the neutral answer reaches the reverse-path", func() bool {
		return slices.ContainsFunc(w.sink.To("bob@example.org"), func(m peer.Mail) bool {
			return m.ReversePath == "" && strings.Contains(w.shown(m.Octets, "bob"), "that seems to come from you was not distributed")
		})
	})
}
