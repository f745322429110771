package listd_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
)

// rules gives a list a scenario of its own in the place of send.public.
func (w *world) rules(address, text string) {
	w.t.Helper()
	a := list.MustParseAddress(address)
	w.file(filepath.Join("data", a.Domain(), a.Local(), "scenari", "send.public"), []byte(text))
}

// TestScenarioSeesThePost posts what scenarios tell apart.
func TestScenarioSeesThePost(t *testing.T) {
	w := newWorld(t)
	w.file(filepath.Join("data", "search_filters", "friends.txt"), []byte("mall*@example.org\n"))
	w.start()
	alice, mallory, key := w.people["alice"], w.people["mallory"], w.keys[openList]
	subject := func(e *entity.Entity, subject string) []byte {
		return smimetest.Mail(alice.Address, openList, subject, e)
	}
	signed := func() *entity.Entity { return alice.Sign(text) }
	protected := func() *entity.Entity {
		return alice.Sign(smimetest.Entity("From: " + alice.Address + "\r\nSubject: within\r\nContent-Type: text/plain; hp=\"clear\"\r\n\r\nx\r\n"))
	}
	mixed := smimetest.Multipart("mixed", smimetest.Text("one\r\n"), smimetest.HTML("<p>two</p>\r\n"))

	for _, c := range []struct {
		name, rule string
		octets     []byte
		state      store.ItemState
		reason     string
		told       bool
	}{
		{"the outer Subject", "equal([msg_header->Subject],'a subject') smtp -> do_it", subject(text, "a subject"), store.ItemDone, "", false},
		{"the Subject of a signed post", "equal([msg_header->Subject],'a subject') smime -> do_it", subject(signed(), "a subject"), store.ItemDone, "", false},
		{"the Subject that is signed", "equal([msg_header->Subject],'within') smime -> do_it", subject(protected(), "a subject"), store.ItemDone, "", false},
		{"one that stands outside of it", "equal([msg_header->Subject],'a subject') smime -> do_it", subject(protected(), "a subject"), store.ItemRejected, "scenario_no_rule", true},
		{"a broken signature protects nothing", "equal([msg_header->Subject],'within') smtp -> do_it",
			subject(smimetest.Entity(strings.Replace(string(protected().Octets()), "x\r\n", "y\r\n", 1)), "a subject"), store.ItemRejected, "scenario_no_rule", true},
		{"text", "match([msg_body],/" + marker + "/) smime -> do_it", subject(signed(), "x"), store.ItemDone, "", false},
		{"text within an encryption", "match([msg_body],/" + marker + "/) smime -> do_it", subject(smimetest.Encrypt(signed(), key), "x"), store.ItemDone, "", false},
		{"text within an opaque signature", "match([msg_body],/" + marker + "/) smime -> do_it", subject(alice.Sign(text, smimetest.OpaqueForm), "x"), store.ItemDone, "", false},
		{"parts", "equal([msg_part->type],'text/html') smtp -> do_it", subject(mixed, "x"), store.ItemDone, "", false},
		{"parts within a signature", "match([msg_part->body],/two/) smime -> do_it", subject(alice.Sign(mixed), "x"), store.ItemDone, "", false},
		{"the type of the whole", "match([msg_header->Content-Type][0],/^multipart.signed/) smime -> do_it", subject(smimetest.Encrypt(alice.Sign(mixed), key), "x"), store.ItemDone, "", false},
		{"the type within the signature", "match([msg_header->Content-Type],/^multipart.mixed/) smime -> do_it", subject(smimetest.Encrypt(alice.Sign(mixed), key), "x"), store.ItemDone, "", false},
		{"encrypted", "equal([msg_encrypted],'smime') smime -> do_it", subject(smimetest.Encrypt(signed(), key), "x"), store.ItemDone, "", false},
		{"not encrypted", "equal([msg_encrypted],'smime') smime -> do_it", subject(signed(), "x"), store.ItemRejected, "scenario_no_rule", true},
		{"its size", "less_than([msg->size],100) smtp -> do_it", subject(text, "x"), store.ItemRejected, "scenario_no_rule", true},
		{"no netmask of mail", "verify_netmask('127.0.0.0/8') smtp -> do_it", subject(text, "x"), store.ItemRejected, "scenario_no_rule", true},
		{"the client's address", "match([remote_host],/127.0.0.1/) smtp -> do_it", subject(text, "x"), store.ItemDone, "", false},

		{"a reason", "true() smtp -> reject(reason='because')", subject(text, "x"), store.ItemRejected, "scenario_because", true},
		{"in silence", "true() smtp -> reject(reason='because'),quiet", subject(text, "x"), store.ItemRejected, "scenario_because", false},
		{"an editor's key", "true() smtp -> editorkey", subject(text, "x"), store.ItemHeld, "editorkey", false},
		{"a challenge", "true() smtp -> request_auth", subject(text, "x"), store.ItemHeld, "request_auth", true},
		{"an owner", "true() smime -> owner", subject(smimetest.Encrypt(signed(), key), "x"), store.ItemHeld, "owner", false},
		// Invariant 11: whatever the scenario says.
		{"encrypted and unsigned", "true() smtp -> editorkey", subject(smimetest.Encrypt(text, key), "x"), store.ItemHeld, "unsigned_encrypted", true},
		{"encrypted, unsigned, in silence", "true() smtp -> reject,quiet", subject(smimetest.Encrypt(text, key), "x"), store.ItemRejected, "unsigned", true},

		{"a member of another list", "is_subscriber(wall,[sender]) smtp -> do_it", subject(text, "x"), store.ItemDone, "", false},
		{"a list there is not", "!is_subscriber(nolist,[sender]) smtp -> do_it", subject(text, "x"), store.ItemRejected, "scenario_error", true},
		{"a search", "search(friends.txt) smime -> do_it", smimetest.Mail(mallory.Address, openList, "x", mallory.Sign(text)), store.ItemDone, "", false},
		{"a search that finds nobody", "search(friends.txt) smime -> do_it", subject(signed(), "x"), store.ItemRejected, "scenario_no_rule", true},
		{"a search file there is not", "!search(foes.txt) smime -> do_it", subject(signed(), "x"), store.ItemRejected, "scenario_error", true},
		{"an error in the file", "true() smtp -> do_it\noops", subject(text, "x"), store.ItemDone, "", false}, // one word
		{"another", "true() smtp -> do_it\noops oops", subject(text, "x"), store.ItemRejected, "scenario_broken", true},
	} {
		w.rules(openList, c.rule+"\n") // a running server has it with the next post
		item, deliveries := w.settled(w.send(alice.Address, openList, c.octets))
		if item.State != c.state || item.Reason != c.reason {
			t.Errorf("%s: %s (%s; %s), want %s (%s)", c.name, item.State, item.Reason, item.Detail, c.state, c.reason)
		}
		told := false
		for _, d := range deliveries {
			told = told || d.Kind == store.KindNotice && d.Notice.Template != "certificate_added"
		}
		if told && !c.told { // others are told once a day
			t.Errorf("%s: somebody was told", c.name)
		}
		if want := "lists.example.org/open/scenari/send.public:"; c.reason != "scenario_no_rule" && !strings.Contains(item.Detail, want) {
			t.Errorf("%s: recorded %q, want the rule %s…", c.name, item.Detail, want)
		}
		for _, secret := range []string{marker, "within", "two"} {
			if strings.Contains(item.Detail, secret) {
				t.Errorf("%s: recorded %q", c.name, item.Detail)
			}
		}
	}
}

