package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// DeliveryKind says what a delivery sends.
type DeliveryKind string

// The kinds of deliveries.
const (
	KindCopy   DeliveryKind = "copy"   // one member's copy of a post
	KindNotice DeliveryKind = "notice" // service mail from a template
)

// DeliveryState is where a delivery stands.
type DeliveryState string

// The delivery states. Queued and delayed ones are unfinished, the others have
// their end.
const (
	DeliveryQueued    DeliveryState = "queued"    // not tried yet
	DeliveryRelayed   DeliveryState = "relayed"   // the next hop took it
	DeliveryDelayed   DeliveryState = "delayed"   // tried, to be tried again
	DeliveryFailed    DeliveryState = "failed"    // the next hop refused it, or its time is over
	DeliveryWithheld  DeliveryState = "withheld"  // no usable certificate
	DeliveryCancelled DeliveryState = "cancelled" // not a member any more, suspended, or called off
)

// Finished reports whether the state is an end.
func (s DeliveryState) Finished() bool { return s != DeliveryQueued && s != DeliveryDelayed }

// Delivery is one mail to one address: a copy or a notice.
type Delivery struct {
	ID          int64         `json:"id"`
	Item        string        `json:"item,omitempty"` // the post; "": a notice about none
	List        list.ID       `json:"list,omitempty"`
	Kind        DeliveryKind  `json:"kind"`
	Address     list.Address  `json:"address"`
	State       DeliveryState `json:"state"`
	NextAt      time.Time     `json:"next_at,omitzero"` // zero: it has its end, or is leased
	LeasedBy    string        `json:"leased_by,omitempty"`
	LeasedUntil time.Time     `json:"leased_until,omitzero"`
	Attempts    int           `json:"attempts"`
	Code        int           `json:"code,omitempty"`     // the next hop's last reply
	Enhanced    string        `json:"enhanced,omitempty"` // its enhanced status code
	Text        string        `json:"text,omitempty"`     // its text, verbatim
	Reason      string        `json:"reason,omitempty"`
	Certificate string        `json:"certificate,omitempty"` // fingerprint of what the copy was sealed to
	Cipher      string        `json:"cipher,omitempty"`
	Notice      *Notice       `json:"notice,omitempty"` // kind notice only
	Created     time.Time     `json:"created"`          // since when it is tried
	Updated     time.Time     `json:"updated"`
}

// Notice asks for one service mail.
type Notice struct {
	Template string            `json:"template"`
	List     list.ID           `json:"-"` // 0: no list's
	To       list.Address      `json:"-"`
	Params   map[string]string `json:"params,omitempty"` // what the template says; never content of a message (invariant 1)
	Key      string            `json:"-"`                // throttle; "": always queued
	Every    time.Duration     `json:"-"`                // a notice with the same Key is not queued again within this time
}

// Outcome is what became of one delivery.
type Outcome struct {
	Delivery    int64
	State       DeliveryState
	NextAt      time.Time // delayed (or back to queued): when to try again
	Attempts    int       // so far, this one included
	Code        int
	Enhanced    string
	Text        string
	Reason      string
	Certificate string
	Cipher      string
	Notices     []Notice // mail that the outcome causes
}

const deliveryColumns = `id, coalesce(item, 0), list, kind, address, state, coalesce(due, 0), owner, attempts,
	code, enhanced, text, reason, certificate, cipher, notice, created, updated`

func scanDelivery(row scanner) (Delivery, error) {
	var d Delivery
	var item, due, created, updated int64
	var address, notice string
	err := row.Scan(&d.ID, &item, &d.List, &d.Kind, &address, &d.State, &due, &d.LeasedBy, &d.Attempts,
		&d.Code, &d.Enhanced, &d.Text, &d.Reason, &d.Certificate, &d.Cipher, &notice, &created, &updated)
	if err != nil {
		return d, err
	}
	if item != 0 {
		d.Item = itemName(item)
	}
	if d.LeasedBy == "" {
		d.NextAt = fromMicros(due)
	} else {
		d.LeasedUntil = fromMicros(due)
	}
	d.Created, d.Updated = fromMicros(created), fromMicros(updated)
	if err := d.Address.UnmarshalText([]byte(address)); err != nil {
		return d, err
	}
	if notice != "" {
		d.Notice = &Notice{List: d.List, To: d.Address}
		return d, json.Unmarshal([]byte(notice), d.Notice)
	}
	return d, nil
}

