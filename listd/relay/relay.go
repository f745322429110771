// Package relay hands messages to the next hop, over SMTP (RFC 5321) or LMTP
// (RFC 2033).
//
// One transaction carries one message to one recipient. A caller gives Send a
// function that yields transactions; Send takes them one by one, as the next
// hop is ready for them, and says of each what became of it. Where the next
// hop announces PIPELINING (RFC 2920) the commands of a transaction leave in
// one write, behind the end of the message before it, so that a message costs
// one round trip; everywhere else they leave one by one.
//
// What holds whatever happens:
//   - every transaction that was taken is reported exactly once;
//   - while one message waits for its final reply, no octet of the next has
//     been sent, so that a lost connection leaves at most one message in doubt;
//   - a bare CR, a bare LF, a NUL, or an address that could end its own
//     command cannot be written (invariant 6);
//   - octets are sent as they are. Only dots are stuffed, and a last line
//     without an end gets one, as the protocol demands.
package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// TLSMode says when a connection is encrypted. Its words are those of
// relay.tls in the configuration.
type TLSMode string

// The modes.
const (
	TLSNone          TLSMode = "none"          // never
	TLSOpportunistic TLSMode = "opportunistic" // STARTTLS where it is offered; the certificate is not judged, and a failed handshake falls back to clear
	TLSRequired      TLSMode = "required"      // STARTTLS with a verified certificate, or no mail
	TLSImplicit      TLSMode = "implicit"      // TLS from the first octet, verified
)

// Config describes a next hop. Only URL is needed.
type Config struct {
	URL       string      // smtp://host:port, lmtp://host:port or lmtp:/path/of/socket
	TLS       TLSMode     // default opportunistic
	TLSConfig *tls.Config // roots and the like; the server's name is taken from URL unless set. nil: the system's roots
	Auth      *Auth       // nil: none. Only to a verified hop, one on loopback, or a socket
	Hello     string      // what EHLO, LHLO and HELO say; default "localhost"

	Connections     int           // connections open at a time; default 8
	MaxTransactions int           // transactions on one connection before it is closed; default 1000
	IdleTimeout     time.Duration // how long an unused connection is kept; default 15s

	ConnectTimeout time.Duration // to connect, and for each TLS handshake; default 30s
	CommandTimeout time.Duration // for the greeting and for the reply to a command or a group of them; default 5m (RFC 5321 section 4.5.3.2)
	DataTimeout    time.Duration // to get rid of each MiB of a message; default 3m
	FinalTimeout   time.Duration // for the reply to the final dot; default 10m

	// Dial opens the connection; network is "tcp" or "unix". Default: a
	// net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Errors of this package. Those of a connection wrap the network's own.
var (
	// ErrClosed is Send's answer after Close.
	ErrClosed = errors.New("the relay is closed")
	// ErrUnconfirmed marks a message whose final dot was sent and whose reply
	// never came: the next hop may have taken it. It counts as a temporary
	// failure; RFC 5321 section 4.2.5 prefers a duplicate to a loss.
	ErrUnconfirmed = errors.New("the connection ended after the message and before its reply: the next hop may have taken it")
	// ErrTransaction is wrapped by what is wrong with a transaction itself: it
	// was not sent and never can be. Permanent.
	ErrTransaction = errors.New("not sendable")
	// ErrSMTPUTF8: the address is not ASCII and the next hop takes only ASCII
	// (RFC 6531 section 3.1). Permanent for this transaction.
	ErrSMTPUTF8 = errors.New("the address is not ASCII, and the next hop does not offer SMTPUTF8")
	// ErrSize: the message is larger than the next hop says it takes (RFC 1870
	// section 6). Permanent for this transaction.
	ErrSize = errors.New("the message is larger than the next hop takes")
)

// Hop is one of several next hops.
type Hop struct {
	Config
	Weight int // its share of the Sends beside the others'; 0: it is used only while no hop with a weight can be
}

// Relay hands messages to the next hops. It is safe for concurrent use.
type Relay struct {
	hops   []*hop
	choice *choice
	clock  func() time.Time

	mu     sync.Mutex
	closed bool
	active sync.WaitGroup // Sends under way
}

// New returns a relay with one next hop; it connects to nothing yet. A nil log
// discards.
func New(c Config, log *slog.Logger) (*Relay, error) {
	return NewHops([]Hop{{Config: c, Weight: 1}}, nil, log)
}

// NewHops returns a relay with several next hops. clock says how long a hop is
// put aside; nil is time.Now.
func NewHops(hops []Hop, clock func() time.Time, log *slog.Logger) (*Relay, error) {
	if len(hops) == 0 {
		return nil, errors.New("relay: no next hop")
	}
	if clock == nil {
		clock = time.Now
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &Relay{choice: newChoice(hops), clock: clock}
	for _, c := range hops {
		h, err := newHop(c.Config, log)
		if err != nil {
			return nil, err
		}
		r.hops = append(r.hops, h)
	}
	return r, nil
}

// Send takes transactions from next until that returns false, and sends them
// over one connection at a time, waiting for a free one first. Of every
// transaction taken it tells report exactly once, before it returns, on the
// caller's goroutine.
//
// next is called while the next hop works on the transaction before, up to two
// ahead of the one whose fate is still open; it may compute, but should not
// wait. A connection that the next hop ends between two messages is replaced,
// and what was not yet sent goes over the new one.
//
// A hop is in trouble when it cannot be reached, does not answer in time,
// greets with a refusal, breaks the protocol, or ended two connections in a row
// without having settled anything. Then it is put aside for a while, and what
// it has not settled goes to another one at once, but for a message whose final
// dot it has seen.
//
// An error says that this befell the last hop that could be tried. What was
// taken by then has been reported as temporary, with Stage Connect if nothing of it was ever
// offered; what was not taken is the caller's to keep. The end of ctx ends
// connections at once, and is the returned error then.
func (r *Relay) Send(ctx context.Context, next func() (Transaction, bool), report func(Transaction, Result)) error {
	if !r.begin() {
		return ErrClosed
	}
	defer r.active.Done()
	s := &sending{next: next, report: report}
	tried := make([]bool, len(r.hops))
	var trouble error
	for {
		i := r.choice.pick(r.clock(), tried)
		if i < 0 {
			return s.abandon(trouble)
		}
		tried[i] = true
		s.hop = r.hops[i]
		err := s.hop.enter(ctx)
		if err == nil {
			err = s.run(ctx)
			s.hop.leave()
		}
		if ctx.Err() != nil {
			r.choice.undecided(i)
			return s.abandon(fmt.Errorf("relay to %s: %w", s.hop.c.URL, ctx.Err()))
		}
		if err == nil {
			r.choice.worked(i)
			return nil
		}
		trouble = fmt.Errorf("relay to %s: %w", s.hop.c.URL, err)
		if aside := r.choice.failed(i, r.clock()); aside > 0 && len(r.hops) > 1 {
			s.hop.log.Warn("next hop is in trouble and put aside", "err", escape(err.Error()), "for", aside)
		}
	}
}

// begin notes a Send; false after Close.
func (r *Relay) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.active.Add(1)
	}
	return !r.closed
}

// Close lets the Sends under way end until ctx does, refuses new ones, and
// takes leave of the idle connections with QUIT. After the end of ctx it
// returns its error and leaves the Sends to their own contexts.
func (r *Relay) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	for _, h := range r.hops {
		h.close()
	}
	done := make(chan struct{})
	go func() {
		r.active.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
