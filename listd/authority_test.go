package listd_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
)

// persons are who asks, from left to right in the table.
var persons = []struct{ what, name string }{
	{"nobody", ""}, {"a stranger with a certificate", "mallory"}, {"a member", "alice"}, {"an editor", "bob"}, {"an owner", "carol"},
	{"the owner of another list", "dora"}, {"a listmaster", "root"},
}

// action is one line of the table: who may, and how each face is asked. A face that has not the action is nil.
type action struct {
	name string
	may  string // y or n for each of persons
	pose func(n int) string
	web  func(b *browser, thing string) page
	api  func(w *world, token, thing string) page
	mail func(thing string) (command, yes string)
	cli  func(a *admin.Admin, thing string) error
}

// TestAuthority: each face gives each person the same answer. Those of listmaster, the command, are the listmaster's.
func TestAuthority(t *testing.T) {
	const one = "/lists/" + openList
	fresh := func(w *world) func(int) string {
		return func(n int) string { return fmt.Sprintf("new%d@example.net", n) }
	}
	w := withAPI(t)
	w.set(openList, "visibility", "conceal", "review", "private", "add", "owner", "del", "owner", "subscribe", "open", "unsubscribe", "open")
	w.only(openList, "alice", list.RoleMember)
	ctx := t.Context()
	l, err := w.sealist.Store.List(ctx, list.MustParseAddress(openList))
	w.must(err)
	present := func(n int) string {
		a := fmt.Sprintf("old%d@example.net", n)
		_, err := w.sealist.Store.AddMembers(ctx, l.ID, []list.Member{{Address: list.MustParseAddress(a)}})
		w.must(err)
		return a
	}
	held := func(int) string {
		from := w.people["alice"].Address
		item, _ := w.settled(w.send(from, openList, mail(from, openList, smimetest.Encrypt(text, w.keys[openList]))))
		if item.State != store.ItemHeld {
			t.Fatalf("%s %s", item.State, item.Reason)
		}
		return item.ID
	}
	get := func(path string) func(*world, string, string) page {
		return func(w *world, token, thing string) page {
			return w.ask(token, "GET", strings.ReplaceAll(path, "THING", thing), nil)
		}
	}
	table := []action{
		{name: "see the list", may: "nnyyyny", web: func(b *browser, _ string) page { return b.get(one) }, api: get(one),
			mail: func(string) (string, string) { return "info open", "owners:" },
			cli:  func(a *admin.Admin, _ string) error { _, err := a.ShowList(ctx, openList); return err }},
		{name: "see its certificate", may: "nnyyyny", web: func(b *browser, _ string) page { return b.get(one + "/certificate.pem") }, api: get(one),
			mail: func(string) (string, string) { return "get open certificate", "is attached" },
			cli:  func(a *admin.Admin, _ string) error { _, err := a.Keys(ctx, openList); return err }},
		{name: "review members", may: "nnyyyny", api: get(one + "/members"),
			mail: func(string) (string, string) { return "review open", "alice@example.org" },
			cli:  func(a *admin.Admin, _ string) error { _, err := a.Members(ctx, openList, ""); return err }},
		{name: "add a member", may: "nnnnyny", pose: fresh(w),
			api: func(w *world, token, thing string) page {
				return w.ask(token, "POST", one+"/members", map[string][]string{"addresses": {"api-" + thing}})
			},
			mail: func(thing string) (string, string) {
				return "add open mail-" + thing, "is on open@lists.example.org now"
			},
			cli: func(a *admin.Admin, thing string) error {
				_, err := a.AddMembers(ctx, openList, "", []string{"cli-" + thing})
				return err
			}},
		{name: "remove a member", may: "nnnnyny", pose: present,
			api: func(w *world, token, thing string) page { return w.ask(token, "DELETE", one+"/members/"+thing, nil) }},
		{name: "remove a member by mail", may: "nnnnyny", pose: present,
			mail: func(thing string) (string, string) { return "del open " + thing, "is no longer on" },
			cli: func(a *admin.Admin, thing string) error {
				_, err := a.AddMembers(ctx, openList, "", []string{thing})
				if err == nil {
					_, err = a.RemoveMembers(ctx, openList, "", []string{thing})
				}
				return err
			}},
		{name: "see settings", may: "nnnnyny", api: get(one + "/settings"), cli: func(a *admin.Admin, _ string) error { _, err := a.ShowList(ctx, openList); return err }},
		{name: "change settings", may: "nnnnyny",
			api: func(w *world, token, _ string) page {
				return w.ask(token, "PATCH", one+"/settings", map[string]string{"subject_tag": "Open"})
			},
			cli: func(a *admin.Admin, _ string) error {
				_, _, err := a.SetList(ctx, openList, [][2]string{{"subject_tag", "Open"}})
				return err
			}},
		{name: "see keys", may: "nnnnyny", api: get(one + "/keys"), cli: func(a *admin.Admin, _ string) error { _, err := a.Keys(ctx, openList); return err }},
		{name: "see who has a certificate", may: "nnnnyny", api: get(one + "/reach"), cli: func(a *admin.Admin, _ string) error { _, err := a.ExplainList(ctx, openList, 0); return err }},
		{name: "see the list's queue", may: "nnnnyny", api: get(one + "/queue"), cli: func(a *admin.Admin, _ string) error {
			_, err := a.Queue(ctx, admin.QueueFilter{List: openList})
			return err
		}},
		{name: "see the list's audit log", may: "nnnnyny", api: get(one + "/audit"),
			cli: func(a *admin.Admin, _ string) error {
				_, err := a.AuditEntries(ctx, admin.AuditFilter{List: openList})
				return err
			}},
		{name: "see what waits", may: "nnnyyny", api: get(one + "/moderation"),
			mail: func(string) (string, string) { return "modindex open", "messages to open@lists.example.org wait" },
			cli:  func(a *admin.Admin, _ string) error { _, err := a.HeldPosts(ctx, openList); return err }},
		{name: "reject a post", may: "nnnyyny", pose: held,
			api: func(w *world, token, thing string) page {
				return w.ask(token, "POST", "/moderation/"+thing+"/reject", `{}`)
			}},
		{name: "approve a post", may: "nnnyyny", pose: held,
			api: func(w *world, token, thing string) page {
				return w.ask(token, "POST", "/moderation/"+thing+"/approve", nil)
			}},
		{name: "see one's own certificates", may: "nyyyyyy", web: func(b *browser, _ string) page { return b.get("/me") }, api: get("/me/certificates")},
		{name: "see another's certificates", may: "nnnnnny", api: get("/explain/zoe@example.org"), cli: func(a *admin.Admin, _ string) error { _, err := a.Explain(ctx, "zoe@example.org", false); return err }},
		{name: "see the whole queue", may: "nnnnnny", api: get("/queue"), cli: func(a *admin.Admin, _ string) error { _, err := a.Queue(ctx, admin.QueueFilter{}); return err }},
		{name: "see why a post failed", may: "nnnnnny", pose: held, api: get("/queue/THING"), cli: func(a *admin.Admin, thing string) error { _, err := a.QueueItem(ctx, thing, ""); return err }},
		{name: "see the whole audit log", may: "nnnnnny", api: get("/audit"), cli: func(a *admin.Admin, _ string) error { _, err := a.AuditEntries(ctx, admin.AuditFilter{}); return err }},
		{name: "see tasks", may: "nnnnnny", api: get("/tasks"), cli: func(a *admin.Admin, _ string) error { _, err := a.Tasks(ctx); return err }},
		{name: "make a list", may: "nnnnnny", pose: fresh(w),
			api: func(w *world, token, thing string) page {
				return w.ask(token, "POST", "/lists", map[string]string{"address": "a" + thing[:4] + "@lists.example.org"})
			},
			cli: func(a *admin.Admin, thing string) error {
				_, _, err := a.CreateList(ctx, admin.NewList{Address: "c" + thing[:4] + "@lists.example.org"})
				return err
			}},
		{name: "subscribe", may: "nnyyyny", web: func(b *browser, _ string) page {
			return b.post(one+"/subscribe", url.Values{"address": {"somebody@example.net"}})
		},
			api:  func(w *world, token, _ string) page { return w.ask(token, "PUT", one+"/subscription", `{}`) },
			mail: func(string) (string, string) { return "subscribe open", "is on open@lists.example.org" }},
	}
	for _, line := range table {
		for i, person := range persons {
			want := line.may[i] == 'y'
			thing := ""
			if line.pose != nil {
				thing = line.pose(i)
			}
			got := map[string]bool{}
			if line.web != nil {
				b := w.browser(w.people[person.name])
				if person.name != "" {
					b.login()
				}
				got["web"] = line.web(b, thing).status == http.StatusOK
			}
			if line.api != nil {
				token := ""
				if person.name != "" {
					token = w.token(person.name)
				}
				p := line.api(w, token, thing)
				got["API"] = p.status == http.StatusOK
				if p.status != 200 && p.status != 401 && p.status != 403 && p.status != 404 {
					t.Errorf("%s, %s: %d %s", line.name, person.what, p.status, p.body)
				}
				if (person.name == "") != (p.status == 401) {
					t.Errorf("%s, %s: %d", line.name, person.what, p.status)
				}
			}
			if line.mail != nil {
				order, yes := line.mail(thing)
				from, signer := "nobody@example.net", w.people[person.name]
				if signer != nil {
					from = signer.Address
				}
				got["mail"] = strings.Contains(strings.Join(w.say(from, robot, command(from, robot, order+"\n", signer)), "\n"), yes)
			}
			if line.cli != nil && person.name == "root" {
				err := line.cli(w.commands(), thing)
				if got["CLI"] = err == nil; err != nil {
					t.Errorf("%s: %v", line.name, err)
				}
			}
			for face, may := range got {
				if may != want {
					t.Errorf("%s: %s may %s: %t, want %t", face, person.what, line.name, may, want)
				}
			}
		}
	}
}

