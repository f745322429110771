package listd_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/smimetest"
)

// without takes a member's certificate away, and returns what puts it back.
func (w *world) without(name string) (back func()) {
	w.t.Helper()
	file := filepath.Join(w.dir, "data", "X509-user-certs", name+"@example.org")
	w.must(os.Remove(file))
	return func() { w.must(os.WriteFile(file, w.people[name].CertificatePEM(), 0o600)) }
}

// post sends an encrypted post of alice's to the secret list.
func (w *world) post() (store.Item, []store.Delivery) {
	alice := w.people["alice"]
	return w.settled(w.send(alice.Address, secretList, mail(alice.Address, secretList, smimetest.Encrypt(alice.Sign(text), w.keys[secretList]))))
}

// run does a task now.
func (w *world) run(name string) string {
	w.t.Helper()
	run, err := w.sealist.Tasks("test").Now(w.t.Context(), name)
	w.must(err)
	if run.Error != "" {
		w.t.Fatalf("%s: %s", name, run.Error)
	}
	return run.Summary
}

// TestWithheldCopiesLeaveLater: a copy waits for its member's certificate as long as the list says, and leaves once, in the
// order of the posts.
func TestWithheldCopiesLeaveLater(t *testing.T) {
	w := newWorld(t).byHand()
	w.config.Harvest.Enabled = false
	w.set(secretList, "withheld_for", "3d")
	back := w.without("carol")
	w.start()
	var posts []store.Item
	for range 2 {
		item, _ := w.post()
		posts = append(posts, item)
	}
	var told *store.Notice
	all, err := w.sealist.Store.Deliveries(t.Context(), store.DeliveryFilter{Kind: store.KindNotice})
	w.must(err)
	for _, d := range all {
		if d.Notice.Template == notice.NoCertificate {
			told = d.Notice
		}
	}
	if told == nil || told.Params["waiting"] != "1" || told.Params["kept"] != "3d" {
		t.Errorf("%+v", told)
	}
	w.ahead.Add(int64(time.Hour))
	if got := w.run("withheld_retry"); got != "" {
		t.Errorf("nobody has a certificate: %s", got)
	}
	back()
	w.retryWithheld()
	w.until("both copies have left", func() bool { return len(carolsCopies(w)) == 2 })
	for i, m := range carolsCopies(w) {
		opened := smime.Open(parse(t, m), smime.Options{Keys: []cms.Key{w.people["carol"].DecryptKey()}})
		if opened.Err != nil || !bytes.Contains(opened.Payload.Octets(), []byte(marker)) {
			t.Errorf("copy %d: %v", i, opened.Err)
		}
	}
	for _, item := range posts {
		if item, _ := w.settled(item); item.State != store.ItemDone {
			t.Errorf("%s", item.State)
		}
	}
	if got := w.run("withheld_retry"); got != "" {
		t.Errorf("again: %s", got)
	}
	if n := len(w.copies("bob")); n != 2 {
		t.Errorf("bob has %d copies", n)
	}
}

// retryWithheld lets time pass until no copy is withheld any more.
func (w *world) retryWithheld() {
	w.t.Helper()
	w.ahead.Add(int64(16 * time.Minute))
	if w.run("withheld_retry") == "" {
		w.t.Error("copies are still withheld")
	}
}

func carolsCopies(w *world) (all [][]byte) {
	for _, m := range w.copies("carol") {
		all = append(all, m.Octets)
	}
	return all
}

// TestWithheldCopiesAreJudgedAnew: who left meanwhile gets nothing, and what is too old is not sent.
func TestWithheldCopiesAreJudgedAnew(t *testing.T) {
	w := newWorld(t).byHand()
	w.config.Harvest.Enabled = false
	w.set(secretList, "withheld_for", "2h")
	back := w.without("carol")
	w.start()
	w.post()
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(secretList))
	w.must(err)
	carol := []list.Address{list.MustParseAddress("carol@example.org")}
	_, err = w.sealist.Store.RemoveMembers(t.Context(), l.ID, list.RoleMember, carol)
	w.must(err)
	back()
	w.retryWithheld()
	w.until("her copy is cancelled", func() bool {
		all, err := w.sealist.Store.Deliveries(t.Context(), store.DeliveryFilter{State: store.DeliveryCancelled})
		w.must(err)
		return len(all) == 1
	})
	_, err = w.sealist.Store.AddMembers(t.Context(), l.ID, []list.Member{{Address: carol[0]}})
	w.must(err)
	back = w.without("carol")
	w.post()
	back()
	w.ahead.Add(int64(3 * time.Hour))
	if got := w.run("withheld_retry"); got != "" || len(w.copies("carol")) != 0 {
		t.Errorf("after its time: %q, %d copies", got, len(w.copies("carol")))
	}
}

