package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/peer"
)

// TestInclude is the life of a list whose members a directory names: who comes, who goes, who stays, and what waits.
func TestInclude(t *testing.T) {
	w := newWorld(t)
	const group = "cn=board," + peer.SlapdPeopleDN
	var entries []peer.Entry
	var dns []string
	for i := range 40 {
		uid := fmt.Sprintf("u%02d", i)
		entries = append(entries, peer.Person(uid, uid+"@corp.example"))
		dns = append(dns, "uid="+uid+","+peer.SlapdPeopleDN)
	}
	entries = append(entries, peer.Entry{DN: group, Attributes: map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"board"}, "member": dns[:30]}})
	slapd := peer.StartSlapd(t, peer.SlapdOptions{Anonymous: true, Entries: entries})
	w.configure("directories: [{ name: corp, preset: openldap, domains: [corp.example], urls: ['" + slapd.URL + "'], base_dn: '" + peer.SlapdPeopleDN + "', timeout: 5s }]\n")
	w.good("list", "create", board)
	w.good("member", "add", board, "u00@corp.example", "guest@example.org")
	count := func(want int) {
		t.Helper()
		if got := strings.Count(w.good("member", "ls", board), "@"); got != want {
			t.Errorf("%d members, want %d", got, want)
		}
	}
	fails := func(want string, args ...string) {
		t.Helper()
		if status, out, errOut := w.try(args...); status == 0 || !strings.Contains(out+errOut, want) {
			t.Errorf("%v: status %d, no %q in\n%s%s", args, status, want, out, errOut)
		}
	}
	fails("there is no directory", "include", "add", board, "--directory", "other", "--group", group)
	fails("where are the members", "include", "add", board, "--directory", "corp")
	fails("no such group", "include", "add", board, "--directory", "corp", "--group", "cn=none,"+peer.SlapdPeopleDN)
	fails("does not answer for", "include", "add", board, "--directory", "corp", "--group", group, "--domains", "partner.example")
	fails("brackets", "include", "add", board, "--directory", "corp", "--base", peer.SlapdPeopleDN, "--filter", "(uid=*")
	count(2)

	if got := w.good("include", "add", board, "--directory", "corp", "--group", group); !strings.Contains(got, "30 added") {
		t.Error(got)
	}
	count(31)
	w.good("member", "del", board, "u05@corp.example")
	w.good("directory", "sync")
	count(30) // who was removed by hand does not come back

	slapd.Replace(group, "member", dns[3:33]...) // u00, u01, u02 leave; u30, u31, u32 come
	if got := w.good("directory", "sync", board, "--dry-run"); !strings.Contains(got, "3 added, 3 removed") || !strings.Contains(got, "+ u30@corp.example") {
		t.Error(got)
	}
	count(30)
	w.good("directory", "sync", board)
	if got := w.good("member", "ls", board); !strings.Contains(got, "u00@corp.example") || strings.Contains(got, "u01@corp.example") || !strings.Contains(got, "u32@corp.example") {
		t.Error(got) // u00 subscribed by himself
	}

	slapd.Replace(group, "member", dns[39])
	fails("waits", "directory", "sync", board)
	count(31)
	if got := w.good("include", "ls", board); !strings.Contains(got, "waits: 1 would be added and 30 removed") {
		t.Error(got)
	}
	w.good("directory", "sync", board, "--approve")
	count(3) // u00, u39, the guest

	slapd.Stop()
	fails("failed", "directory", "sync", board)
	count(3)
	if got := w.good("include", "ls"); !strings.Contains(got, "failed") {
		t.Error(got)
	}
	w.good("include", "rm", board, "1")
	count(2)
	fails("has no include 1", "include", "rm", board, "1")
}
