package listd_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
)

// set changes settings of a list: name, value, name, value …
func (w *world) set(address string, settings ...string) {
	w.t.Helper()
	l, err := w.sealist.Store.List(w.t.Context(), list.MustParseAddress(address))
	w.must(err)
	for i := 0; i+1 < len(settings); i += 2 {
		w.must(l.Set(settings[i], settings[i+1]))
	}
	w.must(w.sealist.Store.UpdateList(w.t.Context(), l))
}

// expect sends a post and compares what became of it.
func (w *world) expect(name, from, to string, octets []byte, state store.ItemState, reason string, copies int) store.Item {
	w.t.Helper()
	item, deliveries := w.settled(w.send(from, to, octets))
	n := 0
	for _, d := range deliveries {
		if d.Kind == store.KindCopy && d.State == store.DeliveryRelayed {
			n++
		}
	}
	if item.State != state || item.Reason != reason || n != copies {
		w.t.Errorf("%s: %s (%s; %s) with %d copies, want %s (%s) with %d", name, item.State, item.Reason, item.Detail, n, state, reason, copies)
	}
	return item
}

// TestReplays is the paragraph "Replay" of invariant 4: what comes again does not come twice, and what an honest author or
// an MTA does goes through.
func TestReplays(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice, mallory := w.people["alice"], w.people["mallory"]
	from := alice.Address
	signed := func() *entity.Entity { return alice.Sign(text) }
	sealed := func(e *entity.Entity, to string) []byte { return mail(from, to, smimetest.Encrypt(e, w.keys[to])) }

	post := sealed(signed(), secretList)
	w.expect("first", from, secretList, post, store.ItemDone, "", 3)
	before := len(w.sink.Mails())
	w.expect("an MTA's duplicate", from, secretList, post, store.ItemDone, "duplicate", 0)
	w.expect("by another server, in other words", from, secretList, append([]byte("Received: by elsewhere\r\n"), post...), store.ItemDone, "duplicate", 0)
	if n := len(w.sink.Mails()) - before; n != 0 {
		t.Errorf("%d mails about duplicates", n)
	}

	old := signed()
	w.expect("to one list", from, plainList, mail(from, plainList, old), store.ItemDone, "", 3)
	w.expect("sealed again, to the same list", from, plainList, mail(from, plainList, old), store.ItemDone, "duplicate", 0)
	w.expect("a cross-post within the day", from, wallList, mail(from, wallList, old), store.ItemDone, "", 3)
	w.expect("sealed to a third", from, secretList, sealed(old, secretList), store.ItemDone, "", 3)

	meant := alice.Sign(smimetest.Entity("From: " + from + "\r\nTo: " + plainList + ", " + wallList + "\r\nContent-Type: text/plain; hp=\"clear\"\r\n\r\nx\r\n"))
	w.expect("addressed to both", from, plainList, mail(from, plainList, meant), store.ItemDone, "", 3)
	stolen := signed()
	w.expect("to the plain list", from, plainList, mail(from, plainList, stolen), store.ItemDone, "", 3)
	w.ahead.Add(int64(25 * time.Hour))
	w.expect("addressed to both, late", from, wallList, mail(from, wallList, meant), store.ItemDone, "", 3)
	w.expect("a day later, by somebody who read it there", mallory.Address, openList,
		mail(from, openList, smimetest.Encrypt(stolen, w.keys[openList])), store.ItemRejected, "replay", 0)
	w.expect("a day later, to a list of members", from, secretList, sealed(stolen, secretList), store.ItemRejected, "replay", 0)

	// Both lists in one transaction: late copies are no matter.
	both := mail(from, plainList, signed())
	known := len(w.items())
	w.must(smtp.SendMail(w.addr, nil, from, []string{plainList, wallList}, both))
	w.until("both are distributed", func() bool {
		items := w.items()
		return len(items) == known+2 && items[known].State == store.ItemDone && items[known].Reason == "" &&
			items[known+1].State == store.ItemDone && items[known+1].Reason == ""
	})

	// What was refused may come again.
	outsider := mail(mallory.Address, plainList, mallory.Sign(text))
	w.expect("an outsider", mallory.Address, plainList, outsider, store.ItemRejected, "scenario_send_subscriber_smime", 0)
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(plainList))
	w.must(err)
	_, err = w.sealist.Store.AddMembers(t.Context(), l.ID, []list.Member{{Address: list.MustParseAddress(mallory.Address)}})
	w.must(err)
	w.expect("who is a member now", mallory.Address, plainList, outsider, store.ItemDone, "", 4)
}

