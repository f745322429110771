package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// include adds a group to the world's list.
func (w *world) include(group string) int64 {
	w.t.Helper()
	id, err := w.CreateInclude(w.ctx, store.Include{List: w.list, Directory: "corp", Group: group, Attribute: "mail", Every: time.Hour, MaxChange: 20, MaxMembers: 1000})
	w.must(err)
	return id
}

// people are members that an include brings; each comes from an entry named as its local part.
func people(addresses ...string) []store.IncludedMember {
	var all []store.IncludedMember
	for _, text := range addresses {
		a := addr(text)
		all = append(all, store.IncludedMember{Address: a, Entry: "uid=" + strings.ToLower(a.Local())})
	}
	return all
}

// crowd is p0@example.org and so on.
func crowd(from, to int) []store.IncludedMember {
	var names []string
	for i := from; i < to; i++ {
		names = append(names, fmt.Sprintf("p%d@example.org", i))
	}
	return people(names...)
}

// sync synchronises without a limit.
func (w *world) sync(include int64, found ...store.IncludedMember) store.IncludeRun {
	w.t.Helper()
	run, err := w.SyncInclude(w.ctx, store.IncludeSync{Include: include, Found: found, First: true, Actor: "test"})
	w.must(err)
	return run
}

// standing lists the members, with what is special about each.
func (w *world) standing() string {
	w.t.Helper()
	members, err := w.Members(w.ctx, w.list, store.MemberFilter{})
	w.must(err)
	var all []string
	for _, m := range members {
		text := m.Address.Local()
		if m.Included {
			text += "+"
		}
		if m.Suspended {
			text += "!"
		}
		if m.Role != list.RoleMember {
			text += ":" + string(m.Role)
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

func (w *world) standingIs(want string) {
	w.t.Helper()
	if got := w.standing(); got != want {
		w.t.Errorf("the members are %q, want %q", got, want)
	}
}

func TestIncludedMembersComeAndGo(t *testing.T) {
	w := newWorld(t)
	staff := w.include("cn=staff")
	before, err := w.Changes(w.ctx)
	w.must(err)
	run := w.sync(staff, people("Anna@example.org", "bob@example.org")...)
	if run.Outcome != store.SyncDone || fmt.Sprint(run.Added, run.Removed) != "[Anna@example.org bob@example.org] []" {
		t.Errorf("%+v", run)
	}
	w.standingIs("Anna+ bob+")
	after, err := w.Changes(w.ctx)
	w.must(err)
	if after == before {
		t.Error("a running server is not told")
	}
	there, err := w.MemberOf(w.ctx, w.list, []list.Address{addr("anna@example.org")})
	if err != nil || len(there["anna@example.org"]) != 1 || there["anna@example.org"][0].Role != list.RoleMember {
		t.Errorf("%v, %v", there, err)
	}
	if run := w.sync(staff, people("anna@example.org", "bob@example.org")...); run.Outcome != store.SyncUnchanged {
		t.Errorf("the same again: %+v", run)
	}
	if run := w.sync(staff, people("bob@example.org", "carl@example.org")...); fmt.Sprint(run.Added, run.Removed) != "[carl@example.org] [Anna@example.org]" {
		t.Errorf("%+v", run)
	}
	w.standingIs("bob+ carl+")
}

// Nobody loses more than the include gave him.
func TestIncludeRespectsWhatPeopleDid(t *testing.T) {
	for name, c := range map[string]struct {
		before func(w *world) // before the include
		during func(w *world) // while anna stands in it
		gone   string         // after she went
		back   string         // after she came again
	}{
		"nothing":                    {gone: "", back: "anna+"},
		"subscribed before":          {before: func(w *world) { w.add("anna", "") }, gone: "anna", back: "anna"},
		"subscribed meanwhile":       {during: func(w *world) { w.add("ANNA", "") }, gone: "anna", back: "anna"},
		"owner":                      {during: func(w *world) { w.add("anna", list.RoleOwner) }, gone: "anna:owner", back: "anna+ anna:owner"},
		"owner before":               {before: func(w *world) { w.add("anna", list.RoleOwner) }, gone: "anna:owner", back: "anna+ anna:owner"},
		"left by hand":               {during: func(w *world) { w.drop("anna") }, gone: "", back: "anna+"},
		"left, then subscribed":      {during: func(w *world) { w.drop("anna"); w.add("anna", "") }, gone: "anna", back: "anna"},
		"in another include":         {during: func(w *world) { w.sync(w.include("cn=other"), people("anna@example.org")...) }, gone: "anna+", back: "anna+"},
		"left, then another include": {during: func(w *world) { w.drop("anna"); w.sync(w.include("cn=other"), people("anna@example.org")...) }, gone: "", back: ""},
		"another include, then left": {during: func(w *world) { w.sync(w.include("cn=other"), people("anna@example.org")...); w.drop("anna") }, gone: "", back: ""},
		"suspended, then synchronised": {during: func(w *world) {
			yes, name := true, "A."
			_, err := w.ChangeMembers(w.ctx, w.list, list.RoleMember, []list.Address{addr("anna@example.org")}, store.MemberChange{Suspended: &yes, Name: &name})
			w.must(err)
			w.sync(1, people("anna@example.org", "bob@example.org")...)
			w.standingIs("anna+! bob+")
			if m, err := w.Members(w.ctx, w.list, store.MemberFilter{Limit: 1}); err != nil || m[0].Name != "A." {
				w.t.Errorf("%+v, %v", m, err)
			}
		}, gone: "", back: "anna+"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if c.before != nil {
				c.before(w)
			}
			id := w.include("cn=staff")
			w.sync(id, people("anna@example.org", "bob@example.org")...)
			if c.during != nil {
				c.during(w)
			}
			state := func(want, when string) {
				if got := strings.TrimSpace(strings.Replace(w.standing(), "bob+", "", 1)); got != want {
					t.Errorf("%s: %q, want %q", when, got, want)
				}
			}
			present := w.standing()
			w.sync(id, people("anna@example.org", "bob@example.org")...)
			if again := w.standing(); again != present {
				t.Errorf("another synchronisation made %q of %q", again, present)
			}
			w.sync(id, people("bob@example.org")...)
			state(c.gone, "gone")
			w.sync(id, people("anna@example.org", "bob@example.org")...)
			state(c.back, "back")
		})
	}
}

func (w *world) add(local string, role list.Role) {
	w.t.Helper()
	_, err := w.AddMembers(w.ctx, w.list, []list.Member{{Address: addr(local + "@example.org"), Role: role}})
	w.must(err)
}

func (w *world) drop(local string) {
	w.t.Helper()
	n, err := w.RemoveMembers(w.ctx, w.list, list.RoleMember, []list.Address{addr(local + "@example.org")})
	if err != nil || n != 1 {
		w.t.Errorf("removed %d: %v", n, err)
	}
}

// Whose entry cannot be read now stays, and only he.
func TestIncludeKeepsWhoseEntryIsElsewhere(t *testing.T) {
	w := newWorld(t)
	id := w.include("cn=staff")
	w.sync(id, people("anna@example.org", "bob@example.org")...)
	_, err := w.SyncInclude(w.ctx, store.IncludeSync{Include: id, Keep: []string{"uid=anna"}, Found: people("carl@example.org")})
	w.must(err)
	w.standingIs("anna+ carl+")
}

func TestIncludeChangesThatWait(t *testing.T) {
	for name, c := range map[string]struct {
		found    []store.IncludedMember
		outcome  string
		reason   string
		approved string // the outcome of approving the same
	}{
		"a share goes":            {crowd(0, 40), store.SyncDone, "", ""},
		"more than the share":     {crowd(0, 39), store.SyncPending, "it would add 0 and remove 11 of its 50 members; 10 are allowed at once", store.SyncDone},
		"a share comes":           {crowd(0, 60), store.SyncDone, "", ""},
		"more than a share comes": {crowd(0, 61), store.SyncPending, "it would add 11 and remove 0", store.SyncDone},
		"nobody":                  {nil, store.SyncPending, "nobody of its 50 members would be left", store.SyncDone},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := w.include("cn=staff")
			w.sync(id, crowd(0, 50)...)
			sync := store.IncludeSync{Include: id, Found: c.found, Actor: "test"}
			dry := sync
			dry.DryRun = true
			would, err := w.SyncInclude(w.ctx, dry)
			w.must(err)
			w.countIs(50)
			run, err := w.SyncInclude(w.ctx, sync)
			w.must(err)
			if run.Outcome != c.outcome || !strings.HasPrefix(run.Reason, c.reason) || would.Outcome != run.Outcome || len(would.Added) != len(run.Added) {
				t.Fatalf("%+v\ndry: %+v", run, would)
			}
			if c.outcome == store.SyncDone {
				w.countIs(len(c.found))
				return
			}
			w.countIs(50)
			include, err := w.Include(w.ctx, id)
			if err != nil || include.Pending == nil || include.Pending.Reason != run.Reason || include.Members != 50 {
				t.Errorf("%+v, %v", include, err)
			}
			sync.Approve = true
			if run, err = w.SyncInclude(w.ctx, sync); err != nil || run.Outcome != c.approved {
				t.Fatalf("%+v, %v", run, err)
			}
			w.countIs(len(c.found))
			if include, err = w.Include(w.ctx, id); err != nil || include.Pending != nil {
				t.Errorf("%+v, %v", include, err)
			}
		})
	}
}

