package resolver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sealist/sealist/directory"
)

// Answers keeps what directories answered. *store.Store does.
type Answers interface {
	// KeptAnswers returns what is kept of these addresses under this source and version, with Fetched, in any order.
	// Address is the normalised one.
	KeptAnswers(ctx context.Context, source, version string, addresses []string) ([]directory.Answer, error)
	// KeepAnswers puts answers in the place of those kept; each is to be fetched again when its due comes.
	KeepAnswers(ctx context.Context, source, version string, answers []directory.KeptAnswer) error
}

// CacheOptions say how long answers count.
type CacheOptions struct {
	Positive time.Duration // in which something was found. 0: 24 h
	Negative time.Duration // in which nothing was found. 0: 1 h
	Stale    time.Duration // beyond Positive, while the source cannot be asked. 0: not at all

	Clock func() time.Time // nil: time.Now
	Log   *slog.Logger     // nil: nothing is logged
}

// Cached is a Source that remembers the answers of another one, so that a post asks a directory nothing that was asked
// for a moment ago. An outage is never kept: an answer that was kept stands in for it for some time, if it found
// something (invariant 2). Who asks for the same address at the same time shares one question.
type Cached struct {
	source  Source
	version string
	answers Answers
	o       CacheOptions

	mu      sync.Mutex
	flights map[string]*flight // by normalised address
}

// flight is a question on its way.
type flight struct {
	done   chan struct{} // closed when answer is set
	answer directory.Answer
}

// NewCached makes a Cached. version names how the source is configured: what was kept under another one does not count.
func NewCached(source Source, version string, answers Answers, o CacheOptions) *Cached {
	if o.Positive <= 0 {
		o.Positive = 24 * time.Hour
	}
	if o.Negative <= 0 {
		o.Negative = time.Hour
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Cached{source: source, version: version, answers: answers, o: o, flights: map[string]*flight{}}
}

// Name returns the name of the source.
func (c *Cached) Name() string { return c.source.Name() }

// Version returns the version under which answers are kept.
func (c *Cached) Version() string { return c.version }

// Lookup answers from what is kept, and asks the source for the rest.
func (c *Cached) Lookup(ctx context.Context, addresses []string) []directory.Answer {
	return c.LookupSince(ctx, addresses, time.Time{})
}

// LookupSince is Lookup with nothing that was fetched before a moment. Unless that is zero nothing stands in for an
// outage.
func (c *Cached) LookupSince(ctx context.Context, addresses []string, since time.Time) []directory.Answer {
	now := c.o.Clock()
	kept := c.kept(ctx, addresses)
	answers := make([]directory.Answer, len(addresses))
	var asked []string
	var open []int
	for i, address := range addresses {
		k, ok := kept[directory.Normalise(address)]
		if ok && now.Before(k.Until) && !k.Fetched.Before(since) && !k.Fetched.After(now) {
			k.Address = address
			answers[i] = k
			continue
		}
		asked, open = append(asked, address), append(open, i)
	}
	for n, a := range c.fetch(ctx, asked, now) {
		i := open[n]
		if err := a.Outage(); err != nil && since.IsZero() {
			k, ok := kept[directory.Normalise(a.Address)]
			if ok && k.Err == nil && now.Before(k.Fetched.Add(c.o.Positive+c.o.Stale)) {
				k.Address, k.Stale = a.Address, err
				a = k
			}
		}
		answers[i] = a
	}
	return answers
}

// kept reads what is kept, by normalised address. That it cannot be read costs a question to the source, no more.
func (c *Cached) kept(ctx context.Context, addresses []string) map[string]directory.Answer {
	keys := make([]string, len(addresses))
	for i, a := range addresses {
		keys[i] = directory.Normalise(a)
	}
	kept, err := c.answers.KeptAnswers(ctx, c.Name(), c.version, keys)
	if err != nil && ctx.Err() == nil {
		c.o.Log.Error("kept answers cannot be read; the source is asked again", "source", c.Name(), "err", err)
	}
	by := make(map[string]directory.Answer, len(kept))
	for _, k := range kept {
		life := c.o.Positive
		if k.Err != nil {
			life = c.o.Negative
		}
		k.Until = k.Fetched.Add(life)
		by[k.Address] = k
	}
	return by
}

// fetch asks the source, for each address once, and keeps what it says. The question goes on when its caller leaves. began
// is when the caller looked at what is kept.
func (c *Cached) fetch(ctx context.Context, addresses []string, began time.Time) []directory.Answer {
	if len(addresses) == 0 {
		return nil
	}
	flights := make([]*flight, len(addresses))
	var mine []string
	c.mu.Lock()
	for i, address := range addresses {
		key := directory.Normalise(address)
		f := c.flights[key]
		if f == nil {
			f = &flight{done: make(chan struct{})}
			c.flights[key] = f
			mine = append(mine, key)
		}
		flights[i] = f
	}
	c.mu.Unlock()
	if len(mine) > 0 {
		go c.ask(context.WithoutCancel(ctx), mine, began)
	}
	answers := make([]directory.Answer, len(addresses))
	for i, f := range flights {
		select {
		case <-f.done:
			answers[i] = f.answer
		case <-ctx.Done():
			answers[i] = directory.Answer{Err: ctx.Err()}
		}
		answers[i].Address = addresses[i]
	}
	return answers
}

// ask asks the source and lets the flights land. What another flight brought since it began is not asked for again.
func (c *Cached) ask(ctx context.Context, keys []string, began time.Time) {
	answers := directory.Fail(keys, errBroken)
	defer func() {
		p := recover()
		c.mu.Lock()
		defer c.mu.Unlock()
		for i, key := range keys {
			f := c.flights[key]
			f.answer = answers[i]
			delete(c.flights, key)
			close(f.done)
		}
		if p != nil {
			c.o.Log.Error("panic while asking a source of certificates", "source", c.Name(), "panic", fmt.Sprintf("%T", p))
		}
	}()
	kept := c.kept(ctx, keys)
	var open []int
	var asked []string
	for i, key := range keys {
		if k, ok := kept[key]; ok && !k.Fetched.Before(began) {
			answers[i] = k
			continue
		}
		open, asked = append(open, i), append(asked, key)
	}
	if len(asked) == 0 {
		return
	}
	if got := c.source.Lookup(ctx, asked); len(got) == len(asked) {
		for n, i := range open {
			answers[i] = got[n]
		}
		c.keep(ctx, asked, got)
	}
}

// keep keeps those that are no outages.
func (c *Cached) keep(ctx context.Context, keys []string, answers []directory.Answer) {
	now := c.o.Clock()
	var worth []directory.KeptAnswer
	for i, a := range answers {
		if a.Outage() != nil || a.Err != nil && !errors.Is(a.Err, directory.ErrNotFound) {
			continue
		}
		life := c.o.Positive
		if a.Err != nil {
			life = c.o.Negative
		}
		a.Address, a.Fetched = keys[i], now
		// Not all at once, and well before the end of its time: when a directory is asked tells nothing about a post.
		due := now.Add(time.Duration(float64(life) * (0.5 + 0.3*rand.Float64())))
		worth = append(worth, directory.KeptAnswer{Answer: a, Due: due})
	}
	if len(worth) == 0 {
		return
	}
	if err := c.answers.KeepAnswers(ctx, c.Name(), c.version, worth); err != nil {
		c.o.Log.Error("answers cannot be kept", "source", c.Name(), "err", err)
	}
}
