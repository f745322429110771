package datasource_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/listd/datasource"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
)

func entry(name string, classes []string, more map[string][]string) peer.Entry {
	e := peer.Entry{DN: name + "," + peer.SlapdPeopleDN, Attributes: map[string][]string{"objectClass": classes, "cn": {strings.TrimPrefix(name, "cn=")}}}
	for k, v := range more {
		e.Attributes[k] = v
	}
	return e
}

func dn(uid string) string { return "uid=" + uid + "," + peer.SlapdPeopleDN }

func directoryOn(t *testing.T, s *peer.Slapd) *ldap.Directory {
	o := ldap.Options{Name: "corp", Preset: "openldap", BaseDN: peer.SlapdPeopleDN, Domains: []string{"corp.example"}}
	o.URLs = []string{s.Socket}
	d, err := ldap.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func addresses(p datasource.People) []string {
	all := []string{}
	for _, m := range p.Members {
		all = append(all, m.Address.String())
	}
	return all
}

// TestGroups is the table of whom groups and searches bring, on a real slapd.
func TestGroups(t *testing.T) {
	group := []string{"groupOfNames"}
	var entries []peer.Entry
	for _, mail := range []string{"alice@corp.example", "bob@corp.example", "carol@corp.example", "dora@elsewhere.example"} {
		uid, _, _ := strings.Cut(mail, "@")
		entries = append(entries, peer.Person(uid, mail))
	}
	odd := peer.Person("odd", "odd@corp.example")
	delete(odd.Attributes, "mail")
	entries = append(entries, odd, peer.Person("quoted", `"a@b"@corp.example`))
	entries = append(entries,
		entry("cn=inner", group, map[string][]string{"member": {dn("carol"), "cn=outer," + peer.SlapdPeopleDN}}), // a circle
		entry("cn=outer", group, map[string][]string{"member": {dn("alice"), dn("bob"), dn("gone"), dn("dora"), dn("odd"), dn("quoted"), "cn=inner," + peer.SlapdPeopleDN}}),
		entry("cn=self", group, map[string][]string{"member": {"cn=self," + peer.SlapdPeopleDN}}))
	s := peer.StartSlapd(t, peer.SlapdOptions{Entries: entries, Anonymous: true})
	d := directoryOn(t, s)
	q := datasource.Query{Attribute: "mail", Domains: []string{"corp.example"}}
	with := func(change func(*datasource.Query)) datasource.Query { own := q; change(&own); return own }
	for name, test := range map[string]struct {
		query   datasource.Query
		want    []string
		refused int
		err     error
	}{
		"a group":             {with(func(q *datasource.Query) { q.Group = "cn=outer," + peer.SlapdPeopleDN }), []string{"alice@corp.example", "bob@corp.example"}, 3, nil},
		"with groups in it":   {with(func(q *datasource.Query) { q.Group, q.Nested = "cn=outer,"+peer.SlapdPeopleDN, true }), []string{"alice@corp.example", "bob@corp.example", "carol@corp.example"}, 3, nil},
		"only itself":         {with(func(q *datasource.Query) { q.Group, q.Nested = "cn=self,"+peer.SlapdPeopleDN, true }), []string{}, 0, nil},
		"no group":            {with(func(q *datasource.Query) { q.Group = "cn=none," + peer.SlapdPeopleDN }), nil, 0, errAny},
		"a search":            {with(func(q *datasource.Query) { q.Base, q.Filter = peer.SlapdPeopleDN, "(uid=*o*)" }), []string{"bob@corp.example", "carol@corp.example"}, 3, nil},
		"a search, one level": {with(func(q *datasource.Query) { q.Base, q.Filter, q.Scope = peer.SlapdBaseDN, "(uid=*)", ldap.SingleLevel }), []string{}, 0, nil},
		"no base":             {with(func(q *datasource.Query) { q.Base, q.Filter = "ou=none,"+peer.SlapdBaseDN, "(uid=*)" }), nil, 0, errAny},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := datasource.Find(t.Context(), d, test.query)
			if (err != nil) != (test.err != nil) || err == nil && (!slices.Equal(addresses(found), test.want) || len(found.Refused) != test.refused) {
				t.Errorf("%v, %q, %v", addresses(found), found.Refused, err)
			}
		})
	}
	s.Stop()
	if found, err := datasource.Find(t.Context(), d, with(func(q *datasource.Query) { q.Group = "cn=outer," + peer.SlapdPeopleDN })); err == nil {
		t.Errorf("an outage is an empty group: %v", addresses(found))
	}
}