func (w *world) countIs(want int) {
	w.t.Helper()
	n, err := w.CountMembers(w.ctx, w.list)
	if err != nil || n[list.RoleMember] != want {
		w.t.Errorf("%d members, want %d: %v", n[list.RoleMember], want, err)
	}
}

// Small groups change as they like, but never to nothing.
func TestIncludeFloor(t *testing.T) {
	w := newWorld(t)
	id := w.include("cn=staff")
	w.sync(id, crowd(0, 3)...)
	for _, step := range []struct {
		found   []store.IncludedMember
		outcome string
	}{{crowd(2, 8), store.SyncDone}, {crowd(0, 8), store.SyncDone}, {crowd(0, 4), store.SyncDone}, {nil, store.SyncPending}, {crowd(0, 10), store.SyncPending}} {
		if run, err := w.SyncInclude(w.ctx, store.IncludeSync{Include: id, Found: step.found}); err != nil || run.Outcome != step.outcome {
			t.Errorf("%d found: %+v, %v", len(step.found), run, err)
		}
	}
}

// What is approved is what was shown.
func TestApprovalIsForWhatWasShown(t *testing.T) {
	w := newWorld(t)
	id := w.include("cn=staff")
	w.sync(id, crowd(0, 50)...)
	sync := func(found []store.IncludedMember, approve bool) (store.IncludeRun, error) {
		return w.SyncInclude(w.ctx, store.IncludeSync{Include: id, Found: found, Approve: approve})
	}
	if _, err := sync(crowd(0, 10), true); !errors.Is(err, store.ErrState) {
		t.Errorf("approved before anything was shown: %v", err)
	}
	if run, err := sync(crowd(0, 30), false); err != nil || run.Outcome != store.SyncPending {
		t.Fatalf("%+v, %v", run, err)
	}
	run, err := sync(nil, true)
	if err != nil || run.Outcome != store.SyncPending || !strings.Contains(run.Reason, "more than the 0 and 20 that were shown") {
		t.Errorf("%+v, %v", run, err)
	}
	w.countIs(50)
	if run, err = sync(crowd(1, 50), false); err != nil || run.Outcome != store.SyncDone {
		t.Errorf("the directory was mended: %+v, %v", run, err)
	}
	if include, err := w.Include(w.ctx, id); err != nil || include.Pending != nil {
		t.Errorf("it still waits: %+v, %v", include, err)
	}
}

