package queue

import (
	"context"
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
func (c *committer) add(o store.Outcome) { c.in <- o }

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
		c.q.inHand.leave(batch) // before the commit, after which one that is delayed may be claimed again
		err := c.q.store.Complete(ctx, batch)
		if err == nil {
			c.q.moved.Beat()
			crashpoint.At(crashpoint.QueueResultCommitted)
			if slices.ContainsFunc(batch, func(o store.Outcome) bool { return len(o.Notices) > 0 }) {
				c.q.Wake()
			}
			return
		}
		c.q.inHand.keep(batch)
		c.q.log.Error("cannot write results, trying again in a second", "results", len(batch), "err", err)
		pause(ctx, time.Second)
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
