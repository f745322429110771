package list_test

import (
	"encoding/json"
	"errors"
	"net/mail"
	"strings"
	"testing"
	"unicode"

	"github.com/sealist/sealist/listd/list"
)

func TestParseAddressTakes(t *testing.T) {
	for in, want := range map[string]struct{ local, domain, key string }{
		"anna@example.org":             {"anna", "example.org", "anna@example.org"},
		"Anna.Berg@EXAMPLE.Org":        {"Anna.Berg", "example.org", "anna.berg@example.org"},
		"o'neil+tag/x=y@ex-ample.org":  {"o'neil+tag/x=y", "ex-ample.org", "o'neil+tag/x=y@ex-ample.org"},
		"root@localhost":               {"root", "localhost", "root@localhost"},
		"x@corp_net.local":             {"x", "corp_net.local", "x@corp_net.local"},
		"Jürgen@Bücher.example":        {"Jürgen", "bücher.example", "jürgen@bücher.example"},
		"用户@例子.example":                {"用户", "例子.example", "用户@例子.example"},
		"!#$%&'*+-/=?^_`{|}~@x.org":    {"!#$%&'*+-/=?^_`{|}~", "x.org", "!#$%&'*+-/=?^_`{|}~@x.org"},
		strings.Repeat("a", 64) + "@b": {strings.Repeat("a", 64), "b", strings.Repeat("a", 64) + "@b"},
	} {
		a, err := list.ParseAddress(in)
		if err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		if a.Local() != want.local || a.Domain() != want.domain || a.Key() != want.key || a.String() != want.local+"@"+want.domain {
			t.Errorf("%q became local %q, domain %q, key %q, text %q", in, a.Local(), a.Domain(), a.Key(), a)
		}
	}
}

// Invariant 6: what would break a command, a header field or a lookup never becomes an Address.
func TestParseAddressRefuses(t *testing.T) {
	for in, reason := range map[string]string{
		"":                                       "empty",
		"anna":                                   "no @",
		"@example.org":                           "nothing before",
		"anna@":                                  "nothing after",
		"a@b@c.org":                              "more than one @",
		`"a@b"@c.org`:                            "more than one @",
		`"anna"@c.org`:                           "quoted",
		`an"na@c.org`:                            `'"'`,
		"anna berg@c.org":                        "white space",
		" anna@c.org":                            "white space",
		"anna@c.org ":                            "white space",
		"anna@c.org\r\nRCPT TO:<x@y.z>":          "more than one @",
		"anna@c.org\r\nBcc: x":                   "control",
		"anna\r@c.org":                           "control",
		"anna\n@c.org":                           "control",
		"anna\x00@c.org":                         "control",
		"anna\x7f@c.org":                         "control",
		"anna\u0085@c.org":                       "control",
		"anna\u2028@c.org":                       "white space",
		"anna\u00a0@c.org":                       "white space",
		"anna\u202egro@c.org":                    "cannot be seen",
		"anna\u200b@c.org":                       "cannot be seen",
		"anna\uff20x@c.org":                      "second form",
		"anna@c\uff20x.org":                      "second form",
		"an\xffna@c.org":                         "UTF-8",
		".anna@c.org":                            "empty part before",
		"anna.@c.org":                            "empty part before",
		"an..na@c.org":                           "empty part before",
		"anna@.org":                              "empty part after",
		"anna@c..org":                            "empty part after",
		"anna@c.org.":                            "empty part after",
		"anna@[127.0.0.1]":                       "literals",
		"anna@-c.org":                            "hyphen",
		"anna@c-.org":                            "hyphen",
		"anna@c.o/rg":                            "'/'",
		"<anna@c.org>":                           "'<'",
		"anna(x)@c.org":                          "'('",
		"anna,berg@c.org":                        "','",
		"anna;@c.org":                            "';'",
		"a:anna@c.org":                           "':'",
		`an\na@c.org`:                            `'\\'`,
		strings.Repeat("a", 65) + "@b":           "64 octets",
		"a@" + strings.Repeat("b", 64):           "63 octets",
		"a@" + strings.Repeat("b.", 130) + "org": "254 octets",
	} {
		a, err := list.ParseAddress(in)
		var refusal *list.AddressError
		if !errors.As(err, &refusal) || !errors.Is(err, list.ErrAddress) {
			t.Errorf("%q: want an AddressError, got %q, %v", in, a, err)
			continue
		}
		if !strings.Contains(refusal.Reason, reason) {
			t.Errorf("%q: reason %q, want %q in it", in, refusal.Reason, reason)
		}
		if !a.IsZero() {
			t.Errorf("%q: refused, but an address came back: %q", in, a)
		}
		if strings.ContainsFunc(err.Error(), unicode.IsControl) {
			t.Errorf("%q: the error carries a control: %q", in, err.Error())
		}
	}
}

