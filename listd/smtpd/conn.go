package smtpd

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
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
		c, err := l.s.admit(nc)
		if err == nil {
			if l.s.c.Count.Connected != nil {
				l.s.c.Count.Connected()
			}
			return c, nil
		}
		r := l.s.refused(err)
		nc.SetDeadline(time.Now().Add(time.Second))
		fmt.Fprintf(nc, "%d %d.%d.%d %s\r\n", r.Code, r.EnhancedCode[0], r.EnhancedCode[1], r.EnhancedCode[2], r.Message)
		nc.Close()
	}
}

// admit puts a conn around a connection, unless there are too many.
func (s *Server) admit(nc net.Conn) (*conn, error) {
	c := &conn{Conn: nc, s: s}
	if tcp, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.client = tcp.AddrPort().Addr().Unmap()
	}
	places := s.c.MaxConnections
	if c.limited = c.client.IsValid() && !s.trusts(c.client); c.limited {
		c.network = s.network(c.client)
		places -= places / 4 // strangers who hold on to theirs must not keep our own mail servers out
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || len(s.conns) >= places {
		s.log.Warn("refused a connection: too many", "client", c.name(), "open", len(s.conns))
		return nil, errConnections
	}
	if c.limited && !s.networks.enter(c.network) {
		s.log.Info("refused a connection: too many of one network", "client", c.name(), "network", c.network)
		return nil, errNetwork
	}
	s.conns[c] = struct{}{}
	return c, nil
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
	limited bool       // outside the trusted networks: it counts for its network
	network netip.Prefix
	gone    sync.Once

	mu         sync.Mutex
	unanswered int
	broken     error // every Read's answer from then on

	receiving bool // a message, since:
	since     time.Time
	received  int64       // octets since then
	brokenOff atomic.Bool // a message in chunks was
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
			c.s.networks.leave(c.network)
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
	if c.unanswered > maxUnanswered {
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
		return len(b), c.s.refused(errTooSlow)
	}
	return len(b), c.s.refused(errBrokeOff)
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

// end says that commands follow.
func (c *conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.receiving, c.unanswered = false, 0
}
