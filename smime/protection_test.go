package smime_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// payload is a root with protected header fields, one a line, and an hp parameter.
func payload(hp string, fields ...string) *entity.Entity {
	head := strings.Join(append(fields, "Content-Type: text/plain; hp=\""+hp+"\"", "MIME-Version: 1.0"), "\r\n")
	return smimetest.Entity(head + "\r\n\r\nthe text\r\n")
}

// wrapped is a payload as RFC 8551 section 3.1 protects header fields.
func wrapped(fields ...string) *entity.Entity {
	return smimetest.Entity("Content-Type: message/rfc822\r\n\r\n" + strings.Join(append(fields, "Content-Type: text/plain"), "\r\n") + "\r\n\r\nthe text\r\n")
}

// TestHeaderProtection is the table of what header protection does to an author.
func TestHeaderProtection(t *testing.T) {
	w := theWorld()
	const from, to, subject = "From: Alice <alice@corp.example>", "To: list@lists.example", "Subject: the secret plan"
	const outer = "HP-Outer: Subject: [...]"
	sign := func(e *entity.Entity) *entity.Entity { return w.alice.Sign(e) }
	seal := func(e *entity.Entity) *entity.Entity { return w.encrypt(w.alice.Sign(e)) }
	bare := func(e *entity.Entity) *entity.Entity { return w.encrypt(e) }

	for name, tc := range map[string]struct {
		message   *entity.Entity
		kind      smime.HeaderProtection
		source    string
		reason    trust.Reason
		protected string
		hidden    string
	}{
		"none":                  {sign(smimetest.Text("x")), "none", "outer", "", "", ""},
		"clear":                 {sign(payload("clear", from, to, subject)), "clear", "protected", "", "From To Subject", ""},
		"clear, opaque":         {w.alice.Sign(payload("clear", from, to, subject), smimetest.OpaqueForm), "clear", "protected", "", "From To Subject", ""},
		"clear, by a gateway":   {w.encrypt(sign(payload("clear", from, to))), "clear", "protected", "", "From To", ""},
		"clear, signed twice":   {w.gateway.Sign(sign(payload("clear", from, to))), "clear", "protected", "", "From To", ""},
		"cipher":                {seal(payload("cipher", from, to, subject, outer, "HP-Outer: From: Alice <alice@corp.example>", "HP-Outer: To: list@lists.example")), "cipher", "protected", "", "From To Subject", "Subject"},
		"cipher, triple":        {w.gateway.Sign(seal(payload("cipher", from, to, subject, outer))), "cipher", "protected", "", "From To Subject", "From To Subject"},
		"cipher, compressed":    {seal(smimetest.Compress(payload("cipher", from, to, subject))), "cipher", "protected", "", "From To Subject", "From To Subject"},
		"wrapped":               {sign(wrapped(from, to, subject)), "rfc8551", "protected", "", "From To Subject", ""},
		"wrapped, sealed":       {seal(wrapped(from, to, subject)), "rfc8551", "protected", "", "From To Subject", "Subject"},
		"letter case of From":   {sign(payload("clear", "From: ALICE@corp.EXAMPLE", to)), "clear", "protected", "", "From To", ""},
		"no To at all":          {sign(payload("clear", from, subject)), "clear", "protected", "", "From Subject", ""},
		"To, in a Cc":           {sign(payload("clear", from, "To: x@other.example", "Cc: y@other.example, The List <List@lists.example>")), "clear", "protected", "", "From To Cc", ""},
		"HP, no signature":      {bare(payload("cipher", from, to, subject, outer)), "cipher", "protected", "unsigned", "From To Subject", "From To Subject"},
		"HP, nothing at all":    {payload("clear", from, to), "none", "outer", "unsigned", "", ""},
		"HP beside the root":    {sign(smimetest.Multipart("mixed", payload("clear", "From: mallory@corp.example", "To: x@other.example"))), "none", "outer", "", "", ""},
		"another From inside":   {sign(payload("clear", "From: bob@corp.example", to)), "clear", "protected", trust.FromAmbiguous, "From To", ""},
		"another, wrapped":      {sign(wrapped("From: bob@corp.example", to)), "rfc8551", "protected", trust.FromAmbiguous, "From To", ""},
		"a forwarded mail":      {bare(smimetest.Entity("Content-Type: message/rfc822\r\n\r\n" + from + "\r\n" + string(sign(smimetest.Text("x")).Octets()))), "rfc8551", "protected", trust.NotOutermost, "From", ""},
		"no From inside":        {sign(payload("clear", to)), "clear", "protected", trust.FromAmbiguous, "To", ""},
		"two From inside":       {sign(payload("clear", from, from, to)), "clear", "protected", trust.FromAmbiguous, "From To", ""},
		"two in one From":       {sign(payload("clear", from+", bob@corp.example", to)), "clear", "protected", trust.FromAmbiguous, "From To", ""},
		"for another list":      {sign(payload("clear", from, "To: other@lists.example")), "clear", "protected", trust.NotAddressed, "From To", ""},
		"for another, sealed":   {seal(payload("cipher", from, "To: bob@corp.example", "Cc: other@lists.example")), "cipher", "protected", trust.NotAddressed, "From To Cc", "From To Cc"},
		"for another, wrapped":  {seal(wrapped(from, "To: other@lists.example")), "rfc8551", "protected", trust.NotAddressed, "From To", "To"},
		"a list like ours":      {sign(payload("clear", from, "To: list@lists.example.net, xlist@lists.example, \"list@lists.example\" <x@y.example>")), "clear", "protected", trust.NotAddressed, "From To", ""},
		"nobody in To":          {sign(payload("clear", from, "To: undisclosed-recipients:;")), "clear", "protected", trust.NotAddressed, "From To", ""},
		"signed by another":     {w.bob.Sign(payload("clear", from, to)), "clear", "protected", trust.AddressMismatch, "From To", ""},
		"decrypted, sent on":    {sign(payload("cipher", from, to)), "cipher", "protected", trust.Malformed, "From To", "From To"},
		"unknown hp":            {sign(payload("both", from, to)), "none", "outer", trust.Malformed, "", ""},
		"HP-Outer, no hp":       {sign(smimetest.Entity(from + "\r\nHP-Outer: Subject: x\r\n\r\nx")), "none", "outer", trust.Malformed, "", ""},
		"HP-Outer beside clear": {sign(payload("clear", from, to, outer)), "clear", "protected", trust.Malformed, "From To", ""},
		"HP-Outer of nothing":   {seal(payload("cipher", from, to, "HP-Outer: nothing")), "cipher", "protected", trust.Malformed, "From To", "From To"},
		"hp without quotes":     {sign(smimetest.Entity(from + "\r\nContent-Type: text/plain; HP=Clear\r\n\r\nx")), "clear", "protected", "", "From", ""},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := entity.Parse(w.mail(tc.message), entity.DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			m := smime.Open(e, w.options(w.list))
			a := smime.Authenticate(m, w.policy, smime.Claim{Received: time.Now(), Rcpt: []string{"LIST@lists.example"}})
			if m.Err != nil || m.Protection.Kind() != tc.kind || a.FromSource != tc.source || a.Reason != tc.reason || a.Authenticated != (tc.reason == "") {
				t.Errorf("%v, protection %s, from %s, reason %q; want %s, %s, %q", m.Err, m.Protection.Kind(), a.FromSource, a.Reason, tc.kind, tc.source, tc.reason)
			}
			if got := strings.Join(m.Protection.Names(), " "); got != tc.protected {
				t.Errorf("protected %q, want %q", got, tc.protected)
			}
			if got := strings.Join(m.Protection.Hidden(), " "); got != tc.hidden {
				t.Errorf("hidden %q, want %q", got, tc.hidden)
			}
			if a.Reason == trust.FromAmbiguous && a.Author != "" {
				t.Errorf("an author %q although there is no one From", a.Author)
			}
			// Invariant 5: only what the author signed may be trusted.
			value, vouched := a.Vouched("subject")
			if want := a.Authenticated && strings.Contains(tc.protected, "Subject"); vouched != want || vouched && value != "the secret plan" {
				t.Errorf("the Subject is vouched for: %t %q, want %t", vouched, value, want)
			}
			if _, vouched := a.Vouched("Date"); vouched {
				t.Error("the Date is vouched for, and it is outside")
			}
			// Where nothing stands for the list, nobody asks whom it was sent to.
			if tc.reason == trust.NotAddressed {
				if a := smime.Authenticate(m, w.policy, smime.Claim{Received: time.Now()}); !a.Authenticated {
					t.Errorf("without a list: %s", a.Reason)
				}
			}
			if got := fmt.Sprintf("%v %+v", m, m); strings.Contains(got, "secret") {
				t.Error("a message prints what it protects")
			}
		})
	}
}

