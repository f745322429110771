// Package harvest learns certificates from signed mail, and serves what was
// learnt as a source (invariant 7).
//
// A bag of certificates in a message is not signed: anybody can put anything
// into it. So nothing is taken but from a message whose author was
// authenticated, and besides the certificate that signed it only what that
// signature names, or what plainly belongs to the same person.
package harvest

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/trust"
)

// Source is how a harvested certificate is marked where it is kept.
const Source = "harvest"

// maxPerAddress bounds how many certificates that can be used are kept for one
// address. More are not learnt.
const maxPerAddress = 16

// Shelf is where certificates are kept.
type Shelf interface {
	// Kept returns everything that is kept for these addresses.
	Kept(ctx context.Context, addresses []string) ([]directory.Kept, error)
	// Forgotten returns the fingerprints of certificates that mail of an address is not to teach again, because a
	// listmaster said so.
	Forgotten(ctx context.Context, address string) ([]string, error)
}

// Harvest is the source of kept certificates, and what adds to them. It is safe
// for concurrent use.
type Harvest struct {
	name     string
	shelf    Shelf
	imported bool // only what a listmaster imported is served
}

// New returns a source of that name over a shelf. It serves what was harvested
// and what a listmaster imported.
func New(name string, shelf Shelf) *Harvest { return &Harvest{name: name, shelf: shelf} }

// Imported is the same source without what was harvested, for a site that does
// not harvest (any more).
func (h *Harvest) Imported() *Harvest { return &Harvest{name: h.name, shelf: h.shelf, imported: true} }

// Name returns the source's name.
func (h *Harvest) Name() string { return h.name }

// Lookup returns what is kept for each address. That the shelf cannot be asked
// is an outage.
func (h *Harvest) Lookup(ctx context.Context, addresses []string) []directory.Answer {
	start := time.Now()
	kept, err := h.shelf.Kept(ctx, addresses)
	if err != nil {
		return directory.Fail(addresses, fmt.Errorf("reading kept certificates: %w", err))
	}
	by := map[string][]directory.Kept{}
	for _, k := range kept {
		if h.imported && k.Source == Source {
			continue
		}
		key := directory.Normalise(k.Address)
		by[key] = append(by[key], k)
	}
	took := time.Since(start)
	answers := make([]directory.Answer, len(addresses))
	for i, address := range addresses {
		a := directory.Answer{Address: address, Took: took}
		for _, k := range by[directory.Normalise(address)] {
			a.Candidates = append(a.Candidates, directory.Candidate{
				Certificate:  k.Certificate,
				Capabilities: k.Capabilities,
				Origin:       directory.Origin{Source: h.name, Entry: k.MessageID, Seen: k.Seen},
			})
			a.Helpers = append(a.Helpers, k.Chain...)
		}
		if len(a.Candidates) == 0 {
			a.Err = directory.ErrNotFound
		}
		answers[i] = a
	}
	return answers
}

// Learnt is a certificate that a message taught.
type Learnt struct {
	directory.Kept
	Parsed *x509.Certificate
	New    bool // it was not kept before: the person is to be told
}

// Mail is an opened message with the verdict on its author.
type Mail struct {
	Message   *smime.Message
	Author    smime.Authentication
	MessageID string
	Received  time.Time
}

// Learn returns the certificates that an authenticated message teaches about
// its author, to be kept by the caller in the transaction that decides about
// the message. Only certificates that may be encrypted to are learnt; none is
// ever removed, so a mail signed by a key that only signs takes nothing away.
//
// If certificates are kept for the address, and none of them leads to the trust
// anchor that vouches for this signer, nothing is learnt: another CA does not
// take over a person silently, not even after they expired.
func (h *Harvest) Learn(ctx context.Context, mail Mail, judge smime.Judge) ([]Learnt, error) {
	signer := mail.Author.Signer
	if !mail.Author.Authenticated || signer == nil || !signer.Verdict.OK() {
		return nil, nil
	}
	kept, err := h.shelf.Kept(ctx, []string{mail.Author.Author})
	if err != nil {
		return nil, fmt.Errorf("reading kept certificates: %w", err)
	}
	forgotten, err := h.shelf.Forgotten(ctx, mail.Author.Author)
	if err != nil {
		return nil, fmt.Errorf("reading which certificates are to be forgotten: %w", err)
	}
	l := learner{mail: mail, judge: judge, bag: bag(mail.Message), anchor: anchor(signer.Verdict)}
	l.remember(kept)
	if l.otherAnchor && !l.sameAnchor {
		return nil, nil
	}
	var learnt []Learnt
	for _, cert := range l.candidates() {
		print := trust.Fingerprint(cert)
		if slices.Contains(forgotten, print) {
			continue
		}
		fresh := !l.held[print]
		if fresh && l.usableHeld >= maxPerAddress {
			continue
		}
		if fresh {
			l.held[print] = true
			l.usableHeld++
		}
		learnt = append(learnt, Learnt{Kept: l.kept(cert), Parsed: cert, New: fresh})
	}
	return learnt, nil
}

