package compose_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/compose"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
)

// with is the team with settings: name, value, name, value …
func with(t *testing.T, settings ...string) list.List {
	t.Helper()
	l := list.List{ID: 1, Address: team.Address, Policy: list.DefaultPolicy()}
	for i := 0; i+1 < len(settings); i += 2 {
		if err := l.Set(settings[i], settings[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// clear makes a copy in clear and reads it again.
func clear(t *testing.T, l list.List, octets string, to compose.Reader) *entity.Entity {
	t.Helper()
	p := compose.Post{List: l, Message: opened(parse(t, octets)), Stamp: stamp, RewriteFrom: l.Policy.FromPolicy == list.FromAlways}
	out, err := p.Clear(to)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(out))
}

func TestSubjectTag(t *testing.T) {
	for subject, want := range map[string]string{
		"hello":                        "[team] hello",
		"[team] hello":                 "[team] hello",
		"Re: hello":                    "Re: [team] hello",
		"Re: [team] hello":             "Re: [team] hello",
		"Re: [team] Re: hello":         "Re: [team] hello",
		"AW: Re: [team] hello":         "AW: Re: [team] hello",
		"":                             "[team]",
		"=?utf-8?Q?Gr=C3=BC=C3=9Fe?=":  "=?utf-8?q?[team]_Gr=C3=BC=C3=9Fe?=",
		"=?iso-8859-1?Q?Gr=FC=DFe?=":   "=?utf-8?q?[team]_Gr=C3=BC=C3=9Fe?=",
		"=?x-none?Q?Gr=FC?=":           "[team] =?x-none?Q?Gr=FC?=",
		"=?utf-8?Q?a=0D=0AX-Evil:_1?=": "=?utf-8?Q?a=0D=0AX-Evil:_1?=", // left alone
	} {
		h := clear(t, with(t, "subject_tag", "[team]"), "From: a@x.org\r\nSubject: "+subject+"\r\n\r\nx\r\n", compose.Person).Header()
		if got := h.Get("Subject"); got != want && want != "[team] =?x-none?Q?Gr=FC?=" || h.Get("X-Evil") != "" || len(h.All("Subject")) != 1 {
			t.Errorf("%q became %q, want %q", subject, got, want)
		}
	}
}

func TestReplyTo(t *testing.T) {
	for _, c := range []struct{ settings, own, want string }{
		{"", "", ""}, {"", "me@x.org", "me@x.org"}, {"reply_to_forced=yes", "me@x.org", ""},
		{"reply_to=list", "", "<team@lists.example.org>"}, {"reply_to=list", "me@x.org", "me@x.org"},
		{"reply_to=list reply_to_forced=yes", "me@x.org", "<team@lists.example.org>"},
		{"reply_to=all", "", "<alice@x.org>, <team@lists.example.org>"},
		{"reply_to=help@x.org", "", "<help@x.org>"},
		{"from_policy=always", "", "<alice@x.org>"}, {"from_policy=always", "me@x.org", "me@x.org"},
		{"from_policy=always reply_to=list", "", "<team@lists.example.org>"},
	} {
		var settings []string
		for _, s := range strings.Fields(c.settings) {
			name, value, _ := strings.Cut(s, "=")
			settings = append(settings, name, value)
		}
		own := ""
		if c.own != "" {
			own = "Reply-To: " + c.own + "\r\n"
		}
		h := clear(t, with(t, settings...), "From: Alice <alice@x.org>\r\n"+own+"\r\nx\r\n", compose.Person).Header()
		if got := h.Get("Reply-To"); got != c.want {
			t.Errorf("%s, own %q: %q, want %q", c.settings, c.own, got, c.want)
		}
	}
}

func TestFromPolicy(t *testing.T) {
	l := with(t, "from_policy", "always")
	for from, want := range map[string]string{
		"Alice <alice@x.org>": `"Alice via team" <team@lists.example.org>`, "alice@x.org": `"alice via team" <team@lists.example.org>`,
		"a@x.org, b@x.org": `"team" <team@lists.example.org>`, "=?utf-8?q?J=C3=BCrgen?= <j@x.org>": `=?utf-8?q?J=C3=BCrgen_via_team?= <team@lists.example.org>`,
		`"x\" <evil@x.org>" <a@x.org>`: `"x\" <evil@x.org> via team" <team@lists.example.org>`,
	} {
		post := "DKIM-Signature: v=1\r\nFrom: " + from + "\r\n\r\nx\r\n"
		h := clear(t, l, post, compose.Person).Header()
		if got := h.Get("From"); got != want || len(h.All("From")) != 1 || h.Get("DKIM-Signature") != "" {
			t.Errorf("%s became %s, want %s", from, got, want)
		}
		if h := clear(t, l, post, compose.AList).Header(); h.Get("From") != from {
			t.Errorf("a list reads %s", h.Get("From"))
		}
	}
	if h := clear(t, with(t), "DKIM-Signature: v=1\r\nFrom: a@x.org\r\n\r\nx\r\n", compose.Person).Header(); h.Get("DKIM-Signature") == "" {
		t.Error("a copy that changes nothing loses its DKIM-Signature")
	}
}

func TestRemoveHeaders(t *testing.T) {
	h := clear(t, with(t, "remove_headers", "X-Mailer,from,Message-ID,To,Content-Type"), "From: a@x.org\r\nTo: b@x.org\r\nMessage-ID: <1@x.org>\r\nX-Mailer: y\r\nContent-Type: text/plain\r\n\r\nx\r\n", compose.Person).Header()
	if h.Get("X-Mailer") != "" || h.Get("To") != "" || h.Get("From") == "" || h.Get("Message-ID") == "" || h.Get("Content-Type") == "" {
		t.Errorf("%s", h.Octets())
	}
}

func TestFooter(t *testing.T) {
	const german = "Grüße"
	for _, c := range []struct{ name, typ, post, holds string }{
		{"mime", "mime", "From: a@x.org\r\n\r\nhello\r\n", "multipart/mixed"},
		{"append", "append", "From: a@x.org\r\n\r\nhello\r\n", "hello\r\nthe end"},
		{"append to base64", "append", "From: a@x.org\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
			base64.StdEncoding.EncodeToString([]byte(german)) + "\r\n", "Gr=C3=BC=C3=9Fe"},
		{"append to HTML", "append", "From: a@x.org\r\nContent-Type: text/html\r\n\r\n<p>\r\n", "multipart/mixed"},
		{"append to flowed text", "append", "From: a@x.org\r\nContent-Type: text/plain; format=flowed\r\n\r\nx \r\n", "multipart/mixed"},
		{"append to latin1", "append", "From: a@x.org\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\n\xe9\r\n", "multipart/mixed"},
		{"a boundary that is taken", "mime", "From: a@x.org\r\n\r\n--=_abc\r\n", "=_abc_"},
	} {
		l := with(t, "footer", "the end", "footer_type", c.typ, "header", "the beginning")
		e := clear(t, l, c.post, compose.Person)
		if !strings.Contains(string(e.Octets()), c.holds) || !strings.Contains(string(e.Octets()), "the beginning") || len(e.Header().All("Content-Type")) != 1 || len(e.Header().All("MIME-Version")) != 1 {
			t.Errorf("%s:\n%s", c.name, e.Octets())
		}
	}
}

// TestSignedPostsStaySigned is invariant 6: whatever the list wishes, what was signed arrives octet for octet, and what was
// left undone is said.
func TestSignedPostsStaySigned(t *testing.T) {
	openssl := peer.NewOpenSSL(t)
	ca := smimetest.NewCA("CA")
	alice, key := ca.Issue("alice@example.org"), ca.Issue("team@lists.example.org")
	long := smimetest.Entity("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + strings.Repeat("ä", 300) + "\r\n trailing \r\n")
	forms := map[string]*entity.Entity{
		"detached":            alice.Sign(smimetest.Text("hello\r\n")),
		"opaque":              alice.Sign(smimetest.Text("hello\r\n"), smimetest.OpaqueForm),
		"8bit and long lines": alice.Sign(long),
		"preamble":            smimetest.Entity(strings.Replace(string(alice.Sign(smimetest.Text("x\r\n")).Octets()), "\r\n\r\n", "\r\n\r\nThis is a preamble.\r\n\r\n", 1) + "epilogue\r\n"),
		"twice":               alice.Sign(alice.Sign(smimetest.Text("x\r\n"), smimetest.OpaqueForm)),
		"beside other parts":  smimetest.Multipart("mixed", smimetest.Text("y\r\n"), alice.Sign(smimetest.Text("x\r\n"))),
		"protected headers":   alice.Sign(smimetest.Entity("From: alice@example.org\r\nSubject: s\r\nReply-To: r@x.org\r\nContent-Type: text/plain; hp=\"clear\"\r\n\r\nx\r\n")),
		"OpenPGP":             smimetest.Entity("Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--\r\n"),
	}
	private, err := x509.MarshalPKCS8PrivateKey(alice.Private)
	if err != nil {
		t.Fatal(err)
	}
	credential := peer.Credential{Certificate: alice.Certificate.Raw, Key: private}
	protected := "From: alice@example.org\r\nTo: team@lists.example.org\r\nSubject: s\r\nContent-Type: text/plain; hp=\"clear\"\r\n\r\nx\r\n"
	for name, form := range map[string]*entity.Entity{
		"detached, openssl":      smimetest.Entity(string(openssl.Sign(long.Octets(), credential))),
		"opaque, openssl":        smimetest.Entity(string(openssl.Sign(long.Octets(), credential, "-nodetach"))),
		"with attachments":       alice.Sign(smimetest.Multipart("mixed", long, smimetest.HTML("<p>x</p>\r\n"))),
		"opaque in detached":     alice.Sign(alice.Sign(long, smimetest.OpaqueForm)),
		"protected, opaque":      alice.Sign(smimetest.Entity(protected), smimetest.OpaqueForm),
		"wrapped message":        alice.Sign(smimetest.Entity("Content-Type: message/rfc822\r\n\r\n" + protected)),
		"signed and compressed":  smimetest.Compress(alice.Sign(long)),
		"trailing white space":   alice.Sign(smimetest.Entity("Content-Type: text/plain\r\n\r\n-- \r\n\t\r\n.\r\n..dots\r\n\r\n\r\n")),
		"within, its own footer": smimetest.Multipart("mixed", alice.Sign(long), smimetest.Text("a gateway's footer\r\n")),
	} {
		forms[name] = form
	}
	verify := func(message []byte) error {
		_, err := openssl.Verify(message, [][]byte{ca.Certificate.Raw})
		return err
	}
	verifies := map[string]bool{} // what OpenSSL understands at all
	for name, form := range forms {
		verifies[name] = verify(smimetest.Mail("alice@example.org", "team@lists.example.org", "s", form)) == nil
	}
	for _, name := range []string{"detached", "opaque", "8bit and long lines", "preamble", "twice", "protected headers", "detached, openssl", "opaque, openssl",
		"with attachments", "opaque in detached", "protected, opaque", "wrapped message", "trailing white space"} {
		if !verifies[name] {
			t.Errorf("OpenSSL does not verify %s before anything is done to it", name)
		}
	}
	for _, settings := range [][]string{
		{"footer", "the end", "footer_type", "mime"}, {"footer", "the end", "footer_type", "append"}, {"header", "the beginning"},
		{"subject_tag", "[team]"}, {"reply_to", "list", "reply_to_forced", "yes"}, {"from_policy", "always"}, {"remove_headers", "X-Mailer,Subject,To"}, {"anonymous_sender", "nobody@lists.example.org"},
	} {
		l := with(t, settings...)
		for name, form := range forms {
			for _, encrypted := range []bool{false, true} {
				e, options := form, smime.Options{}
				if encrypted {
					e, options = smimetest.Encrypt(form, key), smime.Options{Keys: []cms.Key{key.DecryptKey()}}
				}
				m := smime.Open(parse(t, string(smimetest.Mail("alice@example.org", "team@lists.example.org", "s", e))), options)
				p := compose.Post{List: l, Message: m, Stamp: stamp, RewriteFrom: l.Policy.FromPolicy == list.FromAlways}
				if settings[0] == "anonymous_sender" {
					if err := p.Check(); !errors.Is(err, compose.ErrIdentity) {
						t.Errorf("%s: an anonymous list takes it: %v", name, err)
					}
					continue
				}
				content, err := p.Content()
				if err != nil {
					t.Fatal(err)
				}
				if got := content.Octets(); encrypted && !bytes.Equal(got, form.Octets()) || !bytes.Contains(got, form.Body()) {
					t.Errorf("%v, %s, encrypted %t: the content was touched:\n%s", settings, name, encrypted, got)
				}
				if settings[0] == "footer" && len(p.Undone()) == 0 {
					t.Errorf("%s: nobody is told that there is no footer", name)
				}
				if !encrypted {
					whole, err := p.Clear(compose.Person)
					if err != nil || !bytes.HasSuffix(whole, m.Outer.Body()) {
						t.Errorf("%v, %s: the body was touched, %v", settings, name, err)
					}
					if err := verify(whole); err != nil && verifies[name] {
						t.Errorf("%v, %s: OpenSSL: %v", settings, name, err)
					}
				}
			}
		}
	}
}

// TestAnonymous: nothing of the author's is left but his words.
func TestAnonymous(t *testing.T) {
	l := with(t, "anonymous_sender", "nobody@lists.example.org")
	const post = "Return-Path: <alice@example.org>\r\nReceived: from alices-laptop by mx\r\nDKIM-Signature: v=1; d=example.org\r\n" +
		"From: Alice <alice@example.org>\r\nSender: alice@example.org\r\nReply-To: alice@example.org\r\nTo: team@lists.example.org\r\nCc: bob@example.org\r\n" +
		"Date: Mon, 4 May 2026 05:02:00 +0200\r\nMessage-ID: <1@alices-laptop>\r\nOrganization: Alice Ltd\r\nX-Originating-IP: 192.0.2.1\r\nUser-Agent: Alice\r\n" +
		"Subject: a question\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nwho am I?\r\n"
	e := clear(t, l, post, compose.Person)
	if strings.Contains(strings.ToLower(string(e.Octets())), "alice") || strings.Contains(string(e.Octets()), "192.0.2.1") || strings.Contains(string(e.Octets()), "+0200") {
		t.Errorf("%s", e.Octets())
	}
	if h := e.Header(); h.Get("From") != "<nobody@lists.example.org>" || h.Get("Subject") != "a question" || !strings.Contains(string(e.Body()), "who am I?") {
		t.Errorf("%s", e.Octets())
	}
	sealedHeader, err := compose.Post{List: l, Message: opened(parse(t, post)), Stamp: stamp}.SealedHeader(compose.Person)
	if err != nil || bytes.Contains(bytes.ToLower(sealedHeader), []byte("alice")) {
		t.Errorf("%s, %v", sealedHeader, err)
	}
}

// TestProtectedSubjectIsNotTagged: the tag stands outside only, and not on what the author protects.
func TestProtectedSubjectIsNotTagged(t *testing.T) {
	l := with(t, "subject_tag", "[team]", "reply_to", "list")
	alice := smimetest.NewCA("CA").Issue("alice@example.org")
	signed := alice.Sign(smimetest.Entity("From: alice@example.org\r\nSubject: plan\r\nReply-To: r@x.org\r\nContent-Type: text/plain; hp=\"clear\"\r\n\r\nx\r\n"))
	m := opened(parse(t, "From: alice@example.org\r\nSubject: plan\r\nReply-To: r@x.org\r\n"+string(signed.Octets())))
	p := compose.Post{List: l, Message: m, Stamp: stamp}
	octets, err := p.SealedHeader(compose.Person)
	if err != nil || bytes.Contains(octets, []byte("[team]")) || !bytes.Contains(octets, []byte("Reply-To: r@x.org\r\n")) || len(p.Undone()) != 2 {
		t.Errorf("%s, %v, %q", octets, err, p.Undone())
	}
}

// TestNothingBeginsAFieldOfItsOwn: line ends in every variable field of a list make no field.
func TestNothingBeginsAFieldOfItsOwn(t *testing.T) {
	const evil = "x\r\nX-Evil: 1"
	l := with(t)
	l.Policy.SubjectTag, l.Description, l.Policy.RemoveHeaders, l.Policy.Footer = evil, evil, []string{evil}, "x\r\n\r\n--=_abc\r\nX-Evil: 1"
	p := compose.Post{List: l, Message: opened(parse(t, "From: \"a\" <a@x.org>\r\nSubject: s\r\n\r\nx\r\n")), Stamp: stamp, RewriteFrom: true}
	if octets, err := p.Clear(compose.Person); err == nil {
		if e := parse(t, string(octets)); e.Header().Get("X-Evil") != "" {
			t.Errorf("%s", octets)
		}
	} else if !errors.Is(err, entity.ErrUnsafeField) {
		t.Error(err)
	}
}
