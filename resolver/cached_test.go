package resolver_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/resolver"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// shelf is an Answers and a Roster in memory; answers go through their kept form.
type shelf struct {
	mu      sync.Mutex
	kept    map[string]shelved // by source and address
	members []string
	broken  error
}

type shelved struct {
	version string
	body    []byte
	fetched time.Time
	due     time.Time
}

func (s *shelf) KeptAnswers(_ context.Context, source, version string, addresses []string) ([]directory.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []directory.Answer
	for _, address := range addresses {
		k, ok := s.kept[source+" "+address]
		if !ok || k.version != version {
			continue
		}
		a, err := directory.DecodeAnswer(k.body)
		if err != nil {
			return nil, err
		}
		a.Address, a.Fetched = address, k.fetched
		all = append(all, a)
	}
	return all, s.broken
}

func (s *shelf) KeepAnswers(_ context.Context, source, version string, answers []directory.KeptAnswer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range answers {
		body, err := a.Encode()
		if err != nil {
			return err
		}
		s.kept[source+" "+a.Address] = shelved{version, body, a.Fetched, a.Due}
	}
	return s.broken
}

func (s *shelf) DueAnswers(_ context.Context, source, version string, at time.Time, _ int) (due []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.members {
		if k, ok := s.kept[source+" "+m]; ok && (!k.due.After(at) || k.version != version) {
			due = append(due, m)
		}
	}
	return due, s.broken
}

func (s *shelf) UnansweredMembers(_ context.Context, after string, _ int) (all []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.members {
		known := false
		for key := range s.kept {
			known = known || strings.HasSuffix(key, " "+m)
		}
		if !known && m > after {
			all = append(all, m)
		}
	}
	return all, s.broken
}

func (s *shelf) PruneAnswers(context.Context, []string, time.Time) (int, error) { return 0, s.broken }

// cachedWorld is one directory behind a cache, and a resolver on it.
type cachedWorld struct {
	t         *testing.T
	ca        *smimetest.CA
	clock     *clock
	directory *source
	shelf     *shelf
	cached    *resolver.Cached
	resolver  *resolver.Resolver
	changes   uint64
}

func newCachedWorld(t *testing.T, identities ...string) *cachedWorld {
	w := &cachedWorld{t: t, ca: smimetest.NewCA("CA"), clock: &clock{at: now}, directory: holding("corp"), shelf: &shelf{kept: map[string]shelved{}}}
	for _, address := range identities {
		w.directory.add(address, w.ca.Issue(address).Certificate)
	}
	w.restart()
	return w
}

// restart makes everything anew but what the database keeps.
func (w *cachedWorld) restart() {
	w.cached = resolver.NewCached(w.directory, "1", w.shelf, resolver.CacheOptions{
		Positive: 24 * time.Hour, Negative: time.Hour, Stale: 7 * 24 * time.Hour, Clock: w.clock.now})
	w.resolver = resolver.New([]resolver.Source{w.cached}, trusting(w.ca), resolver.Options{Clock: w.clock.now, Changes: func() uint64 { return w.changes }})
}

// resolve returns usable, none or delayed, and how often the directory was asked for it.
func (w *cachedWorld) resolve(address string) (verdict string, asked int) {
	w.t.Helper()
	before := len(w.directory.asked)
	result := resolveOne(w.t, w.resolver, address)
	verdict = resolver.VerdictUsable
	switch {
	case result.Err != nil:
		verdict = resolver.VerdictDelayed
	case len(result.Certificates) == 0:
		verdict = resolver.VerdictNone
	}
	return verdict, len(w.directory.asked) - before
}

func (w *cachedWorld) want(what, address, verdict string, asked int) {
	w.t.Helper()
	if v, n := w.resolve(address); v != verdict || n != asked {
		w.t.Errorf("%s: %s is %s and the directory was asked %d times, want %s and %d", what, address, v, n, verdict, asked)
	}
}

