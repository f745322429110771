package listd_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
)

// receives sets how a member of the secret list receives posts.
func (w *world) receives(name, of string, r list.Reception) {
	w.t.Helper()
	l, err := w.sealist.Store.List(w.t.Context(), list.MustParseAddress(of))
	w.must(err)
	_, err = w.sealist.Store.ChangeMembers(w.t.Context(), l.ID, list.RoleMember, []list.Address{list.MustParseAddress(name + "@example.org")}, store.MemberChange{Reception: &r})
	w.must(err)
}

// writes posts an encrypted text of alice's, and waits until whoever wants it at once has it.
func (w *world) writes(to, words string) {
	w.t.Helper()
	alice := w.people["alice"]
	before := len(w.copies("alice"))
	w.send(alice.Address, to, mail(alice.Address, to, smimetest.Encrypt(alice.Sign(smimetest.Text(words+"\r\n")), w.keys[to])))
	w.until("alice has her copy", func() bool { return len(w.copies("alice")) > before })
}

// digest opens a member's digest, and returns the posts in it.
func (w *world) digest(name string, octets []byte) []*entity.Entity {
	w.t.Helper()
	m := smime.Open(parse(w.t, octets), smime.Options{Keys: []cms.Key{w.people[name].DecryptKey()}})
	w.must(m.Err)
	if typ, _ := m.Payload.MediaType(); typ != "multipart/digest" {
		w.t.Fatalf("%s got a %s", name, typ)
	}
	parts, err := m.Payload.Parts()
	w.must(err)
	var posts []*entity.Entity
	for _, p := range parts.Parts {
		posts = append(posts, parse(w.t, p.Body()))
	}
	return posts
}

// TestDigestAnswersToTheAuthor: a Reply-To that somebody put onto an encrypted post on its way gets no answers, as in copies.
func TestDigestAnswersToTheAuthor(t *testing.T) {
	w := newWorld(t).byHand()
	w.receives("bob", secretList, list.ReceiveDigest)
	w.set(secretList, "digest_posts", "1")
	w.start()
	alice := w.people["alice"]
	post := mail(alice.Address, secretList, smimetest.Encrypt(alice.Sign(text), w.keys[secretList]))
	w.send(alice.Address, secretList, append([]byte("Reply-To: mallory@example.net\r\n"), post...))
	w.until("alice has her copy", func() bool { return len(w.copies("alice")) == 1 })
	w.run("digest")
	w.until("bob has his digest", func() bool { return len(w.copies("bob")) == 1 })
	for _, p := range w.digest("bob", w.copies("bob")[0].Octets) {
		if got := p.Header().Get("Reply-To"); got != "" {
			t.Errorf("answers go to %s", got)
		}
	}
}

