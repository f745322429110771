package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// TraceKind says what a Trace knows a post by.
type TraceKind string

// The kinds of traces.
const (
	TraceSignature TraceKind = "signature" // the author's signature
	TraceKey       TraceKind = "key"       // the content-encryption key
)

// Trace is what an accepted post is known by when it comes again. It holds
// HMACs only (invariant 1).
type Trace struct {
	Kind       TraceKind
	MAC        string
	Ciphertext string    // TraceKey: HMAC of what the key encrypted
	Expires    time.Time // zero: it is kept while the list is
}

// Sighting is a trace of another item.
type Sighting struct {
	Trace
	List     list.ID
	Item     string
	Blob     int64 // items of one SMTP transaction share it
	Received time.Time
	Relayed  bool // that item has a copy for the list that is asked for
}

// ErrSeen says that another item left the same trace on the same list since it
// was asked for: decide anew.
var ErrSeen = errors.New("the same message was accepted meanwhile")

// Sightings returns where else the traces of an item are known: not those of
// the item itself, which it never meets again. to is the list's address.
func (s *Store) Sightings(ctx context.Context, item Item, to list.Address, traces []Trace) ([]Sighting, error) {
	var all []Sighting
	for _, t := range traces {
		rows, err := s.read().query(ctx, `SELECT kind, mac, list, ciphertext, item, blob, received, expires,
			EXISTS (SELECT 1 FROM delivery WHERE delivery.item = trace.item AND kind = ? AND lower(address) = ?)
			FROM trace WHERE kind = ? AND mac = ? AND item <> ? AND (expires = 0 OR expires > ?)`,
			KindCopy, to.Key(), t.Kind, t.MAC, itemNumber(item.ID), s.now())
		some, err := collect(rows, err, func(row scanner) (Sighting, error) {
			var g Sighting
			var number, received, expires int64
			err := row.Scan(&g.Kind, &g.MAC, &g.List, &g.Ciphertext, &number, &g.Blob, &received, &expires, &g.Relayed)
			g.Item, g.Received, g.Expires = itemName(number), fromMicros(received), fromMicros(expires)
			return g, err
		})
		if err != nil {
			return nil, s.wrap("sightings of item "+item.ID, err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// putTraces keeps the traces of an item, in the transaction of its decision.
func putTraces(ctx context.Context, h handle, item int64, traces []Trace, now int64) error {
	for _, t := range traces {
		if _, err := h.exec(ctx, `DELETE FROM trace WHERE kind = ? AND mac = ? AND expires > 0 AND expires <= ?`, t.Kind, t.MAC, now); err != nil {
			return err
		}
		n, err := h.exec(ctx, `INSERT INTO trace (kind, mac, list, ciphertext, item, blob, received, expires)
			SELECT ?, ?, list, ?, id, coalesce(blob, 0), received, ? FROM item WHERE id = ?
			ON CONFLICT (kind, mac, list) DO UPDATE SET item = excluded.item WHERE trace.item = excluded.item`,
			t.Kind, t.MAC, t.Ciphertext, micros(t.Expires), item)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("%s: %w", t.Kind, ErrSeen)
		}
	}
	return nil
}

// dropTraces forgets an item that was not accepted after all: it may be sent
// again.
func dropTraces(ctx context.Context, h handle, item int64) error {
	_, err := h.exec(ctx, `DELETE FROM trace WHERE item = ?`, item)
	return err
}

// ExpireTraces forgets what need not be known any more.
func (s *Store) ExpireTraces(ctx context.Context) (dropped int, err error) {
	err = s.write(ctx, "expire traces", func(h handle) error {
		n, err := h.exec(ctx, `DELETE FROM trace WHERE expires > 0 AND expires <= ?`, s.now())
		dropped = int(n)
		return err
	})
	return dropped, err
}
