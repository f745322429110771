package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// changeFloor is how many may come, and how many go, whatever share that is.
const changeFloor = 5

// IncludeSync is the whole of what an include's source has now.
type IncludeSync struct {
	Include int64
	Unsaved *Include         // for a dry run: an include that is not kept yet; Include is 0 then
	Found   []IncludedMember // each address once
	Keep    []string         // entries whose address could not be learnt now: who came from one stays
	Refused []Refusal
	Server  string // that answered

	Started time.Time
	Took    time.Duration // to learn all this
	Actor   string        // who synchronises, for the audit log
	DryRun  bool          // nothing is changed and nothing recorded
	First   bool          // whoever added the include sees what comes: nothing waits
	Approve bool          // carries out the change that waits, if it has not grown since
}

// IncludedMember is somebody an include brings.
type IncludedMember struct {
	Address list.Address
	Name    string
	Entry   string // distinguished name, normalised
}

// Refusal is something in an include's source that became no member.
type Refusal struct {
	Entry  string `json:"entry"`
	Value  string `json:"value,omitempty"` // what stood there for an address
	Reason string `json:"reason"`          // a word, as no_address
	Detail string `json:"detail,omitempty"`
}

// SyncInclude brings a list in line with what an include's source has, in one
// transaction, and records that. Nobody loses more than the include gave: who
// was put on the list by hand, or stands in another include, stays; who is
// there already stays as he is, with his name and suspension; who left by hand
// while he stood in an include is not put back.
//
// A change of more than MaxChange percent of the include's members (and of more
// than 5), or after which nobody would be left, waits: the run's outcome is
// SyncPending then.
// ErrNotFound if the include is gone; ErrState for Approve where nothing waits.
func (s *Store) SyncInclude(ctx context.Context, y IncludeSync) (run IncludeRun, err error) {
	what := fmt.Sprintf("synchronise include %d", y.Include)
	if y.DryRun {
		p, err := planSync(ctx, s.read(), y)
		return p.run(y), s.wrap(what, err)
	}
	err = s.write(ctx, what, func(h handle) error {
		p, err := planSync(ctx, h, y)
		if err != nil {
			return err
		}
		now := s.now()
		run = p.run(y)
		if run.Outcome != SyncPending {
			if err := p.carryOut(ctx, h, now); err != nil {
				return err
			}
		}
		if err := p.reschedule(ctx, h, now, run); err != nil {
			return err
		}
		if run.ID, err = putRun(ctx, h, run); err != nil {
			return err
		}
		return p.audit(ctx, h, now, run)
	})
	if err != nil {
		run = IncludeRun{}
	}
	return run, err
}

// syncPlan is what a synchronisation comes to.
type syncPlan struct {
	include Include

	add    []IncludedMember // become members
	remove []string         // addresses that are members no longer

	attribute []IncludedMember // stand in the include now and did not, or came from another entry
	release   []string         // stand in it no longer

	wait string // why it waits; "": it does not
}

