package relay

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// conn is one connection to the next hop, past its greeting. It belongs to one
// goroutine at a time.
type conn struct {
	hop *hop
	raw net.Conn // what was dialled: closing it ends everything at once
	nc  net.Conn // raw, or TLS over it
	tls bool
	in  *bufio.Reader
	ext extensions

	text []byte // of the last reply
	code int

	out     [][]byte // to be written
	scratch []byte   // where commands in out stand
	joined  []byte   // out in one piece, for TLS
	bodyEnd int64    // octets of out up to the end of a message; 0: no message in it

	dotOpen      bool // a reply to a lone dot is to be read
	resetOpen    bool // a reply to RSET is to be read
	dirty        bool // the next hop may hold a half-open transaction
	heard        bool // a reply came since the connection was last taken into use
	reused       bool // taken from the idle ones
	transactions int
	timer        *time.Timer // ends it when idle for too long
}

// extensions is what the next hop said in answer to EHLO or LHLO.
type extensions struct {
	pipelining bool     // RFC 2920
	eightBit   bool     // RFC 6152
	utf8       bool     // RFC 6531
	starttls   bool     // RFC 3207
	sized      bool     // RFC 1870
	size       int64    // 0: no limit said
	dsn        bool     // RFC 3461
	auth       []string // RFC 4954: the mechanisms
}

// connect dials the next hop and brings the connection to where a transaction
// can begin.
func (h *hop) connect(ctx context.Context) (*conn, error) {
	c, err := h.connectTLS(ctx, h.c.TLS)
	if handshake := (*handshakeError)(nil); errors.As(err, &handshake) && h.c.TLS == TLSOpportunistic && ctx.Err() == nil {
		h.log.Warn("next hop offers TLS that cannot be used, going on in clear", "err", handshake.err)
		c, err = h.connectTLS(ctx, TLSNone)
	}
	return c, err
}

// handshakeError is a TLS handshake that failed after STARTTLS.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return "TLS handshake: " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

func (h *hop) connectTLS(ctx context.Context, mode TLSMode) (*conn, error) {
	dialing, cancel := context.WithTimeout(ctx, h.c.ConnectTimeout)
	defer cancel()
	raw, err := h.c.Dial(dialing, h.network, h.address)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	c := &conn{hop: h, raw: raw}
	c.use(raw)
	err = c.greet(mode)
	if err == nil && h.c.Auth != nil {
		err = c.authenticate()
	}
	if err != nil {
		raw.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	return c, nil
}

func (c *conn) use(nc net.Conn) {
	c.nc, c.in = nc, bufio.NewReader(nc)
}

// greet goes through greeting, hello and, as mode says, TLS.
func (c *conn) greet(mode TLSMode) error {
	if mode == TLSImplicit {
		if err := c.handshake(); err != nil {
			return err
		}
	}
	if code, err := c.read(c.hop.c.CommandTimeout); err != nil {
		return fmt.Errorf("waiting for the greeting: %w", err)
	} else if code/100 != 2 {
		return fmt.Errorf("greeting: %w", c.last())
	}
	if err := c.hello(); err != nil {
		return err
	}
	if mode == TLSNone || mode == TLSImplicit {
		return nil
	}
	if !c.ext.starttls {
		if mode == TLSRequired {
			return errors.New("the next hop does not offer STARTTLS, and tls is required")
		}
		return nil
	}
	code, err := c.command("STARTTLS")
	if err != nil {
		return fmt.Errorf("STARTTLS: %w", err)
	}
	if code != 220 {
		if mode == TLSRequired {
			return fmt.Errorf("STARTTLS: %w", c.last())
		}
		return nil
	}
	// What came in clear behind the 220 would be read as if it had come
	// encrypted (CVE-2011-0411): whoever sends that is not spoken with.
	if c.in.Buffered() > 0 {
		return fmt.Errorf("%w: octets behind its answer to STARTTLS", errProtocol)
	}
	if err := c.handshake(); err != nil {
		return err
	}
	return c.hello() // RFC 3207 section 4.2: nothing heard before counts
}

func (c *conn) handshake() error {
	t := tls.Client(c.raw, c.hop.c.TLSConfig)
	if err := c.raw.SetDeadline(time.Now().Add(c.hop.c.ConnectTimeout)); err != nil {
		return err
	}
	if err := t.Handshake(); err != nil {
		return &handshakeError{err}
	}
	c.tls = true
	c.use(t)
	return nil
}

// hello says EHLO or LHLO and notes what the next hop can do; a server that
// does not know EHLO is greeted with HELO (RFC 5321 section 3.2).
func (c *conn) hello() error {
	c.ext = extensions{}
	verb := "EHLO "
	if c.hop.lmtp {
		verb = "LHLO "
	}
	code, err := c.command(verb + c.hop.c.Hello)
	if err == nil && code/100 == 5 && !c.hop.lmtp {
		code, err = c.command("HELO " + c.hop.c.Hello)
		if err == nil && code/100 == 2 {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	if code/100 != 2 {
		return fmt.Errorf("hello: %w", c.last())
	}
	lines := strings.Split(string(c.text), "\n")
	for _, line := range lines[1:] {
		word, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch strings.ToUpper(word) {
		case "PIPELINING":
			c.ext.pipelining = true
		case "8BITMIME":
			c.ext.eightBit = true
		case "SMTPUTF8":
			c.ext.utf8 = true
		case "DSN":
			c.ext.dsn = true
		case "AUTH":
			c.ext.auth = append(c.ext.auth, strings.Fields(value)...)
		case "STARTTLS":
			c.ext.starttls = true
		case "SIZE":
			c.ext.sized = true
			if n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64); err == nil && n > 0 {
				c.ext.size = n
			}
		}
	}
	return nil
}

// command writes one command and reads its reply.
func (c *conn) command(line string) (int, error) {
	c.write(line, "\r\n")
	if _, err := c.flush(); err != nil {
		return 0, err
	}
	return c.read(c.hop.c.CommandTimeout)
}

// quit takes leave and closes. It waits for the answer a second at most.
func (c *conn) quit() {
	defer c.raw.Close()
	c.nc.SetDeadline(time.Now().Add(time.Second))
	if _, err := c.nc.Write([]byte("QUIT\r\n")); err == nil {
		c.in.ReadSlice('\n')
	}
}
