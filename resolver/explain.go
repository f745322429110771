package resolver

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/trust"
)

// Explanation is what `listmaster cert explain ADDRESS` prints: every source asked, everything found, and the one rule
// that decided about each certificate.
type Explanation struct {
	Address string    `json:"address"`
	At      time.Time `json:"at"`
	Verdict string    `json:"verdict"` // usable, none, or delayed: as Resolve would have it
	Source  string    `json:"source,omitempty"`
	Detail  string    `json:"detail"` // the verdict in a sentence
	Sources []Asked   `json:"sources"`

	// Algorithms are those of the copy: of its content, and of the key for it.
	Algorithms string `json:"algorithms,omitempty"`
}

// The verdicts of an Explanation.
const (
	VerdictUsable  = "usable"  // a copy would be sealed
	VerdictNone    = "none"    // it would be withheld
	VerdictDelayed = "delayed" // it would wait
)

// Asked is what one source said.
type Asked struct {
	Name         string        `json:"name"`
	Outcome      string        `json:"outcome"` // found, not_found, not_served, outage
	Decides      bool          `json:"decides"` // Resolve stops here
	Server       string        `json:"server,omitempty"`
	Fetched      time.Time     `json:"fetched,omitzero"` // the answer is one that a cache took then
	Stale        string        `json:"stale,omitempty"`  // the outage for which an answer out of date stands in
	Filter       string        `json:"filter,omitempty"`
	Referrals    []string      `json:"referrals,omitempty"`
	Notes        []string      `json:"notes,omitempty"` // of the source: several entries, addresses that do not count
	Milliseconds float64       `json:"milliseconds"`
	Error        string        `json:"error,omitempty"`
	Certificates []Certificate `json:"certificates,omitempty"`
}

// Certificate is one thing a source has for the address.
type Certificate struct {
	Fingerprint string           `json:"fingerprint,omitempty"` // empty, as all down to addresses, if it cannot be read
	Subject     string           `json:"subject,omitempty"`
	Issuer      string           `json:"issuer,omitempty"`
	Serial      string           `json:"serial,omitempty"` // hexadecimal
	Key         string           `json:"key,omitempty"`    // "RSA 2048", "EC P-256", "X25519"
	NotBefore   time.Time        `json:"not_before,omitzero"`
	NotAfter    time.Time        `json:"not_after,omitzero"`
	Addresses   []string         `json:"addresses,omitempty"`
	Origin      directory.Origin `json:"origin"`
	Usable      bool             `json:"usable"`
	Used        bool             `json:"used"`
	Reason      trust.Reason     `json:"reason,omitempty"` // why it is not usable
	Detail      string           `json:"detail,omitempty"` // why it is not used

	// Revocation is what is known of it, and GraceUntil the end of the time for which it is used although nobody answers.
	Revocation trust.RevocationState `json:"revocation,omitempty"`
	GraceUntil time.Time             `json:"grace_until,omitzero"`

	DER []byte `json:"-"`

	keyType cms.KeyType
	late    bool // usable but for its dates
}

// Explain asks every source about an address, also those behind the one that decides. fresh has directories asked now,
// whatever caches keep of them.
func (r *Resolver) Explain(ctx context.Context, address string, fresh bool, allowed Allowances) Explanation {
	allowed.Expired = allowed.Expired && r.o.AllowExpired
	at := r.o.Clock()
	var since time.Time
	if fresh {
		since = at
	}
	e := r.explainSince(ctx, address, allowed, at, since)
	old := func(a Asked) bool { return !a.Fetched.IsZero() && a.Fetched.Before(at.Add(-recheckAfter)) }
	if e.Verdict == VerdictNone && slices.ContainsFunc(e.Sources, old) { // as Resolve does
		e = r.explainSince(ctx, address, allowed, at, at.Add(-recheckAfter))
	}
	return e
}

func (r *Resolver) explainSince(ctx context.Context, address string, allowed Allowances, at, since time.Time) Explanation {
	e := Explanation{Address: address, At: at, Verdict: VerdictNone, Detail: "no source has a usable certificate"}
	decided, late := false, -1
	for _, s := range r.sources {
		a := r.ask(ctx, s, []string{address}, since)[0]
		asked, found := r.explain(ctx, address, s.Name(), a, allowed, e.At, decided)
		if !decided {
			decided = e.decide(&asked, a, found)
		}
		e.Sources = append(e.Sources, asked)
		if late < 0 && len(found.expired) > 0 {
			late = len(e.Sources) - 1
		}
	}
	if !decided && late >= 0 {
		e.makeDo(late)
	}
	for _, a := range e.Sources {
		for _, c := range a.Certificates {
			if c.Used {
				e.Algorithms = algorithms(c.keyType)
			}
		}
	}
	return e
}

