package relay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/relay"
)

// parrot is a connection to a next hop that says what it has learnt, whatever
// it hears, and then closes.
type parrot struct {
	say   *bytes.Reader
	heard *bytes.Buffer
}

func (p *parrot) Read(b []byte) (int, error)       { return p.say.Read(b) }
func (p *parrot) Write(b []byte) (int, error)      { return p.heard.Write(b) }
func (p *parrot) Close() error                     { return nil }
func (p *parrot) LocalAddr() net.Addr              { return nil }
func (p *parrot) RemoteAddr() net.Addr             { return nil }
func (p *parrot) SetDeadline(time.Time) error      { return nil }
func (p *parrot) SetReadDeadline(time.Time) error  { return nil }
func (p *parrot) SetWriteDeadline(time.Time) error { return nil }

// FuzzDialogue lets two next hops say anything, each connection the octets up
// to the next RS. Whatever it is, Send comes to an end after few connections,
// reports every transaction it took once, sends no message a second time,
// believes no more messages taken than it sent, and keeps of a reply a bounded
// text that can stand in a log.
func FuzzDialogue(f *testing.F) {
	const greeting = "220 x\r\n250-x\r\n250-PIPELINING\r\n250-DSN\r\n250 SIZE 1000\r\n"
	const taken = "250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 taken\r\n"
	for _, s := range []string{
		"", "220 x\r\n", greeting, greeting + taken, greeting + taken + taken + taken,
		greeting + "250 ok\r\n250 ok\r\n354 go\r\n", // the reply is lost
		greeting + "250 ok\r\n250 ok\r\n354 go\r\n\x1e" + greeting + taken + taken,
		greeting + "250 ok\r\n550 5.1.1 no\r\n503 no\r\n250 reset\r\n" + taken,
		greeting + "250 ok\r\n550 5.1.1 no\r\n354 go\r\n554 no\r\n250 reset\r\n" + taken,
		greeting + "421 4.3.2 down\r\n\x1e" + greeting + "250 ok\r\n421 down\r\n\x1e" + greeting + taken,
		greeting + "530 5.7.0 AUTH first\r\n503 no\r\n503 no\r\n\x1e" + greeting + taken,
		"220 x\r\n500 what\r\n250 x\r\n" + taken, "220-x\r\n250 y\r\n", "220 " + strings.Repeat("x", 5000) + "\r\n",
		greeting + "250 ok\r\n450 4.2.1 " + strings.Repeat("\x1b[2J\xff\u202e", 300) + "\r\n503 no\r\n",
		"220 x\r\n250-x\r\n250 AUTH PLAIN LOGIN\r\n334 \r\n235 ok\r\n" + taken,
		"220 x\r\n250-x\r\n250 AUTH SCRAM-SHA-256\r\n334 cj14LHM9YyxpPTE=\r\n235 ok\r\n" + taken,
		"220 x\r\n250-x\r\n250 STARTTLS\r\n220 go\r\n250 glued\r\n", "220 x\r\n250-x\r\n250 STARTTLS\r\n454 no\r\n" + taken,
		greeting + taken + "250 one too many\r\n",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, octets []byte, account bool) {
		defer time.AfterFunc(20*time.Second, func() { panic("no end of it") }).Stop() // no octets keep it for long
		var heard []*bytes.Buffer
		scripts := bytes.Split(octets, []byte{0x1e})
		dials := 0
		c := relay.Config{URL: "smtp://127.0.0.1:25", TLS: relay.TLSOpportunistic, Dial: func(context.Context, string, string) (net.Conn, error) {
			if dials++; dials > len(scripts) {
				return nil, io.ErrUnexpectedEOF
			}
			heard = append(heard, &bytes.Buffer{})
			return &parrot{bytes.NewReader(scripts[dials-1]), heard[len(heard)-1]}, nil
		}}
		if account {
			c.Auth = &relay.Auth{User: "u", Password: func() []byte { return []byte("p") }}
		}
		r, err := relay.NewHops([]relay.Hop{{Config: c, Weight: 1}, {Config: c}}, func() time.Time { return time.Unix(1e9, 0) }, nil)
		if err != nil {
			t.Fatal(err)
		}
		o := sendOver(t, r, transactions(4)...)
		closeRelay(t, r)

		all := ""
		for _, b := range heard {
			all += b.String()
		}
		if dials > 2*len(scripts)+4 {
			t.Errorf("%d connections for %d scripts", dials, len(scripts))
		}
		for i, res := range o.results[:o.pulled] {
			n := strings.Count(all, fmt.Sprintf("Subject: %d\r\n", i))
			if n > 1 {
				t.Errorf("message %d was sent %d times", i, n)
			}
			if n == 0 && (res.Class == relay.Relayed || errors.Is(res.Err, relay.ErrUnconfirmed)) {
				t.Errorf("message %d was never sent: %s", i, summary(res))
			}
			if len(res.Text) > 1<<10 || strings.ContainsFunc(res.String(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("text of %d octets: %q", len(res.Text), res.String())
			}
		}
	})
}
