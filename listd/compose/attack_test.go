package compose_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/compose"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
)

// eachCopy makes every copy that a list sends of a post, in clear and the outer
// header of a sealed one, for people and for lists. None may fail: what a
// stranger writes into his header does not stop a post that was accepted.
func eachCopy(t *testing.T, l list.List, octets string, look func(name string, copied *entity.Entity)) {
	t.Helper()
	p := compose.Post{List: l, Message: opened(parse(t, octets)), Stamp: stamp, RewriteFrom: l.Policy.FromPolicy == list.FromAlways}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	for to, reader := range map[compose.Reader]string{compose.Person: "a person", compose.AList: "a list"} {
		whole, err := p.Clear(to)
		if err != nil {
			t.Errorf("in clear, for %s: %v", reader, err)
			continue
		}
		look("in clear, for "+reader, parse(t, string(whole)))
		header, err := p.SealedHeader(to)
		if err != nil {
			t.Errorf("sealed, for %s: %v", reader, err)
			continue
		}
		look("sealed, for "+reader, parse(t, string(header)+"\r\n"))
	}
}

// TestOddHeaders: what strangers write into a header neither stops copies nor
// makes two fields of what stands once.
func TestOddHeaders(t *testing.T) {
	var hundred []string
	for i := range 100 {
		hundred = append(hundred, fmt.Sprintf("Person %d <p%d@example.org>", i, i))
	}
	words := strings.Repeat(" =?utf-8?q?"+strings.Repeat("x", 50)+"?=\r\n", 40)
	for name, octets := range map[string]string{
		"8bit":             "From: caf\xe9 <alice@example.org>\r\nSubject: \xe9\r\nX-Odd: \xff\xfe\r\n\r\nx\r\n",
		"no From":          "To: team@lists.example.org\r\n\r\nx\r\n",
		"two From":         "From: a@example.org\r\nFrom: b@example.org\r\n\r\nx\r\n",
		"empty From":       "From:\r\n\r\nx\r\n",
		"a hundred To":     "From: a@example.org\r\nTo: " + strings.Join(hundred, ",\r\n ") + "\r\n\r\nx\r\n",
		"SMTPUTF8":         "From: Jürgen <jürgen@bücher.example>\r\nReply-To: ü@ä.example\r\nSubject: ö\r\n\r\nx\r\n",
		"no header":        "\r\nx\r\n",
		"a line of no one": "From: a@example.org\r\ngarbage\r\n\r\nx\r\n",
		"mbox":             "From a@b Thu Jan 1\r\nFrom: a@example.org\r\n\r\nx\r\n",
		"empty fields":     "From: a@example.org\r\nMessage-ID:\r\nDate:\r\nSubject:\r\n\r\nx\r\n",
		"a group":          "From: people: a@example.org;\r\n\r\nx\r\n",
		"no body":          "From: a@example.org\r\n",
		"a long word":      "From: a@example.org\r\nSubject:" + words + "\r\nx\r\n",
		"a long name":      "From:" + words + " <a@example.org>\r\n\r\nx\r\n",
		"a long raw name":  "From: " + strings.Repeat("x", 970) + "\r\n <a@example.org>\r\n\r\nx\r\n",
		"line ends within": "From: =?utf-8?q?a=0D=0ABcc:_x?= <a@example.org>\r\nSubject: =?utf-8?q?a=0D=0ABcc:_x?=\r\n\r\nx\r\n",
		"NUL within":       "From: =?utf-8?b?YQBi?= <a@example.org>\r\nSubject: =?utf-8?b?YQBi?=\r\n\r\nx\r\n",
		"two Reply-To":     "From: a@example.org\r\nReply-To: b@example.org\r\nReply-To: c@example.org\r\nSubject: x\r\nSubject: y\r\n\r\nx\r\n",
	} {
		for _, settings := range [][]string{
			{},
			{"from_policy", "always", "reply_to", "all", "subject_tag", "[Öl]", "footer", "Füße", "remove_headers", "X-A"},
			{"anonymous_sender", "x@example.org", "header", "h", "subject_tag", "[a]"},
		} {
			eachCopy(t, with(t, settings...), octets, func(reader string, copied *entity.Entity) {
				for _, once := range []string{"List-Id", "Sender", "Message-ID", "Date", "Reply-To", "MIME-Version", "Content-Type"} {
					if n := len(copied.Header().All(once)); n > 1 {
						t.Errorf("%s, %v, %s: %d fields %s", name, settings, reader, n, once)
					}
				}
				if copied.Header().Get("Message-ID") == "" || copied.Header().Get("Date") == "" || len(copied.Header().All("Bcc")) > 0 {
					t.Errorf("%s, %v, %s:\n%s", name, settings, reader, copied.Header().Octets())
				}
				if slices.Contains(settings, "from_policy") && strings.HasSuffix(reader, "a person") && (len(copied.Header().All("From")) != 1 || !strings.Contains(copied.Header().Get("From"), team.Address.String())) {
					t.Errorf("%s, %s: From is %q", name, reader, copied.Header().Get("From"))
				}
				if slices.ContainsFunc(copied.Header(), func(f entity.Field) bool { return f.Name == "" }) {
					t.Errorf("%s, %v, %s: a line that is no field", name, settings, reader)
				}
			})
		}
	}
}

