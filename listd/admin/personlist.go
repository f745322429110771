package admin

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
)

// ListEntry is what somebody may see of a list.
type ListEntry struct {
	Address     list.Address        `json:"address"`
	Description string              `json:"description,omitempty"` // as the scenario info allows
	State       list.State          `json:"state"`
	Encrypted   bool                `json:"encrypted"`             // takes encrypted posts only
	Certificate *CertificateDetails `json:"certificate,omitempty"` // that people are to encrypt to
	Roles       []list.Role         `json:"roles"`                 // of whoever asks
}

// Lists are the lists that he may know of.
func (p Person) Lists(ctx context.Context) ([]ListEntry, error) {
	lists, err := p.a.Store.Lists(ctx)
	if err != nil {
		return nil, Explain(err)
	}
	entries := []ListEntry{}
	for _, l := range lists {
		if _, err := p.list(ctx, l.Address.String()); IsNotFound(err) {
			continue
		} else if err != nil {
			return nil, err
		}
		e, err := p.entry(ctx, l)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// List is one of them.
func (p Person) List(ctx context.Context, listText string) (ListEntry, error) {
	l, err := p.list(ctx, listText)
	if err != nil {
		return ListEntry{}, err
	}
	return p.entry(ctx, l)
}

func (p Person) entry(ctx context.Context, l list.List) (ListEntry, error) {
	e := ListEntry{Address: l.Address, State: l.State, Encrypted: l.Policy.DemandsEncryption()}
	roles, err := p.standing(ctx, l)
	if err != nil {
		return e, err
	}
	e.Roles = some(roles)
	d, err := p.a.ask(ctx, scenario.Info, l, p.asker(), list.Address{})
	if err != nil {
		return e, err
	}
	if d.Action == scenario.DoIt || p.Listmaster() {
		e.Description = l.Description
	}
	if l.HasKey {
		certs, err := p.a.published(ctx, l)
		if err == nil {
			details := describe(certs[0])
			e.Certificate = &details
		} else if x := Explain(err); x.Kind != Refused {
			return e, x
		}
	}
	return e, nil
}

// Settings is `list show`.
func (p Person) Settings(ctx context.Context, listText string) (ListDetails, error) {
	l, err := p.owned(ctx, listText, "see its settings")
	if err != nil {
		return ListDetails{}, err
	}
	return p.a.details(ctx, l)
}

// Set is `list set`.
func (p Person) Set(ctx context.Context, listText string, changes [][2]string) (ListDetails, []string, error) {
	l, err := p.owned(ctx, listText, "change its settings")
	if err != nil {
		return ListDetails{}, nil, err
	}
	return p.a.SetList(ctx, l.Address.String(), changes)
}

// Subscribe puts him on a list, as its scenario says.
func (p Person) Subscribe(ctx context.Context, listText, name string) (Done, error) {
	l, err := p.list(ctx, listText)
	if err != nil {
		return Done{}, err
	}
	return p.a.Subscribe(ctx, p.who, l, list.Address{}, name)
}

// Unsubscribe takes him off.
func (p Person) Unsubscribe(ctx context.Context, listText string) (Done, error) {
	l, err := p.list(ctx, listText)
	if err != nil {
		return Done{}, err
	}
	return p.a.Unsubscribe(ctx, p.who, l, list.Address{})
}

// Receive changes how he receives posts, or whether others see him, as SET does
// by mail. Proven by clear mail he may pause and go on, where encryption is
// demanded, and no more (invariant 12).
func (p Person) Receive(ctx context.Context, listText, mode string) (Done, error) {
	l, err := p.list(ctx, listText)
	if err != nil {
		return Done{}, err
	}
	if p.who.Clear && l.Policy.DemandsEncryption() && mode != string(list.ReceiveNoMail) && mode != string(list.ReceiveMail) {
		return Done{}, errRules(l, "change more than whether posts come")
	}
	return p.a.Set(ctx, p.who, l, mode)
}

// Members is `member ls` for an owner. For everybody else it is REVIEW: if the
// scenario allows it, the members that do not conceal themselves, by address and
// name.
func (p Person) Members(ctx context.Context, listText, role string) ([]list.Member, error) {
	l, err := p.list(ctx, listText)
	if err != nil {
		return nil, err
	}
	owner, err := p.is(ctx, l, list.RoleOwner)
	if err != nil {
		return nil, err
	}
	if owner || p.Listmaster() {
		return p.a.Members(ctx, l.Address.String(), role)
	}
	d, err := p.a.ask(ctx, scenario.Review, l, p.asker(), list.Address{})
	if err != nil {
		return nil, err
	}
	if d.Action != scenario.DoIt {
		return nil, errRules(l, "see its members")
	}
	if role != "" && role != string(list.RoleMember) {
		return nil, errRules(l, "see more than its members")
	}
	members, err := p.a.Members(ctx, l.Address.String(), string(list.RoleMember))
	if err != nil {
		return nil, err
	}
	shown := []list.Member{}
	for _, m := range members {
		if !m.Conceal {
			shown = append(shown, list.Member{List: m.List, Address: m.Address, Role: m.Role, Name: m.Name, Added: m.Added})
		}
	}
	return shown, nil
}

// Member is `member show`.
func (p Person) Member(ctx context.Context, listText, address string) (MemberShown, error) {
	l, err := p.owned(ctx, listText, "see its members")
	if err != nil {
		return MemberShown{}, err
	}
	return p.a.Member(ctx, l.Address.String(), address)
}

// AddMembers is `member add`; of members also where the scenario add allows it.
func (p Person) AddMembers(ctx context.Context, listText, role string, addresses []string) (Change, error) {
	l, err := p.mayManage(ctx, scenario.Add, listText, role, addresses)
	if err != nil {
		return Change{}, err
	}
	return p.a.AddMembers(ctx, l.Address.String(), role, addresses)
}

// ImportMembers is `member import`.
func (p Person) ImportMembers(ctx context.Context, listText, role string, file io.Reader) (Change, error) {
	l, err := p.owned(ctx, listText, "add others")
	if err != nil {
		return Change{}, err
	}
	return p.a.ImportMembers(ctx, l.Address.String(), role, file)
}

// ExportMembers is `member export`.
func (p Person) ExportMembers(ctx context.Context, listText, role string, out io.Writer) error {
	l, err := p.owned(ctx, listText, "see its members")
	if err != nil {
		return err
	}
	return p.a.ExportMembers(ctx, l.Address.String(), role, out)
}

// SetMembers is `member set`.
func (p Person) SetMembers(ctx context.Context, listText, role string, addresses []string, c MemberChange) (Change, error) {
	l, err := p.owned(ctx, listText, "change its members")
	if err != nil {
		return Change{}, err
	}
	return p.a.SetMembers(ctx, l.Address.String(), role, addresses, c)
}

// RemoveMembers is `member del`; of members also where the scenario del allows it.
func (p Person) RemoveMembers(ctx context.Context, listText, role string, addresses []string) (Change, error) {
	l, err := p.mayManage(ctx, scenario.Del, listText, role, addresses)
	if err != nil {
		return Change{}, err
	}
	return p.a.RemoveMembers(ctx, l.Address.String(), role, addresses)
}

// Keys is `key ls` of one list. The keys of all are a listmaster's.
func (p Person) Keys(ctx context.Context, listText string) ([]KeyDetails, error) {
	if listText == "" {
		if err := p.server(); err != nil {
			return nil, err
		}
		return p.a.Keys(ctx, "")
	}
	l, err := p.owned(ctx, listText, "see its keys")
	if err != nil {
		return nil, err
	}
	return p.a.Keys(ctx, l.Address.String())
}

// Reach is `cert explain --list`.
func (p Person) Reach(ctx context.Context, listText string, within time.Duration) (ListReach, error) {
	l, err := p.owned(ctx, listText, "see its members' certificates")
	if err != nil {
		return ListReach{}, err
	}
	return p.a.ExplainList(ctx, l.Address.String(), within)
}

// Queue is `queue ls`, of one list or, for a listmaster, of all.
func (p Person) Queue(ctx context.Context, f QueueFilter) ([]QueueItem, error) {
	if f.List == "" {
		if err := p.server(); err != nil {
			return nil, err
		}
		return p.a.Queue(ctx, f)
	}
	l, err := p.owned(ctx, f.List, "see its queue")
	if err != nil {
		return nil, err
	}
	f.List = l.Address.String()
	limit := f.Limit
	if !p.Listmaster() {
		f.Limit = 0 // what is hidden does not count
	}
	items, err := p.a.Queue(ctx, f)
	if items = p.shown(items); limit > 0 && len(items) > limit {
		items = items[len(items)-limit:]
	}
	return items, err
}

// shown leaves out, for everybody but a listmaster, what tells apart why a post
// failed (invariant 3).
func (p Person) shown(items []QueueItem) []QueueItem {
	if p.Listmaster() {
		return items
	}
	shown := []QueueItem{}
	for _, i := range items {
		if !secret(i.Item) {
			shown = append(shown, discreet(i))
		}
	}
	return shown
}

// secret tells whether a post is a listmaster's matter alone: one that is not
// decided on, of which it is not known yet what it will be, one that could not be
// processed, and one that arrived encrypted, without an authenticated author,
// unless it waits for the editors: how that looks under unsigned_encrypted=hold
// is outside invariant 3.
func secret(i store.Item) bool {
	switch i.State {
	case store.ItemAccepted, store.ItemQuarantined:
		return true
	case store.ItemHeld:
		return false
	}
	return i.Encrypted && i.Author.IsZero() && i.Approved.IsZero()
}

// discreet is a post without what is meant for a listmaster.
func discreet(i QueueItem) QueueItem {
	i.Client, i.Detail, i.LeasedBy = "", "", ""
	if i.Encrypted && i.Author.IsZero() {
		i.Reason, i.Method = "", ""
	}
	return i
}

// Audit is `audit ls`, of one list or, for a listmaster, of everything. An owner
// sees who did what to his list, decisions on posts with an authenticated author,
// and what became of copies.
func (p Person) Audit(ctx context.Context, f AuditFilter) ([]AuditEntry, error) {
	if f.List == "" {
		if err := p.server(); err != nil {
			return nil, err
		}
		return p.a.AuditEntries(ctx, f)
	}
	l, err := p.owned(ctx, f.List, "see its audit log")
	if err != nil {
		return nil, err
	}
	f.List = l.Address.String()
	if p.Listmaster() {
		return p.a.AuditEntries(ctx, f)
	}
	limit := f.Limit
	f.Limit = 0
	if f.Post != "" { // what became of its copies would show that there is such a post on another list
		if item, err := p.a.Store.Item(ctx, f.Post); err != nil || item.List != l.ID {
			return []AuditEntry{}, nil
		}
	}
	all, err := p.a.AuditEntries(ctx, f)
	all = slices.DeleteFunc(all, func(e AuditEntry) bool { return !ownersMatter(e) })
	if limit > 0 && len(all) > limit {
		all = all[len(all)-limit:]
	}
	return all, err
}

// auditDecide is what the flow calls its decision on a post.
const auditDecide = "decide"

// ownersMatter tells whether an entry about a list may be shown to its owners.
func ownersMatter(e AuditEntry) bool {
	switch {
	case e.Actor == "queue":
		return strings.HasPrefix(e.Action, string(store.KindCopy)+" ")
	case e.Action == auditDecide:
		return e.Detail["signer"] != ""
	case e.Action == "quarantine release", e.Action == "quarantine rm", e.Action == "queue retry":
		return false
	}
	return true
}
