package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
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

func (s DeliveryState) known() bool {
	switch s {
	case DeliveryQueued, DeliveryRelayed, DeliveryDelayed, DeliveryFailed, DeliveryWithheld, DeliveryCancelled:
		return true
	}
	return false
}

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
	Certificate string        `json:"certificate,omitempty"` // fingerprints of what the copy was sealed to, a space between them
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
	Lines    []string          `json:"lines,omitempty"`  // what it lists, likewise
	Attach   bool              `json:"attach,omitempty"` // the post that it is about goes with it; then Sealed unless the post arrived in clear
	Sealed   bool              `json:"sealed,omitempty"` // it leaves encrypted to its addressee, or not at all (invariant 12)
	Key      string            `json:"-"`                // throttle; "": always queued
	Every    time.Duration     `json:"-"`                // no more than Limit notices with the same Key are queued within this time
	Limit    int               `json:"-"`                // 0: 1
	Stranger bool              `json:"-"`                // To is nobody who is known here: what such people get is capped, a list and hour
}

// Outcome is what became of one delivery.
type Outcome struct {
	Delivery    int64
	Owner       string // who claimed it: after another has, only that a copy was relayed counts; "": it counts whoever did
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
	Failure     *Failure // what counts against the member that a copy was for; nil: nothing

	// For whoever counts; neither is kept.
	Cause string // why, in a word of a closed set
	TLS   bool   // it left over TLS
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
	if d.LeasedBy == "" {
		d.NextAt = fromMicros(due)
	} else {
		d.LeasedUntil = fromMicros(due)
	}
	d.Updated = fromMicros(updated)
	return d, d.fill(item, created, address, notice)
}

// fill takes over the columns whose Go form differs.
func (d *Delivery) fill(item, created int64, address, notice string) error {
	if item != 0 {
		d.Item = itemName(item)
	}
	d.Created = fromMicros(created)
	if err := d.Address.UnmarshalText([]byte(address)); err != nil {
		return err
	}
	if notice == "" {
		return nil
	}
	d.Notice = &Notice{List: d.List, To: d.Address}
	return json.Unmarshal([]byte(notice), d.Notice)
}

// hotStatements are what runs for every batch: parsed once.
type hotStatements struct{ notices, turns, copies, lease, complete, gathered, ended *sql.Stmt }

func (s *Store) prepareHot(ctx context.Context) (*hotStatements, error) {
	var h hotStatements
	for _, p := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&h.notices, claimColumns + `WHERE kind = 'notice' AND due <= ? ORDER BY due, id LIMIT ?` + s.dialect.skipLocked},
		{&h.turns, dueTurns},
		{&h.copies, claimColumns + `WHERE kind = 'copy' AND list = ? AND due <= ? ORDER BY due, id LIMIT ?` + s.dialect.skipLocked},
		{&h.lease, `UPDATE delivery SET owner = ?, due = ? WHERE id ` + s.dialect.inIDs},
		{&h.complete, `UPDATE delivery SET state = ?, due = ?, owner = '', attempts = ?, code = ?, enhanced = ?, text = ?, reason = ?,
			certificate = ?, cipher = ?, updated = ? WHERE id = ? AND due IS NOT NULL AND (owner = ? OR ?)`},
		{&h.gathered, `UPDATE delivery SET state = (SELECT l.state FROM delivery AS l WHERE l.id = delivery.digest),
			reason = (SELECT l.reason FROM delivery AS l WHERE l.id = delivery.digest),
			certificate = (SELECT l.certificate FROM delivery AS l WHERE l.id = delivery.digest),
			cipher = (SELECT l.cipher FROM delivery AS l WHERE l.id = delivery.digest), updated = ?
			WHERE digest > 0 AND digest <> id AND state = 'queued' AND digest ` + s.dialect.inIDs + ` RETURNING id`},
		{&h.ended, `SELECT item, count(*) FROM delivery WHERE kind = 'copy' AND id ` + s.dialect.inIDs + ` GROUP BY item ORDER BY item`},
	} {
		var err error
		if *p.stmt, err = s.writer.PrepareContext(ctx, s.dialect.rebind(p.text)); err != nil {
			h.Close()
			return nil, s.dialect.explain(err, s.path)
		}
	}
	return &h, nil
}

