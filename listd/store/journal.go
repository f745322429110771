package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// Changes are counters that grow with every change that a server may have in
// memory, whoever made it; a server that sees one grow drops what it holds.
type Changes struct {
	All          int64 // lists, members, keys, people's certificates
	Certificates int64 // people's certificates, and what directories answered
	CRLs         int64
}

// Changes returns the change counters.
func (s *Store) Changes(ctx context.Context) (Changes, error) {
	rows, err := s.read().query(ctx, `SELECT name, value FROM meta WHERE name IN ('changes', 'certificates', 'crls')`)
	var c Changes
	_, err = collect(rows, err, func(row scanner) (name string, err error) {
		var n int64
		err = row.Scan(&name, &n)
		switch name {
		case "certificates":
			c.Certificates = n
		case "crls":
			c.CRLs = n
		default:
			c.All = n
		}
		return name, err
	})
	return c, s.wrap("change counters", err)
}

// bumpCertificates moves both counters inside a transaction.
func bumpCertificates(ctx context.Context, h handle) error {
	if _, err := h.exec(ctx, `UPDATE meta SET value = value + 1 WHERE name = 'certificates'`); err != nil {
		return err
	}
	return bump(ctx, h)
}

// AuditEntry says who did what. Entries are added and never changed.
type AuditEntry struct {
	ID     int64             `json:"id"`
	At     time.Time         `json:"at"`    // zero: now
	Actor  string            `json:"actor"` // an address, or "listmaster (user NAME)"
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
	List  list.ID // 0 is every list
	After int64   // ID of the last one of the page before
	Limit int     // 0: no limit
}

// AuditEntries returns entries, oldest first.
func (s *Store) AuditEntries(ctx context.Context, f AuditFilter) ([]AuditEntry, error) {
	var c conditions
	c.add(`id > ?`, f.After)
	if f.List != 0 {
		c.add(`list = ?`, f.List)
	}
	rows, err := s.read().query(ctx, `SELECT id, at, actor, action, list, object, detail FROM audit`+c.where()+` ORDER BY id LIMIT ?`,
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
	return all, s.wrap("audit entries", err)
}