// TestUnprovenHasNoRole is invariant 12: nobody is a listmaster, or an owner or editor of a list that demands encryption, by
// what came in clear mail; and by a mere address nobody is anything.
func TestUnprovenHasNoRole(t *testing.T) {
	w := withAPI(t)
	w.only(secretList, "carol", list.RoleOwner)
	w.set(secretList, "encryption", "required", "review", "owner", "visibility", "conceal")
	a, ctx := w.commands(), t.Context()
	sealed := admin.Requester{Method: scenario.MD5}
	plain := admin.Requester{Method: scenario.MD5, Clear: true}
	typed := admin.Requester{Method: scenario.SMTP}
	as := func(r admin.Requester, name string) admin.Person {
		r.Address = list.MustParseAddress(name + "@example.org")
		return a.For(r)
	}
	for _, c := range []struct {
		name string
		who  admin.Person
		of   string
		may  bool
	}{
		{"a sealed link", as(sealed, "carol"), secretList, true},
		{"a clear link", as(plain, "carol"), secretList, false},
		{"a clear link, a list in clear", as(plain, "dora"), wallList, true},
		{"an address, a list in clear", as(typed, "dora"), wallList, false},
		{"an address", as(typed, "carol"), secretList, false},
		{"a listmaster by a sealed link", as(sealed, "root"), secretList, true},
		{"a listmaster by a clear link", as(plain, "root"), secretList, false},
		{"a listmaster's address", as(typed, "root"), secretList, false},
		{"nobody", a.For(admin.Anonymous()), secretList, false},
	} {
		results := map[string]error{}
		_, results["members"] = c.who.Members(ctx, c.of, "")
		_, results["settings"] = c.who.Settings(ctx, c.of)
		_, results["moderation"] = c.who.Held(ctx, c.of)
		_, results["add"] = c.who.AddMembers(ctx, c.of, "", []string{"new@example.net"})
		for what, err := range results {
			if (err == nil) != c.may || err != nil && !errors.Is(err, admin.ErrRules) && !admin.IsNotFound(err) {
				t.Errorf("%s, %s: %v", c.name, what, err)
			}
		}
		if _, err := c.who.Tasks(ctx); (err == nil) != (c.name == "a listmaster by a sealed link") {
			t.Errorf("%s: tasks: %v", c.name, err)
		}
	}
	if _, err := as(plain, "carol").Receive(ctx, secretList, "digest"); err == nil {
		t.Error("a clear link changed settings")
	}
}

