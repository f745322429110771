package listd_test

import (
	"bytes"
	"fmt"
	"net/smtp"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
)

const robot = "sealist@lists.example.org"

// say sends a mail and returns what people get of it, each as "to: text".
func (w *world) say(from, to string, octets []byte) []string {
	w.t.Helper()
	before := len(w.sink.Mails())
	item := w.send(from, to, octets)
	w.settled(item)
	w.until("all mail is out", func() bool {
		all, err := w.sealist.Store.Deliveries(w.t.Context(), store.DeliveryFilter{})
		w.must(err)
		for _, d := range all {
			if !d.State.Finished() {
				return false
			}
		}
		return true
	})
	var out []string
	for _, m := range w.sink.Mails()[before:] {
		out = append(out, w.read(m))
	}
	return out
}

// read is a mail as its addressee reads it: opened, if it is sealed to him.
func (w *world) read(m peer.Mail) string {
	w.t.Helper()
	e := parse(w.t, m.Octets)
	to := m.ForwardPaths[0]
	mark := ""
	if typ, _ := e.MediaType(); typ == "application/pkcs7-mime" {
		name, _, _ := strings.Cut(to, "@")
		opened := smime.Open(e, smime.Options{Keys: []cms.Key{w.people[name].DecryptKey()}})
		w.must(opened.Err)
		e, mark = opened.Payload, "sealed "
	}
	e = unsigned(w.t, e)
	if typ, _ := e.MediaType(); typ == "multipart/mixed" {
		parts, err := e.Parts()
		w.must(err)
		e = parts.Parts[0]
	}
	text, err := e.Decoded()
	w.must(err)
	return mark + "to " + to + ": " + parse(w.t, m.Octets).Header().Get("Subject") + "\n" + string(text)
}

// unsigned is what a signature is around, or the entity itself.
func unsigned(t testing.TB, e *entity.Entity) *entity.Entity {
	t.Helper()
	if typ, _ := e.MediaType(); typ != "multipart/signed" {
		return e
	}
	opened := smime.Open(e, smime.Options{})
	if opened.Err != nil {
		t.Fatal(opened.Err)
	}
	return opened.Content
}

// command is a mail with text; signed if there is a signer.
func command(from, to, text string, signer *smimetest.Identity) []byte {
	e := smimetest.Text(text)
	if signer != nil {
		e = signer.Sign(e)
	}
	return smimetest.Mail(from, to, "", e)
}

var keyIn = regexp.MustCompile(`[a-z2-9]{40}`)

func has(t *testing.T, name string, got []string, wants ...string) {
	t.Helper()
	all := strings.Join(got, "\n----\n")
	for _, want := range wants {
		if !strings.Contains(all, want) {
			t.Errorf("%s: no %q in\n%s", name, want, all)
		}
	}
}

// TestSubscription is a member's life by mail, unproven, proven by a challenge, and signed.
func TestSubscription(t *testing.T) {
	w := newWorld(t)
	w.set(wallList, "visibility", "noconceal")
	w.start()
	const zoe = "zoe@example.org"

	got := w.say(zoe, robot, command(zoe, robot, "subscribe wall Zoe Z\n-- \nignored\n", nil))
	has(t, "subscribe", got, "to "+zoe, "AUTH ", "to put zoe@example.org on the list wall@lists.example.org", "or a message with a key was sent")
	if w.isMember(zoe, wallList) {
		t.Fatal("she is a member without having answered")
	}
	key := keyIn.FindString(strings.Join(got, "\n"))
	got = w.say(zoe, robot, command(zoe, robot, "auth "+key+"\n", nil))
	has(t, "auth", got, "Welcome", "is on wall@lists.example.org now")
	if !w.isMember(zoe, wallList) {
		t.Error("she is no member")
	}
	has(t, "auth again", w.say(zoe, robot, command(zoe, robot, "auth "+key+"\n", nil)), "not valid")

	got = w.say(zoe, robot, command(zoe, robot, "set wall nomail\nwhich\n", nil))
	has(t, "set, unproven", got, "to set nomail", "wall@lists.example.org")
	w.say(zoe, robot, command(zoe, robot, "auth "+keyIn.FindString(strings.Join(got, "\n"))+"\n", nil))
	if m := w.member(zoe, wallList); m.Reception != list.ReceiveNoMail || m.Name != "Zoe Z" {
		t.Errorf("%+v", m)
	}
	alice := w.people["alice"]
	has(t, "set, signed", w.say(alice.Address, robot, command(alice.Address, robot, "set wall not_me\nset wall conceal\n", alice)), "is not_me on", "is conceal on")
	has(t, "an unknown word", w.say(alice.Address, robot, command(alice.Address, robot, "quiet set wall mail\nplease\nset wall nomail\n", alice)), "it is not a command", "> please")
	if m := w.member(alice.Address, wallList); m.Reception != list.ReceiveMail || !m.Conceal {
		t.Errorf("%+v", m)
	}

	got = w.say(zoe, "wall-unsubscribe@lists.example.org", command(zoe, "wall-unsubscribe@lists.example.org", "", nil))
	has(t, "unsubscribe", got, "AUTH ")
	got = w.say(zoe, robot, command(zoe, robot, "auth "+keyIn.FindString(strings.Join(got, "\n"))+"\n", nil))
	has(t, "unsubscribed", got, "no longer on")
	if w.isMember(zoe, wallList) {
		t.Error("she is still a member")
	}
	// A signature does not cover the address it was sent to.
	got = w.say(alice.Address, "wall-unsubscribe@lists.example.org", command(alice.Address, "wall-unsubscribe@lists.example.org", "", alice))
	has(t, "signed, to -unsubscribe", got, "AUTH ")
	if !w.isMember(alice.Address, wallList) {
		t.Error("a captured signature took her off the list")
	}
}

func (w *world) member(address, of string) list.Member {
	w.t.Helper()
	l, err := w.sealist.Store.List(w.t.Context(), list.MustParseAddress(of))
	w.must(err)
	members, err := w.sealist.Store.Members(w.t.Context(), l.ID, store.MemberFilter{Role: list.RoleMember})
	w.must(err)
	for _, m := range members {
		if m.Address.String() == address {
			return m
		}
	}
	return list.Member{}
}

func (w *world) isMember(address, of string) bool { return !w.member(address, of).Address.IsZero() }

func (w *world) role(name, of string, role list.Role) {
	w.t.Helper()
	l, err := w.sealist.Store.List(w.t.Context(), list.MustParseAddress(of))
	w.must(err)
	_, err = w.sealist.Store.AddMembers(w.t.Context(), l.ID, []list.Member{{Address: list.MustParseAddress(name + "@example.org"), Role: role}})
	w.must(err)
}

// TestOwnersDecide: what a scenario leaves to the owners waits for one of them, and only for one.
func TestOwnersDecide(t *testing.T) {
	w := newWorld(t)
	w.set(wallList, "subscribe", "owner", "visibility", "noconceal")
	w.role("alice", wallList, list.RoleOwner)
	w.role("bob", wallList, list.RoleOwner)
	w.start()
	const zoe = "zoe@example.org"
	got := w.say(zoe, robot, command(zoe, robot, "subscribe wall\n", nil))
	has(t, "the owners are asked", got, "or to the owners", "to alice@example.org", "to bob@example.org", "zoe@example.org asks to subscribe")
	keys := map[string]string{}
	for _, m := range got {
		for _, name := range []string{"alice", "bob"} {
			if strings.HasPrefix(m, "to "+name) {
				keys[name] = keyIn.FindString(m)
			}
		}
	}
	got = w.say("alice@example.org", robot, command("alice@example.org", robot, "distribute wall "+keys["alice"]+"\n", nil))
	has(t, "alice lets her in", got, "Welcome", "is on wall@lists.example.org now")
	if !w.isMember(zoe, wallList) {
		t.Error("she is no member")
	}
	has(t, "bob comes too late", w.say("bob@example.org", robot, command("bob@example.org", robot, "reject wall "+keys["bob"]+"\n", nil)), "not valid")
}

