package revocation_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/smime/revocation"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

const hour = time.Hour

func TestGoodAndRevoked(t *testing.T) {
	w := newWorld(t, strict, nil)
	bob := w.ca.Issue("bob@corp.example", smimetest.CRLURL(site+"/ca.crl"))
	w.publish(hour, 24*hour, bob.Certificate)
	v := w.ask("not on the list", w.alice.Certificate, "", trust.RevocationGood)
	if until := w.clock.now().Add(24 * hour); v.Until.After(until) {
		t.Errorf("good until %v, the list ends before %v", v.Until, until)
	}
	w.ask("on the list", bob.Certificate, trust.Revoked, trust.RevocationRevoked)
	if n := w.count("/ca.crl"); n != 1 {
		t.Errorf("fetched %d times", n)
	}
}

// TestRevokedLater: a verdict does not outlive the list it was reached with.
func TestRevokedLater(t *testing.T) {
	w := newWorld(t, strict, nil)
	w.publish(hour, 24*hour)
	w.ask("first", w.alice.Certificate, "", trust.RevocationGood)
	w.clock.advance(2 * hour)
	w.publish(0, 24*hour, w.alice.Certificate)
	w.ask("what is in date is not waited for", w.alice.Certificate, "", trust.RevocationGood)
	w.settle("/ca.crl", 2)
	w.ask("after the refresh", w.alice.Certificate, trust.Revoked, trust.RevocationRevoked)
}

// settle waits until a page was fetched n times and what came was taken up.
func (w *world) settle(path string, n int) {
	w.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for w.count(path) < n || w.checker.Busy() {
		if time.Now().After(deadline) {
			w.t.Fatalf("%s was asked for %d times, want %d", path, w.count(path), n)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestBadLists: whatever comes that is no authentic list in date leaves the state unknown, and the last good list in its
// place.
func TestBadLists(t *testing.T) {
	other := smimetest.NewCA("Corp CA")
	for name, page := range map[string]func(w *world) http.HandlerFunc{
		"not found": func(*world) http.HandlerFunc { return http.NotFound },
		"an error": func(*world) http.HandlerFunc {
			return func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(503) }
		},
		"empty": func(*world) http.HandlerFunc { return func(http.ResponseWriter, *http.Request) {} },
		"garbage": func(*world) http.HandlerFunc {
			return func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte("<html>please log in</html>")) }
		},
		"truncated": func(w *world) http.HandlerFunc {
			der := w.ca.CRL(w.clock.now(), time.Time{})
			return func(rw http.ResponseWriter, _ *http.Request) { rw.Write(der[:len(der)-20]) }
		},
		"cut off": func(w *world) http.HandlerFunc {
			der := w.ca.CRL(w.clock.now(), time.Time{})
			return func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Content-Length", fmt.Sprint(len(der)))
				rw.Write(der[:100])
				panic(http.ErrAbortHandler)
			}
		},
		"of another CA with the name": func(w *world) http.HandlerFunc {
			der := other.CRL(w.clock.now(), time.Time{})
			return func(rw http.ResponseWriter, _ *http.Request) { rw.Write(der) }
		},
		"of a time to come": func(w *world) http.HandlerFunc {
			der := w.ca.CRL(w.clock.now().Add(48*hour), time.Time{})
			return func(rw http.ResponseWriter, _ *http.Request) { rw.Write(der) }
		},
		"too long": func(w *world) http.HandlerFunc {
			return func(rw http.ResponseWriter, _ *http.Request) { rw.Write(make([]byte, 2<<20)) }
		},
		"redirected elsewhere": func(w *world) http.HandlerFunc {
			return func(rw http.ResponseWriter, r *http.Request) {
				http.Redirect(rw, r, strings.Replace(w.URL, "127.0.0.1", "localhost", 1)+"/good", http.StatusFound)
			}
		},
		"redirected in a circle": func(*world) http.HandlerFunc {
			return func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, "/ca.crl", http.StatusFound) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, strict, func(o *revocation.Options) { o.MaxOctets = 1 << 20 })
			w.put("/good", w.ca.CRL(w.clock.now(), time.Time{}))
			w.serve("/ca.crl", page(w))
			w.ask("first", w.alice.Certificate, trust.RevocationUnknown, trust.RevocationNoAnswer)
			w.clock.advance(2 * hour)
			w.publish(0, 24*hour)
			w.ask("then a good one", w.alice.Certificate, "", trust.RevocationGood)
			w.serve("/ca.crl", page(w))
			n := w.count("/ca.crl")
			w.clock.advance(2 * hour)
			w.ask("then a bad one again", w.alice.Certificate, "", trust.RevocationGood)
			w.settle("/ca.crl", n+1)
			w.ask("which does not displace it", w.alice.Certificate, "", trust.RevocationGood)
			w.clock.advance(24 * hour)
			if name != "of a time to come" {
				w.ask("until it is out of date", w.alice.Certificate, trust.RevocationUnknown, trust.RevocationStale)
			}
		})
	}
}

