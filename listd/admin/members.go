package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// Change is what a change of members came to.
type Change struct {
	List    list.Address `json:"list"`
	Role    list.Role    `json:"role"`    // "": of several
	Given   int          `json:"given"`   // addresses, each once
	Changed int          `json:"changed"` // added or removed
}

// AddMembers puts people on a list. Either all of them are taken, or none:
// every address that cannot be one is reported. Who is there already stays as
// he is.
func (a *Admin) AddMembers(ctx context.Context, listText, role string, addresses []string) (Change, error) {
	people := make([]person, len(addresses))
	for i, text := range addresses {
		people[i] = person{text: text}
	}
	return a.add(ctx, "member add", listText, role, people)
}

// ImportMembers puts the people of a file on a list: one address a line, or
// CSV with an address in one of its fields and, beside it, a name. Empty lines,
// lines that begin with # and a heading are passed over. What ExportMembers
// wrote is read with all that it says; role is for who has none there. Either
// all of them are taken, or none: every bad line is reported with its number.
func (a *Admin) ImportMembers(ctx context.Context, listText, role string, file io.Reader) (Change, error) {
	people, err := readPeople(file)
	if err != nil {
		return Change{}, err
	}
	return a.add(ctx, "member import", listText, role, people)
}

// A person is who is to become a member, as it was written.
type person struct {
	text string
	name string
	line int // in a file, from 1; 0: given by itself

	// What a file with a heading says besides.
	role               list.Role // "": none of his own
	reception          list.Reception
	suspended, conceal bool
	of                 list.Address // whose further address it is
	wrong              string       // what of it cannot be
}

// add parses, then acts.
func (a *Admin) add(ctx context.Context, action, listText, roleText string, people []person) (Change, error) {
	l, role, err := a.listAndRole(ctx, listText, roleText)
	if err != nil {
		return Change{}, err
	}
	members, err := parsePeople(people, role)
	if err != nil {
		return Change{}, err
	}
	if slices.ContainsFunc(members, func(m list.Member) bool { return m.Address.Same(l.Address) }) {
		return Change{}, refused("take it out: its posts would come back to it", "%s cannot be a %s of itself; nobody was added", l.Address, role)
	}
	added, err := a.Store.AddMembers(ctx, l.ID, members)
	if err != nil {
		return Change{}, Explain(err)
	}
	object := fmt.Sprintf("%d addresses", len(members))
	if len(members) == 1 {
		object = members[0].Address.String()
	}
	if slices.ContainsFunc(members, func(m list.Member) bool { return m.Role != members[0].Role }) {
		role = ""
	} else {
		role = members[0].Role
	}
	facts := map[string]string{"role": string(role), "added": fmt.Sprint(added)}
	for some := range slices.Chunk(members, namedAtOnce) {
		if len(members) > 1 {
			facts["addresses"] = addressesOf(some)
		}
		a.audit(ctx, action, l.ID, object, facts)
	}
	return Change{List: l.Address, Role: role, Given: len(members), Changed: added}, nil
}

// namedAtOnce is how many addresses one entry of the audit log names; the next one goes on.
const namedAtOnce = 500

func addressesOf(members []list.Member) string {
	all := make([]string, len(members))
	for i, m := range members {
		all[i] = m.Address.String()
	}
	return strings.Join(all, " ")
}

// listAndRole reads what every change of members begins with.
func (a *Admin) listAndRole(ctx context.Context, listText, roleText string) (list.List, list.Role, error) {
	role, err := list.ParseRole(roleText)
	if err != nil {
		return list.List{}, "", &Error{Kind: Usage, What: err.Error(), Err: err}
	}
	l, err := a.list(ctx, listText)
	return l, role, err
}

// parsePeople makes members, each address once in a role, or reports every address that
// cannot be one.
func parsePeople(people []person, role list.Role) ([]list.Member, error) {
	var bad []string
	var members []list.Member
	seen := map[string]bool{}
	for _, p := range people {
		address, err := list.ParseAddress(p.text)
		if err == nil && p.wrong != "" {
			err = errors.New(p.wrong)
		}
		if err != nil {
			what := err.Error()
			if p.line > 0 {
				what = fmt.Sprintf("line %d: %s", p.line, what)
			}
			bad = append(bad, what)
			continue
		}
		m := list.Member{Address: address, Role: role, Name: p.name, Reception: p.reception, Suspended: p.suspended, Conceal: p.conceal, Person: p.of.Key()}
		if p.role != "" {
			m.Role = p.role
		}
		if who := address.Key() + " " + string(m.Role); !seen[who] {
			seen[who] = true
			members = append(members, m)
		}
	}
	if len(bad) > 0 {
		return nil, usage("write each as user@example.org; nobody was added", "%s", strings.Join(bad, "\n"))
	}
	if len(members) == 0 {
		return nil, usage("write each as user@example.org", "there is no address here")
	}
	return members, nil
}

