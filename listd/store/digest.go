package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// DigestTemplate marks the delivery that is a digest. Its Notice has no text: the
// posts of the digest are what it sends.
const DigestTemplate = "digest"

// Gathering is what waits on a list to be gathered into digests.
type Gathering struct {
	List   list.ID
	Posts  int
	Octets int64     // of the posts, as they arrived
	Oldest time.Time // when the first of them was received
}

// Gatherings returns what waits, list by list.
func (s *Store) Gatherings(ctx context.Context) ([]Gathering, error) {
	rows, err := s.read().query(ctx, `SELECT list, count(*), sum(size), min(received) FROM item
		WHERE id IN (SELECT item FROM delivery WHERE digest = 0) GROUP BY list ORDER BY list`)
	all, err := collect(rows, err, func(row scanner) (g Gathering, err error) {
		var oldest int64
		err = row.Scan(&g.List, &g.Posts, &g.Octets, &oldest)
		g.Oldest = fromMicros(oldest)
		return g, err
	})
	return all, s.wrap("digests that gather", err)
}

// Gather makes a digest of what waits for each member of a list, most posts at
// most in one, and queues it. It returns how many digests there are.
func (s *Store) Gather(ctx context.Context, id list.ID, most int) (digests int, err error) {
	text, err := json.Marshal(Notice{Template: DigestTemplate})
	if err != nil {
		return 0, err
	}
	err = s.write(ctx, "gather digests", func(h handle) error {
		type row struct {
			id      int64
			address string
		}
		rows, err := h.query(ctx, `SELECT id, address FROM delivery WHERE list = ? AND digest = 0 ORDER BY address, id`, id)
		waiting, err := collect(rows, err, func(s scanner) (r row, err error) { return r, s.Scan(&r.id, &r.address) })
		if err != nil {
			return err
		}
		now := s.now()
		for len(waiting) > 0 {
			n := slices.IndexFunc(waiting, func(r row) bool { return r.address != waiting[0].address })
			if n < 0 {
				n = len(waiting)
			}
			n = min(n, most)
			leader := waiting[0].id
			for _, r := range waiting[:n] {
				if _, err := h.exec(ctx, `UPDATE delivery SET digest = ? WHERE id = ?`, leader, r.id); err != nil {
					return err
				}
			}
			if _, err := h.exec(ctx, `UPDATE delivery SET due = ?, created = ?, updated = ?, notice = ? WHERE id = ?`, now, now, now, string(text), leader); err != nil {
				return err
			}
			digests++
			waiting = waiting[n:]
		}
		if digests == 0 {
			return nil
		}
		return bump(ctx, h)
	})
	return digests, err
}

// Ungather queues, as copies of their own, what waits for members who do not want
// digests any more: nobody misses a post because he changed his mind.
func (s *Store) Ungather(ctx context.Context) (copies int, err error) {
	err = s.write(ctx, "send copies that waited for a digest", func(h handle) error {
		n, err := h.exec(ctx, `UPDATE delivery SET digest = NULL, due = ?, created = ?, updated = ? WHERE digest = 0 AND NOT EXISTS
			(SELECT 1 FROM member WHERE member.list = delivery.list AND member.address_key = lower(delivery.address) AND role = 'member' AND reception = 'digest')`,
			s.now(), s.now(), s.now())
		if copies = int(n); err != nil || n == 0 {
			return err
		}
		return bump(ctx, h)
	})
	return copies, err
}

// DigestItems returns the posts of the digest that a delivery is, oldest first,
// without those that were quarantined or rejected since.
func (s *Store) DigestItems(ctx context.Context, delivery int64) ([]Item, error) {
	rows, err := s.read().query(ctx, `SELECT `+itemColumns+` FROM item WHERE id IN (SELECT item FROM delivery WHERE digest = ?) AND state NOT IN (?, ?) ORDER BY id`, delivery, ItemQuarantined, ItemRejected)
	all, err := collect(rows, err, scanItem)
	return all, s.wrap("posts of a digest", err)
}

// endGathered gives the copies within digests that ended the same end, and returns
// them with those that ended by themselves. A digest that is withheld falls apart:
// its copies leave one by one, once there is a certificate.
func (s *Store) endGathered(ctx context.Context, tx *sql.Tx, ended []int64, now int64) ([]int64, error) {
	if len(ended) == 0 {
		return ended, nil
	}
	ids := idList(ended, func(id int64) int64 { return id })
	rows, err := tx.StmtContext(ctx, s.hot.gathered).QueryContext(ctx, now, ids)
	followers, err := collect(rows, err, func(row scanner) (id int64, err error) { return id, row.Scan(&id) })
	if err != nil || len(followers) == 0 {
		return ended, err
	}
	_, err = handle{s.dialect, tx}.exec(ctx, `UPDATE delivery SET digest = NULL, notice = '' WHERE digest > 0 AND state = ? AND digest `+s.dialect.inIDs, DeliveryWithheld, ids)
	return append(ended, followers...), err
}
