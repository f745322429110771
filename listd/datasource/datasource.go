// Package datasource finds a list's members in directories: those of a group, or those that a search finds.
//
// An answer that is not complete is an error: from half a group nobody may conclude that the others have left it
// (invariant 2).
package datasource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/listd/list"
)

// Client asks one directory. *ldap.Directory is one.
type Client interface {
	Search(ctx context.Context, r ldap.Request) (ldap.Reply, error)
}

// Query is what is asked for.
type Query struct {
	Group     string // DN; else Base, Filter and Scope are a search
	Nested    bool   // also the people of groups in the group
	Base      string
	Filter    string
	Scope     ldap.Scope
	Attribute string   // that has the address
	Domains   []string // of the addresses that are taken
}

// People are what was found.
type People struct {
	Members []list.Member
	Refused []string // what was left out, with the reason
}

// Bounds of one query.
const (
	maxPeople  = 1_000_000
	maxGroups  = 1000
	maxRefused = 100 // reported
	pageSize   = 500
	parallel   = 8 // entries read at a time
)

// Errors of a Query.
var (
	// ErrNoGroup says that the group is not there, or may not be seen. It is no empty group.
	ErrNoGroup = errors.New("there is no such group, or we may not see it")
	// ErrTooMany says that there are more people than one include may bring.
	ErrTooMany = fmt.Errorf("more than %d people", maxPeople)
)

// Find asks for the people of a query.
func Find(ctx context.Context, c Client, q Query) (People, error) {
	f := finder{client: c, query: q, seen: map[string]bool{}}
	var err error
	if q.Group != "" {
		err = f.group(ctx, q.Group)
	} else {
		err = f.search(ctx, q.Base, q.Filter, q.Scope)
	}
	if err != nil {
		return People{}, err
	}
	slices.SortFunc(f.found.Members, func(a, b list.Member) int { return strings.Compare(a.Address.Key(), b.Address.Key()) })
	return f.found, nil
}

type finder struct {
	client Client
	query  Query
	found  People
	seen   map[string]bool // address keys
}

func (f *finder) attributes() []string {
	return []string{f.query.Attribute, "cn", "objectClass", "userAccountControl", "accountExpires", "nsAccountLock", "pwdAccountLockedTime"}
}

// search takes whom a search finds, page by page.
func (f *finder) search(ctx context.Context, base, filter string, scope ldap.Scope) error {
	reply, err := f.client.Search(ctx, ldap.Request{BaseDN: base, Scope: scope, Filter: filter, Attributes: f.attributes(), PageSize: pageSize})
	if err != nil {
		return err
	}
	for _, e := range reply.Entries {
		if err := f.take(e); err != nil {
			return err
		}
	}
	return nil
}

