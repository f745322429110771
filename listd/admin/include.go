package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/listd/datasource"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// MemberSource is a directory in which lists' members may be. *ldap.Directory is one.
type MemberSource interface {
	datasource.Client
	Name() string
	Domains() []string
}

// IncludeSettings say where an include's people are.
type IncludeSettings = store.IncludeSettings

// Synced is what became of one include.
type Synced struct {
	store.Include
	ListAddress list.Address `json:"list_address"`
	Added       []string     `json:"added"`
	Removed     []string     `json:"removed"`
	Refused     []string     `json:"refused"` // whom it left out, and why
	Done        bool         `json:"done"`    // false: nothing was changed
}

// AddInclude makes a group or search of a directory a source of a list's members, and tells whom it would bring. Sync, or
// the server within a minute, brings them.
func (a *Admin) AddInclude(ctx context.Context, listText string, settings store.IncludeSettings) (Synced, error) {
	l, err := a.list(ctx, listText)
	if err != nil {
		return Synced{}, err
	}
	source, err := a.memberSource(settings.Directory)
	if err != nil {
		return Synced{}, err
	}
	if len(settings.Domains) == 0 {
		settings.Domains = source.Domains()
	}
	switch {
	case len(settings.Domains) == 0:
		return Synced{}, usage("set domains for the directory "+settings.Directory+", or give --domains", "of which domains may the members' addresses be?")
	case len(source.Domains()) > 0 && slices.ContainsFunc(settings.Domains, func(d string) bool { return !containsFold(source.Domains(), d) }):
		return Synced{}, refused("its domains are "+strings.Join(source.Domains(), ", "), "the directory %s does not answer for all of %s", settings.Directory, strings.Join(settings.Domains, ", "))
	case (settings.Group != "") == (settings.Base != "" || settings.Filter != ""):
		return Synced{}, usage("give --group DN, or --base DN and --filter", "where are the members?")
	case settings.Group == "" && (settings.Base == "" || settings.Filter == ""):
		return Synced{}, usage("give both", "a search needs --base and --filter")
	case settings.Every < time.Minute || settings.MaxChange < 0 || settings.MaxChange > 100:
		return Synced{}, usage("--every is at least 1m, --max-change 0 to 100", "the interval or share is out of range")
	}
	if _, err := ldap.ParseScope(settings.Scope); err != nil {
		return Synced{}, usage("write sub, one or base", "%v", err)
	}
	if settings.Filter != "" {
		if err := ldap.CheckFilter(settings.Filter); err != nil {
			return Synced{}, usage("count the brackets, and write it as (departmentNumber=42)", "%v", err)
		}
	}
	people, err := datasource.Find(ctx, source, query(settings))
	if err != nil {
		return Synced{}, sourceError(err)
	}
	id, err := a.Store.AddInclude(ctx, l.ID, settings)
	if err != nil {
		return Synced{}, Explain(err)
	}
	a.audit(ctx, "include add", l.ID, settings.Group+settings.Base, map[string]string{"directory": settings.Directory, "filter": settings.Filter, "people": fmt.Sprint(len(people.Members))})
	return a.sync(ctx, store.Include{ID: id, IncludeSettings: settings, List: l.ID}, SyncOptions{Approve: true})
}

func containsFold(all []string, one string) bool {
	return slices.ContainsFunc(all, func(s string) bool { return strings.EqualFold(s, one) })
}

func query(s store.IncludeSettings) datasource.Query {
	scope, _ := ldap.ParseScope(s.Scope)
	return datasource.Query{Group: s.Group, Nested: s.Nested, Base: s.Base, Filter: s.Filter, Scope: scope, Attribute: s.Attribute, Domains: s.Domains}
}

// sourceError puts an error of a directory into words.
func sourceError(err error) error {
	e := &Error{Kind: Environment, What: "the directory gave no complete answer: " + err.Error(), Err: err, Hint: "`listmaster directory test` shows how it is reached"}
	switch {
	case errors.Is(err, datasource.ErrNoGroup), ldap.NoSuchEntry(err):
		e.Kind, e.Hint = Refused, "look at the DN, and whether the bind user may read it"
	case errors.Is(err, ldap.ErrTruncated):
		e.Hint = "the server's size limit cuts the answer, paged or not: have it raised for the bind user"
	}
	return e
}

func (a *Admin) memberSource(name string) (MemberSource, error) {
	var names []string
	for _, s := range a.MemberSources {
		if s.Name() == name {
			return s, nil
		}
		names = append(names, s.Name())
	}
	if len(names) == 0 {
		return nil, refused("add one to directories in sealist.yaml", "no directory is configured")
	}
	return nil, refused("the directories are "+strings.Join(names, ", "), "there is no directory %q", name)
}

// Includes returns the includes of a list, or all for an empty text.
func (a *Admin) Includes(ctx context.Context, listText string) ([]store.Include, error) {
	var f store.IncludeFilter
	if listText != "" {
		l, err := a.list(ctx, listText)
		if err != nil {
			return nil, err
		}
		f.List = l.ID
	}
	all, err := a.Store.Includes(ctx, f)
	if err != nil {
		return nil, Explain(err)
	}
	return some(all), nil
}

