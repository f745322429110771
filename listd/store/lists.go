package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/sealist/sealist/listd/list"
)

const listColumns = `id, address, description, send, state, created, mail_list_agent, allow_expired, policy, robot, EXISTS (SELECT 1 FROM list_key WHERE list_key.list = list.id AND list_key.state IN ('active', 'decrypt-only') AND usage <> 'sign')`

func scanList(row scanner) (list.List, error) {
	var l list.List
	var address, policy string
	var created int64
	if err := row.Scan(&l.ID, &address, &l.Description, &l.Send, &l.State, &created, &l.Agent, &l.AllowExpired, &policy, &l.Robot, &l.HasKey); err != nil {
		return l, err
	}
	l.Created = fromMicros(created)
	if err := json.Unmarshal([]byte(policy), &l.Policy); err != nil {
		return l, fmt.Errorf("settings of %s: %w", address, err)
	}
	return l, l.Address.UnmarshalText([]byte(address))
}

// CreateList adds a list and returns its number. ID, HasKey and Created are not
// read; an empty Send is list.DefaultSend, an empty State list.Open, a zero
// Policy list.DefaultPolicy.
// ErrExists if the address is taken; list.ErrListAddress if it cannot be one.
func (s *Store) CreateList(ctx context.Context, l list.List) (id list.ID, err error) {
	err = s.write(ctx, "create list "+l.Address.String(), func(h handle) error {
		if id, err = insertList(ctx, h, l, s.now()); err != nil {
			return err
		}
		return bump(ctx, h)
	})
	return id, err
}

func insertList(ctx context.Context, h handle, l list.List, now int64) (list.ID, error) {
	if err := list.CheckListAddress(l.Address); err != nil {
		return 0, err
	}
	state, err := list.ParseState(string(l.State))
	if err != nil {
		return 0, err
	}
	if _, err := list.ParseAgent(string(l.Agent)); err != nil {
		return 0, err
	}
	if l.Send == "" {
		l.Send = list.DefaultSend
	}
	policy, err := policyOctets(l)
	if err != nil {
		return 0, err
	}
	err = h.row(ctx, `INSERT INTO list (address, address_key, description, send, state, created, mail_list_agent, allow_expired, policy) VALUES (?,?,?,?,?,?,?,?,?) RETURNING id`,
		l.Address.String(), l.Address.Key(), l.Description, l.Send, state, now, l.Agent, boolean(l.AllowExpired), policy).Scan(&l.ID)
	return l.ID, err
}

// List finds a list, or a robot, by its address, letter case aside. ErrNotFound.
func (s *Store) List(ctx context.Context, a list.Address) (list.List, error) {
	l, err := scanList(s.read().row(ctx, `SELECT `+listColumns+` FROM list WHERE address_key = ?`, a.Key()))
	return l, s.wrap("list "+a.String(), err)
}

// ListByID finds a list by its number. ErrNotFound.
func (s *Store) ListByID(ctx context.Context, id list.ID) (list.List, error) {
	l, err := scanList(s.read().row(ctx, `SELECT `+listColumns+` FROM list WHERE id = ?`, id))
	return l, s.wrap("list number "+id.String(), err)
}

// Lists returns every list in the order of their addresses; robots are none.
func (s *Store) Lists(ctx context.Context) ([]list.List, error) {
	rows, err := s.read().query(ctx, `SELECT `+listColumns+` FROM list WHERE robot = 0 ORDER BY address_key`)
	all, err := collect(rows, err, scanList)
	return all, s.wrap("lists", err)
}

// EnsureRobot makes the robot of a domain if there is none, with this local
// part, and returns it. A robot that has another local part gets this one: a
// domain has one.
func (s *Store) EnsureRobot(ctx context.Context, a list.Address) (list.List, error) {
	robot, err := s.Robot(ctx, a.Domain())
	if err == nil && robot.Address.Key() == a.Key() {
		return robot, nil
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return list.List{}, err
	}
	err = s.write(ctx, "make the robot "+a.String(), func(h handle) error {
		if robot.ID != 0 {
			n, err := h.exec(ctx, `UPDATE list SET address = ?, address_key = ? WHERE id = ?`, a.String(), a.Key(), robot.ID)
			return changed(ctx, h, n, err)
		}
		_, err := h.exec(ctx, `INSERT INTO list (address, address_key, description, send, state, created, robot) VALUES (?,?,'','',?,?,1)`,
			a.String(), a.Key(), list.Open, s.now())
		return errors.Join(err, bump(ctx, h))
	})
	if err != nil {
		return list.List{}, err
	}
	return s.List(ctx, a)
}