// TestCache is one address's life in the cache: when the directory is asked, and what an outage does.
func TestCache(t *testing.T) {
	down := errors.New("connection refused")
	const alice, bob = "alice@corp.example", "bob@corp.example"
	w := newCachedWorld(t, alice)
	w.want("first", alice, "usable", 1)
	w.want("again", "Alice@CORP.example", "usable", 0)
	w.restart()
	w.want("after a restart", alice, "usable", 0)
	w.clock.advance(23 * time.Hour)
	w.want("within its time", alice, "usable", 0)
	w.directory.fail[""] = down
	w.clock.advance(2 * time.Hour)
	w.want("out of date, the directory down", alice, "usable", 1)
	w.clock.advance(7*24*time.Hour + time.Hour)
	w.want("out of date for too long", alice, "delayed", 1)
	delete(w.directory.fail, "")
	w.want("the directory is up", alice, "usable", 1)

	w.want("nobody has bob", bob, "none", 1)
	w.clock.advance(4 * time.Minute)
	w.want("a moment later", bob, "none", 0)
	w.clock.advance(2 * time.Minute)
	w.want("before it is withheld on an old answer", bob, "none", 1)
	w.clock.advance(10 * time.Minute)
	w.directory.fail[""] = down
	w.want("an outage is not an absence", bob, "delayed", 1)
	delete(w.directory.fail, "")
	w.directory.add(bob, w.ca.Issue(bob, smimetest.Validity(now.Add(-2*time.Hour), now.Add(-time.Hour))).Certificate)
	w.want("bob has an old one", bob, "none", 1)
	w.clock.advance(10 * time.Minute)
	w.directory.add(bob, w.ca.Issue(bob, smimetest.Validity(now, now.AddDate(1, 0, 0))).Certificate)
	w.want("bob has a new one too", bob, "usable", 1)
}

// TestOutagesAreNotKept: nor is what the source did not say of all.
func TestOutagesAreNotKept(t *testing.T) {
	const alice = "alice@corp.example"
	w := newCachedWorld(t, alice)
	w.directory.fail[""] = errors.New("down")
	w.want("down", alice, "delayed", 1)
	w.directory.fail[""] = directory.ErrNotSource
	w.want("not served", alice, "none", 1)
	if len(w.shelf.kept) != 0 {
		t.Errorf("kept %v", w.shelf.kept)
	}
	delete(w.directory.fail, "")
	w.want("up", alice, "usable", 1)
}

// TestOtherConfiguration: what was kept while the directory was configured otherwise does not count.
func TestOtherConfiguration(t *testing.T) {
	w := newCachedWorld(t, "alice@corp.example")
	w.want("first", "alice@corp.example", "usable", 1)
	other := resolver.NewCached(w.directory, "2", w.shelf, resolver.CacheOptions{Clock: w.clock.now})
	other.Lookup(t.Context(), []string{"alice@corp.example"})
	if len(w.directory.asked) != 2 {
		t.Error("an answer to another question was taken")
	}
}

// TestBrokenShelf: without the cache the directory is asked, and that is all.
func TestBrokenShelf(t *testing.T) {
	w := newCachedWorld(t, "alice@corp.example")
	w.shelf.broken = errors.New("disk on fire")
	w.want("broken", "alice@corp.example", "usable", 1)
}

// TestOneQuestion: who asks for the same address at the same time shares a question, and who leaves ends nobody else's.
func TestOneQuestion(t *testing.T) {
	w := newCachedWorld(t)
	gate := &gated{source: w.directory, open: make(chan struct{}), begun: make(chan struct{}, 64)}
	w.directory.add("alice@corp.example", w.ca.Issue("alice@corp.example").Certificate)
	c := resolver.NewCached(gate, "1", w.shelf, resolver.CacheOptions{Clock: w.clock.now})
	impatient, leave := context.WithCancel(t.Context())
	left := make(chan directory.Answer)
	go func() { left <- c.Lookup(impatient, []string{"alice@corp.example"})[0] }()
	<-gate.begun
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if a := c.Lookup(t.Context(), []string{"alice@corp.example"})[0]; a.Err != nil || len(a.Candidates) != 1 {
				t.Errorf("%+v", a)
			}
		})
	}
	leave()
	if a := <-left; !errors.Is(a.Outage(), context.Canceled) {
		t.Errorf("who left got %+v", a)
	}
	close(gate.open)
	wg.Wait()
	if n := len(w.directory.asked); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// gated is a source that answers when it is opened.
