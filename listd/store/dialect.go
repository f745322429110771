package store

import (
	"context"
	"database/sql"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// dialect is everything in which one database differs from another: one value
// in sqlite.go, one in postgres.go.
type dialect struct {
	migrations func() (fs.FS, error)
	goose      goose.Dialect
	// rebind turns the placeholders "?" into the database's own.
	rebind func(query string) string
	// clean takes out of parameters what the database cannot hold.
	clean func(args []any) []any
	// skipLocked stands behind the SELECT of a claim, so that two workers never
	// wait for each other's rows.
	skipLocked string
	// forUpdate stands behind a SELECT whose row the transaction changes next.
	forUpdate string
	// inIDs stands behind "id": is one of the numbers in a JSON array.
	inIDs string
	// destroying begins a transaction after which octets that it replaces shall
	// be nowhere; destroyed does what is to be done behind it, as far as it can.
	destroying func(ctx context.Context, h handle) error
	destroyed  func(ctx context.Context, db *sql.DB)
	// quiet is the context that the statements of one transaction run with.
	quiet func(ctx context.Context) context.Context
	// alone begins a transaction beside which no other of its kind runs.
	alone func(ctx context.Context, tx *sql.Tx) error
	// again reports whether a transaction may go well when it is run once more:
	// the database chose it to resolve a conflict.
	again func(err error) bool
	// complete writes outcomes on deliveries that have no end yet, and says on
	// which ones.
	complete func(ctx context.Context, s *Store, tx *sql.Tx, outcomes []Outcome, now int64) (written map[int64]bool, err error)
	// snapshot is the isolation in which all of a transaction's reads see one
	// moment.
	snapshot sql.IsolationLevel
	// lastNumber is the last number that a table gave one of its rows, and
	// setLastNumber makes it so.
	lastNumber    func(ctx context.Context, h handle, table string) (int64, error)
	setLastNumber func(ctx context.Context, h handle, table string, last int64) error
	// explain wraps a driver's error in this package's sentinel, if it is one.
	// It returns other errors as they are, and nil for nil.
	explain func(err error, path string) error
}

// serving is the lock of a running server. The kernel, or the database, gives
// it back when the process ends, however it ends.
type serving interface {
	// hold takes it anew if it was lost.
	hold(ctx context.Context) error
	release() error
}
