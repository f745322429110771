package listd_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/smtp"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/bounce"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
)

// aDay moves the server's clock on.
func (w *world) aDay() { w.ahead.Add(int64(24 * time.Hour)) }

// posts sends a post in clear to the wall, and returns the reverse-path of each member's copy.
func (w *world) posts() map[string]string {
	w.t.Helper()
	before := len(w.sink.Mails())
	w.settled(w.send("mallory@example.org", wallList, mail("mallory@example.org", wallList, smimetest.Text("a post\r\n"))))
	paths := map[string]string{}
	for _, m := range w.sink.Mails()[before:] {
		paths[m.ForwardPaths[0]] = m.ReversePath
	}
	return paths
}

// dsn is what a mail server sends back.
func dsn(to, of, action, status string) []byte {
	return fmt.Appendf(nil, strings.ReplaceAll(`From: MAILER-DAEMON@mx.example.org
To: %s
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b

These are an attacker's words.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; %s
Action: %s
Status: %s
Diagnostic-Code: smtp; 550 %s the attacker was here

--b
Content-Type: message/rfc822

Subject: the post that is returned

its content
--b--
`, "\n", "\r\n"), to, of, action, status, status)
}

// arf is a complaint.
func arf(to string) []byte {
	return fmt.Appendf(nil, strings.ReplaceAll(`From: fbl@example.net
To: %s
Subject: FW: a post
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: the attacker was here
Version: 1

--b
Content-Type: message/rfc822

Subject: a post

its content
--b--
`, "\n", "\r\n"), to)
}

// bounces sends what came to a return address, and says what became of it.
func (w *world) bounces(path string, octets []byte) store.Item {
	w.t.Helper()
	item, deliveries := w.settled(w.send("", path, octets))
	if item.State != store.ItemDone || item.Blob != 0 || item.MessageID != "" || len(deliveries) != 0 {
		w.t.Errorf("it is %s with blob %d, Message-ID %q and %d deliveries", item.State, item.Blob, item.MessageID, len(deliveries))
	}
	if _, err := w.sealist.Store.Octets(w.t.Context(), item); !errors.Is(err, store.ErrNotFound) {
		w.t.Errorf("its octets: %v", err)
	}
	return item
}

// of returns what came back from a member of the wall.
func (w *world) of(name string) store.Bounces {
	w.t.Helper()
	l, err := w.sealist.Store.List(w.t.Context(), list.MustParseAddress(wallList))
	w.must(err)
	b, err := w.sealist.Store.MemberBounces(w.t.Context(), l.ID, list.MustParseAddress(name+"@example.org"))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		w.t.Fatal(err)
	}
	return b
}

// quiet waits until all mail is out, and returns what people got since the first n mails.
func (w *world) quiet(n int) (out []string) {
	w.t.Helper()
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
	for _, m := range w.sink.Mails()[n:] {
		out = append(out, w.read(m))
	}
	return out
}

var returnPathForm = regexp.MustCompile(`^bounce\+[a-z2-7]{40}@lists\.example\.org$`)

