package relay

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of one reply. RFC 5321 section 4.5.3.1.5 allows 512 octets a line;
// servers send longer ones, and what is kept of them is cut to maxText.
const (
	maxReply = 64 << 10 // octets in all
	maxText  = 1 << 10  // octets of Result.Text
)

// errProtocol is what a next hop earns that does not speak SMTP.
var errProtocol = errors.New("the next hop breaks the protocol")

// closing is the code by which a server says that it ends the connection,
// whatever it was asked (RFC 5321 section 3.8).
const closing = 421

// reply is one reply, its code and enhanced code taken off every line.
type reply struct {
	code     int
	enhanced string
	text     string
}

func (r reply) Error() string {
	return "the next hop says " + Result{Code: r.code, Enhanced: r.enhanced, Text: r.text}.String()
}

// result classifies a reply that decided over a transaction.
func (r reply) result(stage Stage) Result {
	res := Result{Stage: stage, Code: r.code, Enhanced: r.enhanced, Text: r.text}
	switch {
	case r.code/100 == 2 && stage == StageFinal:
		res.Class = Relayed
	case r.code/100 == 5:
		res.Class = Permanent
	}
	return res
}

// read waits for one reply, for timeout in all, and returns its code. The text
// stays in c.text until the next read.
func (c *conn) read(timeout time.Duration) (int, error) {
	if err := c.nc.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return 0, err
	}
	c.text, c.code = c.text[:0], 0
	total := 0
	for {
		piece, err := c.in.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return 0, lost(err)
		}
		if total += len(piece); total > maxReply {
			return 0, fmt.Errorf("%w: a reply of more than %d octets", errProtocol, maxReply)
		}
		code, last, ok := parseReplyLine(piece)
		if !ok || c.code != 0 && c.code != code {
			return 0, fmt.Errorf("%w: %.80q is no reply", errProtocol, piece)
		}
		c.code = code
		if len(c.text) > 0 {
			c.text = append(c.text, '\n')
		}
		c.text = append(c.text, bytes.TrimRight(piece[min(4, len(piece)):], "\r\n")...)
		for err == bufio.ErrBufferFull { // the rest of a long line
			if piece, err = c.in.ReadSlice('\n'); err != nil && err != bufio.ErrBufferFull {
				return 0, lost(err)
			}
			if total += len(piece); total > maxReply {
				return 0, fmt.Errorf("%w: a reply of more than %d octets", errProtocol, maxReply)
			}
		}
		if last {
			c.heard = c.heard || code != closing // some say 421 when they end an idle connection
			return c.code, nil
		}
	}
}

// lost says what EOF means here.
func lost(err error) error {
	if err == io.EOF {
		return fmt.Errorf("the next hop closed the connection (%w)", err)
	}
	return err
}

// parseReplyLine reads "250-text" or "250 text" (RFC 5321 section 4.2); last
// is false for the former.
func parseReplyLine(line []byte) (code int, last, ok bool) {
	if len(line) < 4 {
		return 0, false, false
	}
	for _, d := range line[:3] {
		if d < '0' || d > '9' {
			return 0, false, false
		}
		code = 10*code + int(d-'0')
	}
	if code < 200 || code > 599 {
		return 0, false, false
	}
	switch line[3] {
	case '-':
		return code, false, true
	case ' ', '\r', '\n':
		return code, true, true
	}
	return 0, false, false
}

// last returns the reply that read read last.
func (c *conn) last() reply {
	r := reply{code: c.code}
	lines := strings.Split(string(c.text), "\n")
	if code, _ := cutEnhanced(lines[0], r.code); code != "" {
		r.enhanced = code
		for i, line := range lines {
			if c, rest := cutEnhanced(line, r.code); c == code {
				lines[i] = rest
			}
		}
	}
	for i, line := range lines {
		lines[i] = escape(line)
	}
	r.text = cut(strings.Trim(strings.Join(lines, "\n"), "\n"), maxText)
	return r
}

// cutEnhanced takes an enhanced status code (RFC 3463 section 2) of the
// reply's class off the beginning of a line.
func cutEnhanced(line string, code int) (enhanced, rest string) {
	word, rest, _ := strings.Cut(line, " ")
	parts := strings.Split(word, ".")
	if len(parts) != 3 || parts[0] != string(rune('0'+code/100)) {
		return "", line
	}
	for _, p := range parts {
		if len(p) < 1 || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return "", line
		}
	}
	return word, rest
}

// escape writes controls, invisible characters and what is not UTF-8 as
// backslash escapes, so that a reply can stand in a log or on a terminal.
func escape(s string) string {
	clean := utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
	if clean {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case unicode.IsPrint(r) && !(r == utf8.RuneError && n == 1):
			b.WriteString(s[:n])
		case n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
		s = s[n:]
	}
	return b.String()
}

// cut shortens s to n octets at most, at a character's boundary.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n -= len("…"); n > 0 && !utf8.RuneStart(s[n]); n-- {
	}
	return s[:n] + "…"
}