func TestRemoveInclude(t *testing.T) {
	for name, c := range map[string]struct {
		keep    bool
		members int
		want    string
	}{"with its members": {false, 1, "bob carl+"}, "without": {true, 1, "anna bob carl+"}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			first, second := w.include("cn=staff"), w.include("cn=other")
			w.add("bob", "")
			w.sync(first, people("anna@example.org", "bob@example.org", "carl@example.org")...)
			w.sync(second, people("carl@example.org")...)
			n, err := w.RemoveInclude(w.ctx, first, c.keep)
			if err != nil || n != c.members {
				t.Errorf("%d, %v", n, err)
			}
			w.standingIs(c.want)
			if _, err := w.RemoveInclude(w.ctx, first, false); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("twice: %v", err)
			}
			if _, err := w.SyncInclude(w.ctx, store.IncludeSync{Include: first, Found: people("x@example.org")}); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("synchronised after it went: %v", err)
			}
			w.standingIs(c.want)
		})
	}
}

func TestIncludeSchedule(t *testing.T) {
	w := newWorld(t)
	id := w.include("cn=staff")
	due := func() []int64 {
		all, err := w.Includes(w.ctx, store.IncludeFilter{Due: w.clock.now()})
		w.must(err)
		var ids []int64
		for _, i := range all {
			ids = append(ids, i.ID)
		}
		return ids
	}
	if len(due()) != 0 {
		t.Error("due at once")
	}
	w.clock.add(time.Hour)
	if !slices.Equal(due(), []int64{id}) {
		t.Error("not due after an hour")
	}
	run, err := w.FailInclude(w.ctx, store.IncludeRun{Include: id, Started: w.clock.now(), Actor: "test", Reason: "no server answers"}, w.clock.now().Add(time.Minute))
	w.must(err)
	if run.Outcome != store.SyncFailed || len(due()) != 0 {
		t.Errorf("%+v", run)
	}
	w.clock.add(time.Minute)
	if len(due()) != 1 {
		t.Error("not tried again")
	}
	w.sync(id, people("anna@example.org")...)
	if len(due()) != 0 {
		t.Error("due again at once")
	}
}

