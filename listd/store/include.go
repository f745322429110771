package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// Include is a source of members of a list: a group of a configured directory,
// or a search in one. What it is made of does not change after CreateInclude.
type Include struct {
	ID        int64
	List      list.ID
	Directory string // the name of a configured directory

	Group  string // distinguished name; "": it is a search
	Nested bool   // with the groups in the group

	BaseDN string // of a search; "": the directory's own
	Filter string
	Scope  string // sub, one, base

	Attribute  string        // that holds the address
	Domains    []string      // narrower than the directory's; none: the directory's
	Every      time.Duration // between two synchronisations
	MaxChange  int           // percent of its members; a larger change waits for the listmaster
	MaxMembers int           // more are an error

	Created time.Time
	Due     time.Time // when it is synchronised next
	Members int       // how many stand in it
	Pending *Pending  // a change that waits for the listmaster; nil: none does
}

// Pending is a change of members that waits for the listmaster.
type Pending struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
	Add    int       `json:"add"`
	Remove int       `json:"remove"`
}

const includeColumns = `id, list, directory, group_dn, nested, base_dn, filter, scope, attribute, domains, every, max_change, max_members,
	created, due, pending, (SELECT count(*) FROM include_member WHERE include = include.id)`

func scanInclude(row scanner) (Include, error) {
	var i Include
	var domains, pending string
	var every, created, due int64
	err := row.Scan(&i.ID, &i.List, &i.Directory, &i.Group, &i.Nested, &i.BaseDN, &i.Filter, &i.Scope, &i.Attribute, &domains, &every,
		&i.MaxChange, &i.MaxMembers, &created, &due, &pending, &i.Members)
	if err != nil {
		return i, err
	}
	i.Every, i.Created, i.Due = time.Duration(every)*time.Microsecond, fromMicros(created), fromMicros(due)
	if pending != "" {
		if err := json.Unmarshal([]byte(pending), &i.Pending); err != nil {
			return i, fmt.Errorf("what waits: %w", err)
		}
	}
	return i, json.Unmarshal([]byte(domains), &i.Domains)
}

// CreateInclude adds a source of members to a list and returns its number. It
// is due after Every: whoever adds it sees to the first synchronisation. ID,
// Created, Due, Members and Pending are not read. ErrNotFound if there is no
// such list.
func (s *Store) CreateInclude(ctx context.Context, i Include) (id int64, err error) {
	if i.Domains == nil {
		i.Domains = []string{}
	}
	domains, err := json.Marshal(i.Domains)
	if err != nil {
		return 0, s.wrap("create include", err)
	}
	err = s.write(ctx, "create include of list number "+i.List.String(), func(h handle) error {
		return h.row(ctx, `INSERT INTO include (list, directory, group_dn, nested, base_dn, filter, scope, attribute, domains, every, max_change,
			max_members, created, due) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) RETURNING id`,
			i.List, i.Directory, i.Group, boolean(i.Nested), i.BaseDN, i.Filter, i.Scope, i.Attribute, string(domains), i.Every.Microseconds(),
			i.MaxChange, i.MaxMembers, s.now(), micros(s.clock().Add(i.Every))).Scan(&id)
	})
	return id, err
}

// IncludeFilter chooses includes. The zero value is all of them.
type IncludeFilter struct {
	List list.ID   // 0: of every list
	Due  time.Time // only those due at that time; zero: whenever they are
}

// Includes returns includes in the order of their numbers.
func (s *Store) Includes(ctx context.Context, f IncludeFilter) ([]Include, error) {
	var c conditions
	if f.List != 0 {
		c.add(`list = ?`, f.List)
	}
	if !f.Due.IsZero() {
		c.add(`due <= ?`, micros(f.Due))
	}
	rows, err := s.read().query(ctx, `SELECT `+includeColumns+` FROM include`+c.where()+` ORDER BY id`, c.args...)
	all, err := collect(rows, err, scanInclude)
	return all, s.wrap("includes", err)
}

// Include finds one by its number. ErrNotFound.
func (s *Store) Include(ctx context.Context, id int64) (Include, error) {
	i, err := scanInclude(s.read().row(ctx, `SELECT `+includeColumns+` FROM include WHERE id = ?`, id))
	return i, s.wrap(fmt.Sprintf("include %d", id), err)
}

// IncludedAddresses returns the address keys of those who stand in an include
// by the entry they came from.
func (s *Store) IncludedAddresses(ctx context.Context, id int64) (map[string]string, error) {
	type pair struct{ entry, key string }
	rows, err := s.read().query(ctx, `SELECT entry, address_key FROM include_member WHERE include = ?`, id)
	all, err := collect(rows, err, func(row scanner) (p pair, err error) { return p, row.Scan(&p.entry, &p.key) })
	known := make(map[string]string, len(all))
	for _, p := range all {
		known[p.entry] = p.key
	}
	return known, s.wrap(fmt.Sprintf("members of include %d", id), err)
}

// RemoveInclude takes an include away. Who is a member only because of it goes
// with it, or stays for good with keep. It returns how many that were.
// ErrNotFound.
func (s *Store) RemoveInclude(ctx context.Context, id int64, keep bool) (members int, err error) {
	// Who is a member by this include and nothing else.
	const only = ` WHERE list = (SELECT list FROM include WHERE id = ?) AND role = ? AND by_hand = 0
		AND address_key IN (SELECT address_key FROM include_member WHERE include = ?)
		AND NOT EXISTS (SELECT 1 FROM include_member AS other WHERE other.list = member.list AND other.address_key = member.address_key
			AND other.include <> ?)`
	err = s.write(ctx, fmt.Sprintf("remove include %d", id), func(h handle) error {
		what := `DELETE FROM member`
		if keep {
			what = `UPDATE member SET by_hand = 1`
		}
		n, err := h.exec(ctx, what+only, id, list.RoleMember, id, id)
		if err != nil {
			return err
		}
		members = int(n)
		n, err = h.exec(ctx, `DELETE FROM include WHERE id = ?`, id)
		return changed(ctx, h, n, err)
	})
	if err != nil {
		members = 0
	}
	return members, err
}
