package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// fileLock is an exclusive flock(2) on a file of its own. The kernel gives it
// back when the process ends, however it ends.
type fileLock struct{ f *os.File }

// lockFile takes the lock or answers ErrServerRunning at once.
func lockFile(path string) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s is locked", ErrServerRunning, path)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &fileLock{f}, nil
}

// waitForLock takes the lock as soon as nobody else has it. ErrBusy if that
// takes longer than patience.
func waitForLock(ctx context.Context, path string, patience time.Duration) (*fileLock, error) {
	for deadline := time.Now().Add(patience); ; {
		lock, err := lockFile(path)
		if !errors.Is(err, ErrServerRunning) {
			return lock, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%w (%s)", ErrBusy, path)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// release leaves the file in place: removing it would let two processes lock
// two files of the same name.
func (l *fileLock) release() error { return l.f.Close() }

func (s *Store) lockPath() string { return s.path + ".lock" }

// hold has nothing to do: the kernel never takes a lock away.
func (l *fileLock) hold(context.Context) error { return nil }

// LockServer makes this process the server called node, until Close or the
// process's end. An SQLite file has one server, whatever its name is; a
// PostgreSQL database one of each name. ErrServerRunning if there is another.
// Programs that work beside the server (listmaster) do not call it.
func (s *Store) LockServer(ctx context.Context, node string) (err error) {
	if s.lock != nil {
		return nil
	}
	var lock serving
	if s.Shared() {
		lock, err = lockNode(ctx, s, node)
	} else {
		lock, err = lockFile(s.lockPath())
	}
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	s.lock = lock
	return nil
}

// HoldServer takes the server's lock anew where it was lost with a connection
// to PostgreSQL. ErrServerRunning if another process has it by now.
func (s *Store) HoldServer(ctx context.Context) error {
	if s.lock == nil {
		return nil
	}
	return s.wrap("hold the server's lock", s.lock.hold(ctx))
}

// stopServers takes the lock that every server needs, so that none runs or
// starts. ErrServerRunning if one runs, this process itself included.
func (s *Store) stopServers(ctx context.Context) (serving, error) {
	if s.lock != nil {
		return nil, ErrServerRunning
	}
	if s.Shared() {
		return lockAll(ctx, s)
	}
	return lockFile(s.lockPath())
}
