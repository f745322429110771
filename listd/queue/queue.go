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
	"cmp"
	"context"
	"errors"
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

// deliver renders a batch and relays what may go. soft ends what is not begun,
// hard ends what is.
func (q *Queue) deliver(soft, hard context.Context, batch []store.Delivery, c *committer) {
	hard, done := context.WithCancel(hard)
	defer done()
	q.send(soft, hard, q.judge(hard, batch, c), c)
}

// judge renders a batch, writes down what may not go, and returns the rest.
func (q *Queue) judge(ctx context.Context, batch []store.Delivery, c *committer) (ready []sendable) {
	if batch = q.rested(batch, c); len(batch) == 0 {
		return nil
	}
	for i, r := range q.render(ctx, batch) {
		d := batch[i]
		switch r := r.(type) {
		case Copy:
			ready = append(ready, sendable{d, r})
		case Withheld:
			c.add(store.Outcome{Delivery: d.ID, State: store.DeliveryWithheld, Attempts: d.Attempts, Reason: r.Reason, Cause: r.Cause, Notices: r.Notices})
		case Cancelled:
			c.add(store.Outcome{Delivery: d.ID, State: store.DeliveryCancelled, Attempts: d.Attempts, Reason: r.Reason, Cause: r.Cause})
		case Delayed:
			cause := cmp.Or(r.Cause, CauseInternal)
			if r.Soon > 0 {
				c.add(store.Outcome{Delivery: d.ID, State: store.DeliveryDelayed, Attempts: d.Attempts, NextAt: q.o.Clock().Add(r.Soon), Reason: r.Reason, Cause: cause})
				continue
			}
			c.add(q.later(d, store.Outcome{Reason: r.Reason, Cause: cause}))
		}
	}
	return ready
}

// rested puts off, without counting an attempt, what is for a domain that rests,
// and returns the others. Nothing is put off beyond its lifetime: its last
// attempt is due then.
func (q *Queue) rested(batch []store.Delivery, c *committer) (others []store.Delivery) {
	now := q.o.Clock()
	for _, d := range batch {
		until := q.domains.rests(d.Address.Domain(), now)
		if until.IsZero() || now.Sub(d.Created) > q.o.Lifetime {
			others = append(others, d)
			continue
		}
		c.add(store.Outcome{Delivery: d.ID, State: store.DeliveryDelayed, Attempts: d.Attempts, NextAt: until.Add(q.o.RetryMin - q.o.Jitter(q.o.RetryMin)),
			Reason: "the next hop puts off mail to " + d.Address.Domain(), Cause: CauseDomainRests})
	}
	return others
}

// sendable is a delivery with the copy that was made for it.
type sendable struct {
	delivery store.Delivery
	copy     Copy
}

// maxJudged is how long a rendering holds. A next hop may be slow, and whoever
// is dismissed while the first copies of a batch crawl along gets none of the
// last (invariant 2: judged again at the moment a copy is sealed).
const maxJudged = 2 * time.Second

// deliveries are those that copies were made for.
func deliveries(ready []sendable) []store.Delivery {
	batch := make([]store.Delivery, len(ready))
	for i, s := range ready {
		batch[i] = s.delivery
	}
	return batch
}

// send relays copies over one connection. What the relay did not take, because
// the hop is down or the server stops, goes back without counting an attempt.
func (q *Queue) send(soft, hard context.Context, ready []sendable, c *committer) {
	if len(ready) == 0 {
		return
	}
	n := 0 // copies taken so far
	judged := q.o.Clock()
	next := func() (relay.Transaction, bool) {
		for n < len(ready) && soft.Err() == nil {
			if q.o.Clock().Sub(judged).Abs() > maxJudged {
				ready, n = q.judge(hard, deliveries(ready[n:]), c), 0
				judged = q.o.Clock() // judging may take long itself, and there must be an end to it
				continue
			}
			s := ready[n]
			n++
			parts, err := q.parts(s)
			if err != nil {
				c.add(q.later(s.delivery, store.Outcome{Reason: "sealing: " + err.Error(), Cause: CauseInternal}))
				continue
			}
			return relay.Transaction{
				ReversePath: s.copy.ReversePath, ForwardPath: s.delivery.Address.String(), EnvelopeID: s.delivery.Item, Body: parts, Tag: s,
			}, true
		}
		return relay.Transaction{}, false
	}
	report := func(t relay.Transaction, r relay.Result) {
		if r.Class == relay.Relayed {
			crashpoint.At(crashpoint.RelayReplied)
		}
		s := t.Tag.(sendable)
		q.domains.heard(s.delivery.Address, r, q.o.Clock(), func(rests int) time.Duration {
			return q.o.Jitter(backoff(q.o.RetryMin, q.o.RetryMax, rests))
		})
		c.add(q.outcome(s, r))
	}
	if err := q.relay.Send(hard, next, report); err != nil {
		wait := q.hop.failed(q.o.Clock(), q.o.Jitter)
		q.log.Warn("next hop is down", "err", err, "retry_in", wait.Round(time.Millisecond))
		reason := "next hop: " + err.Error()
		for _, s := range ready[n:] {
			c.add(store.Outcome{
				Delivery: s.delivery.ID, State: store.DeliveryDelayed, Attempts: s.delivery.Attempts,
				NextAt: q.o.Clock().Add(wait), Reason: reason, Cause: CauseNextHop,
			})
		}
		return
	}
	if soft.Err() == nil {
		q.hop.worked()
	}
	// Copies not taken because the server stops keep their lease until the end of Run, which gives it back.
}

