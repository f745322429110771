package listd_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/smime/smimetest"
)

// TestAnonymousEverywhere: a list that hides its authors hides them in digests and in its archive, too, and what it once
// distributed under a signature is not shown any more.
func TestAnonymousEverywhere(t *testing.T) {
	w := newWorld(t).byHand()
	w.receives("bob", wallList, list.ReceiveDigest)
	w.set(wallList, "archive_for", "60d", "digest_posts", "2", "subject_tag", "[wall]")
	w.start()
	alice, carol := w.people["alice"], w.people["carol"]
	w.send(alice.Address, wallList, smimetest.Mail("Alice <alice@example.org>", wallList, "signed before", alice.Sign(smimetest.Text("the first\r\n"))))
	w.until("carol has the first", func() bool { return len(w.copies("carol")) == 1 })
	w.set(wallList, "anonymous_sender", "nobody@lists.example.org")
	w.send(alice.Address, wallList, smimetest.Mail("Alice <alice@example.org>", wallList, "a question", smimetest.Text("the second\r\n")))
	w.until("carol has both", func() bool { return len(w.copies("carol")) == 2 })
	w.run("digest")
	w.until("bob has his digest", func() bool { return len(w.copies("bob")) == 1 })
	digest := w.copies("bob")[0].Octets
	if hidden(digest) || !bytes.Contains(digest, []byte("the second")) || !bytes.Contains(digest, []byte("Subject: [wall] a question")) {
		t.Errorf("the digest:\n%s", digest)
	}

	before := len(w.sink.To(carol.Address))
	w.say(carol.Address, robot, command(carol.Address, robot, "index wall\nget wall "+w.now().UTC().Format("2006-01")+"\n", carol))
	w.until("carol has what she asked for", func() bool {
		return len(w.sink.To(carol.Address)) >= before+2
	})
	found := false
	for _, m := range w.sink.To(carol.Address)[before:] {
		if hidden(m.Octets) {
			t.Errorf("the archive:\n%s", m.Octets)
		}
		found = found || bytes.Contains(m.Octets, []byte("the second"))
	}
	if !found {
		t.Error("the archive sent nothing")
	}
}

// hidden tells whether the author shows in what she was to be hidden in.
func hidden(octets []byte) bool {
	lower := strings.ToLower(string(octets))
	return strings.Contains(lower, "alice") || strings.Contains(lower, "the first")
}
