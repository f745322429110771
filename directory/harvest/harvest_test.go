package harvest_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/directory/harvest"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

const anna = "anna@example.org"

// shelf keeps what it is given.
type shelf struct {
	kept      []directory.Kept
	forgotten []string
	err       error
}

func (s *shelf) Forgotten(context.Context, string) ([]string, error) { return s.forgotten, s.err }

func (s *shelf) Kept(_ context.Context, addresses []string) (all []directory.Kept, _ error) {
	for _, k := range s.kept {
		for _, a := range addresses {
			if directory.Normalise(k.Address) == directory.Normalise(a) {
				all = append(all, k)
			}
		}
	}
	return all, s.err
}

// world is two trusted CAs, one that is not, and what was learnt so far.
type world struct {
	t              *testing.T
	ca, sub, other *smimetest.CA
	unknown        *smimetest.CA
	judge          *trust.Policy
	shelf          *shelf
	harvest        *harvest.Harvest
	now            time.Time
	messages       int
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, ca: smimetest.NewCA("Corp"), other: smimetest.NewCA("Partner"), unknown: smimetest.NewCA("Unknown"), shelf: &shelf{}, now: time.Now()}
	w.sub = w.ca.Sub("Issuing")
	w.judge = trust.NewPolicy(trust.PolicyOptions{Anchors: []*x509.Certificate{w.ca.Certificate, w.other.Certificate}})
	w.harvest = harvest.New("harvest", w.shelf)
	return w
}

// signed is what a message with this bag teaches, opened and judged as the
// server does it. It is not kept.
func (w *world) signed(from string, id *smimetest.Identity, bag []*smimetest.Identity, opts ...smimetest.SignOption) harvest.Mail {
	w.t.Helper()
	for _, other := range bag {
		opts = append(opts, func(o *smime.SignOptions) {
			o.Chain = append(append([]*x509.Certificate(nil), o.Chain...), other.Certificate)
		})
	}
	return w.open(smimetest.Mail(from, "news@lists.example.org", "hello", id.Sign(smimetest.Text("hello"), opts...)))
}

func (w *world) open(octets []byte) harvest.Mail {
	w.t.Helper()
	e, err := entity.Parse(octets, entity.DefaultLimits())
	if err != nil {
		w.t.Fatal(err)
	}
	m := smime.Open(e, smime.Options{})
	w.messages++
	return harvest.Mail{Message: m, Author: smime.Authenticate(m, w.judge, smime.Claim{Received: w.now}),
		MessageID: fmt.Sprintf("<%d@example.org>", w.messages), Received: w.now}
}

func (w *world) learn(mail harvest.Mail) []harvest.Learnt {
	w.t.Helper()
	learnt, err := w.harvest.Learn(w.t.Context(), mail, w.judge)
	if err != nil {
		w.t.Fatal(err)
	}
	return learnt
}

// keep learns and keeps.
func (w *world) keep(mail harvest.Mail) []harvest.Learnt {
	w.t.Helper()
	learnt := w.learn(mail)
	for _, l := range learnt {
		if l.New {
			w.shelf.kept = append(w.shelf.kept, l.Kept)
		}
	}
	return learnt
}

// want compares what was learnt with the certificates of identities.
func (w *world) want(what string, learnt []harvest.Learnt, ids ...*smimetest.Identity) {
	w.t.Helper()
	ok := len(learnt) == len(ids)
	for _, id := range ids { // a bag has no order
		ok = ok && slices.ContainsFunc(learnt, func(l harvest.Learnt) bool { return l.Parsed.Equal(id.Certificate) })
	}
	if !ok {
		var got []string
		for _, l := range learnt {
			got = append(got, l.Parsed.Subject.CommonName)
		}
		w.t.Errorf("%s: learnt %d certificates %q, want %d", what, len(learnt), got, len(ids))
	}
}

func (w *world) ago(days int) time.Time { return w.now.AddDate(0, 0, -days) }

