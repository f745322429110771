package queue

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/sealist/sealist/listd/crashpoint"
	"github.com/sealist/sealist/listd/store"
)

// maxCommit bounds how many outcomes one transaction writes.
const maxCommit = 1000

// committer gathers the outcomes of all workers and writes them, one
// transaction after the other.
type committer struct {
	q  *Queue
	in chan store.Outcome
}

func newCommitter(q *Queue) *committer {
	return &committer{q: q, in: make(chan store.Outcome, 2*maxCommit)}
}

// add hands over one outcome. It waits when the database cannot keep up, which
// holds the workers back.
func (c *committer) add(o store.Outcome) {
	o.Owner = c.q.o.Owner
	c.in <- o
}

// close says that no outcome follows.
func (c *committer) close() { close(c.in) }

// run writes until close, or drops what it holds when ctx ends: the leases of
// what was not written run out and the deliveries are made again.
func (c *committer) run(ctx context.Context) {
	for o := range c.in {
		batch := append(make([]store.Outcome, 0, 64), o)
	gather:
		for len(batch) < maxCommit {
			select {
			case o, ok := <-c.in:
				if !ok {
					break gather
				}
				batch = append(batch, o)
			default:
				break gather
			}
		}
		c.write(ctx, batch)
	}
}

// write commits a batch, trying again for as long as the database refuses.
func (c *committer) write(ctx context.Context, batch []store.Outcome) {
	for ctx.Err() == nil {
		subjects := c.q.inHand.leave(batch) // before the commit, after which one that is delayed may be claimed again
		err := c.q.store.Complete(ctx, batch)
		if err == nil {
			c.q.inHand.left()
			c.q.moved.Beat()
			c.tell(ctx, batch, subjects)
			c.count(batch, subjects)
			crashpoint.At(crashpoint.QueueResultCommitted)
			if slices.ContainsFunc(batch, func(o store.Outcome) bool { return len(o.Notices) > 0 }) {
				c.q.Wake()
			}
			return
		}
		c.q.inHand.keep(batch, subjects)
		c.q.log.Error("cannot write results, trying again in a second", "results", len(batch), "err", err)
		pause(ctx, time.Second)
	}
}

// count counts every result.
func (c *committer) count(batch []store.Outcome, subjects []subject) {
	if c.q.o.Count == nil {
		return
	}
	for i, o := range batch {
		c.q.o.Count(subjects[i].kind, o)
	}
}

// tell writes a line for every result: at level debug for a copy that the next
// hop took, which is what happens to most of them.
func (c *committer) tell(ctx context.Context, batch []store.Outcome, subjects []subject) {
	for i, o := range batch {
		level := slog.LevelInfo
		if o.State == store.DeliveryRelayed {
			level = slog.LevelDebug
		}
		if !c.q.log.Enabled(ctx, level) {
			continue
		}
		s := subjects[i]
		c.q.log.Log(ctx, level, "delivery", "stage", "relay", "spool_id", s.item, "rcpt", s.rcpt, "kind", s.kind, "state", o.State,
			"attempts", o.Attempts, "code", o.Code, "enhanced", o.Enhanced, "text", o.Text, "reason", o.Reason)
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
