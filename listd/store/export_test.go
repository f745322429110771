package store

import "context"

// Exec lets tests make the database misbehave.
func (s *Store) Exec(ctx context.Context, query string, args ...any) error {
	_, err := s.writer.ExecContext(ctx, query, args...)
	return err
}

// Number reads one number.
func (s *Store) Number(ctx context.Context, query string, args ...any) (n int, err error) {
	return n, s.reader.QueryRowContext(ctx, query, args...).Scan(&n)
}

// ItemName and ItemNumber are the two directions of an item's ID.
var (
	ItemName   = itemName
	ItemNumber = itemNumber
)
