package smime

import (
	"cmp"
	"crypto/x509"
	"time"

	"github.com/sealist/sealist/smime/trust"
)

// The choices of [InspectOptions].Revocation.
const (
	RevocationOff     = "off"     // nothing is asked: every signer is "unchecked"
	RevocationKnown   = "known"   // the default: a certificate that a list at hand has as revoked does not count
	RevocationRequire = "require" // every certificate of the path must be known to be good
)

// listJudge judges paths by a policy, and revocation by the lists at hand.
type listJudge struct {
	policy *trust.Policy
	mode   string
	lists  []*trust.CRL
}

// maxMessageLists bounds the lists of one message that are read (invariant 9); their octets have been bounded with it.
const maxMessageLists = 64

// newListJudge reads the lists of the options and of the message. One that cannot be read says nothing.
func newListJudge(policy *trust.Policy, m *Message, o InspectOptions) *listJudge {
	j := &listJudge{policy: policy, mode: cmp.Or(o.Revocation, RevocationKnown)}
	if j.mode == RevocationOff {
		return j
	}
	ders := o.CRLs[:len(o.CRLs):len(o.CRLs)]
	for _, l := range m.Layers {
		ders = append(ders, l.CRLs[:min(len(l.CRLs), max(0, maxMessageLists+len(o.CRLs)-len(ders)))]...)
	}
	for _, der := range ders {
		if list, err := trust.ParseCRL(der); err == nil {
			j.lists = append(j.lists, list)
		}
	}
	return j
}

func (j *listJudge) Judge(cert *x509.Certificate, use trust.Use, at time.Time, extra []*x509.Certificate) trust.Verdict {
	v := j.policy.Judge(cert, use, at, extra)
	if !v.OK() || j.mode == RevocationOff {
		return v
	}
	statuses := j.policy.RevocationFromCRLs(v.Path, j.lists, at, extra, trust.RevocationLimits{})
	if len(statuses) > 0 { // a trust anchor is not asked about
		v.Revocation = trust.WorstRevocation(statuses).State
	}
	switch {
	case v.Revocation == trust.RevocationRevoked:
		return trust.Verdict{Reason: trust.Revoked, Detail: trust.WorstRevocation(statuses).Detail, Revocation: v.Revocation}
	case j.mode == RevocationRequire && v.Revocation != trust.RevocationGood:
		return trust.Verdict{Reason: trust.RevocationUnknown, Detail: trust.WorstRevocation(statuses).Detail, Revocation: v.Revocation}
	}
	return v
}
