package store

import (
	"context"

	"github.com/sealist/sealist/listd/list"
)

// Archived returns posts that a list's archive keeps now, newest first, at most
// limit.
func (s *Store) Archived(ctx context.Context, l list.ID, limit int) ([]Item, error) {
	rows, err := s.read().query(ctx, `SELECT `+itemColumns+` FROM item
		WHERE list = ? AND archived > ? AND blob IS NOT NULL AND state IN (?, ?) ORDER BY id DESC LIMIT ?`, l, s.now(), ItemDone, ItemDistributing, limit)
	all, err := collect(rows, err, scanItem)
	return all, s.wrap("archive of list number "+l.String(), err)
}

// QueueNoticesAbout queues service mail about a post and returns how much of it
// the throttle let through.
func (s *Store) QueueNoticesAbout(ctx context.Context, item string, notices []Notice) (queued int, err error) {
	err = s.write(ctx, "queue notices about item "+item, func(h handle) error {
		queued, err = queueNotices(ctx, h, itemNumber(item), notices, s.now())
		return err
	})
	return queued, err
}
