package list

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of an address in octets.
const (
	MaxAddressOctets   = 254 // RFC 3696 erratum 1690: a path is at most 256 octets, its angle brackets included
	MaxLocalPartOctets = 64  // RFC 5321 section 4.5.3.1.1
	maxLabelOctets     = 63  // RFC 1035 section 2.3.4
)

// ErrAddress is what every refusal of [ParseAddress] wraps.
var ErrAddress = errors.New("not an e-mail address")

// AddressError says why octets are not an address. Its text quotes the octets
// with controls escaped and cut after 80, so that it can stand in a log line.
type AddressError struct {
	Input  string // as given; may hold controls
	Reason string // such as "no @"
}

// Error returns "NAME is not an e-mail address: REASON".
func (e *AddressError) Error() string {
	return fmt.Sprintf("%.80q is not an e-mail address: %s", e.Input, e.Reason)
}

// Unwrap returns ErrAddress.
func (e *AddressError) Unwrap() error { return ErrAddress }

// Address is one mailbox, local-part@domain. It is made by [ParseAddress] and
// by nothing else, so that a value that is not zero can be written into an SMTP
// command or a header field as it stands (invariant 6).
//
// The local part is kept as it was written, the domain is lower-cased (ASCII).
// Whether two addresses are the same mailbox is asked with [Address.Same] or
// [Address.Key]; the operator == compares the local part's letter case too.
type Address struct {
	text string // local@domain; "" is the zero Address
	at   int    // where the only @ stands
}

// ParseAddress reads an addr-spec (RFC 5322 section 3.4.1) of the form
// dot-atom@domain, without angle brackets, comments or white space around it.
// UTF-8 is allowed on both sides (RFC 6531 section 3.3).
//
// It refuses with an *[AddressError]: controls (so CR, LF and NUL), any white
// space, quoted local parts (whose quoted "@" other programs read differently),
// a second "@", an empty local part, domain or label, address literals, invisible or
// invalid UTF-8, and more than 254 octets, 64 before the "@" or 63 in a label.
//
// QUIRK: local parts with two dots in a row, which some mobile operators once
// gave out, are refused as well: no standard lets them travel unquoted.
func ParseAddress(s string) (Address, error) {
	refuse := func(reason string) (Address, error) {
		return Address{}, &AddressError{Input: s, Reason: reason}
	}
	if s == "" {
		return refuse("it is empty")
	}
	if len(s) > MaxAddressOctets {
		return refuse(fmt.Sprintf("longer than %d octets", MaxAddressOctets))
	}
	if !utf8.ValidString(s) {
		return refuse("not valid UTF-8")
	}
	at := strings.IndexByte(s, '@')
	if at < 0 {
		return refuse("no @")
	}
	if strings.IndexByte(s[at+1:], '@') >= 0 {
		return refuse("more than one @")
	}
	local, domain := s[:at], s[at+1:]
	if reason := checkLocalPart(local); reason != "" {
		return refuse(reason)
	}
	if reason := checkDomain(domain); reason != "" {
		return refuse(reason)
	}
	return Address{text: local + "@" + lowerASCII(domain), at: at}, nil
}

// MustParseAddress is ParseAddress for addresses written in the program, mostly
// in tests. It panics on a mistake.
func MustParseAddress(s string) Address {
	a, err := ParseAddress(s)
	if err != nil {
		panic(err)
	}
	return a
}

func checkLocalPart(local string) string {
	switch {
	case local == "":
		return "nothing before the @"
	case len(local) > MaxLocalPartOctets:
		return fmt.Sprintf("more than %d octets before the @", MaxLocalPartOctets)
	case local[0] == '"':
		return "quoted local parts are not taken"
	}
	for _, atom := range strings.Split(local, ".") {
		if atom == "" {
			return "an empty part before the @"
		}
		for _, r := range atom {
			if reason := checkRune(r, "!#$%&'*+-/=?^_`{|}~"); reason != "" {
				return reason
			}
		}
	}
	return ""
}

func checkDomain(domain string) string {
	if domain == "" {
		return "nothing after the @"
	}
	if domain[0] == '[' {
		return "address literals are not taken"
	}
	for _, label := range strings.Split(domain, ".") {
		switch {
		case label == "":
			return "an empty part after the @"
		case len(label) > maxLabelOctets:
			return fmt.Sprintf("a part of the domain is longer than %d octets", maxLabelOctets)
		case label[0] == '-' || label[len(label)-1] == '-':
			return "a part of the domain begins or ends with a hyphen"
		}
		for _, r := range label {
			// The underscore is no host name, but Windows domains have it.
			if reason := checkRune(r, "-_"); reason != "" {
				return reason
			}
		}
	}
	return ""
}

// checkRune allows ASCII letters and digits, the ASCII characters in also, and
// beyond ASCII everything that can be seen.
func checkRune(r rune, also string) string {
	switch {
	case r < utf8.RuneSelf && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'):
		return ""
	case r < utf8.RuneSelf && strings.ContainsRune(also, r):
		return ""
	case unicode.IsControl(r):
		return "it holds a control character"
	case unicode.IsSpace(r):
		return "it holds white space"
	case r < utf8.RuneSelf:
		return fmt.Sprintf("it holds the character %q", r)
	case r == '\uff20' || r == '\ufe6b': // fold to "@" in programs that normalise
		return "it holds a second form of the @"
	case !unicode.IsPrint(r): // format characters such as U+202E, private use, unassigned
		return "it holds a character that cannot be seen"
	}
	return ""
}

func lowerASCII(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if b[i] >= 'A' && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// String returns local-part@domain, and "" for the zero Address.
func (a Address) String() string { return a.text }

// Local returns what stands before the "@", as it was written.
func (a Address) Local() string { return a.text[:a.at] }

// Domain returns what stands behind the "@", in lower case.
func (a Address) Domain() string {
	if a.IsZero() {
		return ""
	}
	return a.text[a.at+1:]
}

// Key returns the whole address with ASCII letters lower-cased: what addresses
// are compared by and kept under in the database.
func (a Address) Key() string { return lowerASCII(a.text) }

// Same reports whether both are the same mailbox, ASCII letter case aside.
func (a Address) Same(b Address) bool { return a.Key() == b.Key() }

// IsZero reports whether a is the zero Address: nobody.
func (a Address) IsZero() bool { return a.text == "" }

// IsASCII reports whether the address travels without SMTPUTF8 (RFC 6531).
func (a Address) IsASCII() bool {
	for i := range len(a.text) {
		if a.text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// CutSuffix returns the address without suffix at the end of its local part,
// ASCII letter case aside, and whether that was there:
// "LIST-owner@domain" cut by "-owner" is "LIST@domain".
func (a Address) CutSuffix(suffix string) (Address, bool) {
	n := a.at - len(suffix)
	if n <= 0 || !strings.EqualFold(a.text[n:a.at], suffix) {
		return Address{}, false
	}
	base, err := ParseAddress(a.text[:n] + a.text[a.at:]) // "a.-owner" leaves an empty part
	return base, err == nil
}

// MarshalText returns the address as String does; it never fails.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.text), nil }

// UnmarshalText reads an address as ParseAddress does; empty text is the zero
// Address.
func (a *Address) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*a = Address{}
		return nil
	}
	parsed, err := ParseAddress(string(text))
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}
