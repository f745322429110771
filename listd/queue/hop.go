package queue

import (
	"sync"
	"time"
)

// Waits of a next hop that is down: a second after the first failure, doubled
// by each further one, a minute at most.
const (
	hopMin = time.Second
	hopMax = time.Minute
)

// hop remembers how the next hop fares, so that while it is down nothing is
// claimed for it and no member's delivery is charged an attempt.
type hop struct {
	mu       sync.Mutex
	failures int
	until    time.Time
}

// failed records that the hop could not be reached and returns how long to
// wait. Workers that fail together count once.
func (h *hop) failed(now time.Time, jitter func(time.Duration) time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now.Before(h.until) {
		return h.until.Sub(now)
	}
	h.failures++
	d := jitter(backoff(hopMin, hopMax, h.failures))
	h.until = now.Add(d)
	return d
}

// worked records that the hop took what it was given.
func (h *hop) worked() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures, h.until = 0, time.Time{}
}

// wait returns how long nothing should be sent; zero if the hop may be tried.
func (h *hop) wait(now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(0, h.until.Sub(now))
}