// TestBlocklistIsSilent rejects whom the blocklist has before the scenario is
// asked.
func TestBlocklistIsSilent(t *testing.T) {
	w := newWorld(t)
	w.file(filepath.Join("data", "lists.example.org", "search_filters", "blocklist.txt"), []byte("alice@*\n"))
	w.start()
	item, deliveries := w.settled(w.send("alice@example.org", wallList, mail("alice@example.org", wallList, text)))
	if item.State != store.ItemRejected || item.Reason != "scenario_blocklisted" || len(deliveries) != 0 {
		t.Errorf("%s (%s), %d deliveries", item.State, item.Reason, len(deliveries))
	}
	if item, _ = w.settled(w.send("bob@example.org", wallList, mail("bob@example.org", wallList, text))); item.State != store.ItemDone {
		t.Errorf("%s (%s)", item.State, item.Reason)
	}
}

// TestFactsOfADatabaseThatIsGone: that is an outage, and no answer.
func TestFactsOfADatabaseThatIsGone(t *testing.T) {
	w := newWorld(t)
	alice, wall := list.MustParseAddress("alice@example.org"), list.MustParseAddress(wallList)
	f := w.sealist.Facts()
	if ok, err := f.HasRole(t.Context(), wall, alice, list.RoleMember); !ok || err != nil {
		t.Errorf("a member: %v, %v", ok, err)
	}
	if n, err := f.Count(t.Context(), wall, list.RoleMember); n != 3 || err != nil {
		t.Errorf("%d members, %v", n, err)
	}
	if _, err := f.HasRole(t.Context(), alice, alice, list.RoleMember); !errors.Is(err, scenario.ErrPermanent) {
		t.Errorf("a list there is not: %v", err)
	}
	w.must(w.sealist.Store.Close())
	if _, err := f.HasRole(t.Context(), wall, alice, list.RoleMember); err == nil || errors.Is(err, scenario.ErrPermanent) {
		t.Errorf("a database that is gone: %v", err)
	}
}

