package scenario_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
)

const doIt = "true() smtp,md5,smime -> do_it\n"

// The list's own file comes before the domain's, that before the site's, and
// that before what is built in. Other lists have no part in it.
func TestSearchOrder(t *testing.T) {
	places := []string{"scenari/send.private", "lists.example.org/scenari/send.private", "lists.example.org/team/scenari/send.private"}
	files := map[string]string{"other.example.org/scenari/send.private": doIt, "lists.example.org/team2/scenari/send.private": doIt}
	for i := -1; i < len(places); i++ {
		want := "send.private:6"
		if i >= 0 {
			files[places[i]] = doIt
			want = places[i] + ":1"
		}
		s := load(t, scenario.NewLibrary(folder(t, files)), "send.private")
		if d := s.Evaluate(t.Context(), from("stranger", scenario.SMTP), somebody()); d.Rule != want {
			t.Errorf("with %v: %s decided, want %s", files, d.Rule, want)
		}
	}
	s, err := scenario.NewLibrary(folder(t, files)).Load(scenario.Send, "private", list.MustParseAddress("else@third.example.org"))
	if err != nil || s.Origin() != "scenari/send.private" {
		t.Errorf("another list has %s, %v", s.Origin(), err)
	}
}

func TestUnknownScenarios(t *testing.T) {
	l := scenario.NewLibrary(folder(t, map[string]string{"scenari/send.x": doIt, "secret": doIt, "scenari/.send": doIt}))
	for _, name := range []string{"", "nowhere", "../../secret", "x/../x", ".x", "x ", "x\x00", "X:ignore"} {
		s, err := l.Load(scenario.Send, name, team)
		if !errors.Is(err, scenario.ErrUnknown) || !errors.Is(err, scenario.ErrPermanent) {
			t.Errorf("%q: %v", name, err)
		}
		if d := s.Evaluate(t.Context(), from("owner", scenario.SMIME), somebody()); d.Action != scenario.Reject {
			t.Errorf("%q decided %s", name, shown(d))
		}
	}
	if _, err := l.Load("d_read", "private", team); !errors.Is(err, scenario.ErrUnknown) {
		t.Errorf("an unknown function: %v", err)
	}
}

// Includes are followed at any depth, each by the search order of the list.
func TestIncludes(t *testing.T) {
	l := scenario.NewLibrary(folder(t, map[string]string{
		"scenari/send.x":                               "include one\ntrue() smtp -> editor\n",
		"scenari/include.one":                          "is_owner([listname],[sender]) smtp -> owner\ninclude('two')\n",
		"scenari/include.two":                          "include \"three\"",
		"scenari/include.three":                        "is_editor([listname],[sender]) smtp -> reject\n",
		"lists.example.org/team/scenari/include.three": "\nis_editor([listname],[sender]) smtp -> editorkey\n",
	}))
	s := load(t, l, "send.x")
	for sender, want := range map[string]string{
		"owner": "owner by scenari/include.one:1", "editor": "editorkey by lists.example.org/team/scenari/include.three:2", "stranger": "editor by scenari/send.x:2",
	} {
		d := s.Evaluate(t.Context(), from(sender, scenario.SMTP), somebody())
		if got := shown(d) + " by " + d.Rule; got != want {
			t.Errorf("%s: %s, want %s", sender, got, want)
		}
	}
}

func TestIncludesEnd(t *testing.T) {
	deep := map[string]string{"scenari/send.x": "include n0"}
	for i := range 40 {
		deep[fmt.Sprintf("scenari/include.n%d", i)] = fmt.Sprintf("include n%d", i+1)
	}
	wide := map[string]string{"scenari/send.x": strings.Repeat("include w1\n", 100), "scenari/include.w1": strings.Repeat("include w2\n", 100), "scenari/include.w2": strings.Repeat(doIt, 100)}
	for want, files := range map[string]map[string]string{
		"a loop of includes: send.x, include.a, include.b, include.a": {"scenari/send.x": "include a", "scenari/include.a": doIt + "include b", "scenari/include.b": "include a"},
		"include.self, include.self":                                  {"scenari/send.x": "include self", "scenari/include.self": "include self"},
		"nested deeper than 16":                                       deep,
		"more than 5000 rules":                                        wide,
	} {
		s := load(t, scenario.NewLibrary(folder(t, files)), "send.x")
		if err := s.Err(); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 100_000 {
			t.Errorf("%.300v, want %s", err, want)
		}
	}
	// The same file twice is no loop.
	s := load(t, scenario.NewLibrary(folder(t, map[string]string{"scenari/send.x": "include a\ninclude a", "scenari/include.a": doIt})), "send.x")
	if s.Err() != nil {
		t.Error(s.Err())
	}
}

