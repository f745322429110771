package smtpd_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/smtpd"
	"github.com/sealist/sealist/listd/store"
)

// world is a server over a real store with three lists: team and news are
// open, old is closed.
type world struct {
	t      testing.TB
	store  *store.Store
	server *smtpd.Server
	addr   string
}

func newStore(t testing.TB) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), peer.Database(t), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	for name, state := range map[string]list.State{"team": list.Open, "news": list.Open, "old": list.Closed} {
		l := list.List{Address: list.MustParseAddress(name + "@lists.example.org"), Send: list.DefaultSend, State: state}
		if _, err := st.CreateList(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	return st
}

func newWorld(t testing.TB, c smtpd.Config, lmtp bool) *world {
	t.Helper()
	st := newStore(t)
	w := serve(t, c, st, lmtp)
	w.store = st
	return w
}

func serve(t testing.TB, c smtpd.Config, spool smtpd.Spool, lmtp bool) *world {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, c, spool, lmtp)
}

func serveOn(t testing.TB, l net.Listener, c smtpd.Config, spool smtpd.Spool, lmtp bool) *world {
	t.Helper()
	c.Domains = []string{"lists.example.org"}
	c.Hostname = "mx.example.org"
	s, err := smtpd.New(c, spool, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l, lmtp) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		s.Shutdown(ctx)
		if err := <-served; err != nil && !errors.Is(err, smtpd.ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return &world{t: t, server: s, addr: l.Addr().String()}
}

// in is the same world for a subtest.
func (w *world) in(t testing.TB) *world {
	of := *w
	of.t = t
	return &of
}

// items returns what was committed, oldest first.
func (w *world) items() []store.Item {
	w.t.Helper()
	items, err := w.store.Items(context.Background(), store.ItemFilter{})
	if err != nil {
		w.t.Fatal(err)
	}
	return items
}

// client is a raw connection: what it sends is sent as it is.
type client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func (w *world) dial() *client {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	return use(w.t, conn)
}

func use(t testing.TB, conn net.Conn) *client {
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &client{t, conn, bufio.NewReader(conn)}
}

func (c *client) send(octets string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, octets); err != nil {
		c.t.Fatalf("sending %.60q: %v", octets, err)
	}
}

// reply reads one reply, all its lines joined by LF.
func (c *client) reply() string {
	var lines []string
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return strings.Join(append(lines, "!"+err.Error()), "\n")
		}
		lines = append(lines, strings.TrimRight(line, "\r\n"))
		if len(line) < 4 || line[3] != '-' {
			return strings.Join(lines, "\n")
		}
	}
}

// want reads one reply and compares its beginning.
func (c *client) want(prefix string) string {
	c.t.Helper()
	r := c.reply()
	if !strings.HasPrefix(r, prefix) {
		c.t.Fatalf("the server said %q, want %q", r, prefix)
	}
	return r
}

// run alternates sending and wanting; a "" is skipped.
func (c *client) run(steps ...string) {
	c.t.Helper()
	for i, s := range steps {
		switch {
		case s == "":
		case i%2 == 0:
			c.want(s)
		default:
			c.send(s)
		}
	}
}

// transaction goes up to the 354 for these recipients.
func (c *client) transaction(hello string, rcpts ...string) {
	c.t.Helper()
	c.run("220 mx.example.org", hello+" client.example\r\n", "250", "MAIL FROM:<anna@example.org>\r\n", "250 2")
	for _, r := range rcpts {
		c.run("", "RCPT TO:<"+r+"@lists.example.org>\r\n", "250 2")
	}
	c.run("", "DATA\r\n", "354")
}

const post = "From: anna@example.org\r\nSubject: x\r\n\r\n.dot\r\ntext\r\n"

var onWire = strings.ReplaceAll(post, "\n.", "\n..")

