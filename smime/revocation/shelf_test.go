package revocation_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/smime/revocation"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// shelf is a Shelf in memory.
type shelf struct {
	mu   sync.Mutex
	rows map[[2]string]revocation.Kept
	fail error
}

func newShelf() *shelf { return &shelf{rows: map[[2]string]revocation.Kept{}} }

func (s *shelf) KeepCRL(_ context.Context, k revocation.Kept) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := [2]string{k.Issuer, k.URL}
	old := s.rows[key]
	if k.Octets == nil || old.ThisUpdate.After(k.ThisUpdate) {
		k.Octets, k.ThisUpdate, k.NextUpdate, k.Number = old.Octets, old.ThisUpdate, old.NextUpdate, old.Number
	}
	if k.Fetched.IsZero() {
		k.Fetched = old.Fetched
	}
	s.rows[key] = k
	return s.fail
}

func (s *shelf) KeptCRLs(context.Context) (all []revocation.Kept, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.rows {
		k.Octets = nil
		all = append(all, k)
	}
	return all, s.fail
}

func (s *shelf) CRLOctets(_ context.Context, issuer, url string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.rows[[2]string{issuer, url}].Octets), s.fail
}

// change puts other octets where a list is kept.
func (s *shelf) change(octets func([]byte) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, k := range s.rows {
		k.Octets = octets(k.Octets)
		s.rows[key] = k
	}
}

// shelvedWorld is a world whose lists outlive a restart.
func shelvedWorld(t *testing.T, p revocation.Policies) (*world, *shelf) {
	s := newShelf()
	return newWorld(t, p, func(o *revocation.Options) { o.Shelf = s }), s
}

// restart is another process on the same shelf.
func (w *world) restart(s *shelf, p revocation.Policies) {
	w.t.Helper()
	w.checker.Close()
	var err error
	if w.checker, err = revocation.New(revocation.Options{URLMap: []revocation.Mapping{{From: site, To: w.URL}}, Clock: w.clock.now, Shelf: s}); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { w.checker.Close() })
	if err := w.checker.Restore(w.t.Context(), w.paths); err != nil {
		w.t.Error(err)
	}
	w.judge = w.checker.Judge(w.paths, p)
}

// TestRestart: what counted before a restart counts after it, without the net, and no more than before.
func TestRestart(t *testing.T) {
	w, s := shelvedWorld(t, strict)
	bob := w.ca.Issue("bob@corp.example", smimetest.CRLURL(site+"/ca.crl")).Certificate
	w.publish(hour, 24*hour, bob)
	w.ask("first", w.alice.Certificate, "", trust.RevocationGood)
	w.serve("/ca.crl", http.NotFound)
	w.restart(s, strict)
	w.ask("good", w.alice.Certificate, "", trust.RevocationGood)
	w.ask("revoked", bob, trust.Revoked, trust.RevocationRevoked)
	w.clock.advance(24 * hour)
	w.restart(s, strict)
	w.ask("out of date", w.alice.Certificate, trust.RevocationUnknown, trust.RevocationStale)
	w.ask("revoked all the same", bob, trust.Revoked, trust.RevocationRevoked)
}

// TestShelfIsNotBelieved: who can write to the database gets no list believed that the CA did not sign, and nobody gets
// an older one in the place of a newer.
func TestShelfIsNotBelieved(t *testing.T) {
	stranger := smimetest.NewCA("Corp CA")
	for name, change := range map[string]func(w *world, old, der []byte) []byte{
		"garbage":           func(*world, []byte, []byte) []byte { return []byte("garbage") },
		"nothing":           func(*world, []byte, []byte) []byte { return nil },
		"one octet changed": func(_ *world, _, der []byte) []byte { der[len(der)-1] ^= 1; return der },
		"of a stranger":     func(w *world, _, _ []byte) []byte { return stranger.CRL(w.clock.now(), time.Time{}) },
	} {
		t.Run(name, func(t *testing.T) {
			w, s := shelvedWorld(t, strict)
			w.publish(hour, 24*hour, w.alice.Certificate)
			w.ask("first", w.alice.Certificate, trust.Revoked, trust.RevocationRevoked)
			w.checker.Close()
			s.change(func(der []byte) []byte { return change(w, nil, der) })
			w.restart(s, strict)
			w.ask("from the net", w.alice.Certificate, trust.Revoked, trust.RevocationRevoked)
			w.serve("/ca.crl", http.NotFound)
			w.checker.Close()
			s.change(func(der []byte) []byte { return change(w, nil, der) })
			w.restart(s, strict)
			w.ask("without the net", w.alice.Certificate, trust.RevocationUnknown, trust.RevocationNoAnswer)
		})
	}
	w, s := shelvedWorld(t, strict)
	old := w.publish(2*hour, 48*hour)
	w.publish(hour, 48*hour, w.alice.Certificate)
	w.ask("revoked", w.alice.Certificate, trust.Revoked, trust.RevocationRevoked)
	w.checker.Settle()
	s.change(func([]byte) []byte { return old })
	if err := w.checker.Restore(t.Context(), w.paths); err != nil {
		t.Error(err)
	}
	w.ask("rolled back on the shelf", w.alice.Certificate, trust.Revoked, trust.RevocationRevoked)
}

