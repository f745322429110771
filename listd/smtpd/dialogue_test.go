package smtpd_test

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/smtpd"
	"github.com/sealist/sealist/listd/store"
)

// ledger is a spool with lists l0 to l2 that writes down what it takes.
type ledger struct {
	mu    sync.Mutex
	taken []entry
}

// entry is one message that was taken, or should be.
type entry struct {
	reversePath, octets string
	to                  []string // each once
}

func (l *ledger) List(_ context.Context, a list.Address) (list.List, error) {
	if local, _, _ := strings.Cut(a.String(), "@"); len(local) != 2 || local[0] != 'l' || local[1] > '2' {
		return list.List{}, store.ErrNotFound
	}
	id := fnv.New32()
	io.WriteString(id, a.String())
	return list.List{ID: list.ID(id.Sum32()), Address: a, State: list.Open}, nil
}

func (l *ledger) Accept(_ context.Context, in store.Incoming) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := entry{reversePath: in.ReversePath, octets: string(in.Octets)}
	for _, t := range in.Targets {
		e.to = append(e.to, t.ForwardPath.String())
	}
	l.taken = append(l.taken, e)
	return make([]string, len(in.Targets)), nil
}

// from returns what was taken with a reverse-path that begins so.
func (l *ledger) from(prefix string) (out []entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.taken {
		if strings.HasPrefix(e.reversePath, prefix) {
			out = append(out, e)
		}
	}
	l.taken = nil
	return out
}

// pieces are what messages are made of.
var pieces = []string{
	"x", "\r\n", ".", "Subject: x\r\n", "\r\n.", "\r\n.\r\n", "\n", "\r", "\x00", "\n.\n", "\r.\r", "\n.\r\n", "\r\n.\n", "\r\n.\r", "MAIL FROM:<evil@example.org>\r\n",
	strings.Repeat("y", 1200), "\xff", " ",
}

// talk is a client that knows the protocol: what it has to hear after each
// command, and what must have been taken.
type talk struct {
	*client
	lmtp    bool
	random  []byte // decides
	prefix  string // of this talk's reverse-paths
	sending strings.Builder
	expect  []string // replies to come, by their beginning

	hello   bool
	open    bool // a transaction
	from    string
	to      []string
	chunks  *strings.Builder // a message in chunks; nil: none
	broken  bool             // one was broken off: no other is taken
	said    int
	junk    int
	over    bool
	entries []entry
}

// choose returns the next decision, 0 to n-1.
func (d *talk) choose(n int) int {
	if len(d.random) == 0 {
		d.over = true
		return 0
	}
	c := int(d.random[0]) % n
	d.random = d.random[1:]
	return c
}

func (d *talk) say(octets string, replies ...string) {
	d.sending.WriteString(octets)
	d.expect = append(d.expect, replies...)
	if d.choose(3) == 0 { // else it is pipelined
		d.flush()
	}
}

func (d *talk) flush() {
	d.t.Helper()
	sent := d.sending.String()
	d.sending.Reset()
	done := make(chan struct{})
	go func() { // replies may come before it is all sent
		defer close(done)
		io.WriteString(d.conn, sent)
	}()
	for _, want := range d.expect {
		if r := d.reply(); !strings.HasPrefix(r, want) {
			d.t.Fatalf("%q, want %q after %q", r, want, sent)
		}
	}
	<-done
	d.expect = nil
}

func (d *talk) message() string {
	var b strings.Builder
	for range d.choose(6) {
		b.WriteString(pieces[d.choose(len(pieces))])
	}
	if d.choose(2) == 0 && !strings.HasSuffix(b.String(), "\r\n") {
		b.WriteString("\r\n")
	}
	return b.String()
}

func (d *talk) reset() { d.open, d.from, d.to, d.chunks = false, "", nil, nil }

// breaks is reset in the middle of something.
func (d *talk) breaks() {
	d.broken = d.broken || d.chunks != nil
	d.reset()
}

// ends returns the replies to a whole message, and notes it if it may be taken.
func (d *talk) ends(octets string) []string {
	rest := strings.ReplaceAll(octets, "\r\n", "")
	verdict := "250 2.0.0"
	if strings.ContainsAny(rest, "\r\n\x00") || octets != "" && !strings.HasSuffix(octets, "\r\n") {
		verdict = "554 5.6.0"
	} else {
		e := entry{reversePath: d.from, octets: octets}
		for _, to := range d.to {
			if !slices.Contains(e.to, to) {
				e.to = append(e.to, to)
			}
		}
		d.entries = append(d.entries, e)
	}
	replies := []string{verdict}
	if d.lmtp {
		replies = nil
		for _, to := range d.to {
			replies = append(replies, verdict+" <"+to+">")
		}
	}
	d.reset()
	return replies
}

// either is yes where it should be, else no.
func either(should bool, yes, no string) string {
	if should {
		return yes
	}
	return no
}

