package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// ErrNotEmpty: the database that is to take a copy holds something already. Permanent.
var ErrNotEmpty = errors.New("the database holds something already")

// copied are the tables of a copy, each behind those that it refers to. The rows of table node are servers' own, which
// write them anew.
var copied = []string{
	"list", "member", "list_key", "secret", "blob", "item", "delivery", "throttle", "certificate", "audit", "answer", "task", "task_run",
	"crl", "certificate_mark", "include", "include_member", "include_run", "trace", "token", "request", "bounce", "pause", "session", "api_token",
	"expiry_told", "meta",
}

// numbered are those whose numbers the database gives, and never twice.
var numbered = []string{
	"list", "member", "list_key", "blob", "delivery", "certificate", "audit", "task_run", "include", "include_run", "request",
}

// How many rows, and about how many octets, one statement writes.
const (
	copyRows   = 100
	copyOctets = 1 << 20
)

// Copied says how many rows of a table were copied.
type Copied struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
}

// Copy writes everything that this database holds into another one, which is empty and of either kind, in one
// transaction. No server may work on either. Leases are not copied: what was leased is due.
//
// Errors: ErrServerRunning, ErrNotEmpty, and those of Open.
func (s *Store) Copy(ctx context.Context, to *Store) ([]Copied, error) {
	return s.copyStopped(ctx, to, nil)
}

// copyStopped copies between databases that no server works on.
func (s *Store) copyStopped(ctx context.Context, to *Store, also func(handle) error) ([]Copied, error) {
	for _, one := range []*Store{s, to} {
		lock, err := one.stopServers(ctx)
		if err != nil {
			return nil, fmt.Errorf("store: copy: %s: %w", one.name, err)
		}
		defer lock.release()
	}
	return s.copyTo(ctx, to, also)
}

// copyTo copies what there is at one moment, and does in the same transaction
// what is also to be done with the copy, if anything.
func (s *Store) copyTo(ctx context.Context, to *Store, also func(handle) error) (done []Copied, err error) {
	source, err := s.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: s.dialect.snapshot})
	if err != nil {
		return nil, s.wrap("copy", err)
	}
	defer source.Rollback()
	err = to.write(ctx, "copy", func(h handle) error {
		if err := empty(ctx, h); err != nil {
			return err
		}
		done = done[:0]
		for _, table := range copied {
			n, err := copyTable(ctx, handle{s.dialect, source}, h, table)
			if err != nil {
				return fmt.Errorf("table %s: %w", table, err)
			}
			done = append(done, Copied{table, n})
		}
		for _, table := range numbered {
			last, err := s.dialect.lastNumber(ctx, handle{s.dialect, source}, table)
			if err != nil {
				return err
			}
			if err := to.dialect.setLastNumber(ctx, h, table, last); err != nil {
				return err
			}
		}
		if _, err := h.exec(ctx, `UPDATE task SET owner = '', until = 0`); err != nil {
			return err
		}
		if _, err := release(ctx, h, to.now(), `owner <> ''`); err != nil || also == nil {
			return err
		}
		return also(h)
	})
	return done, err
}

// empty refuses a database with anything in it but the counters it was made with, which it takes out.
func empty(ctx context.Context, h handle) error {
	if _, err := h.exec(ctx, `DELETE FROM meta`); err != nil {
		return err
	}
	for _, table := range copied {
		var n int
		if err := h.row(ctx, `SELECT count(*) FROM (SELECT 1 FROM `+table+` LIMIT 1) AS first`).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("%w, in table %s", ErrNotEmpty, table)
		}
	}
	return nil
}

// copyTable copies the rows of one table.
func copyTable(ctx context.Context, from, to handle, table string) (n int64, err error) {
	rows, err := from.query(ctx, `SELECT * FROM `+table)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	one := inList(len(columns))
	var args []any
	octets := 0
	write := func() error {
		if len(args) == 0 {
			return nil
		}
		count := len(args) / len(columns)
		_, err := to.exec(ctx, `INSERT INTO `+table+` (`+strings.Join(columns, ", ")+`) VALUES `+one+strings.Repeat(","+one, count-1), args...)
		n += int64(count)
		args, octets = args[:0], 0
		return err
	}
	for rows.Next() {
		row := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return n, err
		}
		for i, v := range row {
			switch v := v.(type) {
			case []byte:
				octets += len(v)
				row[i] = append([]byte{}, v...) // an empty one is read as nil, which would be written as NULL
			case string:
				octets += len(v)
			}
		}
		if args = append(args, row...); len(args) >= copyRows*len(columns) || octets >= copyOctets {
			if err := write(); err != nil {
				return n, err
			}
		}
	}
	return n, errors.Join(rows.Err(), write())
}