// outcome turns the relay's result into what is written down.
func (q *Queue) outcome(s sendable, r relay.Result) store.Outcome {
	o := store.Outcome{
		Delivery: s.delivery.ID, Attempts: s.delivery.Attempts + 1,
		Code: r.Code, Enhanced: r.Enhanced, Text: r.Text,
		Certificate: s.copy.Certificates, Cipher: s.copy.Cipher, TLS: r.TLS,
	}
	switch r.Class {
	case relay.Relayed:
		o.State = store.DeliveryRelayed
	case relay.Permanent:
		o.State, o.Reason, o.Cause = store.DeliveryFailed, "refused by the next hop", CauseRefused
		if r.Err != nil {
			o.Reason, o.Cause = r.Err.Error(), CauseUnsendable
		}
		o.Failure = failure(s.delivery, r)
	default:
		if o.Cause = CausePutOff; r.Code == 0 {
			o.Cause = CauseNextHop
		}
		if r.Err != nil {
			o.Reason = r.Err.Error()
		}
		if o = q.later(s.delivery, o); o.State == store.DeliveryFailed {
			o.Failure = failure(s.delivery, r)
		}
		if r.Stage == relay.StageConnect {
			o.Attempts = s.delivery.Attempts // nothing of it was offered: the hop's trouble, not this member's
		}
	}
	return o
}

// later makes the outcome of a delivery that is tried again, or given up when
// it is too old.
func (q *Queue) later(d store.Delivery, o store.Outcome) store.Outcome {
	now := q.o.Clock()
	o.Delivery, o.Attempts = d.ID, d.Attempts+1
	if now.Sub(d.Created) > q.o.Lifetime {
		o.State, o.Cause = store.DeliveryFailed, CauseLifetime
		o.Reason = fmt.Sprintf("given up after %s: %s", q.o.Lifetime, o.Reason)
		return o
	}
	o.State, o.NextAt = store.DeliveryDelayed, now.Add(q.o.Jitter(backoff(q.o.RetryMin, q.o.RetryMax, o.Attempts)))
	return o
}

// backoff doubles from first with every attempt, up to most.
func backoff(first, most time.Duration, attempts int) time.Duration {
	d := first
	for range attempts - 1 {
		if d *= 2; d >= most {
			d = most
			break
		}
	}
	return min(d, most)
}

// errPanic is what a renderer's panic becomes.
var errPanic = errors.New("internal error")

// render asks the Renderer, and turns a panic on one batch into a delay of
// that batch: one poisonous message must not stop the others (invariant 9).
func (q *Queue) render(ctx context.Context, batch []store.Delivery) (out []Rendering) {
	defer func() {
		if p := recover(); p != nil {
			q.log.Error("panic while rendering a batch", "stage", "render", "spool_id", batch[0].Item, "panic", fmt.Sprintf("%T", p))
			out = make([]Rendering, len(batch))
			for i := range out {
				out[i] = Delayed{Reason: errPanic.Error()}
			}
		}
	}()
	return q.renderer.Render(ctx, batch)
}

// parts makes the octets of one copy, with the same care.
func (q *Queue) parts(s sendable) (out []relay.Segment, err error) {
	defer func() {
		if p := recover(); p != nil {
			q.log.Error("panic while sealing a copy", "stage", "render", "spool_id", s.delivery.Item, "rcpt", s.delivery.Address, "delivery", s.delivery.ID, "panic", fmt.Sprintf("%T", p))
			err = errPanic
		}
	}()
	return s.copy.Parts()
}
