package peer

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// SinkOptions says how a sink listens and behaves. The zero value is a well-behaved SMTP server on a free port.
type SinkOptions struct {
	LMTP bool        // speak LMTP: LHLO, and one reply for each recipient after the data
	Unix bool        // listen on a unix socket
	TLS  *tls.Config // offer STARTTLS
	// ImplicitTLS starts TLS at once instead of offering STARTTLS. It needs TLS.
	ImplicitTLS bool
	// Extensions are the EHLO lines beside STARTTLS. nil: PIPELINING, 8BITMIME, ENHANCEDSTATUSCODES, SIZE 52428800.
	Extensions []string
	Behave     Behaviour // nil: take everything
	// Discard keeps no octets of the messages, only their length, for measurements.
	Discard bool
	// Head keeps only the header of each message.
	Head bool
	// Took is given every mail in place of being kept, before its final reply leaves; for tests with very many. It is
	// called for several sessions at a time.
	Took func(Mail)
}

// Step is a point of an SMTP session at which a sink is about to answer.
type Step struct {
	// Verb is CONNECT (the greeting), EHLO, HELO, LHLO, STARTTLS, MAIL, RCPT, DATA (the 354), BODY (the answer to the
	// final dot; once a recipient under LMTP), RSET, NOOP or QUIT.
	Verb        string
	Session     int    // number of the connection, from 1
	Transaction int    // number of the MAIL command in this session, from 1
	ReversePath string // of this transaction, without <>
	ForwardPath string // RCPT, and BODY under LMTP: the recipient
}

// Act is what a sink does instead of the usual. The zero value is the usual.
type Act struct {
	Reply string // sent as it is, CRLF added; "" is the usual reply. A reply to BODY that is not 2xx leaves the mail unrecorded
	Close bool   // drop the connection instead of replying. At BODY the mail is recorded all the same, as Answered: false
}

// Behaviour makes a sink misbehave. It is called on the session's goroutine, for several sessions at a time, and may
// block: the client waits.
type Behaviour func(Step) Act

// Mail is one transaction that a sink has taken.
type Mail struct {
	ReversePath  string
	ForwardPaths []string // those that were accepted
	Parameters   string   // what followed the reverse-path in MAIL FROM
	Octets       []byte   // as sent, dots unstuffed; nil under Discard, only the header under Head
	Size         int      // how many octets were sent
	Answered     bool     // the final reply was given, not the connection dropped
	TLS          bool     // the connection was encrypted
	Hello        string   // the client's name
	Session      int
	Received     time.Time
}

// Sink is an SMTP or LMTP server within the test's process that keeps every message.
type Sink struct {
	Addr string // host:port, or the socket's path
	URL  string // smtp://host:port, lmtp://host:port or lmtp:/path

	tb       testing.TB
	o        SinkOptions
	listener net.Listener

	mu       sync.Mutex
	behave   Behaviour
	mails    []Mail
	sessions int
	changed  chan struct{}       // closed and made anew when mails grows
	open     map[net.Conn]string // to the client's name, "" before it has said it
	stopped  bool
}

// StartSink starts a sink.
func StartSink(tb testing.TB, o SinkOptions) *Sink {
	tb.Helper()
	if o.Extensions == nil {
		o.Extensions = []string{"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "SIZE 52428800"}
	}
	network, addr, scheme := "tcp", "127.0.0.1:0", "smtp"
	if o.LMTP {
		scheme = "lmtp"
	}
	if o.Unix {
		network, addr = "unix", Folder(tb)+"/sink"
	}
	s := &Sink{tb: tb, o: o, behave: o.Behave, changed: make(chan struct{}), open: map[net.Conn]string{}}
	if !o.Unix {
		addr = Loopback(Port(tb)) // a port that Stop and Start can come back to
	}
	s.Addr = addr
	s.URL = scheme + "://" + addr
	if o.Unix {
		s.URL = scheme + ":" + addr
	}
	s.listen(network)
	tb.Cleanup(s.Stop)
	return s
}

func (s *Sink) listen(network string) {
	s.tb.Helper()
	listener, err := net.Listen(network, s.Addr)
	if err != nil {
		s.tb.Fatalf("start the sink: %v", err)
	}
	if s.o.Unix {
		if err := os.Chmod(s.Addr, 0o777); err != nil {
			s.tb.Fatal(err)
		}
	}
	s.mu.Lock()
	s.listener, s.stopped = listener, false
	s.mu.Unlock()
	go s.serve(listener)
}

// Stop closes the port and every connection: the next hop is down. Mail already taken is kept.
func (s *Sink) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.listener.Close()
	for conn := range s.open {
		conn.Close()
	}
}

