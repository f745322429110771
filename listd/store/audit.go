package store

import (
	"context"
	"encoding/json"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/sealist/sealist/listd/list"
)

// AuditEntry says who did what. Entries are added and never changed: the database
// refuses it, too. They go when audit.keep is over.
type AuditEntry struct {
	ID     int64             `json:"id"`
	At     time.Time         `json:"at"`    // zero: now
	Actor  string            `json:"actor"` // an address, "ADDRESS (claimed)" where nothing shows that it was he, "listmaster (user NAME)", or a task's name
	Action string            `json:"action"`
	List   list.ID           `json:"list,omitempty"`
	Object string            `json:"object"`           // address, fingerprint, item
	Detail map[string]string `json:"detail,omitempty"` // never content of a message (invariant 1)
}

// Audit adds an entry.
func (s *Store) Audit(ctx context.Context, e AuditEntry) error {
	return s.write(ctx, "audit", func(h handle) error { return putAudit(ctx, h, e, s.now()) })
}

// putAudit adds an entry inside the transaction of what it tells.
func putAudit(ctx context.Context, h handle, e AuditEntry, now int64) error {
	at := micros(e.At)
	if at == 0 {
		at = now
	}
	detail, err := json.Marshal(e.Detail)
	if err != nil {
		return err
	}
	_, err = h.exec(ctx, `INSERT INTO audit (at, actor, action, list, object, detail) VALUES (?,?,?,?,?,?)`,
		at, e.Actor, e.Action, e.List, e.Object, string(detail))
	return err
}

// AuditFilter chooses entries. The zero value is all of them.
type AuditFilter struct {
	List   list.ID   // 0 is every list
	Actor  string    // whole, or without what stands in parentheses behind it
	Action string    // whole, or its first words: "cert" is "cert pin", too
	Object string    // whole
	Since  time.Time // at or after
	Until  time.Time // before; zero: no end
	After  int64     // ID of the last one of the page before
	Limit  int       // 0: no limit
	Newest bool      // the newest Limit ones, instead of the oldest
}

func (f AuditFilter) conditions() (c conditions) {
	c.add(`id > ?`, f.After)
	if f.List != 0 {
		c.add(`list = ?`, f.List)
	}
	// No LIKE: an address may hold what it takes for a wildcard.
	begins := func(column, text, behind string) {
		c.add(`(`+column+` = ? OR substr(`+column+`, 1, ?) = ?)`, text, utf8.RuneCountInString(text+behind), text+behind)
	}
	if f.Actor != "" {
		begins(`actor`, f.Actor, " (")
	}
	if f.Action != "" {
		begins(`action`, f.Action, " ")
	}
	if f.Object != "" {
		c.add(`object = ?`, f.Object)
	}
	if !f.Since.IsZero() {
		c.add(`at >= ?`, micros(f.Since))
	}
	if !f.Until.IsZero() {
		c.add(`at < ?`, micros(f.Until))
	}
	return c
}

// AuditEntries returns entries, oldest first.
func (s *Store) AuditEntries(ctx context.Context, f AuditFilter) ([]AuditEntry, error) {
	c, order := f.conditions(), ` ORDER BY id`
	if f.Newest {
		order += ` DESC`
	}
	rows, err := s.read().query(ctx, `SELECT id, at, actor, action, list, object, detail FROM audit`+c.where()+order+` LIMIT ?`,
		append(c.args, limit(f.Limit))...)
	all, err := collect(rows, err, func(row scanner) (e AuditEntry, err error) {
		var at int64
		var detail string
		if err := row.Scan(&e.ID, &at, &e.Actor, &e.Action, &e.List, &e.Object, &detail); err != nil {
			return e, err
		}
		e.At = fromMicros(at)
		return e, json.Unmarshal([]byte(detail), &e.Detail)
	})
	if f.Newest {
		slices.Reverse(all)
	}
	return all, s.wrap("audit entries", err)
}

// PurgeAudit removes the entries from before a moment and returns how many. It is
// the one thing that takes entries away.
func (s *Store) PurgeAudit(ctx context.Context, before time.Time) (removed int, err error) {
	for {
		var n int64
		err := s.write(ctx, "purge the audit log", func(h handle) (err error) {
			n, err = h.exec(ctx, `DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ? ORDER BY at LIMIT ?)`, micros(before), 10*purgeChunk)
			return err
		})
		if removed += int(n); err != nil || n < 10*purgeChunk {
			return removed, err
		}
	}
}