// TestMissingCertificatePolicies: who is told, and who gets what.
func TestMissingCertificatePolicies(t *testing.T) {
	w := newWorld(t).byHand()
	w.config.Harvest.Enabled = false
	w.without("carol")
	w.start()
	alice := w.people["alice"]
	notices := func(deliveries []store.Delivery) string {
		var names []string
		for _, d := range deliveries {
			if d.Kind == store.KindNotice {
				names = append(names, d.Address.Local()+" "+d.Notice.Template)
			}
		}
		return strings.Join(names, ", ")
	}
	w.set(secretList, "missing_certificate", "report")
	if item, deliveries := w.post(); item.State != store.ItemDone || notices(deliveries) != "" {
		t.Errorf("report: %s, %s", item.State, notices(deliveries))
	}
	w.set(secretList, "missing_certificate", "refuse-all")
	item, deliveries := w.post()
	if item.State != store.ItemRejected || item.Reason != "missing_certificate" || notices(deliveries) != "alice not_all" || strings.Contains(item.Detail, "carol") {
		t.Errorf("refuse-all: %s (%s; %s), %s", item.State, item.Reason, item.Detail, notices(deliveries))
	}
	w.set(secretList, "missing_certificate", "notice")
	if item, deliveries := w.post(); item.State != store.ItemDone || notices(deliveries) != "carol no_certificate" {
		t.Errorf("notice: %s, %s", item.State, notices(deliveries))
	}
	_ = alice
}

// TestSenderReport: an authenticated author hears whom he reached; how many, only if he may see who is on the list.
func TestSenderReport(t *testing.T) {
	w := newWorld(t).byHand()
	w.config.Harvest.Enabled = false
	w.without("carol")
	w.start()
	report := func() string {
		t.Helper()
		before := len(w.sink.Mails())
		if w.run("sender_report") == "" {
			return ""
		}
		w.until("the report arrives", func() bool { return len(w.sink.Mails()) > before })
		return w.shown(w.sink.Mails()[before].Octets, "alice")
	}
	w.post()
	if got := report(); !strings.Contains(got, "To: <alice@example.org>") || !strings.Contains(got, "Not every member") || strings.Contains(got, "waiting for") || strings.Contains(got, "carol") {
		t.Errorf("%s", got)
	}
	if got := report(); got != "" {
		t.Errorf("twice: %s", got)
	}
	w.set(secretList, "review", "private")
	w.post()
	if got := report(); !strings.Contains(got, "waiting for a certificate:   1") || strings.Contains(got, "carol") {
		t.Errorf("%s", got)
	}
	w.set(secretList, "sender_report", "never")
	w.post()
	if got := report(); got != "" {
		t.Errorf("never: %s", got)
	}
	// An unsigned post has no author who could be told.
	w.set(wallList, "sender_report", "always")
	w.settled(w.send("alice@example.org", wallList, mail("alice@example.org", wallList, smimetest.Text("x\r\n"))))
	if got := report(); got != "" {
		t.Errorf("nobody's: %s", got)
	}
}

