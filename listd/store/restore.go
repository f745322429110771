package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Backup writes everything that this database holds at one moment into an SQLite file that is not there yet, with mode
// 0600. Servers may go on working meanwhile. Keys are in it as they are kept: encrypted under the key password.
func (s *Store) Backup(ctx context.Context, path string) (done []Copied, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("store: back up: %s: %w", path, os.ErrExist)
	}
	to, err := Open(ctx, "sqlite:"+path, Options{Clock: s.clock, Log: s.log})
	if err != nil {
		return nil, err
	}
	done, err = s.copyTo(ctx, to, nil)
	if err := errors.Join(err, to.Close()); err != nil {
		return nil, errors.Join(err, removeFile(path))
	}
	return done, removeBeside(path)
}

// Restore fills this database, which is empty, from a backup, which stays as it is, and marks the moment, in one
// transaction: there is no restored database without the mark. No server may work on it.
func (s *Store) Restore(ctx context.Context, path string) (done []Copied, err error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".restore-") // an older backup's schema is brought up to date in a copy
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	beside := filepath.Join(dir, "backup.db")
	if err := copyFile(path, beside); err != nil {
		return nil, err
	}
	from, err := Open(ctx, "sqlite:"+beside, Options{Clock: s.clock, Log: s.log})
	if err != nil {
		return nil, err
	}
	defer from.Close()
	return from.copyStopped(ctx, s, func(h handle) error { return s.markRestored(ctx, h) })
}

// MarkRestored tells the database that it is a copy of an earlier moment: what was sent to people since is unknown to it.
// Their tokens and logins end, and signatures that may have been used since count for nothing (see Restored).
func (s *Store) MarkRestored(ctx context.Context) error {
	return s.write(ctx, "mark as restored", func(h handle) error { return s.markRestored(ctx, h) })
}

// unknownNumbers is more than the lists, and the members, that may have been made between a backup and its restore. Their
// numbers are given to nobody else: return addresses and links for leaving name somebody by his number, and never end.
const unknownNumbers = 1 << 20

func (s *Store) markRestored(ctx context.Context, h handle) error {
	for _, table := range []string{"list", "member"} {
		last, err := s.dialect.lastNumber(ctx, h, table)
		if err != nil {
			return err
		}
		if err := s.dialect.setLastNumber(ctx, h, table, last+unknownNumbers); err != nil {
			return err
		}
	}
	for _, table := range []string{"token", "session", "api_token"} {
		if _, err := h.exec(ctx, `DELETE FROM `+table); err != nil {
			return err
		}
	}
	_, err := h.exec(ctx, `INSERT INTO meta (name, value) VALUES ('restored', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, s.now())
	if err != nil {
		return err
	}
	return bump(ctx, h)
}

// Restored returns when the database was last restored from a backup; zero: never.
func (s *Store) Restored(ctx context.Context) (time.Time, error) {
	var at int64
	err := s.read().row(ctx, `SELECT value FROM meta WHERE name = 'restored'`).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return fromMicros(at), s.wrap("restored", err)
}

// removeBeside removes the files that SQLite and our locks leave beside a database that is closed.
func removeBeside(path string) error {
	var errs []error
	for _, suffix := range []string{"-wal", "-shm", ".lock", ".opening"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func removeFile(path string) error { return errors.Join(os.Remove(path), removeBeside(path)) }

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}
