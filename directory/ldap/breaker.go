package ldap

import "time"

// Bounds of a breaker's pause.
const (
	firstPause = time.Second
	lastPause  = time.Minute
)

// breaker keeps a server that is down from being asked again at once, so that not every lookup waits for it. The pause
// doubles with each failure; after it, the next question is the test.
type breaker struct {
	failures int
	until    time.Time // not asked before; zero: in order
}

func (b *breaker) open(now time.Time) bool { return now.Before(b.until) }

func (b *breaker) failed(now time.Time) {
	pause := lastPause
	if b.failures < 6 {
		pause = min(firstPause<<b.failures, lastPause)
	}
	b.failures++
	b.until = now.Add(pause)
}

func (b *breaker) succeeded() { *b = breaker{} }
