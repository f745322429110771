package listd_test

import (
	"bytes"
	"net/smtp"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/resolver"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
)

// marker stands in every text that is posted encrypted here, and nowhere else.
const marker = "the-marker-of-the-content"

var text = smimetest.Text("Hello, " + marker + ".\r\n")

// TestWhoMayPost walks through what can be posted to whom, and by whom.
func TestWhoMayPost(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice, bob, mallory := w.people["alice"], w.people["bob"], w.people["mallory"]
	secret, open := w.keys[secretList], w.keys[openList]
	stranger := smimetest.NewCA("Another CA").Issue("alice@example.org")
	expired := w.ca.Issue("alice@example.org", smimetest.Validity(time.Now().AddDate(-1, 0, 0), time.Now().AddDate(0, 0, -1)))
	from := alice.Address

	for _, c := range []struct {
		name     string
		from, to string // reverse-path and list
		octets   []byte
		state    store.ItemState
		reason   string
		copies   int
		notice   string // template, or none
	}{
		{"signed, then encrypted", from, secretList, mail(from, secretList, smimetest.Encrypt(alice.Sign(text), secret)), store.ItemDone, "", 3, ""},
		{"opaque signed, then encrypted", from, secretList, mail(from, secretList, smimetest.Encrypt(alice.Sign(text, smimetest.OpaqueForm), secret)), store.ItemDone, "", 3, ""},
		{"triple wrapped", from, secretList, mail(from, secretList, bob.Sign(smimetest.Encrypt(alice.Sign(text), secret))), store.ItemDone, "", 3, ""},
		{"signed, in clear, to a list with a key", from, secretList, mail(from, secretList, alice.Sign(text)), store.ItemDone, "", 3, ""},

		{"encrypted, unsigned", from, secretList, mail(from, secretList, smimetest.Encrypt(text, secret)), store.ItemRejected, "unsigned", 0, "not_accepted"},
		{"encrypted, unsigned, to an open list", from, openList, mail(from, openList, smimetest.Encrypt(text, open)), store.ItemHeld, "unsigned_encrypted", 0, "not_accepted"},
		{"signed outside the encryption", from, secretList, mail(from, secretList, alice.Sign(smimetest.Encrypt(text, secret))), store.ItemRejected, "signed_outside_encryption", 0, "not_accepted"},
		{"signed by another member", from, secretList, mail(from, secretList, smimetest.Encrypt(bob.Sign(text), secret)), store.ItemRejected, "address_mismatch", 0, "not_accepted"},
		{"signed by a stranger of that address", from, secretList, mail(from, secretList, smimetest.Encrypt(stranger.Sign(text), secret)), store.ItemRejected, "unknown_ca", 0, "not_accepted"},
		{"signed with an expired certificate", from, secretList, mail(from, secretList, smimetest.Encrypt(expired.Sign(text), secret)), store.ItemRejected, "expired", 0, "not_accepted"},
		{"signed long ago", from, secretList, mail(from, secretList, smimetest.Encrypt(alice.Sign(text, smimetest.SignedAt(time.Now().AddDate(0, 0, -8))), secret)), store.ItemRejected, "signing_time", 0, "not_accepted"},
		{"encrypted to another list", from, secretList, mail(from, secretList, smimetest.Encrypt(alice.Sign(text), open)), store.ItemRejected, "decrypt_failed", 0, "not_accepted"},
		{"encrypted twice", from, secretList, mail(from, secretList, smimetest.Encrypt(smimetest.Encrypt(alice.Sign(text), secret), secret)), store.ItemRejected, "decrypt_failed", 0, "not_accepted"},
		{"encrypted, to a list without a key", from, plainList, mail(from, plainList, smimetest.Encrypt(alice.Sign(text), secret)), store.ItemRejected, "decrypt_failed", 0, "not_accepted"},
		{"two From fields", from, secretList, append([]byte("From: bob@example.org\r\n"), mail(from, secretList, smimetest.Encrypt(alice.Sign(text), secret))...), store.ItemRejected, "from_ambiguous", 0, "not_accepted"},
		{"an outsider, rightly signed", mallory.Address, secretList, mail(mallory.Address, secretList, smimetest.Encrypt(mallory.Sign(text), secret)), store.ItemRejected, "scenario_send_subscriber_smime", 0, ""},
		{"an outsider, with a member's reverse-path", from, secretList, mail(mallory.Address, secretList, smimetest.Encrypt(mallory.Sign(text), secret)), store.ItemRejected, "scenario_send_subscriber_smime", 0, ""},
		{"an outsider to the open list", mallory.Address, openList, mail(mallory.Address, openList, smimetest.Encrypt(mallory.Sign(text), open)), store.ItemDone, "", 3, ""},

		{"unsigned to a private plain list", from, plainList, mail(from, plainList, smimetest.Text("x\r\n")), store.ItemRejected, "scenario_send_subscriber_smime", 0, "refused"},
		{"signed to a private plain list", from, plainList, mail(from, plainList, alice.Sign(text)), store.ItemDone, "", 3, ""},
		{"unsigned to an open plain list", mallory.Address, wallList, mail(mallory.Address, wallList, smimetest.Text("x\r\n")), store.ItemDone, "", 3, ""},

		{"a null reverse-path", "", wallList, mail(from, wallList, smimetest.Text("x\r\n")), store.ItemRejected, "automatic", 0, ""},
		{"automatic mail", from, plainList, append([]byte("Auto-Submitted: auto-replied\r\n"), mail(from, plainList, smimetest.Text("x\r\n"))...), store.ItemRejected, "automatic", 0, ""},
		{"a broken post through another list", from, secretList, append([]byte("List-Id: <x.example.net>\r\n"), mail(from, secretList, smimetest.Encrypt(text, secret))...), store.ItemRejected, "unsigned", 0, ""},
		{"the list's own mail", from, wallList, append([]byte("List-Id: <wall.lists.example.org>\r\n"), mail(from, wallList, smimetest.Text("x\r\n"))...), store.ItemRejected, "loop", 0, ""},
		{"mail to the owner", from, "secret-owner@lists.example.org", mail(from, "secret-owner@lists.example.org", text), store.ItemDone, "owner_mail", 0, ""},
		{"an answer to one of our own addresses", "wall@lists.example.org", plainList, mail("wall@lists.example.org", plainList, smimetest.Text("x\r\n")), store.ItemRejected, "scenario_send_subscriber_smime", 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			item, deliveries := w.settled(w.send(c.from, c.to, c.octets))
			if item.State != c.state || item.Reason != c.reason {
				t.Errorf("%s (%s; %s), want %s (%s)", item.State, item.Reason, item.Detail, c.state, c.reason)
			}
			copies, notices := 0, ""
			for _, d := range deliveries {
				if d.Kind == store.KindCopy && d.State == store.DeliveryRelayed {
					copies++
				}
				if d.Kind == store.KindNotice && d.Notice.Template != "certificate_added" {
					notices = d.Notice.Template
					if got := d.Address.String(); got != from {
						t.Errorf("%s was told, not %s", got, from)
					}
				}
			}
			if copies != c.copies || notices != c.notice {
				t.Errorf("%d copies and notice %q, want %d and %q", copies, notices, c.copies, c.notice)
			}
		})
	}
}

// TestCopiesHoldWhatWasSigned opens every copy with its member's key.
func TestCopiesHoldWhatWasSigned(t *testing.T) {
	w := newWorld(t)
	w.start()
	signed := w.people["alice"].Sign(text)
	post := smimetest.Mail("alice@example.org", secretList, "the outer subject", smimetest.Encrypt(signed, w.keys[secretList]))
	w.settled(w.send("alice@example.org", secretList, post))
	outer := parse(t, post).Header()
	for _, name := range []string{"alice", "bob", "carol"} {
		mails := w.copies(name)
		if len(mails) != 1 {
			t.Fatalf("%s got %d copies", name, len(mails))
		}
		if got := mails[0].ReversePath; !strings.HasPrefix(got, list.ReturnPrefix) || !strings.HasSuffix(got, "@lists.example.org") {
			t.Errorf("reverse-path %q", got)
		}
		e := parse(t, mails[0].Octets)
		for _, field := range []string{"From", "To", "Date", "Message-ID", "Subject"} {
			if got, want := e.Header().Get(field), outer.Get(field); got != want {
				t.Errorf("%s: %q, want %q", field, got, want)
			}
		}
		if id, sender := e.Header().Get("List-Id"), e.Header().Get("Sender"); id != "<secret.lists.example.org>" || sender != "<secret-owner@lists.example.org>" {
			t.Errorf("List-Id %q, Sender %q", id, sender)
		}
		for other, id := range w.people {
			m := smime.Open(e, smime.Options{Keys: []cms.Key{id.DecryptKey()}})
			if other != name {
				if m.Err == nil {
					t.Errorf("%s's copy opens with %s's key", name, other)
				}
				continue
			}
			if m.Err != nil || !bytes.Equal(m.Payload.Octets(), signed.Octets()) {
				t.Errorf("%s's copy: %v, or other octets than were signed", name, m.Err)
				continue
			}
			if a := smime.Authenticate(m, w.sealist.Trust, smime.Claim{Received: time.Now()}); !a.Authenticated || a.Author != "alice@example.org" {
				t.Errorf("%s's copy: %s", name, a.Reason)
			}
		}
	}
}

