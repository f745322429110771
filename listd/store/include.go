package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// IncludeSettings say where an include's people are.
type IncludeSettings struct {
	Directory string        `json:"directory"`
	Group     string        `json:"group,omitempty"` // DN of a group; else Base, Filter and Scope are a search
	Nested    bool          `json:"nested,omitempty"`
	Base      string        `json:"base,omitempty"`
	Filter    string        `json:"filter,omitempty"`
	Scope     string        `json:"scope,omitempty"` // sub, one, base
	Attribute string        `json:"attribute"`       // that has the address
	Domains   []string      `json:"domains"`         // of the addresses that are taken; never empty
	Every     time.Duration `json:"every"`
	MaxChange int           `json:"max_change"` // percent of its people that one run adds or removes without being asked
}

// Include is a group or search whose people are members of a list.
type Include struct {
	ID int64 `json:"id"`
	IncludeSettings
	List    list.ID   `json:"list"`
	People  int       `json:"people"` // whom it brought
	Due     time.Time `json:"due"`
	Last    time.Time `json:"last,omitzero"` // the last run that ended well
	Summary string    `json:"summary,omitempty"`
	Error   string    `json:"error,omitempty"`   // of the last run
	Waiting string    `json:"waiting,omitempty"` // a change that waits for the listmaster
}

// AddInclude adds an include, due at once, and returns its number.
func (s *Store) AddInclude(ctx context.Context, id list.ID, settings IncludeSettings) (include int64, err error) {
	text, err := json.Marshal(settings)
	if err != nil {
		return 0, err
	}
	err = s.write(ctx, "add an include to list number "+id.String(), func(h handle) error {
		return h.row(ctx, `INSERT INTO include (list, settings, due, last, summary, error, waiting, created) VALUES (?,?,?,0,'','','',?) RETURNING id`,
			id, string(text), s.now(), s.now()).Scan(&include)
	})
	return include, err
}

// IncludeFilter chooses includes. The zero value is all of them.
type IncludeFilter struct {
	List list.ID
	ID   int64
	Due  time.Time // only those due by then
}

// Includes returns includes by list and number.
func (s *Store) Includes(ctx context.Context, f IncludeFilter) ([]Include, error) {
	var c conditions
	if f.List != 0 {
		c.add(`list = ?`, f.List)
	}
	if f.ID != 0 {
		c.add(`id = ?`, f.ID)
	}
	if !f.Due.IsZero() {
		c.add(`due <= ?`, micros(f.Due))
	}
	rows, err := s.read().query(ctx, `SELECT id, list, settings, due, last, summary, error, waiting, (SELECT count(*) FROM included WHERE include = include.id)
		FROM include`+c.where()+` ORDER BY list, id`, c.args...)
	all, err := collect(rows, err, func(row scanner) (i Include, err error) {
		var settings string
		var due, last int64
		if err := row.Scan(&i.ID, &i.List, &settings, &due, &last, &i.Summary, &i.Error, &i.Waiting, &i.People); err != nil {
			return i, err
		}
		i.Due, i.Last = fromMicros(due), fromMicros(last)
		return i, json.Unmarshal([]byte(settings), &i.IncludeSettings)
	})
	return all, s.wrap("includes", err)
}

// Included returns the address keys of those whom an include brought.
func (s *Store) Included(ctx context.Context, include int64) (map[string]bool, error) {
	rows, err := s.read().query(ctx, `SELECT address_key FROM included WHERE include = ?`, include)
	keys, err := collect(rows, err, func(row scanner) (key string, err error) { return key, row.Scan(&key) })
	all := make(map[string]bool, len(keys))
	for _, key := range keys {
		all[key] = true
	}
	return all, s.wrap("who was included", err)
}

// IncludeRun is what one run of an include comes to.
type IncludeRun struct {
	Include int64
	List    list.ID
	Add     []list.Member
	Remove  []string // address keys
	Summary string
	Error   string // nothing is changed
	Waiting string // nothing is changed
	Due     time.Time
}

// ApplyInclude notes a run and makes its changes. Who subscribed by himself, or stands in another include of the list, stays
// when this one no longer has him; who was removed by hand does not come back while it still has him.
func (s *Store) ApplyInclude(ctx context.Context, r IncludeRun) error {
	if (r.Error != "" || r.Waiting != "") && len(r.Add)+len(r.Remove) > 0 {
		return errors.New("a run of an include that failed or waits changes nothing")
	}
	return s.write(ctx, "apply an include", func(h handle) error {
		n, err := h.exec(ctx, `UPDATE include SET due = ?, summary = ?, error = ?, waiting = ?, last = CASE WHEN ? THEN ? ELSE last END WHERE id = ?`,
			micros(r.Due), r.Summary, r.Error, r.Waiting, boolean(r.Error == ""), s.now(), r.Include)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		for _, m := range r.Add {
			if _, err := h.exec(ctx, `INSERT INTO included (include, address_key) VALUES (?,?) ON CONFLICT (include, address_key) DO NOTHING`, r.Include, m.Address.Key()); err != nil {
				return err
			}
			if _, err := h.exec(ctx, `INSERT INTO member (list, address, address_key, role, name, suspended, added, subscribed) VALUES (?,?,?,?,?,0,?,0)
				ON CONFLICT (list, address_key, role) DO NOTHING`, r.List, m.Address.String(), m.Address.Key(), list.RoleMember, m.Name, s.now()); err != nil {
				return err
			}
		}
		for _, key := range r.Remove {
			if err := exclude(ctx, h, r.Include, r.List, key); err != nil {
				return err
			}
		}
		if len(r.Add)+len(r.Remove) == 0 {
			return nil
		}
		return bump(ctx, h)
	})
}

// exclude takes somebody out of an include, and off the list if nothing else keeps him there.
func exclude(ctx context.Context, h handle, include int64, id list.ID, key string) error {
	if _, err := h.exec(ctx, `DELETE FROM included WHERE include = ? AND address_key = ?`, include, key); err != nil {
		return err
	}
	_, err := h.exec(ctx, `DELETE FROM member WHERE list = ? AND address_key = ? AND role = ? AND subscribed = 0
		AND NOT EXISTS (SELECT 1 FROM included JOIN include ON include.id = included.include WHERE include.list = ? AND included.address_key = ?)`,
		id, key, list.RoleMember, id, key)
	return err
}

// RemoveInclude removes an include, and whom only it brought, unless they are to stay as subscribers. ErrNotFound.
func (s *Store) RemoveInclude(ctx context.Context, id list.ID, include int64, keep bool) (removed int, err error) {
	err = s.write(ctx, "remove an include", func(h handle) error {
		rows, err := h.query(ctx, `SELECT address_key FROM included WHERE include = ?`, include)
		keys, err := collect(rows, err, func(row scanner) (key string, err error) { return key, row.Scan(&key) })
		if err != nil {
			return err
		}
		for _, key := range keys {
			if keep {
				_, err = h.exec(ctx, `UPDATE member SET subscribed = 1 WHERE list = ? AND address_key = ? AND role = ?`, id, key, list.RoleMember)
			} else {
				err = exclude(ctx, h, include, id, key)
			}
			if err != nil {
				return err
			}
		}
		removed = len(keys)
		n, err := h.exec(ctx, `DELETE FROM include WHERE id = ? AND list = ?`, include, id)
		return changed(ctx, h, n, err)
	})
	return removed, err
}
