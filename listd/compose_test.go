package listd_test

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/smimetest"
)

// TestEncryptionAlways: what came in clear leaves encrypted, with the author's signature, and who has no certificate gets
// nothing.
func TestEncryptionAlways(t *testing.T) {
	w := newWorld(t)
	w.set(secretList, "encryption", "always", "subject_tag", "[secret]")
	w.start()
	alice := w.people["alice"]
	signed := alice.Sign(text)
	w.expect("in clear", alice.Address, secretList, mail(alice.Address, secretList, signed), store.ItemDone, "", 3)
	for _, m := range w.copies("bob") {
		if bytes.Contains(m.Octets, []byte(marker)) {
			t.Fatalf("in clear:\n%s", m.Octets)
		}
		e := parse(t, m.Octets)
		opened := smime.Open(e, smime.Options{Keys: []cms.Key{w.people["bob"].DecryptKey()}})
		if opened.Err != nil || !bytes.Contains(opened.Payload.Octets(), signed.Body()) || e.Header().Get("Subject") != "[secret] a subject" {
			t.Errorf("%v, %s", opened.Err, e.Header().Get("Subject"))
		}
	}
}

// TestReception is how members want their posts: at the moment of sealing.
func TestReception(t *testing.T) {
	w := newWorld(t)
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(secretList))
	w.must(err)
	mode := func(name string, r list.Reception) {
		_, err := w.sealist.Store.ChangeMembers(t.Context(), l.ID, list.RoleMember, []list.Address{list.MustParseAddress(name + "@example.org")}, store.MemberChange{Reception: &r})
		w.must(err)
	}
	mode("alice", list.ReceiveNotMe)
	mode("bob", list.ReceiveNoMail)
	mode("carol", list.ReceiveNotice)
	w.start()
	alice := w.people["alice"]
	w.expect("a post", alice.Address, secretList, mail(alice.Address, secretList, smimetest.Encrypt(alice.Sign(text), w.keys[secretList])), store.ItemDone, "", 1)
	if len(w.copies("alice"))+len(w.copies("bob")) != 0 {
		t.Error("somebody got what he does not want")
	}
	carols := w.copies("carol")
	if len(carols) != 1 || strings.Contains(w.shown(carols[0].Octets, "carol"), "a subject") || !strings.Contains(w.shown(carols[0].Octets, "carol"), "There is a new message") {
		t.Errorf("%d copies for carol", len(carols))
	}
	mode("alice", list.ReceiveMail)
	w.expect("another", "bob@example.org", secretList, mail("bob@example.org", secretList, smimetest.Encrypt(w.people["bob"].Sign(text), w.keys[secretList])), store.ItemDone, "", 2)
	if len(w.copies("alice")) != 1 {
		t.Error("alice missed a post")
	}
}

// dns answers from a table; what is not in it does not exist, "!" is an outage.
type dns map[string]string

func (d dns) LookupTXT(_ context.Context, name string) ([]string, error) {
	switch text, ok := d[strings.TrimSuffix(name, ".")]; {
	case !ok:
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	case text == "!":
		return nil, &net.DNSError{Err: "timeout", Name: name, IsTimeout: true}
	default:
		return []string{"v=spf1 -all", text}, nil
	}
}

// TestFromByDMARC: the list stands in From where the author's domain would have his copies refused.
func TestFromByDMARC(t *testing.T) {
	w := newWorld(t)
	w.must(w.sealist.Close())
	w.dns = dns{
		"_dmarc.strict.example": "v=DMARC1; p=reject", "_dmarc.lax.example": "v=DMARC1; p=none", "_dmarc.away.example": "!",
		"_dmarc.organisation.example": "v=DMARC1; p=none; sp=quarantine", "_dmarc.odd.example": "v=DMARC2; p=reject",
	}
	w.open()
	w.set(wallList, "from_policy", "dmarc")
	w.start()
	for domain, rewritten := range map[string]bool{
		"strict.example": true, "lax.example": false, "away.example": true, "none.example": false, "sub.strict.example": true,
		"sub.organisation.example": true, "organisation.example": false, "odd.example": false,
	} {
		from := "zoe@" + domain
		before := len(w.copies("bob"))
		w.expect(domain, from, wallList, mail(from, wallList, smimetest.Text(domain)), store.ItemDone, "", 3)
		got := parse(t, w.copies("bob")[before].Octets).Header()
		if strings.Contains(got.Get("From"), wallList) != rewritten || rewritten != (got.Get("Reply-To") == "<"+from+">") {
			t.Errorf("%s: From %s, Reply-To %s", domain, got.Get("From"), got.Get("Reply-To"))
		}
	}
}

