package distribute

import (
	"context"
	"errors"
	"fmt"

	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime"
)

// Reasons of a Verdict that a mail list agent gives (RFC 2634 section 4).
const (
	reasonExpansionLoop    = "expansion_loop"    // the message was at this list before
	reasonExpansionHistory = "expansion_history" // its history is forged, oversized or unreadable
	reasonSecurityLabel    = "security_label"    // it has one, and this list carries none
	reasonLayer            = "unreliable_layer"  // a signature around it is broken or by a stranger
)

// agentReasons is the one table from the agent's errors to reasons.
var agentReasons = []struct {
	err    error
	reason string
}{
	{smime.ErrLoop, reasonExpansionLoop},
	{smime.ErrHistory, reasonExpansionHistory},
	{smime.ErrLabel, reasonSecurityLabel},
	{smime.ErrLayer, reasonLayer},
}

// errNoSigningKey says that a mail list agent cannot sign.
var errNoSigningKey = errors.New("the list is a mail list agent and has no valid key that may sign; import one with digitalSignature")

// expandable asks, for a list that is a mail list agent, whether a post that
// may be distributed can be expanded. The verdict becomes a refusal if not; an
// error means that it cannot be said now.
func (d *Distributor) expandable(ctx context.Context, s Submission, v verdict) (verdict, error) {
	if s.List.Agent == list.NoAgent || v.state != store.ItemDistributing {
		return v, nil
	}
	keys, signing, err := d.agentKeys(ctx, s.List)
	if err != nil {
		return v, err
	}
	x, err := smime.Expand(s.Message, expandOptions(s.List, keys, s.Author.Signer))
	if err == nil {
		err = x.Room(signing.Certificate)
	}
	if err == nil {
		return v, nil
	}
	v.state, v.answer, v.reason, v.internal = store.ItemRejected, refusal, reasonLayer, err
	for _, r := range agentReasons {
		if errors.Is(err, r.err) {
			v.reason = r.reason
			break
		}
	}
	// RFC 2634 sections 4.1 and 4.1.1: a human is to be told.
	d.log.Warn("the mail list agent stopped a post; see where lists are members of each other", "list", s.List.Address,
		"spool_id", s.Item.ID, "reason", v.reason, "err", err)
	return v, nil
}

func expandOptions(l list.List, keys []keyring.Key, author *smime.Signer) smime.ExpandOptions {
	o := smime.ExpandOptions{CarryLabels: l.Agent == list.CarryLabels, Author: author}
	for _, k := range keys {
		o.Own = append(o.Own, k.Certificate)
	}
	return o
}

// agentKeys returns all keys of a list and the one it signs with: the newest
// that is valid and may.
func (d *Distributor) agentKeys(ctx context.Context, l list.List) (all []keyring.Key, signing keyring.Key, err error) {
	if all, err = d.Keyring.Keys(ctx, l.ID); err != nil {
		if errors.Is(err, keyring.ErrLocked) {
			return nil, signing, &lockedError{err}
		}
		return nil, signing, fmt.Errorf("opening the keys of %s: %w", l.Address, err)
	}
	signing, ok := keyring.Signing(all, d.Clock())
	if !ok {
		return nil, signing, fmt.Errorf("%s: %w", l.Address, errNoSigningKey)
	}
	if err := signing.Ready(); err != nil {
		return nil, signing, &lockedError{err}
	}
	return all, signing, nil
}

// expansion is how a mail list agent signs one post, whose decision stands.
func (d *Distributor) expansion(ctx context.Context, l list.List, m *smime.Message) (smime.Expansion, smime.SignOptions, error) {
	keys, signing, err := d.agentKeys(ctx, l)
	if err != nil {
		return smime.Expansion{}, smime.SignOptions{}, err
	}
	o := expandOptions(l, keys, nil)
	o.Decided = true
	x, err := smime.Expand(m, o)
	if err != nil {
		return x, smime.SignOptions{}, fmt.Errorf("expanding: %w", err)
	}
	signer, _ := signing.Signer()
	sign, err := x.SignOptions(smime.SignOptions{
		Certificate: signing.Certificate, Signer: signer, Chain: signing.Chain, Capabilities: true, SigningCertificate: true,
	}, d.Clock())
	return x, sign, err
}