// TestBouncesCountSuspendAndRemove is an address that is gone: from its first copy, over the owners' mails and the
// suspension, to its removal.
func TestBouncesCountSuspendAndRemove(t *testing.T) {
	w := newWorld(t).byHand()
	w.role("carol", wallList, list.RoleOwner)
	w.start()

	paths := w.posts()
	for _, name := range []string{"alice", "bob", "carol"} {
		if path := paths[name+"@example.org"]; !returnPathForm.MatchString(path) || strings.Contains(path, name) {
			t.Errorf("%s's copy comes from %s", name, path)
		}
	}
	bob := paths["bob@example.org"]
	if bob == paths["alice@example.org"] {
		t.Error("two members share a return address")
	}
	w.aDay()
	if again := w.posts()["bob@example.org"]; again != bob {
		t.Errorf("the next post comes from %s", again)
	}

	// One a day, however many come; the heaviest.
	w.bounces(bob, dsn(bob, "bob@example.org", "failed", "4.4.7"))
	if b := w.of("bob"); b.Score != bounce.Point/5 {
		t.Errorf("a temporary failure counts %d", b.Score)
	}
	for range 3 {
		if item := w.bounces(bob, dsn(bob, "bob@example.org", "failed", "5.1.1")); item.Reason != "bounce" {
			t.Errorf("it is %s", item.Reason)
		}
	}
	b := w.of("bob")
	if b.Score != bounce.Point || b.Status != "5.1.1" || b.Kind != "dsn" || b.Text != "550 5.1.1 the attacker was here" {
		t.Errorf("%+v", b)
	}
	if w.run("process_bouncers") != "" {
		t.Error("a point is enough to do something")
	}

	// The score rises over days; owners are told, then he is suspended and told himself.
	w.aDay()
	w.bounces(bob, dsn(bob, "bob@example.org", "failed", "5.1.1"))
	if b := w.of("bob"); b.Score <= 1900 || b.Score >= 2000 {
		t.Errorf("two days count %d", b.Score)
	}
	w.aDay()
	w.bounces(bob, dsn(bob, "bob@example.org", "failed", "5.1.1"))
	n := len(w.sink.Mails())
	if got := w.run("process_bouncers"); got != "told owners of 1 members, suspended 0, removed 0" {
		t.Error(got)
	}
	told := w.quiet(n)
	if has(t, "owners", told, "to carol@example.org", "bob@example.org mail to it comes back; nothing was done yet", "5.1.1"); len(told) != 1 {
		t.Errorf("%d mails", len(told))
	}
	for range 3 {
		w.aDay()
		w.bounces(bob, dsn(bob, "bob@example.org", "failed", "5.1.1"))
	}
	n = len(w.sink.Mails())
	if got := w.run("process_bouncers"); got != "told owners of 0 members, suspended 1, removed 0" {
		t.Errorf("%s: %d", got, w.of("bob").Score)
	}
	told = w.quiet(n)
	has(t, "suspended", told, "to carol@example.org", "bob@example.org was suspended", "to bob@example.org", "SET wall@lists.example.org MAIL", "wall-request@lists.example.org")
	for _, m := range told {
		if strings.Contains(m, "attacker") {
			t.Errorf("a stranger's words are sent on:\n%s", m)
		}
	}
	for _, m := range w.sink.Mails()[n:] {
		if want := map[string]string{"bob@example.org": bob}[m.ForwardPaths[0]]; m.ReversePath != want {
			t.Errorf("the mail to %s comes from %q", m.ForwardPaths[0], m.ReversePath)
		}
	}
	if m := w.member("bob@example.org", wallList); !m.Suspended {
		t.Error("he is not suspended")
	}
	if _, ok := w.posts()["bob@example.org"]; ok {
		t.Error("he gets a post")
	}

	// A mail a week asks whether his address works again; each that comes back counts. Late bounces of copies do not remove him.
	week := func() []string {
		w.ahead.Add(int64(bounce.ProbeEvery))
		n := len(w.sink.Mails())
		w.run("process_bouncers")
		w.run("process_bouncers")
		return w.quiet(n)
	}
	weeks := 0
	for ; w.isMember("bob@example.org", wallList) && weeks < 12; weeks++ {
		told = week()
		if !w.isMember("bob@example.org", wallList) {
			break
		}
		if has(t, "a week later", told, "to bob@example.org"); len(told) != 1 {
			t.Errorf("week %d: %d mails", weeks, len(told))
		}
		w.bounces(bob, dsn(bob, "bob@example.org", "failed", "5.1.1"))
	}
	if weeks < 5 || weeks > 7 {
		t.Errorf("removed in week %d", weeks)
	}
	if has(t, "removed", told, "to carol@example.org", "bob@example.org was removed from the list"); len(told) != 1 {
		t.Errorf("%d mails", len(told))
	}
	audit, err := w.sealist.Store.AuditEntries(t.Context(), store.AuditFilter{Action: "member"})
	w.must(err)
	audit = slices.DeleteFunc(audit, func(e store.AuditEntry) bool { return e.Action == "decide" })
	if len(audit) != 2 || audit[0].Action != "member suspended" || audit[1].Action != "member removed" || audit[1].Actor != "bounces" {
		t.Errorf("%+v", audit)
	}
	if item := w.bounces(bob, dsn(bob, "bob@example.org", "failed", "5.1.1")); item.Reason != "no_member" {
		t.Errorf("a bounce after that is %s", item.Reason)
	}
}

