package resolver_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/resolver"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

var now = time.Now()

// source is a source in memory.
type source struct {
	name    string
	entries map[string][]directory.Candidate
	helpers [][]byte
	fail    map[string]error // by address; "" for all
	mu      sync.Mutex
	asked   []string
}

func (s *source) Name() string { return s.name }

func (s *source) Lookup(_ context.Context, addresses []string) []directory.Answer {
	s.mu.Lock()
	s.asked = append(s.asked, addresses...)
	s.mu.Unlock()
	answers := make([]directory.Answer, len(addresses))
	for i, address := range addresses {
		a := directory.Answer{Address: address, Candidates: s.entries[directory.Normalise(address)], Helpers: s.helpers, Server: s.name + "-server"}
		switch {
		case s.fail[""] != nil:
			a = directory.Answer{Address: address, Err: s.fail[""]}
		case s.fail[address] != nil:
			a = directory.Answer{Address: address, Err: s.fail[address]}
		case len(a.Candidates) == 0:
			a.Err = directory.ErrNotFound
		}
		answers[i] = a
	}
	return answers
}

func holding(name string, identities ...*smimetest.Identity) *source {
	s := &source{name: name, entries: map[string][]directory.Candidate{}, fail: map[string]error{}}
	for _, id := range identities {
		s.add(id.Address, id.Certificate)
	}
	return s
}

func (s *source) add(address string, certs ...*x509.Certificate) {
	for _, cert := range certs {
		s.entries[address] = append(s.entries[address], directory.Candidate{Certificate: cert.Raw, Origin: directory.Origin{Source: s.name, Entry: "entry of " + address}})
	}
}

func trusting(cas ...*smimetest.CA) *trust.Policy {
	var o trust.PolicyOptions
	for _, ca := range cas {
		o.Anchors = append(o.Anchors, ca.Certificate)
	}
	return trust.NewPolicy(o)
}

func resolveOne(t *testing.T, r *resolver.Resolver, address string) resolver.Result {
	t.Helper()
	results := r.Resolve(t.Context(), []string{address}, resolver.Allowances{})
	if len(results) != 1 || results[0].Address != address {
		t.Fatalf("%d results", len(results))
	}
	return results[0]
}

func fingerprints(usable []resolver.Usable) []string {
	var all []string
	for _, u := range usable {
		all = append(all, u.Fingerprint)
	}
	return all
}

func TestFirstSourceWithAUsableCertificateDecides(t *testing.T) {
	ca := smimetest.NewCA("CA")
	alice := ca.Issue("alice@corp.example")
	expired := ca.Issue("alice@corp.example", smimetest.Validity(now.Add(-48*time.Hour), now.Add(-time.Hour)))
	first, second, third := holding("first", expired), holding("second", alice), holding("third", ca.Issue("alice@corp.example"))
	third.fail[""] = errors.New("down")
	r := resolver.New([]resolver.Source{first, second, third}, trusting(ca), resolver.Options{})

	result := resolveOne(t, r, "Alice@Corp.example")
	if result.Err != nil || result.Source != "second" || !slices.Equal(fingerprints(result.Certificates), []string{trust.Fingerprint(alice.Certificate)}) {
		t.Fatalf("%+v", result)
	}
	if len(result.Refused) != 1 || result.Refused[0].Reason != trust.Expired || result.Refused[0].Origin.Source != "first" || result.Refused[0].Detail == "" {
		t.Errorf("refused: %+v", result.Refused)
	}
	if len(third.asked) != 0 {
		t.Error("a source behind the one that decided was asked")
	}
	if len(result.Asked) != 2 || result.Asked[1].Name != "second" || result.Asked[1].Server != "second-server" || result.Asked[1].Found != 1 {
		t.Errorf("asked: %+v", result.Asked)
	}
	if c := result.Certificates[0]; c.Recipient == nil || c.KeyType != cms.RSA || c.Origin.Source != "second" {
		t.Errorf("%+v", c)
	}
}

// TestOutageDelays is invariant 2: a source that cannot be asked before a usable certificate was found delays the copy,
// whatever a later one has.
func TestOutageDelays(t *testing.T) {
	ca := smimetest.NewCA("CA")
	alice, bob := ca.Issue("alice@corp.example"), ca.Issue("bob@corp.example")
	down := errors.New("connection refused")
	for name, outage := range map[string]error{
		"down":      down,
		"cancelled": context.Canceled,
		"wrapped":   fmt.Errorf("search: %w", down),
	} {
		t.Run(name, func(t *testing.T) {
			first, second := holding("first", bob), holding("second", alice, bob)
			first.fail["alice@corp.example"] = outage
			r := resolver.New([]resolver.Source{first, second}, trusting(ca), resolver.Options{})
			results := r.Resolve(t.Context(), []string{"alice@corp.example", "bob@corp.example", "carol@corp.example"}, resolver.Allowances{})
			if a := results[0]; !errors.Is(a.Err, outage) || len(a.Certificates) != 0 || !strings.Contains(a.Err.Error(), "first") {
				t.Errorf("an outage: %+v", a)
			}
			if b := results[1]; b.Err != nil || len(b.Certificates) != 1 {
				t.Errorf("one address's outage harmed another: %+v", b)
			}
			if c := results[2]; c.Err != nil || len(c.Certificates) != 0 {
				t.Errorf("an address nobody has: %+v", c)
			}
			if slices.Contains(second.asked, "alice@corp.example") {
				t.Error("a later source was asked in the place of one that is down")
			}
		})
	}
}