// TestManagement: what owners and members may do with others, and see.
func TestManagement(t *testing.T) {
	w := newWorld(t)
	w.role("alice", secretList, list.RoleOwner)
	w.set(secretList, "encryption", "required", "visibility", "noconceal")
	w.start()
	alice, bob, mallory := w.people["alice"], w.people["bob"], w.people["mallory"]
	has(t, "add", w.say(alice.Address, robot, command(alice.Address, robot, "add secret dora@example.org Dora\n", alice)), "dora@example.org is on secret@", "Welcome to secret")
	has(t, "add by a member", w.say(bob.Address, robot, command(bob.Address, robot, "add secret eve@example.org\n", bob)), "the rules of secret@lists.example.org do not let you add others")
	has(t, "review by an owner", w.say(alice.Address, robot, command(alice.Address, robot, "review secret\n", alice)), "sealed to alice", "dora@example.org (Dora)")
	has(t, "review by a member", w.say(bob.Address, robot, command(bob.Address, robot, "review secret\n", bob)), "do not let you see its members")
	has(t, "which", w.say(bob.Address, robot, command(bob.Address, robot, "which\n", bob)), "sealed to bob", "secret@lists.example.org")
	has(t, "del", w.say(alice.Address, robot, command(alice.Address, robot, "del secret dora@example.org\n", alice)), "no longer on secret@")
	has(t, "info and lists", w.say(mallory.Address, robot, command(mallory.Address, robot, "lists\ninfo secret\nstats secret\nhelp\nverify secret\n", mallory)),
		"secret@lists.example.org", "encrypted only", "do not let you see its figures", "SUBSCRIBE LIST", "Your signature is good")
	has(t, "invite", w.say(bob.Address, robot, command(bob.Address, robot, "invite secret zoe@example.org\n", bob)), "to zoe@example.org", "You are invited", "SUBSCRIBE secret@")
	w.set(secretList, "visibility", "secret")
	has(t, "a list that nobody sees", w.say(mallory.Address, robot, command(mallory.Address, robot, "info secret\ninfo nolist\n", mallory)), "there is no list secret@", "there is no list nolist@")
	has(t, "but its members", w.say(bob.Address, robot, command(bob.Address, robot, "info secret\n", bob)), "encrypted only")
	// Signed words in a forwarded message, in HTML or an attachment are nobody's commands.
	forwarded := alice.Sign(smimetest.Multipart("mixed", smimetest.Entity("Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ndel secret bob@example.org\r\n"), smimetest.Text("del secret bob@example.org\r\n")))
	has(t, "forwarded", w.say(alice.Address, robot, smimetest.Mail(alice.Address, robot, "", forwarded)), "There is no command in your message")
	subject := smimetest.Mail(alice.Address, robot, "del secret bob@example.org", alice.Sign(smimetest.HTML("<p>del secret bob@example.org</p>\r\n")))
	has(t, "a Subject is not signed", w.say(alice.Address, robot, subject), "AUTH ")
	if !w.isMember(bob.Address, secretList) {
		t.Error("bob was taken off by words that are no commands")
	}
}

// TestEncryptedCommands run only if their author signed them, within; else all that can go wrong is one answer.
func TestEncryptedCommands(t *testing.T) {
	w := newWorld(t)
	w.robotKey()
	w.start()
	alice, bob, key := w.people["alice"], w.people["bob"], w.keys[robot]
	seal := func(e *entity.Entity) []byte {
		return smimetest.Mail(alice.Address, robot, "", smimetest.Encrypt(e, key))
	}
	help := smimetest.Text("which\r\n")
	has(t, "signed", w.say(alice.Address, robot, seal(alice.Sign(help))), "alice@example.org is on:")
	var first string
	for name, octets := range map[string][]byte{
		"unsigned": seal(help), "signed by another": seal(bob.Sign(help)), "signed outside": smimetest.Mail(alice.Address, robot, "", alice.Sign(smimetest.Encrypt(help, key))),
		"another's key": smimetest.Mail(alice.Address, robot, "", smimetest.Encrypt(alice.Sign(help), w.keys[secretList])),
	} {
		got := fmt.Sprint(len(w.say(alice.Address, robot, octets)))
		if first == "" {
			first = got
		}
		if got != first || first != "1" {
			t.Errorf("%s: %s answers", name, got)
		}
	}
	// Captured and sent again it does nothing.
	again := seal(alice.Sign(smimetest.Text("set wall nomail\r\n")))
	w.say(alice.Address, robot, again)
	w.say(alice.Address, robot, command(alice.Address, robot, "set wall mail\n", alice))
	if got := w.say(alice.Address, robot, again); len(got) != 0 || w.member(alice.Address, wallList).Reception != list.ReceiveMail {
		t.Errorf("a replayed command ran: %s", got)
	}
}

// TestUnknownPeopleGetLittle is invariant 13: a stranger gets one mail a day, and only such as anybody may have.
func TestUnknownPeopleGetLittle(t *testing.T) {
	w := newWorld(t)
	w.set(wallList, "visibility", "noconceal")
	w.start()
	const victim = "victim@elsewhere.example"
	mails := 0
	for i := range 30 {
		text := []string{"help\n", "lists\n", "subscribe wall\n", "which\n", "review wall\n", "nonsense\n", "signoff wall\n"}[i%7]
		mails += len(w.say(victim, robot, command(victim, robot, text, nil)))
	}
	if mails > 3 { // one report, one challenge, one that explains
		t.Errorf("%d mails to somebody nobody knows", mails)
	}
	for _, from := range []string{"", "mailer-daemon@example.org", "wall@lists.example.org"} {
		if got := w.say(from, robot, command("mailer-daemon@example.org", robot, "help\n", nil)); len(got) != 0 {
			t.Errorf("from <%s>: %s", from, got)
		}
	}
	auto := append([]byte("Auto-Submitted: auto-replied\r\n"), command("alice@example.org", robot, "help\n", nil)...)
	if got := w.say("alice@example.org", robot, auto); len(got) != 0 {
		t.Errorf("a machine is answered: %s", got)
	}
}

