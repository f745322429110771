package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/scenario"
)

func TestScenarioCommands(t *testing.T) {
	w := newWorld(t)
	w.configure("listmasters: [boss@example.org]\n")
	w.good("list", "create", board, "--send", "privatekey")
	w.good("member", "add", board, "alice@example.org")
	want(t, w.good("scenario", "ls", "info"), `
SCENARIO      FROM      STATE  TITLE
info.conceal  built in  -      members, owners and editors may read what the list is; others learn nothing
info.open     built in  -      anybody may read what the list is
info.private  built in  -      members, owners and editors may read what the list is
`)
	want(t, w.good("scenario", "show", "send.privatekey"), `
scenario  send.privatekey
title     members may post who show that the address is theirs
from      built in

   1  title members may post who show that the address is theirs
   2
   3  is_subscriber([listname],[sender])  smtp            -> request_auth
   4  is_subscriber([listname],[sender])  md5,smime       -> do_it
   5  true()                              smtp,md5,smime  -> reject(reason='send_subscriber')
`)
	want(t, w.good("scenario", "test", board, "send", "--sender", "alice@example.org", "--method", "smime"), `
scenario  send.privatekey (built in)
decision  do_it
rule      send.privatekey:4

RULE               RESULT            CONDITION
blocklist.txt      does not hold     search('blocklist.txt',[sender])
send.privatekey:3  is not for smime  is_subscriber([listname],[sender])
send.privatekey:4  decides           is_subscriber([listname],[sender])
`)
	status, out, errOut := w.try("scenario", "test", board, "send", "--json")
	var r admin.TrialResult
	if err := json.Unmarshal([]byte(out), &r); err != nil || status != 1 || errOut != "" || r.Action != scenario.Reject || r.Rule != "send.privatekey:5" || r.Reason != "send_subscriber" {
		t.Errorf("status %d, %s%s", status, out, errOut)
	}

	// Another function, about somebody else, and a message.
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"subscribe", "--scenario", "open", "--sender", "a@example.org", "--email", "b@example.org"}, "request_auth([email])"},
		{[]string{"review", "--scenario", "listmaster", "--sender", "Boss@example.org"}, "do_it"},
		{[]string{"send", "--scenario", "publicnoattachment", "--message", w.put("mixed.eml", "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\na\r\n--x--\r\n")}, "editorkey"},
		{[]string{"send", "--scenario", "publicnoattachment", "--message", w.put("plain.eml", "Subject: x\r\n\r\na\r\n")}, "do_it"},
	} {
		if out := w.good(append([]string{"scenario", "test", board}, c.args...)...); !strings.Contains(out, c.want+"\n") {
			t.Errorf("%v: %s", c.args, out)
		}
	}
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"test", board, "dance"}, 2, "no function of scenarios"},
		{[]string{"test", board, "review"}, 2, "--scenario"},
		{[]string{"test", board, "send", "--method", "magic"}, 2, "no authentication method"},
		{[]string{"test", board, "send", "--sender", "nobody"}, 2, "not an e-mail address"},
		{[]string{"test", board, "send", "--scenario", "nowhere"}, 2, "there is no scenario send.nowhere"},
		{[]string{"test", "nolist@lists.example.org", "send"}, 1, "there is no list"},
		{[]string{"show", "private"}, 2, "names no scenario"},
		{[]string{"show", "send.nowhere"}, 2, "scenario ls send"},
		{[]string{"ls", "dance"}, 2, "no function"},
		{[]string{"check", w.put("private", "")}, 2, "no name of a scenario"},
	} {
		status, out, errOut := w.try(append([]string{"scenario"}, c.args...)...)
		if status != c.status || !strings.Contains(errOut, c.want) {
			t.Errorf("%v: status %d\n%s%s", c.args, status, out, errOut)
		}
	}
}

func TestScenarioCheckCommand(t *testing.T) {
	w := newWorld(t)
	w.good("list", "create", board)
	if out := w.good("scenario", "check"); out != "" {
		t.Errorf("nothing is the matter: %s", out)
	}
	// A file with warnings alone is no negative verdict.
	want(t, w.good("scenario", "check", w.put("old/send.old", "is_subscriber([listname],[sender]) smtp -> do_it\n")),
		"warning: "+w.path("old/send.old")+":1: no rule covers the method md5: such requests are rejected with the reason no_rule\n"+
			"warning: "+w.path("old/send.old")+":1: no rule covers the method smime: such requests are rejected with the reason no_rule\n")

	// Names that nothing has: for a list of the site, and in a file by itself.
	w.put("data/lists.example.org/board/scenari/send.names", "is_owner(nolist,[sender]) smtp,md5,smime -> do_it\nis_owner(board,[sender]) smtp -> owner\nsearch(no.txt) smtp -> do_it\n")
	want(t, w.good("scenario", "check"), `
warning: lists.example.org/board/scenari/send.names:1: there is no list nolist@lists.example.org: where this rule is reached, the request is rejected
warning: lists.example.org/board/scenari/send.names:3: there is no search file no.txt: where this rule is reached, the request is rejected
`)
	want(t, w.good("scenario", "check", w.put("send.x", "is_owner(nolist@lists.example.org,[sender]) smtp,md5,smime -> do_it\nis_owner(unknown,[sender]) smtp -> do_it\n")),
		"warning: "+w.path("send.x")+":1: there is no list nolist@lists.example.org: where this rule is reached, the request is rejected\n")
	w.put("data/lists.example.org/board/scenari/send.names", "")

	w.put("data/lists.example.org/board/scenari/send.private_smime", "title x\n\noops oops\n")
	w.put("data/scenari/sned.private", "true() smtp -> do_it\n")
	status, out, _ := w.try("scenario", "check")
	want(t, out, `
warning: scenari/sned.private: nothing in Sealist asks the function sned
error: lists.example.org/board/scenari/send.private_smime:3: "oops oops" is neither a rule, a title nor an include
`)
	if status != 1 {
		t.Errorf("status %d", status)
	}
	status, out, _ = w.try("scenario", "check", "--json")
	var problems []scenario.Problem
	if err := json.Unmarshal([]byte(out), &problems); err != nil || status != 1 || len(problems) != 2 || problems[1].Line != 3 || problems[1].Severity != scenario.Fault {
		t.Errorf("status %d, %s", status, out)
	}
	if out := w.good("scenario", "ls", "send", "--list", board); !strings.Contains(out, "1 error") {
		t.Errorf("ls shows no error:\n%s", out)
	}
	status, out, _ = w.try("scenario", "test", board, "send")
	if status != 1 || !strings.Contains(out, "broken") || !strings.Contains(out, "scenari/send.private_smime:3") {
		t.Errorf("status %d\n%s", status, out)
	}
}

// A list gets no scenario that does not exist, or would reject everything.
func TestListCreateWantsAScenario(t *testing.T) {
	w := newWorld(t)
	w.put("data/scenari/send.mine", "true() smtp -> do_it\n")
	w.put("data/scenari/send.broken", "oops oops\n")
	if status, _, errOut := w.try("list", "create", board, "--send", "nowhere"); status != 2 || !strings.Contains(errOut, "scenario ls send") {
		t.Errorf("status %d: %s", status, errOut)
	}
	if status, _, errOut := w.try("list", "create", board, "--send", "broken"); status != 1 || !strings.Contains(errOut, "scenari/send.broken:1") {
		t.Errorf("status %d: %s", status, errOut)
	}
	w.good("list", "create", board, "--send", "mine")
}
