package admin

import (
	"context"
	"slices"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
)

// Setting is one thing that is set of a list.
type Setting struct {
	Name    string
	Help    string
	Value   string
	Default bool // Value is what a list has that says nothing of its own
}

// Settings returns all settings of a list, in the order in which they are shown.
func (d ListDetails) Settings() []Setting {
	unset := list.List{Send: list.DefaultSend, State: list.Open, Policy: list.DefaultPolicy()}
	var all []Setting
	for _, s := range list.Settings() {
		value := s.Get(d.List)
		all = append(all, Setting{s.Name, s.Help, value, value == s.Get(unset)})
	}
	return all
}

// SetList changes settings of a list, each a name and a value: all of them, or
// none. Without any it changes nothing. The warnings say what a setting allows
// that its owner may not have thought of.
func (a *Admin) SetList(ctx context.Context, listText string, changes [][2]string) (ListDetails, []string, error) {
	l, err := a.list(ctx, listText)
	if err != nil {
		return ListDetails{}, nil, err
	}
	facts := map[string]string{}
	for _, c := range changes {
		if err := l.Set(c[0], c[1]); err != nil {
			return ListDetails{}, nil, &Error{Kind: Usage, What: err.Error(), Hint: "`listmaster list set --help` names the settings", Err: err}
		}
		facts[c[0]] = c[1]
	}
	details, err := a.details(ctx, l)
	if err != nil || len(changes) == 0 {
		return details, nil, err
	}
	for _, c := range changes {
		if f, ok := scenario.ParseFunction(c[0]); ok {
			if err := a.checkScenario(f, c[1], l.Address); err != nil {
				return ListDetails{}, nil, err
			}
		}
	}
	warnings, err := checkSettings(details)
	if err != nil {
		return ListDetails{}, nil, err
	}
	if err := a.Store.UpdateList(ctx, l); err != nil {
		return ListDetails{}, nil, Explain(err)
	}
	a.audit(ctx, "list set", l.ID, l.Address.String(), facts)
	return details, warnings, nil
}

// checkSettings refuses settings that cannot be together, and says what others
// allow.
func checkSettings(d ListDetails) (warnings []string, err error) {
	p := d.Policy
	switch {
	case d.Agent != list.NoAgent && !d.maySign():
		return nil, refused("`listmaster key import "+d.Address.String()+" FILE` brings one", "a mail list agent signs what it distributes, and there is no key that may")
	case p.DemandsEncryption() && !d.HasKey:
		return nil, refused("`listmaster key import "+d.Address.String()+" FILE` brings one", "nobody can encrypt to %s: it has no key", d.Address)
	case !p.AnonymousSender.IsZero() && d.Agent != list.NoAgent:
		return nil, refused("set one of the two", "a mail list agent keeps the author's signature, which names him; anonymous_sender removes his name")
	}
	if !p.AnonymousSender.IsZero() {
		warnings = append(warnings, "anonymous_sender refuses posts that are signed, for a signature names its author: a send scenario that wants one refuses all others")
	}
	if p.UnsignedEncrypted == list.AllowUnsigned {
		warnings = append(warnings, "unsigned_encrypted=allow opens encrypted posts for authors who did not show that they wrote them: "+
			"whoever captured a post to the list may send it again, and the members read it anew")
	}
	if p.UnsignedEncrypted == list.HoldUnsigned && d.Members[list.RoleEditor] == 0 && d.Members[list.RoleOwner] == 0 {
		warnings = append(warnings, "the list has neither editor nor owner to decide on posts that are held")
	}
	if p.ReplyTo.Mode == list.ReplyToOther && p.DemandsEncryption() {
		warnings = append(warnings, "answers go to "+p.ReplyTo.Address.String()+", which members may have no certificate of")
	}
	return warnings, nil
}

// maySign tells whether one of the list's keys may sign.
func (d ListDetails) maySign() bool {
	return slices.ContainsFunc(d.Keys, func(k KeyDetails) bool { return k.signs })
}
