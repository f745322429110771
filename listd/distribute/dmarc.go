package distribute

import (
	"slices"
	"strings"

	"github.com/sealist/sealist/smime/entity"
)

// passedDMARC tells whether our own mail server says that the From domain of a
// message passed DMARC (RFC 7489 section 7, RFC 8601). Its word is an
// Authentication-Results field with one of the authserv-ids, above the Received
// field of the server before it. Where several such fields disagree one of them
// came from outside, and none counts.
func passedDMARC(h entity.Header, domain string, authservIDs []string) bool {
	passed, received := false, 0
	for _, f := range h {
		if f.Is("Received") {
			if received++; received == 2 {
				break
			}
		}
		if !f.Is("Authentication-Results") {
			continue
		}
		results := strings.Split(withoutComments(f.Value()), ";")
		id, _, _ := strings.Cut(strings.TrimSpace(results[0]), " ")
		if !slices.ContainsFunc(authservIDs, func(ours string) bool { return strings.EqualFold(ours, id) }) {
			continue
		}
		for _, r := range results[1:] {
			words := strings.Fields(strings.ToLower(r))
			if len(words) == 0 || !strings.HasPrefix(words[0], "dmarc=") {
				continue
			}
			if words[0] != "dmarc=pass" || !fromDomain(words[1:], domain) {
				return false
			}
			passed = true
		}
	}
	return passed
}

// fromDomain tells whether the properties of a result name the domain, if they name any.
func fromDomain(properties []string, domain string) bool {
	for _, p := range properties {
		if name, value, _ := strings.Cut(p, "="); name == "header.from" {
			return strings.EqualFold(strings.Trim(value, `"`), domain)
		}
	}
	return true
}

// withoutComments takes the comments of RFC 5322 section 3.2.2 out of a value.
func withoutComments(s string) string {
	var b strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s):
			i++
			if depth == 0 {
				b.WriteByte(s[i])
			}
			continue
		case depth == 0 && c == '"':
			quoted = !quoted
		case !quoted && c == '(':
			depth++
		case !quoted && c == ')' && depth > 0:
			depth--
			continue
		}
		if depth == 0 {
			b.WriteByte(c)
		}
	}
	return b.String()
}
