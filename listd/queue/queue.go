// Package queue brings deliveries of every kind to the next hop: it claims
// them in leased batches, asks a Renderer for their octets, hands these to the
// relay, and writes down what came of each.
//
// What holds whatever happens:
//   - a delivery is claimed by one worker at a time, for as long as its lease
//     is renewed;
//   - every claimed delivery ends in exactly one outcome, or goes back;
//   - results are committed by one committer, back to back: while one commit
//     runs, the next gathers. A kill repeats at most the copies whose results
//     one commit had not yet written (invariant 8).
package queue

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sealist/sealist/listd/crashpoint"
	"github.com/sealist/sealist/listd/pulse"
	"github.com/sealist/sealist/listd/relay"
	"github.com/sealist/sealist/listd/store"
)

// Renderer makes the octets of deliveries.
type Renderer interface {
	// Render says what becomes of each delivery of a batch, in the same order.
	// When ctx ends the batch has come to its end: what is held for its copies
	// may go.
	Render(ctx context.Context, batch []store.Delivery) []Rendering
}

// Rendering is what a Renderer says of one delivery: Copy, Withheld, Cancelled
// or Delayed.
type Rendering interface{ rendering() }

// Copy is a delivery that may go.
type Copy struct {
	ReversePath  string                          // "" is the null reverse-path
	Parts        func() ([]relay.Segment, error) // makes the octets, called once, when the relay is ready for them
	Certificates string                          // fingerprints it is sealed to, separated by spaces; empty in clear
	Cipher       string                          // as "aes256-cbc"; empty in clear
}

// Withheld is a copy that may not go, because there is nothing to seal it to.
type Withheld struct {
	Reason  string
	Cause   string         // the same in a word that the Renderer counts under
	Notices []store.Notice // who is told
}

// Cancelled is a copy that nobody is entitled to any more.
type Cancelled struct {
	Reason string
	Cause  string // likewise
}

// Delayed is a delivery that cannot be judged now: a source is out of reach.
type Delayed struct {
	Reason string
	Cause  string        // likewise; "": CauseInternal
	Soon   time.Duration // it is tried again after so long, and it counts for no attempt; 0: after the usual wait
}

func (Copy) rendering()      {}
func (Withheld) rendering()  {}
func (Cancelled) rendering() {}
func (Delayed) rendering()   {}

// Options are the queue's settings.
type Options struct {
	Owner    string                                  // names this process in leases
	Workers  int                                     // deliveries in hand at the relay at once; default 8
	Batch    int                                     // deliveries a worker takes at most; default 100
	Hold     time.Duration                           // that a worker keeps what it has not begun: then others may have it; default 10s
	Lease    time.Duration                           // how long a claim lasts without renewal; default 2m
	RetryMin time.Duration                           // wait after the first temporary failure, doubled by each further one; default 1m
	RetryMax time.Duration                           // the longest wait; default 1h
	Lifetime time.Duration                           // after which a delivery that still fails is given up; default 5d
	Standby  func() bool                             // whether others deliver and this one does not; nil: never
	Count    func(store.DeliveryKind, store.Outcome) // told of every result that was written; nil: nobody is
	Clock    func() time.Time                        // default time.Now
	Jitter   func(time.Duration) time.Duration       // shortens a wait, so that what failed together does not return together; default by up to a fifth
	Log      *slog.Logger                            // default discards
}

// Queue delivers. Make one with New and start it with Run.
type Queue struct {
	store    *store.Store
	relay    *relay.Relay
	renderer Renderer
	o        Options
	log      *slog.Logger
	wake     chan struct{}
	hop      hop
	domains  domains
	inHand   inHand
	pace     pace        // the dispatcher's own
	stray    bool        // there may be leases of ours that we do not know of; the dispatcher's own
	moved    pulse.Pulse // something was claimed, looked for in vain, or written down
}

// movedWithin is far longer than a next hop may be silent before the relay gives it up.
const movedWithin = time.Hour