type gated struct {
	*source
	open  chan struct{}
	begun chan struct{}
}

func (g *gated) Lookup(ctx context.Context, addresses []string) []directory.Answer {
	g.begun <- struct{}{}
	<-g.open
	return g.source.Lookup(ctx, addresses)
}

// TestForgetting: what is remembered gives way to whatever may change it.
func TestForgetting(t *testing.T) {
	const alice = "alice@corp.example"
	judge := &verdicts{reason: map[string]trust.Reason{}}
	for name, change := range map[string]func(w *cachedWorld){
		"a CRL":               func(w *cachedWorld) { w.changes++ },
		"a listmaster":        func(w *cachedWorld) { w.resolver.Forget() },
		"the end of a CRL":    func(w *cachedWorld) { w.clock.advance(2 * time.Minute) },
		"a clock set back":    func(w *cachedWorld) { w.clock.advance(-time.Minute) },
		"ten minutes at most": func(w *cachedWorld) { w.clock.advance(11 * time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newCachedWorld(t, alice)
			judge.until = now.Add(time.Hour)
			if name == "the end of a CRL" {
				judge.until = now.Add(time.Minute)
			}
			judge.refuse("")
			w.resolver = resolver.New([]resolver.Source{w.cached}, judge, resolver.Options{Clock: w.clock.now, Changes: func() uint64 { return w.changes }})
			w.want("first", alice, "usable", 1)
			judge.refuse(trust.Revoked)
			w.want("remembered", alice, "usable", 0)
			change(w)
			if v, _ := w.resolve(alice); v != "none" {
				t.Errorf("%s goes on being used", alice)
			}
		})
	}
}

// TestGraceIsNotRemembered: what is only used for a grace is judged anew each time.
func TestGraceIsNotRemembered(t *testing.T) {
	w := newCachedWorld(t, "alice@corp.example")
	judge := &verdicts{until: now.Add(time.Hour), state: trust.RevocationStale}
	w.resolver = resolver.New([]resolver.Source{w.cached}, judge, resolver.Options{Clock: w.clock.now, Changes: steady})
	w.want("in grace", "alice@corp.example", "usable", 1)
	judge.refuse(trust.RevocationUnknown)
	if v, _ := w.resolve("alice@corp.example"); v != "delayed" {
		t.Errorf("after the grace: %s", v)
	}
}

// verdicts is a judge that says the same of all.
type verdicts struct {
	mu     sync.Mutex
	until  time.Time
	state  trust.RevocationState
	now    trust.Reason
	reason map[string]trust.Reason
}

func (v *verdicts) refuse(r trust.Reason) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.now = r
}

func (v *verdicts) Judge(cert *x509.Certificate, _ trust.Use, _ time.Time, _ []*x509.Certificate) trust.Verdict {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.now != "" {
		return trust.Verdict{Reason: v.now, Detail: "so", Revocation: trust.RevocationStale}
	}
	state := v.state
	if state == "" {
		state = trust.RevocationGood
	}
	return trust.Verdict{Path: []*x509.Certificate{cert, cert}, Until: v.until, Revocation: state}
}

// TestFilesAreLookedAt: a folder's files may change at any moment, so nothing that rests on them is remembered.
func TestFilesAreLookedAt(t *testing.T) {
	ca := smimetest.NewCA("CA")
	folder := &watchless{holding("files", ca.Issue("alice@corp.example"))}
	r := resolver.New([]resolver.Source{folder}, trusting(ca), resolver.Options{Changes: steady})
	resolveOne(t, r, "alice@corp.example")
	resolveOne(t, r, "alice@corp.example")
	if len(folder.asked) != 2 || r.Remembered() != 0 {
		t.Errorf("asked %d times, %d remembered", len(folder.asked), r.Remembered())
	}
}