// TestModeration: a post that waits for an editor, approved, rejected, and looked at anew.
func TestModeration(t *testing.T) {
	w := newWorld(t)
	w.rules(openList, "true() smtp,smime -> editorkey\n")
	w.role("bob", openList, list.RoleEditor)
	w.role("carol", openList, list.RoleEditor)
	w.start()
	alice := w.people["alice"]
	post := func() []byte {
		return mail(alice.Address, openList, smimetest.Encrypt(alice.Sign(text), w.keys[openList]))
	}
	keys := func(got []string) map[string]string {
		found := map[string]string{}
		for _, m := range got {
			for _, name := range []string{"bob", "carol"} {
				if strings.HasPrefix(m, "sealed to "+name) {
					found[name] = keyIn.FindString(m)
				}
			}
		}
		return found
	}
	asked := keys(w.say(alice.Address, openList, post()))
	if len(asked) != 2 || asked["bob"] == asked["carol"] {
		t.Fatalf("%v", asked)
	}
	// The editor's copy has the post with its signature, and opens for him alone.
	for _, m := range w.sink.To("bob@example.org") {
		if bytes.Contains(m.Octets, []byte(marker)) || bytes.Contains(m.Octets, []byte(asked["bob"])) {
			t.Error("a key or content leaves in clear")
		}
		opened := smime.Open(parse(t, m.Octets), smime.Options{Keys: []cms.Key{w.people["bob"].DecryptKey()}})
		if opened.Err != nil || !bytes.Contains(opened.Payload.Octets(), []byte(marker)) {
			t.Errorf("%v", opened.Err)
		}
	}
	got := w.say("bob@example.org", robot, command("bob@example.org", robot, "distribute open "+asked["bob"]+"\n", nil))
	has(t, "approved", got, "was approved")
	w.until("three copies are out", func() bool { return w.items()[0].State == store.ItemDone })
	if item := w.items()[0]; len(w.copies("alice")) != 1 || item.State != store.ItemDone || item.Method != "smime" || !strings.Contains(item.Detail, "approved by bob@example.org") {
		t.Errorf("%+v", item)
	}
	has(t, "carol comes too late", w.say("carol@example.org", robot, command("carol@example.org", robot, "reject open "+asked["carol"]+"\n", nil)), "there is nothing to decide")

	asked = keys(w.say(alice.Address, openList, post()))
	got = w.say("carol@example.org", robot, command("carol@example.org", robot, "reject open "+asked["carol"]+" not here please\n", nil))
	has(t, "rejected", got, "was rejected", "to alice@example.org", "not here please")
	has(t, "bob comes too late", w.say("bob@example.org", robot, command("bob@example.org", robot, "distribute open "+asked["bob"]+"\n", nil)), "there is nothing to decide")

	// An editor who was dismissed decides no more.
	asked = keys(w.say(alice.Address, openList, post()))
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(openList))
	w.must(err)
	_, err = w.sealist.Store.RemoveMembers(t.Context(), l.ID, list.RoleEditor, []list.Address{list.MustParseAddress("bob@example.org")})
	w.must(err)
	has(t, "dismissed", w.say("bob@example.org", robot, command("bob@example.org", robot, "distribute open "+asked["bob"]+"\n", nil)), "not valid")
	if n := len(w.copies("alice")); n != 1 {
		t.Errorf("%d copies", n)
	}
}

// TestSealedReason: an editor's words that came encrypted leave only so, also about a post in clear, and are not in the
// audit log.
func TestSealedReason(t *testing.T) {
	w := newWorld(t)
	w.rules(openList, "true() smtp,smime -> editorkey\n")
	w.role("carol", openList, list.RoleEditor)
	w.robotKey()
	w.start()
	asked := w.say("alice@example.org", openList, mail("alice@example.org", openList, text))
	reject := func(asked []string) *entity.Entity {
		return smimetest.Text("reject open " + keyIn.FindString(strings.Join(asked, "\n")) + " zebra budget\r\n")
	}
	carol := w.people["carol"]
	got := w.say(carol.Address, robot, smimetest.Mail(carol.Address, robot, "", smimetest.Encrypt(carol.Sign(reject(asked)), w.keys[robot])))
	has(t, "rejected", got, "was rejected", "sealed to alice@example.org", "zebra budget")
	entries := w.audit(admin.AuditFilter{Action: "moderation reject"})
	if len(entries) != 1 || strings.Contains(fmt.Sprint(entries), "zebra") {
		t.Errorf("%v", entries)
	}
}

