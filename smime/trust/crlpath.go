package trust

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// maxSignerDepth bounds how often the signer of a CRL about the signer of a CRL is asked about.
const maxSignerDepth = 2

// RevocationFromCRLs asks the lists at hand about every certificate of a path that Judge found, but its anchor, which is
// first to be removed from the configuration when it goes bad. The statuses are in the path's order. extra are
// certificates that may have signed a list.
func (p *Policy) RevocationFromCRLs(path []*x509.Certificate, lists []*CRL, at time.Time, extra []*x509.Certificate, l RevocationLimits) []RevocationStatus {
	var all []RevocationStatus
	for i := range max(0, len(path)-1) {
		b := crlBag{policy: p, path: path, lists: lists, at: at, extra: extra[:min(len(extra), maxHelpers)], limits: l}
		all = append(all, b.status(path[i], path[i+1], 0))
	}
	return all
}

type crlBag struct {
	policy *Policy
	path   []*x509.Certificate
	lists  []*CRL
	at     time.Time
	extra  []*x509.Certificate
	limits RevocationLimits
}

func (b *crlBag) status(cert, issuer *x509.Certificate, depth int) RevocationStatus {
	var authentic []*CRL
	var doubt error
	for _, c := range b.lists {
		if err := b.authentic(c, issuer, depth); err != nil {
			doubt = err
			continue
		}
		authentic = append(authentic, c)
	}
	s := StatusFromCRLs(cert, authentic, b.at, b.limits)
	if doubt != nil && (s.State == RevocationNoAnswer || s.State == RevocationNoMechanism) {
		s.Detail += fmt.Sprintf("; one that does not count: %v", doubt)
	}
	return s
}

// authentic wants a list's signer to be the issuer of the certificate in question, or a certificate on a path of its own
// to the same anchor (RFC 5280 section 6.3.3 (f)) that is itself known not to be revoked.
func (b *crlBag) authentic(c *CRL, issuer *x509.Certificate, depth int) error {
	err := c.Verify(issuer, b.limits)
	if err == nil {
		return nil
	}
	anchor := b.path[len(b.path)-1]
	for _, signer := range b.policy.CRLSigners(c, anchor, b.at, slices.Concat(b.path, b.extra), b.limits) {
		if len(signer) == 1 || slices.ContainsFunc(b.path, signer[0].Equal) {
			return nil // the anchor, or asked about with the path
		}
		if depth < maxSignerDepth && b.status(signer[0], signer[1], depth+1).State == RevocationGood {
			return nil
		}
		err = badCRL("whether its signer, %s, is revoked is not known", describe(signer[0]))
	}
	return err
}

// CRLSigners returns the paths, from the signer to the anchor, of the certificates at hand that issued a list: those of
// the Policy and extra. A list may be signed with another key than the certificates it is about (RFC 5280 section
// 6.3.3 (f)), as after a CA's key was renewed. Such a certificate is a CA's, or it says itself that it may sign CRLs: one
// that a person was given with a CA's name in it and no word about its use is no issuer of CRLs.
func (p *Policy) CRLSigners(c *CRL, anchor *x509.Certificate, at time.Time, extra []*x509.Certificate, l RevocationLimits) [][]*x509.Certificate {
	if c.Verify(anchor, l) == nil {
		return [][]*x509.Certificate{{anchor}}
	}
	var paths [][]*x509.Certificate
	for _, signer := range slices.Concat(p.intermediates, extra) {
		if !c.IssuedInNameOf(signer) || !isCA(signer) && !hasKeyUsage(signer) || c.Verify(signer, l) != nil {
			continue
		}
		if v := p.authorityPath(signer, anchor, at, extra); v.OK() {
			paths = append(paths, v.Path)
		}
	}
	return paths
}