func TestDialogues(t *testing.T) {
	const (
		hello = "EHLO client.example\r\n"
		mail  = "MAIL FROM:<anna@example.org>\r\n"
		team  = "RCPT TO:<team@lists.example.org>\r\n"
	)
	worlds := map[bool]*world{}
	for _, lmtp := range []bool{false, true} {
		worlds[lmtp] = newWorld(t, smtpd.Config{MaxMessageBytes: 100_000, MaxRecipients: 4, TrustedNetworks: []string{"127.0.0.0/8"}}, lmtp)
	}
	for _, c := range []struct {
		name  string
		lmtp  bool
		steps []string // what is wanted and what is sent, by turns
		items int
	}{
		{"a post", false, []string{"220 ", hello, "250", mail, "250 2.0.0", team, "250 2.0.0", "DATA\r\n", "354", onWire + ".\r\n", "250 2.0.0 queued as ", "QUIT\r\n", "221"}, 1},
		{"two posts over one connection", false, []string{"220 ", hello, "250", mail, "250", team, "250", "DATA\r\n", "354", onWire + ".\r\n", "250 2.0.0 queued",
			mail, "250", team, "250", "DATA\r\n", "354", onWire + ".\r\n", "250 2.0.0 queued"}, 2},
		{"pipelined", false, []string{"220 ", hello, "250", mail + team + "DATA\r\n", "250", "", "250", "", "354", onWire + ".\r\n" + mail + team + "DATA\r\n", "250 2.0.0 queued",
			"", "250", "", "250", "", "354", onWire + ".\r\nQUIT\r\n", "250 2.0.0 queued", "", "221"}, 2},
		{"the null reverse-path", false, []string{"220 ", hello, "250", "MAIL FROM:<>\r\n", "250", "RCPT TO:<team-owner@lists.example.org>\r\n", "250", "DATA\r\n", "354", onWire + ".\r\n", "250 2.0.0 queued"}, 1},
		{"HELO", false, []string{"220 ", "HELO client\r\n", "250 2.0.0", mail, "250", team, "250", "DATA\r\n", "354", onWire + ".\r\n", "250 2.0.0 queued"}, 1},
		{"letter case", false, []string{"220 ", "ehlo x\r\n", "250", "mail from:<Anna@Example.ORG>\r\n", "250", "rcpt to:<TEAM@Lists.Example.ORG>\r\n", "250", "data\r\n", "354", onWire + ".\r\n", "250 2.0.0 queued"}, 1},
		{"a long reverse-path", false, []string{"220 ", hello, "250", "MAIL FROM:<" + strings.Repeat("b", 180) + "=x+y@bounces.example.org>\r\n", "250 2.0.0"}, 0},
		{"SMTPUTF8", false, []string{"220 ", hello, "250", "MAIL FROM:<jürgen@example.org> SMTPUTF8 BODY=8BITMIME SIZE=10\r\n", "250", team, "250"}, 0},
		{"no SMTPUTF8", false, []string{"220 ", hello, "250", "MAIL FROM:<jürgen@example.org>\r\n", "553 5.6.7"}, 0},
		{"BINARYMIME", false, []string{"220 ", hello, "250", "MAIL FROM:<anna@example.org> BODY=BINARYMIME\r\n", "504"}, 0},
		{"an unusable reverse-path", false, []string{"220 ", hello, "250", "MAIL FROM:<\"a b\"@example.org>\r\n", "553 5.1.7", "MAIL FROM:<a\x01b@example.org>\r\n", "553 5.1.7"}, 0},
		{"relaying", false, []string{"220 ", hello, "250", mail, "250", "RCPT TO:<bob@example.com>\r\n", "550 5.7.1 relaying denied", "DATA\r\n", "502"}, 0},
		{"relaying with a source route", false, []string{"220 ", hello, "250", mail, "250", "RCPT TO:<@lists.example.org:bob@example.com>\r\n", "550 5.7.1", "RCPT TO:<bob%example.com@lists.example.org>\r\n", "550 5.1.1"}, 0},
		{"no such list", false, []string{"220 ", hello, "250", mail, "250", "RCPT TO:<nobody@lists.example.org>\r\n", "550 5.1.1", "RCPT TO:<nobody-owner@lists.example.org>\r\n", "550 5.1.1", "RCPT TO:<-owner@lists.example.org>\r\n", "550 5.1.1"}, 0},
		{"a bad recipient", false, []string{"220 ", hello, "250", mail, "250", "RCPT TO:<\"te am\"@lists.example.org>\r\n", "553 5.1.3", "RCPT TO:<team@lists.example.org@x>\r\n", "553 5.1.3"}, 0},
		{"a closed list", false, []string{"220 ", hello, "250", mail, "250", "RCPT TO:<old@lists.example.org>\r\n", "550 5.7.1 this list is closed", "RCPT TO:<old-owner@lists.example.org>\r\n", "250"}, 0},
		{"one bad recipient harms no other", false, []string{"220 ", hello, "250", mail, "250", "RCPT TO:<nobody@lists.example.org>\r\n", "550", team, "250", "DATA\r\n", "354", onWire + ".\r\n", "250 2.0.0 queued"}, 1},
		{"several lists", false, []string{"220 ", hello, "250", mail, "250", team, "250", "RCPT TO:<news@lists.example.org>\r\n", "250", "RCPT TO:<TEAM@lists.example.org>\r\n", "250", "RCPT TO:<team-owner@lists.example.org>\r\n", "250", "DATA\r\n", "354", onWire + ".\r\n", "250 2.0.0 queued as "}, 3},
		{"too many recipients", false, []string{"220 ", hello, "250", mail, "250", team, "250", team, "250", team, "250", team, "250", team, "452 4.5.3", "DATA\r\n", "354", onWire + ".\r\n", "250 2.0.0 queued"}, 1},
		{"an announced size too large", false, []string{"220 ", hello, "250", "MAIL FROM:<anna@example.org> SIZE=100001\r\n", "552 5.3.4"}, 0},
		{"too large", false, []string{"220 ", hello, "250", mail, "250", team, "250", "DATA\r\n", "354", strings.Repeat("0123456789\r\n", 20_000) + ".\r\n", "552 5.3.4", mail, "250", team, "250", "DATA\r\n", "354", onWire + ".\r\n", "250 2.0.0 queued"}, 1},
		{"too large in one line", false, []string{"220 ", hello, "250", mail, "250", team, "250", "DATA\r\n", "354", strings.Repeat("0123456789", 30_000) + "\r\n.\r\n", "552 5.3.4", mail, "250"}, 0},
		{"one long line", false, []string{"220 ", hello, "250", mail, "250", team, "250", "DATA\r\n", "354", strings.Repeat("x", 90_000) + "\r\n.\r\n", "250 2.0.0 queued", mail, "250"}, 1},
		{"an empty message", false, []string{"220 ", hello, "250", mail, "250", team, "250", "DATA\r\n", "354", ".\r\n", "250 2.0.0 queued"}, 1},
		{"a loop", false, []string{"220 ", hello, "250", mail, "250", team, "250", "DATA\r\n", "354", strings.Repeat("Received: by x\r\n\tfor y\r\nreceived:z\r\n", 26) + "\r\nx\r\n.\r\n", "554 5.4.6"}, 0},
		{"no loop", false, []string{"220 ", hello, "250", mail, "250", team, "250", "DATA\r\n", "354", strings.Repeat("Received: by x\r\n", 50) + "\r\n" + strings.Repeat("Received: quoted\r\n", 50) + ".\r\n", "250 2.0.0 queued"}, 1},
		{"MAIL within a transaction", false, []string{"220 ", hello, "250", mail, "250", team, "250", "MAIL FROM:<eve@example.org>\r\n", "503 5.5.1", "DATA\r\n", "354", onWire + ".\r\n", "250 2.0.0 queued", mail, "250"}, 1},
		{"RSET forgets", false, []string{"220 ", hello, "250", mail, "250", team, "250", "RSET\r\n", "250", "DATA\r\n", "502", team, "502"}, 0},
		{"EHLO forgets", false, []string{"220 ", hello, "250", mail, "250", team, "250", hello, "250", "DATA\r\n", "502"}, 0},
		{"out of order", false, []string{"220 ", "DATA\r\n", "502", mail, "502", team, "502", hello, "250", team, "502", "DATA\r\n", "502", "BDAT 3 LAST\r\nabc", "502", "NOOP\r\n", "250"}, 0},
		{"no AUTH, no STARTTLS", false, []string{"220 ", hello, "250", "AUTH PLAIN AGEAYg==\r\n", "5", "STARTTLS\r\n", "502"}, 0},
		{"BDAT", false, []string{"220 ", hello, "250", mail, "250", team, "250", fmt.Sprintf("BDAT 10\r\n%sBDAT %d LAST\r\n%s", post[:10], len(post)-10, post[10:]), "250 2.0.0 Continue", "", "250 2.0.0 queued", mail, "250"}, 1},
		{"BDAT with a dot line", false, []string{"220 ", hello, "250", mail, "250", team, "250", "BDAT 11 LAST\r\nx\r\n.\r\nyyy\r\n", "250 2.0.0 queued"}, 1},
		{"BDAT with a bare LF", false, []string{"220 ", hello, "250", mail, "250", team, "250", "BDAT 8 LAST\r\nx\ny\r\n\r\n\r", "554 5.6.0"}, 0},
		{"BDAT with a CRLF over two chunks", false, []string{"220 ", hello, "250", mail, "250", team, "250", "BDAT 2\r\nx\rBDAT 1 LAST\r\n\n", "250 2.0.0 Continue", "", "250 2.0.0 queued"}, 1},
		{"BDAT without a last line's end", false, []string{"220 ", hello, "250", mail, "250", team, "250", "BDAT 4 LAST\r\nx\r\ny", "554 5.6.0 the last line", mail, "250"}, 0},
		{"BDAT too large", false, []string{"220 ", hello, "250", mail, "250", team, "250", "BDAT 100001 LAST\r\n" + strings.Repeat("x", 100_001), "552 5.3.4", mail, "250"}, 0},
		{"BDAT and RSET", false, []string{"220 ", hello, "250", mail, "250", team, "250", "BDAT 3\r\nx\r\n", "250", "RSET\r\n", "250", "DATA\r\n", "502"}, 0},
		{"LMTP", true, []string{"220 ", "LHLO client\r\n", "250", mail, "250", team, "250", "RCPT TO:<nobody@lists.example.org>\r\n", "550 5.1.1", "RCPT TO:<news@lists.example.org>\r\n", "250", team, "250", "DATA\r\n", "354", onWire + ".\r\n",
			"250 2.0.0 <team@lists.example.org> queued as ", "", "250 2.0.0 <news@lists.example.org> queued as ", "", "250 2.0.0 <team@lists.example.org> queued as ", "QUIT\r\n", "221"}, 2},
		{"LMTP, refused", true, []string{"220 ", "LHLO client\r\n", "250", mail, "250", team, "250", "RCPT TO:<news@lists.example.org>\r\n", "250", "DATA\r\n", "354", "a\nb\r\n.\r\n",
			"554 5.6.0 <team@lists.example.org>", "", "554 5.6.0 <news@lists.example.org>", mail, "250"}, 0},
		{"LMTP, too large", true, []string{"220 ", "LHLO client\r\n", "250", mail, "250", team, "250", "RCPT TO:<news@lists.example.org>\r\n", "250", "DATA\r\n", "354", strings.Repeat("0123456789\r\n", 20_000) + ".\r\n",
			"552 5.3.4 <team@lists.example.org>", "", "552 5.3.4 <news@lists.example.org>", mail, "250"}, 0},
		{"LMTP, BDAT", true, []string{"220 ", "LHLO client\r\n", "250", mail, "250", team, "250", "RCPT TO:<news@lists.example.org>\r\n", "250", "BDAT 3 LAST\r\nx\r\n", "250 2.0.0 <team@lists.example.org> queued", "", "250 2.0.0 <news@lists.example.org> queued"}, 2},
		{"EHLO to LMTP", true, []string{"220 ", hello, "500"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := worlds[c.lmtp].in(t)
			before := len(w.items())
			w.dial().run(c.steps...)
			if items := w.items()[before:]; len(items) != c.items {
				t.Errorf("%d items, want %d: %+v", len(items), c.items, items)
			}
		})
	}
}