// TestUnsignedEncryptedIsModerated is invariant 11's hold: the editors read it, sealed to them, and the sender hears no more
// than of any failure.
func TestUnsignedEncryptedIsModerated(t *testing.T) {
	w := newWorld(t)
	w.role("bob", openList, list.RoleEditor)
	w.start()
	alice := w.people["alice"]
	got := w.say(alice.Address, openList, mail(alice.Address, openList, smimetest.Encrypt(text, w.keys[openList])))
	has(t, "held", got, "sealed to bob", "unsigned_encrypted", "A message that seems to come from you was not distributed")
	var key string
	for _, m := range got {
		if strings.HasPrefix(m, "sealed to bob") {
			key = keyIn.FindString(m)
		}
	}
	has(t, "approved", w.say("bob@example.org", robot, command("bob@example.org", robot, "distribute open "+key+"\n", nil)), "was approved")
	w.until("it is distributed", func() bool { return len(w.copies("carol")) == 1 })
}

// TestRequestAuth: a post in clear waits until its sender proves that it is his.
func TestRequestAuth(t *testing.T) {
	w := newWorld(t)
	w.rules(wallList, "is_subscriber([listname],[sender]) smtp -> request_auth\ntrue() md5,smime -> do_it\n")
	w.start()
	const from = "alice@example.org"
	got := w.say(from, wallList, mail(from, wallList, smimetest.Text("a post\r\n")))
	has(t, "challenge", got, "to alice@example.org", "to distribute a message to wall@lists.example.org")
	if strings.Contains(strings.Join(got, ""), "a post") || len(got) != 1 {
		t.Errorf("%s", got)
	}
	has(t, "confirmed", w.say(from, robot, command(from, robot, "confirm "+keyIn.FindString(got[0])+"\n", nil)), "goes on")
	w.until("it is distributed", func() bool { return w.items()[0].State == store.ItemDone })
	if item := w.items()[0]; item.Method != "md5" {
		t.Errorf("%+v", item)
	}
	const stranger = "zoe@example.org"
	if got := w.say(stranger, wallList, mail(stranger, wallList, smimetest.Text("x\r\n"))); len(got) != 0 {
		t.Errorf("%s", got)
	}
}

// TestHeldPostsEnd: what nobody decided on is reminded of, ends after a month, and may be sent again.
func TestHeldPostsEnd(t *testing.T) {
	w := newWorld(t).byHand()
	w.rules(wallList, "true() smtp,smime -> editorkey\n")
	w.role("bob", wallList, list.RoleEditor)
	w.start()
	alice := w.people["alice"]
	post := mail(alice.Address, wallList, alice.Sign(text))
	held := w.expect("held", alice.Address, wallList, post, store.ItemHeld, "editorkey", 0)
	w.ahead.Add(int64(26 * time.Hour))
	if got := w.run("moderation_reminder"); got != "reminded 1 editors" {
		t.Errorf("%q", got)
	}
	w.ahead.Add(int64(30 * 24 * time.Hour))
	if got := w.run("held_expire"); got != "ended 1 posts and 0 requests that nobody decided on" {
		t.Errorf("%q", got)
	}
	if item, _ := w.settled(held); item.State != store.ItemRejected || item.Reason != "expired" {
		t.Errorf("%s (%s)", item.State, item.Reason)
	}
}

// TestForgedMailIsNoFlood: however many addresses are forged, the server writes to few of them.
func TestForgedMailIsNoFlood(t *testing.T) {
	w := newWorld(t)
	w.set(wallList, "visibility", "noconceal")
	w.rules(openList, "true() smtp -> request_auth\n")
	w.start()
	n := 200
	if !testing.Short() && os.Getenv("SEALIST_SLOW") == "1" {
		n = 10_000
	}
	for i := range n {
		from := fmt.Sprintf("u%d@forged.example", i)
		to, octets := robot, command(from, robot, "subscribe wall\n", nil)
		if i%2 == 1 {
			to, octets = openList, mail(from, openList, smimetest.Text("x\r\n"))
		}
		w.must(smtp.SendMail(w.addr, nil, from, []string{to}, octets))
	}
	w.until("all are decided", func() bool {
		items := w.items()
		for _, i := range items {
			if i.State == store.ItemAccepted {
				return false
			}
		}
		return len(items) == n
	})
	all, err := w.sealist.Store.Deliveries(t.Context(), store.DeliveryFilter{Kind: store.KindNotice})
	w.must(err)
	if len(all) > 100 {
		t.Errorf("%d mails because of %d forged ones", len(all), n)
	}
}

