package listd

import (
	"fmt"
	"log/slog"
	"sync"
	"syscall"

	"github.com/sealist/sealist/listd/store"
)

// disk watches the free space of a file system, so that mail is put off before
// the database has none left: what was taken needs some to be worked through.
type disk struct {
	dir   string
	least int64                                         // octets; 0: defaultFree, or a twentieth of the whole
	usage func(dir string) (free, all int64, err error) // as usage
	log   *slog.Logger

	mu  sync.Mutex
	low bool
}

// defaultFree is what has to be free where nothing is configured.
const defaultFree = 256 << 20

// room returns an error that wraps store.ErrFull while there is too little. Once
// there was, it wants a quarter more than least, so that it does not change its
// mind with every message.
func (d *disk) room() error {
	free, all, err := d.usage(d.dir)
	if err != nil {
		return nil // the database will say what is wrong with its folder
	}
	least := d.least
	if least == 0 {
		least = min(defaultFree, all/20)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.low && free < least:
		d.low = true
		d.log.Error("the disk is nearly full: mail is put off with 452; make room", "folder", d.dir, "free", free, "store.min_free", least)
	case d.low && free >= least+least/4:
		d.low = false
		d.log.Info("there is room on the disk again: mail is taken", "folder", d.dir, "free", free)
	}
	if d.low {
		return fmt.Errorf("%d octets free in %s: %w", free, d.dir, store.ErrFull)
	}
	return nil
}

// usage returns how many octets of dir's file system this process may still
// fill, and how many it has.
func usage(dir string) (free, all int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), int64(s.Blocks) * int64(s.Bsize), nil
}