// A list's other addresses say what is asked of it, and a robot's takes commands.
func TestFunctions(t *testing.T) {
	w := newWorld(t, smtpd.Config{TrustedNetworks: []string{"127.0.0.0/8"}}, false)
	if _, err := w.store.EnsureRobot(t.Context(), list.MustParseAddress("robot@lists.example.org")); err != nil {
		t.Fatal(err)
	}
	for local, kind := range map[string]store.Kind{
		"news": store.KindPost, "news-owner": store.KindOwner, "news-editor": store.KindEditor, "news-request": store.KindCommand,
		"news-subscribe": store.KindSubscribe, "news-unsubscribe": store.KindUnsubscribe, "NEWS-Unsubscribe": store.KindUnsubscribe,
		"robot": store.KindCommand, "robot-owner": store.KindOwner,
		"robot-subscribe": "", "robot-request": "", "nolist-subscribe": "", "news-help": "", "-owner": "",
	} {
		c := w.dial()
		to := "RCPT TO:<" + local + "@lists.example.org>\r\n"
		if kind == "" {
			c.run("220 mx.example.org", "EHLO client.example\r\n", "250", "MAIL FROM:<anna@example.org>\r\n", "250 2", to, "550 5.1.1")
			continue
		}
		c.transaction("EHLO", local)
		c.send(onWire + ".\r\n")
		id := strings.TrimSpace(strings.TrimPrefix(c.want("250 2.0.0 queued as "), "250 2.0.0 queued as "))
		if item, err := w.store.Item(t.Context(), id); err != nil || item.Kind != kind {
			t.Errorf("%s: %+v, %v", local, item, err)
		}
	}
}

