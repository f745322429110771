package peer_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/peer"
)

func TestPostfixBetweenSwaksAndTheSinks(t *testing.T) {
	lists := peer.StartSink(t, peer.SinkOptions{LMTP: true, Unix: true})
	outside := peer.StartSink(t, peer.SinkOptions{})
	certificate, key := selfSigned(t)
	postfix := peer.StartPostfix(t, peer.PostfixOptions{ListURL: lists.URL, SinkAddr: outside.Addr, Certificate: certificate, Key: key})

	message := []byte("From: a@example.org\r\nTo: l@lists.example.org\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\nDate: Mon, 23 Nov 2026 17:00:00 +0000\r\n\r\n.dot\r\nlong " + strings.Repeat("y", 900) + "\r\n")
	if transcript, err := peer.Swaks(t, postfix.InAddr, "a@example.org", []string{"l@lists.example.org"}, message, "--tls"); err != nil {
		t.Fatalf("%v\n%s", err, transcript)
	}
	got := lists.Wait(1)[0]
	if got.ReversePath != "a@example.org" || got.ForwardPaths[0] != "l@lists.example.org" {
		t.Errorf("%+v", got)
	}
	if body := message[bytes.Index(message, []byte("\r\n\r\n")):]; !bytes.HasSuffix(got.Octets, body) {
		t.Errorf("the body has changed: %q", got.Octets)
	}

	// Behind: down first, then back.
	outside.Behave(peer.Answer("RCPT", "451 4.2.0 later"))
	if err := peer.SMTPSource(t, postfix.ReinjectAddr, "l-owner@lists.example.org", "b@example.net", 20, 1000, 4); err != nil {
		t.Fatal(err)
	}
	postfix.WaitLog("status=deferred")
	outside.Behave(nil)
	postfix.Flush()
	if mails := outside.Wait(20); len(mails) != 20 || mails[0].ReversePath != "l-owner@lists.example.org" {
		t.Errorf("%d mails, the first %+v", len(mails), mails[0])
	}
	postfix.WaitEmpty()
	if strings.Contains(postfix.Log(), "warning:") {
		t.Logf("warnings in the mail log:\n%s", postfix.Log())
	}
}

func TestPostfixOverLMTPAndSMTPOnTCP(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Postfix twice")
	}
	for _, lmtp := range []bool{true, false} {
		lists := peer.StartSink(t, peer.SinkOptions{LMTP: lmtp})
		postfix := peer.StartPostfix(t, peer.PostfixOptions{ListDomains: []string{"a.example", "b.example"}, ListURL: lists.URL})
		if err := peer.SMTPSource(t, postfix.InAddr, "x@example.org", "l@b.example", 1, 100, 1); err != nil {
			t.Fatal(err)
		}
		lists.Wait(1)
		postfix.WaitLog("status=sent")
		if lmtp != strings.Contains(postfix.Log(), "postfix/lmtp[") {
			t.Errorf("%s: wrong agent:\n%s", lists.URL, postfix.Log())
		}
	}
}