// planSync compares.
func planSync(ctx context.Context, h handle, y IncludeSync) (syncPlan, error) {
	var p syncPlan
	var err error
	if y.Unsaved != nil && y.DryRun {
		p.include = *y.Unsaved
	} else if p.include, err = scanInclude(h.row(ctx, `SELECT `+includeColumns+` FROM include WHERE id = ?`, y.Include)); err != nil {
		return p, err
	}
	if y.Approve && p.include.Pending == nil {
		return p, fmt.Errorf("nothing waits: %w", ErrState)
	}
	have, err := stringMap(ctx, h, `SELECT address_key, entry FROM include_member WHERE include = ?`, y.Include)
	if err != nil {
		return p, err
	}
	others, err := stringMap(ctx, h, `SELECT address_key, '' FROM include_member WHERE list = ? AND include <> ?`, p.include.List, y.Include)
	if err != nil {
		return p, err
	}
	members, err := membersByKey(ctx, h, p.include.List)
	if err != nil {
		return p, err
	}
	found := make(map[string]bool, len(y.Found))
	for _, m := range y.Found {
		key := m.Address.Key()
		if m.Address.IsZero() || found[key] {
			return p, fmt.Errorf("include %d brings %q twice", y.Include, key)
		}
		found[key] = true
		entry, there := have[key]
		if !there || entry != m.Entry {
			p.attribute = append(p.attribute, m)
		}
		_, elsewhere := others[key]
		if _, member := members[key]; !there && !member && !elsewhere { // else he is a member, or was and left by hand
			p.add = append(p.add, m)
		}
	}
	kept := make(map[string]bool, len(y.Keep))
	for _, entry := range y.Keep {
		kept[entry] = true
	}
	for key, entry := range have {
		if found[key] || kept[entry] {
			continue
		}
		p.release = append(p.release, key)
		_, elsewhere := others[key]
		if m, member := members[key]; member && !m.byHand && !elsewhere {
			p.remove = append(p.remove, m.address)
		}
	}
	slices.Sort(p.remove)
	slices.Sort(p.release)
	p.judge(y, len(have))
	return p, nil
}

// judge decides whether the change waits. The include has so many members now.
func (p *syncPlan) judge(y IncludeSync, now int) {
	if y.First {
		return
	}
	allowed := max(changeFloor, now*p.include.MaxChange/100)
	add, remove := len(p.add), len(p.remove)
	switch before := p.include.Pending; {
	case y.Approve && add <= before.Add+changeFloor && remove <= before.Remove+changeFloor:
	case y.Approve && (add > allowed || remove > allowed):
		p.wait = fmt.Sprintf("it would add %d and remove %d of its %d members now, more than the %d and %d that were shown", add, remove, now, before.Add, before.Remove)
	case now > 0 && len(y.Found) == 0 && len(p.release) > 0:
		p.wait = fmt.Sprintf("nobody of its %d members would be left", now)
	case add > allowed || remove > allowed:
		p.wait = fmt.Sprintf("it would add %d and remove %d of its %d members; %d are allowed at once", add, remove, now, allowed)
	}
}

// run is the record of it, whether it was carried out or not.
func (p *syncPlan) run(y IncludeSync) IncludeRun {
	r := IncludeRun{Include: y.Include, Started: y.Started, Took: y.Took, Actor: y.Actor, Server: y.Server, Found: len(y.Found), Outcome: SyncDone,
		Reason: p.wait, Added: make([]string, len(p.add)), Removed: append([]string{}, p.remove...), Refused: append([]Refusal{}, y.Refused...), Refusals: len(y.Refused)}
	for i, m := range p.add {
		r.Added[i] = m.Address.String()
	}
	slices.Sort(r.Added)
	switch {
	case p.wait != "":
		r.Outcome = SyncPending
	case len(p.add)+len(p.remove)+len(p.attribute)+len(p.release) == 0:
		r.Outcome = SyncUnchanged
	}
	return r
}