// TestProtectedFromStays: a reader's program shows the From that the author
// protects, and warns where another stands outside (RFC 9788 section 4.4).
func TestProtectedFromStays(t *testing.T) {
	alice := smimetest.NewCA("CA").Issue("alice@example.org")
	signed := alice.Sign(smimetest.Entity("From: alice@example.org\r\nSubject: plan\r\nContent-Type: text/plain; hp=\"clear\"\r\n\r\nx\r\n"))
	p := compose.Post{
		List: with(t, "from_policy", "always", "reply_to_forced", "yes"), Message: opened(parse(t, "From: alice@example.org\r\nSubject: plan\r\n"+string(signed.Octets()))),
		Stamp: stamp, RewriteFrom: true,
	}
	octets, err := p.SealedHeader(compose.Person)
	if h := parse(t, string(octets)+"\r\n").Header(); err != nil || h.Get("From") != "alice@example.org" || h.Get("Reply-To") != "" {
		t.Errorf("%s, %v", octets, err)
	}
	if got := strings.Join(p.Undone(), "; "); got != "reply_to: the author protects the header, and readers may answer to what stands there; from_policy: the author protects From" {
		t.Errorf("undone: %q", got)
	}
}

// TestNoReceiptsFromMembers: a receipt tells an author who is on the list, and every member would send one.
func TestNoReceiptsFromMembers(t *testing.T) {
	const octets = "From: a@example.org\r\nDisposition-Notification-To: a@example.org\r\nReturn-Receipt-To: a@example.org\r\nX-Confirm-Reading-To: a@example.org\r\nErrors-To: a@example.org\r\n\r\nx\r\n"
	eachCopy(t, with(t), octets, func(reader string, copied *entity.Entity) {
		for _, name := range []string{"Disposition-Notification-To", "Return-Receipt-To", "X-Confirm-Reading-To", "Errors-To"} {
			if copied.Header().Get(name) != "" {
				t.Errorf("%s: %s stays", reader, name)
			}
		}
	})
}

