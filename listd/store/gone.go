package store

import (
	"errors"
	"fmt"
	"os"
)

// ErrGone: the SQLite file is not where it was opened, or another stands there:
// what is written would not be found at the next start. Temporary: to a sender
// 451, until the file is back or the server is started anew.
var ErrGone = errors.New("the database file was moved, removed or replaced while the server runs; put it back, or restart the server")

// present reports whether the file that is open is the one at its path. SQLite
// does not look: it writes happily into a file that has no name any more. A
// store without a file is always present.
func (s *Store) present() error {
	if s.file == nil {
		return nil
	}
	now, err := os.Stat(s.path)
	if err != nil {
		return fmt.Errorf("%w (%w)", ErrGone, err)
	}
	if !os.SameFile(now, s.file) {
		return fmt.Errorf("%w (another file is at %s)", ErrGone, s.path)
	}
	return nil
}
