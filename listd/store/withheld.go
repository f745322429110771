package store

import (
	"context"
	"fmt"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// WithheldCopy is a copy that waits for a certificate of its member.
type WithheldCopy struct {
	ID      int64
	Item    string
	List    list.ID
	Address list.Address
	Reason  string
	Since   time.Time // when the post was received
}

// WithheldFilter chooses copies. The zero value is all of them.
type WithheldFilter struct {
	List  list.ID
	Item  string
	After int64 // ID of the last one of the page before
	Limit int   // 0: no limit
}

// WithheldCopies returns copies that were withheld, of posts whose octets are
// still there, oldest first.
func (s *Store) WithheldCopies(ctx context.Context, f WithheldFilter) ([]WithheldCopy, error) {
	var c conditions
	c.add(`delivery.state = 'withheld' AND delivery.kind = 'copy' AND item.blob IS NOT NULL AND delivery.id > ?`, f.After)
	if f.List != 0 {
		c.add(`delivery.list = ?`, f.List)
	}
	if f.Item != "" {
		c.add(`delivery.item = ?`, itemNumber(f.Item))
	}
	rows, err := s.read().query(ctx, `SELECT delivery.id, delivery.item, delivery.list, delivery.address, delivery.reason, item.received
		FROM delivery JOIN item ON item.id = delivery.item`+c.where()+` ORDER BY delivery.id LIMIT ?`, append(c.args, limit(f.Limit))...)
	all, err := collect(rows, err, func(row scanner) (w WithheldCopy, err error) {
		var item, since int64
		var address string
		if err := row.Scan(&w.ID, &item, &w.List, &address, &w.Reason, &since); err != nil {
			return w, err
		}
		w.Item, w.Since = itemName(item), fromMicros(since)
		return w, w.Address.UnmarshalText([]byte(address))
	})
	return all, s.wrap("withheld copies", err)
}

// WithheldFrom returns how many copies for somebody wait on a list, and since when he has missed some: copies whose time is over
// count for that, too. Zero if he misses none.
func (s *Store) WithheldFrom(ctx context.Context, l list.ID, a list.Address) (waiting int, since time.Time, err error) {
	var first int64
	err = s.read().row(ctx, `SELECT count(item.blob), coalesce(min(delivery.created), 0) FROM delivery JOIN item ON item.id = delivery.item
		WHERE delivery.state = 'withheld' AND delivery.kind = 'copy' AND delivery.list = ? AND lower(delivery.address) = ?`,
		l, a.Key()).Scan(&waiting, &first)
	return waiting, fromMicros(first), s.wrap("withheld copies of "+a.String(), err)
}

// RequeueWithheld queues withheld copies again, and returns how many were still
// withheld. Their posts are distributing again. Everything is judged anew at the
// moment they are sealed (invariant 2).
func (s *Store) RequeueWithheld(ctx context.Context, copies []WithheldCopy) (requeued int, err error) {
	err = s.write(ctx, fmt.Sprintf("queue %d withheld copies", len(copies)), func(h handle) error {
		requeued = 0
		now := s.now()
		for _, c := range copies {
			n, err := h.exec(ctx, `UPDATE delivery SET state = ?, due = ?, owner = '', attempts = 0, reason = '', created = ?, updated = ?
				WHERE id = ? AND state = ? AND EXISTS (SELECT 1 FROM item WHERE item.id = delivery.item AND blob IS NOT NULL AND state IN (?, ?))`,
				DeliveryQueued, now, now, now, c.ID, DeliveryWithheld, ItemDone, ItemDistributing)
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			requeued++
			if _, err := h.exec(ctx, `UPDATE item SET state = ?, unfinished = unfinished + 1, updated = ? WHERE id = ?`,
				ItemDistributing, now, itemNumber(c.Item)); err != nil {
				return err
			}
		}
		if requeued == 0 {
			return nil
		}
		return bump(ctx, h)
	})
	return requeued, err
}
