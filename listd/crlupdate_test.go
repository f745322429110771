package listd_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// crlWorld is a world with a server of CRLs, of which alice's certificate names one.
type crlWorld struct {
	*world
	alice *smimetest.Identity
	page  atomic.Pointer[http.HandlerFunc]
	asked atomic.Int64
}

func newCRLWorld(t *testing.T) *crlWorld {
	w := &crlWorld{world: newWorld(t)}
	w.must(w.sealist.Close())
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		(*w.page.Load())(rw, r)
	}))
	t.Cleanup(server.Close)
	w.config.Trust.Revocation.URLMap = []config.URLMapping{{From: "http://crl.example.org", To: server.URL}}
	w.config.Trust.Revocation.Recipients.Unknown = "refuse"
	w.manual = true
	w.open()
	w.alice = w.ca.Issue("alice@example.org", smimetest.CRLURL("http://crl.example.org/ca.crl"))
	return w
}

func (w *crlWorld) serve(page http.HandlerFunc) { w.page.Store(&page) }

func (w *crlWorld) put(octets []byte) {
	w.serve(func(rw http.ResponseWriter, _ *http.Request) { rw.Write(octets) })
}

// list is a CRL that was issued so long ago, and holds so long from then.
func (w *crlWorld) list(age, life time.Duration, revoked ...*x509.Certificate) []byte {
	at := w.now().Add(-age)
	return w.ca.CRL(at, at.Add(life), revoked...)
}

// update lets a day pass and the task run, and returns what `crl ls` says then.
func (w *crlWorld) update() admin.CRL {
	w.t.Helper()
	w.jump(aDay)
	asked, since := w.asked.Load(), w.now()
	w.run("crl_update")
	if w.asked.Load() == asked {
		w.t.Error("not asked for in a day")
	}
	return w.kept(since)
}

// kept is what `crl ls` says once an attempt since is noted.
func (w *crlWorld) kept(since time.Time) (c admin.CRL) {
	w.t.Helper()
	w.until("the attempt is noted", func() bool {
		all, err := admin.New(admin.Parts{Store: w.sealist.Store, Graces: w.sealist.Graces(), Clock: w.now}).CRLs(w.t.Context())
		w.must(err)
		if len(all) != 1 {
			return false
		}
		c = all[0]
		return !c.Attempted.Before(since.Truncate(time.Microsecond))
	})
	return c
}

// verdict judges alice's certificate.
func (w *crlWorld) verdict() trust.Verdict {
	return w.sealist.Judge.Judge(w.alice.Certificate, trust.Encryption, w.now(), nil)
}

// largeList is an authentic CRL of so many octets, about.
func (w *crlWorld) largeList(octets int) []byte {
	const each = 20_000
	l := &x509.RevocationList{Number: big.NewInt(w.now().Unix()), ThisUpdate: w.now().Add(-time.Minute), NextUpdate: w.now().AddDate(0, 0, 30)}
	for i := range octets / each {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: big.NewInt(int64(i + 1)), RevocationTime: w.now(),
			ExtraExtensions: []pkix.Extension{{Id: []int{1, 3, 6, 1, 4, 1, 32473, 1}, Value: make([]byte, each)}}})
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, w.ca.Certificate, w.ca.Key)
	w.must(err)
	return der
}

