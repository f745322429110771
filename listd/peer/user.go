package peer

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// chown gives a path to a user of this machine.
func chown(path, name string) error {
	account, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(account.Uid)
	if err != nil {
		return fmt.Errorf("user %s: %w", name, err)
	}
	return os.Chown(path, uid, -1)
}

// lockFile waits for the file's lock, which ends when the file is closed.
func lockFile(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }
