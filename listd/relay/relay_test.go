package relay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/relay"
)

// TestMisbehaviour walks through what a next hop can do wrong.
func TestMisbehaviour(t *testing.T) {
	const relayed = "relayed/final 250 2.0.0 taken"
	cases := []struct {
		name    string
		config  relay.Config
		n       int
		scripts []func(*dialogue)
		want    []string // of the transactions that were taken; "…" at the end: whatever follows
		err     string   // of Send; "" is none
	}{{
		name: "all is well", n: 3, scripts: []func(*dialogue){polite(3)},
		want: []string{relayed, relayed, relayed},
	}, {
		name: "a recipient is refused while others go on", n: 3,
		scripts: []func(*dialogue){func(d *dialogue) {
			d.greet("PIPELINING")
			d.take()
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 ok", "550 5.1.1 no such user", "503 5.5.1 no valid recipients")
			d.hear("RSET")
			d.say("250 2.0.0 reset")
			d.take()
			d.end()
		}},
		want: []string{relayed, "permanent/rcpt 550 5.1.1 no such user", relayed},
	}, {
		name: "the first and the last recipient are refused", n: 3,
		scripts: []func(*dialogue){func(d *dialogue) {
			d.greet("PIPELINING")
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 ok", "450 4.2.1 greylisted", "503 no")
			d.hear("RSET")
			d.say("250 ok")
			d.take()
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 ok", "550-5.1.1 there is", "550 5.1.1 nobody", "503 no")
			d.hear("QUIT")
		}},
		want: []string{"temporary/rcpt 450 4.2.1 greylisted", relayed, "permanent/rcpt 550 5.1.1 there is / nobody"},
	}, {
		name: "354 with no valid recipient is ended by a lone dot", n: 3,
		scripts: []func(*dialogue){func(d *dialogue) {
			d.greet("PIPELINING")
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 ok", "550 5.1.1 nobody", "354 go")
			if m := d.message(); m != "" {
				d.t.Errorf("a message went to nobody: %q", m)
			}
			d.hear("RSET")
			d.say("554 5.5.1 no valid recipients", "250 ok")
			d.take()
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 ok", "550 5.1.1 nobody", "354 go")
			d.message()
			d.say("554 no")
			d.hear("QUIT")
		}},
		want: []string{"permanent/rcpt 550 5.1.1 nobody", relayed, "permanent/rcpt 550 5.1.1 nobody"},
	}, {
		name: "MAIL is refused and DATA taken: no message to whomever", n: 2,
		scripts: []func(*dialogue){func(d *dialogue) {
			d.greet("PIPELINING")
			d.hear("MAIL", "RCPT", "DATA")
			d.say("452 4.3.1 full", "250 ok", "354 go")
			if rest, _ := io.ReadAll(d.in); len(rest) > 0 {
				d.t.Errorf("the relay went on with %q", rest)
			}
		}, polite(1)},
		want: []string{"temporary/mail 452 4.3.1 full", relayed},
	}, {
		name: "DATA is refused", n: 2,
		scripts: []func(*dialogue){func(d *dialogue) {
			d.greet("PIPELINING")
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 ok", "250 ok", "451 4.3.0 not now")
			d.hear("RSET")
			d.say("250 ok")
			d.take()
			d.end()
		}},
		want: []string{"temporary/data 451 4.3.0 not now", relayed},
	}, {
		name: "the message is refused: no RSET is needed", n: 2,
		scripts: []func(*dialogue){func(d *dialogue) {
			d.greet("PIPELINING")
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 ok", "250 ok", "354 go")
			d.message()
			d.say("554 5.7.1 we do not like it")
			d.take()
			d.end()
		}},
		want: []string{"permanent/final 554 5.7.1 we do not like it", relayed},
	}, {
		name: "421 instead of a reply to RCPT: the rest goes over another connection", n: 3,
		scripts: []func(*dialogue){func(d *dialogue) {
			d.greet("PIPELINING")
			d.take()
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 ok", "421 4.7.0 enough for today")
		}, polite(2)},
		want: []string{relayed, relayed, relayed},
	}, {
		name: "421 for the same recipient twice is its own trouble", n: 3,
		scripts: []func(*dialogue){func(d *dialogue) {
			d.greet("PIPELINING")
			d.take()
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 ok", "421 4.7.0 not you")
		}, func(d *dialogue) {
			d.greet("PIPELINING")
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 ok", "421 4.7.0 not you")
		}, polite(1)},
		want: []string{relayed, "temporary/rcpt 421 4.7.0 not you", relayed},
	}, {
		name: "421 in answer to the final dot", n: 2,
		scripts: []func(*dialogue){func(d *dialogue) {
			d.greet("PIPELINING")
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 ok", "250 ok", "354 go")
			d.message()
			d.say("421 4.3.2 going down")
		}, polite(1)},
		want: []string{"temporary/final 421 4.3.2 going down", relayed},
	}, {
		name: "closes after DATA before the reply: nobody knows", n: 2,
		scripts: []func(*dialogue){func(d *dialogue) {
			d.greet("PIPELINING")
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 ok", "250 ok", "354 go")
			d.message()
			d.hear("MAIL", "RCPT", "DATA")
		}, polite(1)},
		want: []string{"temporary/final !" + relay.ErrUnconfirmed.Error() + " (the next hop closed the connection (EOF))", relayed},
	}, {
		name: "closes every connection after the message: down after two", n: 5,
		scripts: []func(*dialogue){hangUpAfterMessage, hangUpAfterMessage},
		want:    []string{"temporary/final !…", "temporary/final !…", "temporary/connect !…", "temporary/connect !…"},
		err:     "closed the connection",
	}, {
		name: "hangs after the message", n: 3, config: relay.Config{FinalTimeout: 100 * time.Millisecond},
		scripts: []func(*dialogue){func(d *dialogue) {
			d.greet("PIPELINING")
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 ok", "250 ok", "354 go")
			d.message()
			d.end()
		}},
		want: []string{"temporary/final !" + relay.ErrUnconfirmed.Error() + "…", "temporary/connect !…", "temporary/connect !…"},
		err:  "i/o timeout",
	}, {
		name: "hangs before it greets", n: 1, config: relay.Config{CommandTimeout: 100 * time.Millisecond},
		scripts: []func(*dialogue){(*dialogue).end},
		err:     "waiting for the greeting",
	}, {
		name: "hangs after RCPT", n: 2, config: relay.Config{CommandTimeout: 100 * time.Millisecond},
		scripts: []func(*dialogue){func(d *dialogue) {
			d.greet("PIPELINING")
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 ok")
			d.end()
		}},
		want: []string{"temporary/rcpt !…", "temporary/connect !…"},
		err:  "i/o timeout",
	}, {
		name: "drips a reply", n: 1, config: relay.Config{CommandTimeout: 150 * time.Millisecond},
		scripts: []func(*dialogue){func(d *dialogue) {
			d.greet("PIPELINING")
			d.hear("MAIL", "RCPT", "DATA")
			for _, err := io.WriteString(d.conn, "2"); err == nil; _, err = io.WriteString(d.conn, "5") {
				time.Sleep(10 * time.Millisecond) // the drip itself
			}
		}},
		want: []string{"temporary/mail !…"},
		err:  "i/o timeout",
	}, {
		name: "refuses to greet", n: 1,
		scripts: []func(*dialogue){func(d *dialogue) { d.say("554 5.7.1 not you") }},
		err:     "greeting: the next hop says 554 5.7.1 not you",
	}, {
		name: "refuses the hello for now", n: 1,
		scripts: []func(*dialogue){func(d *dialogue) {
			d.say("220 fake")
			d.hear("EHLO")
			d.say("451 4.3.0 later")
		}},
		err: "hello: the next hop says 451 4.3.0 later",
	}, {
		name: "cannot be reached", n: 1, err: "connecting: connection refused",
	}, {
		name: "knows only HELO, and so no pipelining", n: 2,
		scripts: []func(*dialogue){func(d *dialogue) {
			d.say("220 fake")
			d.hear("EHLO localhost")
			d.say("500 what?")
			d.hear("HELO localhost")
			d.say("250 fake")
			for range 2 {
				d.stepwise("MAIL", "250 ok", "RCPT", "250 ok", "DATA", "354 go")
				d.message()
				d.silent()
				d.say("250 2.0.0 taken")
			}
			d.end()
		}},
		want: []string{relayed, relayed},
	}, {
		name: "no PIPELINING: what was refused is not pushed further", n: 4,
		scripts: []func(*dialogue){func(d *dialogue) {
			d.greet("8BITMIME")
			d.stepwise("MAIL", "250 ok", "RCPT", "550 5.1.1 nobody", "RSET", "250 ok")
			d.stepwise("MAIL", "250 ok", "RCPT", "250 ok", "DATA", "354 go")
			d.message()
			d.say("250 2.0.0 taken")
			d.stepwise("MAIL", "450 later", "RSET", "250 ok")
			d.stepwise("MAIL", "250 ok", "RCPT", "250 ok", "DATA", "554 no")
			d.hear("QUIT")
		}},
		want: []string{"permanent/rcpt 550 5.1.1 nobody", relayed, "temporary/mail 450 later", "permanent/data 554 no"},
	}, {
		name: "RSET is not understood: another connection", n: 2,
		scripts: []func(*dialogue){func(d *dialogue) {
			d.greet("PIPELINING")
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 ok", "550 nobody", "503 no")
			d.hear("RSET", "MAIL", "RCPT", "DATA")
			d.say("502 what?", "503 5.5.1 nested MAIL", "503 no", "503 no")
		}, polite(1)},
		want: []string{"permanent/rcpt 550 nobody", relayed},
	}, {
		name: "garbage instead of a reply", n: 1,
		scripts: []func(*dialogue){func(d *dialogue) {
			d.greet("PIPELINING")
			d.hear("MAIL", "RCPT", "DATA")
			d.say("<html>\x1b[2J")
		}, func(d *dialogue) {
			d.greet("PIPELINING")
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250-a", "251 b")
		}},
		want: []string{"temporary/mail !…"},
		err:  "breaks the protocol",
	}, {
		name: "2xx in answer to DATA", n: 1,
		scripts: []func(*dialogue){wrongData, wrongData},
		want:    []string{"temporary/data !…"},
		err:     "250 in answer to data",
	}, {
		name: "more replies than commands: none is taken for the message's", n: 1,
		scripts: []func(*dialogue){surplus, surplus},
		want:    []string{"temporary/data !…"},
		err:     "more replies than commands",
	}, {
		name: "wants TLS or AUTH first: not the member's fault", n: 3,
		scripts: []func(*dialogue){func(d *dialogue) {
			d.greet("PIPELINING")
			d.hear("MAIL", "RCPT", "DATA")
			d.say("530 5.7.0 must issue STARTTLS first", "503 no", "503 no")
		}},
		want: []string{"temporary/mail 530 5.7.0 must issue STARTTLS first !…", "temporary/connect !…"},
		err:  "takes no mail from this client",
	}, {
		name: "multi-line replies", n: 1,
		scripts: []func(*dialogue){func(d *dialogue) {
			d.say("220-fake", "220-says", "220 hello")
			d.hear("EHLO")
			d.say("250-fake", "250-PIPELINING", "250")
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250-2.1.0 well", "250 2.1.0 ok", "250", "354-go", "354 ahead")
			d.message()
			d.say("250-2.0.0 taken", "250-", "250 2.0.0 as 4711")
			d.end()
		}},
		want: []string{"relayed/final 250 2.0.0 taken /  / as 4711"},
	}, {
		name: "over-long lines are cut", n: 1,
		scripts: []func(*dialogue){func(d *dialogue) {
			d.greet("PIPELINING", "X-"+strings.Repeat("y", 9000))
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 "+strings.Repeat("m", 20000), "550 5.1.1 "+strings.Repeat("ü", 10000), "503 no")
			d.end()
		}},
		want: []string{"permanent/rcpt 550 5.1.1 " + strings.Repeat("ü", 510) + "…"},
	}, {
		name: "a reply without end", n: 1,
		scripts: []func(*dialogue){endless, endless},
		want:    []string{"temporary/mail !…"},
		err:     "a reply of more than 65536 octets",
	}, {
		name: "controls in a reply cannot reach a terminal", n: 1,
		scripts: []func(*dialogue){func(d *dialogue) {
			d.greet("PIPELINING")
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 ok", "550 5.1.1 \x1b]0;x\x07\x00\xff\u202e", "503 no")
			d.end()
		}},
		want: []string{`permanent/rcpt 550 5.1.1 \x1b]0;x\x07\x00\xff\u{202e}`},
	}, {
		name: "an enhanced code of another class is text", n: 1,
		scripts: []func(*dialogue){func(d *dialogue) {
			d.greet("PIPELINING")
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 ok", "550 2.0.0 well", "503 no")
			d.end()
		}},
		want: []string{"permanent/rcpt 550 2.0.0 well"},
	}, {
		name: "no more than MaxTransactions over one connection", n: 5, config: relay.Config{MaxTransactions: 2},
		scripts: []func(*dialogue){polite(2), polite(2), polite(1)},
		want:    []string{relayed, relayed, relayed, relayed, relayed},
	}, {
		name: "says that it takes less", n: 1,
		scripts: []func(*dialogue){func(d *dialogue) {
			d.greet("PIPELINING", "SIZE 10")
			d.end()
		}},
		want: []string{"permanent/connect !" + relay.ErrSize.Error() + "…"},
	}}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, c.scripts...)
			o := sendTo(t, f, c.config, c.n)
			if (c.err == "") != (o.err == nil) || o.err != nil && !strings.Contains(o.err.Error(), c.err) {
				t.Errorf("Send: %v, want %q in it", o.err, c.err)
			}
			for i := range max(o.pulled, len(c.want)) {
				var got, want string
				if i < o.pulled {
					got = summary(o.results[i])
				}
				if i < len(c.want) {
					want = c.want[i]
				}
				if short, ok := strings.CutSuffix(want, "…"); got != want && !(ok && strings.HasPrefix(got, short)) {
					t.Errorf("transaction %d: %s\nwant %s", i, got, want)
				}
			}
		})
	}
}

