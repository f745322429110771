package datasource

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// Why an entry became no member: the words of store.Refusal.
const (
	NoAddress   = "no_address"       // the attribute has no value, or none that is an e-mail address
	BadAddress  = "bad_address"      // it has, and none is one that can be written to
	OtherDomain = "other_domain"     // its domain is not one the include may bring
	ListItself  = "list_itself"      // it is the list's own address
	SameAddress = "same_address"     // another entry has it too, and is the member
	Disabled    = "account_disabled" // the directory has switched the account off
	IsGroup     = "group"            // and not a person; a group include may be nested
	NoEntry     = "no_entry"         // a group names it, and the directory has no such entry
	NoName      = "bad_name"         // a group names it, and it is no distinguished name
	Elsewhere   = "elsewhere"        // it lies on another server, which is not asked; who came from it stays
	Unreadable  = "unreadable"       // we may not read it; who came from it stays
)

// Bounds on what is looked at in one entry.
const (
	maxValues    = 500
	maxNameRunes = 100
	maxShown     = 200 // octets of a value in a refusal
)

// collector gathers people from entries.
type collector struct {
	query   Query
	domains []string
	seen    map[string]bool // entries, by their normalised names
	people  []person
	found   Found
}

// person is an entry that can be a member.
type person struct {
	entry     string
	name      string
	addresses []list.Address // that would do, in the order of preference
}

// attributes are those that must be read of a person.
func (c *collector) attributes() []string {
	return []string{c.query.Attribute, "objectClass", "displayName", "cn", "userAccountControl", "nsAccountLock", "pwdAccountLockedTime"}
}

// take looks at one entry.
func (c *collector) take(e ldap.Entry) error {
	entry, err := ldap.Normal(e.DN)
	if err != nil {
		return fmt.Errorf("an entry named %.200q: %w: %w", e.DN, ldap.ErrGarbled, err)
	}
	if c.seen[entry] {
		return nil
	}
	c.seen[entry] = true
	if len(c.seen) > c.query.MaxMembers {
		return fmt.Errorf("%w: %d", ErrTooMany, c.query.MaxMembers)
	}
	switch {
	case isGroup(e):
		c.refuse(e.DN, "", IsGroup, "")
	case disabled(e):
		c.refuse(e.DN, "", Disabled, "")
	default:
		c.takePerson(e, entry)
	}
	return nil
}

func (c *collector) refuse(dn, value, reason, detail string) {
	c.found.Refused = append(c.found.Refused, store.Refusal{Entry: cut(dn), Value: cut(value), Reason: reason, Detail: detail})
}

// takePerson reads the addresses of a person. One good one is enough, and the others are not spoken of.
func (c *collector) takePerson(e ldap.Entry, entry string) {
	p := person{entry: entry, name: nameOf(e)}
	var value, reason, detail string
	for _, text := range addressesOf(e, c.query.Attribute) {
		address, why, what := c.address(text)
		if why == "" {
			p.addresses = append(p.addresses, address)
		} else if reason == "" {
			value, reason, detail = text, why, what
		}
	}
	switch {
	case len(p.addresses) > 0:
		c.people = append(c.people, p)
	case reason == "":
		c.refuse(e.DN, "", NoAddress, "it has no "+c.query.Attribute)
	default:
		c.refuse(e.DN, value, reason, detail)
	}
}

// address judges one value.
func (c *collector) address(text string) (a list.Address, reason, detail string) {
	a, err := list.ParseAddress(text)
	var bad *list.AddressError
	switch {
	case errors.As(err, &bad):
		return a, BadAddress, bad.Reason
	case err != nil:
		return a, BadAddress, err.Error()
	case !slices.Contains(c.domains, a.Domain()):
		return a, OtherDomain, "the domains are " + strings.Join(c.domains, ", ")
	case a.Same(c.query.Self):
		return a, ListItself, ""
	}
	return a, "", ""
}

// settle gives every person one address: the one he is known by while he still has it, so that what he adds to his entry
// changes nothing; else the first. Of two with the same address the one who is known by it is the member.
func (c *collector) settle() Found {
	known := func(p person) int {
		return slices.IndexFunc(p.addresses, func(a list.Address) bool { return a.Key() == c.query.Known[p.entry] })
	}
	slices.SortFunc(c.people, func(a, b person) int {
		return cmp.Or(boolCompare(known(b) >= 0, known(a) >= 0), strings.Compare(a.entry, b.entry))
	})
	owner := map[string]string{}
	for _, p := range c.people {
		address := p.addresses[max(0, known(p))]
		if other, taken := owner[address.Key()]; taken {
			c.refuse(p.entry, address.String(), SameAddress, "so has "+cut(other))
			continue
		}
		owner[address.Key()] = p.entry
		c.found.Members = append(c.found.Members, store.IncludedMember{Address: address, Name: p.name, Entry: p.entry})
	}
	slices.SortStableFunc(c.found.Refused, func(a, b store.Refusal) int { return strings.Compare(a.Entry, b.Entry) })
	return c.found
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// groupClasses are the object classes of groups, in lower case.
var groupClasses = []string{"group", "groupofnames", "groupofuniquenames", "groupofmembers", "groupofentries", "groupofurls", "posixgroup"}

func isGroup(e ldap.Entry) bool {
	return slices.ContainsFunc(e.Values("objectClass"), func(class []byte) bool {
		return slices.Contains(groupClasses, strings.ToLower(string(class)))
	})
}

// disabled says whether the directory has switched an account off: Active Directory by a bit of userAccountControl
// ([MS-ADTS] section 2.2.16), 389 Directory Server by nsAccountLock, OpenLDAP by the time that locks for good
// (draft-behera-ldap-password-policy-10 section 5.3.3).
func disabled(e ldap.Entry) bool {
	const accountDisable = 0x2
	for _, value := range e.Values("userAccountControl") {
		if bits, err := strconv.ParseInt(string(value), 10, 64); err == nil && bits&accountDisable != 0 {
			return true
		}
	}
	for _, value := range e.Values("nsAccountLock") {
		if strings.EqualFold(string(value), "true") {
			return true
		}
	}
	return slices.ContainsFunc(e.Values("pwdAccountLockedTime"), func(value []byte) bool { return string(value) == "000001010000Z" })
}

// addressesOf reads the values of the address attribute, blanks around them taken away.
//
// QUIRK: Active Directory's proxyAddresses holds "SMTP:primary", "smtp:other" and addresses of other kinds, as "X500:…".
// The primary one comes first, the other kinds are left out.
func addressesOf(e ldap.Entry, attribute string) []string {
	values := e.Values(attribute)
	values = values[:min(len(values), maxValues)]
	proxy := strings.EqualFold(attribute, "proxyAddresses")
	var primary, others []string
	for _, value := range values {
		text := strings.Trim(string(value), " ")
		kind, rest, typed := strings.Cut(text, ":")
		switch {
		case !proxy || !typed:
			others = append(others, text)
		case kind == "SMTP":
			primary = append(primary, rest)
		case strings.EqualFold(kind, "smtp"):
			others = append(others, rest)
		}
	}
	return append(primary, others...)
}

// nameOf is what a new member is called. A name that could not stand in one line is none.
func nameOf(e ldap.Entry) string {
	for _, attribute := range []string{"displayName", "cn"} {
		for _, value := range e.Values(attribute) {
			name := string(bytes.TrimSpace(value))
			if name != "" && utf8.ValidString(name) && utf8.RuneCountInString(name) <= maxNameRunes && !strings.ContainsFunc(name, unprintable) {
				return name
			}
		}
	}
	return ""
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// cut shortens a text to what a record keeps of it.
func cut(text string) string {
	if len(text) <= maxShown {
		return strings.ToValidUTF8(text, "\uFFFD")
	}
	return strings.ToValidUTF8(text[:maxShown], "") + "…"
}

func lower(domains []string) []string {
	all := make([]string, len(domains))
	for i, d := range domains {
		all[i] = directory.Normalise(d)
	}
	return all
}
