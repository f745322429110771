package admin

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
)

// Mine is what somebody sees of himself.
type Mine struct {
	Lists        []MyList
	Certificates []Explanation // that would be used for each of his addresses, and why; none where he logged in by clear mail
	MayPin       bool          // he showed a certificate, and may name others of his
}

// MyList is what somebody is on a list.
type MyList struct {
	List    list.List
	Roles   []list.Role
	Member  *list.Member // nil: no member
	Bare    bool         // he logged in by clear mail and the list demands encryption: he may leave and pause, and sees no more
	Waiting int          // posts that wait for a certificate of his
	Since   time.Time    // when he missed the first of them
	Until   time.Time    // when that one's time is over
}

// Mine tells somebody what he is on, and which certificates would be used for him.
func (a *Admin) Mine(ctx context.Context, r Requester) (Mine, error) {
	held, err := a.Store.Memberships(ctx, r.Address)
	if err != nil {
		return Mine{}, Explain(err)
	}
	m := Mine{MayPin: r.Method == scenario.SMIME}
	for _, one := range held {
		i := slices.IndexFunc(m.Lists, func(l MyList) bool { return l.List.ID == one.List })
		if i < 0 {
			l, err := a.Store.ListByID(ctx, one.List)
			if err != nil {
				return Mine{}, Explain(err)
			}
			i = len(m.Lists)
			m.Lists = append(m.Lists, MyList{List: l, Bare: r.Clear && l.Policy.DemandsEncryption()})
		}
		at := &m.Lists[i]
		if one.Role != list.RoleMember {
			at.Roles = append(at.Roles, one.Role)
			continue
		}
		at.Member = &one
		if at.Bare {
			continue
		}
		if at.Waiting, at.Since, err = a.Store.WithheldFrom(ctx, one.List, r.Address); err != nil {
			return Mine{}, Explain(err)
		}
		at.Until = at.Since.Add(at.List.Policy.WithheldFor.Std())
	}
	if r.Clear {
		return m, nil
	}
	for _, address := range own(r) {
		e, err := a.Explain(ctx, address.String(), false)
		if err != nil {
			return Mine{}, err
		}
		m.Certificates = append(m.Certificates, e)
	}
	return m, nil
}

// own are all addresses of somebody.
func own(r Requester) []list.Address {
	all := []list.Address{r.Address}
	for _, address := range r.Known {
		if !slices.ContainsFunc(all, address.Same) {
			all = append(all, address)
		}
	}
	return all
}

// PinOwn has a certificate used for somebody before whatever a source has. He
// must have shown a certificate of his (invariant 7): a link in a mail is not
// enough. The octets are PEM, DER or p7c.
func (a *Admin) PinOwn(ctx context.Context, r Requester, addressText string, octets []byte) (Marked, error) {
	address, err := a.ownAddress(r, addressText)
	if err != nil {
		return Marked{}, err
	}
	found, err := parseBundle("the file", octets)
	if err != nil {
		return Marked{}, err
	}
	cert, chain, err := found.onePerson("the file")
	if err != nil {
		return Marked{}, err
	}
	return a.As(r.Address.String()).pin(ctx, address, cert, chain)
}

// UnpinOwn takes back what PinOwn said, and returns of how many certificates. What a listmaster pinned stays.
func (a *Admin) UnpinOwn(ctx context.Context, r Requester, addressText string) (int, error) {
	address, err := a.ownAddress(r, addressText)
	if err != nil {
		return 0, err
	}
	marks, err := a.Store.Marks(ctx, store.MarkFilter{Kind: store.MarkPin, Addresses: []string{address.Key()}})
	if err != nil {
		return 0, Explain(err)
	}
	removed := 0
	for _, m := range marks {
		if !slices.ContainsFunc(own(r), func(o list.Address) bool { return o.String() == m.Actor }) {
			continue
		}
		f := store.MarkFilter{Kind: store.MarkPin, Addresses: []string{address.Key()}, Fingerprint: m.Fingerprint}
		n, err := a.As(r.Address.String()).unmark(ctx, f, "cert unpin", address.String(), "it is gone")
		if err != nil {
			return removed, err
		}
		removed += n
	}
	if removed == 0 {
		return 0, refused("a listmaster removes what a listmaster pinned", "you pinned nothing to %s", address)
	}
	return removed, nil
}

func (a *Admin) ownAddress(r Requester, text string) (list.Address, error) {
	address, err := parseAddress(text)
	if err != nil {
		return list.Address{}, err
	}
	if r.Method != scenario.SMIME || !slices.ContainsFunc(own(r), address.Same) {
		return list.Address{}, &Error{Kind: Refused, Err: ErrRules, What: "a certificate is named by who has logged in with one, for the addresses in it"}
	}
	return address, nil
}

// Subscription finds whom a token of one-click unsubscription takes off which
// list; the zero Member if he has left. An error that IsNotFound where it is no
// such token, or the list is gone.
func (a *Admin) Subscription(ctx context.Context, token string) (list.List, list.Member, error) {
	named, ok := a.Returns.Unsubscribes(token)
	if !ok {
		return list.List{}, list.Member{}, store.ErrNotFound
	}
	l, err := a.Store.ListByID(ctx, named.List)
	if errors.Is(err, store.ErrNotFound) {
		return list.List{}, list.Member{}, err
	}
	if err != nil {
		return list.List{}, list.Member{}, Explain(err)
	}
	m, err := a.Store.MemberByNumber(ctx, named.Number)
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && (m.List != named.List || m.Role != list.RoleMember):
		return l, list.Member{}, nil
	case err != nil:
		return list.List{}, list.Member{}, Explain(err)
	}
	return l, m, nil
}

// LeaveByLink takes a member off a list who has the link of his own copies (RFC
// 8058); once more changes nothing. The list's scenario decides as about somebody who reads mail at his
// address, for that is where he got it.
func (a *Admin) LeaveByLink(ctx context.Context, l list.List, m list.Member) (Done, error) {
	if m.Address.IsZero() {
		return Done{}, nil
	}
	return a.As(m.Address.String()).Unsubscribe(ctx, Requester{Address: m.Address, Method: scenario.MD5, Clear: true}, l, list.Address{})
}
