package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/listd/datasource"
	"github.com/sealist/sealist/listd/store"
)

// SyncIncludes synchronises the includes of one list, or of all for an empty
// text. With dryRun it tells what would be. With approve it carries out what
// waits on that list, unless that has grown since it was shown. One that fails
// does not keep the others back: its outcome says so.
func (a *Admin) SyncIncludes(ctx context.Context, listText string, dryRun, approve bool) ([]Sync, error) {
	switch {
	case approve && dryRun:
		return nil, usage("look first, then approve", "--dry-run changes nothing, --approve does")
	case approve && listText == "":
		return nil, usage("name one list", "what waits is approved list by list")
	}
	includes, lists, err := a.includesOf(ctx, listText)
	if err != nil {
		return nil, err
	}
	if approve {
		if includes = waiting(includes); len(includes) == 0 {
			return nil, refused("`listmaster directory sync "+listText+"` synchronises it", "nothing waits on %s", listText)
		}
	}
	all := []Sync{}
	for _, i := range includes {
		run, err := a.Includes.Sync(ctx, i, datasource.Options{Actor: a.Actor, DryRun: dryRun, Approve: approve})
		if ctx.Err() != nil {
			return all, ctx.Err()
		}
		if err != nil && run.Outcome != store.SyncFailed {
			return all, Explain(err) // the database, not the directory
		}
		s := syncOf(lists[i.List], run, dryRun)
		switch {
		case err != nil:
			why := explainSource(i, err)
			s.Reason, s.Hint = why.What, why.Hint
		case run.Outcome == store.SyncPending:
			s.Hint = fmt.Sprintf("`listmaster directory sync %s --dry-run` shows it, --approve carries it out", s.List)
		}
		all = append(all, s)
	}
	return all, nil
}

func waiting(includes []store.Include) []store.Include {
	var some []store.Include
	for _, i := range includes {
		if i.Pending != nil {
			some = append(some, i)
		}
	}
	return some
}

// explainSource puts into words why a directory gave no answer for an include.
func explainSource(i store.Include, err error) *Error {
	e := &Error{Kind: Refused, What: err.Error(), Err: err}
	for _, known := range []struct {
		err  error
		hint string
	}{
		{datasource.ErrNoDirectory, "`listmaster directory ls` shows those there are; members stay as they are while it is missing"},
		{datasource.ErrNoDomains, "set domains of the directory " + i.Directory + " in sealist.yaml, or give --domains: without them a directory could put anybody on the list"},
		{datasource.ErrNoGroup, "write its whole name as the directory has it, as cn=staff,ou=groups,dc=example,dc=org; or the bind user may not read it"},
		{datasource.ErrNotGroup, "give a group with member or uniqueMember, or search with --base and --filter"},
		{datasource.ErrNoBase, "write --base as the directory has it; or the bind user may not read it"},
		{datasource.ErrTooMany, "raise --max-members if that many are meant"},
		{datasource.ErrTooDeep, "include the groups that matter by themselves, without --nested"},
		{datasource.ErrChanged, "try again"},
		{ldap.ErrTruncated, "let the server give the bind user all: `limits dn.exact=\"BIND DN\" size=unlimited size.prtotal=unlimited` in OpenLDAP, nsSizeLimit in 389 DS; a group needs no more than 50 at a time"},
		{ldap.ErrReferral, "choose a base below which everything lies on this server; in Active Directory ask a global catalog, as ldaps://dc:3269"},
	} {
		if errors.Is(err, known.err) {
			e.Hint = known.hint
			return e
		}
	}
	e.Kind = Environment
	e.Hint = strings.TrimSpace("`listmaster directory test --name " + i.Directory + "` tells how its servers are reached; nobody was added or removed")
	return e
}
