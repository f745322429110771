package store

import (
	"context"
	"database/sql"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
)

// Exec lets tests make the database misbehave.
func (s *Store) Exec(ctx context.Context, query string, args ...any) error {
	_, err := s.writer.ExecContext(ctx, query, args...)
	return err
}

// Number reads one number.
func (s *Store) Number(ctx context.Context, query string, args ...any) (n int, err error) {
	return n, s.reader.QueryRowContext(ctx, query, args...).Scan(&n)
}

// Pragma reads a setting of the writer's connection.
func (s *Store) Pragma(ctx context.Context, name string) (value string, err error) {
	return value, s.writer.QueryRowContext(ctx, `PRAGMA `+name).Scan(&value)
}

// Plan is how the database would run a query.
func (s *Store) Plan(ctx context.Context, query string) (string, error) {
	rows, err := s.reader.QueryContext(ctx, `EXPLAIN QUERY PLAN `+query)
	lines, err := collect(rows, err, func(row scanner) (line string, err error) {
		var a, b, c int
		return line, row.Scan(&a, &b, &c, &line)
	})
	return strings.Join(lines, "\n"), err
}

// PlanShared is the same for PostgreSQL.
func (s *Store) PlanShared(ctx context.Context, query string) (string, error) {
	rows, err := s.reader.QueryContext(ctx, `EXPLAIN `+query)
	lines, err := collect(rows, err, func(row scanner) (line string, err error) { return line, row.Scan(&line) })
	return strings.Join(lines, "\n"), err
}

// ItemName and ItemNumber are the two directions of an item's ID.
var (
	ItemName   = itemName
	ItemNumber = itemNumber
)

// CopiedTables are those of Copy.
var CopiedTables = copied

// Tables are the tables of the database.
func (s *Store) Tables(ctx context.Context) ([]string, error) {
	query := `SELECT name FROM sqlite_master WHERE type = 'table'`
	if s.Shared() {
		query = `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`
	}
	rows, err := s.reader.QueryContext(ctx, query)
	return collect(rows, err, func(row scanner) (name string, err error) { return name, row.Scan(&name) })
}

// DueTurns is the query that finds whose turn it is.
const DueTurns = dueTurns

// OpenAt makes a database with the schema of an earlier version, and closes it.
func OpenAt(ctx context.Context, url string, version int64) error {
	s := &Store{clock: time.Now, log: slog.New(slog.DiscardHandler), one: make(chan struct{}, 1)}
	var err error
	if path, file := strings.CutPrefix(url, "sqlite:"); file {
		s.dialect, s.path = sqliteDialect, path
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := prepareSQLiteFile(path); err != nil {
			return err
		}
		s.writer, s.reader, err = openSQLite(path, time.Second)
	} else {
		s.dialect = postgresDialect
		s.writer, err = sql.Open("pgx", url)
	}
	if err != nil {
		return err
	}
	defer s.Close()
	fsys, err := s.dialect.migrations()
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(s.dialect.goose, s.writer, fsys, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = p.UpTo(ctx, version)
	return err
}

// Versions are those of the schema that a database at url has gone through.
func Versions(url string) (all []int64, err error) {
	d := sqliteDialect
	if !strings.HasPrefix(url, "sqlite:") {
		d = postgresDialect
	}
	fsys, err := d.migrations()
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(fsys, "*.sql")
	for _, f := range files {
		n, err := strconv.ParseInt(f[:5], 10, 64)
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, err
}

// Columns are all "table.column" of ours, sorted.
func (s *Store) Columns(ctx context.Context) ([]string, error) {
	query := `SELECT m.name || '.' || p.name FROM sqlite_master AS m, pragma_table_info(m.name) AS p
		WHERE m.type = 'table' AND m.name NOT IN ('goose_db_version', 'sqlite_sequence') ORDER BY 1`
	if s.Shared() {
		query = `SELECT (table_name || '.' || column_name) COLLATE "C" FROM information_schema.columns
			WHERE table_schema = 'public' AND table_name <> 'goose_db_version' ORDER BY 1`
	}
	rows, err := s.reader.QueryContext(ctx, query)
	return collect(rows, err, func(row scanner) (name string, err error) { return name, row.Scan(&name) })
}