// ClaimDeliveries leases up to n deliveries that are due, those that have waited
// longest first. A lease that ended is free again.
func (s *Store) ClaimDeliveries(ctx context.Context, owner string, now, leaseUntil time.Time, n int) ([]Delivery, error) {
	if owner == "" {
		return nil, errors.New("store: claim deliveries: no owner")
	}
	var claimed []Delivery
	err := s.write(ctx, "claim deliveries", func(h handle) error {
		rows, err := h.query(ctx, `UPDATE delivery SET owner = ?, due = ? WHERE id IN
			(SELECT id FROM delivery WHERE due <= ? ORDER BY due, id LIMIT ?`+h.dialect.skipLocked+`) RETURNING `+deliveryColumns,
			owner, micros(leaseUntil), micros(now), n)
		claimed, err = collect(rows, err, scanDelivery)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(claimed, func(a, b Delivery) int { return int(a.ID - b.ID) })
	return claimed, nil
}

// hotStatements are prepared once.
type hotStatements struct{ complete *sql.Stmt }

func (s *Store) prepareHot(ctx context.Context) (*hotStatements, error) {
	complete, err := s.writer.PrepareContext(ctx, s.dialect.rebind(`UPDATE delivery SET state = ?, due = ?, owner = '', attempts = ?,
		code = ?, enhanced = ?, text = ?, reason = ?, certificate = ?, cipher = ?, updated = ? WHERE id = ? AND due IS NOT NULL`))
	return &hotStatements{complete}, s.dialect.explain(err, s.path)
}

func (h *hotStatements) Close() error {
	if h.complete == nil {
		return nil
	}
	return h.complete.Close()
}

// Complete writes the results of a batch in one transaction, ends their leases,
// queues the notices they cause, and makes those items done whose last copy has
// its end. A delivery that already has its end keeps it, and causes no notices
// again; one that is not there is passed over.
func (s *Store) Complete(ctx context.Context, outcomes []Outcome) error {
	if len(outcomes) == 0 {
		return nil
	}
	what := fmt.Sprintf("complete %d deliveries", len(outcomes))
	return s.writeTx(ctx, what, func(tx *sql.Tx) error {
		h, now := handle{s.dialect, tx}, s.now()
		open, err := unfinished(ctx, h, outcomes)
		if err != nil {
			return err
		}
		// No statement of the batch stops half-way for a context that ends; the
		// transaction as a whole does.
		quiet := context.WithoutCancel(ctx)
		complete := tx.StmtContext(quiet, s.hot.complete)
		ended := map[int64]int{} // by item
		for _, o := range outcomes {
			of, ok := open[o.Delivery]
			if !ok {
				continue
			}
			var due any
			if o.State.Finished() {
				delete(open, o.Delivery) // a second outcome in the batch is too late
			} else {
				due = micros(o.NextAt)
			}
			if _, err := complete.ExecContext(quiet, string(o.State), due, o.Attempts, o.Code, o.Enhanced, o.Text, o.Reason,
				o.Certificate, o.Cipher, now, o.Delivery); err != nil {
				return err
			}
			if due == nil && of.kind == KindCopy {
				ended[of.item]++
			}
			if _, err := queueNotices(quiet, h, of.item, o.Notices, now); err != nil {
				return err
			}
		}
		for item, n := range ended {
			if _, err := h.exec(quiet, `UPDATE item SET unfinished = unfinished - ? WHERE id = ?`, n, item); err != nil {
				return err
			}
			if err := finish(quiet, h, item, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// parent is what Complete must know of an unfinished delivery.
type parent struct {
	id, item int64
	kind     DeliveryKind
}

// unfinished returns those of the batch that have no end yet.
func unfinished(ctx context.Context, h handle, outcomes []Outcome) (map[int64]parent, error) {
	open := make(map[int64]parent, len(outcomes))
	for len(outcomes) > 0 {
		n := min(len(outcomes), maxInList)
		args := make([]any, n)
		for i, o := range outcomes[:n] {
			args[i] = o.Delivery
		}
		outcomes = outcomes[n:]
		rows, err := h.query(ctx, `SELECT id, coalesce(item, 0), kind FROM delivery WHERE due IS NOT NULL AND id IN `+inList(n)+h.dialect.forUpdate, args...)
		found, err := collect(rows, err, func(row scanner) (p parent, err error) { return p, row.Scan(&p.id, &p.item, &p.kind) })
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			open[p.id] = p
		}
	}
	return open, nil
}

// QueueNotices queues service mail that belongs to no item and returns how much
// of it the throttle let through.
func (s *Store) QueueNotices(ctx context.Context, notices []Notice) (queued int, err error) {
	err = s.write(ctx, "queue notices", func(h handle) error {
		queued, err = queueNotices(ctx, h, 0, notices, s.now())
		return err
	})
	return queued, err
}

func queueNotices(ctx context.Context, h handle, item int64, notices []Notice, now int64) (queued int, err error) {
	for _, n := range notices {
		if n.To.IsZero() || n.Template == "" {
			return queued, fmt.Errorf("a notice %q without address or template", n.Template)
		}
		if n.Key != "" && n.Every > 0 {
			fresh, err := h.exec(ctx, `INSERT INTO throttle (name, expires) VALUES (?, ?)
				ON CONFLICT (name) DO UPDATE SET expires = excluded.expires WHERE throttle.expires <= ?`, n.Key, now+n.Every.Microseconds(), now)
			if err != nil {
				return queued, err
			}
			if fresh == 0 {
				continue
			}
		}
		text, err := json.Marshal(n)
		if err != nil {
			return queued, err
		}
		var about any
		if item != 0 {
			about = item
		}
		_, err = h.exec(ctx, `INSERT INTO delivery (item, list, kind, address, state, due, notice, created, updated) VALUES (?,?,?,?,?,?,?,?,?)`,
			about, n.List, KindNotice, n.To.String(), DeliveryQueued, now, string(text), now, now)
		if err != nil {
			return queued, err
		}
		queued++
	}
	return queued, nil
}

// ReleaseLeases frees at once what owner has leased, items and deliveries: the
// last step of an ordered stop.
func (s *Store) ReleaseLeases(ctx context.Context, owner string) error {
	return s.releaseLeases(ctx, "release the leases of "+owner, `owner = ?`, owner)
}

// ReleaseAllLeases frees everything that is leased by anybody. Only the single
// server of an SQLite file may call it, at its start, after LockServer: what it
// finds leased belongs to its own past.
func (s *Store) ReleaseAllLeases(ctx context.Context) error {
	return s.releaseLeases(ctx, "release all leases", `owner <> ''`)
}

func (s *Store) releaseLeases(ctx context.Context, what, condition string, args ...any) error {
	return s.write(ctx, what, func(h handle) error {
		for _, table := range []string{"item", "delivery"} {
			if _, err := h.exec(ctx, `UPDATE `+table+` SET owner = '', due = ? WHERE due IS NOT NULL AND `+condition,
				append([]any{s.now()}, args...)...); err != nil {
				return err
			}
		}
		return nil
	})
}

// NextDue returns when the next item or delivery is due, a lease's end
// included; zero if nothing waits.
func (s *Store) NextDue(ctx context.Context) (time.Time, error) {
	var next int64
	err := s.read().row(ctx, `SELECT coalesce(min(due), 0) FROM (SELECT min(due) AS due FROM item WHERE due IS NOT NULL
		UNION ALL SELECT min(due) FROM delivery WHERE due IS NOT NULL) AS both`).Scan(&next)
	return fromMicros(next), s.wrap("next due", err)
}

// DeliveryFilter chooses deliveries. The zero value is all of them.
type DeliveryFilter struct {
	Item  string        // "" is every item
	List  list.ID       // 0 is every list
	Kind  DeliveryKind  // "" is both
	State DeliveryState // "" is every state
	After int64         // ID of the last one of the page before
	Limit int           // 0: no limit
}

// Deliveries returns deliveries in the order they were queued.
func (s *Store) Deliveries(ctx context.Context, f DeliveryFilter) ([]Delivery, error) {
	var c conditions
	c.add(`id > ?`, f.After)
	if f.Item != "" {
		c.add(`item = ?`, itemNumber(f.Item))
	}
	if f.List != 0 {
		c.add(`list = ?`, f.List)
	}
	if f.Kind != "" {
		c.add(`kind = ?`, f.Kind)
	}
	if f.State != "" {
		c.add(`state = ?`, f.State)
	}
	rows, err := s.read().query(ctx, `SELECT `+deliveryColumns+` FROM delivery`+c.where()+` ORDER BY id LIMIT ?`, append(c.args, limit(f.Limit))...)
	all, err := collect(rows, err, scanDelivery)
	return all, s.wrap("deliveries", err)
}

// CountDeliveries returns how many copies of an item stand in each state.
func (s *Store) CountDeliveries(ctx context.Context, item string) (map[DeliveryState]int, error) {
	rows, err := s.read().query(ctx, `SELECT state, count(*) FROM delivery WHERE item = ? AND kind = ? GROUP BY state`, itemNumber(item), KindCopy)
	type count struct {
		state DeliveryState
		n     int
	}
	all, err := collect(rows, err, func(row scanner) (c count, err error) { return c, row.Scan(&c.state, &c.n) })
	counts := make(map[DeliveryState]int, len(all))
	for _, c := range all {
		counts[c.state] = c.n
	}
	return counts, s.wrap("count deliveries of item "+item, err)
}