func TestLearnsTheSignersCertificate(t *testing.T) {
	w := newWorld(t)
	id := w.sub.Issue(anna)
	learnt := w.keep(w.signed("Anna <Anna@Example.ORG>", id, nil))
	w.want("first mail", learnt, id)
	l := learnt[0]
	if !l.New || l.Source != harvest.Source || l.MessageID != "<1@example.org>" || l.Signer != trust.Fingerprint(id.Certificate) ||
		!l.Seen.Equal(w.now) || len(l.Capabilities) == 0 || len(l.Chain) != 1 {
		t.Errorf("%+v", l)
	}
	learnt = w.learn(w.signed(anna, id, nil))
	w.want("second mail", learnt, id)
	if learnt[0].New {
		t.Error("what is kept is called new")
	}

	// It is served with the intermediate that leads to its anchor.
	answers := w.harvest.Lookup(t.Context(), []string{"ANNA@example.org", "ben@example.org"})
	if len(answers) != 2 || answers[0].Err != nil || len(answers[0].Candidates) != 1 || len(answers[0].Helpers) != 1 || !errors.Is(answers[1].Err, directory.ErrNotFound) {
		t.Fatalf("%+v", answers)
	}
	c := answers[0].Candidates[0]
	if c.Origin.Source != "harvest" || c.Origin.Entry != "<1@example.org>" || len(c.Capabilities) == 0 || answers[0].Address != "ANNA@example.org" {
		t.Errorf("%+v", c)
	}
	w.shelf.err = errors.New("the database is away")
	for _, a := range w.harvest.Lookup(t.Context(), []string{anna}) {
		if a.Outage() == nil {
			t.Error("an outage became an absence (invariant 2)")
		}
	}
	if _, err := w.harvest.Learn(t.Context(), w.signed(anna, id, nil), w.judge); err == nil {
		t.Error("learnt without knowing what is kept")
	}
}

// Invariant 7: nothing is learnt from a message that names no author for sure.
func TestLearnsNothingUnauthenticated(t *testing.T) {
	w := newWorld(t)
	id := w.ca.Issue(anna)
	altered := func() []byte {
		octets := smimetest.Mail(anna, "news@lists.example.org", "hello", id.Sign(smimetest.Text("hello")))
		for i := range octets {
			if string(octets[i:i+5]) == "hello" && i > 300 {
				octets[i] = 'j'
				return octets
			}
		}
		t.Fatal("no text to alter")
		return nil
	}
	for name, mail := range map[string]harvest.Mail{
		"unsigned":          w.open(smimetest.Mail(anna, "news@lists.example.org", "hello", smimetest.Text("hello"))),
		"altered":           w.open(altered()),
		"another's From":    w.signed("ben@example.org", id, nil),
		"two authors":       w.signed(anna+", ben@example.org", id, nil),
		"an unknown CA":     w.signed(anna, w.unknown.Issue(anna), nil),
		"self-signed":       w.signed(anna, smimetest.SelfSigned(anna), nil),
		"expired":           w.signed(anna, w.ca.Issue(anna, smimetest.Validity(w.ago(20), w.ago(10))), nil),
		"around encryption": w.open(smimetest.Mail(anna, "news@lists.example.org", "hello", id.Sign(smimetest.Encrypt(smimetest.Text("hello"), id)))),
	} {
		if mail.Author.Authenticated {
			t.Errorf("%s: it is authenticated", name)
		}
		w.want(name, w.learn(mail))
	}
	mail := w.signed(anna, id, nil)
	mail.Author.Authenticated = false // as a replay will have it
	w.want("not authenticated after all", w.learn(mail))
}

