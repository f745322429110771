package revocation_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net/http"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/sealist/sealist/smime/revocation"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// TestNothingCrosses: what one question found out decides no other one: not for another use, with another policy, below
// other anchors, or after a new list.
func TestNothingCrosses(t *testing.T) {
	w := newWorld(t, revocation.Policies{Signers: revocation.Policy{Unknown: revocation.Refuse}, Recipients: revocation.Policy{Unknown: revocation.Allow}}, nil)
	at := w.clock.now
	judge := func(j *revocation.Judge, use trust.Use) trust.Reason {
		return j.Judge(w.alice.Certificate, use, at(), nil).Reason
	}
	for range 2 {
		if r := judge(w.judge, trust.Encryption); r != "" {
			t.Errorf("a recipient whose state is unknown and allowed: %q", r)
		}
		if r := judge(w.judge, trust.Signing); r != trust.RevocationUnknown {
			t.Errorf("a signer whose state is unknown and refused: %q", r)
		}
		if r := judge(w.checker.Judge(w.paths, strict), trust.Encryption); r != trust.RevocationUnknown {
			t.Errorf("with another policy: %q", r)
		}
	}
	w.clock.advance(hour)
	w.publish(0, 24*hour)
	if r := judge(w.judge, trust.Signing); r != "" {
		t.Errorf("with a list: %q", r)
	}
	stranger := trust.NewPolicy(trust.PolicyOptions{Anchors: []*x509.Certificate{smimetest.NewCA("Corp CA").Certificate}})
	if r := judge(w.checker.Judge(stranger, strict), trust.Signing); r != trust.UnknownCA {
		t.Errorf("below another anchor: %q", r)
	}
	w.clock.advance(2 * hour)
	w.publish(0, 24*hour, w.alice.Certificate)
	judge(w.judge, trust.Signing)
	w.settle("/ca.crl", 3)
	for _, use := range []trust.Use{trust.Signing, trust.Encryption} {
		if r := judge(w.judge, use); r != trust.Revoked {
			t.Errorf("%v after a new list: %q", use, r)
		}
	}
}

// TestBareLeafFirst: a list signed with another key of the CA, whose certificate comes beside some messages only. One
// that comes without it must not spoil the next.
func TestBareLeafFirst(t *testing.T) {
	w := newWorld(t, strict, nil)
	sub := w.ca.Sub("Issuing CA", smimetest.CRLURL(site+"/ca.crl"))
	signer := w.ca.Sub("Issuing CA", smimetest.KeyUsage(x509.KeyUsageCRLSign), smimetest.CRLURL(site+"/ca.crl"), smimetest.FreshKey)
	leaf := sub.Issue("bob@corp.example", smimetest.CRLURL(site+"/sub.crl"))
	w.publish(0, 24*hour)
	w.put("/sub.crl", signer.CRL(w.clock.now(), time.Time{}))
	ask := func(what string, want trust.Reason, helpers ...*x509.Certificate) {
		t.Helper()
		if v := w.judge.Judge(leaf.Certificate, trust.Signing, w.clock.now(), helpers); v.Reason != want {
			t.Errorf("%s: %q (%s), want %q", what, v.Reason, v.Detail, want)
		}
	}
	ask("a bare leaf", trust.UnknownCA)
	ask("without the list's signer", trust.RevocationUnknown, sub.Certificate)
	ask("again", trust.RevocationUnknown, sub.Certificate)
	ask("with it", "", sub.Certificate, signer.Certificate)
	if n := w.count("/sub.crl"); n != 1 {
		t.Errorf("fetched %d times", n)
	}
	// The signer of the list is revoked: what it signs does not count.
	w = newWorld(t, strict, nil)
	sub = w.ca.Sub("Issuing CA", smimetest.CRLURL(site+"/ca.crl"))
	signer = w.ca.Sub("Issuing CA", smimetest.KeyUsage(x509.KeyUsageCRLSign), smimetest.CRLURL(site+"/ca.crl"), smimetest.FreshKey)
	leaf = sub.Issue("bob@corp.example", smimetest.CRLURL(site+"/sub.crl"))
	w.publish(0, 24*hour, signer.Certificate)
	w.put("/sub.crl", signer.CRL(w.clock.now(), time.Time{}))
	ask("with a revoked signer", trust.RevocationUnknown, sub.Certificate, signer.Certificate)
}