func hangUpAfterMessage(d *dialogue) {
	d.greet("PIPELINING")
	d.hear("MAIL", "RCPT", "DATA")
	d.say("250 ok", "250 ok", "354 go")
	d.message()
	d.hear("MAIL", "RCPT", "DATA")
}

func wrongData(d *dialogue) {
	d.greet("PIPELINING")
	d.hear("MAIL", "RCPT", "DATA")
	d.say("250 ok", "250 ok", "250 ok")
}

func surplus(d *dialogue) {
	d.greet("PIPELINING")
	d.hear("MAIL", "RCPT", "DATA")
	d.say("250 ok", "250 ok", "354 go", "250 2.0.0 taken before it was sent")
}

func endless(d *dialogue) {
	d.greet("PIPELINING")
	d.hear("MAIL", "RCPT", "DATA")
	for _, err := io.WriteString(d.conn, "250-ok\r\n"); err == nil; _, err = io.WriteString(d.conn, strings.Repeat("250-ok\r\n", 100)) {
	}
}

// stepwise alternates between hearing a command, and nothing behind it, and
// answering.
func (d *dialogue) stepwise(steps ...string) {
	for i := 0; i < len(steps); i += 2 {
		d.hear(steps[i])
		d.silent()
		d.say(steps[i+1])
	}
}

