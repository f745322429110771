package store

import (
	"context"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// Pause says whose copies stay where they are.
type Pause struct {
	List  list.ID   `json:"list"` // 0: every list's
	Actor string    `json:"actor"`
	At    time.Time `json:"at"`
}

// PauseCopies lets the copies of a list, or of all for 0, wait until
// ResumeCopies. What workers have in hand still leaves; posts are taken and
// decided on as ever, and notices leave.
func (s *Store) PauseCopies(ctx context.Context, l list.ID, actor string) error {
	return s.write(ctx, "pause copies", func(h handle) error {
		_, err := h.exec(ctx, `INSERT INTO pause (list, actor, at) VALUES (?, ?, ?) ON CONFLICT (list) DO NOTHING`, l, actor, s.now())
		return err
	})
}

// ResumeCopies ends the pause of a list, or the pause of all for 0, which leaves
// those of single lists as they are. ErrNotFound if there is none.
func (s *Store) ResumeCopies(ctx context.Context, l list.ID) error {
	return s.write(ctx, "resume copies", func(h handle) error {
		n, err := h.exec(ctx, `DELETE FROM pause WHERE list = ?`, l)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		// The time of the pause is not a time in which they could not go.
		if _, err := h.exec(ctx, `UPDATE delivery SET created = ? WHERE kind = 'copy' AND due IS NOT NULL AND (? = 0 OR list = ?)`, s.now(), l, l); err != nil {
			return err
		}
		return bump(ctx, h)
	})
}

// Pauses returns what is paused, by list.
func (s *Store) Pauses(ctx context.Context) ([]Pause, error) {
	rows, err := s.read().query(ctx, `SELECT list, actor, at FROM pause ORDER BY list`)
	all, err := collect(rows, err, func(row scanner) (p Pause, err error) {
		var at int64
		err = row.Scan(&p.List, &p.Actor, &at)
		p.At = fromMicros(at)
		return p, err
	})
	return all, s.wrap("pauses", err)
}

// CancelCopies calls off the copies of a post that have not left, those that
// wait for a certificate or a digest among them. Those that a worker has in hand
// are not stopped: he may be in the middle of them. ErrNotFound if there is no
// such post, ErrState while not every member has his row.
func (s *Store) CancelCopies(ctx context.Context, id string) (cancelled, inHand int, err error) {
	err = s.write(ctx, "cancel the copies of item "+id, func(h handle) error {
		number, now := itemNumber(id), s.now()
		var expanded bool
		if err := h.row(ctx, `SELECT expanded FROM item WHERE id = ?`+h.dialect.forUpdate, number).Scan(&expanded); err != nil {
			return err
		}
		if !expanded {
			return ErrState
		}
		const calledOff = `UPDATE delivery SET state = ?, reason = 'called off', due = NULL, owner = '', digest = NULL, updated = ? WHERE item = ? AND kind = ? `
		n, err := h.exec(ctx, calledOff+`AND state IN (?, ?) AND (digest IS NULL OR digest = 0) AND (owner = '' OR due <= ?)`,
			DeliveryCancelled, now, number, KindCopy, DeliveryQueued, DeliveryDelayed, now)
		if err != nil {
			return err
		}
		withheld, err := h.exec(ctx, calledOff+`AND state = ?`, DeliveryCancelled, now, number, KindCopy, DeliveryWithheld)
		if err != nil {
			return err
		}
		cancelled = int(n + withheld)
		if err := h.row(ctx, `SELECT count(*) FROM delivery WHERE item = ? AND kind = ? AND owner <> ''`, number, KindCopy).Scan(&inHand); err != nil {
			return err
		}
		if _, err := h.exec(ctx, `UPDATE item SET unfinished = unfinished - ? WHERE id = ?`, n, number); err != nil {
			return err
		}
		return finish(ctx, h, number, now)
	})
	return cancelled, inHand, err
}

// RetryFilter chooses what is tried again. The zero value is everything.
type RetryFilter struct {
	Item string  // "": of every post
	List list.ID // 0: of every list
}

// RetryNow makes due what waits for its next attempt: copies, notices, and posts
// that were postponed.
func (s *Store) RetryNow(ctx context.Context, f RetryFilter) (deliveries, items int, err error) {
	err = s.write(ctx, "retry", func(h handle) error {
		now := s.now()
		for _, table := range []struct {
			name, item string
			states     []any
			n          *int
		}{{"delivery", "item", []any{DeliveryDelayed}, &deliveries}, {"item", "id", []any{ItemAccepted, ItemDistributing}, &items}} {
			var c conditions
			c.add(`state IN `+inList(len(table.states)), table.states...)
			c.add(`owner = ''`)
			c.add(`due > ?`, now)
			if f.Item != "" {
				c.add(table.item+` = ?`, itemNumber(f.Item))
			}
			if f.List != 0 {
				c.add(`list = ?`, f.List)
			}
			n, err := h.exec(ctx, `UPDATE `+table.name+` SET due = ?`+c.where(), append([]any{now}, c.args...)...)
			if err != nil {
				return err
			}
			*table.n = int(n)
		}
		return bump(ctx, h)
	})
	return deliveries, items, err
}