// TestOutageIsToldOnceAMinute: a large list meets a source that is down in thousands of batches.
func TestOutageIsToldOnceAMinute(t *testing.T) {
	var written strings.Builder
	clock := now
	down := holding("down")
	down.fail[""] = errors.New("connection refused")
	r := resolver.New([]resolver.Source{down}, trusting(smimetest.NewCA("CA")), resolver.Options{
		Clock: func() time.Time { return clock }, Log: slog.New(slog.NewTextHandler(&written, nil)),
	})
	for range 100 {
		r.Resolve(t.Context(), []string{"alice@corp.example", "bob@corp.example"}, resolver.Allowances{})
	}
	clock = clock.Add(time.Minute)
	r.Resolve(t.Context(), []string{"alice@corp.example"}, resolver.Allowances{})
	lines := strings.Split(strings.TrimSpace(written.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "addresses=2 ") || !strings.Contains(lines[1], "addresses=199 ") {
		t.Errorf("the log has %d lines: %.500s", len(lines), written.String())
	}
}

func TestSourceThatServesOtherDomains(t *testing.T) {
	ca := smimetest.NewCA("CA")
	alice := ca.Issue("alice@corp.example")
	partner, corp := holding("partner"), holding("corp", alice)
	partner.fail[""] = directory.ErrNotSource
	result := resolveOne(t, resolver.New([]resolver.Source{partner, corp}, trusting(ca), resolver.Options{}), "alice@corp.example")
	if result.Err != nil || len(result.Certificates) != 1 || len(result.Asked) != 1 {
		t.Errorf("%+v", result)
	}
}

// TestBrokenSource: a source that answers for too few addresses is an outage for all of them.
func TestBrokenSource(t *testing.T) {
	r := resolver.New([]resolver.Source{mute{}}, trusting(), resolver.Options{})
	for _, result := range r.Resolve(t.Context(), []string{"a@corp.example", "b@corp.example"}, resolver.Allowances{}) {
		if result.Err == nil {
			t.Errorf("%+v", result)
		}
	}
	if got := r.Resolve(t.Context(), nil, resolver.Allowances{}); len(got) != 0 {
		t.Errorf("%d results for no address", len(got))
	}
}

type mute struct{}

func (mute) Name() string                                            { return "mute" }
func (mute) Lookup(_ context.Context, a []string) []directory.Answer { return nil }

func TestWithoutSources(t *testing.T) {
	if result := resolveOne(t, resolver.New(nil, trusting(), resolver.Options{}), "a@corp.example"); result.Err != nil || len(result.Certificates) != 0 {
		t.Errorf("%+v", result)
	}
}

// TestWhoseCertificate: an entry may hold anything, also somebody else's certificate.
func TestWhoseCertificate(t *testing.T) {
	ca := smimetest.NewCA("CA")
	nobody := ca.Issue("x@corp.example", smimetest.NoSAN)
	bound := directory.Origin{Source: "ldap", Entry: "cn=alice", BoundByEntry: true}
	for _, test := range []struct {
		name string
		cert *x509.Certificate
		o    directory.Origin
		pin  bool
		want trust.Reason
	}{
		{"names the address", ca.Issue("alice@corp.example").Certificate, directory.Origin{}, false, ""},
		{"names it among three", ca.Issue("x@corp.example", smimetest.Addresses("x@corp.example", "ALICE@corp.example", "y@corp.example")).Certificate, directory.Origin{}, false, ""},
		{"names it in the subject", ca.Issue("x@corp.example", smimetest.NoSAN, smimetest.DNEmail("alice@corp.example")).Certificate, directory.Origin{}, false, ""},
		{"names another", ca.Issue("mallory@corp.example").Certificate, directory.Origin{}, false, trust.AddressMismatch},
		{"names another, in the entry", ca.Issue("mallory@corp.example").Certificate, bound, false, trust.AddressMismatch},
		{"names another, pinned", ca.Issue("mallory@corp.example").Certificate, directory.Origin{}, true, trust.AddressMismatch},
		{"names a look-alike", ca.Issue("a", smimetest.Addresses("alice@corp.example.evil.example")).Certificate, directory.Origin{}, false, trust.AddressMismatch},
		{"names none", nobody.Certificate, directory.Origin{}, false, trust.NoAddress},
		{"names none, bound by the entry", nobody.Certificate, bound, false, ""},
		{"names none, pinned", nobody.Certificate, directory.Origin{}, true, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := holding("ldap")
			s.entries["alice@corp.example"] = []directory.Candidate{{Certificate: test.cert.Raw, Origin: test.o, Pinned: test.pin}}
			result := resolveOne(t, resolver.New([]resolver.Source{s}, trusting(ca), resolver.Options{}), "alice@corp.example")
			if test.want == "" && (len(result.Certificates) != 1 || len(result.Refused) != 0) {
				t.Errorf("refused: %+v", result.Refused)
			}
			if test.want != "" && (len(result.Certificates) != 0 || len(result.Refused) != 1 || result.Refused[0].Reason != test.want) {
				t.Errorf("%+v, want %s", result, test.want)
			}
		})
	}
	t.Run("found twice, bound once", func(t *testing.T) {
		s := holding("ldap")
		s.entries["alice@corp.example"] = []directory.Candidate{
			{Certificate: nobody.Certificate.Raw, Origin: directory.Origin{Entry: "cn=aaa"}}, {Certificate: nobody.Certificate.Raw, Origin: bound}}
		if result := resolveOne(t, resolver.New([]resolver.Source{s}, trusting(ca), resolver.Options{}), "alice@corp.example"); len(result.Certificates) != 1 {
			t.Errorf("%+v", result.Refused)
		}
	})
}

func TestUnreadable(t *testing.T) {
	ca := smimetest.NewCA("CA")
	alice := ca.Issue("alice@corp.example")
	s := holding("ldap", alice)
	s.entries["alice@corp.example"] = append(s.entries["alice@corp.example"],
		directory.Candidate{Certificate: []byte("garbage")}, directory.Candidate{Certificate: nil},
		directory.Candidate{Certificate: make([]byte, 1<<20)}, directory.Candidate{Certificate: alice.Certificate.Raw[:100]})
	result := resolveOne(t, resolver.New([]resolver.Source{s}, trusting(ca), resolver.Options{}), "alice@corp.example")
	if len(result.Certificates) != 1 || len(result.Refused) != 4 {
		t.Fatalf("%+v", result)
	}
	for _, no := range result.Refused {
		if no.Reason != trust.Malformed && no.Reason != trust.TooLarge {
			t.Errorf("%q (%s)", no.Reason, no.Detail)
		}
	}
}

// TestHelpersBesideTheCertificate: an intermediate CA that a directory has helps, and is not trusted.
func TestHelpersBesideTheCertificate(t *testing.T) {
	root := smimetest.NewCA("Root")
	sub := root.Sub("Sub")
	alice := sub.Issue("alice@corp.example")
	s := holding("ldap", alice)
	r := resolver.New([]resolver.Source{s}, trusting(root), resolver.Options{})
	if result := resolveOne(t, r, "alice@corp.example"); len(result.Certificates) != 0 || result.Refused[0].Reason != trust.UnknownCA {
		t.Fatalf("without its issuer: %+v", result)
	}
	s.helpers = [][]byte{[]byte("garbage"), sub.Certificate.Raw}
	if result := resolveOne(t, r, "alice@corp.example"); len(result.Certificates) != 1 {
		t.Errorf("with its issuer: %+v", result.Refused)
	}
	rogue := smimetest.NewCA("Rogue")
	s = holding("ldap", rogue.Issue("alice@corp.example"))
	s.helpers = [][]byte{rogue.Certificate.Raw}
	if result := resolveOne(t, resolver.New([]resolver.Source{s}, trusting(root), resolver.Options{}), "alice@corp.example"); len(result.Certificates) != 0 {
		t.Error("a CA certificate from the directory was trusted")
	}
}

func TestSelect(t *testing.T) {
	ca := smimetest.NewCA("CA")
	at := func(hours int, o ...smimetest.Option) *smimetest.Identity {
		return ca.Issue("alice@corp.example", append(o, smimetest.Validity(now.Add(-time.Duration(hours)*time.Hour), now.Add(1000*time.Hour)))...)
	}
	rsaOld, rsaNew, ecOld, ecNew, x := at(5), at(4), at(3, smimetest.ECP256), at(2, smimetest.ECP384), at(1, smimetest.X25519)
	all := []*smimetest.Identity{rsaOld, rsaNew, ecOld, ecNew, x}
	for _, test := range []struct {
		name string
		o    resolver.Options
		have []*smimetest.Identity
		want []*smimetest.Identity
	}{
		{"all", resolver.Options{}, all, []*smimetest.Identity{rsaNew, rsaOld}},
		{"all, without RSA", resolver.Options{}, all[2:], []*smimetest.Identity{ecNew, ecOld}},
		{"all, X25519 alone", resolver.Options{}, all[4:], []*smimetest.Identity{x}},
		{"newest", resolver.Options{Select: resolver.Newest}, all, []*smimetest.Identity{rsaNew}},
		{"newest, EC", resolver.Options{Select: resolver.Newest}, all[2:4], []*smimetest.Identity{ecNew}},
		{"prefer-ec", resolver.Options{Select: resolver.PreferEC}, all, []*smimetest.Identity{ecNew, ecOld}},
		{"prefer-ec, without EC", resolver.Options{Select: resolver.PreferEC}, all[:2], []*smimetest.Identity{rsaNew, rsaOld}},
		{"prefer-ec, X25519 before RSA", resolver.Options{Select: resolver.PreferEC}, []*smimetest.Identity{rsaOld, x}, []*smimetest.Identity{x}},
		{"one at most", resolver.Options{MaxCertificates: 1}, all, []*smimetest.Identity{rsaNew}},
		{"the same twice", resolver.Options{}, []*smimetest.Identity{rsaNew, rsaNew, rsaOld}, []*smimetest.Identity{rsaNew, rsaOld}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var want []string
			for _, id := range test.want {
				want = append(want, trust.Fingerprint(id.Certificate))
			}
			have := slices.Clone(test.have)
			for range 2 {
				r := resolver.New([]resolver.Source{holding("ldap", have...)}, trusting(ca), test.o)
				if result := resolveOne(t, r, "alice@corp.example"); !slices.Equal(fingerprints(result.Certificates), want) {
					t.Errorf("%v, want %v", fingerprints(result.Certificates), want)
				}
				slices.Reverse(have)
			}
		})
	}
}

