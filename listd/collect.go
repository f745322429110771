package listd

import (
	"os"
	"runtime/debug"
)

// slack is about how many octets of garbage may pile up beside large messages.
const slack = 24 << 20

// collectFor tells the garbage collector how many octets of messages are held.
// By itself it lets the heap grow to twice what is in use. Messages are octets
// without pointers, which cost it nothing to look at: it may come sooner. An
// administrator's GOGC stands.
func collectFor(held int64) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percentFor(held))
	}
}

// percentFor is 100, Go's own, while nothing is held.
func percentFor(held int64) int {
	return int(max(20, 100*slack/(slack+max(0, held))))
}
