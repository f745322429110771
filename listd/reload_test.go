package listd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/smtp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
)

// While posts come in over connections that stay open, the configuration is read anew again and again. No connection ends,
// no post is refused, and every member gets one copy of each.
func TestReloadUnderLoad(t *testing.T) {
	w := newWorld(t)
	w.start()
	defer w.stop()
	const clients, each, reloads = 4, 40, 12
	var sent atomic.Int64
	var sending sync.WaitGroup
	for n := range clients {
		sending.Go(func() {
			c, err := smtp.Dial(w.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for i := range each {
				id := fmt.Sprintf("<load-%d-%d@example.org>", n, i)
				octets := bytes.Replace(smimetest.Mail("alice@example.org", wallList, "load", smimetest.Text("hello")), []byte("Subject:"), []byte("X-Load: "+id+"\r\nSubject:"), 1)
				if err := deliver(c, "alice@example.org", wallList, octets); err != nil {
					t.Errorf("%s: %v", id, err)
					return
				}
				sent.Add(1)
			}
			if err := c.Quit(); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range reloads {
		w.until("some posts came in", func() bool { return sent.Load() >= int64(i*clients*each/(reloads+1)) || t.Failed() })
		c := *w.config
		c.Relay.Connections = 2 + i%3
		w.must(w.sealist.Reload(t.Context(), &c))
	}
	sending.Wait()
	if t.Failed() {
		t.FailNow()
	}
	want := clients * each * 3
	w.sink.WaitFor(fmt.Sprintf("%d copies", want), func(m []peer.Mail) bool { return len(m) >= want })
	w.until("every post is done", func() bool {
		return !slices.ContainsFunc(w.items(), func(i store.Item) bool { return i.State != store.ItemDone })
	})
	copies := map[string]int{}
	for _, m := range w.sink.Mails() {
		_, rest, _ := strings.Cut(string(m.Octets), "X-Load: ")
		id, _, _ := strings.Cut(rest, "\r\n")
		copies[id+" "+m.ForwardPaths[0]]++
	}
	if len(copies) != want {
		t.Errorf("%d copies of %d", len(copies), want)
	}
	for id, n := range copies {
		if n != 1 {
			t.Errorf("%s: %d times", id, n)
		}
	}
	w.until("the earlier generations have ended", func() bool {
		return strings.Count(w.logged(), "the work under the earlier configuration has come to its end") == reloads
	})
}

func deliver(c *smtp.Client, from, to string, octets []byte) error {
	if err := c.Mail(from); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	data, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := data.Write(octets); err != nil {
		return err
	}
	return data.Close()
}

// A configuration with anything wrong in it changes nothing.
func TestReloadIsAllOrNothing(t *testing.T) {
	w := newWorld(t)
	w.start()
	defer w.stop()
	for what, change := range map[string]func(*config.Config){
		"trust.intermediates": func(c *config.Config) { c.Trust.Intermediates = w.file("broken.pem", []byte("no certificate")) },
		"relay.cafile":        func(c *config.Config) { c.Relay.CAFile = w.file("broken.pem", []byte("no certificate")) },
		"smtp.tls":            func(c *config.Config) { c.SMTP.TLS.Cert, c.SMTP.TLS.Key = "/nowhere/cert.pem", "/nowhere/key.pem" },
		"key password":        func(c *config.Config) { c.KeyPasswordFile = w.file("other", []byte("another password\n")) },
		"data_dir":            func(c *config.Config) { c.DataDir = w.dir },
		"robot":               func(c *config.Config) { c.Robot = "secret" },
	} {
		c := *w.config
		c.Domains = []string{"other.example.org", "lists.example.org"}
		change(&c)
		if err := w.sealist.Reload(t.Context(), &c); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
		if err := smtp.SendMail(w.addr, nil, "alice@example.org", []string{"x@other.example.org"}, []byte("Subject: x\r\n\r\nx\r\n")); err == nil || !strings.Contains(err.Error(), "relay") {
			t.Errorf("%s: the new domains count: %v", what, err)
		}
	}
	w.settled(w.send("alice@example.org", wallList, smimetest.Mail("alice@example.org", wallList, "x", smimetest.Text("hello"))))
	w.sink.Wait(3)
}

// What is new counts for new connections: domains, who is trusted, the certificate of STARTTLS; a client that was there
// before goes on as it began.
func TestReloadTakesEffect(t *testing.T) {
	w := newWorld(t)
	w.start()
	defer w.stop()
	before, err := smtp.Dial(w.addr)
	w.must(err)
	defer before.Close()
	if ok, _ := before.Extension("STARTTLS"); ok {
		t.Fatal("STARTTLS is offered already")
	}
	other := smimetest.NewCA("Other CA")
	host := w.ca.Issue("lists.example.org", func(t *smimetest.Template) { t.X509.DNSNames = []string{"lists.example.org"} })
	next := *w.config
	next.Trust.CAFile = w.file("both.pem", append(w.ca.PEM(), other.PEM()...))
	next.SMTP.TLS = config.TLSPair{Cert: w.file("host.pem", host.CertificatePEM()), Key: w.file("host.key", host.KeyPEM())}
	signed := mail("alice@example.org", plainList, other.Issue("alice@example.org").Sign(smimetest.Text("hello")))
	if item, _ := w.settled(w.send("alice@example.org", plainList, signed)); item.State != store.ItemRejected {
		t.Errorf("signed under an authority that is not trusted: %s", item.State)
	}
	w.must(w.sealist.Reload(t.Context(), &next))

	after, err := smtp.Dial(w.addr)
	w.must(err)
	defer after.Close()
	if ok, _ := after.Extension("STARTTLS"); !ok {
		t.Error("STARTTLS is not offered")
	}
	w.must(deliver(after, "alice@example.org", plainList, signed))
	items := w.items()
	if item, _ := w.settled(items[len(items)-1]); item.State != store.ItemDone || item.Method != "smime" {
		t.Errorf("signed under an authority that is trusted now: %s %s %s", item.State, item.Method, item.Reason)
	}
	w.must(deliver(before, "alice@example.org", wallList, smimetest.Mail("alice@example.org", wallList, "x", smimetest.Text("hello"))))
	w.sink.Wait(6)
}

// When the server stops soon after a reload, what the earlier generation has in hand gets its reply, too.
func TestStopAfterReload(t *testing.T) {
	w := newWorld(t)
	w.start()
	release := make(chan struct{})
	var held atomic.Int64
	w.sink.Behave(func(s peer.Step) peer.Act {
		if s.Verb == "BODY" {
			held.Add(1)
			<-release
		}
		return peer.Act{}
	})
	w.send("alice@example.org", wallList, smimetest.Mail("alice@example.org", wallList, "x", smimetest.Text("hello")))
	w.until("copies are on their way", func() bool { return held.Load() > 0 })
	c := *w.config
	w.must(w.sealist.Reload(t.Context(), &c))
	stopped := make(chan struct{})
	go func() { w.stop(); close(stopped) }()
	w.until("it stops", func() bool { return strings.Contains(w.logged(), "msg=stopping") })
	close(release)
	<-stopped
	w.open()
	for _, i := range w.items() {
		d, err := w.sealist.Store.Deliveries(t.Context(), store.DeliveryFilter{Item: i.ID})
		w.must(err)
		for _, d := range d {
			if d.State != store.DeliveryRelayed && d.State != store.DeliveryQueued {
				t.Errorf("%s is %s %s", d.Address, d.State, d.Reason)
			}
		}
	}
	w.must(w.sealist.Close())
}

// Whoever waits for the answer of a server that does not run gets tired.
func TestReloadWithoutRun(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.sealist.Reload(ctx, w.config); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	w.must(w.sealist.Close())
}
