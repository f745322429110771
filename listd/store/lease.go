package store

import (
	"context"
	"database/sql"
	"time"
)

// RenewLeases moves the end of everything that owner has leased, items and
// deliveries, to until. A server calls it well before its leases end, so that
// what it still works on is not given to another. A lease that has ended is not
// renewed: only rows that are not due are looked at, however long the queue is.
func (s *Store) RenewLeases(ctx context.Context, owner string, until time.Time) error {
	return s.writeBeside(ctx, "renew the leases of "+owner, func(_ *sql.Tx, h handle) error {
		for _, table := range []string{"item", "delivery"} {
			if _, err := h.exec(ctx, `UPDATE `+table+` SET due = ? WHERE owner = ? AND due > ?`, micros(until), owner, s.now()); err != nil {
				return err
			}
		}
		return nil
	})
}

// RetryPostponed makes every accepted item due now that was postponed: what it
// waited for, as the key password, may be there after a restart.
func (s *Store) RetryPostponed(ctx context.Context) error {
	return s.write(ctx, "retry postponed items", func(h handle) error {
		_, err := h.exec(ctx, `UPDATE item SET due = ? WHERE state = ? AND due > ? AND owner = ''`, s.now(), ItemAccepted, s.now())
		return err
	})
}
