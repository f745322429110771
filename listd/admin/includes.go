package admin

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/listd/datasource"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// Includes synchronises members with directories. *datasource.Syncer is one.
type Includes interface {
	Directory(name string) (*ldap.Directory, error)
	Find(ctx context.Context, i store.Include) (datasource.Found, error)
	Apply(ctx context.Context, i store.Include, o datasource.Options, found datasource.Found, start time.Time) (store.IncludeRun, error)
	Sync(ctx context.Context, i store.Include, o datasource.Options) (store.IncludeRun, error)
}

// Bounds of an include's settings.
const (
	minEvery       = time.Minute
	maxEvery       = 30 * 24 * time.Hour
	mostMaxMembers = 1_000_000
)

// NewInclude is what an include is made from.
type NewInclude struct {
	List      string
	Directory string // its configured name; empty: the only one there is

	Group  string // distinguished name; empty: a search
	Nested bool

	BaseDN string // empty: the directory's
	Filter string
	Scope  string // sub, one, base; empty: sub

	Attribute  string   // empty: mail
	Domains    []string // empty: the directory's
	Every      time.Duration
	MaxChange  string // as 20%
	MaxMembers int
	DryRun     bool // tell what it would bring, and make nothing
}

// IncludeDetails is an include as it is shown.
type IncludeDetails struct {
	ID         int64          `json:"id"` // 0: it was not made
	List       list.Address   `json:"list"`
	Directory  string         `json:"directory"`
	Group      string         `json:"group,omitempty"`
	Nested     bool           `json:"nested,omitempty"`
	BaseDN     string         `json:"base_dn,omitempty"`
	Filter     string         `json:"filter,omitempty"`
	Scope      string         `json:"scope,omitempty"`
	Attribute  string         `json:"attribute"`
	Domains    []string       `json:"domains"` // that it may bring
	Every      string         `json:"every"`
	MaxChange  string         `json:"max_change"`
	MaxMembers int            `json:"max_members"`
	Created    time.Time      `json:"created,omitzero"`
	Due        time.Time      `json:"due,omitzero"`
	Members    int            `json:"members"` // that stand in it
	Pending    *store.Pending `json:"pending,omitempty"`
	Last       *Sync          `json:"last,omitempty"`
}

// Sync is how one synchronisation went.
type Sync struct {
	Run          int64           `json:"run,omitempty"` // its number; none of a dry run
	Include      int64           `json:"include"`
	List         list.Address    `json:"list"`
	DryRun       bool            `json:"dry_run,omitempty"`
	Started      time.Time       `json:"started"`
	Milliseconds float64         `json:"milliseconds"` // until the directory had answered
	Actor        string          `json:"actor"`
	Outcome      string          `json:"outcome"` // done, unchanged, pending, failed
	Reason       string          `json:"reason,omitempty"`
	Hint         string          `json:"hint,omitempty"`
	Server       string          `json:"server,omitempty"`
	Found        int             `json:"found"`
	Added        []string        `json:"added"`
	Removed      []string        `json:"removed"`
	Refusals     int             `json:"refusals"`
	Refused      []store.Refusal `json:"refused"` // the first of them, if many
}

// Failed tells that there was no complete answer: nobody came or went.
func (s Sync) Failed() bool { return s.Outcome == store.SyncFailed }

// Waits tells that the change is so large that a listmaster decides.
func (s Sync) Waits() bool { return s.Outcome == store.SyncPending }

// AddInclude adds a source of members to a list, and synchronises it for the
// first time: whoever adds it sees what it brings. Nothing is made if the
// directory does not give a complete answer.
func (a *Admin) AddInclude(ctx context.Context, n NewInclude) (IncludeDetails, error) {
	l, err := a.list(ctx, n.List)
	if err != nil {
		return IncludeDetails{}, err
	}
	i, err := a.newInclude(n)
	if err != nil {
		return IncludeDetails{}, err
	}
	i.List = l.ID
	start := a.Clock()
	found, err := a.Includes.Find(ctx, i)
	if err != nil {
		return IncludeDetails{}, explainSource(i, err)
	}
	o := datasource.Options{Actor: a.Actor, First: true, DryRun: n.DryRun}
	if !n.DryRun {
		if i.ID, err = a.Store.CreateInclude(ctx, i); err != nil {
			return IncludeDetails{}, Explain(err)
		}
		a.audit(ctx, "include add", l.ID, includeName(i.ID), map[string]string{"directory": i.Directory, "source": sourceOf(i)})
	}
	run, err := a.Includes.Apply(ctx, i, o, found, start)
	if err != nil {
		if i.ID != 0 {
			_, undo := a.Store.RemoveInclude(context.WithoutCancel(ctx), i.ID, false)
			err = errors.Join(err, undo)
		}
		return IncludeDetails{}, Explain(err)
	}
	details, err := a.afterAdding(ctx, l, i)
	sync := syncOf(l, run, n.DryRun)
	details.Last = &sync
	return details, err
}