// Memberships returns the lists that somebody has a role on, with what he is
// there, in the order of the lists' addresses.
func (s *Store) Memberships(ctx context.Context, address list.Address) ([]list.Member, error) {
	rows, err := s.read().query(ctx, `SELECT list, member.address, role, name, reception, suspended, added, by_hand, conceal, person
		FROM member JOIN list ON list.id = member.list WHERE member.address_key = ? ORDER BY list.address_key, role`, address.Key())
	all, err := collect(rows, err, scanMember)
	return all, s.wrap("memberships of "+address.String(), err)
}

// MembersOfPerson returns somebody's membership of a list, and his further
// addresses there.
func (s *Store) MembersOfPerson(ctx context.Context, id list.ID, who list.Address) ([]list.Member, error) {
	rows, err := s.read().query(ctx, `SELECT `+memberColumns+` FROM member
		WHERE list = ? AND role = ? AND (address_key = ? OR person = ?) ORDER BY id`, id, list.RoleMember, who.Key(), who.Key())
	all, err := collect(rows, err, scanMember)
	return all, s.wrap("addresses of "+who.String(), err)
}

// ParentLists returns the addresses of the lists that somebody, a list as a
// rule, is a member of.
func (s *Store) ParentLists(ctx context.Context, member list.Address) ([]list.Address, error) {
	rows, err := s.read().query(ctx, `SELECT list.address FROM member JOIN list ON list.id = member.list
		WHERE member.address_key = ? AND member.role = ? ORDER BY list.address_key`, member.Key(), list.RoleMember)
	all, err := collect(rows, err, func(row scanner) (a list.Address, err error) {
		var text string
		if err := row.Scan(&text); err != nil {
			return a, err
		}
		return a, a.UnmarshalText([]byte(text))
	})
	return all, s.wrap("lists that "+member.String()+" is a member of", err)
}

// Robots returns the robot of every domain that has one.
func (s *Store) Robots(ctx context.Context) ([]list.List, error) {
	rows, err := s.read().query(ctx, `SELECT `+listColumns+` FROM list WHERE robot = 1 ORDER BY address_key`)
	all, err := collect(rows, err, scanList)
	return all, s.wrap("robots", err)
}

// Robot returns the robot of a domain, letter case aside. ErrNotFound.
func (s *Store) Robot(ctx context.Context, domain string) (list.List, error) {
	robots, err := s.Robots(ctx)
	if err != nil {
		return list.List{}, err
	}
	for _, r := range robots {
		if strings.EqualFold(r.Address.Domain(), domain) {
			return r, nil
		}
	}
	return list.List{}, s.wrap("robot of "+domain, ErrNotFound)
}

// policyOctets are a list's settings as they are kept.
func policyOctets(l list.List) (string, error) {
	if reflect.ValueOf(l.Policy).IsZero() {
		l.Policy = list.DefaultPolicy()
	}
	octets, err := json.Marshal(l.Policy)
	return string(octets), err
}

// UpdateList writes Description, Send, State, Agent, AllowExpired and Policy of
// the list with l's ID. ErrNotFound.
func (s *Store) UpdateList(ctx context.Context, l list.List) error {
	return s.write(ctx, "update list "+l.Address.String(), func(h handle) error { return updateList(ctx, h, l) })
}

func updateList(ctx context.Context, h handle, l list.List) error {
	policy, err := policyOctets(l)
	if err != nil {
		return err
	}
	n, err := h.exec(ctx, `UPDATE list SET description = ?, send = ?, state = ?, mail_list_agent = ?, allow_expired = ?, policy = ? WHERE id = ?`,
		l.Description, l.Send, l.State, l.Agent, boolean(l.AllowExpired), policy, l.ID)
	return changed(ctx, h, n, err)
}

