// Package distribute is the flow of a post through the server, one file an
// arrow: open.go decrypts and verifies, authorize.go asks the scenario,
// expand.go writes one delivery a member, copy.go seals a copy when the queue
// is ready for it. This file claims posts and leads them along.
package distribute

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sealist/sealist/directory/harvest"
	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/bounce"
	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/pulse"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/listd/token"
	"github.com/sealist/sealist/resolver"
	"github.com/sealist/sealist/smime"
)

// Parts are what a Distributor works with.
type Parts struct {
	Store           *store.Store
	Keyring         *keyring.Keyring
	Judge           smime.Judge        // who may be believed
	Resolver        *resolver.Resolver // who can be reached
	Harvest         *harvest.Harvest   // nil: nothing is harvested
	Notices         *notice.Notices
	UnsignedAfter   time.Duration     // how long service mail waits that its list has a key for and cannot be signed; 0: as long as the queue keeps it
	Scenarios       *scenario.Library // what a list's rules are
	Facts           scenario.Facts    // what they ask
	Domains         []string          // ours: nothing is ever answered to an address in them
	MaxSigningAge   time.Duration     // of signatures; 0 judges no age
	CrossPostWindow time.Duration     // within which a signed post may come at another list, too
	Tokens          *token.Tokens
	Admin           *admin.Admin // who carries out commands
	Listmasters     []list.Address
	OneClick        func(token string) string // the page that a token of Returns.Unsubscription takes off the list; nil: there are no pages
	Returns         *bounce.Returns           // what copies' reverse-paths are made with; nil: they are LIST-owner
	RobotName       string                    // local part of the address for commands
	DNS             TXT                       // what domains say of their mail
	AuthservIDs     []string                  // whose Authentication-Results are our own mail server's word
	Open            smime.Options             // algorithm policy and limits; keys are set per post
	Memory          int64                     // octets for the messages that are open; 0: 64 MiB
	Held            func(octets int64)        // told how much of Memory is in use; nil: nobody is
	Owner           string                    // names this process in leases
	Wake            func()                    // called when there are new deliveries
	Count           Count                     // who counts what happens
	Standby         func() bool               // whether other servers work on mail and this one does not; nil: never
	Clock           func() time.Time
	Log             *slog.Logger
}

// Distributor leads accepted posts to their deliveries, and renders these.
type Distributor struct {
	Parts
	log    *slog.Logger
	wake   chan struct{}
	memory *budget
	posts  posts
	dmarc  dmarcPolicies
	alarms alarms

	leading leading
	stray   bool // there may be leases of ours that we do not know of; Run's own

	passed pulse.Pulse // the claiming loop went round
	moved  pulse.Pulse // a hand was free
}

// How the distributor works through the spool.
const (
	inHand      = 8                // posts at once
	lease       = 2 * time.Minute  // of a claimed post
	lockedRetry = 10 * time.Second // until a locked list's mail is tried again
	outageRetry = 30 * time.Second // until a post is tried again after a failure of ours
	maxClaims   = 10               // of one post without an outcome: it kills the process that works on it
	noticeEvery = 24 * time.Hour   // between two notices of the same kind to the same person about the same list
	maxAnswers  = 20               // to one address within noticeEvery (invariant 13)
	expandChunk = 5000             // delivery rows a commit

	passedWithin = 2 * time.Minute // the claiming loop goes round every half second, or while the database is out of reach
	movedWithin  = time.Hour       // some post in hand comes to a stage: far longer than anything it may wait for
)

// New returns a Distributor.
func New(p Parts) *Distributor {
	if p.Clock == nil {
		p.Clock = time.Now
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.Wake == nil {
		p.Wake = func() {}
	}
	b := newBudget(p.Memory, p.Held)
	return &Distributor{Parts: p, log: p.Log.With("room", "distribute"), wake: make(chan struct{}, 1), memory: b, posts: posts{budget: b}}
}

// Wake tells the distributor that a post may have been accepted. It never blocks.
func (d *Distributor) Wake() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Run leads posts until soft ends and the posts in hand have reached a stage
// that is committed, or hard has ended.
func (d *Distributor) Run(soft, hard context.Context) {
	tokens := make(chan struct{}, inHand)
	var working sync.WaitGroup
	defer working.Wait()
	for ctx := soft; ctx.Err() == nil; {
		d.passed.Beat()
		if len(tokens) < inHand {
			d.moved.Beat()
		}
		items, err := d.claim(ctx, inHand-len(tokens))
		if err != nil && ctx.Err() == nil {
			d.log.Error("cannot claim posts, trying again in a second", "err", err)
			d.sleep(ctx, time.Second)
			continue
		}
		for _, item := range items {
			tokens <- struct{}{}
			working.Go(func() {
				d.lead(hard, item)
				d.leading.leave(item.ID)
				<-tokens
				d.moved.Beat()
				d.Wake()
			})
		}
		if len(items) == 0 {
			d.sleep(ctx, 500*time.Millisecond)
		}
	}
}

// Alive returns an error if posts are not led any more, though Run goes on.
func (d *Distributor) Alive() error {
	if silent := d.passed.Silent(); silent > passedWithin {
		return fmt.Errorf("no post was looked for in %s", silent.Round(time.Second))
	}
	if silent := d.moved.Silent(); silent > movedWithin {
		return fmt.Errorf("none of %d posts in hand came to an end in %s", inHand, silent.Round(time.Second))
	}
	return nil
}

func (d *Distributor) claim(ctx context.Context, n int) ([]store.Item, error) {
	if n <= 0 || d.Standby != nil && d.Standby() {
		return nil, nil
	}
	if d.stray {
		if err := d.Store.ReleaseStrayItems(ctx, d.Owner, d.leading.all()); err != nil {
			return nil, err
		}
		d.stray = false
	}
	now := d.Clock()
	items, err := d.Store.ClaimItems(ctx, d.Owner, now, now.Add(lease), n)
	d.stray = err != nil // it may have been committed all the same
	return d.leading.take(items), err
}

// leading are the posts that this process has in hand. A claim may return one a
// second time, when the clock has jumped beyond the end of its lease.
type leading struct {
	mu  sync.Mutex
	ids map[string]struct{}
}

// take takes claimed posts into hand and returns those that were not.
func (l *leading) take(claimed []store.Item) []store.Item {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ids == nil {
		l.ids = map[string]struct{}{}
	}
	return slices.DeleteFunc(claimed, func(i store.Item) bool {
		_, have := l.ids[i.ID]
		l.ids[i.ID] = struct{}{}
		return have
	})
}

func (l *leading) leave(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.ids, id)
}

