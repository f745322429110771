package smime

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
)

// Why a mail list agent does not expand a message.
var (
	// ErrLoop: the history of the message names this list (RFC 2634 section 4.1.1).
	ErrLoop = errors.New("the message has been through this list before")
	// ErrHistory: a history is unreadable, too long, not in order, not the same everywhere, or not signed by who would have written it.
	ErrHistory = errors.New("the mail list expansion history does not hold")
	// ErrLabel: the message has a security label, and the list does not carry any.
	ErrLabel = errors.New("the message has a security label")
	// ErrLayer: a signature that the agent has to rely on is broken, or nobody we trust made it.
	ErrLayer = errors.New("a signature on the message cannot be relied on")
)

// ExpandOptions is what a mail list agent knows when it expands a message.
type ExpandOptions struct {
	// Own are all certificates of the list: each is its mailListIdentifier.
	Own []*x509.Certificate
	// CarryLabels lets messages with an eSSSecurityLabel pass. The list's members are then taken to be cleared for all of them.
	CarryLabels bool
	// Author is the signer who earned the message its author, nil: none. His signature is never taken off.
	Author *Signer
	// Decided tells that the message was judged before: signers need not have a verdict.
	Decided bool
}

// Expansion is what a mail list agent makes of one message: what goes under its signature, and with which signed attributes.
type Expansion struct {
	// Content is what is signed where the message did not arrive encrypted: what it was, without the layers that are replaced. Nil
	// if it did; then each copy of [Message.Payload], sealed anew, is signed.
	Content *entity.Entity

	attributes cms.ListAttributes // of the layer that is replaced
}

// Expand looks for the "outer" SignedData of a message (RFC 2634 section 4.2: the first from the outside that has an
// mlExpansionHistory or holds the encryption) and says what takes its place. All signed layers are looked at for a loop and for
// security labels. [Authenticate] must have judged the signers, unless o.Decided.
//
// It is stricter than the RFC where that leaves a choice: a history or label in a signature that does not hold, or whose signer is
// not trusted, stops the message even if another signature beside it would do; the last entry must be of the one who signed; times
// may not run backwards; and a history on the author's own signature, which would have to be taken off, is refused.
func Expand(m *Message, o ExpandOptions) (Expansion, error) {
	x := Expansion{}
	replaced := -1
	sealed := slices.IndexFunc(m.Layers, func(l Layer) bool { return l.Counts && l.encrypted() })
	for i := range m.Layers {
		l := &m.Layers[i]
		if !l.Counts || l.Type != Signed {
			continue
		}
		attributes, err := l.listAttributes(o)
		if err != nil {
			return Expansion{}, err
		}
		outer := attributes.History != nil || holdsEncryption(m.Layers[i+1:])
		if replaced >= 0 || !outer || sealed >= 0 && i > sealed {
			continue
		}
		replaced = i
		x.Content, x.attributes = l.inner, attributes
		if !slices.ContainsFunc(l.Signers, func(s Signer) bool { return o.relies(&s) }) {
			return Expansion{}, fmt.Errorf("%w: the outer one", ErrLayer)
		}
		if o.Author != nil && sealed < 0 && slices.ContainsFunc(m.Layers[:i+1], func(l Layer) bool { return l.has(o.Author) }) {
			return Expansion{}, fmt.Errorf("%w: it is the author's own", ErrHistory)
		}
	}
	switch {
	case sealed >= 0:
		x.Content = nil
	case replaced < 0:
		var err error
		if x.Content, err = withoutMailFields(m.Outer); err != nil {
			return Expansion{}, err
		}
	}
	return x, nil
}

// holdsEncryption tells whether the layers begin with an encryption, compression aside.
func holdsEncryption(layers []Layer) bool {
	for _, l := range layers {
		if l.Type != Compressed {
			return l.Counts && l.encrypted()
		}
	}
	return false
}

// has tells whether a signer is one of the layer's.
func (l Layer) has(s *Signer) bool {
	for i := range l.Signers {
		if &l.Signers[i] == s {
			return true
		}
	}
	return false
}

// relies tells whether what a signer signed may be used.
func (o ExpandOptions) relies(s *Signer) bool {
	return s.Err == nil && (o.Decided || s.Judged && s.Verdict.OK())
}