func TestRedirectOnOneServer(t *testing.T) {
	w := newWorld(t, strict, nil)
	w.put("/there", w.ca.CRL(w.clock.now(), time.Time{}))
	w.serve("/ca.crl", func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, "/there", http.StatusFound) })
	w.ask("redirected", w.alice.Certificate, "", trust.RevocationGood)
}

// TestRolledBack: who answers for the server cannot bring back a list from before a revocation.
func TestRolledBack(t *testing.T) {
	w := newWorld(t, strict, nil)
	old := w.publish(hour, 48*hour)
	w.publish(0, 48*hour, w.alice.Certificate)
	w.ask("revoked", w.alice.Certificate, trust.Revoked, trust.RevocationRevoked)
	w.put("/ca.crl", old)
	for i := range 3 {
		w.clock.advance(2 * hour)
		w.ask("rolled back", w.alice.Certificate, trust.Revoked, trust.RevocationRevoked)
		w.settle("/ca.crl", 2+i)
	}
}

// TestOneIssuersList: the place of one issuer's list is not another's, whatever its certificates name.
func TestOneIssuersList(t *testing.T) {
	w := newWorld(t, strict, nil)
	sub := w.ca.Sub("Sub", smimetest.CRLURL(site+"/ca.crl"))
	w.publish(hour, 24*hour)
	borrowed := sub.Issue("bob@corp.example", smimetest.CRLURL(site+"/ca.crl"))
	v := w.judge.Judge(borrowed.Certificate, trust.Encryption, w.clock.now(), borrowed.Chain)
	if v.Reason != trust.RevocationUnknown {
		t.Errorf("%q (%s)", v.Reason, v.Detail)
	}
	w.ask("the other's", w.alice.Certificate, "", trust.RevocationGood)
}

// TestIntermediates: a revoked CA takes with it what it issued.
func TestIntermediates(t *testing.T) {
	w := newWorld(t, strict, nil)
	sub := w.ca.Sub("Sub", smimetest.CRLURL(site+"/ca.crl"))
	leaf := sub.Issue("bob@corp.example", smimetest.CRLURL(site+"/sub.crl"))
	w.put("/sub.crl", sub.CRL(w.clock.now(), time.Time{}))
	w.publish(hour, 24*hour)
	if v := w.judge.Judge(leaf.Certificate, trust.Encryption, w.clock.now(), leaf.Chain); v.Reason != "" || v.Revocation != trust.RevocationGood {
		t.Errorf("%q (%s)", v.Reason, v.Detail)
	}
	w.publish(0, 24*hour, sub.Certificate)
	w.clock.advance(26 * hour)
	w.put("/sub.crl", sub.CRL(w.clock.now(), time.Time{}))
	if v := w.judge.Judge(leaf.Certificate, trust.Encryption, w.clock.now(), leaf.Chain); v.Reason != trust.Revoked {
		t.Errorf("below a revoked CA: %q (%s)", v.Reason, v.Detail)
	}
}

// TestNobodyIsAskedForStrangers: only a path that ends in an anchor makes us ask.
func TestNobodyIsAskedForStrangers(t *testing.T) {
	w := newWorld(t, strict, nil)
	stranger := smimetest.NewCA("Corp CA").Issue("alice@corp.example", smimetest.CRLURL(site+"/stranger.crl"), smimetest.OCSPURL(site+"/ocsp"))
	if v := w.judge.Judge(stranger.Certificate, trust.Signing, w.clock.now(), stranger.Chain); v.Reason != trust.UnknownCA || v.Revocation != "" {
		t.Errorf("%+v", v)
	}
	w.ask("one of ours", w.alice.Certificate, trust.RevocationUnknown, trust.RevocationNoAnswer)
	if n := w.count("/stranger.crl") + w.count("/ocsp"); n != 0 {
		t.Errorf("a stranger's servers were asked %d times", n)
	}
}