// While one message waits for its final reply nothing of the next message is
// sent; its commands are.
func TestRidesBehindTheDot(t *testing.T) {
	f := newFake(t, func(d *dialogue) {
		d.greet("PIPELINING")
		d.hear("MAIL", "RCPT", "DATA")
		d.say("250 ok", "250 ok", "354 go")
		for i := range 3 {
			if got, want := d.message(), fmt.Sprintf("Subject: %d\r\n\r\ntext\r\n", i); got != want {
				d.t.Errorf("message %q, want %q", got, want)
			}
			if i < 2 {
				d.hear("MAIL", "RCPT", "DATA") // before the reply
				d.silent()
				d.say("250 2.0.0 taken", "250 ok", "250 ok", "354 go")
			}
		}
		d.say("250 2.0.0 taken")
		d.end()
	})
	if o := sendTo(t, f, relay.Config{}, 3); o.err != nil || o.results[2].Class != relay.Relayed {
		t.Errorf("%+v", o)
	}
}

// A connection is kept for the next Send.
func TestConnectionIsKept(t *testing.T) {
	f := newFake(t, polite(2))
	r := newRelay(t, f, relay.Config{IdleTimeout: time.Hour})
	for range 2 {
		if o := sendOver(t, r, transactions(1)...); o.err != nil || o.results[0].Class != relay.Relayed {
			t.Fatalf("%+v", o)
		}
	}
	if f.dialled != 1 {
		t.Errorf("%d connections for two Sends", f.dialled)
	}
}

