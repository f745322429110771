package notice

import (
	"maps"
	"testing"

	"github.com/sealist/sealist/listd/list"
)

// TestQuotedID shows that service mail quotes a Message-ID, and no words that a
// stranger wrote in its place (invariant 13).
func TestQuotedID(t *testing.T) {
	for _, c := range []struct{ id, want string }{
		{"<a.b-c+d=e$f@mail.example.org>", "<a.b-c+d=e$f@mail.example.org>"},
		{"<2026.11.23..x@[IPv6:2001:db8::1]>", "<2026.11.23..x@[IPv6:2001:db8::1]>"},
		{"", notGiven},
		{"<no-at>", notGiven},
		{"Dear member, call +99 1234 <a@b>", notGiven},
		{"<a@b> call now", notGiven},
		{"<your account expires@b>", notGiven},
		{"<https://evil.example/@b>", notGiven},
		{"<a@b.example\u202e>", notGiven},
		{"<a@\x1b]0;x>", notGiven},
	} {
		if got := quotedID(c.id); got != c.want {
			t.Errorf("Message-ID %q: %q, want %q", c.id, got, c.want)
		}
	}
}

// TestTranslated: every notice is there in every language, and is told the same.
func TestTranslated(t *testing.T) {
	shipped, err := readShipped()
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range list.Languages() {
		for name, english := range shipped[list.English] {
			if got, ok := shipped[lang][name]; !ok || !maps.Equal(got.variables, english.variables) {
				t.Errorf("templates/%s/%s.txt is missing, or takes other variables than the English one", lang, name)
			}
		}
	}
}