// What is committed is what came, octet for octet, with the facts beside it.
func TestWhatIsKept(t *testing.T) {
	accepted := make(chan struct{}, 1)
	w := newWorld(t, smtpd.Config{Accepted: func() { accepted <- struct{}{} }}, false)
	c := w.dial()
	c.transaction("EHLO", "team", "news-owner")
	c.send(onWire + ".\r\n")
	ids := strings.Fields(strings.TrimPrefix(c.want("250 2.0.0 queued as "), "250 2.0.0 queued as "))
	<-accepted
	if len(ids) != 2 {
		t.Fatalf("ids %q", ids)
	}
	for i, kind := range []store.Kind{store.KindPost, store.KindOwner} {
		item, err := w.store.Item(t.Context(), ids[i])
		if err != nil {
			t.Fatal(err)
		}
		octets, err := w.store.Octets(t.Context(), item)
		if err != nil || string(octets) != post {
			t.Errorf("octets %q, %v", octets, err)
		}
		if item.Kind != kind || item.ReversePath != "anna@example.org" || item.Client != "127.0.0.1 helo=client.example with=ESMTP" || item.State != store.ItemAccepted {
			t.Errorf("%+v", item)
		}
	}
}

// A whole message pipelined behind the dot is one of its own, no smuggling.
// But a message without an end takes nothing with it.
func TestConnectionLostWithinMessage(t *testing.T) {
	for name, send := range map[string]string{
		"DATA":       "DATA\r\nFrom: x\r\n\r\nhalf a line",
		"DATA, line": "DATA\r\nFrom: x\r\n\r\nline\r\n",
		"DATA, dot":  "DATA\r\nFrom: x\r\n\r\nline\r\n.\r",
		"BDAT":       "BDAT 100 LAST\r\nFrom: x\r\n\r\nline\r\n",
		"BDAT, two":  "BDAT 5\r\nabc\r\nBDAT 100 LAST\r\nFrom: x\r\n\r\nline\r\n",
		"BDAT, open": "BDAT 5\r\nabc\r\n",
	} {
		for _, abort := range []bool{false, true} {
			w := newWorld(t, smtpd.Config{}, false)
			c := w.dial()
			c.run("220", "EHLO x\r\n", "250", "MAIL FROM:<a@b.example>\r\n", "250", "RCPT TO:<team@lists.example.org>\r\n", "250")
			c.send(send)
			if abort {
				c.conn.(*net.TCPConn).SetLinger(0)
			} else {
				c.conn.(*net.TCPConn).CloseWrite()
				for r := ""; !strings.HasPrefix(r, "!"); r = c.reply() {
					if strings.Contains(r, "queued") || strings.Contains(r, "EOF") || strings.Contains(r, "tcp") {
						t.Errorf("%s: %q", name, r)
					}
				}
			}
			c.conn.Close()
			if err := w.server.Shutdown(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if items := w.items(); len(items) != 0 {
				t.Errorf("%s: %+v", name, items)
			}
		}
	}
}

// tally writes down what is counted.
type tally struct {
	mu   sync.Mutex
	what []string
}

func (c *tally) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.what = append(c.what, what)
}

