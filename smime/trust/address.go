package trust

import (
	"crypto/x509"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Addresses returns the e-mail addresses a certificate names, each once, in this order: rfc822Name and SmtpUTF8Mailbox
// of the subjectAltName (RFC 5280 section 4.2.1.6, RFC 9598), and emailAddress of the subject, where RFC 8550 section 3
// still lets older certificates have it. What cannot be an address, because it has no local part or domain, a domain that
// is too long, a second "@", white space or control characters, is left out.
func Addresses(cert *x509.Certificate) []string {
	var found []string
	add := func(address string) {
		if plausible(address) && !slices.ContainsFunc(found, func(a string) bool { return EqualAddress(a, address) }) {
			found = append(found, address)
		}
	}
	for _, a := range cert.EmailAddresses {
		add(a)
	}
	for _, a := range smtpUTF8Mailboxes(cert) {
		add(a)
	}
	for _, name := range cert.Subject.Names {
		if value, ok := name.Value.(string); ok && name.Type.Equal(oidEmailAddress) {
			add(value)
		}
	}
	return found
}

// Names reports whether a certificate names an address.
func Names(cert *x509.Certificate, address string) bool {
	return slices.ContainsFunc(Addresses(cert), func(a string) bool { return EqualAddress(a, address) })
}

// EqualAddress compares two e-mail addresses, the case of ASCII letters aside (RFC 8550 section 3: MUST for the domain,
// SHOULD for the local part), A-labels and U-labels of a domain being the same (RFC 9598 section 5). Other letters are
// compared octet for octet: Unicode folding would make the Kelvin sign a "k", and a stranger's address that of a member.
func EqualAddress(a, b string) bool {
	if isASCII(a) && isASCII(b) {
		return equalASCII(a, b)
	}
	localA, hostA, okA := cutLast(a)
	localB, hostB, okB := cutLast(b)
	return okA == okB && equalASCII(localA, localB) && canonicalDomain(hostA) == canonicalDomain(hostB)
}

// equalASCII compares octet for octet, the case of ASCII letters aside.
func equalASCII(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// plausible: one "@", which stands neither first nor last, no white space or control characters, and a domain of at most 255
// octets (RFC 5321 section 4.5.3.1.2). Quoted local parts with either are addresses, but nobody's at a list.
func plausible(address string) bool {
	local, domain, ok := strings.Cut(address, "@")
	forbidden := func(r rune) bool { return r <= ' ' || r == 0x7f }
	return ok && local != "" && domain != "" && len(domain) <= 255 && !strings.Contains(domain, "@") &&
		utf8.ValidString(address) && !strings.ContainsFunc(address, forbidden)
}

// smtpUTF8Mailboxes reads the otherNames of type id-on-SmtpUTF8Mailbox, which crypto/x509 does not:
//
//	GeneralName ::= CHOICE { otherName [0] IMPLICIT SEQUENCE { type-id OBJECT IDENTIFIER, value [0] EXPLICIT UTF8String }, … }
//
// What is not of that form is passed over.
func smtpUTF8Mailboxes(cert *x509.Certificate) []string {
	der := cryptobyte.String(extension(cert, oidSubjectAltName))
	var names cryptobyte.String
	if !der.ReadASN1(&names, cbasn1.SEQUENCE) {
		return nil
	}
	var found []string
	for !names.Empty() {
		var name cryptobyte.String
		var tag cbasn1.Tag
		if !names.ReadAnyASN1(&name, &tag) {
			return found
		}
		if tag != cbasn1.Tag(0).ContextSpecific().Constructed() {
			continue
		}
		if mailbox, ok := smtpUTF8Mailbox(name); ok {
			found = append(found, mailbox)
		}
	}
	return found
}

func smtpUTF8Mailbox(otherName cryptobyte.String) (string, bool) {
	var oid []byte
	var value, text cryptobyte.String
	var id cryptobyte.String
	if !otherName.ReadASN1Element(&id, cbasn1.OBJECT_IDENTIFIER) {
		return "", false
	}
	oid = id
	ok := string(oid) == smtpUTF8MailboxDER &&
		otherName.ReadASN1(&value, cbasn1.Tag(0).ContextSpecific().Constructed()) &&
		value.ReadASN1(&text, cbasn1.UTF8String)
	return string(text), ok
}

// smtpUTF8MailboxDER is id-on-SmtpUTF8Mailbox, 1.3.6.1.5.5.7.8.9, with tag and length.
const smtpUTF8MailboxDER = "\x06\x08\x2b\x06\x01\x05\x05\x07\x08\x09"
