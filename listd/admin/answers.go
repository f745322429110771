package admin

import (
	"context"
	"fmt"
	"slices"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/trust"
)

// shownMembers is how many members an answer names.
const shownMembers = 1000

// Review names the members of a list. Who conceals himself is named to owners
// only.
func (a *Admin) Review(ctx context.Context, r Requester, l list.List) (Done, error) {
	d, err := a.ask(ctx, scenario.Review, l, r, list.Address{})
	if err != nil {
		return Done{}, err
	}
	if d.Action != scenario.DoIt {
		return Done{}, errRules(l, "see its members")
	}
	members, err := a.Store.Members(ctx, l.ID, store.MemberFilter{Role: list.RoleMember})
	if err != nil {
		return Done{}, Explain(err)
	}
	owner, err := a.decides(ctx, l, r.Address)
	if err != nil {
		return Done{}, Explain(err)
	}
	done := Done{Secret: l.Policy.DemandsEncryption()}
	hidden := 0
	for _, m := range members {
		switch {
		case m.Conceal && !owner:
			hidden++
		case len(done.Lines) < shownMembers:
			done.Lines = append(done.Lines, m.Address.String()+named(m.Name))
		}
	}
	done.Text = fmt.Sprintf("%s has %d members; %d conceal themselves.", l.Address, len(members), hidden)
	return done, nil
}

func named(name string) string {
	if name == "" {
		return ""
	}
	return " (" + name + ")"
}

// Info says what a list is for, and how to write to it.
func (a *Admin) Info(ctx context.Context, r Requester, l list.List) (Done, error) {
	d, err := a.ask(ctx, scenario.Info, l, r, list.Address{})
	if err != nil {
		return Done{}, err
	}
	if d.Action != scenario.DoIt {
		return Done{}, errRules(l, "see what it is for")
	}
	lines := []string{"owners: " + l.Owner().String()}
	switch {
	case l.HasKey && l.Policy.DemandsEncryption():
		lines = append(lines, "posts: encrypted only, to the list's own certificate")
	case l.HasKey:
		lines = append(lines, "posts: encrypted to the list's own certificate, or in clear")
	default:
		lines = append(lines, "posts: in clear")
	}
	if certs, err := a.published(ctx, l); err == nil {
		lines = append(lines, "certificate, by its SHA-256 fingerprint: "+InPairs(trust.Fingerprint(certs[0])), "GET "+l.Address.String()+" certificate sends it")
	}
	text := l.Address.String()
	if l.Description != "" {
		text += ": " + l.Description
	}
	return Done{Text: text, Lines: lines}, nil
}

// ListsFor names the lists of a domain that somebody may see.
func (a *Admin) ListsFor(ctx context.Context, r Requester, domain string) (Done, error) {
	lists, err := a.Store.Lists(ctx)
	if err != nil {
		return Done{}, Explain(err)
	}
	done := Done{Text: "The lists of " + domain + ":"}
	for _, l := range lists {
		if l.Address.Domain() != domain {
			continue
		}
		d, err := a.ask(ctx, scenario.Visibility, l, r, list.Address{})
		if err != nil {
			return Done{}, err
		}
		if d.Action == scenario.DoIt {
			done.Lines = append(done.Lines, l.Address.String()+named(l.Description))
		}
	}
	if len(done.Lines) == 0 {
		done.Text = "There is no list of " + domain + " that you may see."
	}
	return done, nil
}

// Which names the lists that somebody is on, and what he is there.
func (a *Admin) Which(ctx context.Context, r Requester) (Done, error) {
	memberships, err := a.Store.Memberships(ctx, r.Address)
	if err != nil {
		return Done{}, Explain(err)
	}
	if len(memberships) == 0 {
		return Done{Text: r.Address.String() + " is on no list."}, nil
	}
	done := Done{Text: r.Address.String() + " is on:"}
	for _, m := range memberships {
		l, err := a.Store.ListByID(ctx, m.List)
		if err != nil {
			return Done{}, Explain(err)
		}
		line := l.Address.String()
		if m.Role != list.RoleMember {
			line += ", as " + string(m.Role)
		} else if m.Reception != list.ReceiveMail {
			line += ", " + string(m.Reception)
		}
		done.Lines = append(done.Lines, line)
		done.Secret = done.Secret || l.Policy.DemandsEncryption()
	}
	return done, nil
}

