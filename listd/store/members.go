package store

import (
	"context"
	"fmt"

	"github.com/sealist/sealist/listd/list"
)

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

// ChangeMembers changes people in one role and returns how many were there. What
// came back from a member is forgotten when his suspension is set, or his
// reception, which resumes whom nothing but bounces suspended. One transaction.
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
			if c.Suspended != nil || c.Reception != nil { // somebody has looked at him, or he reads his mail
				if err := forgetBounces(ctx, h, id, a, role, c.Suspended == nil); err != nil {
					return err
				}
			}
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
// voids the tokens that he was sent about the list or to log in, his logins and
// his API tokens (invariant 12).
func removeMember(ctx context.Context, h handle, id list.ID, a list.Address, role list.Role) (int, error) {
	n, err := h.exec(ctx, `DELETE FROM member WHERE list = ? AND address_key = ? AND role = ?`, id, a.Key(), role)
	if err == nil && n > 0 && role == list.RoleMember {
		_, err = h.exec(ctx, `DELETE FROM member WHERE list = ? AND person = ?`, id, a.Key())
	}
	if err == nil && n > 0 {
		_, err = h.exec(ctx, `DELETE FROM token WHERE list IN (?, 0) AND lower(sender) = ?`, id, a.Key()) // links to log in are of no list
	}
	for _, table := range []string{"session", "api_token"} {
		if err == nil && n > 0 {
			_, err = h.exec(ctx, `DELETE FROM `+table+` WHERE address_key = ?`, a.Key())
		}
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
	rows, err := s.read().query(ctx, `SELECT `+memberColumns+` FROM member`+c.where()+
		` ORDER BY address_key, role LIMIT ?`, append(c.args, limit(f.Limit))...)
	all, err := collect(rows, err, scanMember)
	return all, s.wrap("members of list number "+id.String(), err)
}

// MemberRoles returns one address in each role that it has on a list.
func (s *Store) MemberRoles(ctx context.Context, id list.ID, a list.Address) ([]list.Member, error) {
	rows, err := s.read().query(ctx, `SELECT `+memberColumns+` FROM member WHERE list = ? AND address_key = ? ORDER BY role`, id, a.Key())
	all, err := collect(rows, err, scanMember)
	return all, s.wrap("member "+a.String(), err)
}

const memberColumns = `list, address, role, name, reception, suspended, added, by_hand, conceal, person`

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
	Suspended bool  // receives no posts for now
	Number    int64 // of this role's row; never another's
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
		rows, err := s.read().query(context.WithoutCancel(ctx), `SELECT address_key, role, reception, suspended, id FROM member
			WHERE list = ? AND address_key IN `+inList(n), args...)
		type one struct {
			key string
			Standing
		}
		all, err := collect(rows, err, func(row scanner) (o one, err error) {
			return o, row.Scan(&o.key, &o.Role, &o.Reception, &o.Suspended, &o.Number)
		})
		if err != nil {
			return nil, s.wrap("members of list number "+id.String(), err)
		}
		for _, o := range all {
			found[o.key] = append(found[o.key], o.Standing)
		}
	}
	return found, nil
}
