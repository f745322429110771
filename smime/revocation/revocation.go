package revocation

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/sealist/sealist/smime/trust"
)

// Mechanism is a way to ask.
type Mechanism string

// The mechanisms, as trust.revocation.check names them.
const (
	CRL  Mechanism = "crl"
	OCSP Mechanism = "ocsp"
)

// Mapping puts one address in the place of another: a URL that begins with From is asked for at To and the rest of it.
// From ends where a part of the URL ends, so that "http://crl.example" does not stand for "http://crl.example.org".
// Where it leads is the administrator's word, and may be this machine.
type Mapping struct{ From, To string }

// Question is what is asked of a directory.
type Question struct {
	// Server is ldap://host[:port] or ldaps://host[:port]; empty if the URL named none: the directory that has the DN.
	Server string
	// DN is the entry, Attribute the bare name of one of its attributes: certificateRevocationList,
	// authorityRevocationList or deltaRevocationList.
	DN, Attribute string
	// Mapped tells that the administrator's Mapping leads there, so that Guard does not apply.
	Mapped bool
}

// Directory reads values from LDAP directories. Nothing may be sent to a Server that is not one of the configured ones but an
// anonymous question, and only where Guard lets it go.
type Directory interface {
	Values(ctx context.Context, q Question) ([][]byte, error)
}

// Options of a Checker. The zero value asks for CRLs and then by OCSP, over HTTP.
type Options struct {
	Check     []Mechanism // in the order in which they are asked; the first that answers decides. Nil: CRL, OCSP
	URLMap    []Mapping   // the first that fits
	Proxy     string      // URL of an HTTP proxy; empty: none, whatever the environment says
	Directory Directory   // nil: ldap URLs cannot be asked
	Shelf     Shelf       // nil: CRLs are kept in memory only; OCSP answers always are
	AllowSHA1 bool        // answers signed with SHA-1 count

	Timeout   time.Duration // of one fetch, and of one Judge that waits. 0: 10 s
	Refresh   time.Duration // after which an answer is fetched again although it is in date. 0: 1 h
	MaxOctets int64         // of one CRL. 0: 64 MiB
	MaxHeld   int64         // memory of all CRLs kept, about. 0: 256 MiB
	MaxAge    time.Duration // after its thisUpdate up to which an answer counts at most. 0: 400 days

	Clock func() time.Time // nil: time.Now
	Log   *slog.Logger     // nil: nothing is logged
}

// Bounds that are not settings.
const (
	maxFetches     = 64               // at a time
	maxLists       = 4096             // places of CRLs remembered
	maxAnswers     = 50_000           // OCSP answers remembered
	maxKnown       = 50_000           // certificates known to be good
	knownFor       = 30 * time.Second // without looking whether something is due to be fetched
	maxOCSPOctets  = 256 << 10        // of one OCSP response
	retryFirst     = time.Minute      // after the first failure; each further one doubles it
	retryMost      = 15 * time.Minute // between two attempts
	maxOpenAge     = 7 * 24 * time.Hour
	maxAhead       = 10 * time.Minute // of an issuer's clock
	maxIssuerDepth = 1                // how far the signer of an answer is asked about in its turn
)

// Checker fetches and keeps answers. It is safe for concurrent use.
type Checker struct {
	o       Options
	limits  trust.RevocationLimits
	guarded *http.Client
	mapped  *http.Client
	slots   chan struct{}
	ctx     context.Context
	cancel  context.CancelFunc

	mu      sync.Mutex
	lists   map[place]*list
	answers map[question]*answer
	held    int64
	known   map[[sha256.Size]byte]good
	changes uint64 // counts what was taken up: what was known before it counts no more

	shelving sync.WaitGroup
}

// place is where the CRLs of one issuer are: its name and key, the anchor above it, and the URL. Two issuers that name one URL do not share
// what comes from it.
type place struct {
	issuer [sha256.Size]byte
	url    string
}

// question is what one OCSP responder was asked.
type question struct {
	issuer [sha256.Size]byte
	serial string
	url    string
}

