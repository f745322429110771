package listd_test

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/smimetest"
)

// hiddenWord stands in protected header fields that the outer header does not
// show, and nowhere else.
const hiddenWord = "marker-of-a-hidden-field"

// TestProtectedFieldsStayInside posts messages that hide header fields, some of
// them refused, each for another reason, and then looks for what they hid:
// in the outer header of copies, notices, log and database (invariant 1).
func TestProtectedFieldsStayInside(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice, bob, key := w.people["alice"], w.people["bob"], w.keys[secretList]
	const from, to = "From: alice@example.org", "To: " + secretList
	const hidden = "Subject: the " + hiddenWord + "\r\nMessage-ID: <" + hiddenWord + "@example.org>\r\nKeywords: " + hiddenWord +
		"\r\nReply-To: " + hiddenWord + "@example.org\r\nHP-Outer: Subject: [...]"
	root := func(fields ...string) string {
		return strings.Join(append(fields, hidden, `Content-Type: text/plain; hp="cipher"; hp-legacy-display="1"`, "", "Subject: "+hiddenWord, "", "hello", ""), "\r\n")
	}
	sealed := func(octets string) []byte {
		return smimetest.Mail("alice@example.org", secretList, "[...]", smimetest.Encrypt(alice.Sign(smimetest.Entity(octets)), key))
	}
	good := alice.Sign(smimetest.Entity(root(from, to)))
	wrapped := "Content-Type: message/rfc822\r\n\r\n" + strings.Replace(root(from, to), `; hp="cipher"; hp-legacy-display="1"`, "", 1)

	for _, c := range []struct {
		name   string
		octets []byte
		state  store.ItemState
		reason string
	}{
		{"good", smimetest.Mail("alice@example.org", secretList, "[...]", smimetest.Encrypt(good, key)), store.ItemDone, ""},
		{"wrapped", sealed(wrapped), store.ItemDone, ""},
		{"for another list", sealed(root(from, "To: "+hiddenWord+"@lists.example.org")), store.ItemRejected, "not_addressed"},
		{"for another list we have", sealed(root(from, "To: "+openList)), store.ItemRejected, "not_addressed"},
		{"another From", sealed(root("From: "+hiddenWord+"@example.org", to)), store.ItemRejected, "from_ambiguous"},
		{"an empty From", sealed(root("From: "+hiddenWord, to)), store.ItemRejected, "from_ambiguous"},
		{"an unknown way", sealed(strings.Replace(root(from, to), "cipher", hiddenWord, 1)), store.ItemRejected, "malformed"},
		{"HP-Outer of nothing", sealed(root(from, to, "HP-Outer: "+hiddenWord)), store.ItemRejected, "malformed"},
		{"unsigned", smimetest.Mail("alice@example.org", secretList, "[...]", smimetest.Encrypt(smimetest.Entity(root(from, to)), key)), store.ItemRejected, "unsigned"},
		{"another's signature", smimetest.Mail("alice@example.org", secretList, "[...]", smimetest.Encrypt(bob.Sign(smimetest.Entity(root(from, to))), key)), store.ItemRejected, "address_mismatch"},
	} {
		item, _ := w.settled(w.send("alice@example.org", secretList, c.octets))
		if item.State != c.state || item.Reason != c.reason {
			t.Errorf("%s: %s (%s; %s), want %s (%s)", c.name, item.State, item.Reason, item.Detail, c.state, c.reason)
		}
	}

	copies := w.copies("carol")
	if len(copies) != 2 {
		t.Fatalf("carol has %d copies", len(copies))
	}
	e := parse(t, copies[0].Octets)
	if got := e.Header().Get("Subject"); got != "[...]" {
		t.Errorf("the outer Subject is %q", got)
	}
	m := smime.Open(e, smime.Options{Keys: []cms.Key{w.people["carol"].DecryptKey()}})
	if m.Err != nil || !bytes.Equal(m.Payload.Octets(), good.Octets()) || m.Protection.Kind() != smime.HeadersCipher {
		t.Errorf("the copy holds something else than what was signed: %v, %s", m.Err, m.Protection.Kind())
	}
	if len(w.sink.Mails()) < 2*3+8 {
		t.Errorf("%d mails went out: no notices were there to be searched", len(w.sink.Mails()))
	}
	w.stop()
	w.search(hiddenWord)
}

// search looks for a word in everything the server wrote and sent, in clear and
// in base64.
func (w *world) search(word string) {
	w.t.Helper()
	forms := [][]byte{[]byte(word)}
	for skip := range 3 { // where it begins, modulo three
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(" ", skip) + word))
		forms = append(forms, []byte(text[4:len(text)-4]))
	}
	look := func(where string, octets []byte) {
		for _, f := range forms {
			if i := bytes.Index(octets, f); i >= 0 {
				w.t.Errorf("%s: %q", where, octets[max(0, i-60):min(len(octets), i+60)])
			}
		}
	}
	look("log", []byte(w.logged()))
	for _, m := range w.sink.Mails() {
		look("mail to "+strings.Join(m.ForwardPaths, " "), m.Octets)
	}
	w.must(filepath.WalkDir(filepath.Join(w.dir, "data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		octets, err := os.ReadFile(path)
		look(path, octets)
		return err
	}))
}
