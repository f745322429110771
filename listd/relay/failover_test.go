package relay_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/relay"
)

// clock is one that stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// hopTo is a next hop that is a fake.
func hopTo(f *fake, weight int, c relay.Config) relay.Hop {
	c.URL, c.Dial = "smtp://fake.example:25", f.dial
	if c.TLS == "" {
		c.TLS = relay.TLSNone
	}
	if c.CommandTimeout == 0 {
		c.CommandTimeout = 5 * time.Second
	}
	return relay.Hop{Config: c, Weight: weight}
}

func newHops(t *testing.T, now func() time.Time, hops ...relay.Hop) *relay.Relay {
	t.Helper()
	r, err := relay.NewHops(hops, now, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeRelay(t, r) })
	return r
}

// TestFaultMatrix: whatever is wrong with a hop, the other takes over within the
// same Send, and it takes every copy but those that were settled and those that
// the first may have taken.
func TestFaultMatrix(t *testing.T) {
	const (
		relayed     = "relayed/final 250 2.0.0 taken"
		unconfirmed = "temporary/final !…"
	)
	wrongName, trusted := certificate(t, "elsewhere.example")
	verified := relay.Config{TLS: relay.TLSRequired, TLSConfig: &tls.Config{RootCAs: trusted}}
	for _, c := range []struct {
		name    string
		config  relay.Config
		scripts []func(*dialogue) // of the hop in trouble
		want    []string          // of the transactions; the rest are relayed by the other hop
		other   int               // how many that is
	}{
		{"refuses the connection", relay.Config{}, nil, nil, 4},
		{"refuses to greet", relay.Config{}, script(func(d *dialogue) { d.say("554 5.7.1 not you") }), nil, 4},
		{"greets with 421", relay.Config{}, script(func(d *dialogue) { d.say("421 4.3.2 down for maintenance") }), nil, 4},
		{"closes at once", relay.Config{}, script(func(d *dialogue) { d.conn.Close() }), nil, 4},
		{"greets with garbage", relay.Config{}, script(func(d *dialogue) { d.say("SSH-2.0-OpenSSH_9.9") }), nil, 4},
		{"greets with octets of chance", relay.Config{}, script(func(d *dialogue) { d.say("\x00\xff\x16\x03\x01 22") }), nil, 4},
		{"greets with a line without end", relay.Config{}, script(func(d *dialogue) {
			io.WriteString(d.conn, "220 "+strings.Repeat("x", 1<<17))
		}), nil, 4},
		{"greets with lines without end", relay.Config{}, script(func(d *dialogue) {
			io.WriteString(d.conn, strings.Repeat("220-x\r\n", 1<<14))
		}), nil, 4},
		{"hangs", relay.Config{CommandTimeout: 100 * time.Millisecond}, script((*dialogue).end), nil, 4},
		{"drips its greeting", relay.Config{CommandTimeout: 100 * time.Millisecond}, script(drip), nil, 4},
		{"421 in the midst of a pipeline, and down", relay.Config{}, script(func(d *dialogue) {
			d.greet("PIPELINING")
			d.take()
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 ok", "421 4.3.2 going down")
		}), []string{relayed}, 3},
		{"wants AUTH", relay.Config{}, script(func(d *dialogue) {
			d.greet("PIPELINING", "AUTH PLAIN")
			d.hear("MAIL", "RCPT", "DATA")
			d.say("530 5.7.0 Authentication required", "503 no", "503 no")
		}), nil, 4},
		{"closes after DATA, before the reply: never a second time", relay.Config{}, []func(*dialogue){hangUpAfterMessage, hangUpAfterMessage},
			[]string{unconfirmed, unconfirmed}, 2},
		{"hangs after the message: never a second time", relay.Config{FinalTimeout: 100 * time.Millisecond}, script(func(d *dialogue) {
			d.greet("PIPELINING")
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 ok", "250 ok", "354 go")
			d.message()
			d.end()
		}), []string{unconfirmed}, 3},
		{"offers no TLS", verified, script(func(d *dialogue) { d.greet("PIPELINING") }), nil, 4},
		{"refuses TLS", verified, script(func(d *dialogue) {
			d.greet("STARTTLS")
			d.hear("STARTTLS")
			d.say("454 4.7.0 not now")
		}), nil, 4},
		{"has another's certificate", verified, script(func(d *dialogue) {
			d.greet("STARTTLS")
			d.hear("STARTTLS")
			d.say("220 go")
			if err := tls.Server(d.conn, &tls.Config{Certificates: []tls.Certificate{wrongName}}).Handshake(); err == nil {
				d.conn.Read(make([]byte, 1)) // TLS 1.3: the client says no behind the handshake
			}
		}), nil, 4},
		{"has a certificate nobody vouches for", relay.Config{TLS: relay.TLSImplicit, TLSConfig: &tls.Config{RootCAs: x509.NewCertPool()}}, script(func(d *dialogue) {
			if err := tls.Server(d.conn, &tls.Config{Certificates: []tls.Certificate{wrongName}}).Handshake(); err == nil {
				d.conn.Read(make([]byte, 1))
			}
		}), nil, 4},
		{"plaintext behind the answer to STARTTLS", verified, script(func(d *dialogue) {
			d.greet("STARTTLS")
			d.hear("STARTTLS")
			d.say("220 go", "250-injected", "250 PIPELINING")
		}), nil, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bad, good := newFake(t, c.scripts...), newFake(t, polite(c.other))
			r := newHops(t, nil, hopTo(bad, 1, c.config), hopTo(good, 0, relay.Config{}))
			o := sendOver(t, r, transactions(4)...)
			if o.err != nil || o.pulled != 4 {
				t.Fatalf("%v, %d taken", o.err, o.pulled)
			}
			for i, res := range o.results {
				want := relayed
				if i < len(c.want) {
					want = c.want[i]
				}
				if short, open := strings.CutSuffix(want, "…"); summary(res) != want && !(open && strings.HasPrefix(summary(res), short)) {
					t.Errorf("transaction %d: %s, want %s", i, summary(res), want)
				}
			}
		})
	}
}

