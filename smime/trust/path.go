package trust

import (
	"crypto/x509"
	"slices"
	"time"
)

// maxHelpers bounds the certificates of one message or directory entry that are used to build a path (invariant 9).
const maxHelpers = 64

// path looks for a certification path from cert to an anchor (RFC 5280 section 6.1; RFC 8550 section 4 has it done also
// before encrypting). Besides what crypto/x509 demands, every key on it is strong enough, no CA between is limited to
// other purposes than mail, and the name constraints hold as nameConstraints reads them. borrowed are the certificates of
// extra that the path needs and the Policy does not know by itself.
func (p *Policy) path(cert *x509.Certificate, use Use, at time.Time, extra []*x509.Certificate) (v Verdict, borrowed []*x509.Certificate) {
	if len(p.anchors) == 0 {
		return refuse(UnknownCA, "%s: no trust anchor is configured, so nothing is trusted", describe(cert)), nil
	}
	chains, err := withoutSAN(cert).Verify(x509.VerifyOptions{
		Roots:         p.anchorPool,
		Intermediates: p.pool(extra),
		CurrentTime:   at,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, // judged by rules of our own
	})
	if err != nil {
		return p.diagnose(cert, at, extra, err), nil
	}
	for _, chain := range chains {
		chain[0] = cert
		judged := p.chain(chain, use, at)
		switch {
		case !judged.OK():
			if v.Reason == "" && !v.OK() {
				v = judged
			}
		case !v.OK() || judged.Until.After(v.Until) || judged.Until.Equal(v.Until) && len(judged.Path) < len(v.Path):
			v = judged
		}
	}
	if v.OK() {
		borrowed = slices.DeleteFunc(slices.Clone(v.Path[1:]), func(c *x509.Certificate) bool { return p.helpers[string(c.Raw)] })
	}
	return v, borrowed
}

// chain applies our own rules to a path that crypto/x509 accepts.
func (p *Policy) chain(chain []*x509.Certificate, use Use, at time.Time) Verdict {
	for i, ca := range chain[1:] {
		if v := p.strength(ca, use, at); v.Reason != "" {
			return v
		}
		if anchor := i == len(chain)-2; anchor {
			break
		}
		// RFC 5280 gives extendedKeyUsage in a CA certificate no meaning; the Mozilla and Microsoft root programmes, NSS
		// and crypto/x509 read it as a limit on what lies below, and CAs set it so.
		if v := extKeyUsage(ca, use, at); v.Reason != "" {
			return v
		}
	}
	if v := nameConstraints(chain); v.Reason != "" {
		return v
	}
	until := chain[0].NotAfter
	for _, c := range chain[1:] {
		if c.NotAfter.Before(until) {
			until = c.NotAfter
		}
	}
	return Verdict{Path: chain, Until: until}
}

// pool is the configured helpers, and those of extra that are worth looking at.
func (p *Policy) pool(extra []*x509.Certificate) *x509.CertPool {
	if len(extra) == 0 {
		return p.helperPool
	}
	pool := p.helperPool.Clone()
	for _, cert := range extra {
		if !tooCostly(cert) {
			pool.AddCert(cert)
		}
	}
	return pool
}

// withoutSAN takes a critical subjectAltName from the extensions that crypto/x509 says it cannot handle, because
// Addresses does: a certificate with an empty subject and an SmtpUTF8Mailbox alone has one (RFC 5280 section 4.1.2.6).
func withoutSAN(cert *x509.Certificate) *x509.Certificate {
	if len(cert.UnhandledCriticalExtensions) == 0 || len(smtpUTF8Mailboxes(cert)) == 0 {
		return cert
	}
	c := *cert
	c.UnhandledCriticalExtensions = nil
	for _, oid := range cert.UnhandledCriticalExtensions {
		if !oid.Equal(oidSubjectAltName) {
			c.UnhandledCriticalExtensions = append(c.UnhandledCriticalExtensions, oid)
		}
	}
	return &c
}