// Start listens again after Stop, at the same address.
func (s *Sink) Start() {
	s.tb.Helper()
	s.listen(s.listener.Addr().Network())
}

// Behave changes the sink's behaviour for the steps to come; nil is well-behaved.
func (s *Sink) Behave(b Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behave = b
}

// Mails returns what the sink has taken, in the order of the final dots.
func (s *Sink) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// To returns the mails for one recipient, ASCII case aside.
func (s *Sink) To(forwardPath string) []Mail {
	return slices.DeleteFunc(s.Mails(), func(m Mail) bool {
		return !slices.ContainsFunc(m.ForwardPaths, func(p string) bool { return strings.EqualFold(p, forwardPath) })
	})
}

// Sessions returns how many connections the sink has accepted.
func (s *Sink) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions
}

// Wait waits until the sink has taken at least n mails, and returns them all; it fails the test after Patience.
func (s *Sink) Wait(n int) []Mail {
	s.tb.Helper()
	return s.WaitFor("mails", func(mails []Mail) bool { return len(mails) >= n })
}

// WaitFor waits until enough says so of the mails taken so far, and returns them; it fails the test after Patience.
func (s *Sink) WaitFor(what string, enough func([]Mail) bool) []Mail {
	s.tb.Helper()
	deadline := time.After(Patience)
	for {
		s.mu.Lock()
		mails, changed := slices.Clone(s.mails), s.changed
		s.mu.Unlock()
		if enough(mails) {
			return mails
		}
		select {
		case <-changed:
		case <-deadline:
			s.tb.Fatalf("waited %v for %s; the sink has taken %d mails", Patience, what, len(mails))
		}
	}
}

// WaitGone waits until no connection is open whose client called itself hello: after the client's death, until all that
// it had sent is read.
func (s *Sink) WaitGone(hello string) {
	s.tb.Helper()
	Until(s.tb, "the end of the connections of "+hello, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		for conn, name := range s.open {
			if name == hello {
				return fmt.Errorf("%v is open", conn.RemoteAddr())
			}
		}
		return nil
	})
}

func (s *Sink) named(conn net.Conn, hello string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[conn] = hello
}

func (s *Sink) record(m Mail) {
	if s.o.Took != nil {
		s.o.Took(m)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, m)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Sink) act(step Step) Act {
	s.mu.Lock()
	behave := s.behave
	s.mu.Unlock()
	if behave == nil {
		return Act{}
	}
	return behave(step)
}

func (s *Sink) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.stopped {
			s.mu.Unlock()
			conn.Close()
			return
		}
		s.sessions++
		number := s.sessions
		s.open[conn] = ""
		s.mu.Unlock()
		go func() {
			newSession(s, conn, number).run()
			conn.Close()
			s.mu.Lock()
			delete(s.open, conn)
			s.mu.Unlock()
		}()
	}
}

// Refuse is a Behaviour that answers RCPT for the given recipients with reply, as "451 4.2.0 later".
func Refuse(reply string, forwardPaths ...string) Behaviour {
	return func(step Step) Act {
		if step.Verb == "RCPT" && slices.ContainsFunc(forwardPaths, func(p string) bool { return strings.EqualFold(p, step.ForwardPath) }) {
			return Act{Reply: reply}
		}
		return Act{}
	}
}

// Answer is a Behaviour that answers every step of one verb with reply.
func Answer(verb, reply string) Behaviour {
	return func(step Step) Act {
		if step.Verb == verb {
			return Act{Reply: reply}
		}
		return Act{}
	}
}

// HangUp is a Behaviour that drops the connection at the first n steps of one verb.
func HangUp(verb string, n int) Behaviour {
	var mu sync.Mutex
	return func(step Step) Act {
		mu.Lock()
		defer mu.Unlock()
		if step.Verb != verb || n == 0 {
			return Act{}
		}
		n--
		return Act{Close: true}
	}
}