// TestDigest: several encrypted posts in one mail sealed to the member, each with its author's signature.
func TestDigest(t *testing.T) {
	w := newWorld(t).byHand()
	w.config.Harvest.Enabled = false
	w.receives("bob", secretList, list.ReceiveDigest)
	w.receives("carol", secretList, list.ReceiveDigest)
	w.set(secretList, "digest_posts", "3")
	w.start()
	for i := range 2 {
		w.writes(secretList, fmt.Sprint("words number ", i))
	}
	if got := w.run("digest"); got != "" || len(w.copies("bob")) != 0 {
		t.Errorf("too early: %q", got)
	}
	w.writes(secretList, "words number 2")
	if got := w.run("digest"); got != "queued 2 digests, and 0 posts alone" {
		t.Errorf("%q", got)
	}
	w.until("both have it", func() bool { return len(w.copies("bob"))+len(w.copies("carol")) == 2 })
	octets := w.copies("bob")[0].Octets
	if bytes.Contains(octets, []byte("words")) {
		t.Error("it leaves in clear")
	}
	posts := w.digest("bob", octets)
	if len(posts) != 3 {
		t.Fatalf("%d posts", len(posts))
	}
	for i, p := range posts {
		m := smime.Open(p, smime.Options{})
		a := smime.Authenticate(m, w.sealist.Trust, smime.Claim{Received: time.Now()})
		if !a.Authenticated || a.Author != "alice@example.org" || !bytes.Contains(m.Content.Octets(), fmt.Appendf(nil, "words number %d", i)) {
			t.Errorf("post %d: %s", i, a.Reason)
		}
	}
	w.until("the posts are done", func() bool {
		for _, item := range w.items() {
			if item.State != store.ItemDone {
				return false
			}
		}
		return true
	})
	if got := w.run("digest"); got != "" {
		t.Errorf("again: %q", got)
	}

	// One post that has waited long enough goes alone in a digest; another's certificate is missing, and nobody misses it.
	back := w.without("carol")
	w.writes(secretList, "words number 3")
	w.writes(secretList, "words number 4")
	w.ahead.Add(int64(25 * time.Hour))
	w.run("digest")
	w.until("bob has it", func() bool { return len(w.copies("bob")) == 2 })
	if posts := w.digest("bob", w.copies("bob")[1].Octets); len(posts) != 2 {
		t.Errorf("%d posts", len(posts))
	}
	w.until("her copies are withheld", func() bool {
		all, err := w.sealist.Store.WithheldCopies(t.Context(), store.WithheldFilter{})
		w.must(err)
		return len(all) == 2
	})
	back()
	w.retryWithheld()
	w.until("she has both", func() bool { return len(w.copies("carol")) == 3 })

	// Who changes his mind misses nothing.
	w.writes(secretList, "words number 5")
	w.receives("bob", secretList, list.ReceiveMail)
	if got := w.run("digest"); got != "queued 0 digests, and 1 posts alone" {
		t.Errorf("%q", got)
	}
	w.until("bob has it", func() bool { return len(w.copies("bob")) == 3 })
}

// TestDigestInClear: posts in clear make a digest in clear, unless one of them came encrypted.
func TestDigestInClear(t *testing.T) {
	w := newWorld(t).byHand()
	w.receives("bob", wallList, list.ReceiveDigest)
	w.start()
	for i := range 2 {
		w.settledCopies(w.send("alice@example.org", wallList, mail("alice@example.org", wallList, smimetest.Text(fmt.Sprint("post ", i, "\r\n")))), 2)
	}
	w.ahead.Add(int64(25 * time.Hour))
	w.run("digest")
	w.until("bob has it", func() bool { return len(w.copies("bob")) == 1 })
	e := parse(t, w.copies("bob")[0].Octets)
	if typ, _ := e.MediaType(); typ != "multipart/digest" || !bytes.Contains(e.Body(), []byte("post 0")) || !bytes.Contains(e.Body(), []byte("post 1")) {
		t.Errorf("%s", e.Octets())
	}
}

// settledCopies waits until so many copies of a post are relayed.
func (w *world) settledCopies(item store.Item, n int) {
	w.t.Helper()
	w.until("the copies are out", func() bool {
		all, err := w.sealist.Store.Deliveries(w.t.Context(), store.DeliveryFilter{Item: item.ID, State: store.DeliveryRelayed})
		w.must(err)
		return len(all) == n
	})
}

// TestDismissedFromDigest: who is no member any more when the digest is made gets none.
func TestDismissedFromDigest(t *testing.T) {
	w := newWorld(t).byHand()
	w.receives("bob", secretList, list.ReceiveDigest)
	w.start()
	w.writes(secretList, "words")
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(secretList))
	w.must(err)
	_, err = w.sealist.Store.RemoveMembers(t.Context(), l.ID, list.RoleMember, []list.Address{list.MustParseAddress("bob@example.org")})
	w.must(err)
	w.ahead.Add(int64(25 * time.Hour))
	w.run("digest")
	w.until("his copy is cancelled", func() bool {
		all, err := w.sealist.Store.Deliveries(t.Context(), store.DeliveryFilter{State: store.DeliveryCancelled})
		w.must(err)
		return len(all) == 1
	})
	if len(w.copies("bob")) != 0 {
		t.Error("he got it")
	}
}
