package store

import (
	"context"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// Session is somebody's login on the pages. Its ID is the SHA-256 of the cookie
// in lower-case hex: who has the row has not the cookie.
type Session struct {
	ID          string
	Address     list.Address
	Known       []list.Address // other addresses of the certificate
	Method      string         // authentication method: smime or md5
	Clear       bool           // the link that opened it came in clear mail (invariant 12)
	Certificate []byte         // DER, that it was opened with; empty for md5
	Created     time.Time
	Expires     time.Time
}

// PutSession keeps a login. ErrExists if its ID is taken.
func (s *Store) PutSession(ctx context.Context, n Session) error {
	known := make([]string, len(n.Known))
	for i, a := range n.Known {
		known[i] = a.String()
	}
	if n.Certificate == nil {
		n.Certificate = []byte{}
	}
	return s.write(ctx, "put session", func(h handle) error {
		_, err := h.exec(ctx, `INSERT INTO session (id, address_key, address, known, method, clear, certificate, created, expires) VALUES (?,?,?,?,?,?,?,?,?)`,
			n.ID, n.Address.Key(), n.Address.String(), strings.Join(known, " "), n.Method, flag(n.Clear), n.Certificate, micros(n.Created), micros(n.Expires))
		return err
	})
}

// flag is a bool as a column has it.
func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Session finds a login that has not ended. ErrNotFound.
func (s *Store) Session(ctx context.Context, id string) (Session, error) {
	n := Session{ID: id}
	var address, known string
	var plain int
	var created, expires int64
	err := s.read().row(ctx, `SELECT address, known, method, clear, certificate, created, expires FROM session WHERE id = ? AND expires > ?`, id, s.now()).
		Scan(&address, &known, &n.Method, &plain, &n.Certificate, &created, &expires)
	if err == nil {
		n.Clear, n.Created, n.Expires = plain != 0, fromMicros(created), fromMicros(expires)
		err = n.Address.UnmarshalText([]byte(address))
	}
	for _, text := range strings.Fields(known) {
		var a list.Address
		if err == nil {
			err = a.UnmarshalText([]byte(text))
			n.Known = append(n.Known, a)
		}
	}
	return n, s.wrap("session", err)
}

// DropSession ends a login.
func (s *Store) DropSession(ctx context.Context, id string) error {
	return s.write(ctx, "drop session", func(h handle) error {
		_, err := h.exec(ctx, `DELETE FROM session WHERE id = ?`, id)
		return err
	})
}

// DropSessions ends all logins of a person, and returns how many those were.
func (s *Store) DropSessions(ctx context.Context, a list.Address) (dropped int, err error) {
	err = s.write(ctx, "drop sessions", func(h handle) error {
		n, err := h.exec(ctx, `DELETE FROM session WHERE address_key = ?`, a.Key())
		dropped = int(n)
		return err
	})
	return dropped, err
}

// ExpireSessions removes logins and API tokens that are over.
func (s *Store) ExpireSessions(ctx context.Context) (dropped int, err error) {
	err = s.write(ctx, "expire sessions", func(h handle) error {
		dropped = 0
		for _, table := range []string{"session", "api_token"} {
			n, err := h.exec(ctx, `DELETE FROM `+table+` WHERE expires <= ?`, s.now())
			if err != nil {
				return err
			}
			dropped += int(n)
		}
		return nil
	})
	return dropped, err
}
