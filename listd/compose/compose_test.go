package compose_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/compose"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
)

var (
	team  = list.List{ID: 1, Address: list.MustParseAddress("team@lists.example.org")}
	stamp = compose.Stamp{ID: "abc", Received: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)}
)

func parse(t *testing.T, octets string) *entity.Entity {
	t.Helper()
	e, err := entity.Parse([]byte(octets), entity.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// sealed and clear make copies of a message that has no layers, or was opened.
func sealed(l list.List, m *smime.Message) ([]byte, error) {
	return compose.Post{List: l, Message: m, Stamp: stamp}.SealedHeader(compose.Person)
}

func opened(e *entity.Entity) *smime.Message { return smime.Open(e, smime.Options{}) }

const post = "Return-Path: <alice@example.org>\r\n" +
	"Received: from a by b; Mon, 4 May 2026 03:02:00 +0000\r\n" +
	"List-Id: Other <other.example.net>\r\nList-Unsubscribe: <mailto:x@example.net>\r\n" +
	"From: Alice <alice@example.org>\r\nSender: bob@example.org\r\nTo: team@lists.example.org\r\nReply-To: mallory@example.net\r\n" +
	"Date: Mon, 4 May 2026 03:02:00 +0000\r\nMessage-ID: <1@example.org>\r\n" +
	"Subject: A subject that\r\n  is folded\r\nX-Secret: 42\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n8bit \xe9 and  spaces  \r\n--b\r\n--b--\r\nepilogue"

func TestSealedHeaderIsAnAllowList(t *testing.T) {
	octets, err := sealed(team, opened(parse(t, post)))
	if err != nil {
		t.Fatal(err)
	}
	h := parse(t, string(octets)+"\r\n").Header()
	var names []string
	for _, f := range h {
		names = append(names, f.Name)
	}
	want := "List-Id List-Post List-Help List-Subscribe List-Unsubscribe List-Owner Sender Precedence X-Loop From To Date Message-ID Subject"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("fields %q, want %q", got, want)
	}
	if got := h.Get("List-Id"); got != "<team.lists.example.org>" {
		t.Errorf("List-Id %q", got)
	}
	if got := h.Get("Sender"); got != "<team-owner@lists.example.org>" {
		t.Errorf("Sender %q", got)
	}
	if !bytes.Contains(octets, []byte("Subject: A subject that\r\n  is folded\r\n")) {
		t.Error("the Subject was folded anew")
	}
}

// TestSealedHeaderAndProtection: what the author protects is never written
// outside; a Reply-To stands there only if he protects the same one.
func TestSealedHeaderAndProtection(t *testing.T) {
	alice := smimetest.NewCA("CA").Issue("alice@example.org")
	const outer = "From: alice@example.org\r\nSubject: [...]\r\nMessage-ID: <1@example.org>\r\n"
	const inner = "From: alice@example.org\r\nSubject: the secret plan\r\nMessage-ID: <hidden@example.org>\r\nComments: a secret\r\n"
	for name, tc := range map[string]struct{ outer, inner, replyTo string }{
		"none":               {"", "", ""},
		"not protected":      {"Reply-To: mallory@example.net\r\n", "", ""},
		"another":            {"Reply-To: mallory@example.net\r\n", "Reply-To: bob@example.org\r\n", ""},
		"hidden":             {"", "Reply-To: bob@example.org\r\n", ""},
		"the same":           {"Reply-To: bob@example.org\r\n", "Reply-To:  bob@example.org\r\n", "bob@example.org"},
		"another beside it":  {"Reply-To: bob@example.org\r\nReply-To: mallory@example.net\r\n", "Reply-To: bob@example.org\r\n", ""},
		"protected twice":    {"Reply-To: bob@example.org\r\n", "Reply-To: bob@example.org\r\nReply-To: bob@example.org\r\n", ""},
		"in a field's value": {"", "HP-Outer: Reply-To: bob@example.org\r\n", ""},
	} {
		signed := alice.Sign(parse(t, inner+tc.inner+"Content-Type: text/plain; hp=\"cipher\"\r\n\r\nx\r\n"))
		m := smime.Open(parse(t, outer+tc.outer+string(signed.Octets())), smime.Options{})
		if m.Protection.Kind() != smime.HeadersCipher {
			t.Fatalf("%s: protection %s", name, m.Protection.Kind())
		}
		octets, err := sealed(team, m)
		if err != nil {
			t.Fatal(err)
		}
		h := parse(t, string(octets)+"\r\n").Header()
		if got := h.Get("Reply-To"); got != tc.replyTo || len(h.All("Reply-To")) > 1 {
			t.Errorf("%s: Reply-To %q, want %q", name, got, tc.replyTo)
		}
		if h.Get("Subject") != "[...]" || h.Get("Message-ID") != "<1@example.org>" || bytes.Contains(octets, []byte("secret")) || bytes.Contains(octets, []byte("hidden")) {
			t.Errorf("%s: a protected field stands outside:\n%s", name, octets)
		}
	}
}

func TestClearKeepsTheBody(t *testing.T) {
	e := parse(t, post)
	octets, err := compose.Post{List: team, Message: opened(e), Stamp: stamp}.Clear(compose.Person)
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, string(octets))
	if !bytes.Equal(c.Body(), e.Body()) {
		t.Error("the body of a clear copy differs from the post's")
	}
	for name, want := range map[string]string{
		"List-Id": "<team.lists.example.org>", "List-Unsubscribe": "<mailto:team-unsubscribe@lists.example.org>", "Return-Path": "",
		"Sender": "<team-owner@lists.example.org>", "From": "Alice <alice@example.org>", "X-Secret": "42",
		"Content-Type": "multipart/signed; boundary=b", "Message-ID": "<1@example.org>",
	} {
		if got := c.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
		if n := len(c.Header().All(name)); n > 1 {
			t.Errorf("%d fields %s", n, name)
		}
	}
}