// learner is one message's lesson.
type learner struct {
	mail        Mail
	judge       smime.Judge
	bag         []*x509.Certificate
	anchor      string
	held        map[string]bool // fingerprints of all that is kept for the author
	usableHeld  int             // how many of these can be used now
	newest      time.Time       // latest notBefore among them
	sameAnchor  bool            // one of them leads to the signer's anchor
	otherAnchor bool            // one of them leads to another anchor
}

// remember takes in what is kept already. What has expired still says under
// which anchor the person was known: it is judged by its last moment, so that
// another CA need not but wait.
func (l *learner) remember(kept []directory.Kept) {
	l.held = map[string]bool{}
	for _, k := range kept {
		cert, err := x509.ParseCertificate(k.Certificate)
		if err != nil {
			continue
		}
		l.held[trust.Fingerprint(cert)] = true
		at := l.mail.Received
		if at.After(cert.NotAfter) {
			at = cert.NotAfter
		}
		v := l.judge.Judge(cert, trust.Encryption, at, append(parse(k.Chain), l.bag...))
		if !v.OK() {
			continue
		}
		if anchor(v) == l.anchor {
			l.sameAnchor = true
		} else {
			l.otherAnchor = true
		}
		if at.Equal(l.mail.Received) {
			l.usableHeld++
		}
		if cert.NotBefore.After(l.newest) {
			l.newest = cert.NotBefore
		}
	}
}

// candidates are the certificates that this message may teach: the signer's
// own, and the one that its SMIMEEncryptionKeyPreference names (RFC 8551
// section 2.5.3); without that attribute, those of the bag that are the same
// person's and not older than what is kept.
func (l *learner) candidates() []*x509.Certificate {
	signer := l.mail.Author.Signer
	var out []*x509.Certificate
	if l.usable(signer.Certificate) {
		out = append(out, signer.Certificate)
	}
	for _, cert := range l.bag {
		switch preferred := signer.EncryptionKeyPreference; {
		case cert.Equal(signer.Certificate) || !trust.Names(cert, l.mail.Author.Author):
			continue
		case preferred != nil && !preferred.Matches(cert):
			continue
		case preferred == nil && cert.NotBefore.Before(l.newest):
			continue
		}
		// Last, because it is the costly one.
		if l.usable(cert) {
			out = append(out, cert)
		}
	}
	return out
}

// usable tells whether a certificate may be encrypted to, under the anchor that
// vouches for the signer.
func (l *learner) usable(cert *x509.Certificate) bool {
	v := l.judge.Judge(cert, trust.Encryption, l.mail.Received, l.bag)
	return v.OK() && anchor(v) == l.anchor
}

func (l *learner) kept(cert *x509.Certificate) directory.Kept {
	v := l.judge.Judge(cert, trust.Encryption, l.mail.Received, l.bag)
	var chain [][]byte
	for i, c := range v.Path {
		if i > 0 && i < len(v.Path)-1 {
			chain = append(chain, c.Raw)
		}
	}
	return directory.Kept{
		Address: l.mail.Author.Author, Certificate: cert.Raw, Chain: chain, Source: Source,
		MessageID: l.mail.MessageID, Signer: trust.Fingerprint(l.mail.Author.Signer.Certificate),
		Capabilities: l.mail.Author.Signer.Capabilities, CapabilitiesAt: signedAt(l.mail), Seen: l.mail.Received,
	}
}

// signedAt is when a mail was signed: what its signature says, else when it came.
func signedAt(m Mail) time.Time {
	if at := m.Author.Signer.SigningTime; !at.IsZero() && at.Before(m.Received) {
		return at
	}
	return m.Received
}

// anchor names the trust anchor of a path.
func anchor(v trust.Verdict) string { return trust.Fingerprint(v.Path[len(v.Path)-1]) }

// bag gathers the certificates of all layers that count.
func bag(m *smime.Message) []*x509.Certificate {
	var all []*x509.Certificate
	for _, l := range m.Layers {
		if l.Counts {
			all = append(all, l.Certificates...)
		}
	}
	return all
}

func parse(ders [][]byte) []*x509.Certificate {
	var certs []*x509.Certificate
	for _, der := range ders {
		if c, err := x509.ParseCertificate(der); err == nil {
			certs = append(certs, c)
		}
	}
	return certs
}
