package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// Kind says what an accepted message is to its list.
type Kind string

// The kinds of items.
const (
	KindPost  Kind = "post"  // to LIST
	KindOwner Kind = "owner" // to LIST-owner: for its owners, or a bounce

	KindCommand     Kind = "command"     // to a robot, or to LIST-request: commands
	KindSubscribe   Kind = "subscribe"   // to LIST-subscribe
	KindUnsubscribe Kind = "unsubscribe" // to LIST-unsubscribe
	KindEditor      Kind = "editor"      // to LIST-editor: for its editors
	KindBounce      Kind = "bounce"      // to a member's return address
)

// ItemState is where an item stands.
type ItemState string

// The spool states.
const (
	ItemAccepted     ItemState = "accepted"     // durable, not decided yet
	ItemHeld         ItemState = "held"         // waits for the editors
	ItemDistributing ItemState = "distributing" // decided: copies are being made
	ItemDone         ItemState = "done"         // every copy has its end
	ItemRejected     ItemState = "rejected"     // decided: no copies
	ItemQuarantined  ItemState = "quarantined"  // could not be processed; a person must look
)

// Incoming is one message of one SMTP transaction.
type Incoming struct {
	ReversePath string    // as MAIL FROM gave it, without brackets; "" is the null reverse-path. To be parsed before it is written anywhere
	Octets      []byte    // header and body as received, kept as they are
	Received    time.Time // zero: now
	Client      string    // peer's address and HELO name, for the listmaster
	Targets     []Target  // at least one
}

// Target is one recipient of an Incoming.
type Target struct {
	List        list.ID
	Kind        Kind
	ForwardPath list.Address // as RCPT TO gave it
}

// Item is one accepted message for one list.
type Item struct {
	ID          string       `json:"id"` // 13 characters; later ones sort behind earlier ones
	Blob        int64        `json:"-"`  // 0: the octets are purged
	List        list.ID      `json:"list"`
	Kind        Kind         `json:"kind"`
	ForwardPath list.Address `json:"forward_path"`
	ReversePath string       `json:"reverse_path"` // "" is the null reverse-path
	Client      string       `json:"client,omitempty"`
	Received    time.Time    `json:"received"`
	Size        int64        `json:"size"` // octets as received
	State       ItemState    `json:"state"`
	Reason      string       `json:"reason,omitempty"` // a word
	Detail      string       `json:"detail,omitempty"` // for the listmaster
	NextAt      time.Time    `json:"next_at,omitzero"` // when the flow is to take it; zero: never, or leased
	LeasedBy    string       `json:"leased_by,omitempty"`
	LeasedUntil time.Time    `json:"leased_until,omitzero"`
	Claims      int          `json:"claims"`   // since its last outcome: a message that kills its process has many
	Attempts    int          `json:"attempts"` // how often it was postponed
	MessageID   string       `json:"message_id,omitempty"`
	Author      list.Address `json:"author,omitzero"` // who an authenticated message is from
	Method      string       `json:"method,omitempty"`
	Confirmed   list.Address `json:"confirmed,omitzero"` // who proved by a challenge that a post in clear is his
	Approved    list.Address `json:"approved,omitzero"`  // who approved it after it was held
	ApprovedMAC string       `json:"-"`                  // of the content that he approved; "": whatever it is
	Encrypted   bool         `json:"encrypted"`          // arrived encrypted
	Expanded    bool         `json:"expanded"`           // every member has a row
	Copies      int          `json:"copies"`             // rows so far
	Unfinished  int          `json:"unfinished"`         // of these, neither relayed, failed, withheld nor cancelled
	Updated     time.Time    `json:"updated"`
}

const itemColumns = `id, coalesce(blob, 0), list, kind, forward_path, reverse_path, client, received, size, state, reason, detail,
	coalesce(due, 0), owner, claims, attempts, message_id, author, method, encrypted, expanded, copies, unfinished, updated, confirmed, approved, approved_content`

