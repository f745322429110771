package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sealist/sealist/listd/crashpoint"
	"github.com/sealist/sealist/listd/relay"
	"github.com/sealist/sealist/listd/store"
)

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
	judged, began := q.o.Clock(), time.Now()
	next := func() (relay.Transaction, bool) {
		for n < len(ready) && soft.Err() == nil {
			if n > 0 && time.Since(began) > q.o.Hold { // the next hop has become slow: see pace
				q.giveBack(ready[n:], c)
				ready = ready[:n]
				break
			}
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

// giveBack makes copies due again that were not begun, for whoever has room for
// them: other nodes, or other lists here.
func (q *Queue) giveBack(ready []sendable, c *committer) {
	for _, s := range ready {
		c.add(store.Outcome{Delivery: s.delivery.ID, State: store.DeliveryDelayed, Attempts: s.delivery.Attempts, NextAt: q.o.Clock(),
			Reason: "the next hop is slow", Cause: CauseNextHop})
	}
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