var errAny = errors.New("any")

// TestSizeLimit: a server's limit cuts a search, paged or not; what it cut is no list of members.
func TestSizeLimit(t *testing.T) {
	var entries []peer.Entry
	for i := range 1200 {
		entries = append(entries, peer.Person(fmt.Sprintf("u%04d", i), fmt.Sprintf("u%04d@corp.example", i)))
	}
	q := datasource.Query{Base: peer.SlapdPeopleDN, Filter: "(uid=*)", Attribute: "mail", Domains: []string{"corp.example"}}
	all := directoryOn(t, peer.StartSlapd(t, peer.SlapdOptions{Entries: entries, Anonymous: true}))
	if found, err := datasource.Find(t.Context(), all, q); err != nil || len(found.Members) != 1200 {
		t.Errorf("%d, %v", len(found.Members), err)
	}
	cut := directoryOn(t, peer.StartSlapd(t, peer.SlapdOptions{Entries: entries, Anonymous: true, SizeLimit: 700}))
	if found, err := datasource.Find(t.Context(), cut, q); !errors.Is(err, ldap.ErrTruncated) {
		t.Errorf("%d, %v", len(found.Members), err)
	}
}

// ranged is a directory that gives the members of its one group as Active Directory does.
type ranged struct {
	members int
	step    int
	fail    map[string]error // by attribute asked for
	last    string           // what stands for the end: "*" as a rule
}

func (r ranged) Search(_ context.Context, q ldap.Request) (ldap.Reply, error) {
	if !strings.HasPrefix(q.BaseDN, "cn=group") {
		uid, _, _ := strings.Cut(strings.TrimPrefix(q.BaseDN, "uid="), ",")
		return ldap.Reply{Entries: []ldap.Entry{{DN: q.BaseDN, Attributes: []ldap.Attribute{{Name: "mail", Values: [][]byte{[]byte(uid + "@corp.example")}}}}}}, nil
	}
	if err := r.fail[q.Attributes[0]]; err != nil {
		return ldap.Reply{}, err
	}
	first := 0
	fmt.Sscanf(q.Attributes[0], "member;range=%d-*", &first)
	end := min(first+r.step, r.members)
	last := fmt.Sprint(end - 1)
	if end == r.members {
		last = r.last
	}
	a := ldap.Attribute{Name: fmt.Sprintf("member;range=%d-%s", first, last)}
	for i := first; i < end; i++ {
		a.Values = append(a.Values, fmt.Appendf(nil, "uid=u%d,o=x", i))
	}
	return ldap.Reply{Entries: []ldap.Entry{{DN: q.BaseDN, Attributes: []ldap.Attribute{{Name: "member"}, a}}}}, nil
}

// TestRanges: members that come in parts are asked for to the end; a part that is missing is an error.
func TestRanges(t *testing.T) {
	q := datasource.Query{Group: "cn=group", Attribute: "mail", Domains: []string{"corp.example"}}
	if found, err := datasource.Find(t.Context(), ranged{members: 4000, step: 1500, last: "*"}, q); err != nil || len(found.Members) != 4000 {
		t.Errorf("%d, %v", len(found.Members), err)
	}
	for name, c := range map[string]ranged{
		"a part fails":        {members: 4000, step: 1500, last: "*", fail: map[string]error{"member;range=1500-*": errors.New("down")}},
		"an end that is none": {members: 10, step: 1500, last: "x"},
		"parts without end":   {members: 1500, step: 1500, last: "-1"},
	} {
		if found, err := datasource.Find(t.Context(), c, q); err == nil {
			t.Errorf("%s: %d members", name, len(found.Members))
		}
	}
}

// TestTooLarge is the table of changes that wait for somebody.
func TestTooLarge(t *testing.T) {
	for _, test := range []struct {
		before, add, remove int
		waits               bool
	}{{0, 10, 0, false}, {0, 11, 0, true}, {100, 20, 0, false}, {100, 21, 0, true}, {100, 0, 21, true}, {100, 20, 20, false}, {5, 0, 5, false}, {1000, 0, 1000, true}} {
		c := datasource.Change{Before: test.before, Add: make([]list.Member, test.add), Remove: make([]string, test.remove)}
		if c.TooLarge(20) != test.waits {
			t.Errorf("%+v", test)
		}
	}
}
