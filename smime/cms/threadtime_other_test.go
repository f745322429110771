//go:build !linux

package cms

import "time"

var started = time.Now()

// threadTime is the time on the wall, where the thread's own is not to be had.
func threadTime() time.Duration { return time.Since(started) }