// TestWhatCountsNothing: reports of delays and successes, vacation notices, and what nobody knows.
func TestWhatCountsNothing(t *testing.T) {
	w := newWorld(t).byHand()
	w.start()
	bob := w.posts()["bob@example.org"]
	vacation := []byte("From: bob@example.org\r\nSubject: Out of office\r\nAuto-Submitted: auto-replied\r\n\r\nI am away.\r\n")
	for name, c := range map[string]struct {
		octets []byte
		reason string
	}{
		"delayed":       {dsn(bob, "bob@example.org", "delayed", "4.4.1"), "no_failure"},
		"delivered":     {dsn(bob, "bob@example.org", "delivered", "2.1.5"), "no_failure"},
		"relayed":       {dsn(bob, "bob@example.org", "relayed", "2.0.0"), "no_failure"},
		"vacation":      {vacation, "no_failure"},
		"anything":      {[]byte("From: mallory@example.net\r\nSubject: buy\r\n\r\nwords\r\n"), "unrecognised_bounce"},
		"no header":     {[]byte(strings.Repeat("x", 200) + "\r\n"), "unrecognised_bounce"},
		"a huge header": {append(bytes.Repeat([]byte("X: "+strings.Repeat("x", 900)+"\r\n"), 200), "\r\nx\r\n"...), "unrecognised_bounce"},
	} {
		if item := w.bounces(bob, c.octets); item.Reason != c.reason {
			t.Errorf("%s: %s", name, item.Reason)
		}
	}
	if b := w.of("bob"); b.Number != 0 {
		t.Errorf("%+v", b)
	}
}

// TestForgedReturnAddresses: without the token nothing is taken, whatever stands in the address.
func TestForgedReturnAddresses(t *testing.T) {
	w := newWorld(t)
	w.start()
	bob := w.posts()["bob@example.org"]
	other := byte('a')
	if bob[20] == other {
		other = 'b'
	}
	before := len(w.items())
	for _, path := range []string{bob[:20] + string(other) + bob[21:], "bounce+@lists.example.org", "bounce+bob@lists.example.org", "bounce+" + strings.Repeat("a", 40) + "@lists.example.org"} {
		err := smtp.SendMail(w.addr, nil, "", []string{path}, dsn(path, "bob@example.org", "failed", "5.1.1"))
		var refused *textproto.Error
		if !errors.As(err, &refused) || refused.Code != 550 {
			t.Errorf("%s: %v", path, err)
		}
	}
	if len(w.items()) != before {
		t.Error("something was taken")
	}
	// Letter case is a mail system's own business.
	local, domain, _ := strings.Cut(bob, "@")
	w.bounces(strings.ToUpper(local)+"@"+domain, dsn(bob, "bob@example.org", "failed", "5.1.1"))
	if b := w.of("bob"); b.Score != bounce.Point {
		t.Errorf("%+v", b)
	}
}

// TestTwoReturnAddresses: one transaction may be about several members of a list.
func TestTwoReturnAddresses(t *testing.T) {
	w := newWorld(t)
	w.start()
	paths := w.posts()
	before := len(w.items())
	w.must(smtp.SendMail(w.addr, nil, "", []string{paths["bob@example.org"], paths["carol@example.org"]}, dsn("x@example.org", "x@example.org", "failed", "5.1.1")))
	items := w.items()[before:]
	if len(items) != 2 {
		t.Fatalf("%d items", len(items))
	}
	for _, item := range items {
		item, _ = w.settled(item)
		if _, err := w.sealist.Store.Octets(t.Context(), item); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("octets: %v", err)
		}
	}
	if w.of("bob").Score != bounce.Point || w.of("carol").Score != bounce.Point || w.of("alice").Score != 0 {
		t.Error("they do not count one each")
	}
}