func TestAtMostEightCertificates(t *testing.T) {
	ca := smimetest.NewCA("CA")
	s := holding("ldap")
	var want []string
	for i := range 12 {
		id := ca.Issue("alice@corp.example", smimetest.Validity(now.Add(-time.Duration(i+1)*time.Hour), now.Add(time.Hour)))
		s.add("alice@corp.example", id.Certificate)
		if i < 8 {
			want = append(want, trust.Fingerprint(id.Certificate))
		}
	}
	for _, most := range []int{0, 8, 100} {
		r := resolver.New([]resolver.Source{s}, trusting(ca), resolver.Options{MaxCertificates: most})
		if result := resolveOne(t, r, "alice@corp.example"); !slices.Equal(fingerprints(result.Certificates), want) {
			t.Errorf("with %d: %d certificates", most, len(result.Certificates))
		}
	}
}

func TestParseSelect(t *testing.T) {
	for name, want := range map[string]resolver.Select{"": resolver.All, "all": resolver.All, "newest": resolver.Newest, "prefer-ec": resolver.PreferEC} {
		got, err := resolver.ParseSelect(name)
		if err != nil || got != want || name != "" && got.String() != name {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
	if _, err := resolver.ParseSelect("oldest"); err == nil {
		t.Error("oldest is a choice")
	}
}

// steady is a number for Options.Changes that stays.
func steady() uint64 { return 1 }

// TestResultsAreRemembered: the second lookup asks and prepares nothing again, one resolver serves many at a time, and
// memory is bounded.
func TestResultsAreRemembered(t *testing.T) {
	ca := smimetest.NewCA("CA", smimetest.ECP256)
	var addresses []string
	s := holding("ldap")
	for i := range 64 {
		id := ca.Issue(fmt.Sprintf("m%d@corp.example", i), smimetest.ECP256)
		s.add(id.Address, id.Certificate)
		addresses = append(addresses, id.Address)
	}
	r := resolver.New([]resolver.Source{s}, trusting(ca), resolver.Options{Changes: steady})
	first := r.Resolve(t.Context(), addresses, resolver.Allowances{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i, result := range r.Resolve(t.Context(), addresses, resolver.Allowances{}) {
				if len(result.Certificates) != 1 || result.Certificates[0].Recipient != first[i].Certificates[0].Recipient || result.Source != "ldap" {
					t.Errorf("%s: another recipient", result.Address)
				}
			}
		})
	}
	wg.Wait()
	if len(s.asked) != len(addresses) {
		t.Errorf("the source was asked %d times", len(s.asked))
	}
	small := resolver.New([]resolver.Source{s}, trusting(ca), resolver.Options{Changes: steady, Memory: 12_000})
	small.Resolve(t.Context(), addresses, resolver.Allowances{})
	if n := small.Remembered(); n == 0 || n > 12 {
		t.Errorf("%d results are remembered", n)
	}
}

// BenchmarkResolve resolves 1,000 addresses with a certificate each, from memory: parsing, rules and path, and preparing
// the recipients.
func BenchmarkResolve(b *testing.B) {
	root := smimetest.NewCA("Root")
	s := holding("ldap")
	var addresses []string
	for i := range 1000 {
		id := root.Issue(fmt.Sprintf("m%d@corp.example", i))
		s.add(id.Address, id.Certificate)
		addresses = append(addresses, id.Address)
	}
	check := func(b *testing.B, r *resolver.Resolver) {
		for _, result := range r.Resolve(b.Context(), addresses, resolver.Allowances{}) {
			if len(result.Certificates) != 1 {
				b.Fatalf("%+v", result)
			}
		}
	}
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			check(b, resolver.New([]resolver.Source{s}, trusting(root), resolver.Options{}))
		}
	})
	b.Run("warm", func(b *testing.B) {
		r := resolver.New([]resolver.Source{s}, trusting(root), resolver.Options{Changes: steady})
		check(b, r)
		for b.Loop() {
			check(b, r)
		}
	})
}
