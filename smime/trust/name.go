package trust

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// distinguishedName is a name in the form in which names are compared: each relative distinguished name a string that is
// the same for all of its spellings.
type distinguishedName []string

var errName = errors.New("not a distinguished name")

// parseName reads a Name and normalises it.
//
// RFC 5280 section 7.1 wants values of PrintableString and UTF8String compared after the LDAP string preparation of
// RFC 4518: case does not matter, nor which of the two types it is, nor how much white space stands between words or at
// the ends. Sections 7.2 and 7.5 say the same of the IA5String domainComponent, section 4.1.2.6 of emailAddress; of
// BMPString section 7.1 leaves it open. Values of other types are compared octet for octet, which section 7.1 allows. The
// attributes of a multi-valued relative distinguished name have no order.
func parseName(der []byte) (distinguishedName, error) {
	input := cryptobyte.String(der)
	var rdns cryptobyte.String
	if !input.ReadASN1(&rdns, cbasn1.SEQUENCE) || !input.Empty() {
		return nil, errName
	}
	name := distinguishedName{}
	for !rdns.Empty() {
		var set cryptobyte.String
		if !rdns.ReadASN1(&set, cbasn1.SET) {
			return nil, errName
		}
		rdn, err := relativeName(set)
		if err != nil {
			return nil, err
		}
		name = append(name, rdn)
	}
	return name, nil
}

func relativeName(set cryptobyte.String) (string, error) {
	var attributes []string
	for !set.Empty() {
		var attribute, oid, value cryptobyte.String
		var tag cbasn1.Tag
		if !set.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) ||
			!attribute.ReadAnyASN1(&value, &tag) || !attribute.Empty() {
			return "", errName
		}
		if text, ok := directoryString(tag, value); ok {
			attributes = append(attributes, counted(string(oid))+"s"+counted(prepare(text)))
		} else {
			attributes = append(attributes, counted(string(oid))+strconv.Itoa(int(tag))+counted(string(value)))
		}
	}
	slices.Sort(attributes)
	return strings.Join(attributes, ""), nil
}

// directoryString reads the string types in which names are written.
func directoryString(tag cbasn1.Tag, value []byte) (string, bool) {
	switch tag {
	case cbasn1.PrintableString, cbasn1.IA5String, cbasn1.UTF8String:
		return string(value), utf8.Valid(value)
	case cbasn1.Tag(30): // BMPString
		if len(value)%2 != 0 {
			return "", false
		}
		units := make([]uint16, len(value)/2)
		for i := range units {
			units[i] = uint16(value[2*i])<<8 | uint16(value[2*i+1])
		}
		return string(utf16.Decode(units)), true
	}
	return "", false
}

// counted puts a string's length in front of it, so that no value can pretend to be two.
func counted(s string) string { return strconv.Itoa(len(s)) + ":" + s }

// prepare is the string preparation of RFC 4518 section 2: what is invisible goes, white space becomes one space between
// words and none at the ends, NFKC, and case is folded.
func prepare(s string) string {
	if text, ok := prepareASCII(s); ok {
		return text
	}
	mapped := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.Is(unicode.Z, r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Variation_Selector, r):
			return -1
		}
		return r
	}, s)
	folded := norm.NFKC.String(cases.Fold().String(norm.NFKC.String(mapped)))
	return strings.Join(strings.Fields(folded), " ")
}

func prepareASCII(s string) (string, bool) {
	text := make([]byte, 0, len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case c >= utf8.RuneSelf || c < ' ' || c == 0x7f:
			return "", false
		case c == ' ' && (len(text) == 0 || text[len(text)-1] == ' '):
		default:
			text = append(text, lower(c))
		}
	}
	return string(bytes.TrimSuffix(text, []byte{' '})), true
}

// key is the name as one string, by which names are found.
func (n distinguishedName) key() string {
	var b strings.Builder
	for _, rdn := range n {
		b.WriteString(counted(rdn))
	}
	return b.String()
}

// within says whether a name lies in the subtree below another (RFC 5280 section 4.2.1.10), itself included.
func (n distinguishedName) within(base distinguishedName) bool {
	return len(n) >= len(base) && slices.Equal(n[:len(base)], base)
}

// canonicalName is the key of an encoded Name. Octets that are no Name are their own key.
func canonicalName(der []byte) string {
	name, err := parseName(der)
	if err != nil {
		return "?" + string(der)
	}
	return name.key()
}

// sameName compares two encoded Names (RFC 5280 section 7.1).
func sameName(a, b []byte) bool { return bytes.Equal(a, b) || canonicalName(a) == canonicalName(b) }

// selfIssued says whether a certificate's issuer and subject are one name: a CA that renews its key or its policies
// (RFC 5280 section 3.2).
func selfIssued(cert *x509.Certificate) bool { return sameName(cert.RawIssuer, cert.RawSubject) }
