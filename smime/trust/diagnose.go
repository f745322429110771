package trust

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"time"
)

// Bounds of diagnose, which walks issuers again after crypto/x509 has found no path.
const (
	maxDiagnosedDepth      = 8
	maxDiagnosedSignatures = 32
)

// diagnose finds the reason for a path that crypto/x509 did not find or did not accept. Its error is about the last thing
// it tried, on a path that may lead nowhere. So the issuers are walked again: unknown_ca if no way leads to an anchor,
// else what is wrong on it. It refuses in any case; what it finds out is only which word to use.
func (p *Policy) diagnose(cert *x509.Certificate, at time.Time, extra []*x509.Certificate, err error) Verdict {
	d := diagnosis{policy: p, at: at, known: slices.Concat(p.anchors, p.intermediates, extra)}
	reached, v := d.walk([]*x509.Certificate{cert})
	switch {
	case v.Reason != "":
		return v
	case reached: // wrong by a rule that is not looked at here: name constraints, policies, a critical extension
		return refuse(BadPath, "%s: %v", describe(cert), err)
	}
	return refuse(UnknownCA, "%s: no path leads from its issuer %q to a trust anchor", describe(cert), cert.Issuer)
}

type diagnosis struct {
	policy     *Policy
	at         time.Time
	known      []*x509.Certificate
	signatures int
}

// walk looks for a way from the end of the path to an anchor, by names and signatures alone, and returns the first
// thing that is wrong on it. Where no way leads there, all it may say is that somebody has an anchor's name but not its
// key.
func (d *diagnosis) walk(path []*x509.Certificate) (reached bool, wrong Verdict) {
	child := path[len(path)-1]
	for _, issuer := range d.known {
		if !bytes.Equal(issuer.RawSubject, child.RawIssuer) || slices.ContainsFunc(path, issuer.Equal) || tooCostly(issuer) {
			continue
		}
		if d.signatures++; d.signatures > maxDiagnosedSignatures || len(path) > maxDiagnosedDepth {
			break
		}
		anchor := slices.ContainsFunc(d.policy.anchors, issuer.Equal)
		defect := d.defect(child, issuer, path, anchor)
		if defect.Detail == badSignature {
			if anchor && keyIdentifiersAgree(child, issuer) {
				wrong = refuse(BadPath, "%s names %q as its issuer, whose key did not sign it", describe(child), child.Issuer)
			}
			continue
		}
		above := Verdict{}
		if reached = anchor; !anchor {
			reached, above = d.walk(append(slices.Clone(path), issuer))
		}
		if reached && defect.Reason != "" {
			return true, defect
		}
		if reached {
			return true, above
		}
		if above.Reason != "" {
			wrong = above
		}
	}
	return false, wrong
}

const badSignature = "bad signature"

// defect says what is wrong with one step of a path, from a certificate to the one above it.
func (d *diagnosis) defect(child, issuer *x509.Certificate, path []*x509.Certificate, anchor bool) Verdict {
	err := child.CheckSignatureFrom(issuer)
	switch {
	case errors.As(err, new(x509.InsecureAlgorithmError)):
		return refuse(WeakAlgorithm, "%s is signed with %s", describe(child), child.SignatureAlgorithm)
	case errors.Is(err, x509.ErrUnsupportedAlgorithm):
		return refuse(UnsupportedAlgorithm, "%s is signed with an algorithm that is not supported", describe(child))
	case errors.As(err, new(x509.ConstraintViolationError)):
		return refuse(BadPath, "%s is signed by %s, which is no CA or may not sign certificates", describe(child), describe(issuer))
	case err != nil:
		return Verdict{Reason: BadPath, Detail: badSignature}
	}
	if v := dates(issuer, Signing, d.at); v.Reason != "" {
		return v
	}
	switch {
	case len(issuer.UnhandledCriticalExtensions) > 0:
		return refuse(BadPath, "%s has a critical extension that is not supported: %v", describe(issuer), issuer.UnhandledCriticalExtensions)
	case !anchor && !(issuer.BasicConstraintsValid && issuer.IsCA):
		return refuse(BadPath, "%s is signed by %s, which is no CA", describe(child), describe(issuer))
	case issuer.BasicConstraintsValid && issuer.MaxPathLen >= 0 && len(path)-1 > issuer.MaxPathLen:
		return refuse(BadPath, "%s allows fewer CAs below it than there are", describe(issuer))
	}
	return Verdict{}
}

// keyIdentifiersAgree says whether a certificate's authorityKeyIdentifier, if it has one, fits a CA of that name. If it
// does not, another CA of the same name is meant, which is not known here.
func keyIdentifiersAgree(child, issuer *x509.Certificate) bool {
	return len(child.AuthorityKeyId) == 0 || len(issuer.SubjectKeyId) == 0 || bytes.Equal(child.AuthorityKeyId, issuer.SubjectKeyId)
}