// TestArchive: posts as they came, each sealed anew to the member who asks; to nobody else, and never in clear.
func TestArchive(t *testing.T) {
	w := newWorld(t).byHand()
	w.set(secretList, "archive_for", "60d", "visibility", "noconceal")
	w.set(wallList, "visibility", "noconceal")
	w.start()
	alice, bob, mallory := w.people["alice"], w.people["bob"], w.people["mallory"]
	w.post()
	second, _ := w.post()
	has(t, "index", w.say(bob.Address, robot, command(bob.Address, robot, "index secret\n", bob)), "2 messages of secret@", second.ID, "alice@example.org")
	before := len(w.sink.To(bob.Address))
	has(t, "last", w.say(bob.Address, robot, command(bob.Address, robot, "last secret\n", nil)), "sealed to bob", "from the archive", "1 messages are sent")
	for _, m := range w.sink.To(bob.Address)[before:] {
		if bytes.Contains(m.Octets, []byte(marker)) {
			t.Error("it leaves in clear")
		}
		if opened := smime.Open(parse(t, m.Octets), smime.Options{Keys: []cms.Key{bob.DecryptKey()}}); opened.Encrypted && !bytes.Contains(opened.Payload.Octets(), []byte(marker)) {
			t.Error("the post is not in it")
		}
	}
	has(t, "get one", w.say(bob.Address, robot, command(bob.Address, robot, "get secret "+second.ID+"\n", bob)), "1 messages are sent")
	has(t, "get a month", w.say(bob.Address, robot, command(bob.Address, robot, "get secret "+second.Received.UTC().Format("2006-01")+"\n", bob)), "2 messages are sent")
	has(t, "get nothing", w.say(bob.Address, robot, command(bob.Address, robot, "get secret 2001-01\n", bob)), "keeps no message 2001-01")
	has(t, "an outsider", w.say(mallory.Address, robot, command(mallory.Address, robot, "index secret\nlast secret\n", mallory)), "do not let you see its archive")
	has(t, "a list without", w.say(alice.Address, robot, command(alice.Address, robot, "index wall\n", alice)), "keeps no archive")
	w.ahead.Add(int64(20 * 24 * time.Hour))
	w.run("purge")
	has(t, "after the purge", w.say(bob.Address, robot, command(bob.Address, robot, "index secret\n", bob)), "2 messages of secret@")
	w.ahead.Add(int64(50 * 24 * time.Hour))
	w.run("purge")
	has(t, "after its time", w.say(bob.Address, robot, command(bob.Address, robot, "index secret\n", bob)), "0 messages of secret@")
}

// TestOwnersMail: what is written to the owners or editors reaches them, sealed if it came so; and nobody has anything
// decrypted that he cannot show to have written.
func TestOwnersMail(t *testing.T) {
	w := newWorld(t)
	w.role("bob", secretList, list.RoleOwner)
	w.start()
	alice, mallory, key := w.people["alice"], w.people["mallory"], w.keys[secretList]
	const owner = "secret-owner@lists.example.org"
	has(t, "in clear", w.say(mallory.Address, owner, mail(mallory.Address, owner, smimetest.Text("please\r\n"))), "to bob@example.org: Mail to "+owner)
	got := w.say(mallory.Address, owner, mail(mallory.Address, owner, smimetest.Encrypt(mallory.Sign(text), key)))
	has(t, "encrypted and signed", got, "sealed to bob")
	stolen := smimetest.Encrypt(alice.Sign(text), key)
	if got := w.say(mallory.Address, owner, mail(mallory.Address, owner, stolen)); len(got) != 0 {
		t.Errorf("a stolen ciphertext: %s", got)
	}
	if got := w.say("", owner, mail("mailer-daemon@example.net", owner, smimetest.Text("bounce\r\n"))); len(got) != 0 {
		t.Errorf("a bounce: %s", got)
	}
	has(t, "to the editors", w.say(mallory.Address, "secret-editor@lists.example.org", mail(mallory.Address, "secret-editor@lists.example.org", smimetest.Text("x\r\n"))), "to bob@example.org")
	for _, m := range w.sink.Mails() {
		if bytes.Contains(m.Octets, []byte(marker)) {
			t.Error("something decrypted leaves in clear")
		}
	}
}

