// Package store is the one owner of the database: lists, members, keys, the
// spool, deliveries, harvested certificates, audit. Every other room asks it.
//
// # What is kept, and in what form (invariant 1)
//
// The octets of a message stand in one column, blob.octets, exactly as they
// were received: what arrived encrypted is ciphertext there. They are written
// once and never rewritten. No column holds anything that was decrypted, nor an
// unkeyed hash of it:
//
//   - item: SMTP facts (paths, client, size, times), the verdict (state, reason
//     word, detail for the listmaster, authentication method), the outer
//     Message-ID and the author's address, which both stand in the clear header.
//   - delivery: the member's address, the next hop's reply, the fingerprint of the
//     certificate the copy was sealed to, the cipher's name; for a notice the
//     template's name and its parameters, which callers fill from the facts above.
//   - list_key.pkcs8 and secret.value: encrypted under key_password by the keyring,
//     or public parameters. The store does not know what is in them.
//   - list, member, certificate, audit, node, throttle, meta: settings and
//     public values.
//
// # Leases
//
// Leased is no state. A claimed row carries its owner, and its column due is the
// lease's end instead of the next attempt; when the end passes, the row is due
// again by itself and anybody may claim it.
//
// # Durability (invariant 8)
//
// A method that changes something returns nil only after the commit, which
// SQLite makes durable with fsync (WAL, synchronous=FULL).
//
// Interim: SQLite only. The queries are written for database/sql in the common
// subset; what differs between databases stands in dialect.go, and each dialect
// has its own folder of migrations.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// What a method may answer besides success. Compare with errors.Is.
var (
	// ErrNotFound: no such list, item, delivery, key or secret. Permanent.
	ErrNotFound = errors.New("not found")
	// ErrExists: a list, key or secret of that name is there already. Permanent.
	ErrExists = errors.New("already there")
	// ErrState: the row is not in a state from which this step is allowed, most
	// likely because somebody else was faster. Permanent.
	ErrState = errors.New("not in a state that allows this")
	// ErrBusy: another process holds the database's lock for longer than the
	// busy timeout. Temporary: to a sender 451.
	ErrBusy = errors.New("the database is locked by another process; try again")
	// ErrFull: the disk or its quota is full. Temporary: to a sender 452.
	ErrFull = errors.New("no room left for the database; free disk space")
	// ErrReadOnly: the database file or its folder cannot be written. Temporary:
	// somebody must mend it.
	ErrReadOnly = errors.New("the database cannot be written; check owner and mode of its file and folder")
	// ErrSchema: the database was made by a newer version, or a running server
	// of an older version still uses it. Permanent.
	ErrSchema = errors.New("the database's schema does not fit this version")
	// ErrServerRunning: another server works on this SQLite file. Permanent.
	ErrServerRunning = errors.New("another server is running on this database")
	// ErrURL: the store's URL cannot be used. Permanent.
	ErrURL = errors.New("store.url cannot be used")
)

// Options of [Open]. The zero value is usable.
type Options struct {
	DataDir     string           // folder for relative paths; "" is the working folder
	Clock       func() time.Time // time.Now if nil
	Log         *slog.Logger     // discards if nil
	BusyTimeout time.Duration    // how long to wait for another process's lock; 0 is 10s
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	dialect *dialect
	writer  *sql.DB // one connection: SQLite has one writer, and waiting in Go is fair
	reader  *sql.DB
	path    string // of the SQLite file, absolute
	clock   func() time.Time
	log     *slog.Logger
	lastID  atomic.Int64
	lock    *fileLock // held by LockServer
	hot     *hotStatements
}

// Open opens the database at url, which is "sqlite:PATH" (relative to
// o.DataDir), makes it if it is not there, and brings its schema up to date.
// Files are made with mode 0600, the folder with 0700.
//
// Errors: ErrURL, ErrSchema, ErrBusy, ErrFull, ErrReadOnly, or the operating
// system's.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	path, ok := strings.CutPrefix(url, "sqlite:")
	if !ok || path == "" {
		return nil, fmt.Errorf("store: %w: %q; write sqlite:PATH", ErrURL, url)
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(o.DataDir, path)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.BusyTimeout == 0 {
		o.BusyTimeout = 10 * time.Second
	}
	s := &Store{dialect: sqliteDialect, path: path, clock: o.Clock, log: o.Log}
	if err := s.open(ctx, o.BusyTimeout); err != nil {
		s.Close()
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, busy time.Duration) (err error) {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return err
	}
	// One program at a time: SQLite does not wait for a lock while it changes to
	// WAL, nor goose while it makes its table.
	gate, err := waitForLock(ctx, s.path+".opening", busy)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, gate.release()) }()
	if err := prepareSQLiteFile(s.path); err != nil {
		return err
	}
	if s.writer, s.reader, err = openSQLite(s.path, busy); err != nil {
		return err
	}
	if err := s.writer.PingContext(ctx); err != nil {
		return s.dialect.explain(err, s.path)
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	s.hot, err = s.prepareHot(ctx)
	return err
}

// Close ends every connection and gives back the server's lock. Transactions
// that are under way end first.
func (s *Store) Close() error {
	var errs []error
	if s.hot != nil {
		errs = append(errs, s.hot.Close())
	}
	for _, db := range []*sql.DB{s.reader, s.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.release())
		s.lock = nil
	}
	return errors.Join(errs...)
}

// Touch begins and ends a transaction that changes nothing: it tells whether
// the database answers somebody who wants to write.
func (s *Store) Touch(ctx context.Context) error {
	return s.write(ctx, "touch", func(handle) error { return nil })
}

// Path returns where the SQLite file lies.
func (s *Store) Path() string { return s.path }

// now is the injected clock's time in the unit of the database.
func (s *Store) now() int64 { return micros(s.clock()) }

// micros turns a time into what the database keeps; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// fromMicros is the inverse of micros, in UTC.
func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
