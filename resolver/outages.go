package resolver

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// outageEvery is the least time between two lines of the log about one source.
const outageEvery = time.Minute

// outages writes that sources cannot be asked. While one is down every batch of copies meets it, and a large list is
// thousands of batches: it is said at once, and then once a minute with how many lookups have failed since.
type outages struct {
	mu      sync.Mutex
	sources map[string]failing // by name
}

// failing is what is known about one source that could not be asked.
type failing struct {
	told   time.Time // when last
	failed int       // lookups since
}

// tell counts lookups that failed, and writes a line unless one was written a moment ago.
func (o *outages) tell(ctx context.Context, log *slog.Logger, now time.Time, source string, addresses int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, known := o.sources[source]
	s.failed += addresses
	if !known || now.Sub(s.told) >= outageEvery {
		log.LogAttrs(ctx, slog.LevelWarn, "a source of certificates cannot be asked; the copies wait",
			slog.String("source", source), slog.Int("addresses", s.failed), slog.Any("error", err))
		s = failing{told: now}
	}
	o.sources[source] = s
}