// listAttributes reads what the signatures of one layer say to a mail list agent: those of the first that has a history, else of the
// first that holds. All must agree.
func (l *Layer) listAttributes(o ExpandOptions) (cms.ListAttributes, error) {
	var of cms.ListAttributes
	found := false
	for k := range l.Signers {
		s := &l.Signers[k]
		if s.Err != nil && !errors.Is(s.Err, cms.ErrUnsupportedAlgorithm) {
			return of, fmt.Errorf("%w: %s", ErrLayer, reasonOf(s.Err)) // RFC 2634 section 4.2.3.2 step 1
		}
		a, err := cms.ReadListAttributes(s.SignedAttributes)
		switch {
		case errors.Is(err, cms.ErrExpansionHistory):
			return of, fmt.Errorf("%w: %w", ErrHistory, err)
		case err != nil:
			return of, fmt.Errorf("%w: %w", ErrLayer, err)
		case a.History != nil && !o.relies(s):
			return of, fmt.Errorf("%w: its signature cannot be relied on", ErrHistory)
		case a.Label != nil && !o.relies(s):
			return of, fmt.Errorf("%w: its signature cannot be relied on", ErrLabel)
		case a.Label != nil && !o.CarryLabels:
			return of, ErrLabel
		}
		if err := l.checkHistory(s, a.History, o.Own); err != nil {
			return of, err
		}
		switch {
		case of.History != nil && a.History != nil && !of.SameHistory(a):
			return of, fmt.Errorf("%w: two signatures, two histories", ErrHistory)
		case of.Label != nil && a.Label != nil && !bytes.Equal(of.Label, a.Label):
			return of, fmt.Errorf("%w: two signatures, two labels", ErrLabel)
		case !found && o.relies(s), of.History == nil && a.History != nil:
			of, found = a, true
		}
	}
	return of, nil
}

// clockSkew is how far the clocks of two mail list agents may be apart.
const clockSkew = 5 * time.Minute

// checkHistory looks for a loop, and for entries that cannot have been written one after the other.
func (l *Layer) checkHistory(s *Signer, history []cms.MLData, own []*x509.Certificate) error {
	for i, d := range history {
		if slices.ContainsFunc(own, d.List.Matches) {
			return ErrLoop
		}
		if i > 0 && d.Time.Before(history[i-1].Time.Add(-clockSkew)) {
			return fmt.Errorf("%w: times run backwards", ErrHistory)
		}
	}
	if len(history) == 0 {
		return nil
	}
	// An agent may name itself by another certificate than it signs with, but not by another subject.
	last := history[len(history)-1].List
	mine := func(c *x509.Certificate) bool {
		return last.Matches(c) && bytes.Equal(c.RawSubject, s.Certificate.RawSubject)
	}
	if !mine(s.Certificate) && !slices.ContainsFunc(l.Certificates, mine) {
		return fmt.Errorf("%w: its last entry is not of the signer", ErrHistory)
	}
	return nil
}

// SignOptions adds what the expansion needs to the options of the list's signature; at is when the list expands the message.
func (x Expansion) SignOptions(o SignOptions, at time.Time) (SignOptions, error) {
	attributes, err := x.attributes.Next(o.Certificate, at)
	if err != nil {
		return o, fmt.Errorf("%w: %w", ErrHistory, err)
	}
	o.Attributes, o.SigningTime = attributes, at
	return o, nil
}

// Room tells whether the history has room for this list: an error that wraps [ErrHistory] if not.
func (x Expansion) Room(list *x509.Certificate) error {
	_, err := x.SignOptions(SignOptions{Certificate: list}, time.Time{})
	return err
}

// SignExpanded signs what was not encrypted: in clear where every mail system passes it on unchanged, else opaque.
func (x Expansion) SignExpanded(o SignOptions) (*entity.Entity, error) {
	o.Detached = travels(x.Content.Octets())
	return Sign(x.Content, o)
}

// withoutMailFields returns the MIME entity that a message is, without the fields that are about the mail.
func withoutMailFields(e *entity.Entity) (*entity.Entity, error) {
	var octets []byte
	for _, f := range e.Header() {
		if structural(f) && f.Name != "" {
			octets = append(octets, f.Raw...)
		}
	}
	octets = append(append(octets, crlf...), e.Body()...)
	return reparse(entity.Canonical(octets))
}

// travels tells whether octets are 7-bit text in short lines (RFC 8551 section 3.1.3).
func travels(octets []byte) bool {
	for line := range bytes.Lines(octets) {
		if len(line) > 1000 {
			return false
		}
	}
	return !slices.ContainsFunc(octets, func(c byte) bool { return c >= 0x80 || c == 0 })
}

// SignedCopy is a sealed copy under a list's signature: Before, Head, Tail and After, one behind the other. Tail is shared.
type SignedCopy struct {
	Sealed
	Before, After []byte
}

// Octets joins the parts.
func (s SignedCopy) Octets() []byte { return slices.Concat(s.Before, s.Head, s.Tail, s.After) }

// SignSealed puts a sealed copy, made without outer fields, into a multipart/signed whose outer fields are header.
func SignSealed(header []byte, copy Sealed, o SignOptions) (SignedCopy, error) {
	o.Detached = true
	der, err := cms.Sign(copy.Octets(), o)
	if err != nil {
		return SignedCopy{}, fmt.Errorf("signing a copy: %w", err)
	}
	before, after := around(o.MICAlgorithm(), der)
	return SignedCopy{Sealed: copy, Before: append(header[:len(header):len(header)], before...), After: after}, nil
}