// TestAnonymousTraces: the author shows in none of the places that a mail
// program fills by itself.
func TestAnonymousTraces(t *testing.T) {
	l := with(t, "anonymous_sender", "nobody@lists.example.org")
	octets := strings.Join([]string{
		"From: Alice <alice@example.org>", "Message-ID: <1@alice.example.org>", "In-Reply-To: <2@alice.example.org>",
		"References: <3@alice.example.org> <0123456789abc@lists.example.org>", "Subject: hello", "X-Loop: other.lists.example.net",
		"Content-Author: alice", "Content-Description: alice", "Content-ID: <4@alice.example.org>", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "", "text", ""}, "\r\n")
	eachCopy(t, l, octets, func(reader string, copied *entity.Entity) {
		if strings.Contains(strings.ToLower(string(copied.Octets())), "alice") {
			t.Errorf("%s:\n%s", reader, copied.Octets())
		}
		if h := copied.Header(); h.Get("References") != "<0123456789abc@lists.example.org>" || h.Get("Subject") != "hello" || len(h.All("X-Loop")) != 2 {
			t.Errorf("%s:\n%s", reader, h.Octets())
		}
	})
	pgp := smimetest.Entity("Content-Type: multipart/signed; boundary=b; protocol=\"application/pgp-signature\"\r\n\r\n--b\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--\r\n")
	alice := smimetest.NewCA("CA").Issue("alice@example.org")
	for name, e := range map[string]*entity.Entity{
		"OpenPGP":           pgp,
		"OpenPGP within":    smimetest.Multipart("mixed", smimetest.Text("y"), pgp),
		"OpenPGP, deeper":   smimetest.Multipart("mixed", smimetest.Multipart("alternative", pgp)),
		"encrypted within":  smimetest.Multipart("mixed", smimetest.Entity("Content-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n")),
		"forwarded, signed": smimetest.Multipart("mixed", smimetest.Entity("Content-Type: message/rfc822\r\n\r\n"+string(alice.Sign(smimetest.Text("x")).Octets()))),
		"cannot be read":    smimetest.Entity("Content-Type: multipart/mixed\r\n\r\nx\r\n"),
	} {
		p := compose.Post{List: l, Message: opened(parse(t, "From: alice@example.org\r\n"+string(e.Octets()))), Stamp: stamp}
		if err := p.Check(); !errors.Is(err, compose.ErrIdentity) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWhatIsAroundNamesTheEncoding: a multipart, or an attached message, with 8-bit parts says so (RFC 2045 section 6.4).
func TestWhatIsAroundNamesTheEncoding(t *testing.T) {
	for post, want := range map[string]string{
		"From: a@x.org\r\n\r\nhello\r\n": "7bit",
		"From: a@x.org\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\ngr\xc3\xbc\xc3\x9f\r\n":   "8bit",
		"From: a@x.org\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n\x01\x02\xff\r\n":        "binary",
		"From: a@x.org\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ngr=C3=BC\r\n": "7bit",
	} {
		e := clear(t, with(t, "footer", "the end"), post, compose.Person)
		if got, err := e.TransferEncoding(); err != nil || got != want {
			t.Errorf("%q is %s, want %s", post, got, want)
		}
		attached, err := compose.Post{List: team, Message: opened(parse(t, post)), Stamp: stamp}.Attached()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parse(t, string(attached)).TransferEncoding(); err != nil || got != want {
			t.Errorf("%q, attached, is %s, want %s", post, got, want)
		}
	}
}

// TestFooterInSealedPosts: an unsigned encrypted post takes a footer; with signed or protected parts it takes none.
func TestFooterInSealedPosts(t *testing.T) {
	key := smimetest.NewCA("CA").Issue("team@lists.example.org")
	l := with(t, "footer", "foot", "footer_type", "append")
	for payload, takes := range map[string]bool{
		"Content-Type: text/plain\r\n\r\nhello\r\n":                                           true,
		"From: alice@example.org\r\nContent-Type: text/plain; hp=\"cipher\"\r\n\r\nhello\r\n": false,
	} {
		octets := smimetest.Mail("alice@example.org", "team@lists.example.org", "s", smimetest.Encrypt(smimetest.Entity(payload), key))
		p := compose.Post{List: l, Message: smime.Open(parse(t, string(octets)), smime.Options{Keys: []cms.Key{key.DecryptKey()}}), Stamp: stamp}
		content, err := p.Content()
		if err != nil || strings.Contains(string(content.Octets()), "foot") != takes || (len(p.Undone()) == 0) != takes {
			t.Errorf("%q: %q, %v", content.Octets(), p.Undone(), err)
		}
	}
}