// Invariant 7: the bag is not signed.
func TestBag(t *testing.T) {
	w := newWorld(t)
	signs := w.sub.Issue(anna, smimetest.SignOnly)
	encrypts := w.sub.Issue(anna, smimetest.EncryptOnly, smimetest.FreshKey)
	second := w.sub.Issue(anna, smimetest.EncryptOnly, smimetest.FreshKey)
	both := w.sub.Issue(anna, smimetest.FreshKey)
	ben := w.sub.Issue("ben@example.org", smimetest.FreshKey)
	partner := w.other.Issue(anna, smimetest.FreshKey)
	stranger := w.unknown.Issue(anna, smimetest.FreshKey)
	expired := w.sub.Issue(anna, smimetest.FreshKey, smimetest.Validity(w.ago(20), w.ago(10)))
	ids := func(all ...*smimetest.Identity) []*smimetest.Identity { return all }
	for _, c := range []struct {
		name   string
		signer *smimetest.Identity
		bag    []*smimetest.Identity
		prefer *smimetest.Identity
		want   []*smimetest.Identity
	}{
		{"sign-only, nothing else", signs, nil, nil, nil},
		{"a pair of certificates, no preference", signs, ids(encrypts), nil, ids(encrypts)},
		{"several", both, ids(encrypts, second), nil, ids(both, encrypts, second)},
		{"the one that is preferred", signs, ids(encrypts, second), second, ids(second)},
		{"the signer's own, and the one that is preferred", both, ids(encrypts, second), second, ids(both, second)},
		{"another person's", both, ids(ben), nil, ids(both)},
		{"another person's, preferred", both, ids(ben), ben, ids(both)},
		{"another anchor's", both, ids(partner), nil, ids(both)},
		{"another anchor's, preferred", both, ids(partner), partner, ids(both)},
		{"an unknown CA's", both, ids(stranger), nil, ids(both)},
		{"an expired one", both, ids(expired), nil, ids(both)},
		{"one that signs only", both, ids(signs), nil, ids(both)},
	} {
		var opts []smimetest.SignOption
		if c.prefer != nil {
			opts = append(opts, smimetest.Prefer(c.prefer))
		}
		mail := w.signed(anna, c.signer, c.bag, opts...)
		if !mail.Author.Authenticated {
			t.Fatalf("%s: %s", c.name, mail.Author.Reason)
		}
		if c.prefer != nil && mail.Author.Signer.EncryptionKeyPreference == nil {
			t.Fatalf("%s: no preference arrived", c.name)
		}
		w.want(c.name, w.learn(mail), c.want...)
	}

	// A preference for a certificate that did not come along lets nothing else in.
	mail := w.signed(anna, both, ids(encrypts))
	mail.Author.Signer.EncryptionKeyPreference = w.signed(anna, both, nil, smimetest.Prefer(second)).Author.Signer.EncryptionKeyPreference
	w.want("the preferred one is not in the bag", w.learn(mail), both)
}

// Invariant 7: an older certificate does not come in through the bag, and a
// sign-only mail takes nothing away.
func TestOlderNeverDisplacesNewer(t *testing.T) {
	w := newWorld(t)
	now := w.sub.Issue(anna, smimetest.FreshKey, smimetest.Validity(w.ago(10), w.ago(-100)))
	old := w.sub.Issue(anna, smimetest.FreshKey, smimetest.Validity(w.ago(50), w.ago(-50)))
	next := w.sub.Issue(anna, smimetest.FreshKey, smimetest.Validity(w.ago(1), w.ago(-200)))
	w.want("first", w.keep(w.signed(anna, now, nil)), now)
	signs := w.sub.Issue(anna, smimetest.SignOnly)
	w.want("sign-only mail", w.keep(w.signed(anna, signs, nil)))
	w.want("an older one in the bag", w.keep(w.signed(anna, signs, []*smimetest.Identity{old})))
	w.want("the same in the bag", w.keep(w.signed(anna, signs, []*smimetest.Identity{now})), now)
	w.want("a newer one in the bag", w.keep(w.signed(anna, signs, []*smimetest.Identity{next})), next)
	if got := w.harvest.Lookup(t.Context(), []string{anna}); len(got[0].Candidates) != 2 {
		t.Errorf("%d are served, want the one of before and the newer one", len(got[0].Candidates))
	}
}

// Invariant 7: another anchor is not used before somebody says so.
func TestAnotherAnchor(t *testing.T) {
	w := newWorld(t)
	own := w.ca.Issue(anna, smimetest.Validity(w.ago(10), w.ago(-10)))
	w.want("first", w.keep(w.signed(anna, own, nil)), own)
	partner := w.other.Issue(anna, smimetest.FreshKey, smimetest.Validity(w.ago(1), w.ago(-300)))
	mail := w.signed(anna, partner, nil)
	if !mail.Author.Authenticated {
		t.Fatal(mail.Author.Reason)
	}
	w.want("another anchor", w.keep(mail))
	renewed := w.sub.Issue(anna, smimetest.FreshKey, smimetest.Validity(w.ago(1), w.ago(-5)))
	w.want("the same anchor through another intermediate", w.learn(w.signed(anna, renewed, nil)), renewed)

	// Waiting until the certificate has expired does not help.
	w.now = w.ago(-20)
	w.want("another anchor, later", w.keep(w.signed(anna, partner, nil)))

	// Once somebody has let it in, both anchors count.
	w.shelf.kept = append(w.shelf.kept, directory.Kept{Address: anna, Certificate: partner.Certificate.Raw, Source: "import"})
	w.want("another anchor, imported", w.learn(w.signed(anna, partner, nil)), partner)

	// An anchor that is trusted no longer binds nobody.
	w2 := newWorld(t)
	w2.shelf.kept = []directory.Kept{{Address: anna, Certificate: w2.unknown.Issue(anna).Certificate.Raw, Source: "harvest"}, {Address: anna, Certificate: []byte("junk")}}
	fresh := w2.ca.Issue(anna, smimetest.FreshKey)
	w2.want("an anchor that is gone", w2.learn(w2.signed(anna, fresh, nil)), fresh)
}

