package store

import (
	"context"
	"time"
)

// Backlog is what waits at a moment.
type Backlog struct {
	Items      map[ItemState]Waiting    // that have no end yet: accepted, held, distributing, quarantined
	Deliveries map[DeliveryKind]Waiting // that are to be sent
	Withheld   int                      // copies that wait for a certificate, of posts whose octets are still there
}

// Waiting is how many wait, and since when the oldest does; zero if none does.
type Waiting struct {
	N      int
	Oldest time.Time
}

// hidden are items that arrived encrypted and whose author is not authenticated:
// whether one is held or refused is nobody's to see (invariant 3).
const hidden = `encrypted = 1 AND author = ''`

// Backlog counts what waits. Of encrypted posts without an authenticated author
// those that are held are not counted, and neither are notices about them.
// It walks over every copy that waits: 0.2 to 0.4 s for a million of them in SQLite.
func (s *Store) Backlog(ctx context.Context) (Backlog, error) {
	b := Backlog{
		Items:      map[ItemState]Waiting{ItemAccepted: {}, ItemHeld: {}, ItemDistributing: {}, ItemQuarantined: {}},
		Deliveries: map[DeliveryKind]Waiting{KindCopy: {}, KindNotice: {}},
	}
	// One SELECT a state and kind, so that each uses its index.
	for state := range b.Items {
		query := `SELECT count(*), coalesce(min(received), 0) FROM item WHERE state = ?`
		if state == ItemHeld {
			query += ` AND NOT (` + hidden + `)`
		}
		w, err := s.waiting(ctx, query, state)
		if err != nil {
			return b, err
		}
		b.Items[state] = w
	}
	var err error
	if b.Deliveries[KindCopy], err = s.waiting(ctx, `SELECT count(*), coalesce(min(created), 0) FROM delivery WHERE kind = 'copy' AND due IS NOT NULL`); err != nil {
		return b, err
	}
	if b.Deliveries[KindNotice], err = s.waiting(ctx, `SELECT count(*), coalesce(min(created), 0) FROM delivery WHERE kind = 'notice' AND due IS NOT NULL
		AND NOT EXISTS (SELECT 1 FROM item WHERE item.id = delivery.item AND `+hidden+`)`); err != nil {
		return b, err
	}
	withheld, err := s.waiting(ctx, `SELECT count(*), 0 FROM delivery JOIN item ON item.id = delivery.item
		WHERE delivery.state = 'withheld' AND delivery.kind = 'copy' AND item.blob IS NOT NULL`)
	b.Withheld = withheld.N
	return b, err
}

func (s *Store) waiting(ctx context.Context, query string, args ...any) (w Waiting, err error) {
	var oldest int64
	err = s.read().row(ctx, query, args...).Scan(&w.N, &oldest)
	w.Oldest = fromMicros(oldest)
	return w, s.wrap("count what waits", err)
}

// Answers returns an error unless the database can be read, and is the one that
// was opened.
func (s *Store) Answers(ctx context.Context) error {
	if err := s.present(); err != nil {
		return s.wrap("look for the database", err)
	}
	_, err := s.Changes(ctx)
	return err
}
