package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
)

var team = list.MustParseAddress("team@lists.example.org")

// people answers questions about roles from a table: who holds what on which
// list, as "alice@example.org": "member team@lists.example.org".
type people struct {
	held       map[string][]list.Role
	noEditors  bool
	listmaster string
	found      map[string]bool // search files that find something
	err        error
	asked      *[]scenario.Query
}

func somebody() people {
	return people{
		held: map[string][]list.Role{
			"subscriber@example.org": {list.RoleMember}, "editor@example.org": {list.RoleEditor}, "owner@example.org": {list.RoleOwner},
		},
		listmaster: "listmaster@example.org",
	}
}

func (p people) HasRole(_ context.Context, l, a list.Address, role list.Role) (bool, error) {
	if !l.Same(team) {
		return false, fmt.Errorf("there is no list %s: %w", l, scenario.ErrPermanent)
	}
	if p.noEditors && role == list.RoleEditor {
		return false, p.err
	}
	return slices.Contains(p.held[a.Key()], role), p.err
}

func (p people) Count(_ context.Context, _ list.Address, role list.Role) (int, error) {
	n := 0
	for _, roles := range p.held {
		if slices.Contains(roles, role) && (!p.noEditors || role != list.RoleEditor) {
			n++
		}
	}
	return n, p.err
}

func (p people) IsListmaster(_ context.Context, a list.Address) (bool, error) {
	return a.Key() == p.listmaster, nil
}

func (p people) Search(_ context.Context, q scenario.Query) (bool, error) {
	if p.asked != nil {
		*p.asked = append(*p.asked, q)
	}
	return p.found[q.File], nil
}

// post is a message made of its parts.
type post struct {
	fields    map[string][]string
	text      string
	parts     []scenario.Part
	encrypted bool
	size      int64
}

func (p post) Fields(name string) []string {
	for n, values := range p.fields {
		if strings.EqualFold(n, name) {
			return values
		}
	}
	return nil
}
func (p post) Text() string           { return p.text }
func (p post) Parts() []scenario.Part { return p.parts }
func (p post) Encrypted() bool        { return p.encrypted }
func (p post) Size() int64            { return p.size }

// from is a request by somebody, by each method as it is asked for.
func from(sender string, m scenario.Method) scenario.Request {
	r := scenario.Request{List: list.List{Address: team, State: list.Open}, Method: m, Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	if sender != "" {
		r.Sender = list.MustParseAddress(sender + "@example.org")
	}
	return r
}

// shown writes a decision as a rule does, its reason in parentheses.
func shown(d scenario.Decision) string {
	s := string(d.Action)
	switch {
	case d.Template != "":
		s += "(tt2=" + d.Template + ")"
	case d.Reason != "" && d.Reason != scenario.ReasonRejected:
		s += "(" + d.Reason + ")"
	case d.AskEmail:
		s += "([email])"
	}
	if d.Quiet {
		s += ",quiet"
	}
	if d.Notify {
		s += ",notify"
	}
	return s
}

// folder is a data folder with files by their paths.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// load loads a scenario that is there.
func load(t testing.TB, l *scenario.Library, full string) scenario.Scenario {
	t.Helper()
	f, name, ok := scenario.SplitName(full)
	if !ok {
		t.Fatalf("%q is no scenario", full)
	}
	s, err := l.Load(f, name, team)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// written loads the scenario send.test of a text.
func written(t testing.TB, text string) scenario.Scenario {
	t.Helper()
	return load(t, scenario.NewLibrary(folder(t, map[string]string{"scenari/send.test": text})), "send.test")
}