// TestComplaintsSuspend: a complaint suspends, is told, and never removes.
func TestComplaintsSuspend(t *testing.T) {
	w := newWorld(t).byHand()
	w.role("carol", wallList, list.RoleOwner)
	w.start()
	bob := w.posts()["bob@example.org"]
	if item := w.bounces(bob, arf(bob)); item.Reason != "complaint" {
		t.Errorf("it is %s", item.Reason)
	}
	n := len(w.sink.Mails())
	w.run("process_bouncers")
	has(t, "told", w.quiet(n), "to carol@example.org", "bob@example.org was suspended: a post was marked as unwanted", "to bob@example.org", "marked a message of the list")
	for range 20 {
		w.ahead.Add(int64(bounce.ProbeEvery))
		w.bounces(bob, arf(bob))
		w.bounces(bob, dsn(bob, "bob@example.org", "failed", "5.1.1"))
		w.run("process_bouncers")
	}
	if m := w.member("bob@example.org", wallList); !m.Suspended {
		t.Errorf("%+v", m)
	}
}

// TestComingBack: SET LIST MAIL, shown to be his, resumes who was suspended for bounces and forgets them; so does the
// listmaster. Whom people suspended the command does not resume.
func TestComingBack(t *testing.T) {
	w := newWorld(t).byHand()
	w.set(wallList, "bounce_suspend", "1", "visibility", "noconceal")
	w.start()
	suspend := func() {
		t.Helper()
		bob := w.posts()["bob@example.org"]
		w.bounces(bob, dsn(bob, "bob@example.org", "failed", "5.1.1"))
		w.run("process_bouncers")
		w.quiet(0)
		if !w.member("bob@example.org", wallList).Suspended {
			t.Fatal("he is not suspended")
		}
	}
	suspend()
	const request = "wall-request@lists.example.org"
	bob := w.people["bob"]
	w.say(bob.Address, request, command(bob.Address, request, "SET "+wallList+" MAIL\n", bob))
	if m := w.member("bob@example.org", wallList); m.Suspended || w.of("bob").Number != 0 {
		t.Errorf("signed: %+v", m)
	}
	w.aDay()
	suspend()
	got := w.say(bob.Address, request, command(bob.Address, request, "SET "+wallList+" MAIL\n", nil))
	if !w.member("bob@example.org", wallList).Suspended {
		t.Error("anybody can resume him")
	}
	w.say(bob.Address, robot, command(bob.Address, robot, "auth "+keyIn.FindString(strings.Join(got, "\n"))+"\n", nil))
	if w.member("bob@example.org", wallList).Suspended {
		t.Error("he is still suspended")
	}
	w.aDay()
	suspend()
	yes, no := true, false
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(wallList))
	w.must(err)
	change := func(to *bool) {
		_, err = w.sealist.Store.ChangeMembers(t.Context(), l.ID, list.RoleMember, []list.Address{list.MustParseAddress("bob@example.org")}, store.MemberChange{Suspended: to})
		w.must(err)
	}
	change(&no)
	if w.member("bob@example.org", wallList).Suspended || w.of("bob").Number != 0 {
		t.Error("the listmaster cannot resume him")
	}
	change(&yes)
	w.say(bob.Address, request, command(bob.Address, request, "SET "+wallList+" MAIL\n", bob))
	if !w.member("bob@example.org", wallList).Suspended {
		t.Error("the command resumes whom people suspended")
	}
}

