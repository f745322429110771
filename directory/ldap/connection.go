package ldap

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	ldap "github.com/go-ldap/ldap/v3"
)

// maxAnswerOctets bounds what a server may send between one question and the next. An entry has some KB.
const maxAnswerOctets = 64 << 20

// connection is a bound connection to one server. Many searches share it at a time.
type connection struct {
	raw      net.Conn // closing it ends everything, also a write that hangs
	limit    *limitedConn
	ldap     *ldap.Conn
	lastUsed atomic.Int64 // nanoseconds of the client's clock
	pending  atomic.Int64
}

// dial connects, protects and binds. It gives up with ctx.
func dial(ctx context.Context, t target, o *ClientOptions) (*connection, *Error) {
	raw, err := (&net.Dialer{Control: o.Control}).DialContext(ctx, t.network, t.address)
	if err != nil {
		return nil, newError(t, StageConnect, err)
	}
	c := &connection{raw: raw, limit: &limitedConn{Conn: raw}}
	stop := context.AfterFunc(ctx, func() { raw.SetDeadline(time.Unix(1, 0)) })
	if err := c.establish(ctx, t, o); err != nil {
		stop()
		c.close()
		if ctx.Err() != nil {
			err.Err = fmt.Errorf("%w (%w)", ctx.Err(), err.Err)
		}
		return nil, err
	}
	if !stop() { // ctx ended in the meantime, and with it the deadline was set
		c.close()
		return nil, newError(t, StageConnect, ctx.Err())
	}
	return c, nil
}

func (c *connection) establish(ctx context.Context, t target, o *ClientOptions) *Error {
	var conn net.Conn = c.limit
	if t.protocol == implicit {
		secured := tls.Client(conn, t.tlsConfig(o.TLS))
		if err := secured.HandshakeContext(ctx); err != nil {
			return newError(t, StageTLS, err)
		}
		conn = secured
	}
	c.ldap = ldap.NewConn(conn, t.protocol == implicit)
	c.ldap.SetTimeout(2 * o.Timeout) // the last resort: by default go-ldap waits for ever
	c.ldap.Start()
	if t.protocol == startTLS {
		if err := c.ldap.StartTLS(t.tlsConfig(o.TLS)); err != nil {
			return newError(t, StageStartTLS, err)
		}
	}
	if o.External {
		if err := c.ldap.ExternalBind(); err != nil {
			return newError(t, StageBind, fmt.Errorf("by SASL EXTERNAL: %w", err))
		}
		return nil
	}
	if o.BindDN == "" {
		return nil // RFC 4513 section 4: a connection begins anonymous
	}
	password, err := o.BindPassword()
	if err != nil {
		return newError(t, StageBind, fmt.Errorf("reading the password of %s: %w", o.BindDN, err))
	}
	if err := c.ldap.Bind(o.BindDN, string(password)); err != nil {
		return newError(t, StageBind, fmt.Errorf("as %s: %w", o.BindDN, err))
	}
	return nil
}

// outcome is how a search ended.
type outcome struct {
	result *ldap.SearchResult
	err    error
}

// ask sends a search. Its outcome comes on the channel, at the latest when the connection is closed.
func (c *connection) ask(r *ldap.SearchRequest) <-chan outcome {
	c.limit.read.Store(0)
	c.pending.Add(1)
	answer := make(chan outcome, 1)
	go func() {
		defer c.pending.Add(-1)
		result, err := c.ldap.Search(r)
		answer <- outcome{result, err}
	}()
	return answer
}

func (c *connection) closing() bool { return c.ldap.IsClosing() }

// close ends the connection under everybody who waits on it.
func (c *connection) close() {
	c.raw.Close()
	if c.ldap != nil {
		go c.ldap.Close() // it may wait for its own goroutines
	}
}

func (c *connection) tlsState() (tls.ConnectionState, bool) { return c.ldap.TLSConnectionState() }

// limitedConn stops a server that sends without end.
type limitedConn struct {
	net.Conn
	read atomic.Int64
	most atomic.Int64 // 0: maxAnswerOctets
}

var errEndless = errors.New("the server's answer is larger than any directory's should be")

func (c *limitedConn) Read(p []byte) (int, error) {
	if c.read.Load() > cmp.Or(c.most.Load(), maxAnswerOctets) {
		return 0, errEndless
	}
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}