// TestFailuresLookAlike is invariant 3 over API and pages: about encrypted posts whose author is not authenticated nobody but
// the listmaster sees why they failed.
func TestFailuresLookAlike(t *testing.T) {
	w := withAPI(t)
	for _, of := range []string{openList, secretList} {
		w.set(of, "unsigned_encrypted", "refuse", "visibility", "noconceal")
	}
	w.only(secretList, "carol", list.RoleOwner)
	w.only(secretList, "bob", list.RoleEditor)
	last := func() string {
		items := w.items()
		if len(items) == 0 {
			return "0000000000000"
		}
		return items[len(items)-1].ID
	}
	looks := func(of string) string {
		var all strings.Builder
		for _, person := range persons[1:6] {
			token := w.token(person.name)
			for _, path := range []string{"/queue?all=true", "/moderation", "/audit?copies=true&action=decide", "/audit?copies=true&post=ITEM", "/settings", ""} {
				path = strings.ReplaceAll(path, "ITEM", last())
				p := w.ask(token, "GET", "/lists/"+of+path, nil)
				fmt.Fprintln(&all, person.what, strings.Split(path, "post=")[0], p.status, p.body)
			}
			for _, path := range []string{"/queue/ITEM", "/queue", "/moderation", "/quarantine", "/audit"} {
				p := w.ask(token, "GET", strings.ReplaceAll(path, "ITEM", last()), nil)
				fmt.Fprintln(&all, person.what, path, p.status, p.body)
			}
			b := w.browser(w.people[person.name])
			b.login()
			for _, path := range []string{"/", "/lists/" + of} {
				p := b.get(path)
				fmt.Fprintln(&all, person.what, path, p.status, p.body)
			}
		}
		return all.String()
	}
	before := map[string]string{openList: looks(openList), secretList: looks(secretList)}
	reasons := map[string]bool{}
	for _, c := range w.failures("alice") {
		w.submit(w.people["alice"].Address, c.to, mail(w.people["alice"].Address, c.to, c.e))
		items := w.items()
		item, _ := w.settled(items[len(items)-1])
		if got := looks(c.to); got != before[c.to] {
			t.Errorf("%s shows", c.name)
			was := strings.Split(before[c.to], "\n")
			for i, line := range strings.Split(got, "\n") {
				if i >= len(was) || line != was[i] {
					t.Errorf("%s", line)
					break
				}
			}
		}
		p := w.ask(w.token("root"), "GET", "/queue/"+item.ID, nil)
		var shown struct{ Reason string }
		w.must(json.Unmarshal([]byte(p.body), &shown))
		reasons[shown.Reason] = true
	}
	if len(reasons) < 4 {
		t.Errorf("the listmaster does not see why: %v", slices.Collect(func(yield func(string) bool) {
			for r := range reasons {
				if !yield(r) {
					return
				}
			}
		}))
	}
}
