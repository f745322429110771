package datasource_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/listd/datasource"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
)

const (
	domain   = "corp.example"
	groupsDN = "ou=groups," + peer.SlapdBaseDN
)

// clock is a time that moves only when told.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// world is a list that includes from one directory.
type world struct {
	t      testing.TB
	store  *store.Store
	list   list.ID
	clock  *clock
	syncer *datasource.Syncer
	log    *strings.Builder
}

// newWorld makes a list beside a directory; change alters how the directory is reached.
func newWorld(t testing.TB, url string, change ...func(*ldap.Options)) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{t: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}, log: &strings.Builder{}}
	log := slog.New(slog.NewTextHandler(w.log, nil))
	var err error
	if w.store, err = store.Open(t.Context(), peer.Database(t), store.Options{Clock: w.clock.now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.store.Close() })
	if w.list, err = w.store.CreateList(t.Context(), list.List{Address: list.MustParseAddress("board@corp.example")}); err != nil {
		t.Fatal(err)
	}
	o := ldap.Options{
		ClientOptions: ldap.ClientOptions{URLs: []string{url}, BindDN: peer.SlapdServiceDN, BindPassword: func() ([]byte, error) { return []byte(peer.SlapdServiceSecret), nil }, Timeout: 20 * time.Second, Clock: w.clock.now},
		Name:          "corp", Preset: "openldap", Domains: []string{domain}, BaseDN: peer.SlapdBaseDN,
	}
	for _, f := range change {
		f(&o)
	}
	d, err := ldap.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	w.syncer = datasource.New(datasource.Parts{Store: w.store, Directories: []*ldap.Directory{d}, Clock: w.clock.now, Log: log})
	return w
}

// include adds one and synchronises it for the first time.
func (w *world) include(i store.Include) (store.Include, store.IncludeRun) {
	w.t.Helper()
	i = w.define(i)
	run, err := w.syncer.Sync(w.t.Context(), i, datasource.Options{First: true, Actor: "test"})
	if err != nil {
		w.t.Fatal(err)
	}
	return i, run
}

// define adds one.
func (w *world) define(i store.Include) store.Include {
	w.t.Helper()
	i.List, i.Directory, i.Every, i.MaxChange = w.list, "corp", time.Hour, 20
	if i.Attribute == "" {
		i.Attribute = "mail"
	}
	if i.MaxMembers == 0 {
		i.MaxMembers = 100_000
	}
	id, err := w.store.CreateInclude(w.t.Context(), i)
	if err != nil {
		w.t.Fatal(err)
	}
	i.ID = id
	return i
}

// sync synchronises as the schedule does.
func (w *world) sync(i store.Include) (store.IncludeRun, error) {
	return w.syncer.Sync(w.t.Context(), i, datasource.Options{Actor: "test"})
}

// members are the local parts of those on the list.
func (w *world) members() string {
	w.t.Helper()
	all, err := w.store.Members(w.t.Context(), w.list, store.MemberFilter{})
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, m := range all {
		names = append(names, strings.TrimSuffix(m.Address.String(), "@"+domain))
	}
	return strings.Join(names, " ")
}

func (w *world) membersAre(want string) {
	w.t.Helper()
	if got := w.members(); got != want {
		w.t.Errorf("the members are %q, want %q", got, want)
	}
}

// refusals are "entry reason", the first name of the entry only.
func refusals(run store.IncludeRun) string {
	var all []string
	for _, r := range run.Refused {
		entry, _, _ := strings.Cut(r.Entry, ",")
		all = append(all, entry+" "+r.Reason)
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

func person(uid string) peer.Entry { return peer.Person(uid, uid+"@"+domain) }

func personDN(uid string) string { return "uid=" + uid + "," + peer.SlapdPeopleDN }

func groupDN(cn string) string { return "cn=" + cn + "," + groupsDN }

// group is a groupOfNames of these members.
func group(cn string, members ...string) peer.Entry {
	return peer.Entry{DN: groupDN(cn), Attributes: map[string][]string{"objectClass": {"groupOfNames"}, "cn": {cn}, "member": members}}
}

// staff are n people u0 … and their names.
func staff(n int) (entries []peer.Entry, names []string) {
	for i := range n {
		uid := fmt.Sprintf("u%d", i)
		entries, names = append(entries, person(uid)), append(names, personDN(uid))
	}
	return entries, names
}
