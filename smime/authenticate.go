package smime

import (
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/trust"
)

// Judge says whether a certificate is good for a use at a time; *trust.Policy is one. extra are certificates that came along and may
// help to build a path.
type Judge interface {
	Judge(cert *x509.Certificate, use trust.Use, at time.Time, extra []*x509.Certificate) trust.Verdict
}

// listTaker is a [Judge] that also takes the CRLs in a message, which RFC 8550 section 4.1 wants recognised.
type listTaker interface {
	JudgeWithCRLs(cert *x509.Certificate, use trust.Use, at time.Time, extra []*x509.Certificate, crls [][]byte) trust.Verdict
}

// Claim is what a message is judged against.
type Claim struct {
	// Received is the time of receipt, at which paths must be valid. A signer's own signingTime is never used for that.
	Received time.Time
	// MaxSigningAge is how old a signingTime may be; 0 means that signing times are not judged at all.
	MaxSigningAge time.Duration
	// Bound tells whether a signer's certificate, which names no address at all, is pinned to this one or bound to it by a directory
	// entry; nil means that none is. The signer's Verdict is set: a stranger's certificate is worth no question to a directory.
	Bound func(s *Signer, address string) bool
	// Rcpt are the addresses that stand for the list: where header protection covers To or Cc, one of them must be there. Without
	// any this is not judged.
	Rcpt []string
}

// MaxSigningAhead is how far a signer's clock may be ahead (invariant 4 (f)).
const MaxSigningAhead = time.Hour

// The sources of From: the header of the message, or that which header protection covers.
const (
	FromOuter     = "outer"
	FromProtected = "protected"
)

// Authentication is the verdict of invariant 4 (a)-(f).
type Authentication struct {
	// Authenticated tells that Author wrote the message.
	Authenticated bool
	// Reason is why not; empty exactly if Authenticated.
	Reason trust.Reason
	// From holds the addresses of all From fields of FromSource; a message that can be authenticated has exactly one. A protected
	// From that the outer one does not repeat may be a secret: it is for [Inspect], not for a log (invariant 1).
	From []string
	// FromSource is [FromProtected] where the message has header protection, else [FromOuter].
	FromSource string
	// Author is the address of invariant 4 (d): the From where it is one field with one address, and where that is protected the
	// outer From is the same address; else empty. Without Authenticated it is a mere claim.
	Author string
	// Signer is who earned it; nil unless Authenticated. It points into the message's layers.
	Signer *Signer

	// Addressed tells that the author protected To or Cc, and one of them names an address of [Claim.Rcpt]. False unless Authenticated.
	Addressed bool

	signed entity.Header // the protected fields that Signer vouches for
}

// Vouched returns the value of a header field that the author vouches for (invariant 5; RFC 9788 section 4.8.1: automated systems
// rely on protected fields only). It is false unless the message is authenticated and protects exactly one field of that name. The
// value may be a secret; it never leaves in clear (invariant 1).
func (a Authentication) Vouched(name string) (string, bool) {
	fields := a.signed.All(name)
	if !a.Authenticated || len(fields) != 1 {
		return "", false
	}
	return fields[0].Value(), true
}

// Authenticate judges the certificates of all signers of a message, writing each verdict into its [Signer], and says whether the
// message earned an author (invariant 4 without replay):
//
//   - only layers of the unbroken run count;
//   - no SignerInfo of a supported algorithm in it may fail. Unsupported ones are passed over (RFC 5652 section 5.1), and so are those
//     whose algorithm policy calls weak, as long as another one remains;
//   - a SignerInfo names the author only if no encryption is beneath it (RFC 8551 section 3.7);
//   - there is one From field with one address, protected where the message has header protection and then the same address outside;
//     the signer's certificate names it, or names none and is bound to it ([Claim.Bound]);
//   - the certificate is good for signing at receipt, and the signing time plausible;
//   - a protected To or Cc names one of [Claim.Rcpt].
func Authenticate(m *Message, j Judge, c Claim) Authentication {
	a := Authentication{FromSource: FromOuter}
	a.From, a.Author = from(m.Outer.Header())
	if m.Protection.Kind() != NoHeaderProtection {
		outer := a.Author
		a.FromSource = FromProtected
		if a.From, a.Author = from(m.Protection.fields); !trust.EqualAddress(a.Author, outer) {
			a.Author = ""
		}
	}
	judgeSigners(m, j, c.Received)

	candidates, reason := m.candidates()
	switch {
	case reason != "":
		a.Reason = reason
	case m.Protection.Err != nil:
		a.Reason = reasonOf(m.Protection.Err)
	case a.Author == "":
		a.Reason = trust.FromAmbiguous
	default:
		a.Signer, a.Reason = author(candidates, a.Author, c)
	}
	if a.Reason == "" && !addressed(m.Protection.fields, c.Rcpt) {
		a.Signer, a.Reason = nil, trust.NotAddressed
	}
	if a.Authenticated = a.Reason == ""; a.Authenticated {
		a.Addressed = len(c.Rcpt) > 0 && len(m.Protection.fields.All("To"))+len(m.Protection.fields.All("Cc")) > 0
		a.signed = m.Protection.fields
	}
	return a
}

