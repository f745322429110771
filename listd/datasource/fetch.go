package datasource

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// Why there is no answer, besides outages. Each is permanent: the include, the directory or the configuration must be
// changed.
var (
	// ErrNoDirectory: the configuration has no directory of that name.
	ErrNoDirectory = errors.New("there is no such directory in the configuration")
	// ErrNoDomains: neither the directory nor the include says which domains its addresses may have.
	ErrNoDomains = errors.New("no domains are configured for the addresses it may bring")
	// ErrNoGroup: the directory has no such entry.
	ErrNoGroup = errors.New("the directory has no such group")
	// ErrNotGroup: the entry is there and is no group with members that can be read.
	ErrNotGroup = errors.New("the entry is no group whose members can be read")
	// ErrNoBase: the entry below which is to be searched does not exist.
	ErrNoBase = errors.New("the directory has no entry to search below")
	// ErrTooMany: it brings more than the include may.
	ErrTooMany = errors.New("more entries than the include may bring")
	// ErrTooDeep: groups are nested deeper, or more of them, than anybody wants.
	ErrTooDeep = errors.New("too many nested groups")
	// ErrChanged: the group changed while it was read. Temporary.
	ErrChanged = errors.New("the group changed while it was read")
)

// Query is what is asked of a directory.
type Query struct {
	store.Include
	Self  list.Address      // the list, which cannot be a member of itself
	Known map[string]string // address key of those who stand in the include, by the entry they came from
}

// Found is all that an include's source has.
type Found struct {
	Members []store.IncludedMember // each address once
	Keep    []string               // entries whose address cannot be learnt now
	Refused []store.Refusal
	Server  string // that answered
}

// Fetch asks the directory. All or nothing: with an error there is no answer, and nothing may be changed for want of it.
// Errors besides those above are outages; ldap.ErrTruncated and ldap.ErrReferral among them are there until somebody
// changes the directory's limits or the question.
func Fetch(ctx context.Context, d *ldap.Directory, q Query) (Found, error) {
	domains, err := Domains(d.Domains(), q.Domains)
	if err != nil {
		return Found{}, err
	}
	var found Found
	err = d.Client().Bulk(ctx, func(ctx context.Context, b *ldap.Bulk) error {
		c := &collector{query: q, domains: domains, seen: map[string]bool{}}
		var err error
		if q.Group != "" {
			err = newWalk(b, c).group(ctx, q.Group)
		} else {
			err = search(ctx, b, c, d.BaseDN())
		}
		if err != nil {
			return err
		}
		found = c.settle()
		found.Server = b.Server()
		return nil
	})
	if err != nil {
		return Found{}, err
	}
	return found, nil
}

// Domains are those whose addresses an include may bring: the directory's, or some of them that the include names. A
// directory that serves all domains leaves it to the include. ErrNoDomains if none are left.
func Domains(directory, include []string) ([]string, error) {
	switch {
	case len(directory) == 0 && len(include) == 0:
		return nil, ErrNoDomains
	case len(include) == 0:
		return lower(directory), nil
	case len(directory) == 0:
		return lower(include), nil
	}
	both := slices.DeleteFunc(lower(include), func(d string) bool { return !slices.Contains(lower(directory), d) })
	if len(both) == 0 {
		return nil, fmt.Errorf("%w: the directory serves none of the include's", ErrNoDomains)
	}
	return both, nil
}

// search asks by base and filter.
func search(ctx context.Context, b *ldap.Bulk, c *collector, base string) error {
	if c.query.BaseDN != "" {
		base = c.query.BaseDN
	}
	scope, err := ParseScope(c.query.Scope)
	if err != nil {
		return err
	}
	elsewhere, err := b.Each(ctx, ldap.Request{BaseDN: base, Scope: scope, Filter: c.query.Filter, Attributes: c.attributes()}, c.take)
	switch {
	case errors.Is(err, ldap.ErrNoObject):
		return fmt.Errorf("%s: %w", base, errors.Join(ErrNoBase, err))
	case err == nil && len(elsewhere) > 0:
		return fmt.Errorf("%s: %w: %.200s", b.Server(), ldap.ErrReferral, elsewhere[0])
	}
	return err
}

// ParseScope reads sub, one or base; empty is sub.
func ParseScope(text string) (ldap.Scope, error) {
	for _, s := range []ldap.Scope{ldap.WholeSubtree, ldap.SingleLevel, ldap.BaseObject} {
		if text == s.String() || text == "" {
			return s, nil
		}
	}
	return 0, fmt.Errorf("%.40q is no scope: write sub, one or base", text)
}
