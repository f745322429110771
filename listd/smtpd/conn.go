package smtpd

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// maxUnanswered is how many octets a client may send without an answer, or
// without a message growing by them. It bounds a command line, which go-smtp
// reads into memory to its end, pipelined junk, and what comes of a BDAT chunk
// after it was refused.
const maxUnanswered = 128 << 10

// listener counts connections and puts a conn around each.
type listener struct {
	net.Listener
	s *Server
}

// Accept returns the next connection that may be had. The others hear 421.
func (l *listener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.s.admit(nc); c != nil {
			return c, nil
		}
		nc.SetDeadline(time.Now().Add(time.Second))
		io.WriteString(nc, "421 4.3.2 too many connections, try again later\r\n")
		nc.Close()
	}
}

// admit puts a conn around a connection, or returns nil if there are too many.
func (s *Server) admit(nc net.Conn) *conn {
	c := &conn{Conn: nc, s: s}
	if tcp, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.client = tcp.AddrPort().Addr().Unmap()
	}
	limited := c.client.IsValid() && !s.trusts(c.client)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || len(s.conns) >= s.c.MaxConnections || limited && s.clients[c.client] >= s.c.ClientConnections {
		s.log.Warn("refused a connection: too many", "client", c.name(), "open", len(s.conns), "of_client", s.clients[c.client])
		return nil
	}
	s.conns[c] = struct{}{}
	if limited {
		c.limited = true
		s.clients[c.client]++
	}
	return c
}

func (s *Server) trusts(a netip.Addr) bool {
	for _, p := range s.trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// conn is one client's connection, beneath TLS if there is any. It bounds what
// the client may send unanswered, keeps the time of messages, and makes sure
// that a message which broke off is not read on as commands.
type conn struct {
	net.Conn
	s       *Server
	client  netip.Addr // invalid: a unix socket
	limited bool       // counted in s.clients
	gone    sync.Once

	mu         sync.Mutex
	unanswered int
	broken     error // every Read's answer from then on

	receiving  bool // a message, since:
	since      time.Time
	received   int64 // octets since then
	discarding bool  // the rest of it is thrown away: it needs no answer and no memory

	dots   dotWatch
	lostCR bool // go-smtp has lost or will lose a CR
}

// name is the client's address, "local" for a unix socket.
func (c *conn) name() string {
	if c.client.IsValid() {
		return c.client.String()
	}
	return "local"
}

// Close closes the connection and gives back its place.
func (c *conn) Close() error {
	c.gone.Do(func() {
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		delete(c.s.conns, c)
		select {
		case c.s.gone <- struct{}{}:
		default:
		}
		if c.limited {
			if c.s.clients[c.client]--; c.s.clients[c.client] == 0 {
				delete(c.s.clients, c.client)
			}
		}
	})
	return c.Conn.Close()
}

// SetReadDeadline is called by go-smtp before it waits for a command. Within a
// message beforeRead has the last word. The server's end has no patience with
// who is idle.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.s.mu.Lock()
	closing := c.s.closing
	c.s.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if closing {
		t = past
	}
	return c.Conn.SetReadDeadline(t)
}

var past = time.Unix(1, 0)

// endIdle wakes a connection that waits for a command.
func (c *conn) endIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.receiving {
		c.Conn.SetReadDeadline(past)
	}
}

// Read is called by go-smtp, or by TLS for it.
func (c *conn) Read(b []byte) (int, error) {
	if err := c.beforeRead(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(b)
	return c.afterRead(b[:n], err)
}

func (c *conn) beforeRead() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil || !c.receiving {
		return c.broken
	}
	deadline := c.since.Add(c.s.c.DataTimeout + time.Duration(c.received/c.s.c.MinRate)*time.Second)
	if idle := time.Now().Add(c.s.c.CommandTimeout); idle.Before(deadline) {
		deadline = idle
	}
	return c.Conn.SetReadDeadline(deadline)
}

func (c *conn) afterRead(b []byte, err error) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.received += int64(len(b))
	c.unanswered += len(b)
	if c.dots.lostCR(b) {
		c.lostCR = true
	}
	if c.unanswered > maxUnanswered && !c.discarding {
		c.broken = io.EOF
		return 0, smtp.ErrTooLongLine
	}
	if err == nil || !c.receiving {
		return len(b), err
	}
	// go-smtp would go on to read what may still come of the message as
	// commands; it takes an EOF within a BDAT chunk for the chunk's end; and it
	// would tell the client the error's text.
	c.broken = io.EOF
	if os.IsTimeout(err) {
		return len(b), reply(errTooSlow)
	}
	return len(b), reply(errBrokeOff)
}

// Write is called by go-smtp with an answer, or by TLS for it.
func (c *conn) Write(b []byte) (int, error) {
	c.grew()
	return c.Conn.Write(b)
}

// grew says that what was sent so far led to something.
func (c *conn) grew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unanswered = 0
}

// begin says that a message comes in from here on.
func (c *conn) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.receiving, c.since, c.received = true, time.Now(), 0
}

// discard says that the rest of the message is read and thrown away.
func (c *conn) discard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.discarding = true
}

// end says that commands follow.
func (c *conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.receiving, c.discarding, c.unanswered = false, false, 0
}

// takeLostCR tells, once a message, whether it had a CR that go-smtp lost.
func (c *conn) takeLostCR() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	lost := c.lostCR
	c.lostCR = false
	return lost
}

// dotWatch looks for LF, dot, CR and anything but LF.
type dotWatch struct{ state int }

func (w *dotWatch) lostCR(octets []byte) bool {
	found := false
	for _, b := range octets {
		switch {
		case w.state == 3 && b != '\n':
			found = true
			w.state = 0
		case b == '\n':
			w.state = 1
		case w.state == 1 && b == '.', w.state == 2 && b == '\r':
			w.state++
		default:
			w.state = 0
		}
	}
	return found
}
