package notice

import "strings"

// Bounds of what goes into a template, in octets.
const (
	maxParam = 1000    // of each string, and of each line
	maxLines = 1200    // how many lines one notice lists
	maxTotal = 192_000 // of all lines together
)

// clean makes a string fit for one line of text.
func clean(s string) string {
	cut := len(s) > maxParam
	if cut {
		s = s[:maxParam]
	}
	s = strings.Map(func(r rune) rune {
		if unfit(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if cut {
		s = strings.TrimRight(s, "?") + "…"
	}
	return s
}

// unfit tells whether a rune is a control, ends a line, or turns the direction of what follows, so that text reads as it is not.
func unfit(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r >= '\u2028' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// cleanLines makes lines fit to be listed; more than fit are cut off, and the last one says so.
func cleanLines(lines []string) []string {
	var out []string
	total := 0
	for _, line := range lines {
		line = clean(line)
		if total += len(line) + 1; len(out) == maxLines || total > maxTotal {
			return append(out, "…")
		}
		out = append(out, line)
	}
	return out
}

// notGiven stands in an answer where the post has nothing that may be quoted.
const notGiven = "not given"

// quotedID returns a Message-ID that is one by RFC 5322 section 3.6.4. Anything
// else would let a stranger write a line of his own into mail of the list's,
// to whichever member he names in his reverse-path (invariant 13).
func quotedID(id string) string {
	inner, opens := strings.CutPrefix(id, "<")
	inner, closes := strings.CutSuffix(inner, ">")
	left, right, ok := strings.Cut(inner, "@")
	literal := len(right) > 2 && right[0] == '[' && right[len(right)-1] == ']'
	if literal {
		right = strings.ReplaceAll(right[1:len(right)-1], ":", ".") // the colons of IPv6
	}
	if !opens || !closes || !ok || len(id) > 200 || !dotAtom(left) || !dotAtom(right) {
		return notGiven
	}
	return id
}

// dotAtom tells whether s is a dot-atom-text of ASCII. Dots may stand anywhere:
// real Message-IDs have them so.
func dotAtom(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", r)
	})
}