// Runs that changed somebody are kept; of the others, the newest.
func TestIncludeRuns(t *testing.T) {
	w := newWorld(t)
	id := w.include("cn=staff")
	refused := []store.Refusal{{Entry: "uid=x", Value: "x\r\n@y", Reason: "bad_address", Detail: "why"}}
	_, err := w.SyncInclude(w.ctx, store.IncludeSync{Include: id, Found: people("anna@example.org"), Refused: refused, Started: w.clock.now(), Took: time.Second, Actor: "a", Server: "ldap://x"})
	w.must(err)
	for range 60 {
		w.sync(id, people("anna@example.org")...)
	}
	runs, err := w.IncludeRuns(w.ctx, id, 0)
	w.must(err)
	if len(runs) != 51 {
		t.Errorf("%d runs are kept", len(runs))
	}
	first := runs[len(runs)-1]
	if first.Outcome != store.SyncDone || !slices.Equal(first.Added, []string{"anna@example.org"}) || !slices.Equal(first.Refused, refused) ||
		first.Refusals != 1 || first.Took != time.Second || first.Actor != "a" || first.Server != "ldap://x" || !first.Started.Equal(w.clock.now()) {
		t.Errorf("%+v", first)
	}
	entries, err := w.AuditEntries(w.ctx, store.AuditFilter{List: w.list})
	if err != nil || len(entries) != 1 || entries[0].Action != "include sync" || entries[0].Detail["added"] != "1" || entries[0].Actor != "a" {
		t.Errorf("%+v, %v", entries, err)
	}
}

// A synchronisation that cannot be written changes nothing.
func TestIncludeIsAllOrNothing(t *testing.T) {
	w := newWorld(t)
	id := w.include("cn=staff")
	w.sync(id, crowd(0, 5)...)
	w.must(w.Exec(w.ctx, `DROP TABLE audit`))
	if _, err := w.SyncInclude(w.ctx, store.IncludeSync{Include: id, Found: crowd(3, 8)}); err == nil {
		t.Fatal("no error")
	}
	w.standingIs("p0+ p1+ p2+ p3+ p4+")
}

func TestIncludeOfNoList(t *testing.T) {
	w := newWorld(t)
	if _, err := w.CreateInclude(w.ctx, store.Include{List: 77}); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
}

func BenchmarkSyncInclude(b *testing.B) {
	found := crowd(0, 100_000)
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b)
		id := w.include("cn=staff")
		b.StartTimer()
		if _, err := w.SyncInclude(b.Context(), store.IncludeSync{Include: id, Found: found, First: true}); err != nil {
			b.Fatal(err)
		}
	}
}