// TestStolenCiphertext is invariant 11: a ciphertext that went to a list gives nobody anything when it, or what is made of
// it, comes again.
func TestStolenCiphertext(t *testing.T) {
	w := newWorld(t)
	w.set(openList, "unsigned_encrypted", "allow")
	w.start()
	alice, mallory, key := w.people["alice"], w.people["mallory"], w.keys[openList]
	unsigned, signed := smimetest.Encrypt(text, key), smimetest.Encrypt(alice.Sign(text), key)
	w.expect("unsigned", alice.Address, openList, mail(alice.Address, openList, unsigned), store.ItemDone, "", 3)
	w.expect("signed", alice.Address, openList, mail(alice.Address, openList, signed), store.ItemDone, "", 3)
	before := len(w.sink.To(mallory.Address))
	longer := func(c []byte) []byte { return append(append([]byte{}, c...), c[len(c)-32:]...) }
	for name, octets := range map[string][]byte{
		"unsigned, under the thief's name": mail(mallory.Address, openList, unsigned),
		"signed, under the thief's name":   mail(mallory.Address, openList, signed),
	} {
		item, deliveries := w.settled(w.send(mallory.Address, openList, octets))
		if item.State == store.ItemDistributing || len(deliveries) != 0 {
			t.Errorf("%s: %s (%s), %+v", name, item.State, item.Reason, deliveries)
		}
	}
	w.expect("unsigned, changed", mallory.Address, openList, mail(mallory.Address, openList, withCiphertext(t, unsigned, longer)), store.ItemRejected, "key_reused", 0)
	w.expect("within the thief's signature", mallory.Address, openList, mail(mallory.Address, openList, mallory.Sign(unsigned)), store.ItemDone, "duplicate", 0)
	w.expect("changed, within the thief's signature", mallory.Address, openList, mail(mallory.Address, openList, mallory.Sign(withCiphertext(t, unsigned, longer))), store.ItemRejected, "key_reused", 0)
	w.expect("to a list with another key", alice.Address, secretList, mail(alice.Address, secretList, signed), store.ItemRejected, "decrypt_failed", 0)
	if n := len(w.sink.To(mallory.Address)) - before; n != 0 {
		t.Errorf("the thief got %d mails", n)
	}
	w.expect("an honest unsigned one", alice.Address, openList, mail(alice.Address, openList, smimetest.Encrypt(text, key)), store.ItemDone, "", 3)
}

// TestUnsignedEncrypted is the setting of that name.
func TestUnsignedEncrypted(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice, bob, key := w.people["alice"], w.people["bob"], w.keys[openList]
	post := func(e *entity.Entity) []byte { return mail(alice.Address, openList, smimetest.Encrypt(e, key)) }
	stranger := smimetest.NewCA("Elsewhere").Issue(alice.Address)
	for _, c := range []struct {
		policy, name string
		octets       []byte
		state        store.ItemState
		reason       string
		copies       int
	}{
		{"refuse", "unsigned", post(text), store.ItemRejected, "unsigned", 0},
		{"hold", "unsigned", post(text), store.ItemHeld, "unsigned_encrypted", 0},
		{"hold", "by a stranger", post(stranger.Sign(text)), store.ItemHeld, "unsigned_encrypted", 0},
		{"hold", "signed by another", post(bob.Sign(text)), store.ItemRejected, "address_mismatch", 0},
		{"hold", "for another list", mail(alice.Address, openList, smimetest.Encrypt(text, w.keys[secretList])), store.ItemRejected, "decrypt_failed", 0},
		{"allow", "unsigned", post(text), store.ItemDone, "", 3},
		{"allow", "signed by another", post(bob.Sign(text)), store.ItemRejected, "address_mismatch", 0},
		{"allow", "signed", post(alice.Sign(text)), store.ItemDone, "", 3},
	} {
		w.set(openList, "unsigned_encrypted", c.policy)
		w.expect(c.policy+", "+c.name, alice.Address, openList, c.octets, c.state, c.reason, c.copies)
	}
	w.set(secretList, "unsigned_encrypted", "allow")
	w.expect("the scenario is asked first", alice.Address, secretList, mail(alice.Address, secretList, smimetest.Encrypt(text, w.keys[secretList])), store.ItemRejected, "unsigned", 0)
}

