package datasource_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/listd/datasource"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
)

func TestGroupOfNames(t *testing.T) {
	t.Parallel()
	nobody := peer.Person("nobody", "x")
	delete(nobody.Attributes, "mail")
	two := peer.Person("two", "two@"+domain)
	two.Attributes["mail"] = []string{"two@else.example", "two@" + domain, "second@" + domain}
	self := peer.Person("self", "board@"+domain)
	s := peer.StartSlapd(t, peer.SlapdOptions{Entries: []peer.Entry{
		person("anna"), person("bob"), nobody, two, self, peer.Person("guest", "guest@else.example"), peer.Person("double", "BOB@"+domain),
		group("inner", personDN("anna")),
		group("staff", personDN("anna"), "UID=bob, ou=People,"+peer.SlapdBaseDN, personDN("nobody"), personDN("two"), personDN("guest"), personDN("gone"),
			personDN("self"), personDN("double"), groupDN("inner"), "cn=far,dc=else,dc=example"),
	}})
	w := newWorld(t, s.URL)
	i, run := w.include(store.Include{Group: groupDN("staff")})
	w.membersAre("anna bob two")
	if got, want := refusals(run), "cn=far no_entry; cn=inner group; uid=double same_address; uid=gone no_entry; uid=guest other_domain; "+
		"uid=nobody no_address; uid=self list_itself"; got != want {
		t.Errorf("refused\n%s, want\n%s", got, want)
	}
	if run.Outcome != store.SyncDone || run.Found != 3 || run.Server != s.URL {
		t.Errorf("%+v", run)
	}
	members, err := w.store.Members(t.Context(), w.list, store.MemberFilter{Limit: 1})
	if err != nil || members[0].Name != "anna" || !members[0].Included {
		t.Errorf("%+v, %v", members, err)
	}

	s.Replace(groupDN("staff"), "member", personDN("bob"), personDN("two"))
	if run, err := w.sync(i); err != nil || fmt.Sprint(run.Removed) != "[anna@corp.example]" {
		t.Errorf("%+v, %v", run, err)
	}
	w.membersAre("bob two")

	// A group that is gone is not an empty one.
	s.Delete(groupDN("staff"))
	run, err = w.sync(i)
	if !errors.Is(err, datasource.ErrNoGroup) || run.Outcome != store.SyncFailed {
		t.Errorf("%+v, %v", run, err)
	}
	w.membersAre("bob two")
}

func TestNestedGroups(t *testing.T) {
	t.Parallel()
	s := peer.StartSlapd(t, peer.SlapdOptions{Entries: []peer.Entry{
		person("anna"), person("bob"), person("carl"), person("dora"),
		group("self", groupDN("self"), personDN("anna")),
		group("a", groupDN("b"), personDN("anna")), group("b", groupDN("c"), personDN("bob"), personDN("anna")), group("c", groupDN("a"), personDN("carl")),
		group("two", groupDN("a"), groupDN("c"), personDN("dora")),
		{DN: groupDN("unique"), Attributes: map[string][]string{"objectClass": {"groupOfUniqueNames"}, "cn": {"unique"},
			"uniqueMember": {personDN("dora") + "#'0101'B", groupDN("self")}}},
	}})
	for _, c := range []struct {
		group  string
		nested bool
		want   string
	}{
		{"self", true, "anna"}, {"self", false, "anna"},
		{"a", false, "anna"}, {"a", true, "anna bob carl"}, {"two", true, "anna bob carl dora"},
		{"unique", false, "dora"}, {"unique", true, "anna dora"},
	} {
		w := newWorld(t, s.URL)
		w.include(store.Include{Group: groupDN(c.group), Nested: c.nested})
		if got := w.members(); got != c.want {
			t.Errorf("%s, nested %v: %q, want %q", c.group, c.nested, got, c.want)
		}
	}
}

