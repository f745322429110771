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

const listColumns = `id, address, description, send, state, created, mail_list_agent, allow_expired, policy, robot, EXISTS (SELECT 1 FROM list_key WHERE list_key.list = list.id)`

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
	rows, err := s.read().query(ctx, `SELECT list, address, role, name, reception, suspended, added, by_hand, conceal, person FROM member
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
	return s.write(ctx, "remove list number "+id.String(), func(h handle) error {
		for _, statement := range []string{
			`DELETE FROM delivery WHERE list = ?`,
			`DELETE FROM item WHERE list = ?`,
			`DELETE FROM token WHERE list = ?`,
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
}

// AddMembers adds people to a list and returns how many were new. Somebody who
// is there already in the same role is left as he is; if an include had put him
// there, he now stays without it. Member.List and Included are not read; an
// empty Role is list.RoleMember, a zero Added is now. One transaction.
// ErrNotFound if there is no such list.
func (s *Store) AddMembers(ctx context.Context, id list.ID, members []list.Member) (added int, err error) {
	err = s.write(ctx, "add members to list number "+id.String(), func(h handle) error {
		for _, m := range members {
			n, err := putMember(ctx, h, id, m, s.now())
			if err != nil {
				return err
			}
			added += n
		}
		if added == 0 {
			return nil
		}
		return bump(ctx, h)
	})
	if err != nil {
		added = 0
	}
	return added, err
}

// putMember adds one person, and returns 1 if he is new. Who was put there by
// an include alone now stays without it.
func putMember(ctx context.Context, h handle, id list.ID, m list.Member, now int64) (int, error) {
	if m.Address.IsZero() {
		return 0, fmt.Errorf("a member without address: %w", list.ErrAddress)
	}
	role, err := list.ParseRole(string(m.Role))
	if err != nil {
		return 0, err
	}
	reception, err := list.ParseReception(string(m.Reception))
	if err != nil {
		return 0, err
	}
	when := micros(m.Added)
	if when == 0 {
		when = now
	}
	n, err := h.exec(ctx, `INSERT INTO member (list, address, address_key, role, name, reception, suspended, conceal, added, person) VALUES (?,?,?,?,?,?,?,?,?,?)
		ON CONFLICT (list, address_key, role) DO NOTHING`,
		id, m.Address.String(), m.Address.Key(), role, m.Name, reception, boolean(m.Suspended), boolean(m.Conceal), when, m.Person)
	if err != nil || n > 0 {
		return int(n), err
	}
	_, err = h.exec(ctx, `UPDATE member SET by_hand = 1 WHERE list = ? AND address_key = ? AND role = ? AND by_hand = 0`, id, m.Address.Key(), role)
	return 0, err
}

// MemberChange is what changes of members; nil stays.
type MemberChange struct {
	Name      *string
	Reception *list.Reception
	Suspended *bool
	Conceal   *bool
}

// ChangeMembers changes people in one role and returns how many were there. One
// transaction.
func (s *Store) ChangeMembers(ctx context.Context, id list.ID, role list.Role, addresses []list.Address, c MemberChange) (changed int, err error) {
	suspended, conceal := optionalBoolean(c.Suspended), optionalBoolean(c.Conceal)
	err = s.write(ctx, "change members of list number "+id.String(), func(h handle) error {
		changed = 0
		for _, a := range addresses {
			n, err := h.exec(ctx, `UPDATE member SET name = coalesce(?, name), reception = coalesce(?, reception), suspended = coalesce(?, suspended),
				conceal = coalesce(?, conceal) WHERE list = ? AND address_key = ? AND role = ?`, c.Name, c.Reception, suspended, conceal, id, a.Key(), role)
			if err != nil {
				return err
			}
			changed += int(n)
		}
		return bump(ctx, h)
	})
	return changed, err
}

// RemoveMembers takes people out of one role and returns how many were there.
// Whom an include had put there it does not put back while he stands in it.
// Copies that are queued for them are cancelled when their turn comes: the
// sealing asks MemberOf.
func (s *Store) RemoveMembers(ctx context.Context, id list.ID, role list.Role, addresses []list.Address) (removed int, err error) {
	err = s.write(ctx, "remove members of list number "+id.String(), func(h handle) error {
		for _, a := range addresses {
			n, err := removeMember(ctx, h, id, a, role)
			if err != nil {
				return err
			}
			removed += n
		}
		if removed == 0 {
			return nil
		}
		return bump(ctx, h)
	})
	if err != nil {
		removed = 0
	}
	return removed, err
}

// removeMember takes one person out of a role, with his further addresses, and
// voids the tokens that he was sent about the list (invariant 12).
func removeMember(ctx context.Context, h handle, id list.ID, a list.Address, role list.Role) (int, error) {
	n, err := h.exec(ctx, `DELETE FROM member WHERE list = ? AND address_key = ? AND role = ?`, id, a.Key(), role)
	if err == nil && n > 0 && role == list.RoleMember {
		_, err = h.exec(ctx, `DELETE FROM member WHERE list = ? AND person = ?`, id, a.Key())
	}
	if err == nil && n > 0 {
		_, err = h.exec(ctx, `DELETE FROM token WHERE list = ? AND lower(sender) = ?`, id, a.Key())
	}
	return int(n), err
}

// MemberFilter chooses members. The zero value is everybody.
type MemberFilter struct {
	Role  list.Role   // "" is every role
	After list.Member // the last one of the page before; zero: from the beginning
	Limit int         // 0: no limit
}

// Members returns members in the order of their address keys, then roles.
func (s *Store) Members(ctx context.Context, id list.ID, f MemberFilter) ([]list.Member, error) {
	var c conditions
	c.add(`list = ?`, id)
	if f.Role != "" {
		c.add(`role = ?`, f.Role)
	}
	if !f.After.Address.IsZero() {
		c.add(`(address_key, role) > (?, ?)`, f.After.Address.Key(), f.After.Role)
	}
	rows, err := s.read().query(ctx, `SELECT list, address, role, name, reception, suspended, added, by_hand, conceal, person FROM member`+c.where()+
		` ORDER BY address_key, role LIMIT ?`, append(c.args, limit(f.Limit))...)
	all, err := collect(rows, err, scanMember)
	return all, s.wrap("members of list number "+id.String(), err)
}

func scanMember(row scanner) (list.Member, error) {
	var m list.Member
	var address string
	var added int64
	var byHand bool
	if err := row.Scan(&m.List, &address, &m.Role, &m.Name, &m.Reception, &m.Suspended, &added, &byHand, &m.Conceal, &m.Person); err != nil {
		return m, err
	}
	m.Added, m.Included = fromMicros(added), !byHand
	return m, m.Address.UnmarshalText([]byte(address))
}

// CountMembers returns how many people have each role.
func (s *Store) CountMembers(ctx context.Context, id list.ID) (map[list.Role]int, error) {
	rows, err := s.read().query(ctx, `SELECT role, count(*) FROM member WHERE list = ? GROUP BY role`, id)
	type count struct {
		role list.Role
		n    int
	}
	all, err := collect(rows, err, func(row scanner) (c count, err error) { return c, row.Scan(&c.role, &c.n) })
	counts := make(map[list.Role]int, len(all))
	for _, c := range all {
		counts[c.role] = c.n
	}
	return counts, s.wrap("count members of list number "+id.String(), err)
}

// CountRole returns how many people have one role. It takes as long as there
// are many of these, however many others the list has.
func (s *Store) CountRole(ctx context.Context, id list.ID, role list.Role) (n int, err error) {
	err = s.read().row(ctx, `SELECT count(*) FROM member WHERE list = ? AND role = ?`, id, role).Scan(&n)
	return n, s.wrap("count members of list number "+id.String(), err)
}

// Standing is what somebody is on a list, in one role.
type Standing struct {
	Role      list.Role
	Reception list.Reception
	Suspended bool // receives no posts for now
}

// MemberOf returns what each of the addresses is on the list now, by the
// address's Key; who is nothing there is not in the map. It is asked again at
// the moment a copy is sealed (invariant 2).
func (s *Store) MemberOf(ctx context.Context, id list.ID, addresses []list.Address) (map[string][]Standing, error) {
	found := make(map[string][]Standing, len(addresses))
	for len(addresses) > 0 {
		n := min(len(addresses), maxInList)
		args := make([]any, 0, n+1)
		args = append(args, id)
		for _, a := range addresses[:n] {
			args = append(args, a.Key())
		}
		addresses = addresses[n:]
		// No ORDER BY: it would lead SQLite to the index of the whole list.
		rows, err := s.read().query(context.WithoutCancel(ctx), `SELECT address_key, role, reception, suspended FROM member
			WHERE list = ? AND address_key IN `+inList(n), args...)
		type one struct {
			key string
			Standing
		}
		all, err := collect(rows, err, func(row scanner) (o one, err error) { return o, row.Scan(&o.key, &o.Role, &o.Reception, &o.Suspended) })
		if err != nil {
			return nil, s.wrap("members of list number "+id.String(), err)
		}
		for _, o := range all {
			found[o.key] = append(found[o.key], o.Standing)
		}
	}
	return found, nil
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