// TestEncryptionRequired: a list that demands encryption takes nothing in clear, and says how to write to it.
func TestEncryptionRequired(t *testing.T) {
	w := newWorld(t)
	w.set(secretList, "encryption", "required")
	w.start()
	alice := w.people["alice"]
	_, deliveries := w.settled(w.send(alice.Address, secretList, mail(alice.Address, secretList, alice.Sign(text))))
	found := false
	for _, d := range deliveries {
		found = found || d.Kind == store.KindNotice && d.Notice.Template == "in_clear"
	}
	if !found {
		t.Errorf("%+v", deliveries)
	}
	w.expect("in clear", alice.Address, secretList, mail(alice.Address, secretList, alice.Sign(text)), store.ItemRejected, "in_clear", 0)
	w.expect("encrypted", alice.Address, secretList, mail(alice.Address, secretList, smimetest.Encrypt(alice.Sign(text), w.keys[secretList])), store.ItemDone, "", 3)
}

// TestAutoSubmitted is the setting of that name; a bounce is nobody's post, and a certification authority's challenge is
// for one person (RFC 8823 section 3.1).
func TestAutoSubmitted(t *testing.T) {
	w := newWorld(t)
	w.start()
	post := append([]byte("Auto-Submitted: auto-generated\r\n"), mail("cron@example.org", wallList, smimetest.Text("x\r\n"))...)
	for policy, want := range map[string]store.ItemState{"reject": store.ItemRejected, "editor": store.ItemHeld, "accept": store.ItemDone} {
		w.set(wallList, "auto_submitted", policy)
		if item, _ := w.settled(w.send("cron@example.org", wallList, post)); item.State != want {
			t.Errorf("%s: %s (%s)", policy, item.State, item.Reason)
		}
		if item, _ := w.settled(w.send("", wallList, post)); item.State != store.ItemRejected {
			t.Errorf("%s, a null reverse-path: %s", policy, item.State)
		}
	}
	for value, want := range map[string]store.ItemState{
		"auto-generated; type=acme": store.ItemRejected, "Auto-Generated; x=y; TYPE = \"acme\"": store.ItemRejected,
		"auto-generated; type=other": store.ItemDone, "auto-generated; x=type=acme": store.ItemDone,
	} {
		challenge := append([]byte("Auto-Submitted: "+value+"\r\n"), mail("acme@example.org", wallList, smimetest.Text("x\r\n"))...)
		w.set(wallList, "auto_submitted", "accept")
		if item, _ := w.settled(w.send("acme@example.org", wallList, challenge)); item.State != want {
			t.Errorf("%s: %s (%s)", value, item.State, item.Reason)
		}
	}
}

// TestCrossPostsWithoutWindow: where no time is given, both lists in one transaction and a list that is a member of the
// other are what is left.
func TestCrossPostsWithoutWindow(t *testing.T) {
	w := newWorld(t)
	w.must(w.sealist.Close())
	w.config.Trust.CrossPostWindow = 0
	w.open()
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(plainList))
	w.must(err)
	_, err = w.sealist.Store.AddMembers(t.Context(), l.ID, []list.Member{{Address: list.MustParseAddress(wallList)}})
	w.must(err)
	w.start()
	alice := w.people["alice"]
	post := mail(alice.Address, plainList, alice.Sign(text))
	known := len(w.items())
	w.must(smtp.SendMail(w.addr, nil, alice.Address, []string{plainList, wallList}, post))
	w.until("both are distributed", func() bool {
		items := w.items()
		return len(items) == known+2 && items[known].State == store.ItemDone && items[known].Reason == "" &&
			items[known+1].State == store.ItemDone && items[known+1].Reason == ""
	})
	again := alice.Sign(text)
	w.expect("to the first", alice.Address, plainList, mail(alice.Address, plainList, again), store.ItemDone, "", 4)
	copies := w.sink.To(wallList)
	if len(copies) != 2 {
		t.Fatalf("%d copies for the list that is a member", len(copies))
	}
	w.expect("the first list's copy", copies[1].ReversePath, wallList, copies[1].Octets, store.ItemDone, "", 3)
	alone := mail(alice.Address, plainList, alice.Sign(text))
	w.expect("to one", alice.Address, wallList, alone, store.ItemDone, "", 3)
	w.expect("then to the other", alice.Address, secretList, alone, store.ItemRejected, "scenario_send_subscriber_smime", 0)
}

// TestHeldPostIsNoReplay: a post that was held and is looked at anew does not meet itself; one that was refused then may
// come again.
func TestHeldPostIsNoReplay(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice := w.people["alice"]
	for name, then := range map[string]store.ItemState{"accepted": store.ItemDone, "rejected": store.ItemRejected} {
		w.rules(openList, "true() smime -> editorkey\n")
		post := mail(alice.Address, openList, alice.Sign(text))
		held := w.expect(name, alice.Address, openList, post, store.ItemHeld, "editorkey", 0)
		w.rules(openList, "true() smime -> do_it\n")
		w.expect(name+", sent again", alice.Address, openList, post, store.ItemDone, "duplicate", 0)
		next := store.ItemAccepted
		if then == store.ItemRejected {
			next = store.ItemRejected
		}
		w.must(w.sealist.Store.Decide(t.Context(), store.Decided{Item: held.ID, State: next}))
		w.must(w.sealist.Store.RetryPostponed(t.Context()))
		w.until(name, func() bool {
			item, err := w.sealist.Store.Item(t.Context(), held.ID)
			w.must(err)
			return item.State == then
		})
		want, reason, copies := store.ItemDone, "duplicate", 0
		if then == store.ItemRejected {
			reason, copies = "", 3
		}
		w.expect(name+", then sent again", alice.Address, openList, post, want, reason, copies)
	}
}

// TestDryRun tells what a post would become, and leaves nothing behind.
func TestDryRun(t *testing.T) {
	w := newWorld(t)
	alice, mallory, key := w.people["alice"], w.people["mallory"], w.keys[secretList]
	good := mail(alice.Address, secretList, smimetest.Encrypt(alice.Sign(text), key))
	before := dump(t, w.sealist.Store.Path())
	for _, c := range []struct {
		name    string
		octets  []byte
		state   string
		reason  string
		reached int
	}{
		{"good", good, "distributing", "", 3},
		{"good, again", good, "distributing", "", 3},
		{"an outsider", mail(mallory.Address, secretList, smimetest.Encrypt(mallory.Sign(text), key)), "rejected", "scenario_send_subscriber_smime", 0},
		{"unsigned", mail(alice.Address, secretList, smimetest.Encrypt(text, key)), "rejected", "unsigned", 0},
		{"with the line ends of this machine", bytes.ReplaceAll(mail(alice.Address, secretList, alice.Sign(text)), []byte("\r\n"), []byte("\n")), "distributing", "", 3},
	} {
		trial, err := w.sealist.Try(t.Context(), secretList, alice.Address, c.octets)
		if err != nil || trial.State != c.state || trial.Reason != c.reason || trial.Reached != c.reached {
			t.Errorf("%s: %+v, %v", c.name, trial, err)
		}
	}
	if after := dump(t, w.sealist.Store.Path()); after != before {
		t.Errorf("something was stored:\n%s\nbefore\n%s", after, before)
	}
	if _, err := w.sealist.Try(t.Context(), "nolist@lists.example.org", "", good); err == nil {
		t.Error("there is no such list")
	}
}