// ApplyList makes a list that has no ID yet, or writes the settings of one that
// has, and puts people on it, off it, or changes their Name, Reception and
// Suspended: all of it or nothing. It returns the list's number. Errors are
// those of CreateList and UpdateList.
func (s *Store) ApplyList(ctx context.Context, l list.List, put, remove []list.Member, entry AuditEntry) (list.ID, error) {
	err := s.write(ctx, "apply list "+l.Address.String(), func(h handle) (err error) {
		if l.ID == 0 {
			if l.ID, err = insertList(ctx, h, l, s.now()); err != nil {
				return err
			}
		} else if err := updateList(ctx, h, l); err != nil {
			return err
		}
		for _, m := range remove {
			if _, err := removeMember(ctx, h, l.ID, m.Address, m.Role); err != nil {
				return err
			}
		}
		for _, m := range put {
			if _, err := putMember(ctx, h, l.ID, m, s.now()); err != nil {
				return err
			}
			_, err := h.exec(ctx, `UPDATE member SET name = ?, reception = ?, suspended = ?, conceal = ?, person = ? WHERE list = ? AND address_key = ? AND role = ?`,
				m.Name, m.Reception, boolean(m.Suspended), boolean(m.Conceal), m.Person, l.ID, m.Address.Key(), m.Role)
			if err != nil {
				return err
			}
		}
		entry.List = l.ID
		if err := putAudit(ctx, h, entry, s.now()); err != nil {
			return err
		}
		return bump(ctx, h)
	})
	return l.ID, err
}

// RemoveList takes a list away with everything that is kept for it: members,
// keys, includes, tokens, posts and what is to be sent of them. Its audit
// entries stay, and entry, which tells of the removal, is among them.
// ErrNotFound.
func (s *Store) RemoveList(ctx context.Context, id list.ID, entry AuditEntry) error {
	err := s.write(ctx, "remove list number "+id.String(), func(h handle) error {
		if err := s.dialect.destroying(ctx, h); err != nil { // its private keys go with it
			return err
		}
		for _, statement := range []string{
			`DELETE FROM delivery WHERE list = ?`,
			`DELETE FROM item WHERE list = ?`,
			`DELETE FROM pause WHERE list = ?`,
			`DELETE FROM token WHERE list = ?`,
			`DELETE FROM token WHERE list = 0 AND lower(sender) IN (SELECT address_key FROM member WHERE list = ?)`, // as removeMember does
			`DELETE FROM session WHERE address_key IN (SELECT address_key FROM member WHERE list = ?)`,
			`DELETE FROM api_token WHERE address_key IN (SELECT address_key FROM member WHERE list = ?)`,
			`DELETE FROM include_member WHERE list = ?`,
		} {
			if _, err := h.exec(ctx, statement, id); err != nil {
				return err
			}
		}
		if _, err := h.exec(ctx, `DELETE FROM blob WHERE NOT EXISTS (SELECT 1 FROM item WHERE item.blob = blob.id)`); err != nil {
			return err
		}
		n, err := h.exec(ctx, `DELETE FROM list WHERE id = ?`, id)
		if err := changed(ctx, h, n, err); err != nil {
			return err
		}
		entry.List = id
		return putAudit(ctx, h, entry, s.now())
	})
	if err == nil {
		s.dialect.destroyed(ctx, s.writer)
	}
	return err
}

// optionalBoolean is the same for a value that may be nil.
func optionalBoolean(b *bool) *int {
	if b == nil {
		return nil
	}
	n := boolean(*b)
	return &n
}

// boolean is how a truth value is kept: 0 or 1.
func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// bump moves the change counter, inside the transaction that changed something
// a server may keep in memory.
func bump(ctx context.Context, h handle) error {
	_, err := h.exec(ctx, `UPDATE meta SET value = value + 1 WHERE name = 'changes'`)
	return err
}

// changed ends an UPDATE that must have met one row.
func changed(ctx context.Context, h handle, n int64, err error) error {
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrNotFound
	}
	return bump(ctx, h)
}
