package smtpd_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/smtpd"
	"github.com/sealist/sealist/listd/store"
)

// watch is a clock that stands still unless it is moved.
type watch struct{ ahead atomic.Int64 }

func (w *watch) now() time.Time        { return time.Unix(1e9, 0).Add(time.Duration(w.ahead.Load())) }
func (w *watch) move(by time.Duration) { w.ahead.Add(int64(by)) }

// What a client network, or a domain behind trusted networks, may send in a
// minute. Steps are what is sent, or how long to wait, and the answer, by turns;
// a "+" goes on with the transaction that is open.
func TestRates(t *testing.T) {
	trusted := []string{"127.0.0.0/8"}
	mail := func(from string) string { return "MAIL FROM:<" + from + ">\r\n" }
	const team, nobody = "RCPT TO:<team@lists.example.org>\r\n", "RCPT TO:<nobody@lists.example.org>\r\n"
	const minute, second = "wait 1m", "wait 1s"
	two := smtpd.Limits{Messages: 2, Recipients: 3}
	for name, c := range map[string]struct {
		config smtpd.Config
		steps  []string
	}{
		"messages of a network, whatever their domains": {smtpd.Config{Network: two}, []string{
			mail("a@one.example"), "250", mail("a@two.example"), "250", mail("a@three.example"), "450 4.7.1", mail(""), "450 4.7.1",
			second, "", mail("a@one.example"), "450", "wait 29s", "", mail("a@one.example"), "250", mail("a@one.example"), "450",
			"wait 1h", "", mail("a@one.example"), "250", mail("a@one.example"), "250", mail("a@one.example"), "450"}},
		"a clock that jumps back": {smtpd.Config{Network: two}, []string{
			mail("a@one.example"), "250", mail("a@one.example"), "250", "wait -1h", "", mail("a@one.example"), "450", minute, "", mail("a@one.example"), "250"}},
		"recipients of a network, known or not": {smtpd.Config{Network: two}, []string{
			mail("a@one.example"), "250", "+" + team, "250", "+" + nobody, "550", "+" + team, "250", "+" + team, "450 4.7.1", "+" + nobody, "450 4.7.1",
			minute, "", "+" + team, "250"}},
		"no domain counts in front": {smtpd.Config{Domain: smtpd.Limits{Messages: 1}}, []string{mail("a@one.example"), "250", mail("a@one.example"), "250"}},
		"no network counts behind": {smtpd.Config{Network: smtpd.Limits{Messages: 1}, TrustedNetworks: trusted}, []string{
			mail("a@one.example"), "250", mail("a@one.example"), "250"}},
		"messages of a domain": {smtpd.Config{Domain: two, TrustedNetworks: trusted}, []string{
			mail("a@one.example"), "250", mail("b@ONE.example"), "250", mail("a@one.example"), "450 4.7.1", mail("c@one.Example"), "450",
			mail("a@two.example"), "250", mail("a@sub.one.example"), "250", minute, "", mail("a@one.example"), "250"}},
		"recipients of a domain": {smtpd.Config{Domain: two, TrustedNetworks: trusted}, []string{
			mail("a@one.example"), "250", "+" + team, "250", "+" + nobody, "550", "+" + team, "250", "+" + team, "450 4.7.1",
			mail("a@two.example"), "250", "+" + team, "250"}},
		"bounces are a domain": {smtpd.Config{Domain: two, TrustedNetworks: trusted}, []string{
			mail(""), "250", mail(""), "250", mail(""), "450", mail("a@one.example"), "250"}},
		"no limits": {smtpd.Config{}, strings.Split(strings.Repeat(mail("a@one.example")+"|250|", 20)+"NOOP\r\n|250", "|")},
	} {
		t.Run(name, func(t *testing.T) {
			clock := &watch{}
			c.config.Clock = clock.now
			w := newWorld(t, c.config, false)
			cl := w.dial()
			cl.run("220", "EHLO x\r\n", "250")
			for i := 0; i < len(c.steps); i += 2 {
				send, want := c.steps[i], c.steps[i+1]
				if wait, ok := strings.CutPrefix(send, "wait "); ok {
					d, err := time.ParseDuration(wait)
					if err != nil {
						t.Fatal(err)
					}
					clock.move(d)
					continue
				}
				within, ok := strings.CutPrefix(send, "+")
				if !ok {
					cl.run("", "RSET\r\n", "250")
				}
				cl.send(within)
				if r := cl.reply(); !strings.HasPrefix(r, want) {
					t.Fatalf("step %d, %q: %q, want %q", i/2, send, r, want)
				}
			}
		})
	}
}

