// Package smtpd takes mail in, over SMTP (RFC 5321) and LMTP (RFC 2033).
//
// A message is taken for our lists only, is checked while it comes in, and is
// answered with 250 only after the store has committed it (invariant 8). Its
// octets are kept as they were received: no Received field is added, what is
// known of the way it came stands beside it in the spool. A bare CR, a bare LF
// or a NUL anywhere in it is a refusal (invariant 6).
//
// The dialogue is go-smtp's. What that leaves open stands in conn.go: how much
// a client may send before it gets an answer, and how slow it may be.
package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/sync/semaphore"

	"github.com/sealist/sealist/listd/bounce"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// Spool is what the server needs of the store; *store.Store is one.
type Spool interface {
	// List returns the list with this address, or store.ErrNotFound.
	List(ctx context.Context, a list.Address) (list.List, error)
	// Accept makes a message durable and returns an ID for each target.
	Accept(ctx context.Context, in store.Incoming) (ids []string, err error)
}

// Config is how the server behaves. The zero value is usable.
type Config struct {
	Hostname        string          // in the greeting; default "localhost"
	Domains         []string        // whose mail is ours; anything else is relaying. Empty: every list there is
	TLS             *tls.Config     // offers STARTTLS; nil: it is not offered
	TrustedNetworks []string        // CIDR; their clients, and those of unix sockets, are free of Network and bound by Domain
	MaxMessageBytes int64           // a message has no more octets; default 25 MiB
	Returns         *bounce.Returns // whose addresses take bounces; nil: there are none
	Accepted        func()          // called after a commit; nil: nobody is
	Count           Count           // who counts what happens

	// Room tells whether there is room for one more message: nil, or an error
	// that wraps store.ErrFull. It is asked at MAIL and before the commit. A nil
	// Room always is nil.
	Room func() error

	Network    Limits // of one client network outside TrustedNetworks
	Domain     Limits // of one reverse-path domain behind TrustedNetworks
	IPv4Prefix int    // leading bits that make an IPv4 address a network; default 24
	IPv6Prefix int    // the same for IPv6; default 64

	MaxRecipients  int              // in one transaction; default 100 (RFC 5321 section 4.5.3.1.8)
	MaxReceived    int              // Received fields, more are a loop; default 50
	MaxConnections int              // open at a time; default 256. A quarter of them is kept for TrustedNetworks
	Memory         int64            // octets of messages being received, all together; default 64 MiB. A larger message comes in alone
	MemoryWait     time.Duration    // that a message waits for its share of Memory before it is put off; default 30s
	CommandTimeout time.Duration    // for the next command, and for the next octets of a message; default 5m
	DataTimeout    time.Duration    // for a message, plus its octets received so far divided by MinRate; default 5m
	MinRate        int64            // octets a second below which a message is cut off in the end; default 2048
	StoreTimeout   time.Duration    // for the store to answer; default 1m
	Clock          func() time.Time // of Network and Domain; default time.Now
}

// Count is told of what happens. Nil functions are not called.
type Count struct {
	Connected func()                                // a connection was taken
	Refused   func(word string)                     // a connection, a command or a message was not: one of Refusals
	Accepted  func(kind store.Kind, lmtp, tls bool) // a message was committed for one list
}

// refused counts an error that a client hears of, and returns what he hears.
func (s *Server) refused(err error) *smtp.SMTPError {
	word, r := refusal(err)
	if s.c.Count.Refused != nil {
		s.c.Count.Refused(word)
	}
	return r
}

// ErrClosed is Serve's answer after Shutdown.
var ErrClosed = errors.New("the SMTP server is closed")

// Server takes mail in. It is safe for concurrent use.
type Server struct {
	c       Config
	domains map[string]bool
	trusted []netip.Prefix
	spool   Spool
	memory  *semaphore.Weighted
	log     *slog.Logger

	networks *meter[netip.Prefix] // of clients outside the trusted networks
	senders  *meter[string]       // reverse-path domains, behind them

	mu      sync.Mutex
	closing bool
	servers []*smtp.Server
	conns   map[*conn]struct{}
	gone    chan struct{} // told of connections that ended
}

// New checks the configuration and returns a server that listens nowhere yet.
// A nil log discards.
func New(c Config, spool Spool, log *slog.Logger) (*Server, error) {
	setDefault(&c.Hostname, "localhost")
	setDefault(&c.MaxMessageBytes, 25<<20)
	setDefault(&c.MaxRecipients, 100)
	setDefault(&c.MaxReceived, 50)
	setDefault(&c.MaxConnections, 256)
	setDefault(&c.IPv4Prefix, 24)
	setDefault(&c.IPv6Prefix, 64)
	setDefault(&c.Memory, 64<<20)
	setDefault(&c.MemoryWait, 30*time.Second)
	setDefault(&c.CommandTimeout, 5*time.Minute)
	setDefault(&c.DataTimeout, 5*time.Minute)
	setDefault(&c.MinRate, 2048)
	setDefault(&c.StoreTimeout, time.Minute)
	if c.Accepted == nil {
		c.Accepted = func() {}
	}
	if c.Room == nil {
		c.Room = func() error { return nil }
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		c: c, domains: map[string]bool{}, spool: spool, memory: semaphore.NewWeighted(c.Memory), log: log.With("room", "smtpd"),
		networks: newMeter[netip.Prefix](c.Network, c.Clock), senders: newMeter[string](c.Domain, c.Clock),
		conns: map[*conn]struct{}{}, gone: make(chan struct{}, 1),
	}
	for _, d := range c.Domains {
		s.domains[strings.ToLower(d)] = true
	}
	for _, text := range c.TrustedNetworks {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("smtpd: trusted network %q: write it as 192.0.2.0/24", text)
		}
		s.trusted = append(s.trusted, p.Masked())
	}
	return s, nil
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Serve takes connections from a listener, TCP or unix, until Shutdown; then
// it returns nil. It closes the listener.
func (s *Server) Serve(l net.Listener, lmtp bool) error {
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return newSession(s, c, lmtp), nil
	}))
	server.LMTP = lmtp
	server.Domain = s.c.Hostname
	server.TLSConfig = s.c.TLS
	server.MaxRecipients = s.c.MaxRecipients
	server.MaxMessageBytes = s.c.MaxMessageBytes
	server.MaxLineLength = 0 // conn has a limit that knows a message's long line from a command's
	server.ReadTimeout = s.c.CommandTimeout
	server.WriteTimeout = s.c.CommandTimeout
	server.EnableSMTPUTF8 = true
	server.ErrorLog = slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)

	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		l.Close()
		return ErrClosed
	}
	s.servers = append(s.servers, server)
	s.mu.Unlock()
	return server.Serve(&listener{l, s})
}

// Drain returns when the last connection has ended, or ctx has. It ends none,
// and does not keep new ones out: the caller sees to it that none come.
func (s *Server) Drain(ctx context.Context) {
	for {
		s.mu.Lock()
		open := len(s.conns)
		s.mu.Unlock()
		if open == 0 {
			return
		}
		select {
		case <-s.gone:
		case <-ctx.Done():
			return
		}
	}
}

// Shutdown stops listening, ends the connections that wait for a command with
// 421, and lets messages that are being received come to their end until ctx
// does; then it cuts them off and returns ctx's error. What was not answered
// with 250 was not taken.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	servers := s.servers
	for c := range s.conns {
		c.endIdle()
	}
	s.mu.Unlock()
	var errs []error
	for _, server := range servers {
		if err := server.Shutdown(ctx); err != nil && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Conn.Close()
	}
	return errors.Join(errs...)
}
