package store

import (
	"context"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// APIToken is a key to the API. Hash is the SHA-256 of the whole key in
// lower-case hex: who has the row has not the key.
type APIToken struct {
	ID      string       `json:"id"` // the part of the key that may be shown
	Hash    string       `json:"-"`
	Address list.Address `json:"address"` // the key is worth what this person may do, and no more
	Scopes  []string     `json:"scopes"`
	Label   string       `json:"label,omitempty"`
	Created time.Time    `json:"created"`
	Used    time.Time    `json:"used,omitzero"` // last, to the minute; zero: never
	Expires time.Time    `json:"expires"`
}

// usedEvery is how often it is written down that a token is used.
const usedEvery = time.Minute

// PutAPIToken keeps a token. ErrExists if its ID is taken.
func (s *Store) PutAPIToken(ctx context.Context, t APIToken) error {
	return s.write(ctx, "put API token", func(h handle) error {
		_, err := h.exec(ctx, `INSERT INTO api_token (id, hash, address_key, address, scopes, label, created, used, expires) VALUES (?,?,?,?,?,?,?,?,?)`,
			t.ID, t.Hash, t.Address.Key(), t.Address.String(), strings.Join(t.Scopes, " "), t.Label, micros(t.Created), micros(t.Used), micros(t.Expires))
		return err
	})
}

const apiTokenColumns = `id, hash, address, scopes, label, created, used, expires`

func scanAPIToken(row scanner) (APIToken, error) {
	var t APIToken
	var address, scopes string
	var created, used, expires int64
	if err := row.Scan(&t.ID, &t.Hash, &address, &scopes, &t.Label, &created, &used, &expires); err != nil {
		return t, err
	}
	t.Scopes, t.Created, t.Used, t.Expires = strings.Fields(scopes), fromMicros(created), fromMicros(used), fromMicros(expires)
	return t, t.Address.UnmarshalText([]byte(address))
}

// APIToken finds a token that has not expired. ErrNotFound.
func (s *Store) APIToken(ctx context.Context, id string) (APIToken, error) {
	t, err := scanAPIToken(s.read().row(ctx, `SELECT `+apiTokenColumns+` FROM api_token WHERE id = ? AND expires > ?`, id, s.now()))
	return t, s.wrap("API token", err)
}

// APITokens returns the tokens that have not expired, of one person or of all for
// the zero Address, oldest first.
func (s *Store) APITokens(ctx context.Context, of list.Address) ([]APIToken, error) {
	var c conditions
	c.add(`expires > ?`, s.now())
	if !of.IsZero() {
		c.add(`address_key = ?`, of.Key())
	}
	rows, err := s.read().query(ctx, `SELECT `+apiTokenColumns+` FROM api_token`+c.where()+` ORDER BY created, id`, c.args...)
	all, err := collect(rows, err, scanAPIToken)
	return all, s.wrap("API tokens", err)
}

// UseAPIToken notes that a token was used, at most once a minute.
func (s *Store) UseAPIToken(ctx context.Context, t APIToken) error {
	now := s.now()
	if now-micros(t.Used) < usedEvery.Microseconds() {
		return nil
	}
	return s.write(ctx, "use API token", func(h handle) error {
		_, err := h.exec(ctx, `UPDATE api_token SET used = ? WHERE id = ? AND used <= ?`, now, t.ID, now-usedEvery.Microseconds())
		return err
	})
}

// DropAPIToken ends a token. ErrNotFound.
func (s *Store) DropAPIToken(ctx context.Context, id string) error {
	return s.write(ctx, "drop API token", func(h handle) error {
		n, err := h.exec(ctx, `DELETE FROM api_token WHERE id = ?`, id)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
}