func script(s func(*dialogue)) []func(*dialogue) { return []func(*dialogue){s} }

// drip says an octet of a line without end now and then.
func drip(d *dialogue) {
	for _, err := io.WriteString(d.conn, "220 "); err == nil; _, err = io.WriteString(d.conn, "x") {
		time.Sleep(10 * time.Millisecond) // the drip itself
	}
}

// A hop in trouble is left alone for its time, and then comes back.
func TestHopIsLeftAlone(t *testing.T) {
	now := &clock{now: time.Unix(1e9, 0)}
	a, b := newFake(t), newFake(t, polite(4))
	r := newHops(t, now.time, hopTo(a, 1, relay.Config{}), hopTo(b, 0, relay.Config{}))
	send := func(want string) {
		t.Helper()
		o := sendOver(t, r, transactions(1)...)
		if got := fmt.Sprint(o.err == nil && o.results[0].Class == relay.Relayed, " ", a.dials()); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	send("true 1") // refused: b takes over
	send("true 1") // a is left alone
	now.advance(time.Second)
	send("true 2") // still down
	now.advance(time.Second)
	send("true 2")
	now.advance(time.Second)
	a.mu.Lock()
	a.scripts = script(polite(2))
	a.mu.Unlock()
	send("true 3")
	send("true 3") // over the same connection
}

func (f *fake) dials() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dialled
}

// Weights share the Sends.
func TestWeights(t *testing.T) {
	a, b, backup := newFake(t, polite(6)), newFake(t, polite(2)), newFake(t)
	r := newHops(t, nil, hopTo(a, 3, relay.Config{}), hopTo(b, 1, relay.Config{}), hopTo(backup, 0, relay.Config{}))
	for range 8 {
		if o := sendOver(t, r, transactions(1)...); o.err != nil || o.results[0].Class != relay.Relayed {
			t.Errorf("%+v", o)
		}
	}
}

// Without any hop nothing is taken, and what the last one said is the answer.
func TestAllHopsDown(t *testing.T) {
	a, b := newFake(t), newFake(t, func(d *dialogue) { d.say("421 4.3.2 closed on Sundays") })
	r := newHops(t, nil, hopTo(a, 1, relay.Config{}), hopTo(b, 1, relay.Config{}))
	if o := sendOver(t, r, transactions(3)...); o.err == nil || !strings.Contains(o.err.Error(), "closed on Sundays") || o.pulled != 0 {
		t.Errorf("%+v", o)
	}
}

// Close lets a Send under way go over to another hop.
func TestDrainFailsOver(t *testing.T) {
	busy, release := make(chan struct{}), make(chan struct{})
	a := newFake(t, func(d *dialogue) {
		close(busy)
		<-release
		d.say("421 4.3.2 down")
	})
	r := newHops(t, nil, hopTo(a, 1, relay.Config{}), hopTo(newFake(t, polite(2)), 0, relay.Config{}))
	sent := make(chan outcome, 1)
	go func() { sent <- sendOver(t, r, transactions(2)...) }()
	<-busy
	ended, end := context.WithCancel(t.Context())
	end()
	if err := r.Close(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Close with a Send under way: %v", err)
	}
	close(release)
	if o := <-sent; o.err != nil || o.results[1].Class != relay.Relayed {
		t.Errorf("%+v", o)
	}
}
