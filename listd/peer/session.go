package peer

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"time"
)

// session is one connection to a sink. It takes commands leniently, but octets exactly.
type session struct {
	sink   *Sink
	number int
	raw    net.Conn // as accepted
	conn   net.Conn // raw, or TLS over it
	in     *bufio.Reader
	out    *bufio.Writer
	tls    bool

	hello        string
	transactions int
	mail         *Mail // nil outside a transaction
}

// errHangUp ends a session without a reply.
var errHangUp = errors.New("the sink hangs up")

func newSession(s *Sink, conn net.Conn, number int) *session {
	c := &session{sink: s, number: number, raw: conn}
	if s.o.ImplicitTLS {
		conn, c.tls = tls.Server(conn, s.o.TLS), true
	}
	c.use(conn)
	return c
}

func (c *session) use(conn net.Conn) {
	c.conn, c.in, c.out = conn, bufio.NewReaderSize(conn, 64<<10), bufio.NewWriter(conn)
}

func (c *session) run() {
	if c.reply(Step{Verb: "CONNECT"}, "220 sink.example ESMTP") != nil {
		c.out.Flush()
		return
	}
	for {
		if c.in.Buffered() == 0 { // pipelined commands are answered together
			if c.out.Flush() != nil {
				return
			}
		}
		line, err := c.in.ReadString('\n')
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		if err := c.command(strings.ToUpper(verb), rest); err != nil {
			if err == io.EOF { // QUIT
				c.out.Flush()
			}
			return
		}
	}
}

// reply answers a step: as the behaviour says, else with usual. It returns errHangUp if the connection is to be dropped.
func (c *session) reply(step Step, usual string) error {
	_, err := c.answer(step, usual)
	return err
}

func (c *session) answer(step Step, usual string) (string, error) {
	step.Session, step.Transaction = c.number, c.transactions
	if c.mail != nil && step.ReversePath == "" {
		step.ReversePath = c.mail.ReversePath
	}
	act := c.sink.act(step)
	if act.Close {
		return "", errHangUp
	}
	if act.Reply != "" {
		usual = act.Reply
	}
	_, err := c.out.WriteString(usual + "\r\n")
	return usual, err
}

func (c *session) command(verb, rest string) error {
	switch verb {
	case "EHLO", "LHLO":
		c.greet(rest)
		return c.reply(Step{Verb: verb}, c.greeting())
	case "HELO":
		c.greet(rest)
		return c.reply(Step{Verb: verb}, "250 sink.example")
	case "STARTTLS":
		return c.startTLS()
	case "MAIL":
		path, parameters := mailbox(rest)
		c.transactions++
		return c.accepted(Step{Verb: verb, ReversePath: path}, "250 2.1.0 sender ok", func() {
			c.mail = &Mail{ReversePath: path, Parameters: parameters, Session: c.number, Hello: c.hello, TLS: c.tls}
		})
	case "RCPT":
		if c.mail == nil {
			return c.reply(Step{Verb: verb}, "503 5.5.1 MAIL first")
		}
		path, _ := mailbox(rest)
		return c.accepted(Step{Verb: verb, ForwardPath: path}, "250 2.1.5 recipient ok", func() {
			c.mail.ForwardPaths = append(c.mail.ForwardPaths, path)
		})
	case "DATA":
		return c.data()
	case "RSET":
		c.mail = nil
		return c.reply(Step{Verb: verb}, "250 2.0.0 reset")
	case "NOOP":
		return c.reply(Step{Verb: verb}, "250 2.0.0 ok")
	case "QUIT":
		if err := c.reply(Step{Verb: verb}, "221 2.0.0 bye"); err != nil {
			return err
		}
		return io.EOF
	}
	return c.reply(Step{Verb: verb}, "500 5.5.2 what?")
}

// greet begins anew for a client that has said its name.
func (c *session) greet(hello string) {
	c.hello, c.mail = hello, nil
	c.sink.named(c.raw, hello)
}

// accepted does what the usual reply promises, if that or another 2xx is what the client hears.
func (c *session) accepted(step Step, usual string, do func()) error {
	said, err := c.answer(step, usual)
	if err == nil && strings.HasPrefix(said, "2") {
		do()
	}
	return err
}

func (c *session) greeting() string {
	lines := append([]string{"sink.example"}, c.sink.o.Extensions...)
	if c.sink.o.TLS != nil && !c.tls {
		lines = append(lines, "STARTTLS")
	}
	return "250-" + strings.Join(lines[:len(lines)-1], "\r\n250-") + "\r\n250 " + lines[len(lines)-1]
}

func (c *session) startTLS() error {
	if c.sink.o.TLS == nil || c.tls {
		return c.reply(Step{Verb: "STARTTLS"}, "502 5.5.1 no TLS")
	}
	said, err := c.answer(Step{Verb: "STARTTLS"}, "220 2.0.0 go ahead")
	if err != nil || !strings.HasPrefix(said, "2") {
		return err
	}
	if err := c.out.Flush(); err != nil {
		return err
	}
	conn := tls.Server(c.conn, c.sink.o.TLS)
	if err := conn.Handshake(); err != nil {
		return err
	}
	c.use(conn)
	c.tls, c.hello, c.mail = true, "", nil
	return nil
}

func (c *session) data() error {
	if c.mail == nil || len(c.mail.ForwardPaths) == 0 {
		return c.reply(Step{Verb: "DATA"}, "503 5.5.1 no valid recipients")
	}
	said, err := c.answer(Step{Verb: "DATA"}, "354 go ahead")
	if err != nil {
		return err
	}
	if !strings.HasPrefix(said, "3") {
		return nil
	}
	if err := c.out.Flush(); err != nil {
		return err
	}
	if err := c.readOctets(); err != nil {
		return err
	}
	c.mail.Received = time.Now()
	return c.final()
}

// readOctets reads up to the line with the single dot. Lines end in LF here, so that a bare LF is kept and seen; only
// CRLF dot CRLF ends the data.
func (c *session) readOctets() error {
	var octets bytes.Buffer
	fresh := true // at a line's start, after CRLF
	past := false // the part that is kept
	var last byte // of the chunk before
	for {
		line, err := c.in.ReadSlice('\n') // a long line comes in several chunks
		if err != nil && err != bufio.ErrBufferFull {
			return err
		}
		if fresh && bytes.HasPrefix(line, []byte(".")) {
			if bytes.Equal(line, []byte(".\r\n")) {
				break
			}
			line = line[1:]
		}
		c.mail.Size += len(line)
		if !c.sink.o.Discard && !past {
			octets.Write(line)
		}
		past = past || c.sink.o.Head && fresh && string(line) == "\r\n"
		fresh = bytes.HasSuffix(line, []byte("\r\n")) || last == '\r' && string(line) == "\n"
		if len(line) > 0 {
			last = line[len(line)-1]
		}
	}
	c.mail.Octets = octets.Bytes()
	return nil
}

// final answers the final dot, once or, under LMTP, once for each recipient, and records what was taken.
func (c *session) final() error {
	mail := c.mail
	steps := []Step{{Verb: "BODY", ReversePath: mail.ReversePath}}
	if c.sink.o.LMTP {
		steps = nil
		for _, path := range mail.ForwardPaths {
			steps = append(steps, Step{Verb: "BODY", ReversePath: mail.ReversePath, ForwardPath: path})
		}
	}
	var taken []string
	var failure error
	for _, step := range steps {
		said, err := c.answer(step, "250 2.0.0 taken")
		if err != nil || strings.HasPrefix(said, "2") {
			taken = append(taken, step.ForwardPath)
		}
		if failure = err; err != nil {
			break
		}
	}
	c.mail = nil
	if len(taken) == 0 {
		return failure
	}
	if c.sink.o.LMTP {
		mail.ForwardPaths = taken
	}
	mail.Answered = failure == nil
	// Recorded before the reply leaves, so that a client which has its 250 finds the mail here.
	c.sink.record(*mail)
	return failure
}

// mailbox takes "FROM:<path> parameters" apart.
func mailbox(rest string) (path, parameters string) {
	_, rest, _ = strings.Cut(rest, ":")
	path, parameters, _ = strings.Cut(strings.TrimSpace(rest), ">")
	return strings.TrimPrefix(path, "<"), strings.TrimSpace(parameters)
}
