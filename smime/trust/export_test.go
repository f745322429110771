package trust

import (
	"crypto/x509"
	"time"
)

// Cached returns how many verdicts are kept.
func (p *Policy) Cached() int {
	p.cache.mu.Lock()
	defer p.cache.mu.Unlock()
	return len(p.cache.young) + len(p.cache.old)
}

// WithinMail is withinMail.
var WithinMail = withinMail

// SameName is sameName.
var SameName = sameName

// Authorities looks for a path to an anchor and judges it without the rules about mail.
func (p *Policy) Authorities(cert, anchor *x509.Certificate, at time.Time, extra []*x509.Certificate) Verdict {
	return p.authorityPath(cert, anchor, at, extra)
}

// Permits holds the names of a certificate to an encoded nameConstraints extension. An error says that the extension is
// not supported, so that nothing below its CA counts.
func Permits(extension []byte, cert *x509.Certificate) (bool, error) {
	c, err := parseConstraints(extension)
	if err != nil {
		return false, err
	}
	names, err := namesOf(cert)
	if err != nil {
		return false, nil
	}
	for _, name := range names {
		if c.complain(name) != "" {
			return false, nil
		}
	}
	return true, nil
}

// Usage judges a certificate's key usage and extended key usage alone.
func Usage(cert *x509.Certificate, use Use) Reason {
	if v := keyUsage(cert, use, time.Time{}); v.Reason != "" {
		return v.Reason
	}
	return extKeyUsage(cert, use, time.Time{}).Reason
}

// Validate holds a path to all rules, its signatures unseen.
func (p *Policy) Validate(path []*x509.Certificate, use Use, at time.Time) Verdict {
	return p.validate(path, use, at)
}