func (d *talk) step() {
	switch d.choose(12) {
	case 0, 1:
		d.hello = true
		d.breaks()
		d.say(either(d.lmtp, "LHLO", "EHLO")+" x\r\n", "250-")
	case 2, 3:
		d.said++
		from := fmt.Sprintf("%s%d@example.org", d.prefix, d.said)
		want := "250 2"
		switch {
		case !d.hello, d.chunks != nil:
			want = "502"
		case d.open:
			want = "503 5.5.1"
		case d.broken:
			want = "421 4.3.2"
		default:
			d.open, d.from = true, from
		}
		d.say("MAIL FROM:<"+from+">\r\n", want)
	case 4, 5:
		to := fmt.Sprintf("l%d@lists.example.org", d.choose(4))
		known, may := to[1] < '3', d.open && d.chunks == nil
		if may && known {
			d.to = append(d.to, to)
		}
		d.say("RCPT TO:<"+to+">\r\n", either(may, either(known, "250 2", "550 5.1.1"), "502"))
	case 6, 7:
		may := d.open && len(d.to) > 0 && d.chunks == nil
		d.sending.WriteString("DATA\r\n")
		d.expect = append(d.expect, either(may, "354", "502"))
		d.flush() // the last of a group (RFC 2920 section 3.1)
		if may {
			octets := d.message()
			wire := strings.ReplaceAll("\r\n"+octets, "\r\n.", "\r\n..")[2:]
			if octets != "" && !strings.HasSuffix(octets, "\r\n") {
				octets, wire = octets+"\r\n", wire+"\r\n"
			}
			d.say(wire+".\r\n", d.ends(octets)...)
		}
	case 8, 9:
		chunk := d.message()
		last := d.choose(2) == 0
		if d.chunks != nil && d.chunks.Len() > 3000 {
			last, chunk = true, ""
		}
		command := fmt.Sprintf("BDAT %d%s\r\n%s", len(chunk), either(last, " LAST", ""), chunk)
		if !d.open || len(d.to) == 0 {
			d.say(command, "502")
			return
		}
		if d.chunks == nil {
			d.chunks = &strings.Builder{}
			if !last && chunk == "" { // the server may not have begun to read it when it is broken off
				chunk = "x"
				command = "BDAT 1\r\nx"
			}
		}
		d.chunks.WriteString(chunk)
		if !last {
			d.say(command, "250 2.0.0 Continue")
			return
		}
		d.say(command, d.ends(d.chunks.String())...)
	case 10:
		switch d.choose(4) {
		case 0:
			d.say("NOOP\r\n", "250")
		case 1:
			d.breaks()
			d.say("RSET\r\n", "250")
		case 2:
			d.say("AUTH PLAIN AGEAYg==\r\n", "5")
		default:
			if d.junk++; d.junk <= 3 {
				d.say("GET / HTTP/1.1\r\n", "50")
			}
		}
	default:
		if d.choose(4) == 0 {
			d.over = true
			switch d.choose(3) {
			case 0:
				d.say("QUIT\r\n", "221")
			case 1: // commands in place of a handshake: whatever it answers, it takes nothing
				d.breaks()
				d.say("RSET\r\n", "250")
				d.flush()
				d.sending.WriteString("STARTTLS\r\nDATA\r\nevil\r\n.\r\n")
			default:
				d.flush()
			}
		}
	}
}

// FuzzTransactions is a client that keeps to the protocol, or breaks its order,
// with messages of every kind, pipelined or not, in DATA and in chunks. Each
// reply is the one to its command; each 250 behind a message is one Accept with
// its octets and its recipients, and nothing else is taken; what holds a bare
// CR, a bare LF or a NUL never is.
func FuzzTransactions(f *testing.F) {
	f.Add(false, []byte("\x00\x01\x02\x01\x04\x00\x01\x06\x03\x03\x00\x01\x00\x02\x01\x04\x01\x01\x08\x02\x03\x01\x00\x01"))
	f.Add(true, []byte("\x00\x01\x02\x01\x04\x00\x01\x04\x01\x01\x08\x02\x03\x01\x01\x01\x01\x08\x01\x04\x00\x00\x02"))
	for seed := range 40 {
		steps := make([]byte, 400)
		x := uint32(seed)*2654435761 + 1
		for i := range steps {
			x ^= x << 13
			x ^= x >> 17
			x ^= x << 5
			steps[i] = byte(x >> 8)
		}
		copy(steps, "\x00\x01\x02\x01\x04\x00\x01")
		f.Add(seed%2 == 0, steps)
	}
	spool := &ledger{}
	worlds := map[bool]*world{}
	for _, lmtp := range []bool{false, true} {
		worlds[lmtp] = serve(f, smtpd.Config{TLS: serverTLS(f), TrustedNetworks: []string{"127.0.0.0/8"}, MaxConnections: 1000}, spool, lmtp)
	}
	n := 0
	f.Fuzz(func(t *testing.T, lmtp bool, random []byte) {
		if len(random) > 2000 {
			t.Skip()
		}
		n++
		d := &talk{client: worlds[lmtp].in(t).dial(), lmtp: lmtp, random: random, prefix: fmt.Sprintf("f%d-", n)}
		d.want("220")
		for !d.over {
			d.step()
		}
		d.flush()
		d.conn.(closeWriter).CloseWrite()
		io.Copy(io.Discard, d.in) // until the server has hung up
		got := spool.from(d.prefix)
		if len(got) != len(d.entries) {
			t.Fatalf("%d taken, want %d: %q, %q", len(got), len(d.entries), got, d.entries)
		}
		for i, want := range d.entries {
			if got[i].reversePath != want.reversePath || !bytes.Equal([]byte(got[i].octets), []byte(want.octets)) || !slices.Equal(got[i].to, want.to) {
				t.Fatalf("taken %q, want %q", got[i], want)
			}
		}
	})
}
