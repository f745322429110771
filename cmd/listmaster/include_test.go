package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/peer"
)

// directory adds a slapd with a group of people to the world.
func (w *world) directory(people int) *peer.Slapd {
	w.t.Helper()
	var entries []peer.Entry
	var names []string
	for i := range people {
		p := peer.Person(fmt.Sprint("u", i), fmt.Sprintf("u%d@corp.example", i))
		entries, names = append(entries, p), append(names, p.DN)
	}
	entries = append(entries, peer.Person("guest", "guest@else.example"))
	names = append(names, "uid=guest,"+peer.SlapdPeopleDN)
	entries = append(entries, peer.Entry{DN: staffDN, Attributes: map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"staff"}, "member": names}})
	s := peer.StartSlapd(w.t, peer.SlapdOptions{Entries: entries})
	w.put("ldap.pass", peer.SlapdServiceSecret)
	w.configureDirectory(s.URL, "domains: [corp.example]")
	return s
}

func (w *world) configureDirectory(url, more string) {
	w.configure("directories:\n- { name: corp, preset: openldap, urls: ['" + url + "'], bind_dn: '" + peer.SlapdServiceDN +
		"', bind_password_file: ldap.pass, base_dn: '" + peer.SlapdBaseDN + "', " + more + " }\n")
}

const staffDN = "cn=staff,ou=groups," + peer.SlapdBaseDN

func TestIncludeCommands(t *testing.T) {
	w := newWorld(t)
	s := w.directory(3)
	w.good("list", "create", board)
	w.good("member", "add", board, "hand@else.example")
	out := w.good("include", "add", board, "--directory", "corp", "--group", staffDN, "--dry-run")
	if !strings.Contains(out, "nothing was made") || !strings.Contains(out, "3 to add") || !strings.Contains(out, "  + u0@corp.example\n") {
		t.Errorf("%s", out)
	}
	if out := w.good("include", "ls", "--json"); out != "[]\n" {
		t.Errorf("the dry run made %s", out)
	}
	out = w.good("include", "add", board, "--group", staffDN)
	for _, part := range []string{"include 1 of " + board + ": done\n", "  3 found, 3 added, 0 removed, 1 refused, ", "  + u2@corp.example\n",
		"  refused other_domain uid=guest,ou=people,dc=corp,dc=example: guest@else.example: the domains are corp.example\n"} {
		if !strings.Contains(out, part) {
			t.Errorf("%q is not in\n%s", part, out)
		}
	}
	want(t, w.good("member", "ls", board), `
ADDRESS            ROLE    STATE               SINCE  NAME
hand@else.example  member  receives            DATE   -
u0@corp.example    member  receives, included  DATE   u0
u1@corp.example    member  receives, included  DATE   u1
u2@corp.example    member  receives, included  DATE   u2
`)
	want(t, w.good("include", "ls", board), `
ID  LIST                     DIRECTORY  SOURCE                               MEMBERS  EVERY  LAST  NEXT
1   board@lists.example.org  corp       cn=staff,ou=groups,dc=corp,dc=example  3  1h  done  TIME
`)
	if out := w.good("directory", "sync"); !strings.HasPrefix(out, "include 1 of "+board+": unchanged\n") {
		t.Errorf("%s", out)
	}

	s.Replace(staffDN, "member", "uid=guest,"+peer.SlapdPeopleDN)
	status, out, errOut := w.try("directory", "sync", board)
	if status != 1 || !strings.Contains(out, "waits for you: nobody of its 3 members would be left") || !strings.Contains(out, "--approve carries it out") || errOut != "" {
		t.Errorf("%d\n%s%s", status, out, errOut)
	}
	if out := w.good("include", "ls"); !strings.Contains(out, "waits for you: nobody") {
		t.Errorf("%s", out)
	}
	status, out, _ = w.try("directory", "sync", board, "--dry-run", "--json")
	var syncs []admin.Sync
	if err := json.Unmarshal([]byte(out), &syncs); err != nil || status != 1 || len(syncs) != 1 || len(syncs[0].Removed) != 3 || !syncs[0].DryRun || syncs[0].Outcome != "pending" {
		t.Errorf("%d, %v\n%s", status, err, out)
	}
	if out := w.good("directory", "sync", board, "--approve"); !strings.Contains(out, "3 removed") {
		t.Errorf("%s", out)
	}
	out = w.good("include", "show", board, "1")
	if strings.Count(out, "include 1 of") != 4 || !strings.Contains(out, "  - u0@corp.example\n") {
		t.Errorf("%s", out)
	}
	audit := w.good("audit", "ls")
	for _, part := range []string{"include add", "include pending", "include sync", "removed=3"} {
		if !strings.Contains(audit, part) {
			t.Errorf("%s is not in\n%s", part, audit)
		}
	}
	s.Stop()
	status, out, errOut = w.try("directory", "sync")
	if status != 3 || !strings.Contains(out, "failed; its members stay as they are") || !strings.Contains(out, "listmaster directory test --name corp") || errOut != "" {
		t.Errorf("%d\n%s%s", status, out, errOut)
	}
	if out := w.good("include", "rm", board, "1"); out != "include 1 of "+board+" is gone, 0 members removed\n" {
		t.Errorf("%s", out)
	}
	if out := w.good("directory", "sync"); out != "there is no include\n" {
		t.Errorf("%s", out)
	}
}

