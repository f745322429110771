package listd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sealist/sealist/listd/datasource"
	"github.com/sealist/sealist/listd/distribute"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
)

// facts answers what scenarios ask: from the database, the configuration, and
// the search files of the data folder.
type facts struct {
	store       *store.Store
	scenarios   *scenario.Library
	searcher    *datasource.Searcher
	listmasters []string
}

// Facts returns what scenarios ask.
func (s *Sealist) Facts() scenario.Facts {
	return facts{s.Store, s.Scenarios, datasource.NewSearcher(s.Directories), s.Config.Listmasters}
}

// HasRole implements scenario.Facts. The address may be of a field that the
// author hid: no error says it (invariant 1).
func (f facts) HasRole(ctx context.Context, on, a list.Address, role list.Role) (bool, error) {
	l, err := f.list(ctx, on)
	if err != nil {
		return false, err
	}
	held, err := f.store.MemberOf(ctx, l.ID, []list.Address{a})
	if err != nil {
		return false, fmt.Errorf("looking up somebody's roles on %s: %w", on, err)
	}
	return slices.ContainsFunc(held[a.Key()], func(m store.Standing) bool { return m.Role == role }), nil
}

// Count implements scenario.Facts.
func (f facts) Count(ctx context.Context, on list.Address, role list.Role) (int, error) {
	l, err := f.list(ctx, on)
	if err != nil {
		return 0, err
	}
	return f.store.CountRole(ctx, l.ID, role)
}

func (f facts) list(ctx context.Context, a list.Address) (list.List, error) {
	l, err := f.store.List(ctx, a)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("there is no list %s: %w", a, scenario.ErrPermanent)
	}
	return l, err
}

// IsListmaster implements scenario.Facts.
func (f facts) IsListmaster(_ context.Context, a list.Address) (bool, error) {
	return slices.ContainsFunc(f.listmasters, func(l string) bool { return strings.EqualFold(l, a.String()) }), nil
}

// Search implements scenario.Facts.
func (f facts) Search(ctx context.Context, q scenario.Query) (bool, error) {
	found, err := f.scenarios.Filters(q.File, q.List)
	if err != nil || len(found) == 0 {
		return false, err
	}
	files := make([]datasource.SearchFile, len(found))
	for i, one := range found {
		files[i] = datasource.SearchFile{Name: one.Label, Octets: one.Octets}
	}
	ok, err := f.searcher.Search(ctx, files, datasource.SearchFor{Value: q.Value, Variables: q.Variables})
	if errors.Is(err, datasource.ErrSearchFile) {
		err = fmt.Errorf("%w: %w", scenario.ErrPermanent, err)
	}
	return ok, err
}

// ReadMessage makes what a scenario may ask of a message in clear, for trying
// one out.
func ReadMessage(octets []byte) (scenario.Message, error) { return distribute.ReadMessage(octets) }
