package trust

import (
	"crypto/x509"
	"slices"
	"strings"
)

// nameConstraints holds a leaf's addresses to the rfc822Name constraints of the CAs above it (RFC 5280 section
// 4.2.1.10; for SmtpUTF8Mailbox RFC 9598 section 6). crypto/x509 has applied its own reading before, so this rule can
// only refuse more:
//
//   - a constraint "host" means the mailboxes on exactly that host; crypto/x509 lets those on its sub-domains pass too
//     (NIST PKITS 4.13.24);
//   - addresses in SmtpUTF8Mailbox and in the subject's emailAddress are held to it as well, the latter also where the
//     subjectAltName has an rfc822Name, because Addresses believes them there too.
func nameConstraints(path []*x509.Certificate) Verdict {
	if len(path) < 2 {
		return Verdict{}
	}
	addresses := Addresses(path[0])
	for _, ca := range path[1:] {
		for _, a := range addresses {
			within := func(constraint string) bool { return withinConstraint(a, constraint) }
			if len(ca.PermittedEmailAddresses) > 0 && !slices.ContainsFunc(ca.PermittedEmailAddresses, within) {
				return refuse(BadPath, "%s may not issue for %q: its name constraints permit other addresses", describe(ca), a)
			}
			if slices.ContainsFunc(ca.ExcludedEmailAddresses, within) {
				return refuse(BadPath, "%s may not issue for %q: its name constraints exclude it", describe(ca), a)
			}
		}
	}
	return Verdict{}
}

// withinConstraint knows the three forms: "local@host" one mailbox, "host" all mailboxes on that host, ".domain" all
// mailboxes on hosts below that domain. An empty constraint is about every address.
func withinConstraint(address, constraint string) bool {
	_, host, _ := cutLast(address)
	switch {
	case constraint == "":
		return true
	case strings.Contains(constraint, "@"):
		local, constraintHost, _ := cutLast(constraint)
		addressLocal, _, _ := cutLast(address)
		return EqualAddress(addressLocal, local) && EqualAddress(host, constraintHost) // as Names compares
	case strings.HasPrefix(constraint, "."):
		return len(host) > len(constraint) && EqualAddress(host[len(host)-len(constraint):], constraint)
	}
	return EqualAddress(host, constraint)
}

func cutLast(address string) (local, host string, ok bool) {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address, "", false
	}
	return address[:at], address[at+1:], true
}