func TestIncludeRm(t *testing.T) {
	w := newWorld(t)
	w.directory(2)
	w.good("list", "create", board)
	for _, c := range []struct {
		flags []string
		out   string
		left  int
	}{{nil, "2 members removed", 0}, {[]string{"--keep-members"}, "2 members kept", 2}} {
		w.good("include", "add", board, "--filter", "(uid=u*)", "--base", peer.SlapdPeopleDN, "--scope", "one")
		var all []admin.IncludeDetails
		if err := json.Unmarshal([]byte(w.good("include", "ls", "--json")), &all); err != nil || len(all) != 1 || all[0].Last == nil || all[0].Members != 2 ||
			strings.Join(all[0].Domains, " ") != "corp.example" || all[0].Scope != "one" {
			t.Errorf("%+v, %v", all, err)
		}
		if out := w.good(append([]string{"include", "rm", board, fmt.Sprint(all[0].ID)}, c.flags...)...); !strings.Contains(out, c.out) {
			t.Errorf("%s", out)
		}
		if n := strings.Count(w.good("member", "ls", board), "@corp.example"); n != c.left {
			t.Errorf("%d are left", n)
		}
	}
	if out := w.good("member", "ls", board); strings.Contains(out, "included") {
		t.Errorf("%s", out)
	}
}