// TestManyDeadPlaces: however many places say nothing, a batch waits one timeout, and what can answer does.
func TestManyDeadPlaces(t *testing.T) {
	w := newWorld(t, strict, func(o *revocation.Options) { o.Timeout = time.Second })
	var certs []*x509.Certificate
	for i := range 40 {
		page := fmt.Sprintf("/dead%d.crl", i)
		w.serve(page, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		certs = append(certs, w.ca.Issue("bob@corp.example", smimetest.ECP256, smimetest.CRLURL(site+page)).Certificate)
	}
	w.publish(0, hour)
	prompt := w.judge.Prompt()
	begin := time.Now()
	var pending []<-chan struct{}
	for _, cert := range certs {
		if v := prompt.Judge(cert, trust.Encryption, w.clock.now(), nil); v.Pending != nil {
			pending = append(pending, v.Pending)
		}
	}
	w.ask("one that answers", w.alice.Certificate, "", trust.RevocationGood)
	for _, p := range pending {
		<-p
	}
	if took := time.Since(begin); len(pending) != 40 || took > 5*time.Second {
		t.Errorf("%d on their way, %v", len(pending), took)
	}
	for _, cert := range certs {
		if v := prompt.Judge(cert, trust.Encryption, w.clock.now(), nil); v.Pending != nil || v.Reason != trust.RevocationUnknown {
			t.Fatalf("%+v", v)
		}
	}
}

// TestOneFetchForAll: however many ask at the same time, a place is asked once.
func TestOneFetchForAll(t *testing.T) {
	w := newWorld(t, strict, nil)
	w.publish(0, hour)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { w.ask("together", w.alice.Certificate, "", trust.RevocationGood) })
	}
	all.Wait()
	if n := w.count("/ca.crl"); n != 1 {
		t.Errorf("fetched %d times", n)
	}
}

// TestMemoryIsBounded: lists that nobody asked about for longest are forgotten.
func TestMemoryIsBounded(t *testing.T) {
	w := newWorld(t, strict, func(o *revocation.Options) { o.MaxHeld = 8 << 10 })
	der := w.ca.CRL(w.clock.now(), time.Time{})
	for i := range 40 {
		page := fmt.Sprintf("/%d.crl", i)
		w.put(page, der)
		w.ask(page, w.ca.Issue("bob@corp.example", smimetest.ECP256, smimetest.CRLURL(site+page)).Certificate, "", trust.RevocationGood)
		w.clock.advance(time.Second)
	}
	if held := w.checker.Held(); held > 8<<10 {
		t.Errorf("%d octets are held", held)
	}
}

