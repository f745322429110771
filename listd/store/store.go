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
//   - audit: who did what, and the facts by which it was decided.
//   - list, member, certificate, expiry_told, node, throttle, meta: settings and
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
// SQLite makes durable with fsync (WAL, synchronous=FULL), and PostgreSQL with
// synchronous_commit, which is switched on for every connection.
//
// # Two databases
//
// The queries are written for database/sql in the subset that SQLite and
// PostgreSQL share; what differs stands in dialect.go, sqlite.go and
// postgres.go, and each has its own folder of migrations.
//
// SQLite has one writer, so that whatever a transaction reads holds until it
// ends. PostgreSQL has as many as there are nodes. There a transaction of write
// first takes one lock for the whole database and has the same comfort;
// those of writeBeside, which are many and which every node has at once, take
// only rows, in the order of their numbers.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
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
	// ErrUnreachable: the database cannot be reached. Temporary: to a sender 451.
	ErrUnreachable = errors.New("the database cannot be reached; check that it runs, and the network")
	// ErrSchema: the database was made by a newer version, or a running server
	// of an older version still uses it. Permanent.
	ErrSchema = errors.New("the database's schema does not fit this version")
	// ErrServerRunning: another server works on this SQLite file, or one of this
	// name on this PostgreSQL database. Permanent.
	ErrServerRunning = errors.New("another server is running on this database")
	// ErrDamaged: the file is no SQLite database, or no whole one. Permanent.
	ErrDamaged = errors.New("the database is damaged, or none")
	// ErrURL: the store's URL cannot be used. Permanent.
	ErrURL = errors.New("store.url cannot be used")
)

// Options of [Open]. The zero value is usable.
type Options struct {
	DataDir     string           // folder for relative paths; "" is the working folder
	Clock       func() time.Time // time.Now if nil
	Log         *slog.Logger     // discards if nil
	Password    string           // of PostgreSQL's user, instead of one in the URL
	Insecure    bool             // allows PostgreSQL elsewhere without verified TLS
	BusyTimeout time.Duration    // how long to wait for another process's lock; 0 is 10s
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	dialect  *dialect
	writer   *sql.DB // one connection: SQLite has one writer, and waiting in Go is fair
	reader   *sql.DB
	name     string      // what messages call it; no password
	path     string      // of the SQLite file, absolute; "": it is none
	file     os.FileInfo // of the SQLite file, as it was opened; nil: it is none
	clock    func() time.Time
	log      *slog.Logger
	lastID   atomic.Int64
	lastTurn atomic.Int64 // the list that had the last turn in a claim
	lock     serving      // held by LockServer
	hot      *hotStatements
	one      chan struct{} // holds a token while this process has a transaction that must be alone
	session  *sql.DB       // PostgreSQL: the one connection on which locks are held
}

// Open opens the database at url, makes its schema if there is none, and brings
// it up to date. url is "sqlite:PATH", relative to o.DataDir, or
// "postgres://…", as libpq reads it. An SQLite file is made if it is not there,
// with mode 0600, its folder with 0700.
//
// Errors: ErrURL, ErrSchema, ErrBusy, ErrFull, ErrReadOnly, ErrUnreachable,
// ErrDamaged, or the operating system's.
func Open(ctx context.Context, url string, o Options) (*Store, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.BusyTimeout == 0 {
		o.BusyTimeout = 10 * time.Second
	}
	s := &Store{clock: o.Clock, log: o.Log, one: make(chan struct{}, 1)}
	var err error
	scheme, rest, _ := strings.Cut(url, ":")
	switch {
	case scheme == "sqlite" && rest != "":
		s.dialect, s.name = sqliteDialect, rest
		err = s.openFile(ctx, rest, o)
	case scheme == "postgres" || scheme == "postgresql":
		s.dialect = postgresDialect
		err = s.openPostgres(ctx, url, o)
	default:
		return nil, fmt.Errorf("store: %w: %q; write sqlite:PATH or postgres://…", ErrURL, scheme+":…")
	}
	if err == nil {
		s.hot, err = s.prepareHot(ctx)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("store: open %s: %w", s.name, err)
	}
	return s, nil
}

// Close ends every connection and gives back the server's lock. Transactions
// that are under way end first.
func (s *Store) Close() error {
	var errs []error
	if s.hot != nil {
		errs = append(errs, s.hot.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.release())
		s.lock = nil
	}
	for _, db := range []*sql.DB{s.reader, s.writer, s.session} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// Shared reports whether other servers may work on the same database.
func (s *Store) Shared() bool { return s.session != nil }

// Touch begins and ends a transaction that changes nothing: it tells whether
// the database answers somebody who wants to write.
func (s *Store) Touch(ctx context.Context) error {
	return s.write(ctx, "touch", func(handle) error { return nil })
}

// Path returns where the SQLite file lies; "" if it is no file.
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