// Close gives the statements back.
func (h *hotStatements) Close() error {
	var errs []error
	for _, stmt := range []*sql.Stmt{h.notices, h.turns, h.copies, h.lease, h.complete, h.gathered, h.ended} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	return errors.Join(errs...)
}

// idList writes numbers as the JSON array that dialect.inIDs reads: one
// parameter, one statement text, however many there are.
func idList[T any](all []T, id func(T) int64) string {
	b := make([]byte, 0, 10*len(all)+2)
	b = append(b, '[')
	for i, one := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, id(one), 10)
	}
	return string(append(b, ']'))
}

// Complete writes the results of a batch in one transaction, ends their leases,
// queues the notices they cause, and makes those items done whose last copy has
// its end. A delivery that already has its end keeps it, and causes no notices
// again; one that is not there is passed over, and so is one that another owner
// has claimed meanwhile, unless it was relayed: a copy that has left has left.
func (s *Store) Complete(ctx context.Context, outcomes []Outcome) error {
	if len(outcomes) == 0 {
		return nil
	}
	for _, o := range outcomes {
		if !o.State.known() {
			return fmt.Errorf("store: complete delivery %d: %q is no state", o.Delivery, o.State)
		}
	}
	outcomes = oneEach(outcomes)
	return s.writeBeside(ctx, fmt.Sprintf("complete %d deliveries", len(outcomes)), func(tx *sql.Tx, h handle) error {
		// No statement of the batch stops half-way for a context that ends; the
		// transaction as a whole does.
		quiet, now := s.dialect.quiet(ctx), s.now()
		written, err := s.dialect.complete(quiet, s, tx, outcomes, now)
		if err != nil {
			return err
		}
		ended := make([]int64, 0, len(outcomes))
		for _, o := range outcomes {
			if !written[o.Delivery] {
				continue // it has its end already
			}
			if o.State.Finished() {
				ended = append(ended, o.Delivery)
			}
			if err := s.causedNotices(quiet, h, o, now); err != nil {
				return err
			}
			if o.Failure != nil {
				if err := deliveryFails(quiet, handle{s.dialect, tx}, o.Delivery, *o.Failure, now); err != nil {
					return err
				}
			}
		}
		if ended, err := s.endGathered(quiet, tx, ended, now); err != nil {
			return err
		} else {
			return s.countEnded(quiet, tx, ended, now)
		}
	})
}

// oneEach keeps one outcome of each delivery, in the order of their numbers, in
// which every transaction takes rows: the first that ends it, or else the last.
func oneEach(outcomes []Outcome) []Outcome {
	sorted := slices.Clone(outcomes)
	slices.SortStableFunc(sorted, func(a, b Outcome) int { return cmp.Compare(a.Delivery, b.Delivery) })
	kept := sorted[:0]
	for _, o := range sorted {
		switch last := len(kept) - 1; {
		case last < 0 || kept[last].Delivery != o.Delivery:
			kept = append(kept, o)
		case !kept[last].State.Finished():
			kept[last] = o
		}
	}
	return kept
}

// counts tells whether the outcome counts whoever has the delivery by now.
func (o Outcome) counts() bool { return o.Owner == "" || o.State == DeliveryRelayed }

// due is what the column becomes.
func (o Outcome) due() any {
	if o.State.Finished() {
		return nil
	}
	return micros(o.NextAt)
}

// causedNotices queues what an outcome causes, about the item of its delivery.
func (s *Store) causedNotices(ctx context.Context, h handle, o Outcome, now int64) error {
	if len(o.Notices) == 0 {
		return nil
	}
	var item int64
	if err := h.row(ctx, `SELECT coalesce(item, 0) FROM delivery WHERE id = ?`, o.Delivery).Scan(&item); err != nil {
		return err
	}
	_, err := queueNotices(ctx, h, item, o.Notices, now)
	return err
}

