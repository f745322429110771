package listd

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/store"
)

// Mail is put off below the mark and taken again a quarter above it; each
// crossing is told once.
func TestDisk(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct {
		least, all int64
		free       []int64 // a "no" is a minus
		logged     int
	}{
		"a mark":              {100, 1 << 40, []int64{1000, 100, -99, -100, -124, 125, 100, -99, 200}, 4},
		"the default":         {0, 1 << 40, []int64{256 * mib, -256*mib + 1, -320*mib + 1, 320 * mib}, 2},
		"a small file system": {0, 4 * mib, []int64{mib, -200 * 1024, -255 * 1024, 257 * 1024}, 2},
		"never low":           {1, 1 << 40, []int64{5, 1}, 0},
	} {
		var log bytes.Buffer
		var free int64
		d := disk{dir: "/x", least: c.least, log: slog.New(slog.NewTextHandler(&log, nil)), usage: func(string) (int64, int64, error) { return max(free, -free), c.all, nil }}
		for i, f := range c.free {
			free = f
			if err := d.room(); (err != nil) != (f < 0) || err != nil && !errors.Is(err, store.ErrFull) {
				t.Errorf("%s, %d: %d free: %v", name, i, f, err)
			}
		}
		if n := strings.Count(log.String(), "\n"); n != c.logged {
			t.Errorf("%s: logged %d lines, want %d:\n%s", name, n, c.logged, &log)
		}
	}
	// A file system that cannot be asked is no reason to refuse mail.
	d := disk{usage: func(string) (int64, int64, error) { return 0, 0, errors.New("gone") }}
	if err := d.room(); err != nil {
		t.Error(err)
	}
	if free, all, err := usage(t.TempDir()); err != nil || free <= 0 || free > all {
		t.Errorf("%d of %d, %v", free, all, err)
	}
}
