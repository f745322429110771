package resolver

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/trust"
)

// Source is where certificates are looked up. Lookup returns one Answer for each address, in their order. Both methods
// are called from several goroutines.
type Source interface {
	Name() string
	Lookup(ctx context.Context, addresses []string) []directory.Answer
}

// Judge says whether a certificate may be used. *trust.Policy is one.
type Judge interface {
	Judge(cert *x509.Certificate, use trust.Use, at time.Time, extra []*x509.Certificate) trust.Verdict
}

// Select says which of a person's usable certificates are used.
type Select int

// All certificates of one kind of key are used together, so that each of the person's devices opens the copy; never both
// kinds in one message, which some clients reject whole.
const (
	All      Select = iota // all with an RSA key; without any all with an EC, then all with an X25519 key
	Newest                 // the newest of them alone
	PreferEC               // all with an EC key; without any all with an X25519, then all with an RSA key
)

var selectNames = []string{All: "all", Newest: "newest", PreferEC: "prefer-ec"}

// String returns the name as the configuration has it.
func (s Select) String() string {
	if s < 0 || int(s) >= len(selectNames) {
		return fmt.Sprintf("select %d", int(s))
	}
	return selectNames[s]
}

// ParseSelect reads "all", "newest" or "prefer-ec"; empty is "all".
func ParseSelect(name string) (Select, error) {
	for s, n := range selectNames {
		if n == name {
			return Select(s), nil
		}
	}
	if name == "" {
		return All, nil
	}
	return All, fmt.Errorf("select: %q is none of all, newest, prefer-ec", name)
}

// MaxCertificates is the most certificates of one person that his one copy is encrypted to.
const MaxCertificates = 8

// Options of a Resolver. The zero value is usable.
type Options struct {
	Select          Select
	MaxCertificates int                  // 1 to 8; 0 means 8
	Recipients      cms.RecipientOptions // how keys are wrapped

	// AllowExpired is the site's word for Allowances.Expired, without which no list's counts.
	AllowExpired bool

	// Changes returns a number that grows whenever a verdict of the Judge may have become another one, but by the passing
	// of time, as when a CRL has come. With it results are remembered, in Memory octets (0: 64 MiB), until Forget or the
	// end of their time. Nil: nothing is remembered.
	Changes func() uint64
	Memory  int64

	Clock func() time.Time // nil: time.Now
	Log   *slog.Logger     // nil: nothing is logged
}

// Resolver resolves addresses. It is safe for concurrent use.
type Resolver struct {
	sources []Source
	judge   Judge
	o       Options
	memory  *memory
	outages outages
}

