package e2e

import (
	"errors"
	"testing"

	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime/smimetest"
)

// What the next hop does wrong is no matter of the sender, who has his 250: the copy waits, and goes when the next hop has
// come to itself. Only an answer that was lost repeats a copy.
func TestANextHopThatMisbehaves(t *testing.T) {
	if testing.Short() {
		t.Skip("starts many servers")
	}
	for name, c := range map[string]struct {
		trouble peer.Behaviour
		seen    string // the verb at which the trouble is met
		copies  int    // that the sink has in the end
		state   string
	}{
		"turns everybody away":        {peer.Answer("CONNECT", "421 4.3.2 going down"), "CONNECT", 1, "relayed"},
		"knows nobody for now":        {peer.Answer("RCPT", "451 4.2.0 later"), "RCPT", 1, "relayed"},
		"refuses for good":            {peer.Answer("RCPT", "550 5.1.1 unknown"), "RCPT", 0, "failed"},
		"has no room":                 {peer.Answer("BODY", "452 4.3.1 full"), "BODY", 1, "relayed"},
		"hangs up before DATA":        {peer.HangUp("DATA", 1), "DATA", 1, "relayed"},
		"hangs up with its last word": {peer.HangUp("BODY", 1), "BODY", 2, "relayed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarbour(t)
			met := make(chan struct{}, 1000)
			h.sink.Behave(func(s peer.Step) peer.Act {
				act := c.trouble(s)
				if act != (peer.Act{}) {
					met <- struct{}{}
				}
				return act
			})
			h.start()
			if err := h.submit(sealedLetter(t, h.anna, h.board, "<1@x>", "Later.")); err != nil {
				t.Fatal(err)
			}
			<-met
			h.sink.Behave(nil)
			p := h.waitState(1, "done")[0]
			if len(p.Deliveries) != 1 || p.Deliveries[0].State != c.state {
				t.Errorf("the copy is %+v, not %s", p.Deliveries, c.state)
			}
			mails := h.sink.Mails()
			if len(mails) != c.copies {
				t.Errorf("%d copies, want %d", len(mails), c.copies)
			}
			for _, m := range mails {
				if id := header(t, m).Get("Message-ID"); id != "<1@x>" {
					t.Errorf("a copy has the Message-ID %q", id)
				}
			}
		})
	}
}

// A next hop that hangs holds up neither the senders nor, when it is gone, the copies.
func TestANextHopThatHangs(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	h := newHarbour(t)
	hanging, release := make(chan struct{}, 1000), make(chan struct{})
	h.sink.Behave(func(s peer.Step) peer.Act {
		if s.Verb != "MAIL" {
			return peer.Act{}
		}
		hanging <- struct{}{}
		<-release
		return peer.Act{Close: true}
	})
	h.start()
	for _, id := range []string{"<1@x>", "<2@x>"} {
		if err := h.submit(h.unsigned(id, "Patience.")); err != nil {
			t.Fatal(err)
		}
		<-hanging
	}
	h.sink.Behave(nil)
	close(release)
	h.waitState(2, "done")
	if n := len(h.sink.Mails()); n != 2 {
		t.Errorf("%d copies of two posts", n)
	}
}

// While the directory is gone copies wait; nobody is told that he has no certificate.
func TestCopiesWaitForTheDirectory(t *testing.T) {
	if testing.Short() {
		t.Skip("starts slapd")
	}
	ca := smimetest.NewCA("Corp")
	anna, board, server := person(ca, "anna@corp.example"), person(ca, boardList), ca.Issue("server@corp.example", forServers)
	directory := peer.StartSlapd(t, peer.SlapdOptions{Certificate: server.CertificatePEM(), Key: server.KeyPEM(),
		Entries: []peer.Entry{peer.Person("anna", anna.Address, anna.Certificate.Raw)}})
	sink := peer.StartSink(t, peer.SinkOptions{})
	in := peer.Loopback(peer.Port(t))
	site := install(t, settings{listen: "smtp://" + in, relay: "smtp://" + sink.Addr, anchor: ca.PEM(),
		more: append(directorySettings(directory), "harvest: { enabled: false }")}, buildPlain)
	site.write("ldap_password", []byte(peer.SlapdServiceSecret+"\n"))
	site.createBoard(board, anna.Address)
	directory.Stop()
	site.start()
	if err := submit(in, anna.Address, []string{boardList}, sealedLetter(t, anna, board, "<1@x>", "Later.").octets()); err != nil {
		t.Fatal(err)
	}
	peer.Until(t, "a copy that waits for the directory", func() error {
		if posts := site.waitState(1, "distributing"); len(posts[0].Deliveries) == 0 || posts[0].Deliveries[0].State != "delayed" {
			return errors.New("not tried yet")
		}
		return nil
	})
	directory.Start()
	site.waitState(1, "done")
	if mails := sink.Mails(); len(mails) != 1 || len(copiesOf(t, mails, boardList)) != 1 {
		t.Errorf("%d mails: %+v", len(mails), mails)
	}
}
