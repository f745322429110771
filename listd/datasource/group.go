package datasource

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sealist/sealist/directory/ldap"
)

// Bounds of a walk through groups.
const (
	maxDepth  = 20
	maxGroups = 1000
	batchSize = 50 // names that are looked up in one search
)

// walk reads a group and, if the include is nested, the groups in it.
//
// It walks in Active Directory too, although that could follow the chain itself (LDAP_MATCHING_RULE_IN_CHAIN): that
// leaves out, without a word, members that lie in another domain.
type walk struct {
	b      *ldap.Bulk
	c      *collector
	naming ldap.Naming
	single bool // the server does not like to be asked for many names at once

	asked  map[string]bool // names that have been looked up
	groups int
	rids   []string // Active Directory: the groups' numbers in their domain
}

func newWalk(b *ldap.Bulk, c *collector) *walk {
	return &walk{b: b, c: c, asked: map[string]bool{}}
}

// name is a distinguished name as a group has it, and normalised.
type name struct{ text, key string }

// groupAttributes are those that must be read of a group.
var groupAttributes = []string{"objectClass", "member", "uniqueMember", "memberUid", "memberURL", "objectSid", "uSNChanged"}

// group reads everybody in a group.
func (w *walk) group(ctx context.Context, dn string) error {
	key, err := ldap.Normal(dn)
	if err != nil {
		return fmt.Errorf("%s: %w", dn, err)
	}
	if w.naming, err = w.b.Naming(ctx); err != nil {
		return err
	}
	w.asked[key] = true
	level := []name{{dn, key}}
	for depth := 0; len(level) > 0; depth++ {
		if depth > maxDepth {
			return fmt.Errorf("%w: groups in groups, %d deep, as %s", ErrTooDeep, depth, level[0].text)
		}
		var within []name
		for _, group := range level {
			groups, err := w.members(ctx, group, depth == 0)
			if err != nil {
				return err
			}
			within = append(within, groups...)
		}
		level = within
	}
	return w.primary(ctx, dn)
}

// members reads one group. It returns the groups in it that are to be read next.
func (w *walk) members(ctx context.Context, group name, first bool) ([]name, error) {
	if w.groups++; w.groups > maxGroups {
		return nil, fmt.Errorf("%w: more than %d", ErrTooDeep, maxGroups)
	}
	e, err := w.b.Entry(ctx, group.text, groupAttributes...)
	switch {
	case first && errors.Is(err, ldap.ErrNoObject):
		return nil, fmt.Errorf("%s: %w", group.text, errors.Join(ErrNoGroup, err))
	case err != nil:
		return nil, err
	case first && !isGroup(e):
		return nil, fmt.Errorf("%s: %w", group.text, ErrNotGroup)
	case len(e.Values("memberUid")) > 0, len(e.Values("memberURL")) > 0:
		return nil, fmt.Errorf("%s: %w: it names them by memberUid or memberURL", group.text, ErrNotGroup)
	}
	if w.naming.ActiveDirectory {
		w.rids = append(w.rids, rid(e)...)
	}
	values, err := w.values(ctx, e)
	if err != nil {
		return nil, err
	}
	return w.resolve(ctx, w.names(group, values))
}

// values reads the names in a group, which may take several questions.
func (w *walk) values(ctx context.Context, e ldap.Entry) ([][]byte, error) {
	most := w.c.query.MaxMembers + maxGroups
	members, err := w.b.Values(ctx, e, "member", most)
	if err != nil {
		return nil, err
	}
	unique, err := w.b.Values(ctx, e, "uniqueMember", most)
	if err != nil {
		return nil, err
	}
	if len(members) > len(e.Values("member")) { // read in parts, between which somebody may have gone or come
		again, err := w.b.Entry(ctx, e.DN, "uSNChanged")
		if err != nil {
			return nil, err
		}
		if before, after := e.Values("uSNChanged"), again.Values("uSNChanged"); fmt.Sprint(before) != fmt.Sprint(after) {
			return nil, fmt.Errorf("%s: %w", e.DN, ErrChanged)
		}
	}
	return append(members, unique...), nil
}

// uniqueIdentifier is what may stand behind a name in uniqueMember (RFC 4517 section 3.3.21).
var uniqueIdentifier = regexp.MustCompile(`#'[01]*'B$`)

// names are those that have not been looked up yet.
func (w *walk) names(group name, values [][]byte) []name {
	var names []name
	for _, value := range values {
		text := uniqueIdentifier.ReplaceAllString(string(value), "")
		key, err := ldap.Normal(text)
		if err != nil {
			w.c.refuse(group.text, text, NoName, "it stands in the group for a member")
			continue
		}
		if !w.asked[key] {
			w.asked[key] = true
			names = append(names, name{text, key})
		}
	}
	return names
}

