package store

import (
	"context"
	"fmt"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// Resume puts a held post back into the flow, with who confirmed or approved it
// (zero: stays as it is), and the HMAC of the content that he approved. It is
// judged anew. ErrState if it is not held any more.
func (s *Store) Resume(ctx context.Context, id string, confirmed, approved list.Address, content string) error {
	return s.write(ctx, "resume item "+id, func(h handle) error {
		n, err := h.exec(ctx, `UPDATE item SET state = ?, due = ?, owner = '', claims = 0, updated = ?,
			confirmed = CASE WHEN ? = '' THEN confirmed ELSE ? END, approved = CASE WHEN ? = '' THEN approved ELSE ? END, approved_content = ?
			WHERE id = ? AND state = ?`, ItemAccepted, s.now(), s.now(),
			confirmed.String(), confirmed.String(), approved.String(), approved.String(), content, itemNumber(id), ItemHeld)
		if err == nil && n == 0 {
			err = fmt.Errorf("it is not held: %w", ErrState)
		}
		if err != nil {
			return err
		}
		return bump(ctx, h)
	})
}

// Request is somebody's wish to come to a list or to leave it, which waits for
// an owner.
type Request struct {
	ID        int64        `json:"id"`
	List      list.ID      `json:"list"`
	Operation string       `json:"operation"` // subscribe, unsubscribe
	Email     list.Address `json:"email"`     // whom it is about
	Name      string       `json:"name,omitempty"`
	Sender    list.Address `json:"sender"` // who asked
	Created   time.Time    `json:"created"`
	Expires   time.Time    `json:"expires"`
}

// PutRequest keeps a request and returns its number. One that waits already is
// renewed.
func (s *Store) PutRequest(ctx context.Context, r Request) (id int64, err error) {
	err = s.write(ctx, "put request", func(h handle) error {
		return h.row(ctx, `INSERT INTO request (list, operation, email, email_key, name, sender, created, expires) VALUES (?,?,?,?,?,?,?,?)
			ON CONFLICT (list, operation, email_key) DO UPDATE SET name = excluded.name, sender = excluded.sender, expires = excluded.expires RETURNING id`,
			r.List, r.Operation, r.Email.String(), r.Email.Key(), r.Name, r.Sender.String(), s.now(), micros(r.Expires)).Scan(&id)
	})
	return id, err
}

const requestColumns = `id, list, operation, email, name, sender, created, expires`

func scanRequest(row scanner) (r Request, err error) {
	var email, sender string
	var created, expires int64
	if err := row.Scan(&r.ID, &r.List, &r.Operation, &email, &r.Name, &sender, &created, &expires); err != nil {
		return r, err
	}
	r.Created, r.Expires = fromMicros(created), fromMicros(expires)
	if err := r.Email.UnmarshalText([]byte(email)); err != nil {
		return r, err
	}
	return r, r.Sender.UnmarshalText([]byte(sender))
}

// Request finds a request that is not over. ErrNotFound.
func (s *Store) Request(ctx context.Context, id int64) (Request, error) {
	r, err := scanRequest(s.read().row(ctx, `SELECT `+requestColumns+` FROM request WHERE id = ? AND expires > ?`, id, s.now()))
	return r, s.wrap("request", err)
}

// Requests returns those of a list, or of all for 0, oldest first.
func (s *Store) Requests(ctx context.Context, l list.ID) ([]Request, error) {
	rows, err := s.read().query(ctx, `SELECT `+requestColumns+` FROM request WHERE (? = 0 OR list = ?) AND expires > ? ORDER BY id`, l, l, s.now())
	all, err := collect(rows, err, scanRequest)
	return all, s.wrap("requests", err)
}

// TakeRequest removes a request: whoever does so first decides. ErrNotFound to
// all others.
func (s *Store) TakeRequest(ctx context.Context, id int64) (r Request, err error) {
	err = s.write(ctx, "take request", func(h handle) error {
		r, err = scanRequest(h.row(ctx, `DELETE FROM request WHERE id = ? AND expires > ? RETURNING `+requestColumns, id, s.now()))
		return err
	})
	return r, err
}

// ExpireRequests removes what is over.
func (s *Store) ExpireRequests(ctx context.Context) (dropped int, err error) {
	err = s.write(ctx, "expire requests", func(h handle) error {
		n, err := h.exec(ctx, `DELETE FROM request WHERE expires <= ?`, s.now())
		dropped = int(n)
		return err
	})
	return dropped, err
}

// HeldBefore returns posts that have been held since before a time, oldest first.
func (s *Store) HeldBefore(ctx context.Context, before time.Time) ([]Item, error) {
	rows, err := s.read().query(ctx, `SELECT `+itemColumns+` FROM item WHERE state = ? AND received < ? ORDER BY id`, ItemHeld, micros(before))
	all, err := collect(rows, err, scanItem)
	return all, s.wrap("held items", err)
}
