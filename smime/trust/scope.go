package trust

import (
	"crypto/x509"
	"slices"
	"strings"
)

// ScopedAnchors are trust anchors that speak for some domains only.
type ScopedAnchors struct {
	Anchors []*x509.Certificate

	// Domains of the addresses they may speak for, each exactly: "partner.example" is not "mail.partner.example". A-labels
	// and U-labels, any case. None: the anchors speak for nobody.
	Domains []string
}

// scope is what an anchor may speak for.
type scope struct {
	everywhere bool
	domains    []string // canonical
}

func (s *scope) add(domains []string) {
	for _, d := range domains {
		s.domains = append(s.domains, canonicalDomain(strings.TrimSpace(d)))
	}
}

// anchorScope lets an anchor of a partner vouch only for certificates all of whose addresses are in the partner's domains,
// as if the anchor had name constraints (RFC 5280 section 6.1.1 (d) leaves to the local policy what an anchor is trusted
// for). A certificate without any address could be bound to anybody's, so such an anchor does not vouch for it.
func (p *Policy) anchorScope(path []*x509.Certificate) Verdict {
	anchor := path[len(path)-1]
	s := p.scopes[string(anchor.Raw)]
	if s == nil || s.everywhere {
		return Verdict{}
	}
	addresses := Addresses(path[0])
	if len(addresses) == 0 {
		return refuse(BadPath, "%s names no address, and its trust anchor %q speaks only for addresses in %s", describe(path[0]), anchor.Subject, strings.Join(s.domains, ", "))
	}
	for _, a := range addresses {
		_, host, _ := cutLast(a)
		if !slices.Contains(s.domains, canonicalDomain(host)) {
			return refuse(BadPath, "%s names %q, and its trust anchor %q speaks only for addresses in %s", describe(path[0]), a, anchor.Subject, strings.Join(s.domains, ", "))
		}
	}
	return Verdict{}
}

func cutLast(address string) (local, host string, ok bool) {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address, "", false
	}
	return address[:at], address[at+1:], true
}
