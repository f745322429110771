package distribute

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/sealist/sealist/listd/compose"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/relay"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
)

// post is a post that is being distributed, opened: what its copies share. It
// exists in memory only, and is made anew after a restart, with a new key.
type post struct {
	list        list.List
	reversePath string
	size        int64

	// A post that arrived in clear: the octets of every copy.
	clear []relay.Segment

	// A post that arrived encrypted: its outer header, and its content under
	// one key.
	header []byte
	sealer *smime.Sealer
	cipher cms.Cipher

	// How a mail list agent signs every copy; nil: it is none.
	sign *smime.SignOptions

	mu    sync.Mutex
	tails map[*byte]relay.Segment // what copies share, checked once, by where it begins
}

// segments makes a copy's octets fit for the relay. What it shares with other
// copies is checked once.
func (p *post) segments(s smime.Sealed) ([]relay.Segment, error) {
	head, err := relay.NewSegment(s.Head)
	if err != nil || len(s.Tail) == 0 {
		return []relay.Segment{head}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	tail, ok := p.tails[&s.Tail[0]]
	if !ok {
		if tail, err = relay.NewSegment(s.Tail); err != nil {
			return nil, err
		}
		p.tails[&s.Tail[0]] = tail
	}
	return []relay.Segment{head, tail}, nil
}

// signed makes a copy's octets, under the list's signature, fit for the relay.
func (p *post) signed(s smime.Sealed) ([]relay.Segment, error) {
	c, err := smime.SignSealed(p.header, s, *p.sign)
	if err != nil {
		return nil, err
	}
	sealed, err := p.segments(c.Sealed)
	if err != nil {
		return nil, err
	}
	before, err := relay.NewSegment(c.Before)
	if err != nil {
		return nil, err
	}
	after, err := relay.NewSegment(c.After)
	return slices.Concat([]relay.Segment{before}, sealed, []relay.Segment{after}), err
}

// segment makes a whole message fit for the relay.
func segment(octets []byte) ([]relay.Segment, error) {
	s, err := relay.NewSegment(octets)
	return []relay.Segment{s}, err
}

// errNotOpened says that a post which was opened once cannot be opened now:
// its key is gone or locked.
var errNotOpened = errors.New("the post cannot be opened now; is the list's key still there?")

// prepare opens a post for its copies. Whether it may be distributed was
// decided and committed before; nothing is decided here.
func (d *Distributor) prepare(ctx context.Context, id string) (*post, error) {
	item, err := d.Store.Item(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("reading spool item %s: %w", id, err)
	}
	if item.State != store.ItemDistributing {
		return nil, fmt.Errorf("spool item %s is %s, not distributing", id, item.State)
	}
	l, err := d.Store.ListByID(ctx, item.List)
	if err != nil {
		return nil, fmt.Errorf("reading the list: %w", err)
	}
	outer, err := d.received(ctx, item)
	if err != nil {
		return nil, err
	}
	keys, err := d.keys(ctx, l)
	if err != nil {
		return nil, err
	}
	o := d.Open
	o.Keys = keys
	m := smime.Open(outer, o)
	stamp := compose.Stamp{ID: item.ID, Received: item.Received}
	p := &post{list: l, reversePath: l.Owner().String(), size: item.Size, tails: map[*byte]relay.Segment{}}
	if !item.Encrypted {
		if m.Encrypted {
			return nil, errNotOpened // decided as clear, arrived encrypted: never in clear (invariant 1)
		}
		octets, err := d.clearCopy(ctx, l, m, stamp)
		if err != nil {
			return nil, fmt.Errorf("composing: %w", err)
		}
		p.clear, err = segment(octets)
		return p, err
	}
	if !m.Encrypted || m.Err != nil || m.Payload == nil {
		return nil, errNotOpened
	}
	if p.header, err = compose.SealedHeader(l, outer.Header(), m.Protection, stamp); err != nil {
		return nil, fmt.Errorf("composing: %w", err)
	}
	if l.Agent != list.NoAgent {
		_, sign, err := d.expansion(ctx, l, m)
		if err != nil {
			return nil, err
		}
		p.sign = &sign
	}
	p.cipher = cms.AES256CBC
	if p.sealer, err = smime.NewSealer(m.Payload, p.cipher); err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	return p, nil
}

// errPanic is what a panic becomes: the fault is the program's and nothing of
// its value, which may quote content, is told.
var errPanic = errors.New("internal error")

// clearCopy makes the one message that all members of a list get of a post that
// arrived in clear.
func (d *Distributor) clearCopy(ctx context.Context, l list.List, m *smime.Message, stamp compose.Stamp) ([]byte, error) {
	if l.Agent == list.NoAgent {
		return compose.Clear(l, m.Outer, stamp)
	}
	x, sign, err := d.expansion(ctx, l, m)
	if err != nil {
		return nil, err
	}
	signed, err := x.SignExpanded(sign)
	if err != nil {
		return nil, err
	}
	return compose.Signed(l, m.Outer.Header(), signed, stamp)
}

// maxPosts and maxPostOctets bound what opened posts may hold in memory.
const (
	maxPosts      = 64
	maxPostOctets = 64 << 20
)

// posts keeps the posts that are being distributed, least recently used first
// to go. One post is prepared once, however many workers ask for it.
type posts struct {
	mu    sync.Mutex
	slots []*slot // least recently used first
}

// slot is one post, or one on its way.
type slot struct {
	item string
	once sync.Once
	post *post
	err  error
}

// get returns the post, preparing it if need be. An error is not kept.
func (ps *posts) get(item string, prepare func() (*post, error)) (*post, error) {
	s := ps.slot(item)
	s.once.Do(func() {
		p, err := (*post)(nil), errPanic // who waits meanwhile is told so
		defer func() {
			ps.mu.Lock()
			s.post, s.err = p, err
			ps.mu.Unlock()
			if errors.Is(err, errPanic) {
				ps.drop(s)
			}
		}()
		p, err = prepare()
	})
	if s.err != nil {
		ps.drop(s)
		return nil, s.err
	}
	ps.trim()
	return s.post, nil
}

// slot finds or adds the slot of an item and makes it the most recently used.
func (ps *posts) slot(item string) *slot {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for i, s := range ps.slots {
		if s.item == item {
			ps.slots = append(append(ps.slots[:i], ps.slots[i+1:]...), s)
			return s
		}
	}
	s := &slot{item: item}
	ps.slots = append(ps.slots, s)
	return s
}

func (ps *posts) drop(gone *slot) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for i, s := range ps.slots {
		if s == gone {
			ps.slots = append(ps.slots[:i], ps.slots[i+1:]...)
			return
		}
	}
}

// trim forgets the least recently used posts beyond the bounds, but never the
// last one.
func (ps *posts) trim() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	var octets int64
	keep := len(ps.slots)
	for keep > 0 {
		s := ps.slots[keep-1]
		if s.post != nil {
			octets += s.post.size
		}
		if n := len(ps.slots) - keep + 1; n > 1 && (n > maxPosts || octets > maxPostOctets) {
			break
		}
		keep--
	}
	ps.slots = append([]*slot(nil), ps.slots[keep:]...)
}