// Groups nested deeper than anybody wants bring nobody, and nobody is removed.
func TestDepth(t *testing.T) {
	t.Parallel()
	entries := []peer.Entry{person("anna")}
	for i := range 30 {
		entries = append(entries, group(fmt.Sprint("g", i), groupDN(fmt.Sprint("g", i+1)), personDN("anna")))
	}
	s := peer.StartSlapd(t, peer.SlapdOptions{Entries: entries})
	w := newWorld(t, s.URL)
	if _, err := w.sync(w.define(store.Include{Group: groupDN("g0"), Nested: true})); !errors.Is(err, datasource.ErrTooDeep) {
		t.Error(err)
	}
	w.membersAre("")
	w.include(store.Include{Group: groupDN("g20"), Nested: true})
	w.membersAre("anna")
}

func TestTenThousand(t *testing.T) {
	t.Parallel()
	const n = 10_000
	entries, names := staff(n)
	s := peer.StartSlapd(t, peer.SlapdOptions{Entries: append(entries, group("all", names...))})
	w := newWorld(t, s.URL)
	start := time.Now()
	_, run := w.include(store.Include{Group: groupDN("all")})
	t.Logf("a group of %d: %v", n, time.Since(start))
	if run.Found != n || len(run.Added) != n || run.Refusals != 0 {
		t.Errorf("found %d, added %d, refused %d %v", run.Found, len(run.Added), run.Refusals, run.Refused[:min(3, len(run.Refused))])
	}
	if searches := s.Searches(); searches > n/50+10 {
		t.Errorf("%d searches", searches)
	}
	start = time.Now()
	_, run = w.include(store.Include{Filter: "(uid=u*)", BaseDN: peer.SlapdPeopleDN, Scope: "one"})
	t.Logf("a search for %d: %v", n, time.Since(start))
	if run.Found != n || len(run.Added) != 0 {
		t.Errorf("found %d, added %d", run.Found, len(run.Added))
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	s := peer.StartSlapd(t, peer.SlapdOptions{Entries: []peer.Entry{person("anna"), person("bob"), group("mailgroup", personDN("anna"))}})
	for name, c := range map[string]struct {
		include store.Include
		want    string
		err     error
	}{
		"all below the directory's base": {store.Include{Filter: "(objectClass=inetOrgPerson)"}, "anna bob", nil},
		"one":                            {store.Include{Filter: "(uid=anna)", BaseDN: peer.SlapdPeopleDN, Scope: "one"}, "anna", nil},
		"too shallow":                    {store.Include{Filter: "(uid=anna)", Scope: "one"}, "", nil},
		"the base alone":                 {store.Include{Filter: "(uid=*)", BaseDN: personDN("bob"), Scope: "base"}, "bob", nil},
		"another attribute":              {store.Include{Filter: "(uid=anna)", Attribute: "cn"}, "", nil},
		"no base":                        {store.Include{Filter: "(uid=*)", BaseDN: "ou=gone," + peer.SlapdBaseDN}, "", datasource.ErrNoBase},
		"narrower domains":               {store.Include{Filter: "(uid=*)", Domains: []string{"else.example", "CORP.example"}}, "anna bob", nil},
		"domains it does not serve":      {store.Include{Filter: "(uid=*)", Domains: []string{"else.example"}}, "", datasource.ErrNoDomains},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, s.URL)
			_, err := w.syncer.Sync(t.Context(), w.define(c.include), datasource.Options{First: true})
			if !errors.Is(err, c.err) || err != nil && c.err == nil {
				t.Errorf("error %v, want %v", err, c.err)
			}
			w.membersAre(c.want)
		})
	}
}

