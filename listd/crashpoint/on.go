//go:build crashpoint

package crashpoint

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// hits counts how often the chosen point was met. It is the only package
// state of the project, and exists in test builds only.
var hits atomic.Int64

// At kills the process if this is the point that SEALIST_CRASH names.
func At(p Point) {
	name, count, _ := strings.Cut(os.Getenv("SEALIST_CRASH"), ":")
	if name != string(p) {
		return
	}
	n := int64(1)
	if v, err := strconv.ParseInt(count, 10, 64); err == nil && v > 0 {
		n = v
	}
	if hits.Add(1) == n {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way: nothing after this point may run
	}
}