// TestAFieldThatStandsTwiceIsVouchedForByNobody: two readers could take either.
func TestAFieldThatStandsTwiceIsVouchedForByNobody(t *testing.T) {
	w := theWorld()
	_, a := w.read(t, w.mail(w.alice.Sign(payload("clear", "From: alice@corp.example", "Subject: one", "Subject: two", "Reply-To: x@corp.example"))))
	if _, ok := a.Vouched("Subject"); ok || !a.Authenticated {
		t.Errorf("authenticated %t, Subject vouched for %t", a.Authenticated, ok)
	}
	if v, ok := a.Vouched("Reply-To"); !ok || v != "x@corp.example" {
		t.Errorf("Reply-To %q %t", v, ok)
	}
}

// TestTheOuterFromMustBeTheSame: whoever forwards a message writes its outer header.
func TestTheOuterFromMustBeTheSame(t *testing.T) {
	w := theWorld()
	signed := w.alice.Sign(payload("clear", "From: alice@corp.example", "To: list@lists.example"))
	for from, want := range map[string]trust.Reason{
		"alice@corp.example": "", "Mallory <ALICE@corp.example>": "",
		"mallory@corp.example": trust.FromAmbiguous, "alice@corp.example, bob@corp.example": trust.FromAmbiguous,
	} {
		if _, a := w.read(t, smimetest.Mail(from, "list@lists.example", "x", signed)); a.Reason != want {
			t.Errorf("outer From %s: %q, want %q", from, a.Reason, want)
		}
	}
}