func (c *tally) count() smtpd.Count {
	return smtpd.Count{
		Connected: func() { c.add("connected") }, Refused: c.add,
		Accepted: func(kind store.Kind, lmtp, tls bool) { c.add(fmt.Sprintf("%s lmtp=%t tls=%t", kind, lmtp, tls)) },
	}
}

func (c *tally) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.what, ", ")
}

func TestSTARTTLS(t *testing.T) {
	counts := &tally{}
	w := newWorld(t, smtpd.Config{TLS: serverTLS(t), Count: counts.count()}, false)
	c := w.dial()
	c.want("220")
	c.send("EHLO x\r\n")
	if r := c.reply(); !strings.Contains(r, "STARTTLS") {
		t.Fatal(r)
	}
	// Commands glued behind STARTTLS must not be run as if they had come encrypted.
	c.send("STARTTLS\r\nMAIL FROM:<evil@example.org>\r\n")
	c.want("220 2.0.0")
	secure := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
	if err := secure.Handshake(); err != nil {
		t.Fatal(err)
	}
	c = use(t, secure)
	c.run("", "RCPT TO:<team@lists.example.org>\r\n", "502", "EHLO y\r\n", "250", "RCPT TO:<team@lists.example.org>\r\n", "502 5.5.1 Missing MAIL",
		"MAIL FROM:<anna@example.org>\r\n", "250", "RCPT TO:<team@lists.example.org>\r\n", "250", "DATA\r\n", "354", onWire+strings.Repeat(strings.Repeat("z", 3000)+"\r\n", 300)+".\r\n", "250 2.0.0 queued",
		"MAIL FROM:<anna@example.org>\r\n", "250", "RCPT TO:<team@lists.example.org>\r\n", "250", "BDAT 100 LAST\r\nabcd")
	secure.Close()
	if err := w.server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	items := w.items()
	if len(items) != 1 || items[0].Client != "127.0.0.1 helo=y with=ESMTPS" {
		t.Errorf("%+v", items)
	}
	if got := counts.String(); !strings.HasPrefix(got, "connected, post lmtp=false tls=true") {
		t.Errorf("counted %s", got)
	}
}

