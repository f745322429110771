package admin

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
)

// NewList is what a list is made from.
type NewList struct {
	Address     string // NAME@DOMAIN
	Description string
	Send        string     // scenario; empty: list.DefaultSend
	Key         *KeyImport // nil: a plain list
	Agent       string     // what a mail list agent does with security labels: refuse, carry; empty: it is none

	AllowExpired bool // to encrypt to certificates that have expired, if the site allows it, too
}

// ListDetails is a list with what belongs to it.
type ListDetails struct {
	list.List
	Members map[list.Role]int `json:"members"`
	Waiting map[string]int    `json:"waiting"` // posts that are not finished, by state
	Keys    []KeyDetails      `json:"keys"`
}

// CreateList makes a list, with its key pair if one is given. Nothing is made
// if the key cannot be installed. The warnings tell what mail clients will
// stumble over.
func (a *Admin) CreateList(ctx context.Context, n NewList) (ListDetails, []string, error) {
	address, err := a.newListAddress(n.Address)
	if err != nil {
		return ListDetails{}, nil, err
	}
	if n.Send == "" {
		n.Send = list.DefaultSend
	}
	if err := a.checkScenario(scenario.Send, n.Send, address); err != nil {
		return ListDetails{}, nil, err
	}
	if err := singleLine("description", n.Description); err != nil {
		return ListDetails{}, nil, err
	}
	agent, err := list.ParseAgent(n.Agent)
	if err != nil {
		return ListDetails{}, nil, &Error{Kind: Usage, What: err.Error(), Err: err}
	}
	var pair *readyKey
	if n.Key != nil {
		if pair, err = a.prepareKey(ctx, address, nil, *n.Key); err != nil {
			return ListDetails{}, nil, err
		}
	}
	if agent != list.NoAgent && (pair == nil || !keyring.MaySign(pair.bundle.Certificate)) {
		return ListDetails{}, nil, usage("give --p12 with a certificate for encryption and digitalSignature, or leave out --mail-list-agent",
			"a mail list agent signs what it distributes, and there is no key that may")
	}

	id, err := a.Store.CreateList(ctx, list.List{Address: address, Description: n.Description, Send: n.Send, Agent: agent, AllowExpired: n.AllowExpired})
	if errors.Is(err, store.ErrExists) {
		return ListDetails{}, nil, refused("`listmaster list show "+address.String()+"` shows it", "there is already a list %s", address)
	}
	if err != nil {
		return ListDetails{}, nil, Explain(err)
	}
	if a.Robot != "" {
		if _, err := a.robot(ctx, address.Domain()); err != nil {
			return ListDetails{}, nil, err
		}
	}
	facts := map[string]string{"send": n.Send}
	if agent != list.NoAgent {
		facts["mail_list_agent"] = string(agent)
	}
	a.audit(ctx, "list create", id, address.String(), facts)

	var warnings []string
	if pair != nil {
		if _, warnings, err = a.install(ctx, list.List{ID: id, Address: address}, pair); err != nil {
			return ListDetails{}, nil, &Error{Kind: Environment, Err: err,
				What: "the list was made, but its key could not be kept: " + err.Error(),
				Hint: "`listmaster key import " + address.String() + " FILE` tries again; without a key it is a plain list"}
		}
	}
	details, err := a.ShowList(ctx, address.String())
	return details, warnings, err
}

// newListAddress reads the address of a list that is to be made.
func (a *Admin) newListAddress(text string) (list.Address, error) {
	address, err := parseListAddress(text)
	if err != nil {
		return list.Address{}, err
	}
	if err := list.CheckListAddress(address); err != nil {
		return list.Address{}, &Error{Kind: Usage, What: err.Error(), Err: err}
	}
	if a.Robot != "" && address.Local() == a.Robot {
		return list.Address{}, refused("take another name, or set robot in sealist.yaml", "%s takes commands for its domain", address)
	}
	if len(a.Domains) > 0 && !slices.Contains(a.Domains, address.Domain()) {
		return list.Address{}, refused("the configuration's domains are "+strings.Join(a.Domains, ", ")+"; add it there, or use one of them",
			"%s is not a domain of this server", address.Domain())
	}
	return address, nil
}

// singleLine refuses text that would not fit into a header field.
func singleLine(what, text string) error {
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return usage("write it in one line", "the %s holds a control character", what)
	}
	return nil
}

// Lists returns every list, in the order of their addresses.
func (a *Admin) Lists(ctx context.Context) ([]ListDetails, error) {
	lists, err := a.Store.Lists(ctx)
	if err != nil {
		return nil, Explain(err)
	}
	all := make([]ListDetails, len(lists))
	for i, l := range lists {
		if all[i], err = a.details(ctx, l); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// ShowList returns one list.
func (a *Admin) ShowList(ctx context.Context, text string) (ListDetails, error) {
	l, err := a.list(ctx, text)
	if err != nil {
		return ListDetails{}, err
	}
	return a.details(ctx, l)
}

// details gathers what belongs to a list.
func (a *Admin) details(ctx context.Context, l list.List) (ListDetails, error) {
	d := ListDetails{List: l, Waiting: map[string]int{}}
	var err error
	if d.Members, err = a.Store.CountMembers(ctx, l.ID); err != nil {
		return d, Explain(err)
	}
	for _, state := range []store.ItemState{store.ItemAccepted, store.ItemHeld, store.ItemDistributing, store.ItemQuarantined} {
		items, err := a.Store.Items(ctx, store.ItemFilter{List: l.ID, State: state})
		if err != nil {
			return d, Explain(err)
		}
		if len(items) > 0 {
			d.Waiting[string(state)] = len(items)
		}
	}
	d.Keys, err = a.keysOf(ctx, l)
	return d, err
}