// TestPlainListsPassSignedPostsUnchanged compares octets.
func TestPlainListsPassSignedPostsUnchanged(t *testing.T) {
	w := newWorld(t)
	w.start()
	signed := w.people["alice"].Sign(smimetest.Entity("Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
		"caf\xe9  \r\n" + strings.Repeat("long ", 150) + "\r\n\r\n.\r\n..dots\r\n"))
	post := mail("alice@example.org", plainList, signed)
	w.settled(w.send("alice@example.org", plainList, post))
	for _, m := range w.copies("bob") {
		got := parse(t, m.Octets)
		if !bytes.Equal(got.Body(), parse(t, post).Body()) {
			t.Error("the body changed")
		}
		opened := smime.Open(got, smime.Options{})
		if a := smime.Authenticate(opened, w.sealist.Trust, smime.Claim{Received: time.Now()}); !a.Authenticated {
			t.Errorf("the signature is lost: %s", a.Reason)
		}
	}
}

var ids = regexp.MustCompile(`(?m)^(HP-Outer: )?(Message-ID|Date|In-Reply-To|References): .*$|Its (Message-ID|date) was: .*`)

// TestRefusalsAreOneAnswer is invariant 3: whatever was wrong with an encrypted
// post, its sender hears the same words.
func TestRefusalsAreOneAnswer(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice, secret := w.people["alice"], w.keys[secretList]
	broken := smimetest.Encrypt(alice.Sign(text), secret).Octets()
	garbled := bytes.Replace(broken, []byte("\r\n\r\nMI"), []byte("\r\n\r\nZZ"), 1)
	truncated := broken[:len(broken)*2/3]
	truncated = truncated[:bytes.LastIndexByte(truncated, '\n')+1]
	for name, e := range map[string]*entity.Entity{
		"undecryptable": smimetest.Encrypt(alice.Sign(text), w.keys[openList]),
		"unsigned":      smimetest.Encrypt(text, secret),
		"by another":    smimetest.Encrypt(w.people["bob"].Sign(text), secret),
		"outsider's":    smimetest.Encrypt(w.people["mallory"].Sign(text), secret),
		"garbled":       smimetest.Entity(string(garbled)),
		"truncated":     smimetest.Entity(string(truncated)),
		"tampered":      smimetest.Encrypt(smimetest.Entity(strings.Replace(string(alice.Sign(text).Octets()), "Hello", "Hallo", 1)), secret),
		"no MIME":       smimetest.Encrypt(smimetest.Entity("\x01\x02\x03"), secret),
	} {
		post := mail(alice.Address, secretList, e)
		item, _ := w.settled(w.send(alice.Address, secretList, post))
		if item.State != store.ItemRejected {
			t.Errorf("%s: %s", name, item.State)
		}
	}
	w.until("everybody is answered", func() bool { return len(w.sink.To(alice.Address)) == 8 })
	mails := w.sink.To(alice.Address)
	first := ids.ReplaceAllString(w.shown(mails[0].Octets, "alice"), "")
	for _, m := range mails {
		if got := ids.ReplaceAllString(w.shown(m.Octets, "alice"), ""); got != first || m.ReversePath != "" {
			t.Errorf("two refusals differ:\n%s\n---\n%s", first, got)
		}
		if bytes.Contains(m.Octets, []byte(marker)) {
			t.Error("an answer quotes the content")
		}
	}
}