// However many certificates somebody has, a bounded number is used; those that
// expired leave room.
// TestForgotten: what a listmaster had forgotten is not learnt again from mail, and hinders nothing else.
func TestForgotten(t *testing.T) {
	w := newWorld(t)
	first, second := w.ca.Issue(anna), w.ca.Issue(anna)
	w.shelf.forgotten = []string{trust.Fingerprint(first.Certificate)}
	w.want("forgotten", w.learn(w.signed(anna, first, nil)))
	w.want("another one of hers", w.learn(w.signed(anna, second, nil)), second)
	w.want("forgotten, in the bag", w.learn(w.signed(anna, second, []*smimetest.Identity{first})), second)
}

// TestImported: a site that does not harvest is served what a listmaster imported, and not what was harvested before.
func TestImported(t *testing.T) {
	w := newWorld(t)
	learnt, imported := w.ca.Issue(anna), w.ca.Issue(anna)
	w.shelf.kept = []directory.Kept{{Address: anna, Certificate: learnt.Certificate.Raw, Source: harvest.Source}, {Address: anna, Certificate: imported.Certificate.Raw, Source: "import"}}
	if a := w.harvest.Lookup(t.Context(), []string{anna})[0]; len(a.Candidates) != 2 {
		t.Errorf("%+v", a)
	}
	if a := w.harvest.Imported().Lookup(t.Context(), []string{anna})[0]; len(a.Candidates) != 1 || !slices.Equal(a.Candidates[0].Certificate, imported.Certificate.Raw) {
		t.Errorf("%+v", a)
	}
}

// TestAssigned: pins belong to one address, domain certificates to all of theirs, and neither says nothing when it cannot
// be read.
func TestAssigned(t *testing.T) {
	ca := smimetest.NewCA("Corp")
	cert := ca.Issue("gateway@partner.example").Certificate.Raw
	var err error
	kept := func(_ context.Context, keys []string) ([]directory.Kept, error) {
		return []directory.Kept{{Address: anna, Certificate: cert}, {Address: "@partner.example", Certificate: cert}}, err
	}
	pinned, domain := harvest.NewPinned(kept), harvest.NewDomain(kept)
	for _, test := range []struct {
		source        *harvest.Assigned
		address       string
		pin, domainly bool
	}{{pinned, "Anna@Example.org", true, false}, {pinned, "x@partner.example", false, false}, {domain, "x@PARTNER.example", false, true}, {domain, anna, false, false},
		{domain, "x@sub.partner.example", false, false}, {domain, "@partner.example", false, false}, {domain, "nonsense", false, false}} {
		a := test.source.Lookup(t.Context(), []string{test.address})[0]
		found := len(a.Candidates) == 1
		if found != (test.pin || test.domainly) || found && (a.Candidates[0].Pinned != test.pin || a.Candidates[0].ForDomain != test.domainly) || !found && !errors.Is(a.Err, directory.ErrNotFound) {
			t.Errorf("%s %s: %+v", test.source.Name(), test.address, a)
		}
	}
	err = errors.New("no disk")
	if a := pinned.Lookup(t.Context(), []string{anna})[0]; a.Outage() == nil {
		t.Errorf("%+v", a)
	}
}

func TestBounded(t *testing.T) {
	w := newWorld(t)
	key := w.ca.Issue(anna).Private
	for i := range 40 {
		id := w.ca.Issue(anna, smimetest.WithKey(key), smimetest.Validity(w.ago(100-i), w.ago(-100+i)))
		w.keep(w.signed(anna, id, nil))
	}
	if n := len(w.shelf.kept); n != 16 {
		t.Errorf("%d are kept, want 16", n)
	}
	w.now = w.ago(-99) // but for the first, they have expired
	id := w.ca.Issue(anna, smimetest.WithKey(key), smimetest.Validity(w.now.AddDate(0, 0, -1), w.now.AddDate(1, 0, 0)))
	w.want("a new one", w.keep(w.signed(anna, id, nil)), id)
}