// RemoveInclude takes an include away, with the members that only it brought, unless they are kept as subscribers. It
// returns how many people it had brought.
func (a *Admin) RemoveInclude(ctx context.Context, listText string, id int64, keep bool) (int, error) {
	l, err := a.list(ctx, listText)
	if err != nil {
		return 0, err
	}
	n, err := a.Store.RemoveInclude(ctx, l.ID, id, keep)
	if err != nil {
		return 0, a.storeError(err, fmt.Sprintf("the list %s has no include %d", l.Address, id), "`listmaster include ls "+l.Address.String()+"` shows those there are")
	}
	a.audit(ctx, "include rm", l.ID, fmt.Sprint(id), map[string]string{"people": fmt.Sprint(n), "kept": fmt.Sprint(keep)})
	return n, nil
}

// SyncOptions say what a synchronisation may do.
type SyncOptions struct {
	DryRun  bool // change nothing
	Approve bool // also what is more than its share
}

// Sync brings the members of a list's includes up to date, or of all lists for an empty text.
func (a *Admin) Sync(ctx context.Context, listText string, o SyncOptions) ([]Synced, error) {
	includes, err := a.Includes(ctx, listText)
	if err != nil {
		return nil, err
	}
	if len(includes) == 0 {
		return nil, refused("`listmaster include add` makes one", "there is nothing to synchronise")
	}
	all := []Synced{}
	for _, i := range includes {
		s, err := a.sync(ctx, i, o)
		if err != nil {
			return all, err
		}
		all = append(all, s)
	}
	return all, nil
}

// SyncDue is Sync for those that are due, as the server does it from time to time. One that fails harms only itself.
func (a *Admin) SyncDue(ctx context.Context) (summary string, err error) {
	due, err := a.Store.Includes(ctx, store.IncludeFilter{Due: a.Clock()})
	if err != nil {
		return "", err
	}
	var said []string
	var failed error
	for _, i := range due {
		s, err := a.sync(ctx, i, SyncOptions{})
		switch {
		case err != nil:
			failed = errors.Join(failed, fmt.Errorf("include %d: %w", i.ID, err))
		case s.Error != "":
			failed = errors.Join(failed, fmt.Errorf("include %d of %s: %s", i.ID, s.ListAddress, s.Error))
		case s.Waiting != "":
			said = append(said, fmt.Sprintf("include %d of %s waits: %s", i.ID, s.ListAddress, s.Waiting))
		case s.Summary != "":
			said = append(said, fmt.Sprintf("include %d of %s: %s", i.ID, s.ListAddress, s.Summary))
		}
	}
	return strings.Join(said, "; "), failed
}

// sync runs one include. What the directory does not answer in full changes nothing.
func (a *Admin) sync(ctx context.Context, i store.Include, o SyncOptions) (Synced, error) {
	l, err := a.Store.ListByID(ctx, i.List)
	if err != nil {
		return Synced{}, Explain(err)
	}
	s := Synced{Include: i, ListAddress: l.Address, Added: []string{}, Removed: []string{}, Refused: []string{}}
	run := store.IncludeRun{Include: i.ID, List: i.List, Due: a.Clock().Add(i.Every)}
	change, err := a.change(ctx, i)
	if err == nil {
		s.Refused = some(change.Refused)
		for _, m := range change.Add {
			s.Added = append(s.Added, m.Address.String())
		}
		s.Removed = append(s.Removed, change.Remove...)
		slices.Sort(s.Removed)
		run.Summary = change.Summary()
	}
	switch {
	case err != nil:
		run.Error, run.Due = err.Error(), a.Clock().Add(datasource.Retry(i.Every))
	case !o.Approve && change.TooLarge(i.MaxChange):
		run.Waiting = fmt.Sprintf("%d would be added and %d removed of %d, more than %d percent; `listmaster directory sync %s --dry-run` shows whom, --approve does it", len(change.Add), len(change.Remove), change.Before, i.MaxChange, l.Address)
	default:
		run.Add, run.Remove = change.Add, change.Remove
		s.Done = !o.DryRun
	}
	s.Summary, s.Error, s.Waiting = run.Summary, run.Error, run.Waiting
	if o.DryRun {
		return s, nil
	}
	if err := a.Store.ApplyInclude(ctx, run); err != nil {
		return s, Explain(err)
	}
	if len(run.Add)+len(run.Remove) > 0 {
		a.audit(ctx, "directory sync", i.List, fmt.Sprint(i.ID), map[string]string{"added": fmt.Sprint(len(run.Add)), "removed": fmt.Sprint(len(run.Remove)), "approved": fmt.Sprint(o.Approve)})
	}
	return s, nil
}

func (a *Admin) change(ctx context.Context, i store.Include) (datasource.Change, error) {
	source, err := a.memberSource(i.Directory)
	if err != nil {
		return datasource.Change{}, err
	}
	found, err := datasource.Find(ctx, source, query(i.IncludeSettings))
	if err != nil {
		return datasource.Change{}, err
	}
	before, err := a.Store.Included(ctx, i.ID)
	if err != nil {
		return datasource.Change{}, err
	}
	return datasource.Compare(before, found), nil
}