// TestOutageDelays is invariant 2: a directory that cannot be reached is not an
// absent certificate.
func TestOutageDelays(t *testing.T) {
	w := newWorld(t)
	folder := w.config.Files.Dir
	w.must(os.Rename(folder, folder+".gone"))
	w.start()
	item := w.send("alice@example.org", secretList, mail("alice@example.org", secretList, smimetest.Encrypt(w.people["alice"].Sign(text), w.keys[secretList])))
	delayed := func() int {
		all, err := w.sealist.Store.Deliveries(t.Context(), store.DeliveryFilter{Item: item.ID})
		w.must(err)
		n := 0
		for _, d := range all {
			switch {
			case d.Kind == store.KindNotice && d.Notice.Template == "no_certificate":
				t.Fatal("an outage was told as an absence")
			case d.State == store.DeliveryDelayed && strings.Contains(d.Reason, "files"):
				n++
			}
		}
		return n
	}
	w.until("the copies that need the folder wait", func() bool { return delayed() == 2 }) // alice's is harvested from the post itself
	w.must(os.Rename(folder+".gone", folder))
	_, deliveries := w.settled(item)
	for _, d := range deliveries {
		if d.State != store.DeliveryRelayed {
			t.Errorf("%s: %s %s", d.Address, d.State, d.Reason)
		}
	}
}

// TestWithheldOnceTold shows that a member without a usable certificate gets no
// content, and one notice a day.
func TestWithheldOnceTold(t *testing.T) {
	w := newWorld(t)
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(secretList))
	w.must(err)
	_, err = w.sealist.Store.AddMembers(t.Context(), l.ID, []list.Member{{Address: list.MustParseAddress("dave@example.org"), Role: list.RoleMember}})
	w.must(err)
	w.start()
	for range 2 {
		item := w.send("alice@example.org", secretList, mail("alice@example.org", secretList, smimetest.Encrypt(w.people["alice"].Sign(text), w.keys[secretList])))
		_, deliveries := w.settled(item)
		for _, d := range deliveries {
			if d.Address.Local() == "dave" && d.Kind == store.KindCopy && d.State != store.DeliveryWithheld {
				t.Errorf("dave's copy is %s", d.State)
			}
		}
	}
	mails := w.sink.To("dave@example.org")
	if len(mails) != 1 || mails[0].ReversePath != "" || !bytes.Contains(mails[0].Octets, []byte("no certificate found")) {
		t.Errorf("dave got %d mails", len(mails))
	}
}

// TestHarvestTellsThePerson posts signed mail by somebody whose certificate is
// in no source.
func TestHarvestTellsThePerson(t *testing.T) {
	w := newWorld(t)
	w.start()
	mallory := w.people["mallory"]
	w.settled(w.send(mallory.Address, wallList, mail(mallory.Address, wallList, mallory.Sign(smimetest.Text("hi\r\n")))))
	r := w.sealist.Resolver.Resolve(t.Context(), []string{mallory.Address}, resolver.Allowances{})[0]
	if len(r.Certificates) != 1 || r.Source != "harvest" {
		t.Errorf("%+v", r)
	}
	mails := w.sink.To(mallory.Address)
	if len(mails) != 1 || !bytes.Contains(mails[0].Octets, []byte(r.Certificates[0].Fingerprint)) {
		t.Errorf("mallory got %d mails", len(mails))
	}
}

