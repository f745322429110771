package listd_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// aDay is one step of a journey through a certificate's life.
const aDay = 24 * time.Hour

// life is a world in which a certificate comes to its end 31 days after its
// beginning. The task runs once a day, at an hour of its own, from then until ten
// days after the end.
type life struct {
	*world
	end  time.Time
	told []string // "day template address" of every mail, in their order
	seen int      // notices of the store
}

// newLife gives the lists an owner, olga, and the server a listmaster, boss.
func newLife(w *world) *life {
	w.t.Helper()
	w.config.Listmasters = []string{"boss@example.org"}
	w.byHand()
	w.people["olga"] = w.ca.Issue("olga@example.org")
	w.file(filepath.Join("data", "X509-user-certs", "olga@example.org"), w.people["olga"].CertificatePEM())
	for _, address := range []string{secretList, wallList} {
		l, err := w.sealist.Store.List(w.t.Context(), list.MustParseAddress(address))
		w.must(err)
		_, err = w.sealist.Store.AddMembers(w.t.Context(), l.ID, []list.Member{{Address: list.MustParseAddress("olga@example.org"), Role: list.RoleOwner}})
		w.must(err)
	}
	return &life{world: w, end: w.now().Add(31*aDay + time.Hour).Truncate(time.Second)}
}

// ends issues a certificate that comes to its end with this life.
func (l *life) ends(address string, opts ...smimetest.Option) *smimetest.Identity {
	return l.ca.Issue(address, append([]smimetest.Option{smimetest.Validity(l.end.AddDate(-1, 0, 0), l.end)}, opts...)...)
}

// lasts issues one that is good for two years.
func (l *life) lasts(address string, opts ...smimetest.Option) *smimetest.Identity {
	return l.ca.Issue(address, append([]smimetest.Option{smimetest.Validity(time.Now().Add(-2*time.Hour), time.Now().AddDate(2, 0, 0))}, opts...)...)
}

// day is how many days the certificate has left, as the journey counts them.
func (l *life) day() int {
	left := l.end.Sub(l.now())
	if left < 0 {
		return -int((-left + aDay - 1) / aDay)
	}
	return int(left / aDay)
}

// live goes on to a day, with the task running on each, and does at some what the
// test says.
func (l *life) live(until int, on map[int]func()) {
	l.t.Helper()
	for {
		if do := on[l.day()]; do != nil {
			do()
		}
		l.run("chk_cert_expiration")
		l.note()
		before := l.seen
		if l.run("chk_cert_expiration"); l.note() != before {
			l.t.Errorf("twice on day %d: %q", l.day(), l.told)
		}
		if l.day() <= until {
			return
		}
		l.jump(aDay)
	}
}

// note takes down what was queued since.
func (l *life) note() int {
	l.t.Helper()
	all, err := l.sealist.Store.Deliveries(l.t.Context(), store.DeliveryFilter{Kind: store.KindNotice})
	l.must(err)
	for _, d := range all[l.seen:] {
		if strings.HasPrefix(d.Notice.Template, "cert_expiration") {
			l.told = append(l.told, fmt.Sprint(l.day(), " ", d.Notice.Template, " ", d.Address))
		}
	}
	l.seen = len(all)
	return l.seen
}

// expect compares what was told with a journal, in which each day has its mails.
func (l *life) expect(want ...string) {
	l.t.Helper()
	if !slices.Equal(l.told, want) {
		l.t.Errorf("told:\n%s\nwant:\n%s", strings.Join(l.told, "\n"), strings.Join(want, "\n"))
	}
}

// all is what is told on a day about somebody: to himself, to the owners of two
// lists, who are one person, and to the listmaster.
func all(day int, holder string) []string {
	var mails []string
	if holder != "" {
		mails = append(mails, fmt.Sprint(day, " cert_expiration ", holder))
	}
	return append(mails, fmt.Sprint(day, " cert_expiration_owners olga@example.org"), fmt.Sprint(day, " cert_expiration_owners olga@example.org"),
		fmt.Sprint(day, " cert_expiration_listmasters boss@example.org"))
}

// TestACertificatesLife: of a certificate in the PEM folder that nothing takes the place of.
func TestACertificatesLife(t *testing.T) {
	l := newLife(newWorld(t))
	alice := l.ends("alice@example.org")
	l.file(filepath.Join("data", "X509-user-certs", "alice@example.org"), alice.CertificatePEM())
	l.start()
	l.live(-10, nil)
	l.expect(slices.Concat(all(29, "alice@example.org"), all(13, "alice@example.org"), all(2, "alice@example.org"), all(-1, "alice@example.org"))...)

	texts := map[string]string{}
	l.until("all mails have left", func() bool { return len(l.sink.Mails()) == len(l.told) })
	for _, m := range l.sink.Mails() {
		texts[m.ForwardPaths[0]] += strings.ReplaceAll(string(m.Octets), "=\r\n", "")
	}
	for to, parts := range map[string][]string{
		"alice@example.org": {"ends in 30 days", "ends in 14 days", "ends in 3 days", "has expired", "send a signed message"},
		"boss@example.org":  {"alice@example.org: the certificate", "ends in 3 days", "has expired, on"},
		"olga@example.org":  {"alice@example.org: the certificate"},
	} {
		for _, part := range parts {
			if !strings.Contains(texts[to], part) {
				t.Errorf("%s was not told %q in\n%s", to, part, texts[to])
			}
		}
	}
}

