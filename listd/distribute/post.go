package distribute

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/sealist/sealist/listd/compose"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/relay"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
)

// post is a post that is being distributed, opened: what its copies share. It
// exists in memory only, and is made anew after a restart, with a new key.
type post struct {
	list      list.List
	size      int64
	author    list.Address // who wrote it, or says so; zero: nobody does
	received  time.Time
	rewritten bool // the list stands in From, but not for members that are lists

	// A post that leaves in clear: the octets of a copy, by reader.
	clear map[compose.Reader][]relay.Segment

	// A post that leaves encrypted: its outer header, by reader, and its
	// content under one key.
	header map[compose.Reader][]byte
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
func (p *post) signed(header []byte, s smime.Sealed) ([]relay.Segment, error) {
	c, err := smime.SignSealed(header, s, *p.sign)
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
func (d *Distributor) prepare(ctx context.Context, id string, take func(size int64) error) (*post, error) {
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
	if err := take(item.Size); err != nil {
		return nil, err
	}
	defer swept(item.Size)
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
	if err := keyAway(m); err != nil {
		return nil, err
	}
	if m.Err != nil || m.Payload == nil || m.Encrypted != item.Encrypted {
		return nil, errNotOpened // decided as clear, arrived encrypted: never in clear (invariant 1)
	}
	p := &post{list: l, size: item.Size, received: item.Received, author: authorOf(item, outer), tails: map[*byte]relay.Segment{}}
	c := compose.Post{List: l, Message: m, Stamp: compose.Stamp{ID: item.ID, Received: item.Received}, RewriteFrom: d.rewritesFrom(ctx, l, outer), OneClick: d.OneClick != nil}
	p.rewritten = c.RewriteFrom
	if err := c.Check(); err != nil {
		return nil, err // the list hides its authors since
	}
	if item.Encrypted || l.Policy.Encryption == list.EncryptAlways {
		err = d.prepareSealed(ctx, p, c)
	} else {
		err = d.prepareClear(ctx, p, c)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// authorOf is who is left out of his own post's members, if they want it so: the
// authenticated author, else whom From names.
func authorOf(item store.Item, outer *entity.Entity) list.Address {
	if !item.Author.IsZero() {
		return item.Author
	}
	from := outer.Header().All("From")
	if len(from) != 1 {
		return list.Address{}
	}
	addrs, err := entity.Addresses(from[0].Value())
	if err != nil || len(addrs) != 1 {
		return list.Address{}
	}
	a, _ := list.ParseAddress(addrs[0])
	return a
}

// prepareSealed encrypts the content once, and makes the headers of its copies.
func (d *Distributor) prepareSealed(ctx context.Context, p *post, c compose.Post) error {
	content, err := c.Content()
	if err != nil {
		return fmt.Errorf("composing: %w", err)
	}
	p.header = map[compose.Reader][]byte{}
	for _, to := range readers {
		if p.header[to], err = c.SealedHeader(to); err != nil {
			return fmt.Errorf("composing: %w", err)
		}
	}
	if p.list.Agent != list.NoAgent {
		x, sign, err := d.expansion(ctx, p.list, c.Message)
		if err != nil {
			return err
		}
		if p.sign = &sign; x.Content != nil { // it arrived in clear; the layer of the agent before goes (RFC 2634 section 4.2)
			content = x.Content
		}
	}
	p.cipher = cms.AES256CBC
	if p.sealer, err = smime.NewSealer(content, p.cipher); err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	return nil
}

// readers are those for whom copies differ.
var readers = []compose.Reader{compose.Person, compose.AList}

// prepareClear makes the copies that members get in clear.
func (d *Distributor) prepareClear(ctx context.Context, p *post, c compose.Post) error {
	whole := c.Clear
	if p.list.Agent != list.NoAgent {
		x, sign, err := d.expansion(ctx, p.list, c.Message)
		if err != nil {
			return err
		}
		signed, err := x.SignExpanded(sign)
		if err != nil {
			return err
		}
		whole = func(to compose.Reader) ([]byte, error) { return c.Signed(signed, to) }
	}
	p.clear = map[compose.Reader][]relay.Segment{}
	for _, to := range readers {
		if to != compose.Person && !c.RewriteFrom {
			p.clear[to] = p.clear[compose.Person]
			continue
		}
		octets, err := whole(to)
		if err != nil {
			return fmt.Errorf("composing: %w", err)
		}
		if p.clear[to], err = segment(octets); err != nil {
			return err
		}
	}
	return nil
}

// current returns a post, opened, as the settings of its list are now: one that
// was opened under others is opened anew. It is the caller's until ctx ends.
func (d *Distributor) current(ctx context.Context, item string, wait bool) (*post, error) {
	prepare := func(take func(int64) error) (*post, error) { return d.prepare(ctx, item, take) }
	p, err := d.posts.get(ctx, item, wait, prepare)
	if err != nil {
		return nil, err
	}
	l, err := d.Store.ListByID(ctx, p.list.ID)
	if err != nil {
		return nil, fmt.Errorf("reading the list: %w", err)
	}
	if reflect.DeepEqual(l, p.list) {
		return p, nil
	}
	d.posts.dropItem(item)
	return d.posts.get(ctx, item, false, prepare) // it may hold the one before
}
