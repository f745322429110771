package api

import (
	"net/netip"
	"sync"
	"time"
)

// limiter counts what each client does within a time.
type limiter struct {
	clock  func() time.Time
	most   int
	within time.Duration

	mu    sync.Mutex
	seen  map[string]int
	since time.Time
}

func newLimiter(clock func() time.Time, most int, within time.Duration) *limiter {
	return &limiter{clock: clock, most: most, within: within, seen: map[string]int{}}
}

// allow counts one more, and tells whether it is within the limit.
func (l *limiter) allow(who string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn()
	l.seen[who]++
	return l.seen[who] <= l.most
}

// spent tells whether nothing more is allowed, and counts nothing.
func (l *limiter) spent(who string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn()
	return l.seen[who] >= l.most
}

// turn begins a new time when one is over.
func (l *limiter) turn() {
	if now := l.clock(); now.Sub(l.since).Abs() > l.within {
		l.since = now
		clear(l.seen)
	}
}

// networkOf names the network of a client: whoever has one of IPv6 has that many
// addresses.
func networkOf(a netip.Addr) string {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	network, _ := a.Prefix(bits) // the zero Addr, of a socket, is a network of its own
	return network.String()
}
