package distribute

import "testing"

// TestQuoted shows that an answer quotes a Message-ID and a date, and no words
// that a stranger wrote in their place (invariant 13).
func TestQuoted(t *testing.T) {
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
	for _, c := range []struct{ date, want string }{
		{"Mon, 23 Nov 2026 22:50:57 +0100", "Mon, 23 Nov 2026 22:50:57 +0100"},
		{"23 Nov 2026 22:50 +0000 (log in at http://evil.example)", "Mon, 23 Nov 2026 22:50:00 +0000"},
		{"log in at http://evil.example", notGiven},
		{"", notGiven},
	} {
		if got := quotedDate(c.date); got != c.want {
			t.Errorf("Date %q: %q, want %q", c.date, got, c.want)
		}
	}
}