func scanItem(row scanner) (Item, error) {
	var i Item
	var id, received, due, updated int64
	var forward, author, confirmed, approved string
	err := row.Scan(&id, &i.Blob, &i.List, &i.Kind, &forward, &i.ReversePath, &i.Client, &received, &i.Size, &i.State, &i.Reason, &i.Detail,
		&due, &i.LeasedBy, &i.Claims, &i.Attempts, &i.MessageID, &author, &i.Method, &i.Encrypted, &i.Expanded, &i.Copies, &i.Unfinished, &updated,
		&confirmed, &approved, &i.ApprovedMAC)
	if err != nil {
		return i, err
	}
	i.ID, i.Received, i.Updated = itemName(id), fromMicros(received), fromMicros(updated)
	if i.LeasedBy == "" {
		i.NextAt = fromMicros(due)
	} else {
		i.LeasedUntil = fromMicros(due)
	}
	return i, errors.Join(i.ForwardPath.UnmarshalText([]byte(forward)), i.Author.UnmarshalText([]byte(author)),
		i.Confirmed.UnmarshalText([]byte(confirmed)), i.Approved.UnmarshalText([]byte(approved)))
}

// An item's number is its time in milliseconds (42 bits) and a random tail
// (21 bits); its name is that in base32 with digits first, so that names sort
// as numbers do.
const idTailBits = 21

const idDigits = "0123456789abcdefghijklmnopqrstuv"

func itemName(id int64) string {
	var name [13]byte
	for i := len(name) - 1; i >= 0; i-- {
		name[i] = idDigits[id&31]
		id >>= 5
	}
	return string(name[:])
}

// itemNumber is the inverse of itemName; 0 for anything else.
func itemNumber(name string) int64 {
	if len(name) != 13 {
		return 0
	}
	var id int64
	for i := range len(name) {
		digit := strings.IndexByte(idDigits, name[i])
		if digit < 0 || i == 0 && digit > 7 {
			return 0
		}
		id = id<<5 | int64(digit)
	}
	return id
}

// nextID returns a number no item of this process has had, and most likely none
// of any other.
func (s *Store) nextID() int64 {
	var tail [4]byte
	rand.Read(tail[:])
	id := s.clock().UnixMilli()<<idTailBits | int64(binary.BigEndian.Uint32(tail[:])>>(32-idTailBits))
	for {
		last := s.lastID.Load()
		id = max(id, last+1)
		if s.lastID.CompareAndSwap(last, id) {
			return id
		}
	}
}

