package smtpd_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/smtpd"
)

// noEnds are what some server somewhere has taken for the end of a message, or
// left standing for another to take, as research into SMTP smuggling found
// them; only CRLF.CRLF is one (RFC 5321 section 4.1.1.4).
var noEnds = []string{
	"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\r\n.\r\r\n", "\n\n.\n\n", "\r\r\n.\r\r\n", "\r\n\x00.\r\n", "\r\n.\x00\r\n",
	"\n.\r", "\r.\n", "\n\r.\n\r", "\r\x00\n.\r\x00\n", "\x00\n.\n", "\n\n.\r\n", "\n\x00.\n", "\r\r.\r\r", "\n.\r\r\n", "\r\n\r.\r\n", "\r\n.\n\r\n", "\r.\r\r\n", "\n..\n", "\n..\r\n",
}

// Behind each of noEnds stands a second message, which must never be taken for
// one, and the first is refused for its octets (invariant 6).
func TestSmuggling(t *testing.T) {
	const second = "MAIL FROM:<evil@example.org>\r\nRCPT TO:<news@lists.example.org>\r\nDATA\r\nsmuggled\r\n"
	for _, lmtp := range []bool{false, true} {
		all := newWorld(t, smtpd.Config{TLS: serverTLS(t), TrustedNetworks: []string{"127.0.0.0/8"}}, lmtp)
		hello := map[bool]string{true: "LHLO", false: "EHLO"}[lmtp]
		for _, secure := range []bool{false, true} {
			begin := func(w *world) *client {
				c := w.dial()
				c.run("220", hello+" x\r\n", "250")
				if secure {
					c.run("", "STARTTLS\r\n", "220")
					c = use(w.t, tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true}))
					c.run("", hello+" x\r\n", "250")
				}
				c.run("", "MAIL FROM:<anna@example.org>\r\n", "250", "RCPT TO:<team@lists.example.org>\r\n", "250", "DATA\r\n", "354")
				return c
			}
			for _, end := range noEnds {
				t.Run(fmt.Sprintf("%q lmtp %v TLS %v", end, lmtp, secure), func(t *testing.T) {
					w := all.in(t)
					c := begin(w)
					c.send("first\r\n" + "x" + end + second + "\r\n.\r\n")
					c.run("554 5.6.0", "NOOP\r\n", "250") // and the dialogue is in step
					if items := w.items(); len(items) != 0 {
						t.Errorf("%+v", items)
					}
				})
			}
			// These are ends, whatever stands before them: who waits for another has been left behind.
			for _, last := range []string{"\r\r\n.\r\n", "\n\r\n.\r\n", "\r\r\r\n.\r\n", "\n.\r\r\n.\r\n", "\x00\r\n.\r\n", "\n.\n\r\n.\r\n", "\r\n..\r\r\n.\r\n"} {
				t.Run(fmt.Sprintf("%q is an end, lmtp %v TLS %v", last, lmtp, secure), func(t *testing.T) {
					c := begin(all.in(t))
					c.send("first\r\nx" + last + "NOOP\r\n")
					c.run("554 5.6.0", "", "250 2.0.0 I have")
				})
			}
		}
	}
}

// The same through a Postfix that passes on what it gets: whatever it makes of
// it, one message comes out as one or not at all.
func TestSmugglingThroughPostfix(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Postfix")
	}
	for name, main := range map[string][]string{
		"as it comes":          nil,
		"strays left in":       {"cleanup_replace_stray_cr_lf = no"},
		"strays left in, LMTP": {"cleanup_replace_stray_cr_lf = no"},
	} {
		t.Run(name, func(t *testing.T) {
			lmtp := strings.HasSuffix(name, "LMTP")
			w := newWorld(t, smtpd.Config{TrustedNetworks: []string{"127.0.0.0/8"}}, lmtp)
			postfix := peer.StartPostfix(t, peer.PostfixOptions{
				ListURL: map[bool]string{true: "lmtp://", false: "smtp://"}[lmtp] + w.addr, SinkAddr: peer.StartSink(t, peer.SinkOptions{}).Addr, // for bounces
				Main: append(main, "smtpd_client_connection_rate_limit = 0", "smtpd_forbid_bare_newline = normalize", "smtpd_forbid_bare_newline_exclusions ="), // by default its own networks may still smuggle
			})
			taken := 0
			for i, end := range append(noEnds, "\r\n .\r\n", "\r\n.\t\r\n", "\r") {
				outside := *w
				outside.addr = postfix.InAddr
				c := outside.dial()
				c.run("220", "EHLO x\r\n", "250", "MAIL FROM:<anna@example.org>\r\n", "250", "RCPT TO:<team@lists.example.org>\r\n", "250", "DATA\r\n", "354")
				c.send(fmt.Sprintf("Subject: nr %d\r\n\r\nx%sMAIL FROM:<evil@example.org>\r\nRCPT TO:<news@lists.example.org>\r\nDATA\r\nSubject: smuggled\r\n\r\nx%s\r\n.\r\n", i, end, end))
				if r := c.reply(); strings.HasPrefix(r, "250") {
					taken++
				}
				c.conn.Close()
			}
			if taken == 0 {
				t.Fatal("Postfix took nothing")
			}
			began := time.Now()
			postfix.WaitEmpty()
			items := w.items()
			subjects := map[string]bool{}
			for _, item := range items {
				octets, err := w.store.Octets(t.Context(), item)
				if err != nil {
					t.Fatal(err)
				}
				header, _, _ := bytes.Cut(octets, []byte("\r\n\r\n"))
				_, subject, _ := strings.Cut(string(header), "Subject: ")
				subject, _, _ = strings.Cut(subject, "\r\n")
				if item.ReversePath != "anna@example.org" || !strings.HasPrefix(subject, "nr ") || subjects[subject] {
					t.Errorf("reverse-path %s, %q came out", item.ReversePath, subject)
				}
				subjects[subject] = true
			}
			t.Logf("Postfix took %d, %d came out of it, in %s", taken, len(items), time.Since(began).Round(time.Millisecond))
		})
	}
}
