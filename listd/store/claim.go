package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// maxTurns is how many lists have their turn in one claim.
const maxTurns = 50

// ClaimDeliveries leases up to n deliveries that are due. Notices come first, up
// to half of n. The lists that have copies take turns: each gets an equal share,
// those first that have waited longest, and what is left over goes round
// again. Copies of a list that is paused stay. A lease that ended is free again. What
// a worker does not need (the last reply, times but Created) is not filled.
func (s *Store) ClaimDeliveries(ctx context.Context, owner string, now, leaseUntil time.Time, n int) ([]Delivery, error) {
	if owner == "" {
		return nil, errors.New("store: claim deliveries: no owner")
	}
	var claimed []Delivery
	err := s.writeBeside(ctx, "claim deliveries", func(tx *sql.Tx, _ handle) error {
		c := claim{s: s, tx: tx, ctx: s.dialect.quiet(ctx), owner: owner, now: micros(now), until: leaseUntil}
		if err := c.all(n); err != nil {
			return err
		}
		claimed = c.claimed
		return nil
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

// claim is one claim on its way.
type claim struct {
	s       *Store
	tx      *sql.Tx
	ctx     context.Context
	owner   string
	now     int64
	until   time.Time
	claimed []Delivery
}

func (c *claim) all(n int) error {
	if _, err := c.take(c.s.hot.notices, max(1, n/2), c.now); err != nil {
		return err
	}
	turns, err := c.turns()
	if err != nil {
		return err
	}
	for len(turns) > 0 && len(c.claimed) < n {
		share := max(1, (n-len(c.claimed))/len(turns))
		var again []list.ID // who may have more
		for _, l := range turns {
			if len(c.claimed) == n {
				break
			}
			got, err := c.take(c.s.hot.copies, min(share, n-len(c.claimed)), int64(l), c.now)
			if err != nil {
				return err
			}
			if c.s.lastTurn.Store(int64(l)); got == share {
				again = append(again, l)
			}
		}
		turns = again
	}
	return nil
}

// turns are the lists whose copies are due, beginning behind the one that had the last turn.
func (c *claim) turns() ([]list.ID, error) {
	last := c.s.lastTurn.Load()
	rows, err := c.tx.StmtContext(c.ctx, c.s.hot.turns).QueryContext(c.ctx, c.now, last, maxTurns)
	return collect(rows, err, func(row scanner) (l list.ID, err error) { return l, row.Scan(&l) })
}

// take leases up to n of what a statement finds, and returns how many those were.
func (c *claim) take(find *sql.Stmt, n int, args ...any) (int, error) {
	rows, err := c.tx.StmtContext(c.ctx, find).QueryContext(c.ctx, append(args, n)...)
	found, err := collect(rows, err, func(row scanner) (Delivery, error) {
		d := Delivery{LeasedBy: c.owner, LeasedUntil: c.until}
		var item, created int64
		var address, notice string
		if err := row.Scan(&d.ID, &item, &d.List, &d.Kind, &address, &d.State, &d.Attempts, &notice, &created); err != nil {
			return d, err
		}
		return d, d.fill(item, created, address, notice)
	})
	if err != nil || len(found) == 0 {
		return 0, err
	}
	c.claimed = append(c.claimed, found...)
	_, err = c.tx.StmtContext(c.ctx, c.s.hot.lease).ExecContext(c.ctx, c.owner, micros(c.until), idList(found, func(d Delivery) int64 { return d.ID }))
	return len(found), err
}

// What a claim reads of a delivery.
const claimColumns = `SELECT id, coalesce(item, 0), list, kind, address, state, attempts, notice, created FROM delivery `

// dueTurns goes from list to list through the index, whatever the number of
// copies, and finds those that have one that is due: first those behind the
// list that had the last turn. It asks for the earliest one rather than whether
// one EXISTS, of which PostgreSQL without statistics makes a hash join that
// reads every copy.
const dueTurns = `WITH RECURSIVE turn (list) AS (
		SELECT min(list) FROM delivery WHERE kind = 'copy' AND due IS NOT NULL
		UNION ALL
		SELECT (SELECT min(d.list) FROM delivery AS d WHERE d.kind = 'copy' AND d.due IS NOT NULL AND d.list > turn.list) FROM turn WHERE turn.list IS NOT NULL)
	SELECT turn.list FROM turn WHERE turn.list IS NOT NULL
		AND (SELECT min(d.due) FROM delivery AS d WHERE d.kind = 'copy' AND d.due IS NOT NULL AND d.list = turn.list) <= ?
		AND NOT EXISTS (SELECT 1 FROM pause WHERE pause.list = turn.list OR pause.list = 0)
	ORDER BY CASE WHEN turn.list > ? THEN 0 ELSE 1 END, turn.list LIMIT ?`
