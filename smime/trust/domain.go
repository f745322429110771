package trust

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// domainProfile turns U-labels into A-labels without mapping anything before: "BÜCHER" is no U-label, and the Kelvin sign
// is not a "k" (RFC 5891 section 5; RFC 9598 section 5 wants comparison after this conversion alone).
var domainProfile = idna.New(idna.ValidateLabels(true), idna.CheckHyphens(true), idna.BidiRule(), idna.StrictDomainName(true))

// canonicalDomain is the form in which domains are compared: A-labels, ASCII letters in lower case. A domain that is no
// domain name is compared as it stands.
func canonicalDomain(domain string) string {
	domain = lowerASCII(domain)
	if isASCII(domain) || !norm.NFC.IsNormalString(domain) { // RFC 5891 section 5.2; the library would compose the Kelvin sign to a "K"
		return domain
	}
	if a, err := domainProfile.ToASCII(domain); err == nil {
		return a
	}
	return domain
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}
