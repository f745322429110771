package bounce

import (
	"bytes"
	"html"
	"regexp"
	"strings"
	"unicode/utf8"
)

// found is an address in a line.
type found struct {
	address    string
	start, end int // in the line, brackets not included
}

// maxPerLine is how many addresses of one line are looked at.
const maxPerLine = 20

// addresses finds what looks like addresses in a line, in linear time.
func addresses(line string) []found {
	var all []found
	from := 0
	for len(all) < maxPerLine {
		at := strings.IndexByte(line[from:], '@')
		if at < 0 {
			return all
		}
		at += from
		start := at
		if at > from && line[at-1] == '"' { // a quoted local part
			if q := strings.LastIndexByte(line[from:at-1], '"'); q >= 0 {
				start = from + q
			}
		} else {
			for start > from && localOctet(line[start-1]) {
				start--
			}
		}
		end := at + 1
		for end < len(line) && domainOctet(line[end]) {
			end++
		}
		from = end
		local, domain := strings.TrimLeft(line[start:at], ".'=/"), strings.TrimRight(line[at+1:end], ".-")
		for _, typ := range []string{"smtp=", "rfc822="} { // of an X.400 address
			if n := len(typ); len(local) > n && strings.EqualFold(local[:n], typ) {
				local = local[n:]
			}
		}
		if local == "" || domain == "" || len(local) > 128 || len(domain) > 253 {
			continue
		}
		start, end = at-len(local), at+1+len(domain)
		all = append(all, found{line[start:end], start, end})
	}
	return all
}

func localOctet(c byte) bool {
	return c >= utf8.RuneSelf || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("!#$%&'*+-/=?^_`{|}~.", c) >= 0
}

func domainOctet(c byte) bool {
	return c >= utf8.RuneSelf || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '-' || c == '.' || c == '_'
}

// Brief makes one line of at most MaxText octets of what a report says.
func Brief(text string) string {
	text = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text[:min(len(text), 8*MaxText)], "?"))), " ")
	if len(text) > MaxText {
		text = strings.ToValidUTF8(text[:MaxText], "")
	}
	return text
}

func containsAny(text string, words []string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

var (
	lineBreaks = regexp.MustCompile(`(?i)<(?:br|/p|/div|/tr|/li|/h[1-6]|/td)\b[^<>]*>`)
	unseen     = regexp.MustCompile(`(?is)<(?:style|script|head)\b.*?</(?:style|script|head)\s*>`)
	anyTag     = regexp.MustCompile(`<[a-zA-Z/!][^<>@]*>`)
)

// withoutTags is the text of HTML, roughly.
func withoutTags(octets []byte) []byte {
	if !bytes.ContainsRune(octets, '<') {
		return octets
	}
	octets = unseen.ReplaceAll(octets, nil)
	octets = lineBreaks.ReplaceAll(octets, []byte("\n"))
	octets = anyTag.ReplaceAll(octets, nil)
	return []byte(html.UnescapeString(string(octets)))
}
