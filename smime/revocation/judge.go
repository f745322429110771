package revocation

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/sealist/sealist/smime/trust"
)

// Unknown says what follows from a state that is unknown or stale.
type Unknown string

// The choices, as the configuration has them.
const (
	Refuse Unknown = "refuse" // the certificate is not used
	Grace  Unknown = "grace"  // it is used for some time
	Allow  Unknown = "allow"  // it is used
)

// Policy says what follows from not knowing. The zero value refuses whatever is not known to be good.
type Policy struct {
	Unknown Unknown
	// Grace is how long: from the nextUpdate of the last answer that said good, or from the first attempt where there
	// never was one.
	Grace time.Duration
	// NoMechanism is about a certificate that names nobody who could be asked: Allow, else it is refused.
	NoMechanism Unknown
}

// Policies is what counts for each use.
type Policies struct {
	Signers    Policy
	Recipients Policy
}

func (p Policies) of(use trust.Use) Policy {
	if use == trust.Encryption {
		return p.Recipients
	}
	return p.Signers
}

// Judge judges a certificate's path by a trust.Policy and then asks about revocation. It is safe for concurrent use, and
// keeps no verdict: it asks what the Checker has at that moment, so that no verdict outlives a CRL.
type Judge struct {
	paths    *trust.Policy
	checker  *Checker
	policies Policies
	prompt   bool
	except   func(*x509.Certificate) (trust.Reason, string)
}

// Judge makes a Judge that waits for answers on their way, no longer than Options.Timeout.
func (c *Checker) Judge(paths *trust.Policy, p Policies) *Judge {
	return &Judge{paths: paths, checker: c, policies: p}
}

// Except is the same Judge with certificates that do not count whatever their paths and CRLs say, as those a listmaster
// blocked. except returns the reason and a sentence, or an empty reason.
func (j *Judge) Except(except func(*x509.Certificate) (trust.Reason, string)) *Judge {
	excepting := *j
	excepting.except = except
	return &excepting
}

// Changes returns a number that grows with each CRL and OCSP answer that is taken up.
func (c *Checker) Changes() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changes
}

// Prompt is the same Judge without waiting: its verdict is what is known now, and Pending tells when to ask again.
func (j *Judge) Prompt() *Judge {
	prompt := *j
	prompt.prompt = true
	return &prompt
}

// Judge says whether a certificate may be used for something. The path is judged at the moment at; revocation is a matter
// of now: what was revoked since does not count any more. extra are certificates found beside it.
func (j *Judge) Judge(cert *x509.Certificate, use trust.Use, at time.Time, extra []*x509.Certificate) trust.Verdict {
	return j.JudgeWithCRLs(cert, use, at, extra, nil)
}

// Bounds of the CRLs of one message.
const (
	maxBesides       = 16
	maxBesidesOctets = 1 << 20
)

// JudgeWithCRLs is Judge with DER CRLs that came beside the certificate. They are nobody's word before their issuer's
// signature was checked, decide this question alone, and give way to newer ones.
func (j *Judge) JudgeWithCRLs(cert *x509.Certificate, use trust.Use, at time.Time, extra []*x509.Certificate, crls [][]byte) trust.Verdict {
	if j.except != nil {
		if reason, detail := j.except(cert); reason != "" {
			return trust.Verdict{Reason: reason, Detail: detail}
		}
	}
	v := j.paths.Judge(cert, use, at, extra)
	if !v.OK() {
		return v
	}
	a := asking{checker: j.checker, paths: j.paths, anchor: v.Path[len(v.Path)-1], helpers: extra, path: v.Path, besides: besides(crls)}
	found := a.all()
	if !j.prompt && pending(found) != nil {
		found = j.wait(a, found)
	}
	return j.apply(v, use, found)
}

func besides(crls [][]byte) []*trust.CRL {
	var lists []*trust.CRL
	left := maxBesidesOctets
	for _, der := range crls[:min(len(crls), maxBesides)] {
		if left -= len(der); left < 0 {
			break
		}
		if list, err := trust.ParseCRL(der); err == nil {
			lists = append(lists, list)
		}
	}
	return lists
}

func (j *Judge) wait(a asking, found []finding) []finding {
	patience := time.NewTimer(j.checker.o.Timeout)
	defer patience.Stop()
	for {
		on := pending(found)
		if on == nil {
			return found
		}
		select {
		case <-on:
			found = a.all()
		case <-patience.C:
			return found
		case <-j.checker.ctx.Done():
			return found
		}
	}
}

func pending(found []finding) <-chan struct{} {
	for _, f := range found {
		if f.pending != nil {
			return f.pending
		}
	}
	return nil
}

// apply puts what is known about revocation on top of a verdict that the certificate may be used.
func (j *Judge) apply(v trust.Verdict, use trust.Use, found []finding) trust.Verdict {
	p, now := j.policies.of(use), j.checker.o.Clock()
	statuses := make([]trust.RevocationStatus, len(found))
	var reason trust.Reason
	var detail string
	for i, f := range found {
		statuses[i] = f.RevocationStatus
		if r, d := p.judge(f, now); r == trust.Revoked || reason == "" {
			reason, detail = cmp.Or(r, reason), cmp.Or(d, detail)
		}
		if end, runs := p.graceOf(f); runs && (v.GraceUntil.IsZero() || end.Before(v.GraceUntil)) {
			v.GraceUntil = end
		}
	}
	worst := trust.WorstRevocation(statuses)
	v.Revocation = worst.State
	if reason != trust.Revoked {
		v.Pending = pending(found)
	}
	if reason != "" {
		return trust.Verdict{Reason: reason, Detail: detail, Revocation: v.Revocation, Pending: v.Pending}
	}
	if worst.State == trust.RevocationGood && !worst.Until.IsZero() && worst.Until.Before(v.Until) {
		v.Until = worst.Until
	}
	return v
}

// graceOf is the end of the grace that a finding has, if it is one of those that have.
func (p Policy) graceOf(f finding) (end time.Time, runs bool) {
	switch f.State {
	case trust.RevocationGood, trust.RevocationRevoked, trust.RevocationNoMechanism:
		return end, false
	}
	return f.since.Add(p.Grace), p.Unknown == Grace && !f.since.IsZero()
}

// judge says what follows from the state of one certificate.
func (p Policy) judge(f finding, now time.Time) (trust.Reason, string) {
	switch f.State {
	case trust.RevocationGood:
		return "", ""
	case trust.RevocationRevoked:
		return trust.Revoked, f.Detail
	case trust.RevocationNoMechanism:
		if p.NoMechanism == Allow {
			return "", ""
		}
		return trust.RevocationUnknown, f.Detail
	}
	switch {
	case p.Unknown == Allow:
		return "", ""
	case p.Unknown == Grace && !f.since.IsZero() && !now.After(f.since.Add(p.Grace)): // graceOf
		return "", ""
	case p.Unknown == Grace:
		return trust.RevocationUnknown, fmt.Sprintf("%s; the grace period ended on %s", f.Detail, f.since.Add(p.Grace).UTC().Format("2006-01-02 15:04 UTC"))
	}
	return trust.RevocationUnknown, f.Detail
}
