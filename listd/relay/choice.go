package relay

import (
	"sync"
	"time"
)

// How long a hop in trouble is put aside: a second after the first failure,
// doubled by each further one, five minutes at most.
const (
	asideMin = time.Second
	asideMax = 5 * time.Minute
)

// standing is how one hop fares.
type standing struct {
	weight   int       // share of the Sends, beside the others'; 0: only when no other is left
	credit   int       // what it is owed of its share
	failures int       // in a row
	until    time.Time // aside until then
	trying   bool      // it was aside, and one Send finds out whether it is back
}

// choice says which hop a Send uses. It knows nothing of connections, so that
// its rules can be read, and tested, as a table.
type choice struct {
	mu   sync.Mutex
	hops []standing
}

func newChoice(hops []Hop) *choice {
	c := &choice{hops: make([]standing, len(hops))}
	for i, h := range hops {
		c.hops[i].weight = h.Weight
	}
	return c
}

// pick returns the hop to try next, none of those tried already; -1 if no other
// is worth trying. Hops with a weight come in turn, each as often as its weight
// says; those without only if all of them are aside or were tried. A hop whose
// time aside is over is tried by one Send, while the others go elsewhere.
//
// If all are aside, a Send that has tried none gets the one whose time is over
// first: how long to leave all of them alone is the caller's to say.
func (c *choice) pick(now time.Time, tried []bool) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	best := c.turn(now, tried, func(s *standing) bool { return s.weight > 0 })
	if best < 0 {
		best = c.turn(now, tried, func(s *standing) bool { return s.weight == 0 })
	}
	if best < 0 {
		best = c.soonest(tried)
	}
	if best >= 0 {
		c.hops[best].trying = c.hops[best].failures > 0
	}
	return best
}

// turn gives every hop that may be used its due and takes what is used from the
// one that is owed most, so that weights 3 and 1 come as a a b a.
func (c *choice) turn(now time.Time, tried []bool, use func(*standing) bool) int {
	best, total := -1, 0
	for i := range c.hops {
		s := &c.hops[i]
		if tried[i] || s.trying || now.Before(s.until) || !use(s) {
			continue
		}
		due := max(s.weight, 1)
		s.credit += due
		total += due
		if best < 0 || s.credit > c.hops[best].credit {
			best = i
		}
	}
	if best >= 0 {
		c.hops[best].credit -= total
	}
	return best
}

func (c *choice) soonest(tried []bool) int {
	best := -1
	for i := range c.hops {
		if tried[i] {
			return -1
		}
		if best < 0 || c.hops[i].until.Before(c.hops[best].until) {
			best = i
		}
	}
	return best
}

// failed puts a hop aside and returns for how long; 0 if it was aside already:
// Sends that fail together count once.
func (c *choice) failed(i int, now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.hops[i]
	s.trying = false
	if now.Before(s.until) {
		return 0
	}
	wait := asideMin
	for range s.failures {
		wait = min(2*wait, asideMax)
	}
	s.failures++
	s.until = now.Add(wait)
	return wait
}

// worked records that a hop took what it was given.
func (c *choice) worked(i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.hops[i]
	s.failures, s.until, s.trying = 0, time.Time{}, false
}

// undecided records that a Send was ended before the hop could show anything.
func (c *choice) undecided(i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hops[i].trying = false
}
