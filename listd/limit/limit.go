// Package limit bounds how often each client of the pages and of the API does
// something.
package limit

import (
	"net/netip"
	"sync"
	"time"
)

// maxKnown is how many clients are remembered: beyond it all begin anew, which is
// better than to run out of memory.
const maxKnown = 100_000

// Limiter counts what each client does within a time. It is safe for concurrent
// use.
type Limiter struct {
	clock  func() time.Time
	most   int
	within time.Duration

	mu    sync.Mutex
	seen  map[string]int
	since time.Time
}

// New makes a Limiter that allows each client most times within a time.
func New(clock func() time.Time, most int, within time.Duration) *Limiter {
	return &Limiter{clock: clock, most: most, within: within, seen: map[string]int{}}
}

// Allow counts one more of a client, and tells whether it is within the limit.
func (l *Limiter) Allow(client string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.clock(); now.Sub(l.since).Abs() > l.within || len(l.seen) >= maxKnown {
		l.since = now
		clear(l.seen)
	}
	l.seen[client]++
	return l.seen[client] <= l.most
}

// Network names the network of a client: whoever has one of IPv6 has that many
// addresses. The zero Addr, of a socket, is one of its own.
func Network(a netip.Addr) string {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	network, _ := a.WithZone("").Prefix(bits)
	return network.String()
}
