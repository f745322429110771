package admin

import (
	"context"
	"errors"
	"slices"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
)

// Person is somebody who asks, and what he may do. It is the one place where
// that is decided, beyond what the scenarios of lists say: each of its methods
// finds out whether he may, and then carries the use case out in his name. There
// is no way from a Person to a use case that was not checked.
//
//   - A listmaster may do what the commands of listmaster do.
//   - An owner looks after his lists: settings, members, keys to look at, whose
//     certificates are usable, what waits, moderation, the audit log.
//   - An editor decides on what his lists hold.
//   - Everybody else may do what scenarios let him, and look at the certificates
//     that would be used for himself.
//
// A role counts for the address that was proven. Unproven (method smtp) nobody
// has one; proven by clear mail (Clear) nobody has one on a list that demands
// encryption, and nobody is a listmaster (invariant 12).
//
// What is refused wraps ErrRules. Whoever may not know of something hears that it
// is not there, which IsNotFound tells.
type Person struct {
	a   *Admin
	who Requester
}

// For is whoever asks. The audit log names him by his address.
func (a *Admin) For(r Requester) Person { return a.forActor(r, r.Address.String()) }

func (a *Admin) forActor(r Requester, actor string) Person {
	if r.Method == scenario.SMTP || r.Address.IsZero() {
		actor += " (claimed)"
	}
	return Person{a.As(actor), r}
}

// Address is his address; zero if nobody is known.
func (p Person) Address() list.Address { return p.who.Address }

// Listmaster tells whether he runs the server.
func (p Person) Listmaster() bool {
	return p.proven() && !p.who.Clear && slices.ContainsFunc(p.a.Listmasters, p.who.Address.Same)
}

// proven tells whether anything shows that it is he.
func (p Person) proven() bool {
	return !p.who.Address.IsZero() && (p.who.Method == scenario.MD5 || p.who.Method == scenario.SMIME)
}

// errListmaster is what everybody else hears of the server's own matters.
func errListmaster() error {
	e := refused("", "only the listmasters of this server may do this")
	e.Err = ErrRules
	return e
}

// server lets listmasters through.
func (p Person) server() error {
	if !p.Listmaster() {
		return errListmaster()
	}
	return nil
}

// standing are his roles on a list, as far as they count now.
func (p Person) standing(ctx context.Context, l list.List) (roles []list.Role, err error) {
	if !p.proven() || p.who.Clear && l.Policy.DemandsEncryption() {
		return nil, nil
	}
	held, err := p.a.Store.MemberOf(ctx, l.ID, []list.Address{p.who.Address})
	if err != nil {
		return nil, Explain(err)
	}
	for _, s := range held[p.who.Address.Key()] {
		roles = append(roles, s.Role)
	}
	slices.Sort(roles)
	return slices.Compact(roles), nil
}

// list finds a list that he may know of.
func (p Person) list(ctx context.Context, text string) (list.List, error) {
	if p.Listmaster() {
		l, err := p.a.list(ctx, text)
		return l, asNotFound(err)
	}
	return p.a.VisibleList(ctx, p.asker(), text, "")
}

// asker is he for a scenario that shows something: whoever only says an address
// learns nothing by it.
func (p Person) asker() Requester {
	who := p.who
	if !p.proven() {
		who.Address = list.Address{}
	}
	return who
}

// mayManage lets the owners and listmasters through, and whom a list's scenario
// lets add or remove each of these others.
func (p Person) mayManage(ctx context.Context, f scenario.Function, text, role string, others []string) (list.List, error) {
	l, err := p.list(ctx, text)
	if err != nil || p.Listmaster() {
		return l, err
	}
	if ok, err := p.is(ctx, l, list.RoleOwner); err != nil || ok {
		return l, err
	}
	refusal := errRules(l, string(f)+" others")
	if role != "" && role != string(list.RoleMember) || !p.proven() || len(others) == 0 {
		return l, refusal
	}
	for _, other := range others {
		email, err := list.ParseAddress(other)
		if err != nil {
			return l, refusal
		}
		d, err := p.a.ask(ctx, f, l, p.who, email)
		if err != nil {
			return l, err
		}
		if d.Action != scenario.DoIt {
			return l, refusal
		}
	}
	return l, nil
}

// asNotFound makes what is no address of a list at all a thing that is not there.
func asNotFound(err error) error {
	var e *Error
	if errors.As(err, &e) && e.Kind == Usage {
		return &Error{Kind: Refused, What: e.What, Hint: e.Hint, Err: store.ErrNotFound}
	}
	return err
}

// owned finds a list for its owners and the listmasters. what is what they want,
// as "see its settings".
func (p Person) owned(ctx context.Context, text, what string) (list.List, error) {
	return p.as(ctx, text, what, list.RoleOwner)
}

// moderated finds a list for those who decide on its posts.
func (p Person) moderated(ctx context.Context, text string) (list.List, error) {
	return p.as(ctx, text, "decide on its posts", list.RoleOwner, list.RoleEditor)
}

func (p Person) as(ctx context.Context, text, what string, wanted ...list.Role) (list.List, error) {
	l, err := p.list(ctx, text)
	if err != nil || p.Listmaster() {
		return l, err
	}
	ok, err := p.is(ctx, l, wanted...)
	if err == nil && !ok {
		err = errRules(l, what)
	}
	return l, err
}

// is tells whether he has one of the roles on a list.
func (p Person) is(ctx context.Context, l list.List, wanted ...list.Role) (bool, error) {
	roles, err := p.standing(ctx, l)
	return slices.ContainsFunc(roles, func(r list.Role) bool { return slices.Contains(wanted, r) }), err
}

// Standing is a list and what somebody is on it.
type Standing struct {
	List  list.Address `json:"list"`
	Roles []list.Role  `json:"roles"`
}

// Self is what somebody is here.
type Self struct {
	Address    list.Address `json:"address"`
	Listmaster bool         `json:"listmaster"`
	Lists      []Standing   `json:"lists"` // that he is on, by their addresses
}

// Self tells who he is, as `which` does by mail. Roles that do not count, for the
// way he came, are left out.
func (p Person) Self(ctx context.Context) (Self, error) {
	self := Self{Address: p.who.Address, Listmaster: p.Listmaster(), Lists: []Standing{}}
	lists, err := p.a.Store.Lists(ctx)
	if err != nil {
		return self, Explain(err)
	}
	for _, l := range lists {
		roles, err := p.standing(ctx, l)
		if err != nil {
			return self, err
		}
		if len(roles) > 0 {
			self.Lists = append(self.Lists, Standing{l.Address, roles})
		}
	}
	return self, nil
}

// Certificates tells which certificates would be used for him, and why.
func (p Person) Certificates(ctx context.Context) (Explanation, error) {
	return p.ExplainAddress(ctx, p.who.Address.String(), false)
}

// ExplainAddress is `cert explain ADDRESS`: of himself for everybody proven, of
// anybody for a listmaster.
func (p Person) ExplainAddress(ctx context.Context, address string, fresh bool) (Explanation, error) {
	a, err := parseAddress(address)
	if err != nil {
		return Explanation{}, err
	}
	if !p.Listmaster() && (!p.proven() || p.who.Clear || !a.Same(p.who.Address)) {
		return Explanation{}, errListmaster()
	}
	return p.a.Explain(ctx, address, fresh && p.Listmaster())
}