// OpenLDAP's size limit cuts pages too: nobody comes of what is cut, and nobody goes.
func TestSizeLimit(t *testing.T) {
	t.Parallel()
	entries, names := staff(60)
	s := peer.StartSlapd(t, peer.SlapdOptions{Entries: append(entries, group("all", names...)), SizeLimit: 50})
	w := newWorld(t, s.URL)
	i := w.define(store.Include{Filter: "(uid=u*)"})
	run, err := w.sync(i)
	if !errors.Is(err, ldap.ErrTruncated) || run.Outcome != store.SyncFailed {
		t.Fatalf("%+v, %v", run, err)
	}
	w.membersAre("")
	for n := 40; n < 60; n++ {
		s.Delete(personDN(fmt.Sprintf("u%d", n)))
	}
	if _, err := w.syncer.Sync(t.Context(), i, datasource.Options{First: true}); err != nil {
		t.Fatal(err)
	}
	s.Add(entries[40:]...)
	if _, err := w.sync(i); !errors.Is(err, ldap.ErrTruncated) {
		t.Error(err)
	}
	if n := len(strings.Fields(w.members())); n != 40 {
		t.Errorf("%d members", n)
	}
	// The group is one entry, and its people are looked up in batches: no limit cuts them.
	if _, run := w.include(store.Include{Group: groupDN("all")}); run.Found != 60 {
		t.Errorf("found %d", run.Found)
	}
}

func TestMoreThanTheIncludeMayBring(t *testing.T) {
	t.Parallel()
	entries, names := staff(30)
	s := peer.StartSlapd(t, peer.SlapdOptions{Entries: append(entries, group("all", names...))})
	for _, i := range []store.Include{{Group: groupDN("all"), MaxMembers: 29}, {Filter: "(uid=u*)", MaxMembers: 29}} {
		w := newWorld(t, s.URL)
		if _, err := w.sync(w.define(i)); !errors.Is(err, datasource.ErrTooMany) {
			t.Error(err)
		}
		w.membersAre("")
		i.MaxMembers = 30
		if _, run := w.include(i); run.Found != 30 {
			t.Errorf("found %d", run.Found)
		}
	}
}

// What only looks like a group says so.
func TestNoGroup(t *testing.T) {
	t.Parallel()
	s := peer.StartSlapd(t, peer.SlapdOptions{Global: []string{"include /etc/ldap/schema/nis.schema"}, Entries: []peer.Entry{person("anna"),
		{DN: groupDN("posix"), Attributes: map[string][]string{"objectClass": {"posixGroup"}, "cn": {"posix"}, "gidNumber": {"7"}, "memberUid": {"anna"}}}}})
	for dn, want := range map[string]error{groupDN("gone"): datasource.ErrNoGroup, personDN("anna"): datasource.ErrNotGroup, groupDN("posix"): datasource.ErrNotGroup} {
		w := newWorld(t, s.URL)
		if _, err := w.sync(w.define(store.Include{Group: dn})); !errors.Is(err, want) {
			t.Errorf("%s: %v", dn, err)
		}
	}
}

// An account that OpenLDAP's password policy has locked for good brings nobody; a lock that passes does not count.
func TestLockedAccount(t *testing.T) {
	t.Parallel()
	locked, passing := person("locked"), person("passing")
	locked.Attributes["pwdAccountLockedTime"] = []string{"000001010000Z"}
	passing.Attributes["pwdAccountLockedTime"] = []string{"20261123120000Z"}
	s := peer.StartSlapd(t, peer.SlapdOptions{Global: []string{"moduleload ppolicy"}, Database: []string{"overlay ppolicy"},
		Entries: []peer.Entry{locked, passing, group("staff", personDN("locked"), personDN("passing"))}})
	w := newWorld(t, s.URL)
	_, run := w.include(store.Include{Group: groupDN("staff")})
	w.membersAre("passing")
	if refusals(run) != "uid=locked account_disabled" {
		t.Error(refusals(run))
	}
}

