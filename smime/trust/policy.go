package trust

import (
	"crypto/x509"
	"time"
)

// PolicyOptions say what a Policy believes. The zero value trusts nobody.
type PolicyOptions struct {
	// Anchors are the trust anchors, for every domain (RFC 5280 section 6.1.1 (d)). Any certificate can be one, also a
	// person's own. The system's TLS roots never speak for mail, so without anchors nothing is trusted.
	Anchors []*x509.Certificate

	// Scoped are trust anchors that speak for some domains only. One that is in Anchors too speaks for every domain.
	Scoped []ScopedAnchors

	// Intermediates help to build a path and are never trusted by themselves.
	Intermediates []*x509.Certificate

	// RSAMinBits is the shortest RSA key that counts, anywhere on a path. 0 means DefaultRSAMinBits.
	RSAMinBits int

	// AllowSHA1 lets certificates count that are signed with SHA-1.
	AllowSHA1 bool

	// Policies are what is demanded of certificate policies; the zero value nothing.
	Policies PolicyDemands

	// CacheSize is how many verdicts are remembered. 0 means DefaultCacheSize, less than 0 none.
	CacheSize int
}

// Defaults of PolicyOptions.
const (
	DefaultRSAMinBits = 2048   // RFC 8550 section 4.3: shorter keys SHOULD NOT be used
	DefaultCacheSize  = 20_000 // verdicts; about 400 octets each, and the certificates of their paths
)

// Policy judges certificates. It is safe for concurrent use and never changes: other anchors are another Policy, so that
// no verdict outlives the anchors it was reached with.
type Policy struct {
	anchors       []*x509.Certificate
	intermediates []*x509.Certificate
	anchorsByName map[string][]*x509.Certificate // by canonical subject
	helpersByName map[string][]*x509.Certificate
	scopes        map[string]*scope // of the anchors, by their raw octets
	helpers       map[string]bool   // raw octets of anchors and intermediates: known without a message
	rsaMinBits    int
	allowSHA1     bool
	policies      PolicyDemands
	cache         *verdicts
}

// NewPolicy makes a Policy.
func NewPolicy(o PolicyOptions) *Policy {
	p := &Policy{
		anchorsByName: map[string][]*x509.Certificate{},
		helpersByName: map[string][]*x509.Certificate{},
		scopes:        map[string]*scope{},
		helpers:       map[string]bool{},
		rsaMinBits:    o.RSAMinBits,
		allowSHA1:     o.AllowSHA1,
		policies:      o.Policies,
		cache:         newVerdicts(o.CacheSize),
	}
	if p.rsaMinBits == 0 {
		p.rsaMinBits = DefaultRSAMinBits
	}
	for _, cert := range o.Anchors {
		p.addAnchor(cert).everywhere = true
	}
	for _, s := range o.Scoped {
		for _, cert := range s.Anchors {
			p.addAnchor(cert).add(s.Domains)
		}
	}
	for _, cert := range o.Intermediates {
		if tooCostly(cert) {
			continue
		}
		p.intermediates = append(p.intermediates, cert)
		name := canonicalName(cert.RawSubject)
		p.helpersByName[name] = append(p.helpersByName[name], cert)
		p.helpers[string(cert.Raw)] = true
	}
	return p
}

// Configured returns the trust anchors, and the intermediates that help to build paths. Do not write to them.
func (p *Policy) Configured() (anchors, intermediates []*x509.Certificate) {
	return p.anchors, p.intermediates
}

func (p *Policy) addAnchor(cert *x509.Certificate) *scope {
	s := p.scopes[string(cert.Raw)]
	if s == nil {
		s = &scope{}
		p.scopes[string(cert.Raw)] = s
		p.anchors = append(p.anchors, cert)
		name := canonicalName(cert.RawSubject)
		p.anchorsByName[name] = append(p.anchorsByName[name], cert)
		p.helpers[string(cert.Raw)] = true
	}
	return s
}

// Judge says whether a certificate may be used for something at a moment. extra are certificates found beside it, in a
// message or a directory; they help to build a path and are never trusted by themselves. Of more than 64 of them the
// rest is ignored.
//
// Judge knows nothing of e-mail addresses beyond a CA's name constraints and an anchor's domains: whether the certificate
// belongs to somebody is for Names.
func (p *Policy) Judge(cert *x509.Certificate, use Use, at time.Time, extra []*x509.Certificate) Verdict {
	rules := []func(*x509.Certificate, Use, time.Time) Verdict{p.strength, dates, keyUsage, extKeyUsage}
	for _, rule := range rules {
		if v := rule(cert, use, at); v.Reason != "" {
			return v
		}
	}
	extra = extra[:min(len(extra), maxHelpers)]
	if v, ok := p.cache.get(cert, use, at, extra); ok {
		return v
	}
	v, borrowed := p.path(cert, use, at, extra)
	if v.OK() {
		p.cache.put(cert, use, v, borrowed)
	}
	return v
}
