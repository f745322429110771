package distribute

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/trust"
)

// Purposes of the HMACs under which accepted posts are remembered.
const (
	purposeSignature  = "replay signature"
	purposeContentKey = "content-encryption key"
	purposeCiphertext = "ciphertext"
)

// How long traces outlive what may still count.
const (
	traceMargin     = 48 * time.Hour
	traceWithoutAge = 400 * 24 * time.Hour // of a signature without signingTime, or where ages are not judged
)

// memory is what is known of a post from posts before it.
type memory struct {
	traces    []store.Trace // what this post will be known by
	duplicate bool          // the same message came before: an MTA sent it twice
	replayed  bool          // the author's signature came before, at another list that he did not mean this one by
	sameKey   bool          // its content-encryption key encrypted something else at this list
	foreign   bool          // its content-encryption key came before at another list
	unproven  bool          // its author's signature may have come in the time that a restored database does not know
}

// recall asks whether a post, or what it was made from, came before
// (invariants 4(g) and 11).
func (d *Distributor) recall(ctx context.Context, s Submission) (memory, error) {
	var m memory
	if s.Author.Authenticated {
		mac, err := d.mac(ctx, purposeSignature, signature(s))
		if err != nil {
			return m, err
		}
		m.traces = append(m.traces, store.Trace{Kind: store.TraceSignature, MAC: mac, Expires: d.known(s)})
	}
	if s.Message.ContentKey != nil {
		mac, err := d.mac(ctx, purposeContentKey, s.Message.ContentKey)
		if err != nil {
			return m, err
		}
		ciphertext, err := d.mac(ctx, purposeCiphertext, s.Message.Ciphertext[:])
		if err != nil {
			return m, err
		}
		m.traces = append(m.traces, store.Trace{Kind: store.TraceKey, MAC: mac, Ciphertext: ciphertext})
	}
	seen, err := d.Store.Sightings(ctx, s.Item, s.List.Address, m.traces)
	if err != nil {
		return m, fmt.Errorf("asking whether the post came before: %w", err)
	}
	m.judge(s, seen, d.CrossPostWindow)
	restored, err := d.Store.Restored(ctx)
	if err != nil {
		return m, err
	}
	m.unproven = unproven(s, restored)
	return m, nil
}

// unproven tells whether an author's signature may be older than the last
// restore. That a signer says when he signed is proof enough here: whoever sends
// his mail again cannot change it, and he himself may send it twice. What was
// in the spool at the time of the backup has met the whole ledger.
func unproven(s Submission, restored time.Time) bool {
	if restored.IsZero() || !s.Author.Authenticated || s.Item.Received.Before(restored) {
		return false
	}
	return !s.Author.Signer.SigningTime.After(restored.Add(smime.MaxSigningAhead))
}

// signature is what tells an author's signature from every other: his key, and what he signed.
func signature(s Submission) []byte {
	signed := s.Author.Signer.SignedAttributes
	if signed == nil {
		signed = s.Message.Content.Octets()
	}
	return slices.Concat(s.Author.Signer.Certificate.RawSubjectPublicKeyInfo, signed)
}

// judge sets what earlier posts with the same traces mean for this one.
func (m *memory) judge(s Submission, seen []store.Sighting, window time.Duration) {
	first := map[store.TraceKind]time.Time{} // at other lists
	meant := s.Author.Addressed              // for this list, too
	for _, g := range seen {
		switch {
		case g.List == s.List.ID && g.Kind == store.TraceKey && g.Ciphertext != m.ciphertext():
			m.sameKey = true
		case g.List == s.List.ID:
			m.duplicate = true
		case g.Relayed, g.Blob != 0 && g.Blob == s.Item.Blob: // our own copy of it, or sent to both lists at once
			meant = true
		default:
			if t, ok := first[g.Kind]; !ok || g.Received.Before(t) {
				first[g.Kind] = g.Received
			}
		}
	}
	m.duplicate = m.duplicate && !m.sameKey
	if t, ok := first[store.TraceSignature]; ok && !meant {
		m.replayed = s.Item.Received.Sub(t) > window
	}
	_, m.foreign = first[store.TraceKey]
	m.foreign = m.foreign && !meant
}

func (m *memory) ciphertext() string { return m.traces[len(m.traces)-1].Ciphertext }

// apply is the Submission as it counts after what recall found.
func (m memory) apply(s Submission) Submission {
	if m.replayed && s.Author.Authenticated {
		s.Author.Authenticated, s.Author.Signer, s.Author.Reason = false, nil, trust.Replay
	}
	s.Unproven = m.unproven && s.Author.Authenticated
	return s
}

// kept are the traces of a post that is accepted as it counts: a signature that
// does not count leaves none.
func (m memory) kept(s Submission) []store.Trace {
	var some []store.Trace
	for _, t := range m.traces {
		if t.Kind != store.TraceSignature || s.Author.Authenticated {
			some = append(some, t)
		}
	}
	return some
}

// known is until when a signature is known: as long as it would still count.
func (d *Distributor) known(s Submission) time.Time {
	if d.MaxSigningAge == 0 || s.Author.Signer.SigningTime.IsZero() {
		return s.Item.Received.Add(traceWithoutAge)
	}
	return s.Item.Received.Add(d.MaxSigningAge + traceMargin)
}

func (d *Distributor) mac(ctx context.Context, purpose string, data []byte) (string, error) {
	sum, err := d.Keyring.HMAC(ctx, purpose, data)
	if err != nil {
		return "", &lockedError{fmt.Errorf("computing what the post is known by: %w", err)}
	}
	return hex.EncodeToString(sum), nil
}