func (a *Admin) afterAdding(ctx context.Context, l list.List, i store.Include) (IncludeDetails, error) {
	if i.ID == 0 {
		return a.includeDetails(l, i), nil
	}
	kept, err := a.Store.Include(ctx, i.ID)
	if err != nil {
		return a.includeDetails(l, i), Explain(err)
	}
	return a.includeDetails(l, kept), nil
}

// attributeName is a descriptor of RFC 4512 section 1.4.
var attributeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)

// newInclude checks what a person wrote.
func (a *Admin) newInclude(n NewInclude) (store.Include, error) {
	i := store.Include{Group: n.Group, Nested: n.Nested, BaseDN: n.BaseDN, Filter: n.Filter, Attribute: n.Attribute, Every: n.Every, MaxMembers: n.MaxMembers}
	if i.Attribute == "" {
		i.Attribute = "mail"
	}
	switch {
	case n.Group == "" && n.Filter == "":
		return i, usage("give --group DN, or --filter with or without --base DN", "there is nothing that says who is to be a member")
	case n.Group != "" && (n.Filter != "" || n.BaseDN != "" || n.Scope != ""):
		return i, usage("give --group DN, or --base DN and --filter", "a group and a search are two includes")
	case n.Nested && n.Group == "":
		return i, usage("give --group DN with it", "only a group has groups in it")
	case !attributeName.MatchString(i.Attribute):
		return i, usage("write it as mail or proxyAddresses", "%.80q is no name of an attribute", i.Attribute)
	case n.Every < minEvery || n.Every > maxEvery:
		return i, usage("write it as 1h, between 1m and 30d", "%v is not how often a directory can be asked", n.Every)
	case n.MaxMembers < 1 || n.MaxMembers > mostMaxMembers:
		return i, usage(fmt.Sprintf("write a number up to %d", mostMaxMembers), "%d is not how many an include can bring", n.MaxMembers)
	}
	if err := checkSource(&i, n.Scope); err != nil {
		return i, err
	}
	var err error
	if i.MaxChange, err = strconv.Atoi(strings.TrimSuffix(n.MaxChange, "%")); err != nil || i.MaxChange < 1 || i.MaxChange > 100 {
		return i, usage("write it as 20%, between 1% and 100%", "%.40q is no share of the members", n.MaxChange)
	}
	if i.Directory, err = a.directoryFor(n.Directory); err != nil {
		return i, err
	}
	i.Domains, err = a.domainsFor(i.Directory, n.Domains)
	return i, err
}

// checkSource checks names, filter and scope.
func checkSource(i *store.Include, scope string) error {
	for _, dn := range []string{i.Group, i.BaseDN} {
		if dn == "" {
			continue
		}
		if _, err := ldap.Normal(dn); err != nil {
			return usage("write it as the directory has it, as cn=staff,ou=groups,dc=example,dc=org", "%.200q is no distinguished name: %v", dn, err)
		}
	}
	if i.Filter == "" {
		return nil
	}
	if err := ldap.CheckFilter(i.Filter); err != nil {
		return usage(`count the brackets, and write it as (department=Sales); in a value ( ) * \ are \28 \29 \2a \5c`, "%.200q is no LDAP filter: %v", i.Filter, err)
	}
	s, err := datasource.ParseScope(scope)
	if err != nil {
		return &Error{Kind: Usage, What: err.Error(), Err: err}
	}
	i.Scope = s.String()
	return nil
}

// directoryFor finds the directory a person means.
func (a *Admin) directoryFor(name string) (string, error) {
	all, err := a.directoriesNamed(name)
	if err != nil {
		return "", err
	}
	if len(all) > 1 {
		var names []string
		for _, d := range all {
			names = append(names, d.Name())
		}
		return "", usage("give --directory with one of "+strings.Join(names, ", "), "there are several directories")
	}
	return all[0].Name(), nil
}

// domainsFor reads the domains an include may bring. It may narrow the directory's, and must not go beyond.
func (a *Admin) domainsFor(name string, texts []string) ([]string, error) {
	d, err := a.Includes.Directory(name)
	if err != nil {
		return nil, explainSource(store.Include{Directory: name}, err)
	}
	var domains []string
	for _, text := range texts {
		address, err := list.ParseAddress("x@" + text)
		if err != nil {
			return nil, usage("write it as example.org", "%.80q is no domain", text)
		}
		if !slices.Contains(domains, address.Domain()) {
			domains = append(domains, address.Domain())
		}
	}
	both, err := datasource.Domains(d.Domains(), domains)
	if err != nil && len(domains) == 0 {
		return nil, explainSource(store.Include{Directory: name}, err)
	}
	for _, domain := range domains {
		if !slices.Contains(both, domain) {
			return nil, refused("leave it out, or add it to the directory's domains in sealist.yaml",
				"the directory %s does not serve %s; its domains are %s", name, domain, strings.Join(d.Domains(), ", "))
		}
	}
	return domains, nil
}