// TestDelta: a complete list names where its deltas are; what they add counts at once, and without them the complete list
// does.
func TestDelta(t *testing.T) {
	w := newWorld(t, strict, nil)
	freshest := func(url string) pkix.Extension {
		var b cryptobyte.Builder
		context := cbasn1.Tag(0).ContextSpecific().Constructed()
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(context, func(b *cryptobyte.Builder) {
					b.AddASN1(context, func(b *cryptobyte.Builder) {
						b.AddASN1(cbasn1.Tag(6).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(url)) })
					})
				})
			})
		})
		return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 46}, Value: b.BytesOrPanic()}
	}
	deltaOf := func(base int64) pkix.Extension {
		value, _ := asn1.Marshal(big.NewInt(base))
		return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: value}
	}
	list := func(number int64, life time.Duration, e pkix.Extension, revoked ...*x509.Certificate) []byte {
		l := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: w.clock.now(), NextUpdate: w.clock.now().Add(life), ExtraExtensions: []pkix.Extension{e}}
		for _, c := range revoked {
			l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: w.clock.now()})
		}
		der, err := x509.CreateRevocationList(rand.Reader, l, w.ca.Certificate, w.ca.Key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	bob := w.ca.Issue("bob@corp.example", smimetest.CRLURL(site+"/ca.crl")).Certificate
	first := list(5, 100*hour, freshest(site+"/delta.crl"))
	w.put("/ca.crl", first)
	w.put("/delta.crl", list(6, 24*hour, deltaOf(5), bob))
	w.ask("on the delta", bob, trust.Revoked, trust.RevocationRevoked)
	w.ask("on neither", w.alice.Certificate, "", trust.RevocationGood)
	w.serve("/delta.crl", http.NotFound)
	w.clock.advance(30 * hour)
	w.ask("the delta is out of date", w.alice.Certificate, "", trust.RevocationGood)
	w.ask("the delta is out of date, on it", bob, trust.Revoked, trust.RevocationRevoked)
	carol := w.ca.Issue("carol@corp.example", smimetest.CRLURL(site+"/ca.crl")).Certificate
	n := w.count("/ca.crl")
	w.put("/delta.crl", list(8, 24*hour, deltaOf(7), carol))
	w.clock.advance(20 * time.Minute)
	w.put("/ca.crl", list(7, 100*hour, freshest(site+"/delta.crl"), w.alice.Certificate))
	w.ask("a delta of a newer base", carol, trust.Revoked, trust.RevocationRevoked)
	w.ask("it has the base fetched anew", w.alice.Certificate, trust.Revoked, trust.RevocationRevoked)
	if w.count("/ca.crl") <= n {
		t.Error("the base was not fetched")
	}
	w.ask("the newer base has bob no more", bob, "", trust.RevocationGood)
	alone := newWorld(t, strict, nil)
	alone.ca = w.ca
	alone.paths, alone.judge = w.paths, alone.checker.Judge(w.paths, strict)
	alone.put("/ca.crl", first)
	alone.ask("the delta cannot be had", w.alice.Certificate, "", trust.RevocationGood)
}

// TestListsBesides: a CRL in a message counts if its issuer signed it, for that message's signer alone, and only as long as
// there is no newer one.
func TestListsBesides(t *testing.T) {
	w := newWorld(t, strict, nil)
	at := w.clock.now()
	beside := func(what string, want trust.Reason, crls ...[]byte) {
		t.Helper()
		if v := w.judge.JudgeWithCRLs(w.alice.Certificate, trust.Signing, w.clock.now(), nil, crls); v.Reason != want {
			t.Errorf("%s: %q (%s), want %q", what, v.Reason, v.Detail, want)
		}
	}
	good, revoked := w.ca.CRL(at.Add(-hour), at.Add(48*hour)), w.ca.CRL(at.Add(-2*hour), at.Add(48*hour), w.alice.Certificate)
	forged := smimetest.NewCA("Corp CA").CRL(at, at.Add(48*hour), w.alice.Certificate)
	beside("good, where nobody answers", "", good)
	beside("revoked, where nobody answers", trust.Revoked, revoked)
	beside("both, the newer one good", "", revoked, good)
	beside("forged", trust.RevocationUnknown, forged, []byte("garbage"), nil)
	beside("none", trust.RevocationUnknown)
	stolen := newWorld(t, strict, nil)
	stolen.publish(0, 48*hour, stolen.alice.Certificate)
	last := stolen.ca.CRL(at.Add(-hour), at.Add(48*hour))
	if v := stolen.judge.JudgeWithCRLs(stolen.alice.Certificate, trust.Signing, at, nil, [][]byte{last}); v.Reason != trust.Revoked {
		t.Errorf("the last list without it keeps us from asking: %q", v.Reason)
	}
	w.clock.advance(hour)
	w.publish(0, 48*hour, w.alice.Certificate)
	w.ask("the CA's newest list", w.alice.Certificate, trust.Revoked, trust.RevocationRevoked)
	beside("an older list beside it", trust.Revoked, good)
	var many [][]byte
	for range 1000 {
		many = append(many, make([]byte, 1<<16))
	}
	beside("many", trust.Revoked, many...)
}
