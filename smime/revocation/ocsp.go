package revocation

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/sealist/sealist/smime/trust"
)

// answer is what one OCSP responder said about one certificate.
type answer struct {
	attempts
	said trust.OCSPAnswer // zero State: nothing yet that counts
}

// ocsp asks the responders in their order until one answers.
func (a asking) ocsp(cert, issuer *x509.Certificate, where trust.Where) finding {
	best := finding{RevocationStatus: trust.RevocationStatus{State: trust.RevocationNoMechanism}}
	for _, u := range where.OCSP {
		f := a.responder(question{a.issuer(issuer), string(cert.SerialNumber.Bytes()), u}, cert, issuer)
		if f.State == trust.RevocationGood || f.State == trust.RevocationRevoked {
			return f
		}
		best = better(best, f)
		if f.pending != nil {
			return best
		}
	}
	return best
}

// responder asks one of them, if what it said before is not enough.
func (a asking) responder(q question, cert, issuer *x509.Certificate) finding {
	c := a.checker
	c.mu.Lock()
	w := c.answers[q]
	if w == nil {
		w = c.newAnswer(q, a.now)
	}
	w.used = a.now
	if w.job == nil && !a.now.Before(w.next) {
		c.fetchAnswer(w, q, cert, issuer, a.now)
	}
	said, first, job, err := w.said, w.first, w.job, w.err
	c.mu.Unlock()

	f := finding{RevocationStatus: said.RevocationStatus, since: first}
	if said.Responder != nil && said.State != "" {
		state, on := a.doubt(said.Responder, issuer)
		// Not to know whether the responder is revoked takes from it only the right to say that a certificate is good.
		if state == trust.RevocationRevoked || state != trust.RevocationGood && f.State != trust.RevocationRevoked {
			f.RevocationStatus, err = trust.RevocationStatus{}, fmt.Errorf("whether its responder %q is revoked: %s", said.Responder.Subject, state)
		}
		f.pending = on
	}
	switch {
	case f.State == trust.RevocationGood && a.now.After(f.Until):
		f.State = trust.RevocationStale
		f.Detail = fmt.Sprintf("the OCSP response about the certificate of %q was to be replaced by %s", cert.Subject, stamp(f.Until))
	case f.State == "":
		f.State = trust.RevocationNoAnswer
		f.Detail = fmt.Sprintf("no OCSP responder has answered about the certificate of %q", cert.Subject)
	}
	switch f.State {
	case trust.RevocationGood, trust.RevocationRevoked:
		f.since = time.Time{}
		return f
	case trust.RevocationStale:
		f.since = f.Until
	}
	if job != nil {
		f.pending = job
	}
	if err != nil {
		f.Detail += fmt.Sprintf(": %s: %s", q.url, oneLine(err))
	}
	return f
}

// doubt asks whether a delegated responder is itself revoked, by CRL alone, so that no responder vouches for itself.
func (a asking) doubt(responder, issuer *x509.Certificate) (trust.RevocationState, <-chan struct{}) {
	where := trust.WhereToAsk(responder)
	if len(where.CRL) == 0 || a.depth >= maxIssuerDepth {
		return trust.RevocationGood, nil // RFC 6960 section 4.2.2.2.1 leaves that to whoever asks: the CA gave it a short life instead
	}
	a.depth++
	f := a.crl(responder, issuer, where)
	return f.State, f.pending
}

// newAnswer begins to remember a question. The caller holds the lock.
func (c *Checker) newAnswer(q question, now time.Time) *answer {
	if len(c.answers) >= maxAnswers {
		c.forgetAnswers()
	}
	w := &answer{}
	w.used, w.next = now, now
	c.answers[q] = w
	return w
}

// forgetAnswers forgets what was not asked about for longest, a good part at a time. The caller holds the lock.
func (c *Checker) forgetAnswers() {
	var newest, oldest time.Time
	for _, w := range c.answers {
		if oldest.IsZero() || w.used.Before(oldest) {
			oldest = w.used
		}
		if w.used.After(newest) {
			newest = w.used
		}
	}
	middle := oldest.Add(newest.Sub(oldest) / 2)
	for q, w := range c.answers {
		if w.job == nil && (!w.used.After(middle) || len(c.answers) >= maxAnswers) {
			delete(c.answers, q)
		}
	}
}

// fetchAnswer begins to ask. The caller holds the lock.
func (c *Checker) fetchAnswer(w *answer, q question, cert, issuer *x509.Certificate, now time.Time) {
	if w.first.IsZero() {
		w.first = now
	}
	w.job = c.fetching(func(ctx context.Context) {
		said, err := c.askResponder(ctx, q.url, cert, issuer)
		now := c.o.Clock()
		c.mu.Lock()
		defer c.mu.Unlock()
		w.job = nil
		old := w.said
		switch {
		case err == nil && said.State == trust.RevocationNoAnswer:
			err = errors.New(said.Detail)
		case err == nil && old.State == trust.RevocationRevoked && said.State != trust.RevocationRevoked && !said.ThisUpdate.After(old.ThisUpdate),
			err == nil && old.State != "" && said.ThisUpdate.Before(old.ThisUpdate):
			err = fmt.Errorf("what it says now is older (%s) than what it said before (%s)", stamp(said.ThisUpdate), stamp(old.ThisUpdate))
		}
		if err != nil {
			w.failed(now, err)
			c.o.Log.Warn("an OCSP responder gives no answer", "url", q.url, "serial", fmt.Sprintf("%x", q.serial), "failures", w.fails, "err", err)
			return
		}
		w.said = said
		c.changes++
		w.succeeded(now, said.Until, c.o.Refresh)
	})
}

// askResponder asks by POST (RFC 6960 appendix A.1). The CertID is made with SHA-1, which every responder knows (RFC
// 5019 section 2.1.1); it names, and protects nothing.
func (c *Checker) askResponder(ctx context.Context, from string, cert, issuer *x509.Certificate) (trust.OCSPAnswer, error) {
	if c.ctx.Err() != nil {
		return trust.OCSPAnswer{}, errClosed
	}
	body, err := ocsp.CreateRequest(cert, issuer, nil)
	if err != nil {
		return trust.OCSPAnswer{}, err
	}
	target, mapped := c.rewrite(from)
	u, err := url.Parse(target)
	if err != nil {
		return trust.OCSPAnswer{}, err
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return trust.OCSPAnswer{}, fmt.Errorf("URLs of the scheme %q cannot be asked", u.Scheme)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return trust.OCSPAnswer{}, err
	}
	request.Header.Set("Content-Type", "application/ocsp-request")
	request.Header.Set("Accept", "application/ocsp-response")
	octets, err := c.do(request, mapped, maxOCSPOctets)
	if err != nil {
		return trust.OCSPAnswer{}, err
	}
	return trust.StatusFromOCSP(octets, cert, issuer, c.o.Clock(), c.limits)
}
