package store

import (
	"context"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// TokenRow is what a token was made for. Who has the row has not the token.
type TokenRow struct {
	ID        int64
	Purpose   string
	List      list.ID      // 0: none
	Sender    list.Address // whom it was sent to
	Operation string
	Object    string
	Expires   time.Time
}

// PutToken keeps a row. ErrExists if its ID is taken.
func (s *Store) PutToken(ctx context.Context, t TokenRow) error {
	return s.write(ctx, "put token", func(h handle) error {
		_, err := h.exec(ctx, `INSERT INTO token (id, purpose, list, sender, operation, object, expires) VALUES (?,?,?,?,?,?,?)`,
			t.ID, t.Purpose, t.List, t.Sender.String(), t.Operation, t.Object, micros(t.Expires))
		return err
	})
}

// Token finds a row that has not expired. ErrNotFound.
func (s *Store) Token(ctx context.Context, id int64) (TokenRow, error) {
	var t TokenRow
	var sender string
	var expires int64
	err := s.read().row(ctx, `SELECT id, purpose, list, sender, operation, object, expires FROM token WHERE id = ? AND expires > ?`, id, s.now()).
		Scan(&t.ID, &t.Purpose, &t.List, &sender, &t.Operation, &t.Object, &expires)
	if err == nil {
		t.Expires = fromMicros(expires)
		err = t.Sender.UnmarshalText([]byte(sender))
	}
	return t, s.wrap("token", err)
}

// UseToken removes a row: whoever does so first may act. ErrNotFound to all
// others.
func (s *Store) UseToken(ctx context.Context, id int64) error {
	return s.write(ctx, "use token", func(h handle) error {
		n, err := h.exec(ctx, `DELETE FROM token WHERE id = ? AND expires > ?`, id, s.now())
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
}

// DropTokens removes tokens about an object, whoever has them: it has been
// decided on.
func (s *Store) DropTokens(ctx context.Context, object string) error {
	return s.write(ctx, "drop tokens", func(h handle) error {
		_, err := h.exec(ctx, `DELETE FROM token WHERE object = ?`, object)
		return err
	})
}

// ExpireTokens removes what is over.
func (s *Store) ExpireTokens(ctx context.Context) (dropped int, err error) {
	err = s.write(ctx, "expire tokens", func(h handle) error {
		n, err := h.exec(ctx, `DELETE FROM token WHERE expires <= ?`, s.now())
		dropped = int(n)
		return err
	})
	return dropped, err
}