// TestUnreadableScenarioWaits: a post waits while its scenario's file cannot be
// read, and goes out when it can.
func TestUnreadableScenarioWaits(t *testing.T) {
	w := newWorld(t)
	w.must(os.WriteFile(filepath.Join(w.dir, "data", "lists.example.org"), []byte("in the folder's place"), 0o600))
	w.start()
	item := w.send("alice@example.org", wallList, mail("alice@example.org", wallList, text))
	w.until("it was postponed", func() bool {
		var err error
		item, err = w.sealist.Store.Item(t.Context(), item.ID)
		w.must(err)
		return item.Attempts > 0
	})
	if item.State != store.ItemAccepted || !strings.Contains(item.Reason, "reading the scenario") {
		t.Errorf("%s (%s)", item.State, item.Reason)
	}
}

func TestListmastersHearOfBrokenScenarios(t *testing.T) {
	w := newWorld(t)
	w.config.Listmasters = []string{"carol@example.org"}
	w.rules(wallList, "oops oops\n")
	w.rules(openList, "search(nowhere.txt) smtp -> do_it\n")
	w.start()
	w.settled(w.send("alice@example.org", openList, mail("alice@example.org", openList, text)))
	s := w.sealist.Tasks("test")
	if _, err := s.Now(t.Context(), "listmaster_report"); err != nil {
		t.Fatal(err)
	}
	w.until("the report came", func() bool { return len(w.sink.To("carol@example.org")) > 0 })
	got := strings.Join(strings.Fields(strings.ReplaceAll(string(w.sink.To("carol@example.org")[0].Octets), "=\r\n", "")), " ")
	for _, want := range []string{"wall@lists.example.org", "scenari/send.public:1", "listmaster scenario check", "on open@lists.example.org: 1, the last one", "no search file nowhere.txt"} {
		if !strings.Contains(got, want) {
			t.Errorf("the report lacks %q:\n%s", want, got)
		}
	}
}

// TestDefectInnerFieldsReplaceOuterOnes: Sympa authorizes by the outer From and
// distributes the inner one. Here the scenario and the copy have the same, and
// an inner field that no header protection covers is none.
func TestDefectInnerFieldsReplaceOuterOnes(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice := w.people["alice"]
	inner := alice.Sign(smimetest.Entity("From: carol@example.org\r\nSubject: " + marker + "\r\nContent-Type: text/plain\r\n\r\nx\r\n"))
	w.rules(openList, "equal([msg_header->From],'alice@example.org') smime -> editorkey\nmatch([msg_header->Subject],/"+marker+"/) smime -> owner\n")
	item, _ := w.settled(w.send(alice.Address, openList, smimetest.Mail(alice.Address, openList, "outer", smimetest.Encrypt(inner, w.keys[openList]))))
	if item.State != store.ItemHeld || item.Reason != "editorkey" || item.Author.String() != alice.Address {
		t.Errorf("%s (%s) by %s; %s", item.State, item.Reason, item.Author, item.Detail)
	}
	w.rules(openList, "is_subscriber([listname],[sender]) smime -> do_it\n")
	w.settled(w.send(alice.Address, openList, smimetest.Mail(alice.Address, openList, "outer", smimetest.Encrypt(inner, w.keys[openList]))))
	for _, m := range w.copies("bob") {
		if h := parse(t, m.Octets).Header(); h.Get("From") != alice.Address || h.Get("Subject") != "outer" {
			t.Errorf("From %q, Subject %q", h.Get("From"), h.Get("Subject"))
		}
	}
}

// TestDefectSubjectHasTheAuthorityOfTheSignature: a captured signed mail with
// another Subject is still signed, and its Subject is nobody's word. A rule that
// gives a right by it is found by the check, and one that wants a protected
// Subject has it from header protection alone.
func TestDefectSubjectHasTheAuthorityOfTheSignature(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice := w.people["alice"]
	protected := alice.Sign(smimetest.Entity("From: " + alice.Address + "\r\nSubject: hello\r\nContent-Type: text/plain; hp=\"clear\"\r\n\r\nx\r\n"))
	const rule = "equal([msg_header->Subject],'urgent') smime -> do_it\ntrue() smtp,md5,smime -> reject\n"
	w.rules(openList, rule)
	item, _ := w.settled(w.send(alice.Address, openList, smimetest.Mail(alice.Address, openList, "urgent", protected)))
	if item.State != store.ItemRejected {
		t.Errorf("a protected Subject was replaced from outside: %s", item.State)
	}
	s, err := w.sealist.Scenarios.Load(scenario.Send, "public", list.MustParseAddress(openList))
	if problems := s.Check(); err != nil || len(problems) != 1 || !strings.Contains(problems[0].Text, "anybody can write it") {
		t.Errorf("%v, %v", problems, err)
	}
}
