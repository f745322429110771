package relay

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/crashpoint"
)

// chunk is how much is written under one DataTimeout.
const chunk = 1 << 20

var (
	dot     = []byte(".")
	lineEnd = []byte("\r\n")
	dataEnd = []byte(".\r\n")
)

// write queues text of our own.
func (c *conn) write(parts ...string) {
	from := len(c.scratch)
	for _, p := range parts {
		c.scratch = append(c.scratch, p...)
	}
	// Growing moves scratch and leaves what is queued where it was.
	c.out = append(c.out, c.scratch[from:])
}

// mail returns the MAIL command with the parameters that the message needs and
// the next hop knows.
func (c *conn) mail(t *Transaction) []string {
	parts := []string{"MAIL FROM:<", t.ReversePath, ">"}
	if c.ext.sized {
		parts = append(parts, " SIZE=", strconv.FormatInt(t.Size(), 10))
	}
	// QUIRK: a next hop without 8BITMIME gets eight-bit octets all the same.
	// RFC 6152 section 3 would have them re-encoded, which breaks signatures, or
	// returned; servers that drop the eighth bit have died out.
	if c.ext.eightBit && t.eightBit() {
		parts = append(parts, " BODY=8BITMIME")
	}
	if c.ext.utf8 && t.utf8() {
		parts = append(parts, " SMTPUTF8")
	}
	if c.ext.dsn && t.ReversePath != "" {
		parts = append(parts, " RET=HDRS")
		if t.EnvelopeID != "" {
			parts = append(parts, " ENVID=", xtext(t.EnvelopeID))
		}
	}
	return append(parts, "\r\n")
}

// rcpt returns the RCPT command. Where DSN is offered, a report is asked for of
// a failure alone: delays are this server's own business, and success nobody's.
// A null reverse-path has nobody to report to.
func (c *conn) rcpt(t *Transaction) []string {
	parts := []string{"RCPT TO:<", t.ForwardPath, ">"}
	if c.ext.dsn && t.ReversePath != "" {
		parts = append(parts, " NOTIFY=FAILURE")
		if isASCII(t.ForwardPath) { // the form of others, RFC 6533 section 3, few servers read
			parts = append(parts, " ORCPT=rfc822;", xtext(t.ForwardPath))
		}
	}
	return append(parts, "\r\n")
}

// xtext writes text as a parameter's value: RFC 3461 section 4.
func xtext(s string) string {
	if !strings.ContainsFunc(s, notXchar) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if notXchar(rune(s[i])) {
			fmt.Fprintf(&b, "+%02X", s[i])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func notXchar(r rune) bool { return r < '!' || r > '~' || r == '+' || r == '=' }

// body queues a message with its dots and the final one.
func (c *conn) body(t *Transaction) {
	fresh := true // at a line's start
	for _, s := range t.Body {
		if len(s.wire) == 0 {
			continue
		}
		if fresh && s.dotFirst {
			c.out = append(c.out, dot)
		}
		c.out = append(c.out, s.wire)
		fresh = s.endsLine
	}
	if !fresh {
		c.out = append(c.out, lineEnd)
	}
	c.out = append(c.out, dataEnd)
	c.bodyEnd = 0
	for _, b := range c.out {
		c.bodyEnd += int64(len(b))
	}
}

// flush writes what is queued and returns how many octets of it may have
// reached the next hop.
func (c *conn) flush() (int64, error) {
	out := net.Buffers(c.out)
	var n int64
	var err error
	if splitInData && c.bodyEnd > 0 {
		n, err = c.send(out[:1])
		out = out[1:]
		crashpoint.At(crashpoint.RelayInData)
	}
	if err == nil && len(out) > 0 {
		var rest int64
		rest, err = c.send(out)
		n += rest
	}
	clear(c.out)
	c.out, c.scratch, c.bodyEnd = c.out[:0], c.scratch[:0], 0
	return n, err
}

// send writes buffers, giving each MiB its time.
func (c *conn) send(out net.Buffers) (int64, error) {
	var n int64
	for len(out) > 0 {
		if err := c.nc.SetWriteDeadline(time.Now().Add(c.hop.c.DataTimeout)); err != nil {
			return n, err
		}
		var part net.Buffers
		part, out = split(out, chunk)
		if !c.tls {
			k, err := part.WriteTo(c.nc)
			if n += k; err != nil {
				return n, err
			}
			continue
		}
		// A record for every buffer would be wasteful.
		c.joined = c.joined[:0]
		for _, b := range part {
			c.joined = append(c.joined, b...)
		}
		n += int64(len(c.joined)) // of a failed Write any part may be under way
		if _, err := c.nc.Write(c.joined); err != nil {
			return n, err
		}
	}
	return n, nil
}

// split takes the first n octets off out.
func split(out net.Buffers, n int) (first, rest net.Buffers) {
	for i, b := range out {
		if len(b) < n {
			n -= len(b)
			continue
		}
		if len(b) == n || i == 0 && n == 0 {
			return out[:i+1], out[i+1:]
		}
		first = append(append(first, out[:i]...), b[:n])
		rest = append(net.Buffers{b[n:]}, out[i+1:]...)
		return first, rest
	}
	return out, nil
}