// TestKeysAreWorthWhatCarriedThem is invariant 12: on a list that demands encryption a key to what an owner may do leaves
// only sealed; one to come, to leave or to pause may go in clear.
func TestKeysAreWorthWhatCarriedThem(t *testing.T) {
	w := newWorld(t)
	w.role("alice", secretList, list.RoleOwner)
	w.set(secretList, "encryption", "required", "visibility", "noconceal")
	w.start()
	alice := w.people["alice"]
	got := w.say(alice.Address, robot, command(alice.Address, robot, "add secret zoe@example.org\ndel secret bob@example.org\n", nil))
	for _, m := range got {
		if key := keyIn.FindString(m); key != "" && !strings.HasPrefix(m, "sealed to alice") {
			t.Errorf("in clear: %s", m)
		}
	}
	has(t, "owner, unproven", got, "sealed to alice", "to add zoe@example.org")
	has(t, "leaving", w.say(alice.Address, robot, command(alice.Address, robot, "signoff secret\n", nil)), "to alice@example.org: Is this yours? UNSUBSCRIBE")
	for _, m := range w.sink.Mails() {
		if bytes.Contains(m.Octets, []byte("zoe@example.org")) {
			t.Error("whom the owner wants on the list leaves in clear")
		}
	}
	// A signed post that its author addressed to the list, under protection, is no command to its other addresses.
	post := alice.Sign(smimetest.Entity("From: " + alice.Address + "\r\nTo: " + secretList + "\r\nContent-Type: text/plain; hp=\"clear\"\r\n\r\nx\r\n"))
	const leave = "secret-unsubscribe@lists.example.org"
	got = w.say(alice.Address, leave, mail(alice.Address, secretList, post))
	if !w.isMember(alice.Address, secretList) {
		t.Errorf("a captured post took her off the list: %s", got)
	}
	meant := alice.Sign(smimetest.Entity("From: " + alice.Address + "\r\nTo: " + leave + "\r\nContent-Type: text/plain; hp=\"clear\"\r\n\r\nx\r\n"))
	w.say(alice.Address, leave, mail(alice.Address, leave, meant))
	if w.isMember(alice.Address, secretList) {
		t.Error("she meant it")
	}
}

// TestInvitationsAreCapped: a forged member invites few strangers.
func TestInvitationsAreCapped(t *testing.T) {
	w := newWorld(t)
	w.set(wallList, "visibility", "noconceal")
	w.start()
	for i := range 3 {
		var b strings.Builder
		for j := range 45 {
			fmt.Fprintf(&b, "quiet invite wall u%d.%d@elsewhere.example\n", i, j)
		}
		w.say("alice@example.org", robot, command("alice@example.org", robot, b.String(), nil))
	}
	n := 0
	for _, m := range w.sink.Mails() {
		if strings.HasSuffix(m.ForwardPaths[0], "@elsewhere.example") {
			n++
		}
	}
	if n > 30 {
		t.Errorf("%d invitations", n)
	}
}

// TestFurtherAddress: a member gets his posts at another address, too, once both have confirmed; the older ones are told,
// and it goes when he goes.
func TestFurtherAddress(t *testing.T) {
	w := newWorld(t)
	w.set(wallList, "visibility", "noconceal")
	w.start()
	const from, home = "alice@example.org", "alice@home.example"
	got := w.say(from, robot, command(from, robot, "address wall "+home+"\n", nil))
	has(t, "the member is asked", got, "to "+from, "goes to alice@example.org on the list wall@lists.example.org to alice@home.example, too", "AUTH ")
	got = w.say(from, robot, command(from, robot, "auth "+keyIn.FindString(strings.Join(got, "\n"))+"\n", nil))
	if w.isMember(home, wallList) {
		t.Fatal("the new address was not asked")
	}
	has(t, "then the new address", got, "to "+home, "AUTH ")
	var key string
	for _, m := range got {
		if strings.HasPrefix(m, "to "+home) {
			key = keyIn.FindString(m)
		}
	}
	got = w.say(home, robot, command(home, robot, "auth "+key+"\n", nil))
	has(t, "the older one is told", got, "to "+from, "One more address", home)
	if !w.isMember(home, wallList) {
		t.Fatal("it is not on the list")
	}
	w.settled(w.send("bob@example.org", wallList, mail("bob@example.org", wallList, smimetest.Text("x\r\n"))))
	n := 0
	for _, m := range w.sink.To(home) {
		if m.ReversePath != "" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d posts at the new address", n)
	}
	// Somebody else's word is worth nothing.
	got = w.say("mallory@example.org", robot, command("mallory@example.org", robot, "address wall mallory@home.example\n", w.people["mallory"]))
	has(t, "an outsider", got, "is not on wall@lists.example.org")
	got = w.say(from, robot, command(from, robot, "signoff wall\n", w.people["alice"]))
	has(t, "she leaves", got, "no longer on")
	if w.isMember(home, wallList) {
		t.Error("her other address stays")
	}
}

// TestApprovalIsOfOneContent: an approval of other content than the post has now is none; and who must authenticate and be
// moderated does both.
func TestApprovalIsOfOneContent(t *testing.T) {
	w := newWorld(t)
	w.rules(openList, "true() smtp,smime -> editorkey\n")
	w.rules(wallList, "is_subscriber([listname],[sender]) smtp -> request_auth\ntrue() md5 -> editorkey\n")
	for _, l := range []string{openList, wallList} {
		w.role("bob", l, list.RoleEditor)
	}
	w.start()
	alice := w.people["alice"]
	held := w.expect("held", alice.Address, openList, mail(alice.Address, openList, smimetest.Encrypt(alice.Sign(text), w.keys[openList])), store.ItemHeld, "editorkey", 0)
	w.must(w.sealist.Store.Resume(t.Context(), held.ID, list.Address{}, list.MustParseAddress("bob@example.org"), "of something else"))
	w.until("it is held anew", func() bool {
		item, err := w.sealist.Store.Item(t.Context(), held.ID)
		w.must(err)
		return item.State == store.ItemHeld && item.Updated.After(held.Updated)
	})
	if len(w.copies("carol")) != 0 {
		t.Error("it was distributed")
	}

	got := w.say(alice.Address, wallList, mail(alice.Address, wallList, smimetest.Text("x\r\n")))
	w.say(alice.Address, robot, command(alice.Address, robot, "confirm "+keyIn.FindString(strings.Join(got, "\n"))+"\n", nil))
	w.until("bob is asked", func() bool { return strings.Contains(w.lastTo("bob@example.org"), "DISTRIBUTE") })
	key := keyIn.FindString(w.lastTo("bob@example.org"))
	w.say("bob@example.org", robot, command("bob@example.org", robot, "distribute wall "+key+"\n", nil))
	w.until("it is distributed", func() bool { return len(w.copies("carol")) == 1 })
}

// lastTo is the last mail to somebody, as he reads it.
func (w *world) lastTo(address string) string {
	mails := w.sink.To(address)
	if len(mails) == 0 {
		return ""
	}
	return w.read(mails[len(mails)-1])
}

// TestNobodySpeaksThroughTheServer is invariant 13: whoever forges somebody's address has no words of his own sent to him.
func TestNobodySpeaksThroughTheServer(t *testing.T) {
	w := newWorld(t)
	w.set(wallList, "visibility", "noconceal")
	w.start()
	const victim, words = "alice@example.org", "call-900-now"
	for _, text := range []string{
		words + "\n", "help\n" + words + "\n", "subscribe wall " + words + "\n", "subscribe " + words + "\n", "info " + words + "\n", "set " + words + " mail\n", "set wall " + words + "\n",
		"get wall " + words + "\n", "auth " + words + "\n", "reject wall " + words + " " + words + "\n", "review wall " + words + "\n", "invite wall x@example.net " + words + "\n",
	} {
		octets := append([]byte("Message-ID: <"+words+" \"x\"@y>\r\n"), command(victim, robot, text, nil)...)
		for _, m := range w.say(victim, robot, octets) {
			if strings.Contains(m, words) {
				t.Errorf("%q:\n%s", text, m)
			}
		}
	}
	for _, m := range w.sink.Mails() {
		if bytes.Contains(m.Octets, []byte(words)) {
			t.Errorf("%s", m.Octets)
		}
	}
}

// A key to more than pausing leaves only sealed where the list demands encryption:
// who reads somebody's mail on its way could change how he is seen (invariant 12).
func TestAKeyToSettingsIsSealed(t *testing.T) {
	w := newWorld(t)
	w.set(secretList, "visibility", "noconceal", "encryption", "required")
	w.start()
	const bob = "bob@example.org"
	if !w.isMember(bob, secretList) {
		t.Fatal("the world is another")
	}
	for mode, inClear := range map[string]bool{"conceal": false, "digest": false, "nomail": true} {
		got := strings.Join(w.say(bob, robot, command(bob, robot, "set secret "+mode+"\n", nil)), "\n")
		if clear := !strings.Contains(got, "sealed to "+bob); clear != inClear || !strings.Contains(got, "to set "+mode) {
			t.Errorf("%s: in clear %v\n%s", mode, clear, got)
		}
	}
}
