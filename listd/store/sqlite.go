package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed migrations/sqlite/*.sql
var sqliteMigrations embed.FS

var sqliteDialect = &dialect{
	migrations: func() (fs.FS, error) { return fs.Sub(sqliteMigrations, "migrations/sqlite") },
	goose:      goose.DialectSQLite3,
	rebind:     func(query string) string { return query },
	clean:      func(args []any) []any { return args },
	skipLocked: "", // one writer, which has the whole database
	forUpdate:  "",
	inIDs:      "IN (SELECT value FROM json_each(?))",
	destroying: func(ctx context.Context, h handle) error {
		_, err := h.exec(ctx, `PRAGMA secure_delete = ON`) // freed pages become zeros; of this connection, until destroyed
		return err
	},
	destroyed: func(ctx context.Context, db *sql.DB) {
		// The log still holds the pages as they were. A reader may keep it from ending now: a later checkpoint does it.
		db.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
		db.ExecContext(ctx, `PRAGMA secure_delete = OFF`)
	},
	quiet:    context.WithoutCancel,                               // a context that can end costs a goroutine for every statement
	alone:    func(context.Context, *sql.Tx) error { return nil }, // every transaction is
	again:    func(error) bool { return false },
	complete: completeEach,
	snapshot: sql.LevelDefault, // every transaction has it
	lastNumber: func(ctx context.Context, h handle, table string) (last int64, err error) {
		return last, h.row(ctx, `SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?`, table).Scan(&last)
	},
	setLastNumber: func(ctx context.Context, h handle, table string, last int64) error {
		n, err := h.exec(ctx, `UPDATE sqlite_sequence SET seq = ? WHERE name = ?`, last, table)
		if err == nil && n == 0 {
			_, err = h.exec(ctx, `INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)`, table, last)
		}
		return err
	},
	explain: explainSQLite,
}

// openFile opens an SQLite database, and makes it if it is not there.
func (s *Store) openFile(ctx context.Context, path string, o Options) (err error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(o.DataDir, path)
	}
	if s.path, err = filepath.Abs(path); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return err
	}
	// One program at a time: SQLite does not wait for a lock while it changes to
	// WAL, nor goose while it makes its table.
	gate, err := waitForLock(ctx, s.path+".opening", o.BusyTimeout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, gate.release()) }()
	if err := prepareSQLiteFile(s.path); err != nil {
		return err
	}
	if s.file, err = os.Stat(s.path); err != nil {
		return err
	}
	if s.writer, s.reader, err = openSQLite(s.path, o.BusyTimeout); err != nil {
		return err
	}
	if err := s.writer.PingContext(ctx); err != nil {
		return s.dialect.explain(err, s.path)
	}
	return s.migrate(ctx, func(context.Context) (serving, error) { return lockFile(s.lockPath()) })
}

// prepareSQLiteFile makes the file with its mode before SQLite can make it with
// the umask's; SQLite gives -wal and -shm the mode of the file.
//
// A file that is there is not opened: closing any descriptor of it would take
// away the POSIX locks that SQLite holds on it elsewhere in this process.
func prepareSQLiteFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		return f.Close()
	}
	info, statErr := os.Stat(path)
	if statErr != nil {
		return err // why it could not be made says more
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(path, 0o600); err != nil {
			return fmt.Errorf("others may read it, and its mode cannot be set to 0600: %w", err)
		}
	}
	return nil
}

// openSQLite returns the writer (one connection, every transaction takes the
// write lock at its beginning, so that none fails half-way with a stale
// snapshot) and the pool of readers. A goroutine that holds a transaction must
// not ask the writer for anything else: it would wait for itself.
func openSQLite(path string, busy time.Duration) (writer, reader *sql.DB, err error) {
	dsn := func(pragmas ...string) string {
		q := url.Values{"_pragma": append([]string{
			fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds()), // first: the next ones may have to wait
			"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		}, pragmas...)}
		return (&url.URL{Scheme: "file", OmitHost: true, Path: path}).String() + "?" + q.Encode()
	}
	writer, err = sql.Open("sqlite", dsn("cache_size(-16000)", "journal_size_limit(67108864)")+"&_txlock=immediate")
	if err != nil {
		return nil, nil, err
	}
	writer.SetMaxOpenConns(1)
	reader, err = sql.Open("sqlite", dsn("query_only(1)"))
	if err != nil {
		writer.Close()
		return nil, nil, err
	}
	reader.SetMaxOpenConns(8)
	reader.SetMaxIdleConns(4)
	return writer, reader, nil
}

// fullBelow is how much room a file system must have for an I/O error not to be
// read as "full".
const fullBelow = 1 << 20

// explainSQLite sorts by primary result code (the low octet of the extended one).
func explainSQLite(err error, path string) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("%w (%w)", ErrBusy, err)
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w (%w)", ErrFull, err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("%w (%w)", ErrReadOnly, err)
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("%w (%w)", ErrDamaged, err)
	case sqlite3.SQLITE_IOERR:
		// SQLite answers FULL when a write meets ENOSPC, but IOERR when the
		// wal-index or a truncation does.
		var st syscall.Statfs_t
		if syscall.Statfs(filepath.Dir(path), &st) == nil && st.Bavail*uint64(st.Bsize) < fullBelow {
			return fmt.Errorf("%w (%w)", ErrFull, err)
		}
	case sqlite3.SQLITE_CONSTRAINT:
		switch e.Code() {
		case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
			return fmt.Errorf("%w (%w)", ErrExists, err)
		case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
			return fmt.Errorf("%w (%w)", ErrNotFound, err)
		}
	}
	return err
}

// completeEach writes outcomes one by one: a statement costs no round trip here.
func completeEach(ctx context.Context, s *Store, tx *sql.Tx, outcomes []Outcome, now int64) (map[int64]bool, error) {
	complete := tx.StmtContext(ctx, s.hot.complete)
	written := make(map[int64]bool, len(outcomes))
	for _, o := range outcomes {
		result, err := complete.ExecContext(ctx, string(o.State), o.due(), o.Attempts, o.Code, o.Enhanced, o.Text, o.Reason,
			o.Certificate, o.Cipher, now, o.Delivery, o.Owner, o.counts())
		if err != nil {
			return nil, err
		}
		if n, err := result.RowsAffected(); n > 0 && err == nil {
			written[o.Delivery] = true
		}
	}
	return written, nil
}
