// Package pulse tells how long ago a loop gave its last sign of life, for the
// watchdog.
package pulse

import (
	"sync/atomic"
	"time"
)

// Pulse is a loop's last sign of life. The zero value has given none. It is
// safe for concurrent use.
//
// It counts by the monotonic clock and by no injected one: that the wall clock
// jumps says nothing of a loop.
type Pulse struct{ last atomic.Pointer[time.Time] }

// Beat is a sign of life.
func (p *Pulse) Beat() {
	now := time.Now()
	p.last.Store(&now)
}

// Silent is how long ago the last sign of life was; 0 before the first, for a
// loop that has not begun cannot hang.
func (p *Pulse) Silent() time.Duration {
	last := p.last.Load()
	if last == nil {
		return 0
	}
	return time.Since(*last)
}