// TestWrongKeyPasswordLocks restarts the server with another key password.
func TestWrongKeyPasswordLocks(t *testing.T) {
	w := newWorld(t)
	w.must(w.sealist.Close())
	w.file("key_password", []byte("another\n"))
	w.open()
	w.start()
	alice := w.people["alice"]
	secret := w.send(alice.Address, secretList, mail(alice.Address, secretList, smimetest.Encrypt(alice.Sign(text), w.keys[secretList])))
	signed := w.send(alice.Address, plainList, mail(alice.Address, plainList, alice.Sign(text)))
	free := w.send(alice.Address, wallList, mail(alice.Address, wallList, smimetest.Text("x\r\n")))
	if item, _ := w.settled(free); item.State != store.ItemDone {
		t.Errorf("unsigned mail to a plain list: %s", item.State)
	}
	for _, id := range []string{secret.ID, signed.ID} {
		w.until("the reason is recorded", func() bool {
			item, err := w.sealist.Store.Item(t.Context(), id)
			w.must(err)
			return item.State == store.ItemAccepted && strings.HasPrefix(item.Reason, "locked: the key password is wrong")
		})
	}
	w.stop()
	w.file("key_password", []byte("a key password for tests\n"))
	w.open()
	w.start()
	for _, id := range []string{secret.ID, signed.ID} {
		item, err := w.sealist.Store.Item(t.Context(), id)
		w.must(err)
		if item, _ = w.settled(item); item.State != store.ItemDone {
			t.Errorf("after the right password: %s %s", item.State, item.Reason)
		}
	}
}

// TestDismissedBeforeSealing removes one member and suspends another after the
// rows are written and before the copies go.
func TestDismissedBeforeSealing(t *testing.T) {
	w := newWorld(t)
	w.sink.Stop() // so that every copy is tried and stays
	w.start()
	alice := w.people["alice"]
	item := w.send(alice.Address, secretList, mail(alice.Address, secretList, smimetest.Encrypt(alice.Sign(text), w.keys[secretList])))
	w.until("the rows are written", func() bool {
		counts, err := w.sealist.Store.CountDeliveries(t.Context(), item.ID)
		w.must(err)
		return counts[store.DeliveryDelayed] >= 3
	})
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(secretList))
	w.must(err)
	_, err = w.sealist.Store.RemoveMembers(t.Context(), l.ID, list.RoleMember, []list.Address{list.MustParseAddress("bob@example.org")})
	w.must(err)
	suspended := true
	_, err = w.sealist.Store.ChangeMembers(t.Context(), l.ID, list.RoleMember, []list.Address{list.MustParseAddress("carol@example.org")}, store.MemberChange{Suspended: &suspended})
	w.must(err)
	w.sink.Start()
	_, deliveries := w.settled(item)
	for _, d := range deliveries {
		want := store.DeliveryRelayed
		if d.Kind == store.KindCopy && d.Address.Local() != "alice" {
			want = store.DeliveryCancelled
		}
		if d.State != want {
			t.Errorf("%s: %s %s, want %s", d.Address, d.State, d.Reason, want)
		}
	}
	if n := len(w.sink.To("bob@example.org")) + len(w.sink.To("carol@example.org")); n != 0 {
		t.Errorf("%d copies went to those who may have none", n)
	}
}

// TestRestartGoesOn stops the server while the next hop is down and starts it again.
func TestRestartGoesOn(t *testing.T) {
	w := newWorld(t)
	w.sink.Behave(func(s peer.Step) peer.Act {
		if s.Verb == "RCPT" && s.ForwardPath == "bob@example.org" {
			return peer.Act{Reply: "451 4.3.0 later"}
		}
		return peer.Act{}
	})
	w.start()
	alice := w.people["alice"]
	item := w.send(alice.Address, secretList, mail(alice.Address, secretList, smimetest.Encrypt(alice.Sign(text), w.keys[secretList])))
	w.until("two copies are relayed", func() bool {
		counts, err := w.sealist.Store.CountDeliveries(t.Context(), item.ID)
		w.must(err)
		return counts[store.DeliveryRelayed] >= 2 && counts[store.DeliveryDelayed] == 1
	})
	w.stop()
	w.sink.Behave(nil)
	w.open()
	w.start()
	if item, _ = w.settled(item); item.State != store.ItemDone {
		t.Errorf("after the restart: %s", item.State)
	}
	for _, name := range []string{"alice", "bob", "carol"} {
		if n := len(w.copies(name)); n != 1 {
			t.Errorf("%s got %d copies", name, n)
		}
	}
}