func TestAddressComparison(t *testing.T) {
	a, b := list.MustParseAddress("Anna@Example.org"), list.MustParseAddress("anna@example.ORG")
	if !a.Same(b) || a == b || a.Key() != b.Key() {
		t.Error("letter case: Same and Key ignore it, == does not in the local part")
	}
	// Beyond ASCII letter case is not touched: no locale decides who is who.
	if list.MustParseAddress("É@x.org").Same(list.MustParseAddress("é@x.org")) {
		t.Error("letters beyond ASCII were folded")
	}
	if !(list.Address{}).IsZero() || (list.Address{}).Domain() != "" || (list.Address{}).Local() != "" || (list.Address{}).Key() != "" {
		t.Error("the zero Address is not empty")
	}
	if list.MustParseAddress("ü@x.org").IsASCII() || !a.IsASCII() {
		t.Error("IsASCII")
	}
}

func TestCutSuffix(t *testing.T) {
	for in, want := range map[string]string{
		"news-owner@x.org": "news@x.org",
		"News-OWNER@x.org": "News@x.org",
		"-owner@x.org":     "",
		"owner@x.org":      "",
		"news@x.org":       "",
		"a.-owner@x.org":   "",
	} {
		got, ok := list.MustParseAddress(in).CutSuffix("-owner")
		if got.String() != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", in, got, ok)
		}
	}
}

func TestAddressJSON(t *testing.T) {
	type holder struct {
		A list.Address `json:"a"`
	}
	text, err := json.Marshal(holder{list.MustParseAddress("Anna@X.org")})
	if err != nil || string(text) != `{"a":"Anna@x.org"}` {
		t.Fatalf("%s, %v", text, err)
	}
	var h holder
	if err := json.Unmarshal(text, &h); err != nil || h.A.String() != "Anna@x.org" {
		t.Fatalf("%v, %v", h, err)
	}
	if err := json.Unmarshal([]byte(`{"a":"x\r\ny@x.org"}`), &h); !errors.Is(err, list.ErrAddress) {
		t.Fatalf("JSON led past the parser: %v", err)
	}
	if err := json.Unmarshal([]byte(`{"a":""}`), &h); err != nil || !h.A.IsZero() {
		t.Fatalf("empty text: %v, %v", h, err)
	}
}

// FuzzParseAddress holds what every other room relies on: whatever gets through
// can stand in an SMTP command and a header field, and reads back as itself.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"anna@example.org", `"a@b"@c`, "a\r\n@b", "Jürgen@Bücher.example", "a@b@c", "a..b@c", "a@[1.2.3.4]", "\xff@x", "a@b.", "用户@例子.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := list.ParseAddress(s)
		if err != nil {
			if !a.IsZero() || !errors.Is(err, list.ErrAddress) {
				t.Fatalf("%q: %v, %v", s, a, err)
			}
			return
		}
		text := a.String()
		if len(text) > list.MaxAddressOctets || len(a.Local()) > list.MaxLocalPartOctets || strings.Count(text, "@") != 1 {
			t.Fatalf("%q: %q", s, text)
		}
		if strings.ContainsFunc(text, func(r rune) bool {
			return unicode.IsControl(r) || unicode.IsSpace(r) || strings.ContainsRune(`<>()[]:;,\"`, r)
		}) {
			t.Fatalf("%q holds what it must not", text)
		}
		again, err := list.ParseAddress(text)
		if err != nil || again != a {
			t.Fatalf("%q does not read back: %q, %v", text, again, err)
		}
		if key, err := list.ParseAddress(a.Key()); err != nil || !key.Same(a) {
			t.Fatalf("%q: its key is no address: %v", text, err)
		}
		// The standard library, as a second reader, must see the same two halves.
		if parsed, err := mail.ParseAddress(text); err == nil && !strings.EqualFold(parsed.Address, text) {
			t.Fatalf("net/mail reads %q as %q", text, parsed.Address)
		}
	})
}
