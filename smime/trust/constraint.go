package trust

import (
	"bytes"
	"crypto/x509"
	"errors"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxComparisons bounds how many names are held to constraints on one path (invariant 9).
const maxComparisons = 1 << 16

var errConstraint = errors.New("not a nameConstraints extension")

// constraints are the nameConstraints of one CA (RFC 5280 section 4.2.1.10).
type constraints struct{ permitted, excluded []typedName }

// nameConstraints holds every name below a CA to what that CA may speak for (RFC 5280 sections 4.2.1.10, 6.1.3 (b), (c)
// and 6.1.4 (g); for SmtpUTF8Mailbox RFC 9598 section 6): each is within one of the permitted subtrees of its form, if there are
// any, and within no excluded one. CAs that issued to themselves are exempt, unless last on the path (6.1.3 (b)). A name of
// a form that is constrained and not supported is refused.
//
// crypto/x509 does not do for this: it lets the mailboxes on sub-domains pass a constraint "host", which is about exactly
// that host (NIST PKITS 4.13.24), and knows no constraints on directoryNames. QUIRK: an anchor's constraints count as well
// (RFC 5937), as they do in every mail client.
func nameConstraints(path []*x509.Certificate) Verdict {
	budget := maxComparisons
	for i := len(path) - 1; i > 0; i-- {
		der := extension(path[i], oidNameConstraints)
		if der == nil {
			continue
		}
		c, err := parseConstraints(der)
		if err != nil {
			return refuse(BadPath, "%s has name constraints that are not supported: %v", describe(path[i]), err)
		}
		for j := i - 1; j >= 0; j-- {
			if j > 0 && selfIssued(path[j]) {
				continue
			}
			names, err := namesOf(path[j])
			if err != nil {
				return refuse(BadPath, "the names in %s cannot be read: %v", describe(path[j]), err)
			}
			if budget -= len(names) * (len(c.permitted) + len(c.excluded)); budget < 0 {
				return refuse(BadPath, "%s has more name constraints than are looked at", describe(path[i]))
			}
			for _, name := range names {
				if complaint := c.complain(name); complaint != "" {
					return refuse(BadPath, "%s may not issue for the %v: %s", describe(path[i]), name, complaint)
				}
			}
		}
	}
	return Verdict{}
}

func parseConstraints(der []byte) (constraints, error) {
	var c constraints
	input := cryptobyte.String(der)
	var seq, permitted, excluded cryptobyte.String
	var hasPermitted, hasExcluded bool
	if !input.ReadASN1(&seq, cbasn1.SEQUENCE) || !input.Empty() ||
		!seq.ReadOptionalASN1(&permitted, &hasPermitted, cbasn1.Tag(0).ContextSpecific().Constructed()) ||
		!seq.ReadOptionalASN1(&excluded, &hasExcluded, cbasn1.Tag(1).ContextSpecific().Constructed()) ||
		!seq.Empty() || !hasPermitted && !hasExcluded {
		return c, errConstraint
	}
	var err error
	if c.permitted, err = readSubtrees(permitted, hasPermitted); err != nil {
		return c, err
	}
	c.excluded, err = readSubtrees(excluded, hasExcluded)
	return c, err
}

// readSubtrees wants minimum 0 and no maximum, the only ones RFC 5280 section 4.2.1.10 knows.
func readSubtrees(list cryptobyte.String, present bool) ([]typedName, error) {
	if present && list.Empty() {
		return nil, errConstraint
	}
	var bases []typedName
	for !list.Empty() {
		var subtree cryptobyte.String
		if !list.ReadASN1(&subtree, cbasn1.SEQUENCE) {
			return nil, errConstraint
		}
		base, err := readTypedName(&subtree)
		if err != nil {
			return nil, err
		}
		var minimum cryptobyte.String
		if !subtree.ReadOptionalASN1(&minimum, nil, cbasn1.Tag(0).ContextSpecific()) || !subtree.Empty() ||
			len(minimum) > 0 && !bytes.Equal(minimum, []byte{0}) {
			return nil, errors.New("a subtree with a minimum or maximum")
		}
		if err := base.checkBase(); err != nil {
			return nil, err
		}
		bases = append(bases, base)
	}
	return bases, nil
}

func (n typedName) checkBase() error {
	if n.form == formIP {
		half := len(n.octets) / 2
		if half != 4 && half != 16 || len(n.octets)%2 != 0 || !contiguous(n.octets[half:]) {
			return errors.New("an iPAddress that is no address and mask")
		}
	}
	if n.form == formMail && strings.Contains(n.text, "@") {
		if _, _, ok := splitMailbox(n.text); !ok {
			return errors.New("an rfc822Name that is neither mailbox nor host nor domain")
		}
	}
	return nil
}

func contiguous(mask []byte) bool {
	ended := false
	for _, octet := range mask {
		for bit := 7; bit >= 0; bit-- {
			one := octet>>bit&1 == 1
			if one && ended {
				return false
			}
			ended = ended || !one
		}
	}
	return true
}

// complain says what speaks against a name; nothing if it is within its constraints.
func (c constraints) complain(name typedName) string {
	constrained, permitted := false, false
	for _, base := range c.permitted {
		if base.form == name.form {
			constrained = true
			permitted = permitted || name.within(base, false)
		}
	}
	if constrained && !permitted {
		return "its name constraints permit others"
	}
	for _, base := range c.excluded {
		if base.form == name.form && name.within(base, true) {
			return "its name constraints exclude it"
		}
	}
	return ""
}

// within says whether a name lies in a subtree. Where that cannot be told, the answer is the one that refuses: the name
// is excluded, or not permitted.
func (n typedName) within(base typedName, excluded bool) bool {
	switch n.form {
	case formMail:
		return withinMail(n.text, base.text, excluded)
	case formDirectory:
		return n.directory.within(base.directory)
	case formDNS:
		return withinDNS(n.text, base.text, excluded)
	case formURI:
		u, err := url.Parse(n.text)
		if err != nil || u.Hostname() == "" || strings.ContainsAny(u.Hostname(), ":") || base.text == "" || endsInNumber(u.Hostname()) {
			return excluded // RFC 5280 section 4.2.1.10: without a host name the certificate is refused
		}
		return withinHost(u.Hostname(), base.text)
	case formIP:
		half := len(base.octets) / 2
		if len(n.octets) != 4 && len(n.octets) != 16 {
			return excluded
		}
		if len(n.octets) != half {
			return false
		}
		for i := range half {
			if (n.octets[i]^base.octets[i])&base.octets[half+i] != 0 {
				return false
			}
		}
		return true
	}
	return excluded
}

// withinMail knows the three forms of RFC 5280 section 4.2.1.10: "local@host" one mailbox, "host" all mailboxes on that
// host, ".domain" all mailboxes on hosts below that domain. An empty one is about every address.
//
// Local parts are compared octet for octet (section 7.5), but to exclude, ASCII letters and quotes aside: Names would take
// "Alice" for "alice". What is no mailbox, as an address with two "@", is excluded and not permitted.
func withinMail(address, constraint string, excluded bool) bool {
	local, host, ok := splitMailbox(address)
	if !ok {
		return excluded
	}
	if constraint == "" {
		return true
	}
	if constraintLocal, constraintHost, ok := splitMailbox(constraint); ok {
		same := local == constraintLocal
		if excluded {
			same = EqualAddress(unquote(local), unquote(constraintLocal))
		}
		return same && canonicalDomain(host) == canonicalDomain(constraintHost)
	}
	return withinHost(host, constraint)
}

// withinHost: "host" is exactly that host, ".domain" the hosts below it.
func withinHost(host, constraint string) bool {
	if below, ok := strings.CutPrefix(constraint, "."); ok {
		return strings.HasSuffix(canonicalDomain(host), "."+canonicalDomain(below))
	}
	return canonicalDomain(host) == canonicalDomain(constraint)
}

// withinDNS: "host" is that host and everything below it. A leading dot, which RFC 5280 does not give a meaning here, leaves
// out the host itself where it permits. A wildcard is within what it may stand for.
func withinDNS(name, constraint string, excluded bool) bool {
	name, constraint = strings.TrimSuffix(lowerASCII(name), "."), strings.TrimSuffix(lowerASCII(constraint), ".")
	if below, ok := strings.CutPrefix(constraint, "."); ok {
		constraint = below
		if !excluded && name == below {
			return false
		}
	}
	if constraint == "" || name == constraint || strings.HasSuffix(name, "."+constraint) {
		return true
	}
	anyLabel, wildcard := strings.CutPrefix(name, "*")
	return excluded && wildcard && strings.HasSuffix(constraint, anyLabel)
}

// splitMailbox splits an address at its only "@".
func splitMailbox(address string) (local, host string, ok bool) {
	local, host, ok = strings.Cut(address, "@")
	return local, host, ok && plausible(address)
}

func unquote(local string) string {
	return strings.ReplaceAll(strings.Trim(local, `"`), `\`, "")
}

func endsInNumber(host string) bool {
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	last := labels[len(labels)-1]
	return last != "" && !slices.ContainsFunc([]byte(last), func(c byte) bool { return c < '0' || c > '9' })
}
