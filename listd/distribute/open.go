package distribute

import (
	"context"
	"errors"
	"fmt"

	"github.com/sealist/sealist/listd/crashpoint"
	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
)

// Submission is a post that has been opened and whose signatures have been
// checked: facts, and no verdict on what may be done with it.
type Submission struct {
	Item    store.Item
	List    list.List
	Message *smime.Message
	Author  smime.Authentication

	// Unproven: the database was restored from a backup, and nothing shows that the
	// author's signature was made since: it may have served before, in the time
	// that was lost.
	Unproven bool
}

// proven tells whether the author showed that he wrote it, and that now: what
// is answered, and what is learnt, goes by that.
func (s Submission) proven() bool { return s.Author.Authenticated && !s.Unproven }

// Readable tells whether there is content that could be distributed.
func (s Submission) Readable() bool { return s.Message.Payload != nil && s.Message.Err == nil }

// lockedError says why mail that needs a key has to wait.
type lockedError struct{ err error }

func (e *lockedError) Error() string { return e.err.Error() }
func (e *lockedError) Unwrap() error { return e.err }

// keyAway is a lockedError if a message was not opened because the key for it, in
// a security module, cannot be reached now.
func keyAway(m *smime.Message) error {
	if errors.Is(m.Err, smime.ErrKeyAway) {
		return &lockedError{fmt.Errorf("%w: %w", keyring.ErrLocked, m.Err)}
	}
	return nil
}

// open decrypts a post with its list's keys, in memory, and verifies its
// signatures. A post that cannot be opened is a Submission too, one that is
// not Readable; an error means that the post could not be judged now.
func (d *Distributor) open(ctx context.Context, item store.Item, l list.List, outer *entity.Entity) (Submission, error) {
	keys, err := d.keys(ctx, l)
	if err != nil {
		return Submission{}, err
	}
	o := d.Open
	o.Keys = keys
	m := smime.Open(outer, o)
	if err := keyAway(m); err != nil {
		return Submission{}, err
	}
	if err := d.Keyring.Locked(); err != nil && len(m.Layers) > 0 {
		// Signed mail waits too: what is remembered about a signature is kept under the same password.
		return Submission{}, &lockedError{err}
	}
	crashpoint.At(crashpoint.DistributeDecrypted)
	parents, err := d.Store.ParentLists(ctx, l.Address)
	if err != nil {
		return Submission{}, err
	}
	rcpt := []string{item.ForwardPath.String()}
	if item.Kind == store.KindPost { // what was meant for a list is no command to another of its addresses
		rcpt = append(rcpt, l.Address.String())
		for _, p := range parents {
			rcpt = append(rcpt, p.String())
		}
	}
	pins := pins{ctx: ctx, store: d.Store, resolver: d.Resolver}
	author := smime.Authenticate(m, d.Judge, smime.Claim{
		Received: item.Received, MaxSigningAge: d.MaxSigningAge, Rcpt: rcpt, Bound: pins.bound,
	})
	return Submission{Item: item, List: l, Message: m, Author: author}, pins.err
}

// received reads the octets of a post as they arrived.
func (d *Distributor) received(ctx context.Context, item store.Item) (*entity.Entity, error) {
	octets, err := d.Store.Octets(ctx, item)
	if err != nil {
		return nil, fmt.Errorf("reading the spool: %w", err)
	}
	outer, err := entity.Parse(octets, entity.DefaultLimits())
	if err != nil {
		return nil, &unreadableError{err}
	}
	return outer, nil
}

// unreadableError says that a post has no header that could be read.
type unreadableError struct{ err error }

func (e *unreadableError) Error() string { return "malformed: " + e.err.Error() }
func (e *unreadableError) Unwrap() error { return e.err }

// keys returns the private keys that a post to l is tried with: this list's
// and no other's (invariant 10).
func (d *Distributor) keys(ctx context.Context, l list.List) ([]cms.Key, error) {
	held, err := d.Keyring.Keys(ctx, l.ID)
	if errors.Is(err, keyring.ErrLocked) {
		return nil, &lockedError{err}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the keys of %s: %w", l.Address, err)
	}
	keys := make([]cms.Key, 0, len(held))
	for _, k := range held {
		keys = append(keys, cms.Key{Certificate: k.Certificate, Private: k.Private})
	}
	return keys, nil
}
