package smtpd_test

import (
	"bytes"
	netsmtp "net/smtp"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/smtpd"
)

// A real Postfix in front hands mail over by LMTP and by SMTP with STARTTLS:
// what it has accepted arrives, and a list that does not exist is its to tell.
func TestPostfixInFront(t *testing.T) {
	for _, lmtp := range []bool{true, false} {
		committed := make(chan struct{}, 10)
		w := newWorld(t, smtpd.Config{TLS: serverTLS(t), TrustedNetworks: []string{"127.0.0.0/8"}, Accepted: func() { committed <- struct{}{} }}, lmtp)
		url, with := "smtp://"+w.addr, "ESMTPS"
		if lmtp {
			url, with = "lmtp://"+w.addr, "LMTPS"
		}
		postfix := peer.StartPostfix(t, peer.PostfixOptions{ListURL: url, Main: []string{
			"smtp_tls_security_level = encrypt", "lmtp_tls_security_level = encrypt", "smtp_tls_loglevel = 1",
		}})
		rcpts := []string{"team@lists.example.org", "news@lists.example.org", "nobody@lists.example.org"}
		if err := netsmtp.SendMail(postfix.InAddr, nil, "anna@example.org", rcpts, []byte(post)); err != nil {
			t.Fatal(err)
		}
		select {
		case <-committed:
		case <-time.After(peer.Patience):
			t.Fatal("nothing was handed over")
		}
		postfix.WaitLog(`to=<nobody@lists\.example\.org>.*dsn=5\.1\.1, status=bounced`)
		items := w.items()
		if len(items) != 2 {
			t.Fatalf("%d items", len(items))
		}
		for _, item := range items {
			octets, err := w.store.Octets(t.Context(), item)
			if err != nil || !bytes.HasSuffix(octets, []byte("\r\n\r\n.dot\r\ntext\r\n")) || item.Client != "127.0.0.1 helo=mx.example.org with="+with {
				t.Errorf("%+v, %v: %q", item, err, octets)
			}
		}
	}
}
