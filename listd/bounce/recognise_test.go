package bounce_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/bounce"
)

// mail writes a message with CRLF; the header ends at the first empty line.
func mail(lines ...string) []byte {
	return []byte(strings.ReplaceAll(strings.Join(lines, "\n"), "\n", "\r\n") + "\r\n")
}

// short is a report in one line a recipient.
func short(r bounce.Report) string {
	all := []string{string(r.Kind)}
	for _, one := range r.Recipients {
		all = append(all, fmt.Sprintf("%s %s %s", one.Address, one.Action, one.Status))
	}
	return strings.Join(all, "; ")
}

// returned is the beginning of a message that is sent back.
const returned = `Received: from lists.example.org by mx.example.net; Thu, 1 Jan 2026 00:00:00 +0000
From: author@example.org
To: list@lists.example.org
Subject: something
Message-ID: <1@example.org>

content that is nobody's business: secret@example.org`

// dsn is a multipart/report with a machine's part.
func dsn(fields string) []byte {
	return mail("From: MAILER-DAEMON@mx.example.net (Mail Delivery System)", "To: bounce+x@lists.example.org", "Subject: Undelivered Mail Returned to Sender", "Auto-Submitted: auto-replied",
		`Content-Type: multipart/report; report-type=delivery-status; boundary="b"`, "", "--b", "", "Words for people.", "", "--b", "Content-Type: message/delivery-status", "",
		fields, "", "--b", "Content-Type: message/rfc822", "", returned, "--b--")
}

// words is a bounce in plain text.
func words(from, subject, text string) []byte {
	return mail("From: "+from, "To: sender@example.org", "Subject: "+subject, "", text)
}

var samples = []struct {
	name  string
	mail  []byte
	short string
}{
	// RFC 3464
	{"dsn", dsn("Reporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; bob@example.net\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such user"),
		"dsn; bob@example.net failed 5.1.1"},
	{"dsn, several", dsn("Reporting-MTA: dns; mx\n\nFinal-Recipient: rfc822;a@example.net\nAction: failed\nStatus: 5.2.1\n\nFinal-Recipient: rfc822;b@example.net\nAction: delayed\nStatus: 4.4.1"),
		"dsn; a@example.net failed 5.2.1; b@example.net delayed 4.4.1"},
	{"dsn without the empty lines", dsn("Reporting-MTA: dns; mx\nFinal-Recipient: rfc822;a@example.net\nAction: failed\nStatus: 5.1.1\nFinal-Recipient: rfc822;b@example.net\nAction: failed\nStatus: 5.1.2"),
		"dsn; a@example.net failed 5.1.1; b@example.net failed 5.1.2"},
	{"dsn with the original recipient only", dsn("Original-Recipient: rfc822;a@example.net\nAction: failed\nStatus: 5.1.1"), "dsn; a@example.net failed 5.1.1"},
	{"dsn of a delivery", dsn("Final-Recipient: rfc822;a@example.net\nAction: delivered\nStatus: 2.1.5"), "dsn; a@example.net delivered 2.1.5"},
	{"dsn of a relay", dsn("Final-Recipient: rfc822;a@example.net\nAction: relayed (to a host that sends no notifications)\nStatus: 2.0.0"), "dsn; a@example.net relayed 2.0.0"},
	{"dsn without an action", dsn("Final-Recipient: rfc822;a@example.net\nStatus: 5.1.1"), "dsn; a@example.net failed 5.1.1"},
	{"dsn whose reply says more", dsn("Final-Recipient: rfc822;a@example.net\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550-5.1.1 The account\n  does not exist"), "dsn; a@example.net failed 5.1.1"},
	{"dsn whose reply contradicts", dsn("Final-Recipient: rfc822;a@example.net\nAction: failed\nStatus: 4.4.7\nDiagnostic-Code: smtp; 550 5.1.1 no such user"), "dsn; a@example.net failed 4.4.7"},
	{"dsn within text", words("MAILER-DAEMON@example.net", "Delivery Status Notification", "It failed.\n\nAction: failed\nFinal-Recipient: rfc822; a@example.net\nDiagnostic-Code: smtp; 550 5.1.1 none\nStatus: 5.1.1"),
		"dsn; a@example.net failed 5.1.1"},
	{"dsn, words only", mail("From: postmaster@example.net", "Subject: Mail System Error - Returned Mail", `Content-Type: multipart/report; report-type=delivery-status; boundary="b"`, "", "--b", "",
		"This message was undeliverable.\n\nHost example.net is not responding.\n\nThe following recipients did not receive your message:\n\n     <a@example.net>", "--b", "Content-Type: message/delivery-status", "", "Reporting-MTA: dns; x", "", "--b--"),
		"text; a@example.net failed 4.4.7"},

	// RFC 5965 and before
	{"arf", mail("From: fbl@example.net", "Subject: FW: something", `Content-Type: multipart/report; report-type=feedback-report; boundary="b"`, "", "--b", "", "An abuse report.", "--b", "Content-Type: message/feedback-report", "",
		"Feedback-Type: abuse\nUser-Agent: x/1\nVersion: 1\nOriginal-Rcpt-To: <a@example.net>", "--b", "Content-Type: message/rfc822", "", returned, "--b--"), "arf; a@example.net  "},
	{"arf that takes one back", mail("From: fbl@example.net", `Content-Type: multipart/report; report-type=feedback-report; boundary="b"`, "", "--b", "Content-Type: message/feedback-report", "", "Feedback-Type: not-spam\nVersion: 1", "--b--"), "autoreply"},
	{"junk mail report", mail("From: staff@hotmail.com", "Subject: complaint about message from 192.0.2.1", `Content-Type: multipart/mixed; boundary="b"`, "", "--b", "Content-Type: message/rfc822", "",
		"X-HmXmrOriginalRecipient: a@example.net", returned, "--b--"), "arf; a@example.net  "},

	// mail systems' own words
	{"qmail", words("MAILER-DAEMON@example.net", "failure notice", "Hi. This is the qmail-send program at example.net.\nI'm afraid I wasn't able to deliver your message to the following addresses.\n\n<a@example.net>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n<b@example.net>:\n192.0.2.1 does not like recipient.\nRemote host said: 552 5.2.2 full\nGiving up on 192.0.2.1.\n\n--- Below this line is a copy of the message.\n\n"+returned),
		"text; a@example.net failed 5.1.1; b@example.net failed 5.2.2"},
	{"exim", words("Mail Delivery System <Mailer-Daemon@example.net>", "Mail delivery failed: returning message to sender", "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n  a@example.net\n    (generated from b@example.com)\n    host mx.example.net [192.0.2.1]\n    SMTP error from remote mail server after RCPT TO:<a@example.net>:\n    550 5.1.1 User unknown\n\n------ This is a copy of the message, including all the headers. ------\n\n"+returned),
		"text; a@example.net failed 5.1.1"},
	{"exim, a warning", words("Mail Delivery System <Mailer-Daemon@example.net>", "Warning: message 1x delayed 24 hours", "This message was created automatically by mail delivery software.\nA message that you sent has not yet been delivered to one or more of its\nrecipients after more than 24 hours.\n\nThe address to which the message has not yet been delivered is:\n\n  a@example.net\n    Delay reason: Connection timed out\n\nNo action is required on your part."),
		"text; a@example.net delayed 4.4.7"},
	{"an undisclosed address", words("Mailer-Daemon@example.net", "Mail delivery failed", "A message that you sent could not be delivered. The following address(es) failed:\n\n  an undisclosed address\n    (generated from a@example.net)"),
		"text; a@example.net failed 5.0.0"},
	{"exchange", words("System Administrator <postmaster@example.net>", "Undeliverable: something", "Your message\n\n  To:      list@lists.example.org\n  Subject: something\n\ndid not reach the following recipient(s):\n\na@example.net on Thu, 1 Jan 2026 00:00:00 +0000\n    The recipient name is not recognized\n"),
		"text; a@example.net failed 5.1.1"},
	{"exchange, X.400", words("System Administrator <postmaster@example.net>", "Undeliverable: something", "Your message\n\n  To:      list@lists.example.org\n\ndid not reach the following recipient(s):\n\nc=US;a= ;p=X;o=Y;dda:SMTP=a@example.net; on Thu, 1 Jan 2026\n    The recipient name is not recognized"),
		"text; a@example.net failed 5.1.1"},
	{"smail", words("<MAILER-DAEMON@example.net>", "mail failed, returning to sender", "|------------------------- Message log follows: -------------------------|\n no valid recipients were found for this message\n|------------------------- Failed addresses follow: ---------------------|\n a@example.net ... unknown host\n|------------------------- Message text follows: ------------------------|\n"+returned),
		"text; a@example.net failed 5.1.2"},
	{"smtp32", words(`"Postmaster" <postmaster@example.net>`, "Undeliverable Mail", "Invalid final delivery userid: a@example.net\n\n\nOriginal message follows.\n\n"+returned), "text; a@example.net failed 5.1.1"},
	{"mdaemon", words("MDaemon@example.net", "Warning: a@example.net - User unknown!", "a@example.net - no such user here.\n\nThere is no user by that name at this server."), "text; a@example.net failed 5.1.1"},
	{"two lines", words("MAILER-DAEMON@example.net", "Returned mail: something", "User's mailbox is full: <a@example.net>\nUnable to deliver mail."), "text; a@example.net failed 5.2.2"},
	{"it goes on", words("gateway@example.net", "=?utf-8?B?RGVsaXZlcnkgZmFpbHVyZSBub3RpZmljYXRpb25=?=", "Your message could not be delivered to the following recipients:\n\na@example.net\n\nPlease do not resend your original message.\n\nDelivery attempts will continue to be made for 5  day(s)."), "text; a@example.net delayed 4.0.0"},
	{"html", mail("From: MAILER-DAEMON@example.net", "Subject: failure notice", "Content-Type: text/html", "", "<style>x{y:1 @media}</style>I'm afraid I wasn't able to deliver your message to the following addresses.<br>\na@example.net<br>\n\nNo such user<br>"), "text; a@example.net failed 5.1.1"},
	{"in Chinese", mail("From: MAILER-DAEMON@example.net", "Subject: x", "Content-Type: text/plain; charset=gb2312", "", "\xd3\xca\xbc\xfe\xce\xde\xb7\xa8\xb7\xa2\xcb\xcd\n\n<a@example.net>:\n\n--- \xb8\xbd\xbc\xfe\n\n"+returned), "text; a@example.net failed 5.0.0"},
	{"in German", mail("From: postmaster@example.net", "Subject: =?iso-8859-1?Q?Unzustellbar:_etwas?=", "Content-Type: text/plain; charset=iso-8859-1", "", "Ihre Nachricht konnte nicht zugestellt werden.\n\nEmpf\xe4nger: a@example.net\nGrund: Postfach voll"), "text; a@example.net failed 5.2.2"},
	{"in French", mail("From: postmaster@example.net", "Subject: x", "", "Votre message n'a pas pu être remis à:\n\na@example.net\n\n550 5.1.1 Utilisateur inconnu"), "text; a@example.net failed 5.1.1"},

	// what counts nothing
	{"vacation", mail("From: a@example.net", "Subject: Automatic reply: something", "Auto-Submitted: auto-replied", "", "I am away. If it does not exist, write to b@example.net."), "autoreply"},
	{"vacation that quotes", mail("From: a@example.net", "Subject: Out of office", "Auto-Submitted: auto-replied", "", "I am away.\n\n--- Original message ---\n"+returned), "autoreply"},
	{"read receipt", mail("From: a@example.net", "Subject: Read: something", `Content-Type: multipart/report; report-type=disposition-notification; boundary="b"`, "", "--b", "", "It was read.", "--b", "Content-Type: message/disposition-notification", "", "Final-Recipient: rfc822;a@example.net\nDisposition: automatic-action/MDN-sent-automatically; displayed", "--b--"), "autoreply"},
	{"a person", mail("From: a@example.net", "Subject: Re: something", "", "Thank you, and see you there."), ""},
	{"nothing", nil, ""},
}

func TestRecognise(t *testing.T) {
	for _, s := range samples {
		r := bounce.Recognise(s.mail)
		if got := short(r); got != s.short {
			t.Errorf("%s: %q, not %q", s.name, got, s.short)
		}
		for _, one := range r.Recipients {
			if len(one.Text) > bounce.MaxText || strings.ContainsAny(one.Text, "\r\n") || strings.Contains(one.Text, "nobody's business") {
				t.Errorf("%s: text %q", s.name, one.Text)
			}
		}
	}
}

// TestRecogniseBounds gives it what would take long, or much.
func TestRecogniseBounds(t *testing.T) {
	var fields strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&fields, "Final-Recipient: rfc822; a%d@example.net\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 %s\n\n", i, strings.Repeat("x\u202e", 3000))
	}
	if r := bounce.Recognise(dsn(fields.String())); len(r.Recipients) > bounce.MaxRecipients || len(r.Recipients) == 0 || len(r.Recipients[0].Text) > bounce.MaxText {
		t.Errorf("%d recipients", len(r.Recipients))
	}
	for name, text := range map[string]string{
		"addresses": strings.Repeat("a@example.net: 550 5.1.1 user unknown\n", 40000), "one line": strings.Repeat("a@example.net ", 90000),
		"at signs": strings.Repeat("@", 1<<20), "brackets": strings.Repeat("<", 1<<20), "fields": strings.Repeat("Received: x\n", 90000),
	} {
		if r := bounce.Recognise(words("MAILER-DAEMON@example.net", "failure notice", text)); len(r.Recipients) > bounce.MaxRecipients {
			t.Errorf("%s: %d recipients", name, len(r.Recipients))
		}
	}
	nested := "x"
	for i := range 40 {
		nested = fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n%s\n--b%d--", i, i, nested, i)
	}
	bounce.Recognise(mail("From: MAILER-DAEMON@example.net", nested))
}

func FuzzRecognise(f *testing.F) {
	for _, s := range samples {
		f.Add(s.mail)
	}
	f.Fuzz(func(t *testing.T, octets []byte) {
		r := bounce.Recognise(octets)
		if len(r.Recipients) > bounce.MaxRecipients {
			t.Errorf("%d recipients", len(r.Recipients))
		}
		for _, one := range r.Recipients {
			if len(one.Text) > bounce.MaxText || len(one.Address) > 400 {
				t.Errorf("%d octets of text, %d of address", len(one.Text), len(one.Address))
			}
			if len(one.Status) > 9 {
				t.Errorf("status %q", one.Status)
			}
		}
		switch r.Kind {
		case bounce.None, bounce.AutoReply:
			if len(r.Recipients) > 0 {
				t.Errorf("%s with recipients", r.Kind)
			}
		case bounce.DSN, bounce.Text, bounce.ARF:
			if len(r.Recipients) == 0 {
				t.Errorf("%s without recipients", r.Kind)
			}
		default:
			t.Errorf("kind %q", r.Kind)
		}
	})
}