// TestCRLUpdate: whatever a server of CRLs does, the last good list stays and counts, `crl ls` says why there is no newer
// one, and the next good one is taken.
func TestCRLUpdate(t *testing.T) {
	w := newCRLWorld(t)
	last := w.list(time.Hour, 90*aDay)
	w.put(last)
	if v := w.verdict(); !v.OK() {
		t.Fatalf("%+v", v)
	}
	first := w.kept(time.Time{})
	forger := smimetest.NewCA(w.ca.Name)
	for _, c := range []struct {
		name, want string
		page       func() http.HandlerFunc
	}{
		{"outage", "503", func() http.HandlerFunc { return func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(503) } }},
		{"connection dropped", "EOF", func() http.HandlerFunc {
			return func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		}},
		{"truncated", "CRL", func() http.HandlerFunc {
			der := w.list(0, 90*aDay)
			return func(rw http.ResponseWriter, _ *http.Request) { rw.Write(der[:len(der)/2]) }
		}},
		{"cut off", "ends too early", func() http.HandlerFunc {
			der := w.list(0, 90*aDay)
			return func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Content-Length", fmt.Sprint(len(der)))
				rw.Write(der[:len(der)/2])
			}
		}},
		{"wrong signature", "did not sign it", func() http.HandlerFunc {
			der := forger.CRL(w.now(), w.now().Add(90*aDay), w.alice.Certificate)
			return func(rw http.ResponseWriter, _ *http.Request) { rw.Write(der) }
		}},
		{"expired", "older", func() http.HandlerFunc {
			der := w.list(60*aDay, aDay)
			return func(rw http.ResponseWriter, _ *http.Request) { rw.Write(der) }
		}},
		{"rolled back", "older", func() http.HandlerFunc {
			at := first.ThisUpdate.Add(-time.Hour)
			der := w.ca.CRL(at, at.Add(200*aDay))
			return func(rw http.ResponseWriter, _ *http.Request) { rw.Write(der) }
		}},
		{"larger than 64 MiB", "more than 67108864 octets", func() http.HandlerFunc {
			return func(rw http.ResponseWriter, _ *http.Request) { rw.Write(make([]byte, 65<<20)) }
		}},
		{"larger, and says so", "octets, the most is", func() http.HandlerFunc {
			return func(rw http.ResponseWriter, _ *http.Request) { rw.Header().Set("Content-Length", "1000000000000") }
		}},
	} {
		w.serve(c.page())
		crl := w.update()
		if crl.State != admin.CRLFailing || !strings.Contains(crl.Error, c.want) || !crl.ThisUpdate.Equal(first.ThisUpdate) || crl.Number != first.Number {
			t.Errorf("%s: %s %q, list %s of %s", c.name, crl.State, crl.Error, crl.Number, crl.ThisUpdate)
		}
		if v := w.verdict(); !v.OK() || v.Revocation != trust.RevocationGood {
			t.Errorf("%s: %+v", c.name, v)
		}
	}
	w.put(w.list(time.Minute, 90*aDay))
	if crl := w.update(); crl.State != admin.CRLGood || crl.Error != "" || !crl.ThisUpdate.After(first.ThisUpdate) {
		t.Errorf("then a good one: %+v", crl)
	}
}

// TestCRLOfFiftyMegabytes is taken: some CAs have such. The server's certificates are judged from it at once.
func TestCRLOfFiftyMegabytes(t *testing.T) {
	w := newCRLWorld(t)
	w.put(w.list(time.Hour, 90*aDay))
	if v := w.verdict(); !v.OK() {
		t.Fatalf("%+v", v)
	}
	w.jump(time.Minute)
	large := w.largeList(50_000_000)
	w.put(large)
	begin := time.Now()
	crl := w.update()
	if crl.State != admin.CRLGood || crl.Entries != 2500 {
		t.Errorf("%+v", crl)
	}
	if v := w.verdict(); !v.OK() || v.Revocation != trust.RevocationGood {
		t.Errorf("%+v", v)
	}
	t.Logf("%d octets fetched, verified, kept in %v", len(large), time.Since(begin))
}

// TestCRLExpiredAndNewer: a list that is newer than the one that is kept takes its place though it is out of date: what it
// says is revoked is revoked. For the rest the grace of trust.revocation runs.
func TestCRLExpiredAndNewer(t *testing.T) {
	w := newCRLWorld(t)
	w.put(w.list(time.Hour, 90*aDay))
	w.verdict()
	w.kept(time.Time{})
	w.put(w.list(-time.Hour, 2*time.Hour, w.alice.Certificate))
	if crl := w.update(); crl.State != admin.CRLStale {
		t.Errorf("%+v", crl)
	}
	if v := w.verdict(); v.Reason != trust.Revoked {
		t.Errorf("%+v", v)
	}
}

// TestCRLBeforeNextUpdate: every list is asked for well before it ends, whether a day or three hours; and so is one that
// never came.
func TestCRLBeforeNextUpdate(t *testing.T) {
	w := newCRLWorld(t)
	for _, life := range []time.Duration{3 * time.Hour, 2 * aDay} {
		w.put(w.list(time.Minute, life))
		w.sealist.Revocation.Fetch(t.Context(), "")
		w.verdict()
		for range 24 {
			w.put(w.list(0, life))
			w.jump(life / 12)
			w.run("crl_update")
			if v := w.verdict(); !v.OK() || v.Revocation != trust.RevocationGood {
				t.Fatalf("a list for %v: %+v", life, v)
			}
		}
	}
	w = newCRLWorld(t)
	w.serve(http.NotFound)
	if v := w.verdict(); v.OK() {
		t.Fatalf("%+v", v)
	}
	if crl := w.kept(time.Time{}); crl.State != admin.CRLMissing {
		t.Errorf("%+v", crl)
	}
	w.put(w.list(-time.Hour, 90*aDay))
	if crl := w.update(); crl.State != admin.CRLGood {
		t.Errorf("it is there now, and nobody asks: %+v", crl)
	}
}
