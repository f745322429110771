package store

import (
	"context"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// UnreportedItems returns posts that are done and whose author has not been
// told how many members were reached, oldest first.
func (s *Store) UnreportedItems(ctx context.Context, limit int) ([]Item, error) {
	rows, err := s.read().query(ctx, `SELECT `+itemColumns+` FROM item WHERE state = 'done' AND reported = 0 ORDER BY id LIMIT ?`, limit)
	all, err := collect(rows, err, scanItem)
	return all, s.wrap("unreported items", err)
}

// ReportItem marks a post as reported, with the mail that does so.
func (s *Store) ReportItem(ctx context.Context, id string, notices ...Notice) error {
	return s.write(ctx, "report item "+id, func(h handle) error {
		n, err := h.exec(ctx, `UPDATE item SET reported = 1 WHERE id = ? AND reported = 0`, itemNumber(id))
		if err != nil || n == 0 {
			return err
		}
		_, err = queueNotices(ctx, h, itemNumber(id), notices, s.now())
		return err
	})
}

// Trouble is what an owner should know of his list, beside copies that are
// withheld.
type Trouble struct {
	Held   int // posts that wait for somebody's decision
	Failed int // copies that came to nothing since
}

// Trouble counts what went wrong on a list since a time.
func (s *Store) Trouble(ctx context.Context, l list.ID, since time.Time) (t Trouble, err error) {
	if err = s.read().row(ctx, `SELECT count(*) FROM item WHERE list = ? AND state = ?`, l, ItemHeld).Scan(&t.Held); err == nil {
		err = s.read().row(ctx, `SELECT count(*) FROM delivery WHERE list = ? AND kind = ? AND state = ? AND updated >= ?`,
			l, KindCopy, DeliveryFailed, micros(since)).Scan(&t.Failed)
	}
	return t, s.wrap("trouble of list number "+l.String(), err)
}