// dump counts the rows of every table.
func dump(t *testing.T, path string) string {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`)
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	rows.Close()
	var out strings.Builder
	for _, table := range tables {
		var n int
		if err := db.QueryRow(`SELECT count(*) FROM "` + table + `"`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s %d\n", table, n)
	}
	return out.String()
}

// TestAnotherAddressOfTheCertificate: a member who writes from another address of his own certificate is a subscriber, if he
// signs; not an owner or editor, and not by saying so.
func TestAnotherAddressOfTheCertificate(t *testing.T) {
	w := newWorld(t)
	w.start()
	both := w.ca.Issue("alice@example.org", smimetest.Addresses("alice@example.org", "a.liddell@example.org"))
	const other = "a.liddell@example.org"
	w.expect("signed", other, plainList, mail(other, plainList, both.Sign(text)), store.ItemDone, "", 3)
	w.expect("unsigned", other, plainList, mail(other, plainList, smimetest.Text("x\r\n")), store.ItemRejected, "scenario_send_subscriber_smime", 0)
	w.expect("signed with one that does not name it", other, plainList, mail(other, plainList, w.people["alice"].Sign(text)), store.ItemRejected, "scenario_send_subscriber_smime", 0)
	w.rules(openList, "is_owner([listname],[sender]) smime -> do_it\n")
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(openList))
	w.must(err)
	_, err = w.sealist.Store.AddMembers(t.Context(), l.ID, []list.Member{{Address: list.MustParseAddress("alice@example.org"), Role: list.RoleOwner}})
	w.must(err)
	w.expect("an owner under another address", other, openList, mail(other, openList, both.Sign(text)), store.ItemRejected, "scenario_no_rule", 0)
}

// TestSMTPRequiresDMARC: a From field counts only if our own mail server says that it passed.
func TestSMTPRequiresDMARC(t *testing.T) {
	w := newWorld(t)
	w.config.SMTP.AuthservIDs = []string{"mx.example.org"}
	w.set(wallList, "smtp_requires", "dmarc")
	w.rules(wallList, "is_subscriber([listname],[sender]) smtp,smime -> do_it\n")
	w.start()
	const from = "alice@example.org"
	post := mail(from, wallList, smimetest.Text("x\r\n"))
	with := func(field string) []byte { return append([]byte(field+"\r\n"), post...) }
	w.expect("nobody says so", from, wallList, post, store.ItemRejected, "scenario_no_rule", 0)
	w.expect("passed", from, wallList, with("Authentication-Results: mx.example.org; dmarc=pass header.from=example.org"), store.ItemDone, "", 3)
	w.expect("another says so", from, wallList, with("Authentication-Results: mx.example.net; dmarc=pass header.from=example.org"), store.ItemRejected, "scenario_no_rule", 0)
	w.expect("failed", from, wallList, with("Authentication-Results: mx.example.org; dmarc=fail"), store.ItemRejected, "scenario_no_rule", 0)
	w.expect("signed", from, wallList, mail(from, wallList, w.people["alice"].Sign(text)), store.ItemDone, "", 3)
}

// TestOddHeaders: what stands in a post's header harms neither the server nor its readers.
func TestOddHeaders(t *testing.T) {
	w := newWorld(t)
	w.start()
	const from = "alice@example.org"
	body := "\r\nx\r\n"
	hundred := strings.TrimSuffix(strings.Repeat("<u@example.org>,\r\n ", 100), ",\r\n ")
	for name, header := range map[string]string{
		"no From":             "Subject: x\r\n",
		"two From":            "From: alice@example.org\r\nFrom: bob@example.org\r\n",
		"an empty From":       "From:\r\n",
		"a group as From":     "From: undisclosed:;\r\n",
		"a hundred in To":     "From: alice@example.org\r\nTo: " + hundred + "\r\n",
		"8-bit Subject":       "From: alice@example.org\r\nSubject: Gr\xfc\xdfe\r\n",
		"UTF-8 Subject":       "From: alice@example.org\r\nSubject: Grüße\r\n",
		"a name in UTF-8":     "From: Jürgen <alice@example.org>\r\n",
		"an address in UTF-8": "From: jürgen@example.org\r\n",
		"a long Subject":      "From: alice@example.org\r\nSubject: " + strings.Repeat("x ", 400) + "\r\n",
		"no Date, no name":    "From: alice@example.org\r\n",
	} {
		for _, policy := range []string{"keep", "always"} {
			w.set(wallList, "from_policy", policy, "subject_tag", "[wall]", "reply_to", "all")
			before := len(w.copies("bob"))
			item, deliveries := w.settled(w.send(from, wallList, []byte(header+body)))
			if item.State != store.ItemDone || len(deliveries) < 3 {
				t.Errorf("%s, %s: %s (%s; %s)", name, policy, item.State, item.Reason, item.Detail)
				continue
			}
			h := parse(t, w.copies("bob")[before].Octets).Header()
			if len(h.All("Subject")) > 1 || len(h.All("Message-ID")) != 1 || len(h.All("Date")) != 1 {
				t.Errorf("%s, %s:\n%s", name, policy, h.Octets())
			}
		}
	}
}

// TestAddressedToTheParent: a copy that the author addressed, under protection, to a list that this one is a member of is
// addressed to this one.
func TestAddressedToTheParent(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice := w.people["alice"]
	post := func() []byte {
		return mail(alice.Address, wallList, alice.Sign(smimetest.Entity("From: "+alice.Address+"\r\nTo: "+plainList+"\r\nContent-Type: text/plain; hp=\"clear\"\r\n\r\nx\r\n")))
	}
	item := w.expect("of no list", alice.Address, wallList, post(), store.ItemDone, "", 3)
	if !strings.Contains(item.Detail, "not_addressed") {
		t.Errorf("%s", item.Detail)
	}
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(plainList))
	w.must(err)
	_, err = w.sealist.Store.AddMembers(t.Context(), l.ID, []list.Member{{Address: list.MustParseAddress(wallList)}})
	w.must(err)
	if item := w.expect("of a member", alice.Address, wallList, post(), store.ItemDone, "", 3); item.Method != "smime" {
		t.Errorf("%s: %s", item.Method, item.Detail)
	}
}
