package relay_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/relay"
)

// fake is a next hop that follows scripts, one a connection. Connections
// beyond the last script are refused.
type fake struct {
	t       *testing.T
	mu      sync.Mutex
	scripts []func(*dialogue)
	running sync.WaitGroup
	dialled int
}

func newFake(t *testing.T, scripts ...func(*dialogue)) *fake {
	f := &fake{t: t, scripts: scripts}
	t.Cleanup(func() {
		f.running.Wait()
		if len(f.scripts) > 0 {
			t.Errorf("%d scripts were not asked for", len(f.scripts))
		}
	})
	return f
}

func (f *fake) dial(context.Context, string, string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dialled++
	if len(f.scripts) == 0 {
		return nil, fmt.Errorf("connection refused")
	}
	script := f.scripts[0]
	f.scripts = f.scripts[1:]
	// A real socket: it has the buffers that pipelining lives on.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	ours, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return nil, err
	}
	theirs, err := l.Accept()
	if err != nil {
		return nil, err
	}
	f.running.Add(1)
	go func() {
		defer f.running.Done()
		defer theirs.Close()
		theirs.SetDeadline(time.Now().Add(20 * time.Second))
		script(&dialogue{t: f.t, conn: theirs, in: bufio.NewReaderSize(theirs, 1<<16)})
	}()
	return ours, nil
}

// dialogue is the server's side of one connection.
type dialogue struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// say sends lines as they are.
func (d *dialogue) say(lines ...string) {
	if _, err := io.WriteString(d.conn, strings.Join(lines, "\r\n")+"\r\n"); err != nil {
		d.t.Logf("fake cannot say %q: %v", lines, err)
	}
}

// hear waits for lines that begin with these words.
func (d *dialogue) hear(prefixes ...string) {
	for _, p := range prefixes {
		line, err := d.in.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, p) || !strings.HasSuffix(line, "\r\n") {
			d.t.Errorf("the relay said %q (%v), want %q", line, err, p)
			return
		}
	}
}

// message reads up to the final dot and returns the octets, dots unstuffed.
func (d *dialogue) message() string {
	var b strings.Builder
	for {
		line, err := d.in.ReadString('\n')
		if err != nil {
			d.t.Errorf("reading a message: %v", err)
			return b.String()
		}
		if line == ".\r\n" {
			return b.String()
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
}

// silent asserts that nothing more comes before the relay reads an answer.
func (d *dialogue) silent() {
	if n := d.in.Buffered(); n > 0 {
		rest, _ := d.in.Peek(n)
		d.t.Errorf("the relay has said too much: %q", rest)
	}
}

// end waits for the relay to take leave or to close.
func (d *dialogue) end() {
	for {
		line, err := d.in.ReadString('\n')
		if err != nil {
			return
		}
		if line == "QUIT\r\n" {
			d.say("221 2.0.0 bye")
			return
		}
	}
}

// greet goes up to where transactions begin.
func (d *dialogue) greet(extensions ...string) {
	d.say("220 fake")
	d.hear("EHLO ")
	lines := append([]string{"fake"}, extensions...)
	d.say("250-" + strings.Join(lines[:len(lines)-1], "\r\n250-") + "\r\n250 " + lines[len(lines)-1])
}

// polite takes n messages, pipelined, and then reads to the end.
func polite(n int) func(*dialogue) {
	return func(d *dialogue) {
		d.greet("PIPELINING")
		for range n {
			d.take()
		}
		d.end()
	}
}

// take takes one message.
func (d *dialogue) take() {
	d.hear("MAIL", "RCPT", "DATA")
	d.say("250 2.1.0 ok", "250 2.1.5 ok", "354 go")
	d.message()
	d.say("250 2.0.0 taken")
}

// outcome is what a Send came to.
type outcome struct {
	results []relay.Result // by transaction
	pulled  int
	err     error
}

// sendTo sends n messages to a fake. It checks that what was taken is reported
// exactly once.
func sendTo(t *testing.T, f *fake, c relay.Config, n int) outcome {
	t.Helper()
	return sendOver(t, newRelay(t, f, c), transactions(n)...)
}

func newRelay(t *testing.T, f *fake, c relay.Config) *relay.Relay {
	t.Helper()
	if c.URL == "" {
		c.URL = "smtp://fake.example:25"
	}
	if c.TLS == "" {
		c.TLS = relay.TLSNone
	}
	for _, d := range []*time.Duration{&c.CommandTimeout, &c.DataTimeout, &c.FinalTimeout} {
		if *d == 0 {
			*d = 5 * time.Second
		}
	}
	c.Dial = f.dial
	r, err := relay.New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeRelay(t, r) })
	return r
}

func closeRelay(t *testing.T, r *relay.Relay) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		t.Errorf("closing the relay: %v", err)
	}
}

func sendOver(t *testing.T, r *relay.Relay, ts ...relay.Transaction) outcome {
	t.Helper()
	o := outcome{results: make([]relay.Result, len(ts))}
	reported := make([]int, len(ts))
	for i := range ts {
		ts[i].Tag = i
	}
	o.err = r.Send(t.Context(), func() (relay.Transaction, bool) {
		if o.pulled == len(ts) {
			return relay.Transaction{}, false
		}
		o.pulled++
		return ts[o.pulled-1], true
	}, func(tr relay.Transaction, res relay.Result) {
		reported[tr.Tag.(int)]++
		o.results[tr.Tag.(int)] = res
	})
	for i, n := range reported {
		if want := i < o.pulled; (n == 1) != want || n > 1 {
			t.Errorf("transaction %d was reported %d times; %d were taken", i, n, o.pulled)
		}
	}
	return o
}

func transactions(n int) []relay.Transaction {
	ts := make([]relay.Transaction, n)
	for i := range ts {
		ts[i] = relay.Transaction{
			ReversePath: "list-owner@lists.example.org", ForwardPath: fmt.Sprintf("member%d@example.org", i),
			Body: segments(fmt.Sprintf("Subject: %d\r\n\r\n", i), "text\r\n"),
		}
	}
	return ts
}

func segments(parts ...string) []relay.Segment {
	var out []relay.Segment
	for _, p := range parts {
		s, err := relay.NewSegment([]byte(p))
		if err != nil {
			panic(err)
		}
		out = append(out, s)
	}
	return out
}

// summary writes results as "relayed/final 250 2.0.0 taken".
func summary(r relay.Result) string {
	s := fmt.Sprintf("%s/%s", r.Class, r.Stage)
	if r.Code != 0 {
		s += " " + r.String()
	}
	if r.Err != nil {
		s += " !" + r.Err.Error()
	}
	return s
}
