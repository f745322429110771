package admin

import (
	"context"
	"fmt"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
)

// maxAddresses is how many further addresses a member may have on a list.
const maxAddresses = 5

// AddAddress gives a member a further address at which he gets the posts of a
// list. It is a subscription: the subscribe scenario judges it, and both
// addresses have to confirm, the member's own first.
func (a *Admin) AddAddress(ctx context.Context, r Requester, l list.List, further list.Address) (Done, error) {
	if err := personal(further, ""); err != nil {
		return Done{}, err
	}
	main, mine, err := a.addressesOf(ctx, l, r.Address)
	switch {
	case err != nil:
		return Done{}, err
	case main.Address.IsZero() || main.Person != "":
		return Done{}, refused("WHICH shows the lists that you are on", "%s is not on %s by itself", r.Address, l.Address)
	case len(mine) >= maxAddresses:
		return Done{}, refused("SIGNOFF LIST ADDRESS takes one off", "%s has %d further addresses, and no member has more", r.Address, len(mine))
	}
	d, err := a.ask(ctx, scenario.Subscribe, l, r, further)
	if err != nil {
		return Done{}, err
	}
	switch d.Action {
	case scenario.DoIt, scenario.RequestAuth:
	default:
		return Done{}, errRules(l, "add an address")
	}
	if r.Method == scenario.SMTP {
		return a.challenge(ctx, l, r.Address, "address", further.String(), fmt.Sprintf("to send what goes to %s on the list %s to %s, too", r.Address, l.Address, further))
	}
	return a.challenge(ctx, l, further, "join", r.Address.String(), fmt.Sprintf("to send you what goes to %s on the list %s", r.Address, l.Address))
}

// addressesOf returns somebody's membership, and his further addresses.
func (a *Admin) addressesOf(ctx context.Context, l list.List, who list.Address) (main list.Member, further []list.Member, err error) {
	members, err := a.Store.MembersOfPerson(ctx, l.ID, who)
	if err != nil {
		return main, nil, Explain(err)
	}
	for _, m := range members {
		if m.Address.Same(who) {
			main = m
		} else {
			further = append(further, m)
		}
	}
	return main, further, nil
}

// joinAddress adds an address that both have confirmed, and tells all of them.
func (a *Admin) joinAddress(ctx context.Context, l list.List, further, who list.Address) (Done, error) {
	main, mine, err := a.addressesOf(ctx, l, who)
	switch {
	case err != nil:
		return Done{}, err
	case main.Address.IsZero() || main.Person != "" || len(mine) >= maxAddresses:
		return Done{}, refused("", "%s is not on %s any more", who, l.Address)
	}
	n, err := a.Store.AddMembers(ctx, l.ID, []list.Member{{Address: further, Name: main.Name, Reception: main.Reception, Person: who.Key()}})
	if err != nil {
		return Done{}, Explain(err)
	}
	if n == 0 {
		return Done{Text: further.String() + " is on " + l.Address.String() + " already."}, nil
	}
	a.audit(ctx, "address", l.ID, further.String(), map[string]string{"of": who.String()})
	var notices []store.Notice
	for _, m := range append(mine, main) {
		notices = append(notices, store.Notice{Template: notice.AddressAdded, List: l.ID, To: m.Address, Sealed: l.Policy.DemandsEncryption(),
			Params: map[string]string{"person": who.String(), "added": further.String(), "robot": a.robotOf(l)}})
	}
	if _, err := a.Store.QueueNotices(ctx, notices); err != nil {
		return Done{}, Explain(err)
	}
	return Done{Text: "What goes to " + who.String() + " on " + l.Address.String() + " goes to " + further.String() + ", too."}, nil
}