// Connections that the next hop closed while they were idle, with 421 or
// without, are replaced without a word about it, however many there are.
func TestStaleConnections(t *testing.T) {
	var together, closed sync.WaitGroup // all are open at a time; all are closed
	idle := make(chan struct{})
	stale := func(last string) func(*dialogue) {
		together.Add(1)
		closed.Add(1)
		return func(d *dialogue) {
			defer closed.Done()
			d.greet("PIPELINING")
			together.Done()
			together.Wait()
			d.take()
			<-idle
			if last != "" {
				d.say(last)
			}
			d.conn.Close()
		}
	}
	const timeout = "421 4.4.2 idle for too long"
	f := newFake(t, stale(timeout), stale(""), stale(timeout), stale(""), polite(1))
	r := newRelay(t, f, relay.Config{IdleTimeout: time.Hour})
	var sends sync.WaitGroup
	for range 4 {
		sends.Go(func() {
			if o := sendOver(t, r, transactions(1)...); o.err != nil {
				t.Error(o.err)
			}
		})
	}
	sends.Wait()
	close(idle)
	closed.Wait()
	if o := sendOver(t, r, transactions(1)...); o.err != nil || o.results[0].Class != relay.Relayed {
		t.Errorf("over stale connections: %v, %s", o.err, summary(o.results[0]))
	}
}