// New returns a queue over the store's deliveries.
func New(st *store.Store, rl *relay.Relay, rd Renderer, o Options) *Queue {
	setDefault(&o.Workers, 8)
	setDefault(&o.Batch, 100)
	setDefault(&o.Hold, 10*time.Second)
	setDefault(&o.Lease, 2*time.Minute)
	setDefault(&o.RetryMin, time.Minute)
	setDefault(&o.RetryMax, time.Hour)
	setDefault(&o.Lifetime, 5*24*time.Hour)
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Jitter == nil {
		o.Jitter = func(d time.Duration) time.Duration { return d - time.Duration(rand.Int64N(int64(d)/5+1)) }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Queue{
		store: st, relay: rl, renderer: rd, o: o,
		log:  o.Log.With("room", "queue"),
		wake: make(chan struct{}, 1),
		pace: newPace(o.Workers, o.Batch),
	}
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Wake tells the queue that there may be something to claim. It never blocks.
func (q *Queue) Wake() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Alive returns an error if nothing is delivered any more, though Run goes on.
func (q *Queue) Alive() error {
	if silent := q.moved.Silent(); silent > movedWithin {
		return fmt.Errorf("no delivery was looked for or came to an end in %s", silent.Round(time.Second))
	}
	return nil
}

// Run delivers until soft ends; then it claims nothing more, lets the copies in
// hand reach their end until hard ends, writes their results, gives back what
// was not begun, and returns.
func (q *Queue) Run(soft, hard context.Context) error {
	c := newCommitter(q)
	var committing sync.WaitGroup
	committing.Go(func() { c.run(hard) })

	batches := make(chan []store.Delivery)
	var workers sync.WaitGroup
	for range q.o.Workers {
		workers.Go(func() {
			for batch := range batches {
				q.deliver(soft, hard, batch, c)
			}
		})
	}
	renewing, stopRenewing := context.WithCancel(hard)
	var renewal sync.WaitGroup
	renewal.Go(func() { q.renew(renewing) })

	q.dispatch(soft, batches)

	close(batches)
	workers.Wait()
	c.close()
	committing.Wait()
	stopRenewing()
	renewal.Wait()
	if err := q.store.ReleaseStrayDeliveries(context.WithoutCancel(soft), q.o.Owner, nil); err != nil {
		return fmt.Errorf("giving back unfinished deliveries: %w", err)
	}
	return nil
}

// dispatch claims batches and offers them to the workers until ctx ends.
func (q *Queue) dispatch(ctx context.Context, batches chan<- []store.Delivery) {
	for ctx.Err() == nil {
		q.moved.Beat()
		if wait := q.hop.wait(q.o.Clock()); wait > 0 {
			q.sleep(ctx, wait)
			continue
		}
		claimed, err := q.claim(ctx)
		if err != nil {
			if ctx.Err() == nil {
				q.log.Error("cannot claim deliveries, trying again in a second", "err", err)
				q.sleep(ctx, time.Second)
			}
			continue
		}
		if len(claimed) == 0 {
			q.idle(ctx)
			continue
		}
		began := time.Now() // not the clock of leases: how long it takes, whatever time it is
		for _, batch := range q.share(claimed) {
			select {
			case batches <- batch:
			case <-ctx.Done():
				return // leases are given back at the end of Run
			}
		}
		q.pace.took(len(claimed), time.Since(began))
	}
}

// claim leases what is due, as much as pace says.
func (q *Queue) claim(ctx context.Context) ([]store.Delivery, error) {
	if q.o.Standby != nil && q.o.Standby() {
		return nil, nil
	}
	if q.stray {
		if err := q.store.ReleaseStrayDeliveries(ctx, q.o.Owner, q.inHand.all()); err != nil {
			return nil, err
		}
		q.stray = false
	}
	now := q.o.Clock()
	claimed, err := q.store.ClaimDeliveries(ctx, q.o.Owner, now, now.Add(q.o.Lease), q.pace.n)
	if err != nil {
		q.stray = true // it may have been committed all the same
		return nil, err
	}
	if len(claimed) > 0 {
		crashpoint.At(crashpoint.QueueClaimed)
	}
	return q.inHand.take(claimed), nil
}

// share splits what was claimed evenly over the workers, so that a short list
// uses every connection and a long one goes in batches.
func (q *Queue) share(claimed []store.Delivery) [][]store.Delivery {
	size := min(q.o.Batch, (len(claimed)+q.o.Workers-1)/q.o.Workers)
	var out [][]store.Delivery
	for len(claimed) > 0 {
		n := min(size, len(claimed))
		out = append(out, claimed[:n])
		claimed = claimed[n:]
	}
	return out
}

// idle waits for a wake-up, for the next delivery to become due, or half a
// second: another process may have queued something.
func (q *Queue) idle(ctx context.Context) {
	q.sleep(ctx, 500*time.Millisecond)
}

func (q *Queue) sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-q.wake:
	case <-ctx.Done():
	}
}

// renew keeps the leases of what is in hand alive.
func (q *Queue) renew(ctx context.Context) {
	t := time.NewTicker(q.o.Lease / 3)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if err := q.store.RenewLeases(ctx, q.o.Owner, q.o.Clock().Add(q.o.Lease)); err != nil && ctx.Err() == nil {
				q.log.Error("cannot renew leases", "err", err)
			}
		}
	}
}