func TestMissingFieldsAreTheSameInEveryCopy(t *testing.T) {
	h := opened(parse(t, "From: alice@example.org\r\n\r\nhello\r\n"))
	one, err := sealed(team, h)
	if err != nil {
		t.Fatal(err)
	}
	two, err := sealed(team, h)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, two) {
		t.Error("two copies of one post differ in their outer header")
	}
	got := parse(t, string(one)+"\r\n").Header()
	if id := compose.MessageID(got); id != "<abc@lists.example.org>" {
		t.Errorf("Message-ID %q", id)
	}
	if date := got.Get("Date"); date != "Mon, 04 May 2026 03:02:01 +0000" {
		t.Errorf("Date %q", date)
	}
}

func TestFromList(t *testing.T) {
	for value, want := range map[string]bool{
		"<team.lists.example.org>":                   true,
		"The Team <TEAM.lists.example.org>":          true,
		"<other.lists.example.org>":                  false,
		"<steam.lists.example.org>":                  false,
		"team.lists.example.org <other.example.org>": false,
		"": false,
	} {
		h := parse(t, "List-Id: "+value+"\r\n\r\n").Header()
		if got := compose.FromList(team, h); got != want {
			t.Errorf("FromList of %q is %v", value, got)
		}
	}
}

// TestTwoListsDoNotLoop passes a message through two lists that are members of
// each other, sealed each time.
func TestTwoListsDoNotLoop(t *testing.T) {
	other := list.List{ID: 2, Address: list.MustParseAddress("other@lists.example.org")}
	h := parse(t, post).Header()
	for _, l := range []list.List{team, other} {
		if compose.FromList(l, h) {
			t.Fatalf("%s stops a message it has not seen", l.Address)
		}
		octets, err := sealed(l, opened(parse(t, string(h.Octets())+"\r\n")))
		if err != nil {
			t.Fatal(err)
		}
		h = parse(t, string(octets)+"\r\n").Header()
	}
	if !compose.FromList(team, h) {
		t.Error("the first list would distribute its own mail again")
	}
}