// New makes a Resolver that asks the sources in this order.
func New(sources []Source, judge Judge, o Options) *Resolver {
	if o.MaxCertificates <= 0 || o.MaxCertificates > MaxCertificates {
		o.MaxCertificates = MaxCertificates
	}
	if o.Memory <= 0 {
		o.Memory = 64 << 20
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Resolver{sources: sources, judge: judge, o: o, memory: newMemory(o.Memory), outages: outages{sources: map[string]failing{}}}
}

// Forget drops what is remembered: a source, or what a listmaster said about certificates, has changed.
func (r *Resolver) Forget() { r.memory.forget() }

// Allowances say what a list takes that others do not. The zero value allows nothing.
type Allowances struct {
	// Expired takes a certificate that has expired where there is no better one. The site must allow it, too.
	Expired bool
}

// Result is what is known about one address.
type Result struct {
	Address string

	// Certificates are what a copy is encrypted to, newest first, all with one kind of key. None, with Err nil, means
	// that every source was asked and none has a usable certificate: the copy is withheld.
	Certificates []Usable
	Source       string // that has them

	Refused []Refusal   // certificates of the sources asked that may not be used; none where the result was remembered
	Asked   []SourceRun // the sources that were asked, in order; likewise

	// Err says that a source could not be asked before a usable certificate was found, or that a certificate may only
	// not be used because nobody answers whether it has been revoked: the copy is delayed.
	Err error
}

// Usable is a certificate a copy is encrypted to. It does not hold the certificate.
type Usable struct {
	Fingerprint         string // trust.Fingerprint
	Origin              directory.Origin
	Recipient           *cms.Recipient // prepared for sealing; shared
	KeyType             cms.KeyType
	NotBefore, NotAfter time.Time
	Expired             bool // taken all the same, because site and list allow it
}

// Refusal is something found that may not be used.
type Refusal struct {
	Certificate *x509.Certificate // nil if it could not be read
	Fingerprint string            // empty likewise
	Origin      directory.Origin
	Reason      trust.Reason
	Detail      string // one sentence for the administrator
}

// SourceRun says how asking one source about one address went.
type SourceRun struct {
	Name   string
	Server string
	Filter string
	Took   time.Duration
	Found  int   // certificates and unreadable values
	Err    error // as directory.Answer has it

	Fetched time.Time // when a cache took the answer from the source; zero: just now
}

// errBroken is about a source that breaks its contract.
var errBroken = errors.New("the source did not answer for every address")

// Resolve finds the certificates for each address, in their order. From memory comes only what would be found again.
func (r *Resolver) Resolve(ctx context.Context, addresses []string, allowed Allowances) []Result {
	allowed.Expired = allowed.Expired && r.o.AllowExpired
	results := make([]Result, len(addresses))
	began, now := r.began(), r.o.Clock()
	var open []int
	for i, a := range addresses {
		results[i].Address = a
		if e, ok := r.recall(a, allowed, began, now); ok {
			results[i].Certificates, results[i].Source = e.usable, e.source
		} else {
			open = append(open, i)
		}
	}
	if len(open) == 0 {
		return results
	}
	asked := make([]string, len(open))
	for n, i := range open {
		asked[n] = addresses[i]
	}
	for n, q := range r.search(ctx, asked, allowed, now) {
		results[open[n]] = q.Result
		r.remember(q, allowed, began, now)
	}
	return results
}

// recheckAfter is the age from which a kept answer alone withholds no copy: the directory is asked once more.
const recheckAfter = 5 * time.Minute

// search asks the sources, and where nothing was found because of what caches keep, once more past the caches.
func (r *Resolver) search(ctx context.Context, addresses []string, allowed Allowances, now time.Time) []*inquiry {
	found := r.inquire(ctx, addresses, allowed, now, time.Time{})
	since := now.Add(-recheckAfter)
	var again []string
	var open []int
	for i, q := range found {
		if q.Err == nil && len(q.Certificates) == 0 && !q.oldest.IsZero() && q.oldest.Before(since) {
			again, open = append(again, q.Address), append(open, i)
		}
	}
	if len(again) > 0 {
		for n, q := range r.inquire(ctx, again, allowed, now, since) {
			found[open[n]] = q
		}
	}
	for _, q := range found {
		q.makeDo()
	}
	return found
}

// inquiry is a search for one address.
type inquiry struct {
	Result
	oldest time.Time // when the oldest of the kept answers was fetched that it rests on; zero: it rests on none
	until  time.Time // up to when it would be found again; zero: that is not known

	expired       []Usable // what may be used if nothing better is found
	expiredSource string
}

// makeDo takes certificates that have expired where nothing better was found.
func (q *inquiry) makeDo() {
	if q.Err == nil && len(q.Certificates) == 0 && len(q.expired) > 0 {
		q.Certificates, q.Source, q.until = q.expired, q.expiredSource, time.Time{}
	}
}

// inquire asks the sources in their order for what was fetched since a moment.
func (r *Resolver) inquire(ctx context.Context, addresses []string, allowed Allowances, at, since time.Time) []*inquiry {
	found := make([]*inquiry, len(addresses))
	open := make([]*inquiry, len(addresses)) // those without a usable certificate or an outage so far
	for i, a := range addresses {
		found[i] = &inquiry{Result: Result{Address: a}}
		open[i] = found[i]
	}
	for _, s := range r.sources {
		if len(open) == 0 {
			break
		}
		asked := make([]string, len(open))
		for n, q := range open {
			asked[n] = q.Address
		}
		answers := r.ask(ctx, s, asked, since)
		done := r.takeAll(ctx, open, s, answers, allowed, at)
		still := open[:0:0]
		for n, q := range open {
			if !done[n] {
				still = append(still, q)
			}
		}
		open = still
	}
	return found
}

// ask asks one source and makes sure of one answer an address.
func (r *Resolver) ask(ctx context.Context, s Source, addresses []string, since time.Time) []directory.Answer {
	var answers []directory.Answer
	if c, ok := s.(*Cached); ok {
		answers = c.LookupSince(ctx, addresses, since)
	} else {
		answers = s.Lookup(ctx, addresses)
	}
	if len(answers) != len(addresses) {
		answers = directory.Fail(addresses, errBroken)
	}
	failed := 0
	var last error
	for _, a := range answers {
		if err := cmp.Or(a.Outage(), a.Stale); err != nil {
			failed++
			last = err
		}
	}
	if failed > 0 {
		r.outages.tell(ctx, r.o.Log, r.o.Clock(), s.Name(), failed, last)
	}
	return answers
}

// Binds tells whether an entry of a directory binds the certificate to the address (directory.Origin.BoundByEntry): one that
// names no address at all then belongs to the person of the entry. What is kept of directories' answers counts. An error says
// that a source could not be asked and no other binds it. The caller judges the certificate.
func (r *Resolver) Binds(ctx context.Context, cert *x509.Certificate, address string) (bool, error) {
	var outage error
	for _, s := range r.sources {
		a := r.ask(ctx, s, []string{address}, time.Time{})[0]
		for _, c := range a.Candidates {
			if c.Origin.BoundByEntry && bytes.Equal(c.Certificate, cert.Raw) {
				return true, nil
			}
		}
		outage = cmp.Or(outage, a.Outage())
	}
	return false, outage
}

// take adds one source's answer to an inquiry and says whether the search for this address ends with it, or what to wait
// for before it is taken again: then the inquiry is left as it was. Without patience there is nothing to wait for.
func (r *Resolver) take(q *inquiry, s Source, a directory.Answer, allowed Allowances, at time.Time, patient bool) (done bool, pending <-chan struct{}) {
	if errors.Is(a.Err, directory.ErrNotSource) {
		return false, nil
	}
	if err := a.Outage(); err != nil {
		q.Asked = append(q.Asked, run(s.Name(), a))
		q.Err = fmt.Errorf("source %s cannot be asked about %s: %w", s.Name(), q.Address, err)
		return true, nil
	}
	sifted := r.sift(q.Address, a, allowed, at)
	if sifted.pending != nil && patient {
		return false, sifted.pending
	}
	q.Asked = append(q.Asked, run(s.Name(), a))
	q.Refused = append(q.Refused, sifted.refused...)
	if !a.Fetched.IsZero() && (q.oldest.IsZero() || a.Fetched.Before(q.oldest)) {
		q.oldest = a.Fetched
	}
	if len(sifted.usable) == 0 {
		if len(q.expired) == 0 && len(sifted.expired) > 0 {
			q.expired, _ = r.choose(usables(sifted.expired))
			q.expiredSource = s.Name()
		}
		q.Err = sifted.outage
		return q.Err != nil, nil
	}
	q.Certificates, _ = r.choose(usables(sifted.usable))
	q.Source = s.Name()
	q.until = r.lasts(q, s, a, sifted)
	return true, nil
}

func run(source string, a directory.Answer) SourceRun {
	return SourceRun{Name: source, Server: a.Server, Filter: a.Filter, Took: a.Took, Fetched: a.Fetched,
		Found: len(a.Candidates) + len(a.Unreadable), Err: a.Err}
}