// TestOwnersReport: once a day, if there is something; where the list demands encryption only sealed, for it names members.
func TestOwnersReport(t *testing.T) {
	w := newWorld(t).byHand()
	w.config.Harvest.Enabled = false
	w.without("carol")
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(secretList))
	w.must(err)
	_, err = w.sealist.Store.AddMembers(t.Context(), l.ID, []list.Member{{Address: list.MustParseAddress("bob@example.org"), Role: list.RoleOwner}})
	w.must(err)
	w.set(secretList, "encryption", "required")
	w.start()
	if got := w.run("owners_report"); got != "" {
		t.Errorf("all is well: %s", got)
	}
	w.post()
	w.post()
	before := len(w.sink.To("bob@example.org"))
	if got := w.run("owners_report"); got != "told 1 owners" {
		t.Errorf("%q", got)
	}
	if got := w.run("owners_report"); got != "" {
		t.Errorf("the same day: %q", got)
	}
	w.until("the report arrives", func() bool { return len(w.sink.To("bob@example.org")) > before })
	got := w.sink.To("bob@example.org")[before].Octets
	if bytes.Contains(got, []byte("carol")) {
		t.Errorf("a member's address leaves in clear:\n%s", got)
	}
	inner := w.shown(got, "bob")
	if !strings.Contains(inner, "carol@example.org has no usable certificate") || !strings.Contains(inner, "2 posts are waiting") {
		t.Errorf("%s", inner)
	}
}

// TestWithheldPostsAreKept: the octets of a post stay as long as somebody may still get his copy.
func TestWithheldPostsAreKept(t *testing.T) {
	w := newWorld(t).byHand()
	w.config.Harvest.Enabled = false
	w.set(secretList, "withheld_for", "20d")
	w.without("carol")
	w.start()
	item, _ := w.post()
	kept := func() bool {
		_, err := w.sealist.Store.Octets(t.Context(), func() store.Item {
			i, err := w.sealist.Store.Item(t.Context(), item.ID)
			w.must(err)
			return i
		}())
		return err == nil
	}
	w.ahead.Add(int64(10 * 24 * time.Hour))
	w.run("purge")
	if !kept() {
		t.Error("purged while a copy waits")
	}
	w.ahead.Add(int64(15 * 24 * time.Hour))
	w.run("purge")
	if kept() {
		t.Error("kept for ever")
	}
}

// TestRetryByHand: a listmaster need not wait for the server to look.
func TestRetryByHand(t *testing.T) {
	w := newWorld(t).byHand()
	w.config.Harvest.Enabled = false
	back := w.without("carol")
	w.start()
	item, _ := w.post()
	a := admin.New(admin.Parts{Store: w.sealist.Store, Actor: "test"})
	if n, err := a.RetryWithheld(t.Context(), secretList); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if item, _ := w.settled(item); item.State != store.ItemDone || len(w.copies("carol")) != 0 {
		t.Errorf("%s", item.State)
	}
	back()
	if n, err := a.RetryWithheld(t.Context(), item.ID); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	w.until("her copy leaves", func() bool { return len(w.copies("carol")) == 1 })
	if n, err := a.RetryWithheld(t.Context(), ""); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// TestRemindedOfTheCertificate: who has none hears so daily in the first week, then once a week, each time with how many wait.
func TestRemindedOfTheCertificate(t *testing.T) {
	w := newWorld(t).byHand()
	w.config.Harvest.Enabled = false
	w.without("carol")
	w.start()
	alice := w.people["alice"]
	var days []int
	told := 0
	for day := range 31 {
		for range 2 {
			post := mail(alice.Address, secretList, smimetest.Encrypt(alice.Sign(text, smimetest.SignedAt(w.now())), w.keys[secretList]))
			if item, deliveries := w.settled(w.send(alice.Address, secretList, post)); item.State != store.ItemDone || len(deliveries) < 3 {
				t.Fatalf("day %d: %s, %s", day, item.State, item.Reason)
			}
		}
		if mails := w.sink.To("carol@example.org"); len(mails) > told {
			days = append(days, day)
			if want := fmt.Sprintf("Messages that wait for you: %d\r\n", 2*day+1); len(mails) != told+1 || !bytes.Contains(mails[told].Octets, []byte(want)) {
				t.Errorf("day %d: %d mails; want %s\n%s", day, len(mails)-told, want, mails[told].Octets)
			}
			told = len(mails)
		}
		w.ahead.Add(int64(24*time.Hour + time.Second))
	}
	if want := []int{0, 1, 2, 3, 4, 5, 6, 7, 14, 21, 28}; !slices.Equal(days, want) {
		t.Errorf("told on the days %v, want %v", days, want)
	}
}