func TestUnixSocket(t *testing.T) {
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	st := newStore(t)
	counts := &tally{}
	w := serveOn(t, l, smtpd.Config{Network: smtpd.Limits{Connections: 1}, Count: counts.count()}, st, true)
	w.store = st
	for range 3 { // sockets are trusted: Network does not count
		conn, err := net.Dial("unix", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		c := use(t, conn)
		c.transaction("LHLO", "team")
		c.run("", onWire+".\r\n", "250 2.0.0 <team@lists.example.org> queued as ")
	}
	if items := w.items(); len(items) != 3 || items[0].Client != "local helo=client.example with=LMTP" {
		t.Errorf("%+v", items)
	}
	if got := counts.String(); strings.Count(got, "connected") != 3 || strings.Count(got, "post lmtp=true tls=false") != 3 {
		t.Errorf("counted %s", got)
	}
}

func TestConnectionLimits(t *testing.T) {
	for _, c := range []struct {
		name   string
		config smtpd.Config
		allow  int
		why    string
	}{
		{"in all", smtpd.Config{MaxConnections: 3, TrustedNetworks: []string{"127.0.0.0/8"}}, 3, "3.2"},
		{"of a client", smtpd.Config{Network: smtpd.Limits{Connections: 2}}, 2, "7.0"},
		{"of a trusted client", smtpd.Config{Network: smtpd.Limits{Connections: 2}, TrustedNetworks: []string{"10.0.0.0/8", "127.0.0.1/32"}, MaxConnections: 4}, 4, "3.2"},
		{"a place is kept for trusted clients", smtpd.Config{MaxConnections: 4}, 3, "3.2"},
	} {
		w := newWorld(t, c.config, false)
		var open []*client
		for range c.allow {
			open = append(open, w.dial())
			open[len(open)-1].want("220")
		}
		refused := w.dial()
		refused.run("421 4."+c.why, "", "!EOF")
		open[0].run("", "QUIT\r\n", "221", "", "!EOF")
		// The place is given back.
		for deadline := time.Now().Add(10 * time.Second); ; {
			if r := w.dial().reply(); strings.HasPrefix(r, "220") {
				break
			} else if time.Now().After(deadline) {
				t.Fatalf("%s: %s", c.name, r)
			}
		}
	}
}

// A client that drips is cut off, and holds up nobody meanwhile; a slow one
// that keeps the rate is not.
func TestSlowClients(t *testing.T) {
	w := newWorld(t, smtpd.Config{DataTimeout: 200 * time.Millisecond, CommandTimeout: 2 * time.Second, MinRate: 200}, false)
	loris, honest := w.dial(), w.dial()
	loris.transaction("EHLO", "team")
	honest.transaction("EHLO", "team")
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 10_000 {
			if _, err := io.WriteString(loris.conn, "x"); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond) // the drip itself: 100 octets a second
		}
		t.Error("the drip was not cut off")
	})
	for range 100 {
		honest.send(strings.Repeat("x", 48) + "\r\n")
		time.Sleep(10 * time.Millisecond) // 5,000 octets a second, for five times DataTimeout
	}
	honest.run("", ".\r\n", "250 2.0.0 queued")
	loris.want("451 4.4.2 the message came in too slowly")
	loris.want("!") // what comes later is never read as commands
	wg.Wait()
	if n := len(w.items()); n != 1 {
		t.Errorf("%d items", n)
	}
}

