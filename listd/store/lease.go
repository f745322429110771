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

// ReleaseStrayItems frees what owner has leased and has not in hand: what a
// claim leased whose answer never came, because the connection to the database
// broke. Only who claims may call it, and not while it claims.
func (s *Store) ReleaseStrayItems(ctx context.Context, owner string, inHand []string) error {
	return s.releaseStray(ctx, "item", owner, idList(inHand, itemNumber))
}

// ReleaseStrayDeliveries does the same for deliveries.
func (s *Store) ReleaseStrayDeliveries(ctx context.Context, owner string, inHand []int64) error {
	return s.releaseStray(ctx, "delivery", owner, idList(inHand, func(id int64) int64 { return id }))
}

func (s *Store) releaseStray(ctx context.Context, table, owner, inHand string) error {
	return s.writeBeside(ctx, "release stray leases of "+owner, func(_ *sql.Tx, h handle) error {
		also := ""
		if table == "item" {
			also = `, claims = CASE WHEN claims > 0 THEN claims - 1 ELSE 0 END` // nobody has worked on it
		}
		_, err := h.exec(ctx, `UPDATE `+table+` SET owner = '', due = ?`+also+` WHERE due IS NOT NULL AND owner = ? AND NOT (id `+h.dialect.inIDs+`)`, s.now(), owner, inHand)
		return err
	})
}

// RetryPostponed makes every item due now that was postponed: what it
// waited for, as the key password, may be there after a restart. Those that
// processes died with go on waiting.
func (s *Store) RetryPostponed(ctx context.Context) error {
	return s.write(ctx, "retry postponed items", func(h handle) error {
		_, err := h.exec(ctx, `UPDATE item SET due = ? WHERE state IN (?, ?) AND due > ? AND owner = '' AND claims = 0`, s.now(), ItemAccepted, ItemDistributing, s.now())
		return err
	})
}