func TestIdleConnectionsEndWithQuit(t *testing.T) {
	quit := make(chan struct{})
	f := newFake(t, func(d *dialogue) {
		d.greet("PIPELINING")
		d.take()
		d.hear("QUIT")
		d.say("221 2.0.0 bye")
		close(quit)
	}, func(d *dialogue) {
		d.greet("PIPELINING")
		d.take()
		d.hear("QUIT")
	})
	r := newRelay(t, f, relay.Config{IdleTimeout: time.Millisecond})
	sendOver(t, r, transactions(1)...)
	<-quit
	r2 := newRelay(t, f, relay.Config{})
	sendOver(t, r2, transactions(1)...)
	closeRelay(t, r2)
	if o := sendOver(t, r2, transactions(1)...); !errors.Is(o.err, relay.ErrClosed) || o.pulled != 0 {
		t.Errorf("Send after Close: %+v", o)
	}
}

// The end of the context ends a Send at once, wherever it is.
func TestContextEnds(t *testing.T) {
	for name, where := range map[string]func(*dialogue, func()){
		"in the greeting": func(d *dialogue, stop func()) { stop() },
		"in RCPT": func(d *dialogue, stop func()) {
			d.greet("PIPELINING")
			d.hear("MAIL", "RCPT", "DATA")
			stop()
		},
		"after the dot": func(d *dialogue, stop func()) {
			d.greet("PIPELINING")
			d.hear("MAIL", "RCPT", "DATA")
			d.say("250 ok", "250 ok", "354 go")
			d.message()
			stop()
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			r := newRelay(t, newFake(t, func(d *dialogue) { where(d, stop); d.end() }), relay.Config{})
			ts := transactions(3)
			taken, reported := 0, 0
			err := r.Send(ctx, func() (relay.Transaction, bool) {
				if taken == len(ts) {
					return relay.Transaction{}, false
				}
				taken++
				return ts[taken-1], true
			}, func(_ relay.Transaction, res relay.Result) {
				reported++
				if res.Class != relay.Temporary {
					t.Errorf("reported %s", summary(res))
				}
			})
			if !errors.Is(err, context.Canceled) || taken != reported {
				t.Errorf("%v; %d taken, %d reported", err, taken, reported)
			}
		})
	}
}

