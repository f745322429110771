package resolver

import (
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
	CacheSize       int                  // prepared recipients kept in memory, some 1 KB each; 0 means 50,000
	Clock           func() time.Time     // nil: time.Now
	Log             *slog.Logger         // nil: nothing is logged
}

// Resolver resolves addresses. It is safe for concurrent use.
type Resolver struct {
	sources    []Source
	judge      Judge
	o          Options
	recipients *recipients
	outages    outages
}

// New makes a Resolver that asks the sources in this order.
func New(sources []Source, judge Judge, o Options) *Resolver {
	if o.MaxCertificates <= 0 || o.MaxCertificates > MaxCertificates {
		o.MaxCertificates = MaxCertificates
	}
	if o.CacheSize <= 0 {
		o.CacheSize = 50_000
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Resolver{sources: sources, judge: judge, o: o, recipients: newRecipients(o.CacheSize, o.Recipients),
		outages: outages{sources: map[string]failing{}}}
}

// Result is what is known about one address.
type Result struct {
	Address string

	// Certificates are what a copy is encrypted to, newest first, all with one kind of key. None, with Err nil, means
	// that every source was asked and none has a usable certificate: the copy is withheld.
	Certificates []Usable
	Source       string // that has them

	Refused []Refusal   // certificates of the sources asked that may not be used
	Asked   []SourceRun // the sources that were asked, in order

	// Err says that a source could not be asked before a usable certificate was found, or that a certificate may only
	// not be used because nobody answers whether it has been revoked: the copy is delayed.
	Err error
}

// Usable is a certificate a copy is encrypted to.
type Usable struct {
	Certificate *x509.Certificate
	Fingerprint string // trust.Fingerprint
	Origin      directory.Origin
	Recipient   *cms.Recipient // prepared for sealing; shared
	KeyType     cms.KeyType
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
}

// errBroken is about a source that breaks its contract.
var errBroken = errors.New("the source did not answer for every address")

// Resolve finds the certificates for each address, in their order.
func (r *Resolver) Resolve(ctx context.Context, addresses []string) []Result {
	results := make([]Result, len(addresses))
	open := make([]int, len(addresses)) // addresses without a usable certificate or an outage so far
	for i, a := range addresses {
		results[i].Address = a
		open[i] = i
	}
	at := r.o.Clock()
	for _, s := range r.sources {
		if len(open) == 0 {
			break
		}
		asked := make([]string, len(open))
		for n, i := range open {
			asked[n] = addresses[i]
		}
		answers := r.ask(ctx, s, asked)
		done := r.takeAll(ctx, results, open, s.Name(), answers, at)
		still := open[:0]
		for n, i := range open {
			if !done[n] {
				still = append(still, i)
			}
		}
		open = still
	}
	return results
}

// ask asks one source and makes sure of one answer an address.
func (r *Resolver) ask(ctx context.Context, s Source, addresses []string) []directory.Answer {
	answers := s.Lookup(ctx, addresses)
	if len(answers) != len(addresses) {
		answers = directory.Fail(addresses, errBroken)
	}
	failed := 0
	var last error
	for _, a := range answers {
		if err := a.Outage(); err != nil {
			failed++
			last = err
		}
	}
	if failed > 0 {
		r.outages.tell(ctx, r.o.Log, r.o.Clock(), s.Name(), failed, last)
	}
	return answers
}

// take adds one source's answer to a result and says whether the search for this address ends with it, or what to wait
// for before it is taken again: then the result is left as it was. Without patience there is nothing to wait for.
func (r *Resolver) take(result *Result, source string, a directory.Answer, at time.Time, patient bool) (done bool, pending <-chan struct{}) {
	if errors.Is(a.Err, directory.ErrNotSource) {
		return false, nil
	}
	if err := a.Outage(); err != nil {
		result.Asked = append(result.Asked, run(source, a))
		result.Err = fmt.Errorf("source %s cannot be asked about %s: %w", source, result.Address, err)
		return true, nil
	}
	sifted := r.sift(result.Address, a, at)
	if sifted.pending != nil && patient {
		return false, sifted.pending
	}
	result.Asked = append(result.Asked, run(source, a))
	result.Refused = append(result.Refused, sifted.refused...)
	if len(sifted.usable) == 0 {
		result.Err = sifted.outage
		return result.Err != nil, nil
	}
	result.Certificates, _ = r.choose(sifted.usable)
	result.Source = source
	return true, nil
}

func run(source string, a directory.Answer) SourceRun {
	return SourceRun{Name: source, Server: a.Server, Filter: a.Filter, Took: a.Took,
		Found: len(a.Candidates) + len(a.Unreadable), Err: a.Err}
}
