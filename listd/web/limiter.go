package web

import (
	"net/netip"
	"sync"
	"time"
)

// limiter counts what a client's network does within a time.
type limiter struct {
	clock  func() time.Time
	most   int
	within time.Duration

	mu    sync.Mutex
	seen  map[netip.Prefix]int
	since time.Time
}

func newLimiter(clock func() time.Time, most int, within time.Duration) *limiter {
	return &limiter{clock: clock, most: most, within: within, seen: map[netip.Prefix]int{}}
}

// allow counts one more, and tells whether it is within the limit.
func (l *limiter) allow(a netip.Addr) bool {
	bits := 32
	if a.Is6() {
		bits = 64 // whoever has a network of IPv6 has that many addresses
	}
	network, _ := a.Prefix(bits) // the zero Addr, of a socket, is a network of its own
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.clock(); now.Sub(l.since).Abs() > l.within {
		l.since = now
		clear(l.seen)
	}
	l.seen[network]++
	return l.seen[network] <= l.most
}