// TestARollover: a signed message brings the next certificate ten days before the
// end; nobody hears of the old one any more.
func TestARollover(t *testing.T) {
	l := newLife(newWorld(t))
	alice := l.ends("alice@example.org")
	l.file(filepath.Join("data", "X509-user-certs", "alice@example.org"), alice.CertificatePEM())
	l.start()
	l.live(-10, map[int]func(){10: func() {
		next := l.lasts("alice@example.org")
		item, _ := l.settled(l.send("alice@example.org", wallList, mail("alice@example.org", wallList, next.Sign(text, smimetest.SignedAt(l.now())))))
		if item.State != store.ItemDone {
			t.Fatal(item.State, item.Reason, item.Detail)
		}
	}})
	l.expect(slices.Concat(all(29, "alice@example.org"), all(13, "alice@example.org"))...)
}

// TestALifeInTheDirectory: whose certificate a directory publishes hears of its end in the last three days alone, and not
// at all where the next one is published.
func TestALifeInTheDirectory(t *testing.T) {
	for name, c := range map[string]struct {
		publish int // on which day, the next certificate
		outage  int // on which day the directory falls silent for good
		want    []string
	}{
		"nothing follows":       {-100, -100, slices.Concat(all(29, ""), all(13, ""), all(2, "alice@example.org"), all(-1, "alice@example.org"))},
		"the next in good time": {20, -100, all(29, "")},
		"the next at last":      {1, -100, slices.Concat(all(29, ""), all(13, ""), all(2, "alice@example.org"))},
		"the server is away":    {-100, 10, slices.Concat(all(29, ""), all(13, ""))}, // whether something was published since is not known
	} {
		t.Run(name, func(t *testing.T) {
			w, slapd := directoryWorld(t, direct, "bob", "carol")
			w.config.Resolver.Order = []string{"corp", "files"}
			l := newLife(w)
			alice := l.ends("alice@example.org")
			entry := peer.Person("alice", "alice@example.org", alice.Certificate.Raw)
			slapd.Add(entry)
			w.config.Files.Dir = filepath.Join(w.dir, "data", "olgas")
			w.file(filepath.Join("data", "olgas", "olga@example.org"), w.people["olga"].CertificatePEM())
			w.byHand()
			if run := w.run("resolver_refresh"); run == "" {
				t.Fatal("no answers are kept")
			}
			l.live(-10, map[int]func(){
				c.publish: func() {
					slapd.Replace(entry.DN, "userCertificate;binary", string(alice.Certificate.Raw), string(l.lasts("alice@example.org").Certificate.Raw))
				},
				c.outage: slapd.Stop,
			})
			l.expect(c.want...)
			if said := l.run("chk_cert_expiration"); (c.outage > 0) != strings.Contains(said, "of 1 people it is not known") {
				t.Error(said)
			}
		})
	}
}

// TestDownOverStages: a server that was down for a month says the most urgent thing, once.
func TestDownOverStages(t *testing.T) {
	l := newLife(newWorld(t))
	alice := l.ends("alice@example.org")
	l.file(filepath.Join("data", "X509-user-certs", "alice@example.org"), alice.CertificatePEM())
	l.jump(29 * aDay)
	l.live(-10, nil)
	l.expect(slices.Concat(all(2, "alice@example.org"), all(-1, "alice@example.org"))...)
}

// TestAListsOwnCertificate: its owners and the listmasters are told; not when the next one is there.
func TestAListsOwnCertificate(t *testing.T) {
	for name, next := range map[string]int{"nothing follows": -100, "the next one": 8} {
		t.Run(name, func(t *testing.T) {
			l := newLife(newWorld(t))
			install := func(id *smimetest.Identity) {
				of, err := l.sealist.Store.List(t.Context(), list.MustParseAddress(wallList))
				l.must(err)
				b, err := keyring.ParsePKCS12(id.PKCS12("x"), "x")
				l.must(err)
				_, err = l.sealist.Keyring.Install(t.Context(), of.ID, b)
				l.must(err)
			}
			install(l.ends(wallList))
			l.live(-10, map[int]func(){next: func() { install(l.lasts(wallList)) }})
			want := []string{"29", "13", "2", "-1"}
			if next > 0 {
				want = want[:2]
			}
			var mails []string
			for _, day := range want {
				mails = append(mails, day+" cert_expiration_owners olga@example.org", day+" cert_expiration_listmasters boss@example.org")
			}
			l.expect(mails...)
		})
	}
}

// TestStrangersHearNothing: harvested certificates of people who are nothing here end in silence; so does what is blocked,
// what names somebody else, and everything where no stage is set.
func TestStrangersHearNothing(t *testing.T) {
	l := newLife(newWorld(t))
	put := func(address string, id *smimetest.Identity) {
		_, err := l.sealist.Store.PutCertificate(t.Context(), store.Certificate{Address: list.MustParseAddress(address), DER: id.Certificate.Raw, Source: "harvest"})
		l.must(err)
	}
	put("mallory@example.org", l.ends("mallory@example.org"))
	put("bob@example.org", l.ends("mallory@example.org"))
	blocked := l.ends("carol@example.org", smimetest.ECP256)
	l.without("carol")
	put("carol@example.org", blocked)
	_, err := l.sealist.Store.PutMark(t.Context(), store.Mark{Kind: store.MarkBlock, Fingerprint: trust.Fingerprint(blocked.Certificate), DER: blocked.Certificate.Raw})
	l.must(err)
	l.byHand()
	l.live(-10, nil)
	l.expect()
	put("alice@example.org", l.ends("alice@example.org"))
	l.without("alice")
	l.config.Expiry = config.Expiry{}
	l.live(-10, nil)
	l.expect()
}
