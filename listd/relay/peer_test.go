package relay_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/relay"
)

func dialRelay(t testing.TB, c relay.Config) *relay.Relay {
	t.Helper()
	r, err := relay.New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Several Sends at a time, over TCP and a unix socket, SMTP and LMTP: what was
// sent arrives, octet for octet, at whom it was sent to.
func TestSink(t *testing.T) {
	for _, o := range []peer.SinkOptions{{}, {LMTP: true}, {LMTP: true, Unix: true}, {Extensions: []string{"8BITMIME"}}} {
		sink := peer.StartSink(t, o)
		r := dialRelay(t, relay.Config{URL: sink.URL, Connections: 3})
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if o := sendOver(t, r, transactions(20)...); o.err != nil {
					t.Error(o.err)
				}
			})
		}
		wg.Wait()
		closeRelay(t, r)
		mails := sink.Mails()
		if len(mails) != 100 || sink.Sessions() > 3 {
			t.Errorf("%+v: %d mails over %d connections", o, len(mails), sink.Sessions())
		}
		for i := range 20 {
			for _, m := range sink.To(fmt.Sprintf("member%d@example.org", i)) {
				if want := fmt.Sprintf("Subject: %d\r\n\r\ntext\r\n", i); string(m.Octets) != want || m.ReversePath != "list-owner@lists.example.org" {
					t.Errorf("got %q from %s", m.Octets, m.ReversePath)
				}
			}
		}
	}
}

// LMTP answers the dot for each recipient; a transaction has one.
func TestLMTPRefusal(t *testing.T) {
	sink := peer.StartSink(t, peer.SinkOptions{LMTP: true, Behave: func(s peer.Step) peer.Act {
		if s.Verb == "BODY" && s.ForwardPath == "member1@example.org" {
			return peer.Act{Reply: "552 5.2.2 mailbox full"}
		}
		return peer.Act{}
	}})
	r := dialRelay(t, relay.Config{URL: sink.URL})
	defer closeRelay(t, r)
	o := sendOver(t, r, transactions(3)...)
	if o.err != nil || summary(o.results[1]) != "permanent/final 552 5.2.2 mailbox full" || o.results[0].Class != relay.Relayed || o.results[2].Class != relay.Relayed {
		t.Errorf("%+v", o)
	}
}

// A hop that is down and comes back is used again.
func TestHopComesBack(t *testing.T) {
	sink := peer.StartSink(t, peer.SinkOptions{})
	r := dialRelay(t, relay.Config{URL: sink.URL})
	defer closeRelay(t, r)
	for i, up := range []bool{true, false, true} {
		if !up {
			sink.Stop()
		} else if i > 0 {
			sink.Start()
		}
		o := sendOver(t, r, transactions(2)...)
		if (o.err == nil) != up {
			t.Fatalf("up %v: %v", up, o.err)
		}
		for _, res := range o.results[:o.pulled] {
			if (res.Class == relay.Relayed) != up || !up && res.Stage != relay.StageConnect {
				t.Errorf("up %v: %s", up, summary(res))
			}
		}
	}
}

// mailbox is a go-smtp backend that keeps what it gets.
type mailbox struct {
	mu    sync.Mutex
	mails map[string][]byte
}

type mailboxSession struct {
	*mailbox
	to string
}