// Every mistake names its cause and what to do.
func TestIncludeMistakes(t *testing.T) {
	w := newWorld(t)
	s := w.directory(3)
	w.good("list", "create", board)
	for name, c := range map[string]struct {
		args   []string
		status int
		what   string
		hint   string
	}{
		"no such list":        {[]string{"gone@lists.example.org", "--group", staffDN}, 1, "there is no list", "list ls"},
		"no such directory":   {[]string{board, "--directory", "crop", "--group", staffDN}, 1, "there is no directory crop", "the directories are corp"},
		"nothing to ask":      {[]string{board}, 2, "nothing that says who", "--group DN"},
		"both":                {[]string{board, "--group", staffDN, "--filter", "(uid=*)"}, 2, "two includes", "--filter"},
		"nested search":       {[]string{board, "--filter", "(uid=*)", "--nested"}, 2, "only a group", "--group"},
		"no name":             {[]string{board, "--group", "staff"}, 2, "is no distinguished name", "cn=staff,ou=groups"},
		"no such group":       {[]string{board, "--group", "cn=gone,ou=groups," + peer.SlapdBaseDN}, 1, "the directory has no such group", "whole name"},
		"no group":            {[]string{board, "--group", "uid=u0," + peer.SlapdPeopleDN}, 1, "is no group", "--base and --filter"},
		"no base":             {[]string{board, "--base", "ou=gone," + peer.SlapdBaseDN, "--filter", "(uid=*)"}, 1, "no entry to search below", "--base"},
		"no filter":           {[]string{board, "--filter", "uid=*)("}, 2, "is no LDAP filter", "count the brackets"},
		"no scope":            {[]string{board, "--filter", "(uid=*)", "--scope", "deep"}, 2, "is no scope", ""},
		"no attribute":        {[]string{board, "--group", staffDN, "--attribute", "mail;binary"}, 2, "no name of an attribute", "mail"},
		"no interval":         {[]string{board, "--group", staffDN, "--every", "soon"}, 2, "--every", "1h"},
		"too often":           {[]string{board, "--group", staffDN, "--every", "1s"}, 2, "is not how often", "1m"},
		"no share":            {[]string{board, "--group", staffDN, "--max-change", "many"}, 2, "is no share", "20%"},
		"too many":            {[]string{board, "--group", staffDN, "--max-members", "2"}, 1, "more entries than", "--max-members"},
		"no domain":           {[]string{board, "--group", staffDN, "--domains", "a b"}, 2, "is no domain", "example.org"},
		"a domain too many":   {[]string{board, "--group", staffDN, "--domains", "corp.example,else.example"}, 1, "does not serve else.example; its domains are corp.example", "leave it out"},
		"a domain not served": {[]string{board, "--group", staffDN, "--domains", "else.example"}, 1, "does not serve else.example", "leave it out"},
	} {
		t.Run(name, func(t *testing.T) {
			status, out, errOut := w.try(append([]string{"include", "add"}, c.args...)...)
			_, hint, _ := strings.Cut(errOut, "hint: ")
			if status != c.status || !strings.Contains(errOut, c.what) || !strings.Contains(hint, c.hint) || c.hint != "" && hint == "" || out != "" {
				t.Errorf("%d\n%s%s", status, out, errOut)
			}
		})
	}
	for name, c := range map[string]struct {
		args       []string
		status     int
		what, hint string
	}{
		"approve everywhere":    {[]string{"directory", "sync", "--approve"}, 2, "list by list", "name one list"},
		"approve nothing":       {[]string{"directory", "sync", board, "--approve"}, 1, "nothing waits", "directory sync"},
		"approve what is shown": {[]string{"directory", "sync", board, "--approve", "--dry-run"}, 2, "changes nothing", "look first"},
		"rm what is not":        {[]string{"include", "rm", board, "7"}, 1, "has no include 7", "include ls"},
		"rm no number":          {[]string{"include", "rm", board, "seven"}, 2, "no include's number", "include ls"},
		"show what is not":      {[]string{"include", "show", board, "7"}, 1, "has no include 7", "include ls"},
	} {
		t.Run(name, func(t *testing.T) {
			status, _, errOut := w.try(c.args...)
			_, hint, _ := strings.Cut(errOut, "hint: ")
			if status != c.status || !strings.Contains(errOut, c.what) || !strings.Contains(hint, c.hint) {
				t.Errorf("%d\n%s", status, errOut)
			}
		})
	}

	w.configureDirectory(s.URL, "domains: []")
	status, _, errOut := w.try("include", "add", board, "--group", staffDN)
	if status != 1 || !strings.Contains(errOut, "no domains are configured") || !strings.Contains(errOut, "--domains") {
		t.Errorf("%d\n%s", status, errOut)
	}
	if out := w.good("include", "add", board, "--group", staffDN, "--domains", "Corp.Example"); !strings.Contains(out, "3 added") {
		t.Errorf("%s", out)
	}
	w.configure("") // the directory is taken out of the configuration
	status, out, _ := w.try("directory", "sync")
	if status != 3 || !strings.Contains(out, "there is no such directory") || !strings.Contains(out, "directory ls") {
		t.Errorf("%d\n%s", status, out)
	}
	if n := strings.Count(w.good("member", "ls", board), "@corp.example"); n != 3 {
		t.Errorf("%d members are left", n)
	}
	status, _, errOut = w.try("include", "add", board, "--group", staffDN)
	if status != 1 || !strings.Contains(errOut, "no directory is configured") {
		t.Errorf("%d\n%s", status, errOut)
	}
}
