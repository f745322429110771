package resolver

import (
	"cmp"
	"crypto/x509"
	"slices"
	"strings"
	"time"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/trust"
)

// maxCertificateOctets bounds one certificate; one of a person has 1 to 3 KB.
const maxCertificateOctets = 64 << 10

// sifted is what became of what a source has for an address.
type sifted struct {
	usable  []judged
	expired []judged // usable but for their dates; only where that is allowed
	refused []Refusal
	outage  error           // one is refused only because nobody answers whether it has been revoked
	pending <-chan struct{} // closed when it is worth judging again
}

// judged is a certificate that may be used, and how long that is known to hold.
type judged struct {
	Usable
	certificate *x509.Certificate
	revocation  trust.RevocationState
	until       time.Time
	grace       time.Time
}

func usables(all []judged) []Usable {
	out := make([]Usable, len(all))
	for i, j := range all {
		out[i] = j.Usable
	}
	return out
}

// sift judges what a source has for an address. The same certificate found twice is judged once. Neither list depends on
// the order in which the source gave them.
func (r *Resolver) sift(address string, a directory.Answer, allowed Allowances, at time.Time) (s sifted) {
	helpers := parseHelpers(a.Helpers)
	for _, c := range distinct(a.Candidates) {
		u, no, v := r.judgeOne(address, c, helpers, at)
		if v.Pending != nil {
			s.pending = v.Pending
		}
		if undecided(v) && s.outage == nil {
			s.outage = outage(address, no.Fingerprint, v)
		}
		switch {
		case no.Reason == "":
			s.usable = append(s.usable, u)
			continue
		case no.Reason == trust.Expired && allowed.Expired:
			if late, bad, _ := r.judgeOne(address, c, helpers, no.Certificate.NotAfter); bad.Reason == "" {
				late.Expired = true
				s.expired = append(s.expired, late)
			}
		}
		s.refused = append(s.refused, no)
	}
	for _, u := range a.Unreadable {
		no := Refusal{Origin: u.Origin, Reason: trust.Reason(u.Reason), Detail: u.Detail}
		if cert, err := x509.ParseCertificate(u.Certificate); err == nil {
			no.Certificate, no.Fingerprint = cert, trust.Fingerprint(cert)
		}
		s.refused = append(s.refused, no)
	}
	slices.SortFunc(s.usable, newestFirst)
	slices.SortFunc(s.expired, newestFirst)
	slices.SortFunc(s.refused, func(a, b Refusal) int {
		return cmp.Or(
			cmp.Compare(boolInt(a.Certificate == nil), boolInt(b.Certificate == nil)),
			cmp.Compare(a.Fingerprint, b.Fingerprint), compareOrigins(a.Origin, b.Origin), cmp.Compare(a.Detail, b.Detail))
	})
	return s
}

// judgeOne says of one certificate either how it is used or why not.
func (r *Resolver) judgeOne(address string, c directory.Candidate, helpers []*x509.Certificate, at time.Time) (judged, Refusal, trust.Verdict) {
	if len(c.Certificate) > maxCertificateOctets {
		return judged{}, Refusal{Origin: c.Origin, Reason: trust.TooLarge, Detail: "the certificate has more than 64 KB"}, trust.Verdict{}
	}
	cert, err := x509.ParseCertificate(c.Certificate)
	if err != nil {
		return judged{}, Refusal{Origin: c.Origin, Reason: trust.ReasonUnparsed(err), Detail: err.Error()}, trust.Verdict{}
	}
	var v trust.Verdict
	no := func(reason trust.Reason, detail string) (judged, Refusal, trust.Verdict) {
		return judged{}, Refusal{Certificate: cert, Fingerprint: trust.Fingerprint(cert), Origin: c.Origin, Reason: reason, Detail: detail}, v
	}
	if reason, detail := belongs(cert, address, c); reason != "" {
		return no(reason, detail)
	}
	if v = r.judge.Judge(cert, trust.Encryption, at, helpers); !v.OK() {
		return no(cmp.Or(v.Reason, trust.UnknownCA), v.Detail)
	}
	recipient, err := cms.NewRecipient(cert, r.o.Recipients)
	if err != nil {
		return no(trust.UnsupportedAlgorithm, err.Error())
	}
	u := Usable{Fingerprint: trust.Fingerprint(cert), Origin: c.Origin, Recipient: recipient, KeyType: recipient.KeyType(),
		NotBefore: cert.NotBefore, NotAfter: cert.NotAfter}
	j := judged{Usable: u, certificate: cert, revocation: v.Revocation, until: v.Until, grace: v.GraceUntil}
	if v.Pending != nil {
		j.until = time.Time{} // it may become another one at any moment
	}
	return j, Refusal{}, v
}

// belongs says why a certificate is not this address's: RFC 8550 section 3 lets it be found by any address it names. One
// that names none belongs to whom the directory entry or a listmaster says.
func belongs(cert *x509.Certificate, address string, c directory.Candidate) (trust.Reason, string) {
	named := trust.Addresses(cert)
	switch {
	case c.ForDomain:
		return "", ""
	case len(named) == 0 && (c.Pinned || c.Origin.BoundByEntry):
		return "", ""
	case len(named) == 0:
		return trust.NoAddress, "it names no e-mail address, and neither the directory (address_match: entry) nor a pin ties it to " + address
	case !trust.Names(cert, strings.TrimSpace(address)) && !slices.ContainsFunc(c.Aliases, func(alias string) bool { return trust.Names(cert, alias) }):
		return trust.AddressMismatch, "it is for " + strings.Join(named, ", ") + ", not for " + address
	}
	return "", ""
}

// distinct gives each certificate once, in an order of its own. Of several origins one that binds it to the address
// comes first, so that finding it in one more place never takes it away.
func distinct(candidates []directory.Candidate) []directory.Candidate {
	sorted := slices.Clone(candidates)
	slices.SortStableFunc(sorted, func(a, b directory.Candidate) int {
		return cmp.Or(
			slices.Compare(a.Certificate, b.Certificate),
			-cmp.Compare(ties(a), ties(b)),
			compareOrigins(a.Origin, b.Origin))
	})
	return slices.CompactFunc(sorted, func(a, b directory.Candidate) bool { return slices.Equal(a.Certificate, b.Certificate) })
}

// ties counts how a candidate is tied to the address beside what the certificate names.
func ties(c directory.Candidate) int {
	return boolInt(c.Pinned || c.Origin.BoundByEntry) + boolInt(c.ForDomain) + boolInt(len(c.Aliases) > 0)
}

func compareOrigins(a, b directory.Origin) int {
	return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Entry, b.Entry), cmp.Compare(a.Attribute, b.Attribute),
		cmp.Compare(a.Server, b.Server), a.Seen.Compare(b.Seen))
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func parseHelpers(ders [][]byte) []*x509.Certificate {
	var helpers []*x509.Certificate
	for _, der := range ders {
		if len(der) > maxCertificateOctets {
			continue
		}
		if cert, err := x509.ParseCertificate(der); err == nil {
			helpers = append(helpers, cert)
		}
	}
	return helpers
}
