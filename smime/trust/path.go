package trust

import (
	"crypto/x509"
	"slices"
	"time"
)

// path looks for a certification path from cert to an anchor (RFC 5280 section 6.1; RFC 8550 section 4 has it done also
// before encrypting). borrowed are the certificates of extra that the path needs and the Policy does not know by itself.
func (p *Policy) path(cert *x509.Certificate, use Use, at time.Time, extra []*x509.Certificate) (v Verdict, borrowed []*x509.Certificate) {
	if len(p.anchors) == 0 {
		return refuse(UnknownCA, "%s: no trust anchor is configured, so nothing is trusted", describe(cert)), nil
	}
	v = p.newSearch(extra, func(path []*x509.Certificate) Verdict { return p.validate(path, use, at) }).from(cert)
	if v.OK() {
		borrowed = slices.DeleteFunc(slices.Clone(v.Path[1:]), func(c *x509.Certificate) bool { return p.helpers[string(c.Raw)] })
	}
	return v, borrowed
}

// validate holds a path, from the leaf to the anchor and with good signatures, to the rules for a certificate of a person.
func (p *Policy) validate(path []*x509.Certificate, use Use, at time.Time) Verdict {
	if v := p.authorities(path, use, at); v.Reason != "" {
		return v
	}
	if v := limitedToMail(path, use, at); v.Reason != "" {
		return v
	}
	return p.anchorScope(path)
}

// authorities are the rules that every path has to obey, also that of who signs a CRL.
func (p *Policy) authorities(path []*x509.Certificate, use Use, at time.Time) Verdict {
	for _, ca := range path[1:] {
		if v := dates(ca, use, at); v.Reason != "" {
			return v
		}
		if v := p.strength(ca, use, at); v.Reason != "" {
			return v
		}
	}
	rules := []func([]*x509.Certificate) Verdict{criticalExtensions, basicConstraints, nameConstraints, p.certificatePolicies}
	for _, rule := range rules {
		if v := rule(path); v.Reason != "" {
			return v
		}
	}
	return Verdict{}
}

// authorityPath looks for the path of a certificate that signs something else than mail, such as a CRL, to one anchor
// (RFC 5280 section 6.3.3 (f) wants the one of the certificate in question). What its key may be used for is not judged.
func (p *Policy) authorityPath(cert, anchor *x509.Certificate, at time.Time, extra []*x509.Certificate) Verdict {
	for _, rule := range []func(*x509.Certificate, Use, time.Time) Verdict{p.strength, dates} {
		if v := rule(cert, Signing, at); v.Reason != "" {
			return v
		}
	}
	return p.newSearch(extra, func(path []*x509.Certificate) Verdict {
		if !path[len(path)-1].Equal(anchor) {
			return refuse(BadPath, "%s leads to another trust anchor", describe(cert))
		}
		return p.authorities(path, Signing, at)
	}).from(cert)
}