func TestIdleClientIsTold(t *testing.T) {
	w := newWorld(t, smtpd.Config{CommandTimeout: 50 * time.Millisecond}, false)
	w.dial().run("220", "", "421 4.4.2", "", "!EOF")
	c := w.dial()
	c.transaction("EHLO", "team")
	c.run("", "one line\r\n", "451 4.4.2", "", "!EOF")
}

// A command without an end, in clear or within a message's chunks, is not kept
// in memory for ever.
func TestEndlessCommand(t *testing.T) {
	for _, prelude := range []string{"", "EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<team@lists.example.org>\r\nBDAT 3\r\nx\r\n"} {
		w := newWorld(t, smtpd.Config{}, false)
		c := w.dial()
		c.want("220")
		c.send(prelude)
		junk := strings.Repeat("A", 1<<10)
		n := 0
		for ; n < 1<<14; n++ {
			if _, err := io.WriteString(c.conn, junk); err != nil {
				break
			}
		}
		if n == 1<<14 {
			t.Error("16 MiB of one command were taken")
		}
	}
}

// Pipelined junk gets its answers and then the door.
func TestPipelinedJunk(t *testing.T) {
	w := newWorld(t, smtpd.Config{}, false)
	c := w.dial()
	c.want("220")
	go io.WriteString(c.conn, strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1000))
	errors := 0
	for {
		r := c.reply()
		if strings.HasPrefix(r, "!") || strings.Contains(r, "\n!") {
			break
		}
		if r[0] != '5' {
			t.Fatalf("junk was answered with %q", r)
		}
		errors++
	}
	if errors > 10 {
		t.Errorf("%d answers to junk", errors)
	}
}

// Shutdown ends who waits, lets a message come to its end, and then cuts off.
func TestShutdown(t *testing.T) {
	w := newWorld(t, smtpd.Config{}, false)
	idle, busy, stuck := w.dial(), w.dial(), w.dial()
	idle.want("220")
	busy.transaction("EHLO", "team")
	stuck.transaction("EHLO", "team")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- w.server.Shutdown(ctx) }()
	idle.run("421", "", "!EOF")
	busy.run("", onWire+".\r\n", "250 2.0.0 queued", "", "421")
	if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	stuck.want("!")
	if n := len(w.items()); n != 1 {
		t.Errorf("%d items", n)
	}
	if conn, err := net.Dial("tcp", w.addr); err == nil {
		conn.Close()
		t.Error("still listening")
	}
}

// Messages beyond the memory budget wait, and are put off if it takes too long.
func TestMemoryBudget(t *testing.T) {
	w := newWorld(t, smtpd.Config{MaxMessageBytes: 1 << 20, Memory: 4 << 20, MemoryWait: 50 * time.Millisecond}, false)
	big := strings.Repeat(strings.Repeat("x", 998)+"\r\n", 900)
	var holders []*client
	for range 4 {
		c := w.dial()
		c.run("220", "EHLO x\r\n", "250", fmt.Sprintf("MAIL FROM:<a@b.example> SIZE=%d\r\n", len(big)), "250", "RCPT TO:<team@lists.example.org>\r\n", "250", "DATA\r\n", "354", big)
		holders = append(holders, c)
	}
	late := w.dial()
	for refused := false; !refused; { // until the others' octets have all arrived
		late.transaction("EHLO", "team")
		late.send(big + ".\r\n")
		r := late.reply()
		refused = strings.HasPrefix(r, "451 4.3.2")
		if !refused && !strings.HasPrefix(r, "250") {
			t.Fatal(r)
		}
		late = w.dial()
	}
	for _, c := range holders {
		c.run("", ".\r\n", "250 2.0.0 queued")
	}
	late.transaction("EHLO", "team")
	late.run("", big+".\r\n", "250 2.0.0 queued")
}