func TestInspectHeaderProtection(t *testing.T) {
	w := theWorld()
	octets := w.mail(w.encrypt(w.alice.Sign(payload("cipher", "From: alice@corp.example", "To: list@lists.example", "Subject: s", "HP-Outer: From: alice@corp.example"))))
	for rcpt, want := range map[string]trust.Reason{"": "", "list@lists.example": "", "other@lists.example": trust.NotAddressed} {
		r := smime.Inspect(octets, smime.InspectOptions{CA: []*x509.Certificate{w.ca.Certificate}, Keys: []cms.Key{w.list.DecryptKey()}, Rcpt: rcpt})
		if r.Reason != want || r.HeaderProtection != "cipher" || r.FromSource != "protected" || fmt.Sprint(r.Protected, r.Hidden) != "[From To Subject] [To Subject]" {
			t.Errorf("--rcpt %q: %+v", rcpt, r)
		}
	}
}

func TestLegacyDisplay(t *testing.T) {
	for name, tc := range map[string]struct{ head, body, want string }{
		"none announced":  {"text/plain", "Subject: x\r\n\r\nhello\r\n", "Subject: x\r\n\r\nhello\r\n"},
		"plain":           {`text/plain; hp-legacy-display="1"`, "Subject: x\r\nTo: y\r\n\r\nhello\r\n\r\nbye\r\n", "hello\r\n\r\nbye\r\n"},
		"plain, LF":       {`text/plain; hp-legacy-display=1`, "Subject: x\n \nhello\n", "hello\n"},
		"a zero":          {`text/plain; hp-legacy-display="0"`, "Subject: x\r\n\r\nhello", "Subject: x\r\n\r\nhello"},
		"missing":         {`text/plain; hp-legacy-display="1"`, "Subject: x\r\nhello\r\n", "error"},
		"html":            {`text/html; hp-legacy-display="1"`, "<html><head></head><body>\r\n<div class=\"header-protection-legacy-display\"><pre>Subject: x</pre><div>y</div></div>\r\n<p>hello</p></body></html>", "<html><head></head><body>\r\n<p>hello</p></body></html>"},
		"html, not first": {`text/html; hp-legacy-display="1"`, "<body><p>y</p><div class=header-protection-legacy-display>x</div></body>", "error"},
		"html, no end":    {`text/html; hp-legacy-display="1"`, "<body><div class=header-protection-legacy-display>x</body>", "error"},
		"html, another":   {`text/html; hp-legacy-display="1"`, "<body><div class=x-header-protection-legacy-display>x</div></body>", "error"},
		"an image":        {`image/png; hp-legacy-display="1"`, "x\r\n\r\ny", "x\r\n\r\ny"},
	} {
		got, err := smime.WithoutLegacyDisplay(smimetest.Entity("Content-Type: " + tc.head + "\r\n\r\n" + tc.body))
		if tc.want == "error" {
			if !errors.Is(err, smime.ErrMalformed) || strings.Contains(err.Error(), "Subject") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
}

// TestCorporaHeaderProtection reads the derived messages, whose payloads are known.
func TestCorporaHeaderProtection(t *testing.T) {
	root := corpora(t)
	key := readKey(t, filepath.Join(root, "rfc9216", "4-4-Alice-s-Decryption-Private-Key-Material.key"), "")
	cas, others := anchors(root, "rfc9216")
	for name, want := range map[string]string{
		"enc-only-unsigned":           "none outer unsigned [] []",
		"hp-cipher-baseline":          "cipher protected  [Subject Message-ID From To Date User-Agent] [Subject]",
		"hp-cipher-baseline-legacy":   "cipher protected  [Subject Message-ID From To Date User-Agent] [Subject]",
		"hp-clear-multipart":          "clear protected  [Subject Message-ID From To Date User-Agent] []",
		"hp-clear-opaque":             "clear protected  [Subject Message-ID From To Date User-Agent] []",
		"rfc8551hp-wrapped-multipart": "rfc8551 protected  [Subject Message-ID From To Date User-Agent] []",
	} {
		octets, err := os.ReadFile(filepath.Join(root, "derived-hp", name+".eml"))
		if err != nil {
			t.Fatal(err)
		}
		o := smime.InspectOptions{CA: cas, Intermediates: others, Keys: []cms.Key{key}, At: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), Rcpt: "bob@smime.example"}
		r := smime.Inspect(octets, o)
		if got := fmt.Sprint(r.HeaderProtection, " ", r.FromSource, " ", r.Reason, " ", r.Protected, " ", r.Hidden); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if o.Rcpt = "list@smime.example"; want[:4] != "none" && smime.Inspect(octets, o).Reason != trust.NotAddressed {
			t.Errorf("%s: addressed to a list that it does not name", name)
		}
		if name == "hp-cipher-baseline-legacy" {
			e, _ := entity.Parse(octets, entity.DefaultLimits())
			text, err := smime.WithoutLegacyDisplay(smime.Open(e, smime.Options{Keys: o.Keys}).Content)
			if err != nil || !bytes.HasPrefix(text, []byte("This is the hp-cipher-baseline-legacy")) {
				t.Errorf("%s: the text begins otherwise, %v", name, err)
			}
		}
	}
}