// Accept makes a message durable: the octets once, one item for each target, in
// one transaction. Only after it returned nil may the client hear 250
// (invariant 8). It returns the items' IDs in the order of the targets.
//
// Errors: ErrBusy (451), ErrFull (452), ErrReadOnly (451), ErrGone (451),
// ErrNotFound if a list is gone (550), anything else 451.
func (s *Store) Accept(ctx context.Context, in Incoming) (ids []string, err error) {
	if len(in.Targets) == 0 {
		return nil, errors.New("store: accept: no target")
	}
	if err := s.present(); err != nil {
		return nil, s.wrap("accept", err)
	}
	if in.Received.IsZero() {
		in.Received = s.clock()
	}
	err = s.writeBeside(ctx, "accept", func(_ *sql.Tx, h handle) error {
		ids = ids[:0]
		var blob int64
		if err := h.row(ctx, `INSERT INTO blob (octets) VALUES (?) RETURNING id`, in.Octets).Scan(&blob); err != nil {
			return err
		}
		for _, t := range in.Targets {
			id := s.nextID()
			_, err := h.exec(ctx, `INSERT INTO item (id, blob, list, kind, forward_path, reverse_path, client, received, size, state, due, updated)
				VALUES (?,?,?,?,?,?,?,?,?,?,?,?)`, id, blob, t.List, t.Kind, t.ForwardPath.String(), in.ReversePath, in.Client,
				micros(in.Received), len(in.Octets), ItemAccepted, s.now(), s.now())
			if err != nil {
				return err
			}
			ids = append(ids, itemName(id))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(in.Octets) >= largeOctets {
		s.forgetPages(ctx)
	}
	return ids, nil
}

// largeOctets is the size of a message whose pages fill the writer's cache.
const largeOctets = 4 << 20

// forgetPages empties the writer's page cache of SQLite: what a large message
// left there, nobody reads again, and it takes 32 MB.
func (s *Store) forgetPages(ctx context.Context) {
	if s.path == "" {
		return // not SQLite
	}
	if _, err := s.writer.ExecContext(ctx, `PRAGMA shrink_memory`); err != nil {
		s.log.Debug("cannot shrink the page cache", "err", err)
	}
}

// Item returns one item. ErrNotFound.
func (s *Store) Item(ctx context.Context, id string) (Item, error) {
	i, err := scanItem(s.read().row(ctx, `SELECT `+itemColumns+` FROM item WHERE id = ?`, itemNumber(id)))
	return i, s.wrap("item "+id, err)
}

// ItemFilter chooses items. The zero value is all of them.
type ItemFilter struct {
	State ItemState // "" is every state
	List  list.ID   // 0 is every list
	After string    // ID of the last one of the page before
	Limit int       // 0: no limit
}

// Items returns items, oldest first.
func (s *Store) Items(ctx context.Context, f ItemFilter) ([]Item, error) {
	var c conditions
	c.add(`id > ?`, itemNumber(f.After))
	if f.State != "" {
		c.add(`state = ?`, f.State)
	}
	if f.List != 0 {
		c.add(`list = ?`, f.List)
	}
	rows, err := s.read().query(ctx, `SELECT `+itemColumns+` FROM item`+c.where()+` ORDER BY id LIMIT ?`, append(c.args, limit(f.Limit))...)
	all, err := collect(rows, err, scanItem)
	return all, s.wrap("items", err)
}

// Octets returns the message as it was received. ErrNotFound once it is purged.
func (s *Store) Octets(ctx context.Context, i Item) ([]byte, error) {
	var octets []byte
	err := s.read().row(ctx, `SELECT octets FROM blob WHERE id = ?`, i.Blob).Scan(&octets)
	return octets, s.wrap("octets of item "+i.ID, err)
}

// ClaimItems leases up to n items that are due, oldest first: accepted ones, and
// distributing ones whose expansion is not complete. A lease that ended is free
// again. Claims counts up with each claim and is set back by an outcome, so
// that a message which kills its process can be recognised and quarantined.
func (s *Store) ClaimItems(ctx context.Context, owner string, now, leaseUntil time.Time, n int) ([]Item, error) {
	if owner == "" {
		return nil, errors.New("store: claim items: no owner")
	}
	var items []Item
	err := s.writeBeside(ctx, "claim items", func(_ *sql.Tx, h handle) error {
		rows, err := h.query(ctx, `UPDATE item SET owner = ?, due = ?, claims = claims + 1 WHERE id IN
			(SELECT id FROM item WHERE due <= ? ORDER BY due, id LIMIT ?`+h.dialect.skipLocked+`) RETURNING `+itemColumns,
			owner, micros(leaseUntil), micros(now), n)
		items, err = collect(rows, err, scanItem)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(items, func(a, b Item) int { return strings.Compare(a.ID, b.ID) })
	return items, nil
}

// Postpone gives an item back to be tried again at next: its list is locked, a
// source or the database cannot be asked. It stays accepted, with the reason, or
// distributing, and keeps the reason of its decision. ErrState if there is
// nothing left to do with it.
func (s *Store) Postpone(ctx context.Context, id, reason string, next time.Time) error {
	return s.write(ctx, "postpone item "+id, func(h handle) error {
		n, err := h.exec(ctx, `UPDATE item SET reason = CASE WHEN state = ? THEN ? ELSE reason END, due = ?, owner = '', claims = 0, attempts = attempts + 1, updated = ?
			WHERE id = ? AND (state = ? OR state = ? AND expanded = 0)`, ItemAccepted, reason, micros(next), s.now(), itemNumber(id), ItemAccepted, ItemDistributing)
		if err == nil && n == 0 {
			return fmt.Errorf("it is neither %s nor being expanded: %w", ItemAccepted, ErrState)
		}
		return err
	})
}