// RemoveMembers takes people out of a role. Either all of them go, or none:
// who is not there is reported.
func (a *Admin) RemoveMembers(ctx context.Context, listText, roleText string, addresses []string) (Change, error) {
	l, role, err := a.listAndRole(ctx, listText, roleText)
	if err != nil {
		return Change{}, err
	}
	given, err := a.present(ctx, l, role, addresses, "removed")
	if err != nil {
		return Change{}, err
	}
	removed, err := a.Store.RemoveMembers(ctx, l.ID, role, given)
	if err != nil {
		return Change{}, Explain(err)
	}
	for _, address := range given {
		a.audit(ctx, "member del", l.ID, address.String(), map[string]string{"role": string(role)})
	}
	return Change{List: l.Address, Role: role, Given: len(given), Changed: removed}, nil
}

// present reads addresses of people who are there in a role, each once, or
// reports all that are not.
func (a *Admin) present(ctx context.Context, l list.List, role list.Role, addresses []string, done string) ([]list.Address, error) {
	people := make([]person, len(addresses))
	for i, text := range addresses {
		people[i] = person{text: text}
	}
	members, err := parsePeople(people, role)
	if err != nil {
		explained := Explain(err)
		explained.Hint = strings.Replace(explained.Hint, "nobody was added", "nobody was "+done, 1)
		return nil, explained
	}
	given := make([]list.Address, len(members))
	for i, m := range members {
		given[i] = m.Address
	}
	there, err := a.Store.MemberOf(ctx, l.ID, given)
	if err != nil {
		return nil, Explain(err)
	}
	var missing []string
	for _, address := range given {
		if !slices.ContainsFunc(there[address.Key()], func(s store.Standing) bool { return s.Role == role }) {
			missing = append(missing, fmt.Sprintf("%s is no %s of %s", address, role, l.Address))
		}
	}
	if len(missing) > 0 {
		return nil, refused("`listmaster member ls "+l.Address.String()+"` shows who is; nobody was "+done, "%s", strings.Join(missing, "\n"))
	}
	return given, nil
}

// MemberChange is what changes of members; only what is set counts.
type MemberChange struct {
	Name      string
	Reception string // mail, not_me, nomail, notice
	Suspended bool   // receives no posts for now

	SetName, SetReception, SetSuspended bool
}

// SetMembers changes people in a role: all of them or none.
func (a *Admin) SetMembers(ctx context.Context, listText, roleText string, addresses []string, c MemberChange) (Change, error) {
	l, role, err := a.listAndRole(ctx, listText, roleText)
	if err != nil {
		return Change{}, err
	}
	if err := singleLine("name", c.Name); err != nil {
		return Change{}, err
	}
	reception, err := list.ParseReception(c.Reception)
	if err != nil {
		return Change{}, &Error{Kind: Usage, What: err.Error(), Err: err}
	}
	given, err := a.present(ctx, l, role, addresses, "changed")
	if err != nil {
		return Change{}, err
	}
	change := store.MemberChange{}
	facts := map[string]string{"role": string(role)}
	if c.SetName {
		change.Name, facts["name"] = &c.Name, c.Name
	}
	if c.SetReception {
		change.Reception, facts["reception"] = &reception, string(reception)
	}
	if c.SetSuspended {
		change.Suspended, facts["suspended"] = &c.Suspended, fmt.Sprint(c.Suspended)
	}
	changed, err := a.Store.ChangeMembers(ctx, l.ID, role, given, change)
	if err != nil {
		return Change{}, Explain(err)
	}
	for _, address := range given {
		a.audit(ctx, "member set", l.ID, address.String(), facts)
	}
	return Change{List: l.Address, Role: role, Given: len(given), Changed: changed}, nil
}

// Members returns the people of a list in the order of their addresses: those
// of one role, or of every role for an empty text.
func (a *Admin) Members(ctx context.Context, listText, roleText string) ([]list.Member, error) {
	var filter store.MemberFilter
	if roleText != "" {
		role, err := list.ParseRole(roleText)
		if err != nil {
			return nil, &Error{Kind: Usage, What: err.Error(), Err: err}
		}
		filter.Role = role
	}
	l, err := a.list(ctx, listText)
	if err != nil {
		return nil, err
	}
	members, err := a.Store.Members(ctx, l.ID, filter)
	if err != nil {
		return nil, Explain(err)
	}
	return some(members), nil
}