type watchless struct{ *source }

func (watchless) Unwatched() {}

// TestRefresh: members are asked about before a post needs them and before their answers end, so that a post asks
// nothing.
func TestRefresh(t *testing.T) {
	w := newCachedWorld(t)
	for i := range 120 {
		address := fmt.Sprintf("m%03d@corp.example", i)
		w.directory.add(address, w.ca.Issue(address).Certificate)
		w.shelf.members = append(w.shelf.members, address)
	}
	f := resolver.NewRefresher(w.resolver, w.shelf)
	run := func() string {
		t.Helper()
		summary, err := f.Refresh(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return summary
	}
	if s := run(); !strings.Contains(s, "for the first time about 120") {
		t.Error(s)
	}
	if slices.IsSorted(w.directory.asked) {
		t.Error("the directory sees members in their order")
	}
	post := func(what string) {
		t.Helper()
		before := len(w.directory.asked)
		for _, r := range w.resolver.Resolve(t.Context(), w.shelf.members, resolver.Allowances{}) {
			if len(r.Certificates) != 1 {
				t.Fatalf("%s: %+v", what, r)
			}
		}
		if n := len(w.directory.asked) - before; n != 0 {
			t.Errorf("%s: the directory was asked about %d members", what, n)
		}
	}
	post("at once")
	w.restart()
	f = resolver.NewRefresher(w.resolver, w.shelf)
	post("after a restart")
	for hour := range 96 {
		w.clock.advance(time.Hour)
		run()
		post(fmt.Sprint("hour ", hour))
	}
	if n := len(w.directory.asked); n < 120*4 || n > 120*9 {
		t.Errorf("asked %d times in four days", n)
	}
	w.directory.fail[""] = errors.New("down")
	w.clock.advance(23 * time.Hour)
	if _, err := f.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "corp") {
		t.Errorf("the outage is not told: %v", err)
	}
}

// TestExpired: a certificate that has expired is used where site and list allow it, and nothing better is there.
func TestExpired(t *testing.T) {
	ca := smimetest.NewCA("CA")
	old := ca.Issue("alice@corp.example", smimetest.Validity(now.Add(-48*time.Hour), now.Add(-time.Minute)))
	unfit := ca.Issue("bob@corp.example", smimetest.Validity(now.Add(-48*time.Hour), now.Add(-time.Minute)), smimetest.SignOnly)
	both := ca.Issue("carol@corp.example", smimetest.Validity(now.Add(-48*time.Hour), now.Add(-time.Minute)))
	first, second := holding("first", old, unfit, both), holding("second", ca.Issue("carol@corp.example"))
	for _, site := range []bool{false, true} {
		for _, onList := range []bool{false, true} {
			r := resolver.New([]resolver.Source{first, second}, trusting(ca), resolver.Options{AllowExpired: site})
			results := r.Resolve(t.Context(), []string{"alice@corp.example", "bob@corp.example", "carol@corp.example"}, resolver.Allowances{Expired: onList})
			if got := len(results[0].Certificates) == 1; got != (site && onList) || got && (!results[0].Certificates[0].Expired || results[0].Source != "first") {
				t.Errorf("site %t, list %t: %+v", site, onList, results[0])
			}
			if len(results[1].Certificates) != 0 {
				t.Errorf("an expired certificate for signing: %+v", results[1])
			}
			if c := results[2].Certificates; len(c) != 1 || c[0].Expired || results[2].Source != "second" {
				t.Errorf("a better one is there: %+v", results[2])
			}
			e := r.Explain(t.Context(), "alice@corp.example", false, resolver.Allowances{Expired: onList})
			if (e.Verdict == resolver.VerdictUsable) != (site && onList) {
				t.Errorf("site %t, list %t: explained as %s", site, onList, e.Verdict)
			}
		}
	}
}