// TestRefusalsCount: what the next hop refuses, or does not take in all the time it is given, is the member's bounce. What it
// says of itself, or of the sender, is not.
func TestRefusalsCount(t *testing.T) {
	w := newWorld(t)
	w.config.Queue.Lifetime = config.Duration(48 * time.Hour)
	w.start()
	w.sink.Behave(func(s peer.Step) peer.Act {
		switch {
		case s.Verb == "RCPT" && s.ForwardPath == "bob@example.org":
			return peer.Act{Reply: "550 5.1.1 no such user"}
		case s.Verb == "RCPT" && s.ForwardPath == "carol@example.org":
			return peer.Act{Reply: "452 4.2.2 mailbox full"}
		}
		return peer.Act{}
	})
	w.send("mallory@example.org", wallList, mail("mallory@example.org", wallList, smimetest.Text("a post\r\n")))
	w.until("bob's refusal counts", func() bool { return w.of("bob").Score == bounce.Point })
	if b := w.of("bob"); b.Kind != store.FailureSMTP || b.Status != "5.1.1" || !strings.Contains(b.Text, "no such user") {
		t.Errorf("%+v", b)
	}
	if b := w.of("carol"); b.Number != 0 {
		t.Errorf("a copy that is still tried counts: %+v", b)
	}
	w.aDay()
	w.aDay()
	w.aDay()
	w.until("carol's copy is given up", func() bool { return w.of("carol").Score == bounce.Point/5 })
	if b := w.of("carol"); b.Status != "4.2.2" {
		t.Errorf("%+v", b)
	}
	w.sink.Behave(func(s peer.Step) peer.Act {
		if s.Verb == "MAIL" {
			return peer.Act{Reply: "550 5.7.1 not from you"}
		}
		return peer.Act{}
	})
	w.settled(w.send("mallory@example.org", wallList, mail("mallory@example.org", wallList, smimetest.Text("another\r\n"))))
	if b := w.of("alice"); b.Number != 0 {
		t.Errorf("a refusal of the sender counts: %+v", b)
	}
}

// TestDigestsLeaveFromReturnAddresses: as copies do, encrypted ones, too; and a locked keyring keeps no bounce out.
func TestDigestsLeaveFromReturnAddresses(t *testing.T) {
	w := newWorld(t).byHand()
	w.receives("bob", secretList, list.ReceiveDigest)
	w.receives("carol", secretList, list.ReceiveNotice)
	w.start()
	w.writes(secretList, "a post")
	w.ahead.Add(int64(25 * time.Hour))
	w.run("digest")
	w.until("bob has his digest", func() bool { return len(w.copies("bob")) == 1 })
	for _, name := range []string{"alice", "bob", "carol"} {
		if m := w.copies(name); len(m) != 1 || !returnPathForm.MatchString(m[0].ReversePath) {
			t.Errorf("%s: %d copies", name, len(m))
		}
	}
	path := w.copies("alice")[0].ReversePath
	w.stop()
	w.config.KeyPasswordFile = w.file("other_password", []byte("another password\n"))
	w.open()
	w.start()
	if w.sealist.Keyring.Locked() == nil {
		t.Fatal("the keyring is open")
	}
	if item := w.bounces(path, dsn(path, "alice@example.org", "failed", "5.1.1")); item.Reason != "bounce" {
		t.Errorf("it is %s", item.Reason)
	}
	if paths := w.posts(); !returnPathForm.MatchString(paths["bob@example.org"]) {
		t.Errorf("a copy in clear comes from %s", paths["bob@example.org"])
	}
}

// TestBouncesOfOwnersStay: what comes to LIST-owner is recorded, and counts for nobody.
func TestBouncesOfOwnersStay(t *testing.T) {
	w := newWorld(t)
	w.start()
	item, _ := w.settled(w.send("", "wall-owner@lists.example.org", dsn("wall-owner@lists.example.org", "bob@example.org", "failed", "5.1.1")))
	if item.State != store.ItemDone || item.Reason != "owner_mail" || w.of("bob").Number != 0 {
		t.Errorf("%s %s", item.State, item.Reason)
	}
}
