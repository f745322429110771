package peer_test

import (
	"bytes"
	"net/smtp"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/peer"
)

func send(t *testing.T, addr, from string, to []string, octets string) error {
	t.Helper()
	return smtp.SendMail(addr, nil, from, to, []byte(octets))
}

func TestSinkKeepsTheTransactionAndItsOctets(t *testing.T) {
	sink := peer.StartSink(t, peer.SinkOptions{})
	body := "Subject: x\r\n\r\n.dot\r\n..two\r\n" + strings.Repeat("y", 70000) + "\r\nend\r\n"
	if err := send(t, sink.Addr, "a@example.org", []string{"b@example.org", "c@example.org"}, body); err != nil {
		t.Fatal(err)
	}
	m := sink.Wait(1)[0]
	if string(m.Octets) != body {
		t.Errorf("%d octets, want %d as sent", len(m.Octets), len(body))
	}
	if m.ReversePath != "a@example.org" || !slices.Equal(m.ForwardPaths, []string{"b@example.org", "c@example.org"}) || !m.Answered {
		t.Errorf("%+v", m)
	}
	if len(sink.To("B@example.org")) != 1 || len(sink.To("d@example.org")) != 0 {
		t.Error("To finds the wrong mails")
	}
}

// dialogue writes all the lines at once and returns the reply codes.
func dialogue(t *testing.T, network, addr, lines string, replies int) []int {
	t.Helper()
	conn, err := textproto.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.W.WriteString(lines); err != nil {
		t.Fatal(err)
	}
	conn.W.Flush()
	var codes []int
	for range replies {
		code, _, err := conn.ReadResponse(0)
		if err != nil {
			return append(codes, -1)
		}
		codes = append(codes, code)
	}
	return codes
}

func TestSinkSeesABareLineFeedAndIsNotEndedByIt(t *testing.T) {
	sink := peer.StartSink(t, peer.SinkOptions{})
	lines := "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
	body := "one\n.\ntwo\r\n"
	if codes := dialogue(t, "tcp", sink.Addr, lines+body+".\r\nQUIT\r\n", 7); !slices.Equal(codes, []int{220, 250, 250, 250, 354, 250, 221}) {
		t.Fatalf("replies %v", codes)
	}
	if m := sink.Wait(1)[0]; string(m.Octets) != body || m.ReversePath != "" {
		t.Errorf("%q from %q", m.Octets, m.ReversePath)
	}
}

func TestSinkLMTPAnswersEachRecipient(t *testing.T) {
	sink := peer.StartSink(t, peer.SinkOptions{LMTP: true, Unix: true, Behave: func(s peer.Step) peer.Act {
		if s.Verb == "BODY" && s.ForwardPath == "full@example.org" {
			return peer.Act{Reply: "452 4.2.2 full"}
		}
		return peer.Act{}
	}})
	lines := "LHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<full@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"
	if codes := dialogue(t, "unix", sink.Addr, lines, 9); !slices.Equal(codes, []int{220, 250, 250, 250, 250, 354, 452, 250, 221}) {
		t.Fatalf("replies %v", codes)
	}
	if m := sink.Wait(1)[0]; !slices.Equal(m.ForwardPaths, []string{"b@example.org"}) {
		t.Errorf("taken for %v", m.ForwardPaths)
	}
}

func TestSinkMisbehaves(t *testing.T) {
	sink := peer.StartSink(t, peer.SinkOptions{})
	one := []string{"b@example.org"}

	sink.Behave(peer.Refuse("451 4.2.0 later", "B@example.org"))
	if err := send(t, sink.Addr, "a@example.org", one, "x"); err == nil || !strings.HasPrefix(err.Error(), "451") {
		t.Errorf("refused recipient: %v", err)
	}
	sink.Behave(peer.Answer("BODY", "552 5.3.4 too large"))
	if err := send(t, sink.Addr, "a@example.org", one, "x"); err == nil || !strings.HasPrefix(err.Error(), "552") {
		t.Errorf("refused data: %v", err)
	}
	if n := len(sink.Mails()); n != 0 {
		t.Errorf("%d mails taken though all were refused", n)
	}
	sink.Behave(peer.HangUp("BODY", 1))
	if err := send(t, sink.Addr, "a@example.org", one, "x"); err == nil {
		t.Error("no error though the connection was dropped before the final reply")
	}
	if m := sink.Wait(1)[0]; m.Answered {
		t.Error("marked as answered")
	}
	if err := send(t, sink.Addr, "a@example.org", one, "x"); err != nil {
		t.Errorf("after the one hang-up: %v", err)
	}

	sink.Stop()
	if err := send(t, sink.Addr, "a@example.org", one, "x"); err == nil {
		t.Error("a stopped sink took mail")
	}
	sink.Start()
	if err := send(t, sink.Addr, "a@example.org", one, "x"); err != nil {
		t.Errorf("after Start: %v", err)
	}
	sink.Wait(3)
}

func TestSinkDiscards(t *testing.T) {
	sink := peer.StartSink(t, peer.SinkOptions{Discard: true})
	if err := send(t, sink.Addr, "a@example.org", []string{"b@example.org"}, "12345\r\n"); err != nil {
		t.Fatal(err)
	}
	if m := sink.Wait(1)[0]; !bytes.Equal(m.Octets, nil) || m.Size != 7 {
		t.Errorf("%d octets kept, size %d", len(m.Octets), m.Size)
	}
}
