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
//
// Interim: one next hop without AUTH; several hops, AUTH and the DSN
// parameters come with the delivery work.
package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
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

// Config describes the next hop. Only URL is needed.
type Config struct {
	URL       string      // smtp://host:port, lmtp://host:port or lmtp:/path/of/socket
	TLS       TLSMode     // default opportunistic
	TLSConfig *tls.Config // roots and the like; the server's name is taken from URL unless set. nil: the system's roots
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

// Relay is a pool of connections to one next hop. It is safe for concurrent
// use.
type Relay struct {
	c       Config
	lmtp    bool
	network string
	address string
	log     *slog.Logger

	slots chan struct{} // one token a connection

	mu     sync.Mutex
	idle   []*conn // most recently used last
	closed bool
	active sync.WaitGroup // Sends under way
}

// New checks the configuration and returns a relay; it connects to nothing
// yet. A nil log discards.
func New(c Config, log *slog.Logger) (*Relay, error) {
	r := &Relay{log: log}
	var err error
	if r.lmtp, r.network, r.address, err = parseURL(c.URL); err != nil {
		return nil, err
	}
	setDefault(&c.TLS, TLSOpportunistic)
	setDefault(&c.Hello, "localhost")
	setDefault(&c.Connections, 8)
	setDefault(&c.MaxTransactions, 1000)
	setDefault(&c.IdleTimeout, 15*time.Second)
	setDefault(&c.ConnectTimeout, 30*time.Second)
	setDefault(&c.CommandTimeout, 5*time.Minute)
	setDefault(&c.DataTimeout, 3*time.Minute)
	setDefault(&c.FinalTimeout, 10*time.Minute)
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.TLSConfig == nil {
		c.TLSConfig = &tls.Config{}
	}
	c.TLSConfig = c.TLSConfig.Clone()
	if host, _, err := net.SplitHostPort(r.address); err == nil && r.network == "tcp" {
		setDefault(&c.TLSConfig.ServerName, host)
	}
	if c.TLSConfig.ClientSessionCache == nil {
		c.TLSConfig.ClientSessionCache = tls.NewLRUClientSessionCache(c.Connections)
	}
	switch c.TLS {
	case TLSNone:
	case TLSOpportunistic:
		c.TLSConfig.InsecureSkipVerify = true
	case TLSRequired, TLSImplicit:
		c.TLSConfig.InsecureSkipVerify = false
		if c.TLSConfig.ServerName == "" {
			return nil, fmt.Errorf("relay: %s with tls %s: a socket has no name to verify a certificate by", c.URL, c.TLS)
		}
	default:
		return nil, fmt.Errorf("relay: tls %q: write none, opportunistic, required or implicit", c.TLS)
	}
	if strings.ContainsFunc(c.Hello, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("relay: hello name %q: write a host name", c.Hello)
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.log = r.log.With("room", "relay", "hop", c.URL)
	r.c = c
	r.slots = make(chan struct{}, c.Connections)
	return r, nil
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// parseURL reads smtp://host:port, lmtp://host:port and lmtp:/path.
func parseURL(url string) (lmtp bool, network, address string, err error) {
	scheme, rest, _ := strings.Cut(url, ":")
	lmtp = scheme == "lmtp"
	hostPort, slashes := strings.CutPrefix(rest, "//")
	switch {
	case scheme != "smtp" && scheme != "lmtp":
	case slashes:
		if _, port, e := net.SplitHostPort(hostPort); e == nil && port != "" {
			return lmtp, "tcp", hostPort, nil
		}
	case lmtp && strings.HasPrefix(rest, "/"):
		return lmtp, "unix", rest, nil
	}
	return false, "", "", fmt.Errorf("relay: %q: write smtp://host:port, lmtp://host:port or lmtp:/path/of/socket", url)
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
// An error says that the hop itself is in trouble: it cannot be reached, does
// not answer in time, greets with a refusal, breaks the protocol, or ended two
// connections in a row without having settled anything. What was taken by then
// has been reported as temporary, with Stage Connect if nothing of it was ever
// offered; what was not taken is the caller's to keep. The end of ctx ends
// connections at once, and is the returned error then.
func (r *Relay) Send(ctx context.Context, next func() (Transaction, bool), report func(Transaction, Result)) error {
	if err := r.enter(ctx); err != nil {
		return err
	}
	defer r.leave()
	s := &sending{relay: r, next: next, report: report}
	return s.run(ctx)
}

// Close lets the Sends under way end until ctx does, refuses new ones, and
// takes leave of the idle connections with QUIT. After the end of ctx it
// returns its error and leaves the Sends to their own contexts.
func (r *Relay) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	idle := r.idle
	r.idle = nil
	r.mu.Unlock()
	for _, c := range idle {
		c.quit()
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