// TestPolicies is the table of what follows from not knowing.
func TestPolicies(t *testing.T) {
	grace := revocation.Policy{Unknown: revocation.Grace, Grace: 24 * hour}
	for _, test := range []struct {
		name      string
		policy    revocation.Policy
		published bool // a list that was good for an hour
		after     time.Duration
		want      trust.Reason
	}{
		{"refuse", revocation.Policy{Unknown: revocation.Refuse, Grace: 24 * hour}, false, 0, trust.RevocationUnknown},
		{"allow", revocation.Policy{Unknown: revocation.Allow}, false, 1000 * hour, ""},
		{"the zero value", revocation.Policy{}, false, 0, trust.RevocationUnknown},
		{"grace from the first attempt", grace, false, 0, ""},
		{"grace from the first attempt, nearly over", grace, false, 23 * hour, ""},
		{"grace from the first attempt, over", grace, false, 25 * hour, trust.RevocationUnknown},
		{"in date", grace, true, 0, ""},
		{"grace from nextUpdate, nearly over", grace, true, 24*hour + 50*time.Minute, ""},
		{"grace from nextUpdate, over", grace, true, 26 * hour, trust.RevocationUnknown},
		{"refuse what is stale", revocation.Policy{Unknown: revocation.Refuse}, true, 2 * hour, trust.RevocationUnknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, revocation.Policies{Recipients: test.policy}, nil)
			if test.published {
				w.publish(0, hour)
			}
			w.judge.Judge(w.alice.Certificate, trust.Encryption, w.clock.now(), nil)
			w.serve("/ca.crl", http.NotFound)
			w.clock.advance(test.after)
			if v := w.judge.Judge(w.alice.Certificate, trust.Encryption, w.clock.now(), nil); v.Reason != test.want {
				t.Errorf("%q (%s), want %q", v.Reason, v.Detail, test.want)
			}
			if v := w.judge.Judge(w.alice.Certificate, trust.Signing, w.clock.now(), nil); (v.Reason == "") != (v.Revocation == trust.RevocationGood) {
				t.Errorf("the recipients' policy counts for signers: %+v", v)
			}
		})
	}
	plain := func(p revocation.Policy) trust.Verdict {
		w := newWorld(t, revocation.Policies{Recipients: p}, nil)
		return w.judge.Judge(w.ca.Issue("bob@corp.example").Certificate, trust.Encryption, w.clock.now(), nil)
	}
	if v := plain(revocation.Policy{NoMechanism: revocation.Allow}); v.Reason != "" || v.Revocation != trust.RevocationNoMechanism {
		t.Errorf("no mechanism, allowed: %+v", v)
	}
	if v := plain(revocation.Policy{Unknown: revocation.Allow}); v.Reason != trust.RevocationUnknown {
		t.Errorf("no mechanism, refused: %+v", v)
	}
}

// TestPrompt: a Judge that does not wait says when to ask again.
func TestPrompt(t *testing.T) {
	w := newWorld(t, strict, nil)
	release := make(chan struct{})
	der := w.ca.CRL(w.clock.now(), time.Time{})
	w.serve("/ca.crl", func(rw http.ResponseWriter, _ *http.Request) { <-release; rw.Write(der) })
	prompt := w.judge.Prompt()
	v := prompt.Judge(w.alice.Certificate, trust.Encryption, w.clock.now(), nil)
	if v.OK() || v.Pending == nil {
		t.Fatalf("%+v", v)
	}
	close(release)
	<-v.Pending
	if v = prompt.Judge(w.alice.Certificate, trust.Encryption, w.clock.now(), nil); !v.OK() || v.Pending != nil {
		t.Errorf("%+v", v)
	}
}

// TestTimeout: a server that says nothing costs one timeout, once.
func TestTimeout(t *testing.T) {
	w := newWorld(t, strict, func(o *revocation.Options) { o.Timeout = 200 * time.Millisecond })
	w.serve("/ca.crl", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	begin := time.Now()
	for range 20 {
		w.ask("hanging", w.alice.Certificate, trust.RevocationUnknown, trust.RevocationNoAnswer)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("20 questions took %v", took)
	}
	if n := w.count("/ca.crl"); n != 1 {
		t.Errorf("asked %d times", n)
	}
	bob := w.ca.Issue("bob@corp.example", smimetest.CRLURL(site+"/other.crl"))
	w.put("/other.crl", w.ca.CRL(w.clock.now(), time.Time{}))
	w.ask("another place is not harmed", bob.Certificate, "", trust.RevocationGood)
}

// TestSecondPlace: a certificate may name several; the next is asked when one has failed.
func TestSecondPlace(t *testing.T) {
	w := newWorld(t, strict, nil)
	bob := w.ca.Issue("bob@corp.example", smimetest.CRLURL("gopher://old.corp.example/", site+"/missing.crl", site+"/ca.crl"))
	w.publish(0, hour, bob.Certificate)
	w.ask("at the third place", bob.Certificate, trust.Revoked, trust.RevocationRevoked)
}

// TestPEM: some CAs publish PEM.
func TestPEM(t *testing.T) {
	w := newWorld(t, strict, nil)
	w.put("/ca.crl", pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: w.ca.CRL(w.clock.now(), time.Time{})}))
	w.ask("PEM", w.alice.Certificate, "", trust.RevocationGood)
}