// addressed tells whether a To or Cc among the protected fields names one of the addresses that stand for the list. Where neither is
// protected, or nothing stands for the list, there is nothing to compare. A field that is no clear list of addresses names nobody.
func addressed(protected entity.Header, rcpt []string) bool {
	fields := append(protected.All("To"), protected.All("Cc")...)
	if len(fields) == 0 || len(rcpt) == 0 {
		return true
	}
	for _, f := range fields {
		addrs, err := entity.Addresses(f.Value())
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if slices.ContainsFunc(rcpt, func(r string) bool { return trust.EqualAddress(a, r) }) {
				return true
			}
		}
	}
	return false
}

// from returns the addresses of all From fields and, if there is one field with one address, that address.
func from(h entity.Header) (all []string, one string) {
	fields := h.All("From")
	clear := len(fields) == 1
	for _, f := range fields {
		addrs, err := entity.Addresses(f.Value())
		clear = clear && err == nil
		all = append(all, addrs...)
	}
	if clear && len(all) == 1 {
		one = all[0]
	}
	return all, one
}

// judgeSigners asks for every signer whose certificate is known, with all certificates of the message as helpers.
func judgeSigners(m *Message, j Judge, at time.Time) {
	var extra []*x509.Certificate
	var crls [][]byte
	for _, l := range m.Layers {
		extra, crls = append(extra, l.Certificates...), append(crls, l.CRLs...)
	}
	judge := func(cert *x509.Certificate) trust.Verdict { return j.Judge(cert, trust.Signing, at, extra) }
	if taker, ok := j.(listTaker); ok && len(crls) > 0 {
		judge = func(cert *x509.Certificate) trust.Verdict {
			return taker.JudgeWithCRLs(cert, trust.Signing, at, extra, crls)
		}
	}
	for i := range m.Layers {
		for k := range m.Layers[i].Signers {
			if s := &m.Layers[i].Signers[k]; s.Certificate != nil {
				s.Verdict, s.Judged = judge(s.Certificate), true
			}
		}
	}
}

// candidates returns the signers who may name the author, the innermost first, or the reason why nobody can.
func (m *Message) candidates() ([]*Signer, trust.Reason) {
	if m.Err != nil && !errors.Is(m.Err, ErrDecrypt) {
		return nil, reasonOf(m.Err)
	}
	var good []*Signer
	var weak, around, aside bool
	for i := range m.Layers {
		l := &m.Layers[i]
		switch {
		case !l.Counts:
			aside = aside || l.Type == Signed
			continue
		case l.encrypted():
			around = around || weak || len(good) > 0
			good, weak = nil, false // they signed a ciphertext
			continue
		case l.Err != nil:
			return nil, reasonOf(l.Err)
		}
		var here []*Signer
		for k := range l.Signers {
			s := &l.Signers[k]
			switch {
			case s.Err == nil:
				here = append(here, s)
			case errors.Is(s.Err, cms.ErrWeakAlgorithm):
				weak = true
			case errors.Is(s.Err, cms.ErrUnsupportedAlgorithm):
			default:
				return nil, reasonOf(s.Err)
			}
		}
		good = append(here, good...)
	}
	switch {
	case m.Err == nil && len(good) > 0:
		return good, ""
	case weak:
		return nil, trust.WeakAlgorithm
	case around:
		return nil, trust.SignedOutsideEncryption
	case aside:
		return nil, trust.NotOutermost
	}
	return nil, trust.Unsigned
}

// author returns the first candidate who is the From address, trusted and timely, or the reason of the one who came nearest.
func author(candidates []*Signer, address string, c Claim) (*Signer, trust.Reason) {
	reason, nearest := trust.Unsigned, -1
	miss := func(step int, r trust.Reason) {
		if step > nearest {
			nearest, reason = step, r
		}
	}
	for _, s := range candidates {
		switch {
		case len(trust.Addresses(s.Certificate)) == 0:
			if c.Bound == nil || !c.Bound(s, address) {
				miss(0, trust.NoAddress)
				continue
			}
		case !trust.Names(s.Certificate, address):
			miss(0, trust.AddressMismatch)
			continue
		}
		switch {
		case !s.Verdict.OK():
			miss(1, s.Verdict.Reason)
		case !timely(s.SigningTime, c):
			miss(2, trust.SigningTime)
		default:
			return s, ""
		}
	}
	return nil, reason
}

// timely is invariant 4 (f). A signature without signingTime is timely.
func timely(signed time.Time, c Claim) bool {
	if c.MaxSigningAge == 0 || signed.IsZero() {
		return true
	}
	return !signed.After(c.Received.Add(MaxSigningAhead)) && !signed.Before(c.Received.Add(-c.MaxSigningAge))
}

// reasonOf is the one table from errors to reason words.
func reasonOf(err error) trust.Reason {
	for _, r := range []struct {
		err    error
		reason trust.Reason
	}{
		{ErrTooLarge, trust.TooLarge},
		{cms.ErrTooLarge, trust.TooLarge},
		{ErrMalformed, trust.Malformed},
		{cms.ErrAltered, trust.Altered},
		{cms.ErrWeakAlgorithm, trust.WeakAlgorithm},
		{cms.ErrUnsupportedAlgorithm, trust.UnsupportedAlgorithm},
		{cms.ErrNoCertificate, trust.UnknownCA},
	} {
		if errors.Is(err, r.err) {
			return r.reason
		}
	}
	return trust.Malformed
}
