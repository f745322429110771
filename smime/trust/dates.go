package trust

import (
	"crypto/x509"
	"time"
)

// dates holds a certificate to its validity period, both ends included (RFC 5280 section 4.1.2.5). The two ways to be
// outside have a reason each, because what helps differs: wait, or get a new one.
func dates(cert *x509.Certificate, _ Use, at time.Time) Verdict {
	switch {
	case at.Before(cert.NotBefore):
		return refuse(NotYetValid, "%s is valid only from %s", describe(cert), day(cert.NotBefore))
	case at.After(cert.NotAfter):
		return refuse(Expired, "%s expired on %s", describe(cert), day(cert.NotAfter))
	}
	return Verdict{}
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