// TestAnonymousList refuses what would betray its author, and hides the others.
func TestAnonymousList(t *testing.T) {
	w := newWorld(t)
	w.set(wallList, "anonymous_sender", "nobody@lists.example.org")
	w.start()
	alice := w.people["alice"]
	w.expect("unsigned", alice.Address, wallList, mail(alice.Address, wallList, smimetest.Text("x\r\n")), store.ItemDone, "", 3)
	if got := w.copies("bob")[0]; bytes.Contains(bytes.ToLower(got.Octets), []byte("alice")) {
		t.Errorf("%s", got.Octets)
	}
	w.expect("signed", alice.Address, wallList, mail(alice.Address, wallList, alice.Sign(text)), store.ItemRejected, "identity", 0)
}

// TestListsOwnCertificate: a list that is a member of another needs no certificate in any directory.
func TestListsOwnCertificate(t *testing.T) {
	w := newWorld(t)
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(secretList))
	w.must(err)
	_, err = w.sealist.Store.AddMembers(t.Context(), l.ID, []list.Member{{Address: list.MustParseAddress(openList)}})
	w.must(err)
	w.set(secretList, "from_policy", "always")
	w.start()
	alice := w.people["alice"]
	w.expect("a post", alice.Address, secretList, mail(alice.Address, secretList, smimetest.Encrypt(alice.Sign(text), w.keys[secretList])), store.ItemDone, "", 4)
	copies := w.sink.To(openList)
	if len(copies) != 1 {
		t.Fatalf("%d copies", len(copies))
	}
	w.expect("at the other list", copies[0].ReversePath, openList, copies[0].Octets, store.ItemDone, "", 3)
	if from := parse(t, w.copies("bob")[0].Octets).Header().Get("From"); !strings.Contains(from, secretList) {
		t.Errorf("a person reads From %s", from)
	}
}

// TestPeopleBesideLists: somebody whose address is in a domain of the lists is no list for that.
func TestPeopleBesideLists(t *testing.T) {
	w := newWorld(t)
	for _, address := range []string{wallList, secretList} {
		l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(address))
		w.must(err)
		_, err = w.sealist.Store.AddMembers(t.Context(), l.ID, []list.Member{{Address: list.MustParseAddress("dora@lists.example.org")}, {Address: list.MustParseAddress(plainList)}})
		w.must(err)
	}
	w.set(wallList, "from_policy", "always")
	w.start()
	alice := w.people["alice"]
	w.expect("in clear", alice.Address, wallList, mail(alice.Address, wallList, smimetest.Text("x\r\n")), store.ItemDone, "", 5)
	for address, rewritten := range map[string]bool{"dora@lists.example.org": true, plainList: false} {
		if from := parse(t, w.sink.To(address)[0].Octets).Header().Get("From"); strings.Contains(from, wallList) != rewritten {
			t.Errorf("%s reads From %s", address, from)
		}
	}
	w.expect("encrypted", alice.Address, secretList, mail(alice.Address, secretList, smimetest.Encrypt(alice.Sign(text), w.keys[secretList])), store.ItemDone, "", 3)
	w.until("dora is told that she has no certificate", func() bool { return len(w.sink.To("dora@lists.example.org")) == 2 })
	if n := len(w.sink.To(plainList)); n != 1 {
		t.Errorf("the list that is a member got %d mails, a notice among them", n)
	}
}

// TestUndoneIsRecorded: the listmaster reads which wishes a signed post does not allow.
func TestUndoneIsRecorded(t *testing.T) {
	w := newWorld(t)
	w.set(plainList, "footer", "the end")
	w.start()
	alice := w.people["alice"]
	item := w.expect("signed", alice.Address, plainList, mail(alice.Address, plainList, alice.Sign(text)), store.ItemDone, "", 3)
	if !strings.Contains(item.Detail, "not done: footer: the content is signed") {
		t.Errorf("%s", item.Detail)
	}
}

// TestSettingsAreThoseOfNow: a copy that leaves late leaves as the list's settings are then.
func TestSettingsAreThoseOfNow(t *testing.T) {
	w := newWorld(t).byHand()
	w.config.Harvest.Enabled = false
	back := w.without("carol")
	w.start()
	w.post()
	before := len(w.copies("bob"))
	back()
	w.set(secretList, "subject_tag", "[late]")
	w.retryWithheld()
	w.until("carol has it", func() bool { return len(w.copies("carol")) == 1 })
	if got := parse(t, w.copies("carol")[0].Octets).Header().Get("Subject"); got != "[late] a subject" || len(w.copies("bob")) != before {
		t.Errorf("%s", got)
	}
}
