package listd_test

import (
	"os"
	"regexp"
	"testing"
	"time"
)

// TestTasksAreDocumented: docs/tasks.md has every task, with how often it is done, and no other.
func TestTasksAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/tasks.md")
	w := newWorld(t)
	w.must(err)
	written := map[string]time.Duration{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (\\S+) \\|").FindAllStringSubmatch(string(page), -1) {
		every, err := time.ParseDuration(m[2])
		w.must(err)
		written[m[1]] = every
	}
	for name, every := range w.sealist.Tasks("test").Intervals() {
		if written[name] != every {
			t.Errorf("%s: every %v, docs/tasks.md has %v", name, every, written[name])
		}
		delete(written, name)
	}
	if len(written) > 0 {
		t.Errorf("there is no %v", written)
	}
}