// No file outside the folders is read, and nothing but a regular file in them.
func TestNoWayOutOfTheFolders(t *testing.T) {
	dir := folder(t, map[string]string{"secret": doIt, "scenari/send.uses": "include link", "scenari/send.folder/x": "", "search_filters/staff.txt": "x"})
	in := func(name string) string { return filepath.Join(dir, "scenari", name) }
	for _, err := range []error{
		os.Symlink("../secret", in("send.link")), os.Symlink("../secret", in("include.link")),
		syscall.Mkfifo(in("send.pipe"), 0o600), os.Symlink("../secret", filepath.Join(dir, "search_filters", "link.txt")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l := scenario.NewLibrary(dir)
	for name, want := range map[string]string{"link": "symbolic link", "pipe": "pipe", "folder": "folder"} {
		if _, err := l.Load(scenario.Send, name, team); !errors.Is(err, scenario.ErrPermanent) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := load(t, l, "send.uses").Err(); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("an include through a link: %v", err)
	}
	if _, err := l.Filters("link.txt", team); !errors.Is(err, scenario.ErrPermanent) {
		t.Errorf("a search file through a link: %v", err)
	}
	if _, err := l.Filters("../secret", team); !errors.Is(err, scenario.ErrPermanent) {
		t.Errorf("a search file by a path: %v", err)
	}
}

// A file that cannot be read is not passed over for the next level's: the
// built-in one may allow more.
func TestUnreadableIsNotAbsent(t *testing.T) {
	dir := folder(t, map[string]string{"scenari/send.public": "true() smtp -> reject", "lists.example.org": "no folder"})
	if _, err := scenario.NewLibrary(dir).Load(scenario.Send, "public", team); err == nil || errors.Is(err, scenario.ErrPermanent) {
		t.Errorf("a domain's folder that is a file: %v", err)
	}
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	dir = folder(t, map[string]string{"scenari/send.public": "true() smtp -> reject"})
	if err := os.Chmod(filepath.Join(dir, "scenari", "send.public"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := scenario.NewLibrary(dir).Load(scenario.Send, "public", team); err == nil || errors.Is(err, scenario.ErrPermanent) {
		t.Errorf("a file without permission: %v", err)
	}
}

// The blocklist is asked before everything, then the header, then the rules.
func TestPrefixes(t *testing.T) {
	dir := folder(t, map[string]string{
		"scenari/include.send.header":                        "is_editor([listname],[sender]) smtp -> editorkey\n",
		"lists.example.org/scenari/include.send.header":      "is_owner([listname],[sender]) smtp -> owner\n",
		"lists.example.org/scenari/include.subscribe.header": "true() smtp -> owner\n",
	})
	l := scenario.NewLibrary(dir)
	for _, c := range []struct {
		scenario, sender, want string
		blocked                bool
	}{
		{"send.public", "owner", "owner by lists.example.org/scenari/include.send.header:1", false},
		{"send.public", "editor", "do_it by send.public:3", false}, // the domain's header stands for the site's
		{"send.public", "owner", "reject(blocklisted),quiet by blocklist.txt", true},
		{"subscribe.open", "stranger", "owner by lists.example.org/scenari/include.subscribe.header:1", true},
		{"review.public", "stranger", "do_it by review.public:3", true},
	} {
		f := somebody()
		f.found = map[string]bool{"blocklist.txt": c.blocked}
		d := load(t, l, c.scenario).Evaluate(t.Context(), from(c.sender, scenario.SMTP), f)
		if got := shown(d) + " by " + d.Rule; got != c.want {
			t.Errorf("%s, %s: %s, want %s", c.scenario, c.sender, got, c.want)
		}
	}
	// A header that is broken closes the function.
	bad := scenario.NewLibrary(folder(t, map[string]string{"scenari/include.send.header": "oops ("}))
	if d := load(t, bad, "send.public").Evaluate(t.Context(), from("owner", scenario.SMTP), somebody()); shown(d) != "reject(broken)" || d.Rule != "scenari/include.send.header:1" {
		t.Errorf("%s by %s", shown(d), d.Rule)
	}
}

// A change counts from the next request on; so does one of what is included.
func TestChangesArePickedUp(t *testing.T) {
	dir := folder(t, map[string]string{"scenari/send.x": "include a", "scenari/include.a": doIt})
	l := scenario.NewLibrary(dir)
	decide := func() string {
		s, err := l.Load(scenario.Send, "x", team)
		if err != nil {
			return err.Error()
		}
		return shown(s.Evaluate(t.Context(), from("stranger", scenario.SMTP), somebody()))
	}
	for _, step := range []struct{ file, text, want string }{
		{"include.a", doIt, "do_it"},
		{"include.a", strings.Replace(doIt, "do_it", "owner", 1), "owner"}, // the same length, the same second
		{"include.send.header", "true() smtp -> editor", "editor"},
		{"send.x", "broken", "reject(no_rule)"},
		{"send.x", "broken (", "reject(broken)"},
		{"send.x", doIt, "editor"},
	} {
		if step.text == "broken" { // one word: passed over, so nothing is left but the header
			os.Remove(filepath.Join(dir, "scenari", "include.send.header"))
		}
		if step.file == "send.x" && step.text == doIt {
			os.WriteFile(filepath.Join(dir, "scenari", "include.send.header"), []byte("true() smtp -> editor"), 0o600)
		}
		if err := os.WriteFile(filepath.Join(dir, "scenari", step.file), []byte(step.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := decide(); got != step.want {
			t.Errorf("after %s = %q: %s, want %s", step.file, step.text, got, step.want)
		}
	}
}

func TestNames(t *testing.T) {
	l := scenario.NewLibrary(folder(t, map[string]string{
		"scenari/info.mine": doIt, "scenari/info.open:ignore": "", "scenari/.info.x": doIt, "scenari/README": "", "scenari/info.sub/x": "",
		"lists.example.org/team/scenari/info.mine": doIt, "lists.example.org/team/scenari/info.own": doIt,
	}))
	for of, want := range map[list.Address]string{
		{}:   "conceal (built in), mine (scenari/info.mine), open (built in) hidden, private (built in)",
		team: "conceal (built in), mine (lists.example.org/team/scenari/info.mine), open (built in) hidden, own (lists.example.org/team/scenari/info.own), private (built in)",
	} {
		entries, err := l.Names(scenario.Info, of)
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		for _, e := range entries {
			text := e.Name + " (" + e.Origin + ")"
			if e.Hidden {
				text += " hidden"
			}
			told = append(told, text)
		}
		if got := strings.Join(told, ", "); got != want {
			t.Errorf("of %q: %s\nwant %s", of, got, want)
		}
	}
}

// Text files of all levels count, of other kinds the first; a file that is not
// there is an error, but for the blocklist.
func TestFilters(t *testing.T) {
	l := scenario.NewLibrary(folder(t, map[string]string{
		"search_filters/staff.txt": "a", "lists.example.org/search_filters/staff.txt": "b", "lists.example.org/team/search_filters/staff.txt": "c",
		"search_filters/staff.ldap": "a", "lists.example.org/search_filters/staff.ldap": "b",
	}))
	for name, want := range map[string]string{"staff.txt": "cba", "staff.ldap": "b", "blocklist.txt": ""} {
		files, err := l.Filters(name, team)
		got := ""
		for _, f := range files {
			got += string(f.Octets)
		}
		if err != nil || got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := l.Filters("nowhere.sql", team); !errors.Is(err, scenario.ErrPermanent) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// What loading and deciding costs, as each post does it.
func BenchmarkDecide(b *testing.B) {
	l := scenario.NewLibrary(folder(b, map[string]string{"scenari/send.x": "include a\n" + doIt, "scenari/include.a": "is_listmaster([sender]) smtp -> owner"}))
	for b.Loop() {
		s, err := l.Load(scenario.Send, "x", team)
		if err != nil || s.Evaluate(b.Context(), from("stranger", scenario.SMTP), somebody()).Action != scenario.DoIt {
			b.Fatal(err)
		}
	}
}
