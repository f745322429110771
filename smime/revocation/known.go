package revocation

import (
	"crypto/sha256"
	"crypto/x509"
	"time"

	"github.com/sealist/sealist/smime/trust"
)

// good is the finding that a certificate is good, so that a list of members is not looked up anew for every copy. It
// counts for a short time, for one issuer and anchor, and until anything new is taken up.
type good struct {
	issuer, anchor *x509.Certificate
	status         trust.RevocationStatus
	changes        uint64
	from, until    time.Time
}

// remembered asks about a certificate, unless it was good a moment ago and nothing has changed.
func (a asking) remembered(cert, issuer *x509.Certificate) finding {
	if len(a.besides) > 0 {
		return a.certificate(cert, issuer)
	}
	c := a.checker
	key := sha256.Sum256(cert.Raw)
	c.mu.Lock()
	g, ok := c.known[key]
	changes := c.changes
	c.mu.Unlock()
	if ok && g.changes == changes && !a.now.Before(g.from) && a.now.Before(g.until) && g.issuer.Equal(issuer) && g.anchor.Equal(a.anchor) {
		return finding{RevocationStatus: g.status}
	}
	f := a.certificate(cert, issuer)
	if f.State != trust.RevocationGood || f.pending != nil {
		return f
	}
	g = good{issuer: issuer, anchor: a.anchor, status: f.RevocationStatus, changes: changes, from: a.now, until: a.now.Add(knownFor)}
	if !f.Until.IsZero() && f.Until.Before(g.until) {
		g.until = f.Until
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxKnown {
		clear(c.known)
	}
	c.known[key] = g
	return f
}
