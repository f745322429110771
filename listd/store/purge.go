package store

import (
	"context"
	"time"
)

// purgeChunk is how many items one transaction of Purge takes, so that it never
// holds the writer for long.
const purgeChunk = 100

// Purge removes the octets of items that were done or rejected before a time,
// those with copies that wait for a certificate only if they were received
// before withheld, too, and none of those that an archive keeps or that a notice
// which has not left yet may take along; unless another
// item still needs them, and throttle entries that ended.
// The rows of items and deliveries stay. It returns how many items lost their
// octets.
func (s *Store) Purge(ctx context.Context, before, withheld time.Time) (items int, err error) {
	for {
		n, err := s.purgeSome(ctx, micros(before), micros(withheld))
		items += n
		if err != nil || n < purgeChunk {
			return items, err
		}
	}
}

func (s *Store) purgeSome(ctx context.Context, before, withheld int64) (items int, err error) {
	err = s.write(ctx, "purge", func(h handle) error {
		rows, err := h.query(ctx, `SELECT id FROM item WHERE state IN (?, ?) AND updated < ? AND blob IS NOT NULL AND archived <= ?
			AND (received < ? OR NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.item = item.id AND delivery.state = 'withheld' AND delivery.kind = 'copy'))
			AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.item = item.id AND delivery.due IS NOT NULL)
			ORDER BY id LIMIT ?`, ItemDone, ItemRejected, before, s.now(), withheld, purgeChunk)
		finished, err := collect(rows, err, func(row scanner) (id int64, err error) { return id, row.Scan(&id) })
		if err != nil {
			return err
		}
		for _, id := range finished {
			if err := dropOctets(ctx, h, id); err != nil {
				return err
			}
		}
		items = len(finished)
		_, err = h.exec(ctx, `DELETE FROM throttle WHERE expires <= ?`, s.now())
		return err
	})
	if err != nil {
		items = 0
	}
	return items, err
}

// dropOctets removes the octets of an item, unless another item needs them.
func dropOctets(ctx context.Context, h handle, item int64) error {
	var blob int64
	if err := h.row(ctx, `SELECT coalesce(blob, 0) FROM item WHERE id = ?`, item).Scan(&blob); err != nil || blob == 0 {
		return err
	}
	if _, err := h.exec(ctx, `UPDATE item SET blob = NULL WHERE id = ?`, item); err != nil {
		return err
	}
	_, err := h.exec(ctx, `DELETE FROM blob WHERE id = ? AND NOT EXISTS (SELECT 1 FROM item WHERE blob = ?)`, blob, blob)
	return err
}

// PurgeRows removes posts that were done or rejected before a time, with the
// rows of their copies, once their octets are gone, and notices about none that
// had their end before it. It returns how many posts it removed.
func (s *Store) PurgeRows(ctx context.Context, before time.Time) (items int, err error) {
	for {
		var n, notices int64
		err := s.write(ctx, "purge rows", func(h handle) error {
			var err error
			n, err = h.exec(ctx, `DELETE FROM item WHERE id IN (SELECT id FROM item WHERE state IN (?, ?) AND updated < ? AND blob IS NULL AND archived <= ?
				AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.item = item.id AND delivery.due IS NOT NULL) ORDER BY id LIMIT ?)`,
				ItemDone, ItemRejected, micros(before), s.now(), purgeChunk)
			if err != nil {
				return err
			}
			notices, err = h.exec(ctx, `DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE item IS NULL AND due IS NULL AND updated < ? ORDER BY id LIMIT ?)`,
				micros(before), 10*purgeChunk)
			return err
		})
		if err != nil {
			return items, err
		}
		if items += int(n); n < purgeChunk && notices < 10*purgeChunk {
			return items, nil
		}
	}
}
