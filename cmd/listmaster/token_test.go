package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

func TestToken(t *testing.T) {
	w := newWorld(t)
	status, out, errOut := w.try("token", "add", "--for", "carol@example.org", "--scope", "read,write", "--label", "nightly sync", "--expires", "30d")
	if status != 0 || !regexp.MustCompile(`^sealist_[0-9a-f]{12}_[A-Za-z0-9_-]{43}\n$`).MatchString(out) || !strings.Contains(errOut, "shown this once") {
		t.Fatalf("%d %s %s", status, out, errOut)
	}
	id := out[8:20]
	ls := w.good("token", "ls")
	if !strings.Contains(ls, id) || !strings.Contains(ls, "nightly sync") || !strings.Contains(ls, "read write") || strings.Contains(ls, out[21:40]) {
		t.Error(ls)
	}
	var all []map[string]any
	if err := json.Unmarshal([]byte(w.good("token", "ls", "--json")), &all); err != nil || len(all) != 1 || all[0]["hash"] != nil || all[0]["used"] != nil {
		t.Errorf("%v %v", err, all)
	}
	if strings.Contains(w.good("audit", "ls", "--json"), out[21:40]) {
		t.Error("the token stands in the audit log")
	}
	w.good("token", "rm", id)
	for _, wrong := range [][]string{
		{"token", "rm", id}, {"token", "add"}, {"token", "add", "--for", "carol"}, {"token", "add", "--for", "c@example.org", "--scope", "all"},
		{"token", "add", "--for", "c@example.org", "--expires", "900d"}, {"token", "add", "--for", "c@example.org", "--label", "a\nb"},
	} {
		if status, _, errOut := w.try(wrong...); status != 1 && status != 2 || errOut == "" {
			t.Errorf("%v: %d %s", wrong, status, errOut)
		}
	}
	if out := w.good("token", "ls", "--json"); strings.TrimSpace(out) != "[]" {
		t.Error(out)
	}
}