// makeDo takes what has expired, where nothing better was found and site and list allow it.
func (e *Explanation) makeDo(source int) {
	asked := &e.Sources[source]
	asked.Decides = true
	e.Verdict, e.Source = VerdictUsable, asked.Name
	e.Detail = "a copy is encrypted to a certificate that has expired, which site and list allow; there is no better one"
	for i, c := range asked.Certificates {
		if c.late {
			asked.Certificates[i].Used = true
			asked.Certificates[i].Detail += "; allow_expired takes it all the same"
		}
	}
}

// algorithms names how a copy is encrypted to a certificate with that kind of key.
func algorithms(t cms.KeyType) string {
	switch t {
	case cms.RSA:
		return "aes256-cbc, rsa-pkcs1"
	case cms.EC:
		return "aes256-cbc, ecdh-sha256kdf with aes256-wrap"
	case cms.X25519:
		return "aes256-cbc, x25519-hkdf-sha256 with aes256-wrap"
	}
	return ""
}

// decide does what Resolve does with one source's answer.
func (e *Explanation) decide(asked *Asked, a directory.Answer, found sifted) bool {
	switch {
	case a.Outage() != nil:
		e.Verdict = VerdictDelayed
		e.Detail = fmt.Sprintf("source %s cannot be asked, so a copy waits: %v", asked.Name, a.Err)
	case len(found.usable) > 0:
		e.Verdict, e.Source = VerdictUsable, asked.Name
		e.Detail = fmt.Sprintf("a copy is encrypted to what source %s has", asked.Name)
	case found.outage != nil:
		e.Verdict = VerdictDelayed
		e.Detail = "a copy waits: " + found.outage.Error()
	default:
		return false
	}
	asked.Decides = true
	return true
}

// JudgeAnswer tells what becomes of the certificates of one answer, as if its source were asked alone.
func (r *Resolver) JudgeAnswer(ctx context.Context, address string, a directory.Answer) []Certificate {
	asked, _ := r.explain(ctx, address, "", a, Allowances{}, r.o.Clock(), false)
	return asked.Certificates
}

// explain tells what one source has. behind says that an earlier source has decided.
func (r *Resolver) explain(ctx context.Context, address, source string, a directory.Answer, allowed Allowances, at time.Time, behind bool) (Asked, sifted) {
	asked := Asked{Name: source, Outcome: outcome(a), Server: a.Server, Filter: a.Filter, Referrals: a.Referrals, Notes: a.Notes,
		Fetched: a.Fetched, Milliseconds: float64(a.Took.Microseconds()) / 1000}
	if a.Stale != nil {
		asked.Stale = a.Stale.Error()
	}
	if err := a.Outage(); err != nil {
		asked.Error = err.Error()
	}
	found := r.siftPatiently(ctx, address, a, allowed, at)
	_, passed := r.choose(usables(found.usable))
	late := map[string]cms.KeyType{}
	taken, _ := r.choose(usables(found.expired))
	for _, u := range taken {
		late[u.Fingerprint] = u.KeyType
	}
	for _, u := range found.usable {
		c := show(u.certificate, u.Origin)
		c.keyType, c.Revocation, c.GraceUntil = u.KeyType, u.revocation, u.grace
		c.Usable, c.Detail = true, passed[u.Fingerprint]
		switch {
		case behind:
			c.Detail = "usable, but an earlier source decides"
		case a.Outage() != nil:
			c.Detail = "usable, but the source's answer is not complete"
		default:
			c.Used = c.Detail == ""
		}
		asked.Certificates = append(asked.Certificates, c)
	}
	for _, no := range found.refused {
		c := show(no.Certificate, no.Origin)
		c.Reason, c.Detail = no.Reason, no.Detail
		c.keyType, c.late = late[no.Fingerprint]
		asked.Certificates = append(asked.Certificates, c)
	}
	slices.SortStableFunc(asked.Certificates, func(a, b Certificate) int { return b.NotBefore.Compare(a.NotBefore) })
	return asked, found
}

func outcome(a directory.Answer) string {
	switch {
	case errors.Is(a.Err, directory.ErrNotSource):
		return "not_served"
	case errors.Is(a.Err, directory.ErrNotFound):
		return "not_found"
	case a.Err != nil:
		return "outage"
	}
	return "found"
}

func show(cert *x509.Certificate, origin directory.Origin) Certificate {
	if cert == nil {
		return Certificate{Origin: origin}
	}
	return Certificate{
		Fingerprint: trust.Fingerprint(cert), Subject: cert.Subject.String(), Issuer: cert.Issuer.String(),
		Serial: fmt.Sprintf("%x", cert.SerialNumber), Key: trust.KeyName(cert), NotBefore: cert.NotBefore, NotAfter: cert.NotAfter,
		Addresses: trust.Addresses(cert), Origin: origin, DER: cert.Raw,
	}
}
