package distribute

import "testing"

// TestQuoted shows that an answer quotes a date, and no words that a stranger
// wrote in its place (invariant 13).
func TestQuoted(t *testing.T) {
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