// StatsFor counts what a list did, for whoever may see its members.
func (a *Admin) StatsFor(ctx context.Context, r Requester, l list.List) (Done, error) {
	d, err := a.ask(ctx, scenario.Review, l, r, list.Address{})
	if err != nil {
		return Done{}, err
	}
	if d.Action != scenario.DoIt {
		return Done{}, errRules(l, "see its figures")
	}
	counts, err := a.Store.CountMembers(ctx, l.ID)
	if err != nil {
		return Done{}, Explain(err)
	}
	items, err := a.Store.Items(ctx, store.ItemFilter{List: l.ID, State: store.ItemDone})
	if err != nil {
		return Done{}, Explain(err)
	}
	posts, copies := 0, 0
	for _, i := range items {
		if i.Kind == store.KindPost && i.Reason == "" {
			posts, copies = posts+1, copies+i.Copies
		}
	}
	return Done{Text: fmt.Sprintf("%s has %d members; %d messages were distributed, in %d copies.", l.Address, counts[list.RoleMember], posts, copies),
		Secret: l.Policy.DemandsEncryption()}, nil
}

// RemindAll reminds every member of a list of his subscription, once a week at most.
func (a *Admin) RemindAll(ctx context.Context, r Requester, l list.List) (Done, error) {
	d, err := a.ask(ctx, scenario.Remind, l, r, list.Address{})
	if err != nil {
		return Done{}, err
	}
	if d.Action != scenario.DoIt {
		return Done{}, errRules(l, "remind its members")
	}
	members, err := a.Store.Members(ctx, l.ID, store.MemberFilter{Role: list.RoleMember})
	if err != nil {
		return Done{}, Explain(err)
	}
	told := 0
	for some := range slices.Chunk(members, 500) {
		var notices []store.Notice
		for _, m := range some {
			n := a.greeting(notice.Reminder, l, m.Address)
			n.Key, n.Every = fmt.Sprintf("%s/%d/%s", notice.Reminder, l.ID, m.Address.Key()), 7*day
			notices = append(notices, n)
		}
		n, err := a.Store.QueueNotices(ctx, notices)
		if err != nil {
			return Done{}, Explain(err)
		}
		told += n
	}
	a.audit(ctx, "remind", l.ID, l.Address.String(), map[string]string{"told": fmt.Sprint(told)})
	return Done{Text: fmt.Sprintf("%d members of %s were reminded.", told, l.Address)}, nil
}

// HeldFor names the posts that wait for somebody who decides on them.
func (a *Admin) HeldFor(ctx context.Context, r Requester, l list.List) (Done, error) {
	ok, err := a.decides(ctx, l, r.Address)
	if err != nil {
		return Done{}, Explain(err)
	}
	if !ok || r.Method == scenario.SMTP {
		return Done{}, errRules(l, "see what waits for its editors")
	}
	held, err := a.Queue(ctx, QueueFilter{List: l.Address.String(), State: string(store.ItemHeld)})
	if err != nil {
		return Done{}, err
	}
	done := Done{Text: fmt.Sprintf("%d messages to %s wait.", len(held), l.Address), Secret: l.Policy.DemandsEncryption()}
	for _, i := range held {
		done.Lines = append(done.Lines, fmt.Sprintf("%s, received %s", i.ID, i.Received.UTC().Format("2006-01-02 15:04 UTC")))
	}
	return done, nil
}

// MemberLists returns the lists that somebody is a member of.
func (a *Admin) MemberLists(ctx context.Context, who list.Address) ([]list.List, error) {
	memberships, err := a.Store.Memberships(ctx, who)
	if err != nil {
		return nil, Explain(err)
	}
	var lists []list.List
	for _, m := range memberships {
		if m.Role != list.RoleMember {
			continue
		}
		l, err := a.Store.ListByID(ctx, m.List)
		if err != nil {
			return nil, Explain(err)
		}
		lists = append(lists, l)
	}
	return lists, nil
}