// New checks the options. It fetches nothing.
func New(o Options) (*Checker, error) {
	if o.Check == nil {
		o.Check = []Mechanism{CRL, OCSP}
	}
	for _, m := range o.Check {
		if m != CRL && m != OCSP {
			return nil, fmt.Errorf("%q is neither crl nor ocsp", m)
		}
	}
	var proxy *url.URL
	if o.Proxy != "" {
		var err error
		if proxy, err = url.Parse(o.Proxy); err != nil || proxy.Host == "" {
			return nil, fmt.Errorf("the proxy %q is no URL, as http://proxy.example:3128", o.Proxy)
		}
	}
	for _, m := range o.URLMap {
		if to, err := url.Parse(m.To); m.From == "" || err != nil || to.Scheme == "" {
			return nil, fmt.Errorf("url_map: from %q to %q: both must be URLs", m.From, m.To)
		}
	}
	setDefaults(&o)
	ctx, cancel := context.WithCancel(context.Background())
	return &Checker{
		o:       o,
		limits:  trust.RevocationLimits{MaxAge: o.MaxAge, MaxAgeOpen: maxOpenAge, AllowSHA1: o.AllowSHA1},
		guarded: client(proxy, true), mapped: client(proxy, false),
		slots: make(chan struct{}, maxFetches), ctx: ctx, cancel: cancel,
		lists: map[place]*list{}, answers: map[question]*answer{}, known: map[[sha256.Size]byte]good{},
	}, nil
}

func setDefaults(o *Options) {
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Refresh <= 0 {
		o.Refresh = time.Hour
	}
	if o.MaxOctets <= 0 {
		o.MaxOctets = 64 << 20
	}
	if o.MaxHeld <= 0 {
		o.MaxHeld = 256 << 20
	}
	if o.MaxAge <= 0 {
		o.MaxAge = 400 * 24 * time.Hour
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// Close ends what is being fetched.
func (c *Checker) Close() error {
	c.cancel()
	c.shelving.Wait()
	return nil
}

// errClosed is about a Checker after Close.
var errClosed = errors.New("the server is stopping")

// fetching runs f in the background with a time limit. The channel is closed when it has ended.
func (c *Checker) fetching(f func(context.Context)) chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(c.ctx, c.o.Timeout)
		defer cancel()
		select {
		case c.slots <- struct{}{}:
			defer func() { <-c.slots }()
			f(ctx)
		case <-ctx.Done():
			f(ctx)
		}
	}()
	return done
}

// attempts is how often and when something was asked for.
type attempts struct {
	first time.Time     // zero: never
	asked time.Time     // last
	next  time.Time     // not before it is asked again
	fails int           // in a row
	err   error         // of the last one; nil: it went well
	job   chan struct{} // closed when it has ended; nil: nobody asks
	used  time.Time
}

// failed notes a failure. The caller holds the lock.
func (a *attempts) failed(now time.Time, err error) {
	wait := retryMost
	if a.fails < 4 {
		wait = retryFirst << a.fails
	}
	a.fails++
	a.err, a.next = err, now.Add(min(wait, retryMost))
}

// succeeded notes that an answer holds until a moment. The caller holds the lock.
func (a *attempts) succeeded(now, until time.Time, refresh time.Duration) {
	a.err, a.fails = nil, 0
	// Not all at the same moment, and before it goes out of date.
	a.next = now.Add(time.Duration(float64(refresh) * (0.75 + 0.25*rand.Float64())))
	if early := now.Add(time.Duration(float64(until.Sub(now)) * (0.75 + 0.15*rand.Float64()))); early.Before(a.next) {
		a.next = early
	}
	if least := now.Add(retryFirst); a.next.Before(least) {
		a.next = least
	}
}

func issuerKey(issuer, anchor *x509.Certificate) [sha256.Size]byte {
	h := sha256.New()
	h.Write(issuer.RawSubject)
	h.Write(issuer.RawSubjectPublicKeyInfo)
	h.Write(anchor.Raw)
	return [sha256.Size]byte(h.Sum(nil))
}