func (m *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) {
	return &mailboxSession{mailbox: m}, nil
}
func (s *mailboxSession) Reset()                               { s.to = "" }
func (s *mailboxSession) Logout() error                        { return nil }
func (s *mailboxSession) Mail(string, *smtp.MailOptions) error { return nil }
func (s *mailboxSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "member3@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "nobody"}
	}
	s.to = to
	return nil
}
func (s *mailboxSession) Data(r io.Reader) error {
	octets, err := io.ReadAll(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails[s.to] = octets
	return err
}

func TestGoSMTP(t *testing.T) {
	for _, lmtp := range []bool{false, true} {
		box := &mailbox{mails: map[string][]byte{}}
		server := smtp.NewServer(box)
		server.LMTP, server.EnableSMTPUTF8, server.MaxLineLength = lmtp, true, 0
		server.ErrorLog = log.New(io.Discard, "", 0)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go server.Serve(l)
		defer server.Close()
		url := "smtp://" + l.Addr().String()
		if lmtp {
			url = "lmtp://" + l.Addr().String()
		}
		r := dialRelay(t, relay.Config{URL: url})
		ts := transactions(10)
		ts[5].ForwardPath = "ü@example.org"
		ts[6].Body = segments(".dots\r\n", ".\r\n..\r\n", "\xc3\xbc\r\n", strings.Repeat("x", 5000), "\r\n")
		o := sendOver(t, r, ts...)
		closeRelay(t, r)
		if o.err != nil || len(box.mails) != 9 || summary(o.results[3]) != "permanent/rcpt 550 5.1.1 nobody" {
			t.Fatalf("lmtp %v: %v, %d mails, %s", lmtp, o.err, len(box.mails), summary(o.results[3]))
		}
		if got := box.mails["member6@example.org"]; string(got) != ".dots\r\n.\r\n..\r\n\xc3\xbc\r\n"+strings.Repeat("x", 5000)+"\r\n" {
			t.Errorf("octets changed: %q", got)
		}
	}
}

// A real Postfix takes the pipelined dialogue, with and without TLS, refuses a
// recipient without harm to the others, and hands on the octets.
func TestPostfix(t *testing.T) {
	cert, key := pemPair(t)
	sink := peer.StartSink(t, peer.SinkOptions{})
	postfix := peer.StartPostfix(t, peer.PostfixOptions{
		SinkAddr: sink.Addr, Certificate: cert, Key: key,
		Main: []string{"smtpd_recipient_restrictions = check_recipient_access inline:{{nobody@example.org=550 5.1.1 nobody}}, permit_mynetworks, reject",
			"message_size_limit = 300000", "smtpd_forbid_unauth_pipelining = yes"},
	})
	for _, mode := range []relay.TLSMode{relay.TLSNone, relay.TLSOpportunistic} {
		r := dialRelay(t, relay.Config{URL: "smtp://" + postfix.ReinjectAddr, TLS: mode})
		ts := transactions(30)
		ts[10].ForwardPath = "nobody@example.org"
		ts[20].Body = segments("Subject: large\r\n\r\n", strings.Repeat(strings.Repeat("x", 70)+"\r\n", 10_000))
		ts[21].ForwardPath = "jürgen@example.org"
		ts[22].Body = segments("Subject: dots\r\n\r\n", ".\r\n..\r\n.x\r\n")
		ts[23].Body = segments("Subject: =?utf-8?q?8bit?=\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nü\r\n")
		before := len(sink.Mails())
		o := sendOver(t, r, ts...)
		closeRelay(t, r)
		if o.err != nil {
			t.Fatal(o.err)
		}
		for i, res := range o.results {
			switch {
			case i == 10:
				if res.Class != relay.Permanent || res.Code != 550 || res.Enhanced != "5.1.1" {
					t.Errorf("nobody: %s", summary(res))
				}
			case i == 20:
				if res.Class != relay.Permanent || !errors.Is(res.Err, relay.ErrSize) {
					t.Errorf("the large one: %s", summary(res))
				}
			case res.Class != relay.Relayed || res.Code != 250 || !strings.Contains(res.Text, "queued as"):
				t.Errorf("%d: %s", i, summary(res))
			}
		}
		sink.Wait(before + 27) // the sink has no SMTPUTF8, so Postfix bounces that one
		var dots bool
		for _, m := range sink.To("member22@example.org") {
			dots = bytes.HasSuffix(m.Octets, []byte("\r\n.\r\n..\r\n.x\r\n"))
		}
		if !dots {
			t.Error("dots were changed on the way")
		}
	}
	if log := postfix.Log(); strings.Contains(log, "improper command pipelining") {
		t.Error("Postfix finds the pipelining improper")
	}
}

// A Postfix that ends the connection after some refusals costs no message its
// delivery.
func TestPostfixEndsConnections(t *testing.T) {
	sink := peer.StartSink(t, peer.SinkOptions{Discard: true})
	postfix := peer.StartPostfix(t, peer.PostfixOptions{SinkAddr: sink.Addr, Main: []string{
		"smtpd_hard_error_limit = 3", "smtpd_soft_error_limit = 100",
		"smtpd_recipient_restrictions = check_recipient_access regexp:{{/^member1[0-9]@/ 550 5.1.1 nobody}}, permit_mynetworks, reject",
	}})
	r := dialRelay(t, relay.Config{URL: "smtp://" + postfix.ReinjectAddr, TLS: relay.TLSNone})
	defer closeRelay(t, r)
	o := sendOver(t, r, transactions(40)...)
	if o.err != nil {
		t.Fatal(o.err)
	}
	for i, res := range o.results {
		if want := map[bool]relay.Class{true: relay.Permanent, false: relay.Relayed}[i/10 == 1]; res.Class != want {
			t.Errorf("%d: %s", i, summary(res))
		}
	}
	if !strings.Contains(postfix.Log(), "too many errors") {
		t.Error("Postfix ended no connection: this test tests nothing")
	}
}