func (l *leading) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.ids))
}

func (d *Distributor) sleep(ctx context.Context, dur time.Duration) {
	t := time.NewTimer(dur)
	defer t.Stop()
	select {
	case <-t.C:
	case <-d.wake:
	case <-ctx.Done():
	}
}

// lead takes one post as far as it goes. Whatever goes wrong harms this post
// only (invariant 9): a failure of ours postpones it, a panic quarantines it.
func (d *Distributor) lead(ctx context.Context, item store.Item) {
	log := d.log.With("spool_id", item.ID)
	defer func() {
		if p := recover(); p != nil {
			log.Error("panic, post quarantined", "stage", "distribute", "panic", fmt.Sprintf("%T", p))
			d.quarantine(ctx, item, reasonInternal)
		}
	}()
	if item.Claims > maxClaims {
		log.Error("post quarantined: the server ended each time it was worked on", "claims", item.Claims)
		d.quarantine(ctx, item, reasonPoison)
		return
	}
	err := d.stages(ctx, item)
	var locked *lockedError
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.As(err, &locked):
		log.Warn("list is locked, its mail waits", "reason", locked.Error())
		d.postpone(ctx, item, locked.Error(), lockedRetry)
	default:
		log.Error("post postponed", "err", err, "retry_in", outageRetry)
		d.postpone(ctx, item, err.Error(), outageRetry)
	}
}

// stages is one post's life up to its deliveries.
func (d *Distributor) stages(ctx context.Context, item store.Item) error {
	if item.State == store.ItemAccepted {
		distributing, err := d.decideWithin(ctx, item)
		if err != nil || !distributing {
			return err
		}
	}
	return d.expand(ctx, item)
}

// decideWithin decides about a post once there is memory to open it in.
func (d *Distributor) decideWithin(ctx context.Context, item store.Item) (distributing bool, err error) {
	give, err := d.memory.take(ctx, item.Size, d.posts.dropIdle)
	if err != nil {
		return false, err
	}
	defer give()
	defer swept(item.Size)
	return d.decide(ctx, item)
}

func (d *Distributor) postpone(ctx context.Context, item store.Item, reason string, wait time.Duration) {
	d.write(ctx, item, "postpone a post", func(ctx context.Context) error {
		return d.Store.Postpone(ctx, item.ID, reason, d.Clock().Add(wait))
	})
}

func (d *Distributor) quarantine(ctx context.Context, item store.Item, reason string) {
	d.write(ctx, item, "quarantine a post", func(ctx context.Context) error {
		return d.commit(ctx, item, store.Decided{Item: item.ID, State: store.ItemQuarantined, Reason: reason,
			Audit: &store.AuditEntry{Actor: nobody, Action: actionDecide, Detail: map[string]string{"state": string(store.ItemQuarantined), "reason": reason}}})
	})
}

// write writes a post's outcome, trying again for as long as the database
// refuses: until then the post is in our hands, and its lease is renewed.
func (d *Distributor) write(ctx context.Context, item store.Item, what string, f func(context.Context) error) {
	for {
		err := f(context.WithoutCancel(ctx))
		if err == nil {
			return
		}
		if ctx.Err() != nil || errors.Is(err, store.ErrState) || errors.Is(err, store.ErrNotFound) {
			d.log.Error("cannot "+what+"; its lease will run out", "spool_id", item.ID, "err", err)
			return
		}
		d.log.Error("cannot "+what+", trying again in a second", "spool_id", item.ID, "err", err)
		d.sleep(ctx, time.Second)
	}
}