// At most Connections are open, and a Send that waits for one heeds its context.
func TestConnectionsAreLimited(t *testing.T) {
	busy, release := make(chan struct{}), make(chan struct{})
	f := newFake(t, func(d *dialogue) {
		d.greet("PIPELINING")
		d.hear("MAIL", "RCPT", "DATA")
		close(busy)
		<-release
		d.say("250 ok", "250 ok", "354 go")
		d.message()
		d.say("250 2.0.0 taken")
		d.end()
	})
	r := newRelay(t, f, relay.Config{Connections: 1})
	first := make(chan outcome, 1)
	go func() { first <- sendOver(t, r, transactions(1)...) }()
	<-busy
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.Send(ctx, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second Send: %v", err)
	}
	close(release)
	if o := <-first; o.err != nil || o.results[0].Class != relay.Relayed {
		t.Errorf("%+v", o)
	}
}

// A hop that reads nothing holds a message no longer than DataTimeout.
func TestNeverReads(t *testing.T) {
	f := newFake(t, func(d *dialogue) {
		d.greet("PIPELINING")
		d.hear("MAIL", "RCPT", "DATA")
		d.say("250 ok", "250 ok", "354 go")
		var b [1]byte
		d.conn.Read(b[:])
		time.Sleep(time.Second) // its patience, not ours
	})
	r := newRelay(t, f, relay.Config{DataTimeout: 100 * time.Millisecond, CommandTimeout: 200 * time.Millisecond})
	big := relay.Transaction{ForwardPath: "a@b.example", Body: segments(strings.Repeat(strings.Repeat("x", 70)+"\r\n", 300_000))}
	o := sendOver(t, r, big)
	if o.err == nil || !strings.HasPrefix(summary(o.results[0]), "temporary/message !sending the message") {
		t.Errorf("%v, %s", o.err, summary(o.results[0]))
	}
}

// What the hop says before it ends the connection in a message's middle counts.
func TestRefusedInItsMiddle(t *testing.T) {
	f := newFake(t, func(d *dialogue) {
		d.greet("PIPELINING")
		d.hear("MAIL", "RCPT", "DATA")
		d.say("250 ok", "250 ok", "354 go")
		io.CopyN(io.Discard, d.in, 1<<20)
		d.say("552 5.3.4 too large")
		io.CopyN(io.Discard, d.in, 1<<20)
		d.conn.(*net.TCPConn).CloseWrite()
		io.CopyN(io.Discard, d.in, 1<<24)
	})
	r := newRelay(t, f, relay.Config{DataTimeout: 2 * time.Second})
	big := relay.Transaction{ForwardPath: "a@b.example", Body: segments(strings.Repeat(strings.Repeat("x", 70)+"\r\n", 600_000))}
	if o := sendOver(t, r, big); summary(o.results[0]) != "permanent/message 552 5.3.4 too large" &&
		!strings.HasPrefix(summary(o.results[0]), "temporary/message") { // the reply can be lost with the connection
		t.Errorf("%v, %s", o.err, summary(o.results[0]))
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []relay.Config{
		{}, {URL: "http://x:25"}, {URL: "smtp://x"}, {URL: "smtp:/path"}, {URL: "lmtp:path"}, {URL: "smtp://x:25", TLS: "maybe"},
		{URL: "lmtp:/path", TLS: relay.TLSRequired}, {URL: "smtp://x:25", Hello: "a\r\nMAIL"},
	} {
		if _, err := relay.New(c, nil); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}