// countEnded takes copies that have their end off their items' count.
func (s *Store) countEnded(ctx context.Context, tx *sql.Tx, ended []int64, now int64) error {
	type count struct{ item, n int64 }
	rows, err := tx.StmtContext(ctx, s.hot.ended).QueryContext(ctx, idList(ended, func(id int64) int64 { return id }))
	counts, err := collect(rows, err, func(row scanner) (c count, err error) { return c, row.Scan(&c.item, &c.n) })
	if err != nil {
		return err
	}
	h := handle{s.dialect, tx}
	for _, c := range counts {
		if _, err := h.exec(ctx, `UPDATE item SET unfinished = unfinished - ? WHERE id = ?`, c.n, c.item); err != nil {
			return err
		}
		if err := finish(ctx, h, c.item, now); err != nil {
			return err
		}
	}
	return nil
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
		if ok, err := throttle(ctx, h, n, now); err != nil {
			return queued, err
		} else if !ok {
			continue
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

// throttle takes one of the places that a notice's Key has, and tells whether
// there was one.
func throttle(ctx context.Context, h handle, n Notice, now int64) (bool, error) {
	if n.Key != "" && n.Every > 0 {
		if ok, err := take(ctx, h, n.Key, max(1, n.Limit), n.Every, now); !ok || err != nil {
			return ok, err
		}
	}
	if n.Stranger {
		return take(ctx, h, fmt.Sprint("strangers/", n.List), maxStrangers, time.Hour, now)
	}
	return true, nil
}

// maxStrangers is how many mails a list sends within an hour to people whom
// nobody here knows: forged mail makes it write to no more (invariant 13).
const maxStrangers = 30

// take takes one of the places that a name has within a time.
func take(ctx context.Context, h handle, key string, places int, every time.Duration, now int64) (bool, error) {
	for place := range places {
		name := key
		if place > 0 {
			name = fmt.Sprintf("%s#%d", key, place)
		}
		fresh, err := h.exec(ctx, `INSERT INTO throttle (name, expires) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET expires = excluded.expires WHERE throttle.expires <= ?`, name, now+every.Microseconds(), now)
		if err != nil || fresh > 0 {
			return err == nil, err
		}
	}
	return false, nil
}

// ReleaseLeases frees at once what owner has leased, items and deliveries, and
// counts none of it as a claim: the last step of an ordered stop.
func (s *Store) ReleaseLeases(ctx context.Context, owner string) error {
	return s.write(ctx, "release the leases of "+owner, func(h handle) error {
		if _, err := h.exec(ctx, `UPDATE item SET claims = claims - 1 WHERE due IS NOT NULL AND owner = ? AND claims > 0`, owner); err != nil {
			return err
		}
		_, err := release(ctx, h, s.now(), `owner = ?`, owner)
		return err
	})
}

// suspicion is how many microseconds an item waits that several processes died
// with: longer each time, so that a message which kills them does not keep the
// others from being worked on, and one that was only near when they died has its
// chance. Those that were in hand together come back apart from each other, up
// to half as long again: else all of them would be there at each death.
const suspicion = `(2000 + id % 1000 * 389 % 1000) * CASE WHEN claims < 3 THEN 0 WHEN claims = 3 THEN 500 WHEN claims = 4 THEN 1000 WHEN claims = 5 THEN 2000
	WHEN claims = 6 THEN 4000 WHEN claims = 7 THEN 8000 WHEN claims = 8 THEN 16000 ELSE 32000 END`

// release makes leased items and deliveries of processes that are gone due, and
// returns how many.
func release(ctx context.Context, h handle, now int64, condition string, args ...any) (released int64, err error) {
	for _, table := range []struct{ name, later string }{{"item", suspicion}, {"delivery", `0`}} {
		n, err := h.exec(ctx, `UPDATE `+table.name+` SET owner = '', due = CAST(? AS BIGINT) + `+table.later+` WHERE due IS NOT NULL AND `+condition, append([]any{now}, args...)...)
		if err != nil {
			return 0, err
		}
		released += n
	}
	return released, nil
}

// NextDue returns when the next item or delivery is due, a lease's end
// included; zero if nothing waits.
func (s *Store) NextDue(ctx context.Context) (time.Time, error) {
	var next int64
	err := s.read().row(ctx, `SELECT coalesce(min(due), 0) FROM (SELECT min(due) AS due FROM item WHERE due IS NOT NULL
		UNION ALL SELECT min(due) FROM delivery WHERE due IS NOT NULL) AS waiting`).Scan(&next)
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
