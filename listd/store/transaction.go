package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// querier is what a pool and a transaction have in common.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// handle runs queries written with "?" on a pool or inside a transaction: the
// one place where placeholders are rebound.
type handle struct {
	dialect *dialect
	q       querier
}

// exec returns how many rows were changed.
func (h handle) exec(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := h.q.ExecContext(ctx, h.dialect.rebind(query), h.dialect.clean(args)...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (h handle) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return h.q.QueryContext(ctx, h.dialect.rebind(query), h.dialect.clean(args)...)
}

func (h handle) row(ctx context.Context, query string, args ...any) *sql.Row {
	return h.q.QueryRowContext(ctx, h.dialect.rebind(query), h.dialect.clean(args)...)
}

// write runs one transaction, beside which no other one of write runs, on any
// node, and commits it if f returns nil. f must use only the handle it is given,
// and is run again if the database wants that.
func (s *Store) write(ctx context.Context, what string, f func(h handle) error) error {
	select {
	case s.one <- struct{}{}:
		defer func() { <-s.one }()
	case <-ctx.Done():
		return s.wrap(what, ctx.Err())
	}
	return s.transact(ctx, what, func(tx *sql.Tx) error {
		if err := s.dialect.alone(ctx, tx); err != nil {
			return err
		}
		return f(handle{s.dialect, tx})
	})
}

// writeBeside is write for what many nodes do at once: f must hold up beside
// itself and beside everything that write runs.
func (s *Store) writeBeside(ctx context.Context, what string, f func(tx *sql.Tx, h handle) error) error {
	return s.transact(ctx, what, func(tx *sql.Tx) error { return f(tx, handle{s.dialect, tx}) })
}

// maxConflicts is how often a transaction is run that the database breaks off,
// or that meets a connection of the pool which is no more.
const maxConflicts = 10

func (s *Store) transact(ctx context.Context, what string, f func(tx *sql.Tx) error) error {
	for attempt := 1; ; attempt++ {
		err := s.transactOnce(ctx, f)
		if err == nil || attempt == maxConflicts || !s.dialect.again(err) {
			return s.wrap(what, err)
		}
	}
}

func (s *Store) transactOnce(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		tx.Rollback()
		return err
	}
	return tx.Commit()
}

// read returns a handle on the pool of readers.
func (s *Store) read() handle { return handle{s.dialect, s.reader} }

// wrap says what was being done and turns the driver's error into this
// package's.
func (s *Store) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("store: %s: %w", what, ErrNotFound)
	}
	return fmt.Errorf("store: %s: %w", what, s.dialect.explain(err, s.path))
}

// scanner is a row, of one or of many.
type scanner interface{ Scan(dest ...any) error }

// collect reads all rows of a query.
func collect[T any](rows *sql.Rows, err error, scan func(scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// conditions gathers the WHERE of a filter.
type conditions struct {
	text []string
	args []any
}

func (c *conditions) add(condition string, args ...any) {
	c.text = append(c.text, condition)
	c.args = append(c.args, args...)
}

func (c *conditions) where() string {
	if len(c.text) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.text, " AND ")
}

// inList returns "(?,?,…)" for n values. Callers keep n at or below maxInList.
func inList(n int) string { return "(?" + strings.Repeat(",?", n-1) + ")" }

// maxInList keeps a statement well below the databases' limits of parameters.
const maxInList = 500

// limit turns "no limit" into one that databases understand.
func limit(n int) int {
	if n <= 0 {
		return 1 << 30
	}
	return n
}