// carryOut writes the change.
func (p *syncPlan) carryOut(ctx context.Context, h handle, now int64) error {
	id, on := p.include.ID, p.include.List
	for some := range slices.Chunk(p.add, maxInList/8) {
		var args []any
		for _, m := range some {
			args = append(args, on, m.Address.String(), m.Address.Key(), list.RoleMember, m.Name, 0, now, 0)
		}
		if _, err := h.exec(ctx, `INSERT INTO member (list, address, address_key, role, name, suspended, added, by_hand) VALUES `+
			rowsOf(len(some), 8), args...); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(p.attribute, maxInList/5) {
		var args []any
		for _, m := range some {
			args = append(args, id, on, m.Address.Key(), m.Entry, now)
		}
		if _, err := h.exec(ctx, `INSERT INTO include_member (include, list, address_key, entry, since) VALUES `+rowsOf(len(some), 5)+
			` ON CONFLICT (include, address_key) DO UPDATE SET entry = excluded.entry`, args...); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(p.release, maxInList) {
		if _, err := h.exec(ctx, `DELETE FROM include_member WHERE include = ? AND address_key IN `+inList(len(some)), prepend(some, id)...); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(p.remove, maxInList) {
		keys := make([]string, len(some))
		for i, text := range some {
			a, err := list.ParseAddress(text)
			if err != nil {
				return err
			}
			keys[i] = a.Key()
		}
		if _, err := h.exec(ctx, `DELETE FROM member WHERE list = ? AND role = ? AND by_hand = 0 AND address_key IN `+inList(len(keys)),
			prepend(keys, on, list.RoleMember)...); err != nil {
			return err
		}
	}
	if len(p.add)+len(p.remove) == 0 {
		return nil
	}
	return bump(ctx, h)
}

// reschedule sets when the include is due again, and what waits.
func (p *syncPlan) reschedule(ctx context.Context, h handle, now int64, run IncludeRun) error {
	pending := ""
	if run.Outcome == SyncPending {
		text, err := json.Marshal(Pending{At: fromMicros(now), Reason: run.Reason, Add: len(run.Added), Remove: len(run.Removed)})
		if err != nil {
			return err
		}
		pending = string(text)
	}
	_, err := h.exec(ctx, `UPDATE include SET due = ?, pending = ? WHERE id = ?`, now+p.include.Every.Microseconds(), pending, p.include.ID)
	return err
}

// audit notes what changed, or that something waits now and did not before.
func (p *syncPlan) audit(ctx context.Context, h handle, now int64, run IncludeRun) error {
	waits := run.Outcome == SyncPending && p.include.Pending == nil
	if !waits && (run.Outcome != SyncDone || len(run.Added)+len(run.Removed) == 0) {
		return nil
	}
	detail := map[string]string{"run": fmt.Sprint(run.ID), "added": fmt.Sprint(len(run.Added)), "removed": fmt.Sprint(len(run.Removed)),
		"refused": fmt.Sprint(run.Refusals)}
	action := "include sync"
	if waits {
		action, detail["reason"] = "include pending", run.Reason
	}
	text, err := json.Marshal(detail)
	if err != nil {
		return err
	}
	_, err = h.exec(ctx, `INSERT INTO audit (at, actor, action, list, object, detail) VALUES (?,?,?,?,?,?)`,
		now, run.Actor, action, p.include.List, fmt.Sprintf("include %d", p.include.ID), string(text))
	return err
}

// memberRow is what a synchronisation wants to know of a member.
type memberRow struct {
	key, address string
	byHand       bool
}

func membersByKey(ctx context.Context, h handle, on list.ID) (map[string]memberRow, error) {
	rows, err := h.query(ctx, `SELECT address_key, address, by_hand FROM member WHERE list = ? AND role = ?`, on, list.RoleMember)
	all, err := collect(rows, err, func(row scanner) (m memberRow, err error) { return m, row.Scan(&m.key, &m.address, &m.byHand) })
	byKey := make(map[string]memberRow, len(all))
	for _, m := range all {
		byKey[m.key] = m
	}
	return byKey, err
}

// stringMap reads a query of two columns of text.
func stringMap(ctx context.Context, h handle, query string, args ...any) (map[string]string, error) {
	type pair struct{ key, value string }
	rows, err := h.query(ctx, query, args...)
	all, err := collect(rows, err, func(row scanner) (p pair, err error) { return p, row.Scan(&p.key, &p.value) })
	m := make(map[string]string, len(all))
	for _, p := range all {
		m[p.key] = p.value
	}
	return m, err
}

// rowsOf returns "(?,?),(?,?)" for n rows of so many columns.
func rowsOf(n, columns int) string {
	return strings.Repeat(","+inList(columns), n)[1:]
}

// prepend puts arguments before texts.
func prepend(texts []string, args ...any) []any {
	for _, t := range texts {
		args = append(args, t)
	}
	return args
}