// TestAnotherProcess: what one process fetches the other takes up.
func TestAnotherProcess(t *testing.T) {
	w, s := shelvedWorld(t, strict)
	w.publish(hour, 24*hour)
	w.ask("first", w.alice.Certificate, "", trust.RevocationGood)
	server, judge := w.checker, w.judge
	server.Settle()
	w.publish(0, 24*hour, w.alice.Certificate)
	other, err := revocation.New(revocation.Options{URLMap: []revocation.Mapping{{From: site, To: w.URL}}, Clock: w.clock.now, Shelf: s})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Restore(t.Context(), w.paths); err != nil {
		t.Fatal(err)
	}
	if n, err := other.Fetch(t.Context(), site+"/ca.crl"); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	other.Close()
	before := server.Changes()
	if err := server.Restore(t.Context(), w.paths); err != nil {
		t.Fatal(err)
	}
	w.judge = judge
	w.ask("after the other has fetched", w.alice.Certificate, trust.Revoked, trust.RevocationRevoked)
	if server.Changes() == before {
		t.Error("what was remembered before still counts")
	}
}

// TestRefreshBeforeTheEnd: a list is fetched again before it goes out of date, with nobody asking; the last good one
// stays while that fails.
func TestRefreshBeforeTheEnd(t *testing.T) {
	w, s := shelvedWorld(t, strict)
	w.publish(0, 3*hour)
	w.ask("first", w.alice.Certificate, "", trust.RevocationGood)
	w.restart(s, strict)
	for i := range 20 {
		w.clock.advance(30 * time.Minute)
		if i%2 == 0 {
			w.serve("/ca.crl", http.NotFound)
		} else {
			w.publish(0, 3*hour)
		}
		if _, err := w.checker.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.ask("as time goes by", w.alice.Certificate, "", trust.RevocationGood)
	}
	if n := w.count("/ca.crl"); n < 8 || n > 22 {
		t.Errorf("fetched %d times in ten hours", n)
	}
	n := w.count("/ca.crl")
	w.clock.advance(30 * 24 * hour)
	if summary, err := w.checker.Refresh(t.Context()); summary != "" || err != nil || w.count("/ca.crl") != n {
		t.Errorf("what nobody used for a month is fetched: %s, %v", summary, err)
	}
}

// TestGraceOverRestarts: a grace begins when an answer is first missed, however often the server is started anew.
func TestGraceOverRestarts(t *testing.T) {
	grace := revocation.Policies{Recipients: revocation.Policy{Unknown: revocation.Grace, Grace: 24 * hour}}
	w, s := shelvedWorld(t, grace)
	v := w.ask("nobody answers", w.alice.Certificate, "", trust.RevocationNoAnswer)
	if want := w.clock.now().Add(24 * hour); v.GraceUntil.Sub(want).Abs() > time.Second {
		t.Errorf("the grace ends %v, want %v", v.GraceUntil, want)
	}
	for range 5 {
		w.clock.advance(4 * hour)
		w.restart(s, grace)
		w.ask("within the grace", w.alice.Certificate, "", trust.RevocationNoAnswer)
	}
	w.clock.advance(5 * hour)
	w.restart(s, grace)
	w.ask("after it", w.alice.Certificate, trust.RevocationUnknown, trust.RevocationNoAnswer)
	w.checker.Close()
	kept, _ := s.KeptCRLs(t.Context())
	for _, k := range kept {
		if k.Error == "" || !strings.Contains(k.Error, "404") || k.IssuerName == "" {
			t.Errorf("%+v", k)
		}
	}
}

// TestBrokenShelf: without it everything works as long as the process lives.
func TestBrokenShelf(t *testing.T) {
	w, s := shelvedWorld(t, strict)
	s.fail = errors.New("no disk")
	w.publish(hour, 24*hour)
	w.ask("first", w.alice.Certificate, "", trust.RevocationGood)
	if err := w.checker.Restore(t.Context(), w.paths); err == nil {
		t.Error("nobody is told")
	}
	w.ask("then", w.alice.Certificate, "", trust.RevocationGood)
}

// BenchmarkRestore takes up one list with 100,000 entries after a start.
func BenchmarkRestore(b *testing.B) {
	ca := smimetest.NewCA("Corp CA")
	s, now := newShelf(), time.Now()
	list := longList(b, ca, 100_000)
	paths := trust.NewPolicy(trust.PolicyOptions{Anchors: []*x509.Certificate{ca.Certificate}})
	w := newWeb(b)
	w.put("/ca.crl", list)
	o := revocation.Options{URLMap: []revocation.Mapping{{From: site, To: w.URL}}, Clock: func() time.Time { return now }, Shelf: s}
	first, _ := revocation.New(o)
	first.Judge(paths, strict).Judge(ca.Issue("a@corp.example", smimetest.CRLURL(site+"/ca.crl")).Certificate, trust.Encryption, now, nil)
	first.Close()
	b.SetBytes(int64(len(list)))
	for b.Loop() {
		c, _ := revocation.New(o)
		if err := c.Restore(b.Context(), paths); err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}