// group walks a group and, if that is wanted, the groups in it. One that is met again is passed over.
func (f *finder) group(ctx context.Context, dn string) error {
	walked := map[string]bool{}
	for groups := []string{dn}; len(groups) > 0; {
		next := groups[0]
		groups = groups[1:]
		key := strings.ToLower(next)
		if walked[key] {
			continue
		}
		if walked[key] = true; len(walked) > maxGroups {
			return fmt.Errorf("more than %d groups in one another", maxGroups)
		}
		members, err := f.members(ctx, next)
		if err != nil {
			return fmt.Errorf("group %s: %w", next, err)
		}
		entries, err := f.entries(ctx, members)
		if err != nil {
			return fmt.Errorf("group %s: %w", next, err)
		}
		for _, e := range entries {
			if isGroup(e) {
				if f.query.Nested {
					groups = append(groups, e.DN)
				}
				continue
			}
			if err := f.take(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func isGroup(e ldap.Entry) bool {
	return slices.ContainsFunc(e.Values("objectClass"), func(class []byte) bool {
		for _, group := range []string{"group", "groupOfNames", "groupOfUniqueNames", "groupOfEntries"} {
			if strings.EqualFold(string(class), group) {
				return true
			}
		}
		return false
	})
}

// memberAttributes hold DNs of members.
var memberAttributes = []string{"member", "uniqueMember"}

// members are the DNs in a group. Active Directory gives 1,500 at a time, as member;range=0-1499, and the rest only to who
// goes on asking.
func (f *finder) members(ctx context.Context, dn string) ([]string, error) {
	var all []string
	for attributes := memberAttributes; attributes != nil; {
		reply, err := f.client.Search(ctx, ldap.Request{BaseDN: dn, Scope: ldap.BaseObject, Filter: "(objectClass=*)", Attributes: append(slices.Clone(attributes), "objectClass"), SizeLimit: 1})
		switch {
		case ldap.NoSuchEntry(err), err == nil && len(reply.Entries) != 1:
			return nil, ErrNoGroup
		case err != nil:
			return nil, err
		}
		asked := attributes
		attributes = nil
		for _, a := range reply.Entries[0].Attributes {
			name, option, ranged := strings.Cut(a.Name, ";range=")
			if !slices.ContainsFunc(memberAttributes, func(m string) bool { return strings.EqualFold(m, name) }) {
				continue
			}
			for _, v := range a.Values {
				all = append(all, string(v))
			}
			if len(all) > maxPeople {
				return nil, ErrTooMany
			}
			if !ranged {
				continue
			}
			_, last, ok := strings.Cut(option, "-")
			var end int
			if _, err := fmt.Sscanf(last, "%d", &end); last == "*" {
				continue
			} else if !ok || err != nil || len(a.Values) == 0 {
				return nil, fmt.Errorf("the range %q cannot be understood", a.Name)
			}
			attributes = []string{fmt.Sprintf("%s;range=%d-*", name, end+1)}
		}
		if slices.Equal(asked, attributes) {
			return nil, fmt.Errorf("the range %q does not end", attributes[0])
		}
	}
	return all, nil
}

// entries reads entries by their names, some at a time. One that is gone is passed over: groups keep names of people who
// left.
func (f *finder) entries(ctx context.Context, dns []string) ([]ldap.Entry, error) {
	found := make([]*ldap.Entry, len(dns))
	errs := make([]error, len(dns))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	slots := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for i, dn := range dns {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			reply, err := f.client.Search(ctx, ldap.Request{BaseDN: dn, Scope: ldap.BaseObject, Filter: "(objectClass=*)", Attributes: f.attributes(), SizeLimit: 1})
			switch {
			case err != nil && !ldap.NoSuchEntry(err):
				errs[i] = fmt.Errorf("member %s: %w", dn, err)
				stop()
			case err == nil && len(reply.Entries) == 1:
				found[i] = &reply.Entries[0]
			}
		})
	}
	wg.Wait()
	if err := firstCause(errs); err != nil {
		return nil, err
	}
	var all []ldap.Entry
	for _, e := range found {
		if e != nil {
			all = append(all, *e)
		}
	}
	return all, nil
}

// firstCause is an error that is not only the end of the others.
func firstCause(errs []error) error {
	var other error
	for _, err := range errs {
		switch {
		case err == nil:
		case errors.Is(err, context.Canceled):
			other = err
		default:
			return err
		}
	}
	return other
}

// take adds a person, or says why not.
func (f *finder) take(e ldap.Entry) error {
	if reason := ldap.Unfit(e); reason != "" {
		f.refuse(e.DN + ": " + reason)
		return nil
	}
	values := e.Values(f.query.Attribute)
	if len(values) == 0 {
		f.refuse(e.DN + ": it has no " + f.query.Attribute)
		return nil
	}
	text := string(values[0])
	if strings.EqualFold(f.query.Attribute, "proxyAddresses") {
		i := slices.IndexFunc(values, func(v []byte) bool { return strings.HasPrefix(string(v), "SMTP:") }) // the primary one
		if i < 0 {
			f.refuse(e.DN + ": it has no primary SMTP address")
			return nil
		}
		text = string(values[i])[len("SMTP:"):]
	}
	address, err := list.ParseAddress(text)
	switch {
	case err != nil:
		f.refuse(fmt.Sprintf("%s: %v", e.DN, err))
		return nil
	case !slices.ContainsFunc(f.query.Domains, func(d string) bool { return strings.EqualFold(d, address.Domain()) }):
		f.refuse(fmt.Sprintf("%s: %s is in none of the domains", e.DN, address))
		return nil
	case f.seen[address.Key()]:
		return nil
	}
	if f.seen[address.Key()] = true; len(f.seen) > maxPeople {
		return ErrTooMany
	}
	f.found.Members = append(f.found.Members, list.Member{Address: address, Role: list.RoleMember})
	return nil
}

func (f *finder) refuse(text string) {
	if len(f.found.Refused) < maxRefused {
		f.found.Refused = append(f.found.Refused, text)
	}
}
