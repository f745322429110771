package resolver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sealist/sealist/directory"
)

// Roster tells about whom answers are wanted. *store.Store is one.
type Roster interface {
	// DueAnswers returns members about whom a source's answer is due, or kept under another version.
	DueAnswers(ctx context.Context, source, version string, at time.Time, most int) ([]string, error)
	// UnansweredMembers returns addresses of members about whom no answer is kept, in their order, behind one.
	UnansweredMembers(ctx context.Context, after string, most int) ([]string, error)
	// PruneAnswers removes what is kept of other sources, and what was fetched before a moment about no member.
	PruneAnswers(ctx context.Context, sources []string, before time.Time) (int, error)
}

// Refresher keeps the caches of directories warm, so that a post asks them nothing and its time tells them nothing.
type Refresher struct {
	resolver *Resolver
	roster   Roster
	after    string // the member asked about last who had no answer
}

// NewRefresher makes a Refresher.
func NewRefresher(r *Resolver, roster Roster) *Refresher {
	return &Refresher{resolver: r, roster: roster}
}

// Bounds of one run.
const (
	refreshMost  = 2000 // addresses of each kind
	refreshBatch = 50   // asked for at a time
)

// Refresh asks again about members whose answers are due, and about those of whom nothing is kept, in an order that says
// nothing about lists. A directory that cannot be asked is left in peace until the next run.
func (f *Refresher) Refresh(ctx context.Context) (summary string, err error) {
	now := f.resolver.o.Clock()
	var caches []*Cached
	var names []string
	for _, s := range f.resolver.sources {
		if c, ok := s.(*Cached); ok {
			caches, names = append(caches, c), append(names, c.Name())
		}
	}
	pruned, err := f.roster.PruneAnswers(ctx, names, now.Add(-24*time.Hour))
	if err != nil || len(caches) == 0 {
		return "", err
	}
	refreshed := 0
	for _, c := range caches {
		due, err := f.roster.DueAnswers(ctx, c.Name(), c.Version(), now, refreshMost)
		if err != nil {
			return "", err
		}
		n, err := inBatches(ctx, due, func(batch []string) error { return outageOf(c.LookupSince(ctx, batch, now)) })
		refreshed += n
		if err != nil {
			return "", fmt.Errorf("directory %s, after %d of %d: %w", c.Name(), n, len(due), err)
		}
	}
	unanswered, err := f.roster.UnansweredMembers(ctx, f.after, refreshMost)
	if err != nil {
		return "", err
	}
	if f.after = ""; len(unanswered) == refreshMost {
		f.after = unanswered[len(unanswered)-1]
	}
	first, err := inBatches(ctx, unanswered, func(batch []string) error {
		for _, result := range f.resolver.Resolve(ctx, batch, Allowances{}) {
			if result.Err == nil {
				return nil
			}
		}
		return fmt.Errorf("none of %d addresses could be looked up", len(batch))
	})
	if refreshed+first+pruned > 0 {
		summary = fmt.Sprintf("asked again about %d, for the first time about %d, forgot %d", refreshed, first, pruned)
	}
	return summary, err
}

// outageOf returns an outage if there is no other answer.
func outageOf(answers []directory.Answer) error {
	var err error
	for _, a := range answers {
		if err = a.Outage(); err == nil {
			return nil
		}
	}
	return err
}

// inBatches calls do for all addresses, shuffled, some at a time, until one fails. It returns for how many it went well.
func inBatches(ctx context.Context, addresses []string, do func([]string) error) (int, error) {
	rand.Shuffle(len(addresses), func(i, j int) { addresses[i], addresses[j] = addresses[j], addresses[i] })
	n := 0
	for batch := range slices.Chunk(addresses, refreshBatch) {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		if err := do(batch); err != nil {
			return n, err
		}
		n += len(batch)
	}
	return n, nil
}