// resolve looks names up: people are collected; groups are returned, if they are to be read too.
func (w *walk) resolve(ctx context.Context, names []name) (groups []name, err error) {
	take := func(n name, e ldap.Entry) error {
		if w.c.query.Nested && isGroup(e) {
			groups = append(groups, n)
			return nil
		}
		e.DN = n.text // as the group has it: a server may write it in another way
		return w.c.take(e)
	}
	for context, some := range w.contexts(names) {
		for batch := range slices.Chunk(some, batchSize) {
			rest := batch
			if context != "" && !w.single {
				if rest, err = w.batch(ctx, context, batch, take); err != nil {
					return nil, err
				}
			}
			for _, n := range rest {
				if err := w.one(ctx, n, take); err != nil {
					return nil, err
				}
			}
		}
	}
	return groups, nil
}

// contexts sorts names by the root below which they lie; those below none stand under "".
func (w *walk) contexts(names []name) map[string][]name {
	sorted := map[string][]name{}
	for _, n := range names {
		root := w.context(n.key)
		sorted[root] = append(sorted[root], n)
	}
	return sorted
}

// context is the root below which a name lies, "" for none: of several, the one nearest to it.
func (w *walk) context(key string) string {
	best, length := "", 0
	for _, root := range w.naming.Contexts {
		normal, err := ldap.Normal(root)
		if err == nil && (key == normal || strings.HasSuffix(key, ","+normal)) && len(normal) > length {
			best, length = root, len(normal)
		}
	}
	return best
}

// batch looks up many names in one search, and returns those it did not find: they are read one by one, because only
// that tells an entry that is gone from one that lies elsewhere.
func (w *walk) batch(ctx context.Context, base string, names []name, take func(name, ldap.Entry) error) (rest []name, err error) {
	attribute := "entryDN" // RFC 5020
	if w.naming.ActiveDirectory {
		attribute = "distinguishedName"
	}
	var filter strings.Builder
	wanted := map[string]name{}
	filter.WriteString("(|")
	for _, n := range names {
		wanted[n.key] = n
		fmt.Fprintf(&filter, "(%s=%s)", attribute, ldap.Escape(n.text))
	}
	filter.WriteString(")")
	found := map[string]ldap.Entry{}
	_, err = w.b.Each(ctx, ldap.Request{BaseDN: base, Filter: filter.String(), Attributes: w.c.attributes()}, func(e ldap.Entry) error {
		if key, err := ldap.Normal(e.DN); err == nil {
			found[key] = e
		}
		return nil
	})
	if err != nil {
		if ldap.Answered(err) {
			w.single = true
			return names, nil
		}
		return nil, err
	}
	for _, n := range names {
		e, ok := found[n.key]
		if !ok {
			rest = append(rest, n)
		} else if err := take(n, e); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// one reads one name. What lies elsewhere may be a group: half of nested groups would be taken for the whole then.
func (w *walk) one(ctx context.Context, n name, take func(name, ldap.Entry) error) error {
	const insufficientAccessRights = 50 // RFC 4511 appendix A.2
	e, err := w.b.Entry(ctx, n.text, w.c.attributes()...)
	var failed *ldap.Error
	switch {
	case err == nil:
		return take(n, e)
	case errors.Is(err, ldap.ErrNoObject):
		w.c.refuse(n.text, "", NoEntry, "")
	case w.c.query.Nested:
		return err
	case errors.Is(err, ldap.ErrReferral):
		w.c.keep(n, Elsewhere)
	case errors.As(err, &failed) && failed.Code == insufficientAccessRights:
		w.c.keep(n, Unreadable)
	default:
		return err
	}
	return nil
}

// keep refuses an entry that says nothing now about who came from it.
func (c *collector) keep(n name, reason string) {
	c.refuse(n.text, "", reason, "")
	c.found.Keep = append(c.found.Keep, n.key)
}

// primary collects those whose primary group one of the groups is: Active Directory does not name them in it
// ([MS-ADTS] section 3.1.1.4.5.12). They are of the group's own domain.
func (w *walk) primary(ctx context.Context, dn string) error {
	key, err := ldap.Normal(dn)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(w.rids, batchSize) {
		filter := "(|(primaryGroupID=" + strings.Join(batch, ")(primaryGroupID=") + "))"
		request := ldap.Request{BaseDN: w.context(key), Filter: filter, Attributes: w.c.attributes()}
		if _, err := w.b.Each(ctx, request, w.c.take); err != nil {
			return err
		}
	}
	return nil
}

// rid is the last part of a security identifier, the number of a group in its domain ([MS-DTYP] section 2.4.2.2). A group
// that belongs to no domain has none.
func rid(e ldap.Entry) []string {
	const header, part = 8, 4
	for _, sid := range e.Values("objectSid") {
		// S-1-5-21-A-B-C-RID: authority 5, five numbers of which the first is 21.
		if len(sid) == header+5*part && sid[0] == 1 && sid[1] == 5 && sid[7] == 5 && binary.LittleEndian.Uint32(sid[header:]) == 21 {
			return []string{strconv.FormatUint(uint64(binary.LittleEndian.Uint32(sid[header+4*part:])), 10)}
		}
	}
	return nil
}