// TestSMTPRefusals are the answers a mail server beside hears.
func TestSMTPRefusals(t *testing.T) {
	w := newWorld(t)
	w.start()
	for _, c := range []struct{ name, to, octets, want string }{
		{"no such list", "nobody@lists.example.org", "x", "550"},
		{"another domain", "alice@example.org", "x", "550"},
		{"a bare LF", wallList, "Subject: x\r\n\r\na\nb\r\n", "554"},
		{"a NUL", wallList, "Subject: x\r\n\r\na\x00b\r\n", "554"},
	} {
		if err := rawSend(w.addr, "alice@example.org", c.to, c.octets); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	if n := len(w.items()); n != 0 {
		t.Errorf("%d items after refusals only", n)
	}
}

// rawSend sends octets as they are; net/smtp's Data would mend their line ends.
func rawSend(addr, from, to, octets string) error {
	c, err := smtp.Dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Mail(from); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	for _, step := range []struct {
		line string
		code int
	}{{"DATA", 354}, {octets + "\r\n.", 250}} {
		id, err := c.Text.Cmd("%s", step.line)
		if err != nil {
			return err
		}
		c.Text.StartResponse(id)
		_, _, err = c.Text.ReadResponse(step.code)
		c.Text.EndResponse(id)
		if err != nil {
			return err
		}
	}
	return nil
}

func parse(t testing.TB, octets []byte) *entity.Entity {
	t.Helper()
	e, err := entity.Parse(octets, entity.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestWithoutDomainsEveryListIsOurs runs a server whose configuration names no domain.
func TestWithoutDomainsEveryListIsOurs(t *testing.T) {
	w := newWorld(t)
	w.config.Domains = nil
	w.start()
	alice := w.people["alice"]
	item, _ := w.settled(w.send(alice.Address, plainList, mail(alice.Address, plainList, alice.Sign(text))))
	if item.State != store.ItemDone {
		t.Errorf("%s: %s", item.State, item.Reason)
	}
	if err := rawSend(w.addr, alice.Address, "bob@example.org", "x"); err == nil || !strings.HasPrefix(err.Error(), "550") {
		t.Errorf("mail to somebody who is no list: %v", err)
	}
	own := "somebody@lists.example.org"
	item, deliveries := w.settled(w.send(own, plainList, mail(own, plainList, smimetest.Text("x\r\n"))))
	if item.State != store.ItemRejected || len(deliveries) != 0 {
		t.Errorf("a refusal was told to an address of our own: %s, %d deliveries", item.State, len(deliveries))
	}
}

// TestAnswersAreCounted posts more garbage in one member's name than anybody
// may be told of.
func TestAnswersAreCounted(t *testing.T) {
	w := newWorld(t)
	w.start()
	const posts, most = 25, 20
	for range posts {
		w.settled(w.send("bob@example.org", secretList, mail("x@evil.example", secretList, smimetest.Encrypt(text, w.keys[openList]))))
	}
	if n := len(w.sink.To("bob@example.org")); n != most {
		t.Errorf("%d answers for %d posts, want %d", n, posts, most)
	}
}

// TestLineEndsStayAsTheyWere posts content whose lines end in LF alone, as a
// program may encrypt it that takes it for binary.
func TestLineEndsStayAsTheyWere(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice := w.people["alice"]
	inner := bytes.ReplaceAll(alice.Sign(text).Octets(), []byte("\r\n"), []byte("\n"))
	item, _ := w.settled(w.send(alice.Address, secretList, mail(alice.Address, secretList, smimetest.Encrypt(smimetest.Entity(string(inner)), w.keys[secretList]))))
	if item.State != store.ItemDone {
		t.Fatalf("%s: %s", item.State, item.Reason)
	}
	for _, c := range w.copies("bob") {
		m := smime.Open(parse(t, c.Octets), smime.Options{Keys: []cms.Key{w.people["bob"].DecryptKey()}})
		if m.Err != nil || !bytes.Equal(m.Payload.Octets(), inner) {
			t.Errorf("the copy holds other octets than were posted: %v", m.Err)
		}
	}
}