// Behind trusted networks a domain has a number of transactions at a time; each
// end of one gives its place back.
func TestDomainConnections(t *testing.T) {
	w := newWorld(t, smtpd.Config{TLS: serverTLS(t), Domain: smtpd.Limits{Connections: 2}, TrustedNetworks: []string{"127.0.0.0/8"}}, false)
	begin := func() *client {
		c := w.dial()
		c.run("220", "EHLO x\r\n", "250", "MAIL FROM:<a@one.example>\r\n", "250")
		return c
	}
	for name, end := range map[string]func(*client){
		"RSET": func(c *client) { c.run("", "RSET\r\n", "250") },
		"EHLO": func(c *client) { c.run("", "EHLO y\r\n", "250") },
		"QUIT": func(c *client) { c.run("", "QUIT\r\n", "221", "", "!EOF") },
		"a message": func(c *client) {
			c.run("", "RCPT TO:<team@lists.example.org>\r\n", "250", "DATA\r\n", "354", onWire+".\r\n", "250 2.0.0 queued")
		},
		"a message in chunks": func(c *client) {
			c.run("", "RCPT TO:<team@lists.example.org>\r\n", "250", fmt.Sprintf("BDAT %d LAST\r\n%s", len(post), post), "250 2.0.0 queued")
		},
		"a refused message": func(c *client) {
			c.run("", "RCPT TO:<team@lists.example.org>\r\n", "250", "DATA\r\n", "354", "\n\r\n.\r\n", "554")
		},
		"STARTTLS": func(c *client) {
			c.run("", "STARTTLS\r\n", "220")
			if err := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true}).Handshake(); err != nil {
				t.Fatal(err)
			}
		},
		"the line": func(c *client) { c.conn.Close() },
	} {
		one, two := begin(), begin()
		third := w.dial()
		third.run("220", "EHLO x\r\n", "250", "MAIL FROM:<b@one.example>\r\n", "450 4.7.1", "MAIL FROM:<a@two.example>\r\n", "250", "RSET\r\n", "250")
		end(one)
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // until the server has noticed
			third.send("MAIL FROM:<b@one.example>\r\n")
			if r := third.reply(); strings.HasPrefix(r, "250") {
				break
			} else if !strings.HasPrefix(r, "450 4.7.1") || time.Now().After(deadline) {
				t.Fatalf("%s: %q", name, r)
			}
		}
		for _, c := range []*client{one, two, third} {
			c.conn.Close()
		}
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // and all three are gone
			c := w.dial()
			d := w.dial()
			c.run("220", "EHLO x\r\n", "250", "MAIL FROM:<a@one.example>\r\n")
			d.run("220", "EHLO x\r\n", "250", "MAIL FROM:<a@one.example>\r\n")
			r, s := c.reply(), d.reply()
			c.run("", "RSET\r\n", "250", "QUIT\r\n", "221", "", "!EOF")
			d.run("", "RSET\r\n", "250", "QUIT\r\n", "221", "", "!EOF")
			if strings.HasPrefix(r, "250") && strings.HasPrefix(s, "250") {
				break
			} else if time.Now().After(deadline) {
				t.Fatalf("%s: places are lost: %q, %q", name, r, s)
			}
		}
	}
}

// Without room a message is put off at MAIL, and one that was coming in at its
// end, and nothing of either is kept.
func TestNoRoom(t *testing.T) {
	var full atomic.Bool
	w := newWorld(t, smtpd.Config{Room: func() error {
		if full.Load() {
			return fmt.Errorf("the data folder: %w", store.ErrFull)
		}
		return nil
	}}, false)
	c, begun := w.dial(), w.dial()
	begun.transaction("EHLO", "team")
	full.Store(true)
	c.run("220", "EHLO x\r\n", "250", "MAIL FROM:<a@b.example>\r\n", "452 4.3.1")
	begun.run("", onWire+".\r\n", "452 4.3.1")
	full.Store(false)
	c.run("", "MAIL FROM:<a@b.example>\r\n", "250")
	if items := w.items(); len(items) != 0 {
		t.Errorf("%+v", items)
	}
}

// Slow clients of every kind hold up nobody: while they sit there an honest one
// is served, and each of them is shown the door in the end. From outside they
// cannot take the places of trusted clients.
func TestSlowClientsHoldUpNobody(t *testing.T) {
	const begin, rcpt = "EHLO x\r\nMAIL FROM:<a@b.example>\r\n", "RCPT TO:<team@lists.example.org>\r\n"
	kinds := []string{"", "EH", begin, begin + rcpt, begin + rcpt + "DATA\r\n", begin + rcpt + "BDAT 1000\r\nx", begin + rcpt + "BDAT 1\r\nx", "EHLO x\r\nSTARTTLS\r\n"}
	const slow = 40
	// Deadlines are the server's own; the honest one's messages take a hundredth of them.
	w := newWorld(t, smtpd.Config{
		TLS: serverTLS(t), TrustedNetworks: []string{"127.0.0.1/32"}, MaxConnections: slow, CommandTimeout: 2 * time.Second, DataTimeout: 2 * time.Second,
	}, false)
	var gone sync.WaitGroup
	refused := atomic.Int64{}
	for i := range slow {
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		c := use(t, conn)
		if r := c.reply(); strings.HasPrefix(r, "421 4.3.2") {
			refused.Add(1)
			continue
		}
		c.send(kinds[i%len(kinds)])
		gone.Go(func() {
			if _, err := io.Copy(io.Discard, c.in); err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%q was not shown the door: %v", kinds[i%len(kinds)], err)
			}
		})
		gone.Go(func() { // a drip, until there is nobody to hear it
			for tick := time.NewTicker(50 * time.Millisecond); err == nil; <-tick.C {
				_, err = io.WriteString(conn, "x")
			}
		})
	}
	if n := refused.Load(); n != slow/4 {
		t.Errorf("%d of %d slow clients were refused, want %d", n, slow, slow/4)
	}
	for range 20 {
		began := time.Now()
		c := w.dial()
		c.transaction("EHLO", "team")
		c.run("", onWire+".\r\n", "250 2.0.0 queued", "QUIT\r\n", "221")
		if took := time.Since(began); took > time.Second {
			t.Errorf("an honest client took %s", took)
		}
	}
	gone.Wait()
	if n := len(w.items()); n != 20 {
		t.Errorf("%d items", n)
	}
}
