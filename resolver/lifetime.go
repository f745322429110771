package resolver

import (
	"context"
	"crypto/x509"
	"time"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/smime/trust"
)

// Lifetime is a certificate that may be used for an address within its own dates.
type Lifetime struct {
	Certificate *x509.Certificate
	Fingerprint string // trust.Fingerprint
	Origin      directory.Origin
}

// Lifetimes returns the certificates of one answer that may be encrypted to for an address but for their dates: each is
// judged now or, if it is not valid now, at the moment of its validity that is nearest. One that nobody answers for
// whether it has been revoked is among them: it is in use as soon as somebody does.
func (r *Resolver) Lifetimes(ctx context.Context, address string, a directory.Answer) []Lifetime {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	helpers := parseHelpers(a.Helpers)
	var all []Lifetime
	for _, c := range distinct(a.Candidates) {
		cert, err := x509.ParseCertificate(c.Certificate)
		if err != nil {
			continue
		}
		at := within(cert, r.o.Clock())
		_, no, v := r.judgeOne(address, c, helpers, at)
		for v.Pending != nil && ctx.Err() == nil {
			select {
			case <-v.Pending:
			case <-ctx.Done():
			}
			_, no, v = r.judgeOne(address, c, helpers, at)
		}
		if no.Reason == "" || no.Reason == trust.RevocationUnknown {
			all = append(all, Lifetime{Certificate: cert, Fingerprint: trust.Fingerprint(cert), Origin: c.Origin})
		}
	}
	return all
}

// within is the moment nearest to at in which a certificate is valid.
func within(cert *x509.Certificate, at time.Time) time.Time {
	switch {
	case at.Before(cert.NotBefore):
		return cert.NotBefore
	case at.After(cert.NotAfter):
		return cert.NotAfter
	}
	return at
}
