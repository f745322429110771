package revocation_test

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/smime/revocation"
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

// web is a server whose pages tests change. Certificates name it http://crl.corp.example, which is mapped to it.
type web struct {
	*httptest.Server
	mu    sync.Mutex
	pages map[string]http.HandlerFunc
	asked map[string]int
}

const site = "http://crl.corp.example"

func newWeb(t testing.TB) *web {
	w := &web{pages: map[string]http.HandlerFunc{}, asked: map[string]int{}}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.asked[r.URL.Path]++
		page := w.pages[r.URL.Path]
		w.mu.Unlock()
		if page == nil {
			http.NotFound(rw, r)
			return
		}
		page(rw, r)
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *web) put(path string, octets []byte) {
	w.serve(path, func(rw http.ResponseWriter, _ *http.Request) { rw.Write(octets) })
}

func (w *web) serve(path string, page http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pages[path] = page
}

func (w *web) count(path string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[path]
}

// world is a CA, a server for its lists, and a Judge.
type world struct {
	*web
	t       testing.TB
	clock   *clock
	ca      *smimetest.CA
	alice   *smimetest.Identity // names site + "/ca.crl"
	checker *revocation.Checker
	paths   *trust.Policy
	judge   *revocation.Judge
}

var strict = revocation.Policies{Signers: revocation.Policy{Unknown: revocation.Refuse}, Recipients: revocation.Policy{Unknown: revocation.Refuse}}

func newWorld(t testing.TB, p revocation.Policies, change func(*revocation.Options)) *world {
	w := &world{web: newWeb(t), t: t, clock: &clock{at: time.Now()}, ca: smimetest.NewCA("Corp CA")}
	w.alice = w.ca.Issue("alice@corp.example", smimetest.CRLURL(site+"/ca.crl"))
	o := revocation.Options{URLMap: []revocation.Mapping{{From: site, To: w.URL}}, Clock: w.clock.now}
	if change != nil {
		change(&o)
	}
	var err error
	if w.checker, err = revocation.New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.checker.Close() })
	w.paths = trust.NewPolicy(trust.PolicyOptions{Anchors: []*x509.Certificate{w.ca.Certificate}})
	w.judge = w.checker.Judge(w.paths, p)
	return w
}

func (w *world) publish(age, life time.Duration, revoked ...*x509.Certificate) []byte {
	at := w.clock.now().Add(-age)
	der := w.ca.CRL(at, at.Add(life), revoked...)
	w.put("/ca.crl", der)
	return der
}

func (w *world) ask(what string, cert *x509.Certificate, reason trust.Reason, state trust.RevocationState) trust.Verdict {
	w.t.Helper()
	v := w.judge.Judge(cert, trust.Encryption, w.clock.now(), nil)
	if v.Reason != reason || v.Revocation != state {
		w.t.Errorf("%s: %q, %s (%s), want %q, %s", what, v.Reason, v.Revocation, v.Detail, reason, state)
	}
	if (v.Reason == "") != v.OK() || v.Reason != "" && v.Detail == "" {
		w.t.Errorf("%s: %+v", what, v)
	}
	return v
}
