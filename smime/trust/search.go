package trust

import (
	"bytes"
	"crypto/x509"
	"slices"
	"time"
)

// Bounds of a search (invariant 9).
const (
	maxPathLength = 12  // certificates, with leaf and anchor
	maxSteps      = 128 // issuers that are tried, each at most one verification of a signature
	maxHelpers    = 64  // certificates of one message or directory entry that are looked at
)

// search looks for certification paths from the leaf up, by names and signatures, and has each that ends in an anchor
// validated. crypto/x509 does not do for this: it compares names octet for octet, counts CAs that issued to themselves, and
// does not know constraints on directoryNames (see docs/standards.md).
//
// CAs may share a name, and several certificates a name and key (RFC 8550 section 4): each is tried, those first whose key
// identifier fits. Of several good paths the one that is valid longest wins, then the shortest.
type search struct {
	policy   *Policy
	validate func(path []*x509.Certificate) Verdict
	extra    []namedCertificate
	steps    int

	good  Verdict
	wrong Verdict // what is wrong on the first path that ends in an anchor
	hint  Verdict // an anchor has the right name and another key
}

// namedCertificate is a certificate with its subject in canonical form.
type namedCertificate struct {
	*x509.Certificate
	subject string
}

func (p *Policy) newSearch(extra []*x509.Certificate, validate func([]*x509.Certificate) Verdict) *search {
	s := &search{policy: p, validate: validate}
	for _, cert := range extra[:min(len(extra), maxHelpers)] {
		if !tooCostly(cert) {
			s.extra = append(s.extra, namedCertificate{cert, canonicalName(cert.RawSubject)})
		}
	}
	return s
}

// from starts at a certificate and returns the best path or the best reason why there is none.
func (s *search) from(cert *x509.Certificate) Verdict {
	if s.policy.scopes[string(cert.Raw)] != nil {
		s.complete([]*x509.Certificate{cert}, Verdict{})
	} else {
		s.walk([]*x509.Certificate{cert}, Verdict{})
	}
	switch {
	case s.good.OK():
		return s.good
	case s.wrong.Reason != "":
		return s.wrong
	case s.hint.Reason != "":
		return s.hint
	}
	return refuse(UnknownCA, "%s: no path leads from its issuer %q to a trust anchor", describe(cert), cert.Issuer)
}

// walk tries every issuer of the last certificate. A defect of a signature does not end it, because it is a reason to give
// only on a path that leads somewhere.
func (s *search) walk(path []*x509.Certificate, defect Verdict) {
	child := path[len(path)-1]
	name := canonicalName(child.RawIssuer)
	for _, issuer := range s.issuers(child, name) {
		if slices.ContainsFunc(path, func(c *x509.Certificate) bool { return sameAuthority(c, issuer) }) {
			continue
		}
		if s.steps++; s.steps > maxSteps {
			return
		}
		anchor := s.policy.scopes[string(issuer.Raw)] != nil
		flaw, err := s.policy.signature(child, issuer)
		if err != nil {
			if anchor && keyIdentifiersAgree(child, issuer) {
				s.hint = refuse(BadPath, "%s names %q as its issuer, whose key did not sign it", describe(child), child.Issuer)
			}
			continue
		}
		if defect.Reason != "" {
			flaw = defect
		}
		longer := append(slices.Clip(path), issuer)
		if anchor {
			s.complete(longer, flaw)
		} else if len(longer) < maxPathLength {
			s.walk(longer, flaw)
		}
	}
}

// issuers are the certificates with a name, anchors first, then those whose key identifier fits.
func (s *search) issuers(child *x509.Certificate, name string) []*x509.Certificate {
	found := slices.Concat(s.policy.anchorsByName[name], s.policy.helpersByName[name])
	for _, e := range s.extra {
		if e.subject == name {
			found = append(found, e.Certificate)
		}
	}
	if len(found) > 1 && len(child.AuthorityKeyId) > 0 {
		slices.SortStableFunc(found, func(a, b *x509.Certificate) int { return rank(child, a) - rank(child, b) })
	}
	return found
}

func rank(child, issuer *x509.Certificate) int {
	if keyIdentifiersAgree(child, issuer) {
		return 0
	}
	return 1
}

// keyIdentifiersAgree says whether a certificate's authorityKeyIdentifier, if it has one, fits a CA of that name. If it
// does not, another CA of the same name is probably meant.
func keyIdentifiersAgree(child, issuer *x509.Certificate) bool {
	return len(child.AuthorityKeyId) == 0 || len(issuer.SubjectKeyId) == 0 || bytes.Equal(child.AuthorityKeyId, issuer.SubjectKeyId)
}

// sameAuthority says whether two certificates have one key and subject, so that a path with both runs in a circle.
func sameAuthority(a, b *x509.Certificate) bool {
	return bytes.Equal(a.RawSubjectPublicKeyInfo, b.RawSubjectPublicKeyInfo) && sameName(a.RawSubject, b.RawSubject)
}

func (s *search) complete(path []*x509.Certificate, defect Verdict) {
	v := defect
	if v.Reason == "" {
		v = s.validate(path)
	}
	if v.Reason != "" {
		if s.wrong.Reason == "" {
			s.wrong = v
		}
		return
	}
	v = Verdict{Path: path, Until: earliestEnd(path)}
	if !s.good.OK() || v.Until.After(s.good.Until) || v.Until.Equal(s.good.Until) && len(path) < len(s.good.Path) {
		s.good = v
	}
}

func earliestEnd(path []*x509.Certificate) time.Time {
	until := path[0].NotAfter
	for _, c := range path[1:] {
		if c.NotAfter.Before(until) {
			until = c.NotAfter
		}
	}
	return until
}