// ListIncludes returns the includes of one list, or of all for an empty text, each with its last synchronisation.
func (a *Admin) ListIncludes(ctx context.Context, listText string) ([]IncludeDetails, error) {
	includes, lists, err := a.includesOf(ctx, listText)
	if err != nil {
		return nil, err
	}
	all := make([]IncludeDetails, len(includes))
	for n, i := range includes {
		all[n] = a.includeDetails(lists[i.List], i)
		runs, err := a.Store.IncludeRuns(ctx, i.ID, 1)
		if err != nil {
			return nil, Explain(err)
		}
		if len(runs) > 0 {
			last := syncOf(lists[i.List], runs[0], false)
			all[n].Last = &last
		}
	}
	return all, nil
}

// IncludeSyncs returns the records of one include of a list, newest first; at most limit, 0 for all.
func (a *Admin) IncludeSyncs(ctx context.Context, listText string, id int64, limit int) ([]Sync, error) {
	l, _, err := a.include(ctx, listText, id)
	if err != nil {
		return nil, err
	}
	runs, err := a.Store.IncludeRuns(ctx, id, limit)
	if err != nil {
		return nil, Explain(err)
	}
	all := make([]Sync, len(runs))
	for n, run := range runs {
		all[n] = syncOf(l, run, false)
	}
	return all, nil
}

// IncludeRemoval is what taking an include away came to.
type IncludeRemoval struct {
	List    list.Address `json:"list"`
	Include int64        `json:"include"`
	Kept    bool         `json:"kept"`
	Members int          `json:"members"` // that only this include had put there: removed, or kept
}

// RemoveInclude takes an include away, with those who are members only because of it, or without.
func (a *Admin) RemoveInclude(ctx context.Context, listText string, id int64, keepMembers bool) (IncludeRemoval, error) {
	l, _, err := a.include(ctx, listText, id)
	if err != nil {
		return IncludeRemoval{}, err
	}
	n, err := a.Store.RemoveInclude(ctx, id, keepMembers)
	if err != nil {
		return IncludeRemoval{}, Explain(err)
	}
	what := "removed"
	if keepMembers {
		what = "kept"
	}
	a.audit(ctx, "include rm", l.ID, includeName(id), map[string]string{what: fmt.Sprint(n)})
	return IncludeRemoval{List: l.Address, Include: id, Kept: keepMembers, Members: n}, nil
}

// include finds one include of a list.
func (a *Admin) include(ctx context.Context, listText string, id int64) (list.List, store.Include, error) {
	l, err := a.list(ctx, listText)
	if err != nil {
		return l, store.Include{}, err
	}
	i, err := a.Store.Include(ctx, id)
	if err == nil && i.List != l.ID {
		err = store.ErrNotFound
	}
	return l, i, a.storeError(err, fmt.Sprintf("%s has no include %d", l.Address, id), "`listmaster include ls "+l.Address.String()+"` shows those there are")
}

// includesOf returns the includes of one list, or of all, and the lists.
func (a *Admin) includesOf(ctx context.Context, listText string) ([]store.Include, map[list.ID]list.List, error) {
	var f store.IncludeFilter
	lists := map[list.ID]list.List{}
	if listText != "" {
		l, err := a.list(ctx, listText)
		if err != nil {
			return nil, nil, err
		}
		f.List = l.ID
		lists[l.ID] = l
	} else {
		all, err := a.Store.Lists(ctx)
		if err != nil {
			return nil, nil, Explain(err)
		}
		for _, l := range all {
			lists[l.ID] = l
		}
	}
	includes, err := a.Store.Includes(ctx, f)
	if err != nil {
		return nil, nil, Explain(err)
	}
	return includes, lists, nil
}

func (a *Admin) includeDetails(l list.List, i store.Include) IncludeDetails {
	d := IncludeDetails{ID: i.ID, List: l.Address, Directory: i.Directory, Group: i.Group, Nested: i.Nested, BaseDN: i.BaseDN, Filter: i.Filter, Scope: i.Scope,
		Attribute: i.Attribute, Domains: some(i.Domains), Every: shortDuration(i.Every), MaxChange: fmt.Sprintf("%d%%", i.MaxChange), MaxMembers: i.MaxMembers,
		Created: i.Created, Due: i.Due, Members: i.Members, Pending: i.Pending}
	if served, err := a.Includes.Directory(i.Directory); err == nil {
		if both, err := datasource.Domains(served.Domains(), i.Domains); err == nil {
			d.Domains = both
		}
	}
	return d
}

func syncOf(l list.List, r store.IncludeRun, dry bool) Sync {
	return Sync{Run: r.ID, Include: r.Include, List: l.Address, DryRun: dry, Started: r.Started, Milliseconds: float64(r.Took.Microseconds()) / 1000, Actor: r.Actor,
		Outcome: r.Outcome, Reason: r.Reason, Server: r.Server, Found: r.Found, Added: some(r.Added), Removed: some(r.Removed), Refusals: r.Refusals, Refused: some(r.Refused)}
}

// shortDuration writes 1h for 1h0m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func includeName(id int64) string { return fmt.Sprintf("include %d", id) }

// sourceOf names what an include asks for, in one line.
func sourceOf(i store.Include) string {
	if i.Group == "" {
		return i.Filter
	}
	return i.Group
}