// While the directory is away nobody goes, and it is asked again soon.
func TestOutage(t *testing.T) {
	t.Parallel()
	s := peer.StartSlapd(t, peer.SlapdOptions{Entries: []peer.Entry{person("anna"), person("bob"), group("staff", personDN("anna"), personDN("bob"))}})
	w := newWorld(t, s.URL)
	i, _ := w.include(store.Include{Group: groupDN("staff")})
	s.Stop()
	w.clock.add(time.Hour)
	summary, err := w.syncer.SyncDue(t.Context())
	if err == nil || summary != "0 changed, 0 unchanged, 0 waiting, 1 failed" {
		t.Errorf("%q, %v", summary, err)
	}
	w.membersAre("anna bob")
	runs, err := w.store.IncludeRuns(t.Context(), i.ID, 1)
	if err != nil || runs[0].Outcome != store.SyncFailed || !strings.Contains(runs[0].Reason, "connect") || runs[0].Actor != "include_sync" {
		t.Errorf("%+v, %v", runs, err)
	}
	if summary, err := w.syncer.SyncDue(t.Context()); summary != "" || err != nil {
		t.Errorf("asked again at once: %q, %v", summary, err)
	}
	s.Start()
	s.Replace(groupDN("staff"), "member", personDN("bob"))
	w.clock.add(10 * time.Minute)
	if summary, err := w.syncer.SyncDue(t.Context()); summary != "1 changed, 0 unchanged, 0 waiting, 0 failed" || err != nil {
		t.Errorf("%q, %v", summary, err)
	}
	w.membersAre("bob")
}

// A mistake in the directory waits for a person, who is told.
func TestLargeChangeWaits(t *testing.T) {
	t.Parallel()
	entries, names := staff(30)
	s := peer.StartSlapd(t, peer.SlapdOptions{Entries: append(entries, group("all", names...))})
	w := newWorld(t, s.URL)
	i, _ := w.include(store.Include{Group: groupDN("all")})
	s.Replace(groupDN("all"), "member", names[:10]...)
	w.clock.add(time.Hour)
	summary, err := w.syncer.SyncDue(t.Context())
	if err != nil || summary != "0 changed, 0 unchanged, 1 waiting, 0 failed" || !strings.Contains(w.log.String(), "waits for the listmaster") {
		t.Errorf("%q, %v\n%s", summary, err, w.log)
	}
	if n := len(strings.Fields(w.members())); n != 30 {
		t.Errorf("%d members", n)
	}
	run, err := w.syncer.Sync(t.Context(), i, datasource.Options{Approve: true})
	if err != nil || len(run.Removed) != 20 {
		t.Errorf("%+v, %v", run, err)
	}
}

// Who may write his own entry gains nothing by addresses that he adds to it.
func TestUserAddsAddressesToHisEntry(t *testing.T) {
	t.Parallel()
	s := peer.StartSlapd(t, peer.SlapdOptions{Entries: []peer.Entry{person("eve"), person("victim"), group("staff", personDN("eve"))}})
	w := newWorld(t, s.URL)
	i, _ := w.include(store.Include{Group: groupDN("staff")})
	w.membersAre("eve")
	for _, values := range [][]string{
		{"accomplice@" + domain, "eve@" + domain}, {"aaa@" + domain, "victim@" + domain, "eve@" + domain, "zzz@" + domain},
		{"root@else.example", "eve@" + domain, "board@" + domain}, {"\"a@b\"@" + domain, "eve@" + domain},
	} {
		s.Replace(personDN("eve"), "mail", values...)
		if run, err := w.sync(i); err != nil || run.Outcome != store.SyncUnchanged {
			t.Errorf("%q: %+v, %v", values, run, err)
		}
		w.membersAre("eve")
	}
	// Somebody else who is in the group keeps his address, whoever else claims it.
	s.Replace(groupDN("staff"), "member", personDN("victim"), personDN("eve"))
	if _, err := w.sync(i); err != nil {
		t.Fatal(err)
	}
	s.Replace(personDN("eve"), "mail", "victim@"+domain)
	run, err := w.sync(i)
	if err != nil || fmt.Sprint(run.Removed) != "[eve@corp.example]" || refusals(run) != "uid=eve same_address" {
		t.Errorf("%+v, %v", run, err)
	}
	w.membersAre("victim")
}
