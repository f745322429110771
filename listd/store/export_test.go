package store

import (
	"context"
	"strings"
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