// TestForbiddenPlaces: without a mapping no certificate leads us to this machine.
func TestForbiddenPlaces(t *testing.T) {
	w := newWorld(t, strict, nil)
	der := w.ca.CRL(w.clock.now(), time.Time{})
	w.put("/ca.crl", der)
	port := w.URL[strings.LastIndex(w.URL, ":"):]
	for _, host := range []string{"http://127.0.0.1", "http://localhost", "http://[::ffff:127.0.0.1]", "http://0.0.0.0", "http://2130706433", "http://user:pass@crl.corp.example"} {
		cert := w.ca.Issue("bob@corp.example", smimetest.CRLURL(host+port+"/ca.crl"))
		w.ask(host, cert.Certificate, trust.RevocationUnknown, trust.RevocationNoAnswer)
	}
	if n := w.count("/ca.crl"); n != 0 {
		t.Errorf("asked %d times", n)
	}
	// An address that looks like the mapped one is not mapped.
	cert := w.ca.Issue("bob@corp.example", smimetest.CRLURL(site+".127.0.0.1.invalid/ca.crl"))
	w.ask("a longer name", cert.Certificate, trust.RevocationUnknown, trust.RevocationNoAnswer)
}

// longList has entries with serial numbers from 1<<62 on.
func longList(t testing.TB, ca *smimetest.CA, entries int) []byte {
	now := time.Now()
	list := &x509.RevocationList{Number: big.NewInt(7), ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(hour)}
	for i := range entries {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: new(big.Int).Add(big.NewInt(1<<62), big.NewInt(int64(i))), RevocationTime: now, ReasonCode: 1})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, ca.Certificate, ca.Key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestLongList: 100,000 entries, read once.
func TestLongList(t *testing.T) {
	w := newWorld(t, strict, nil)
	gone := w.ca.Issue("bob@corp.example", smimetest.CRLURL(site+"/ca.crl"), smimetest.Serial(1<<62+99_999))
	der := longList(t, w.ca, 100_000)
	w.put("/ca.crl", der)
	begin := time.Now()
	w.ask("the last entry", gone.Certificate, trust.Revoked, trust.RevocationRevoked)
	first := time.Since(begin)
	begin = time.Now()
	for range 1000 {
		w.ask("not on it", w.alice.Certificate, "", trust.RevocationGood)
	}
	t.Logf("%d octets: %v to fetch, read and verify, %v each further question", len(der), first, time.Since(begin)/1000)
}

// TestPlaceWithoutURL: a certificate that names a CRL in a way that cannot be asked is not one that names none.
func TestPlaceWithoutURL(t *testing.T) {
	w := newWorld(t, strict, nil)
	lenient := revocation.Policies{Recipients: revocation.Policy{Unknown: revocation.Grace, Grace: hour, NoMechanism: revocation.Allow}}
	point := func(octets ...byte) *x509.Certificate {
		return w.ca.Issue("bob@corp.example", smimetest.Extension([]int{2, 5, 29, 31}, false, octets)).Certificate
	}
	for name, cert := range map[string]*x509.Certificate{
		"an odd URL":      w.ca.Issue("bob@corp.example", smimetest.CRLURL("ht!tp://::/ x")).Certificate,
		"an unknown kind": w.ca.Issue("bob@corp.example", smimetest.CRLURL("file:///etc/passwd")).Certificate,
		"no name at all":  point(0x30, 0x02, 0x30, 0x00),
		"an e-mail name":  point(0x30, 0x0b, 0x30, 0x09, 0xa0, 0x07, 0xa0, 0x05, 0x81, 0x03, 'a', '@', 'b'),
	} {
		w.checker, _ = revocation.New(revocation.Options{Clock: w.clock.now})
		w.judge = w.checker.Judge(w.paths, lenient)
		w.ask(name, cert, "", trust.RevocationNoAnswer)
		w.clock.advance(2 * hour)
		w.ask(name+", after the grace period", cert, trust.RevocationUnknown, trust.RevocationNoAnswer)
	}
}
