package admin

import (
	"context"
	"crypto/x509"
	"errors"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
)

// VisibleLists are the lists that somebody may know of.
func (a *Admin) VisibleLists(ctx context.Context, r Requester) ([]list.List, error) {
	lists, err := a.Store.Lists(ctx)
	if err != nil {
		return nil, Explain(err)
	}
	var visible []list.List
	for _, l := range lists {
		d, err := a.ask(ctx, scenario.Visibility, l, r, list.Address{})
		if err != nil {
			return nil, err
		}
		if d.Action == scenario.DoIt {
			visible = append(visible, l)
		}
	}
	return visible, nil
}

// ListView is what somebody may see of a list.
type ListView struct {
	List        list.List
	Informed    bool               // the scenario info lets him see what the list is for
	Certificate *x509.Certificate  // that people are to encrypt to; nil: none
	Details     CertificateDetails // of the Certificate
	Member      *list.Member       // what he is on the list; nil: no member
	Owner       bool
	Editor      bool
}

// ViewList tells what somebody may see of a list that he may know of.
func (a *Admin) ViewList(ctx context.Context, r Requester, listText string) (ListView, error) {
	l, err := a.VisibleList(ctx, r, listText, "")
	if err != nil {
		return ListView{}, err
	}
	v := ListView{List: l}
	d, err := a.ask(ctx, scenario.Info, l, r, list.Address{})
	if err != nil {
		return ListView{}, err
	}
	v.Informed = d.Action == scenario.DoIt
	if l.HasKey {
		certs, err := a.published(ctx, l)
		if err == nil {
			v.Certificate, v.Details = certs[0], describe(certs[0])
		} else if e := Explain(err); e.Kind != Refused {
			return ListView{}, e
		}
	}
	if r.Address.IsZero() {
		return v, nil
	}
	held, err := a.Store.Memberships(ctx, r.Address)
	if err != nil {
		return ListView{}, Explain(err)
	}
	for _, m := range held {
		if m.List != l.ID {
			continue
		}
		switch m.Role {
		case list.RoleMember:
			v.Member = &m
		case list.RoleOwner:
			v.Owner = true
		case list.RoleEditor:
			v.Editor = true
		}
	}
	return v, nil
}

// Anonymous is somebody of whom nothing is known.
func Anonymous() Requester { return Requester{Method: scenario.SMTP} }

// IsNotFound tells whether an error says that something is not there, or may
// not be seen.
func IsNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }
