package e2e

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sealist/sealist"

// rooms is the table of docs/architecture.md: for every package what it may import directly of ours, _test files apart.
// A name stands for module + "/" + name. "directory/..." means directory and all below it.
var rooms = map[string][]string{
	"config":   {},
	"testdata": {},

	"smime/cms":        {},
	"smime/entity":     {},
	"smime/trust":      {},
	"smime/revocation": {"smime/trust"},
	"smime":            {"smime/cms", "smime/entity", "smime/trust"},
	"smime/smimetest":  {"smime", "smime/cms", "smime/entity", "smime/trust"},

	"directory":         {},
	"directory/ldap":    {"directory", "smime/cms"},
	"directory/files":   {"directory", "smime/cms"},
	"directory/harvest": {"directory", "smime", "smime/trust"},
	"resolver":          {"directory", "smime", "smime/cms", "smime/trust"},

	"listd/crashpoint": {},
	"listd/pulse":      {},
	"listd/list":       {"config"},
	"listd/scenario":   {"listd/list"},
	"listd/store":      {"listd/list", "listd/bounce", "directory", "listd/crashpoint"},
	"listd/hsm":        {"smime/cms"},
	"listd/keyring":    {"listd/hsm", "listd/list", "listd/store", "smime/cms", "smime/trust"},
	"listd/datasource": {"listd/list", "listd/store", "directory", "directory/ldap"},
	"listd/smtpd":      {"listd/list", "listd/store", "listd/bounce", "listd/crashpoint"},
	"listd/compose":    {"listd/list", "smime", "smime/entity"},
	"listd/notice":     {"listd/list", "listd/store", "listd/keyring", "resolver", "smime", "smime/entity"},
	"listd/relay":      {"listd/crashpoint"},
	"listd/queue":      {"listd/pulse", "listd/list", "listd/store", "listd/relay", "listd/bounce", "listd/crashpoint"},
	"listd/bounce":     {"listd/list", "smime/entity"},
	"listd/admin": {"listd/hsm", "listd/token", "listd/list", "listd/store", "listd/scenario", "listd/keyring", "resolver", "listd/datasource", "listd/notice",
		"listd/queue", "listd/bounce", "smime", "smime/trust", "smime/revocation", "directory/..."},
	"listd/command": {"listd/scenario", "listd/list", "listd/admin", "listd/notice", "listd/queue", "smime", "smime/entity"},
	"listd/distribute": {"listd/pulse", "listd/admin", "listd/token", "listd/list", "listd/store", "listd/keyring", "listd/scenario", "resolver", "directory/harvest", "smime",
		"smime/cms", "smime/entity", "smime/trust", "listd/compose", "listd/notice", "listd/queue", "listd/relay", "listd/bounce",
		"listd/command", "listd/crashpoint"},
	"listd/task":   {"listd/store"},
	"listd/token":  {"listd/list", "listd/store"},
	"listd/metric": {},
	"listd/limit":  {},
	"listd/api":    {"listd/list", "listd/admin", "listd/limit"},
	"listd/web":    {"listd/list", "listd/admin", "listd/limit"},
	"listd":        {"config", "smime/...", "directory/...", "resolver", "listd/..."}, // less the rooms of testing
	"listd/demo": {"listd", "config", "listd/keyring", "listd/list", "listd/store", "resolver", "smime", "smime/cms",
		"smime/entity", "smime/smimetest"},
	"listd/bench": {"listd", "config", "listd/keyring", "listd/list", "listd/store", "smime/smimetest"},
	"listd/peer":  {},
	"listd/e2e":   {},

	"cmd/cli":        {"listd/admin"},
	"cmd/listd":      {"cmd/cli", "listd", "listd/admin", "listd/demo", "listd/bench", "config", "smime"},
	"cmd/listmaster": {"cmd/cli", "listd", "listd/admin", "listd/demo", "config", "smime"},
}

// forTesting are the rooms that only the named ones, and _test files, may import.
var forTesting = map[string][]string{
	"smime/smimetest": {"listd/demo", "listd/bench"},
	"listd/demo":      {"cmd/listd", "cmd/listmaster"},
	"listd/bench":     {"cmd/listd"},
	"listd/peer":      {},
	"listd/e2e":       {},
}

func TestImportsFollowTheArrows(t *testing.T) {
	for name, imports := range ourImports(t) {
		allowed, known := rooms[name]
		if !known {
			t.Errorf("%s is not in the table: say in docs/architecture.md and in rooms what it is for and may import", name)
			continue
		}
		for _, imported := range imports {
			if importers, guarded := forTesting[imported]; guarded && !slices.Contains(importers, name) {
				t.Errorf("%s imports %s, which is for tests", name, imported)
			} else if !covers(allowed, imported) {
				t.Errorf("%s must not import %s: it may import %v", name, imported, allowed)
			}
		}
	}
}

// The table itself: an arrow to a room that does not exist in it, or a circle, would allow what nobody decided.
func TestArrowsHaveNoCircle(t *testing.T) {
	var visit func(name string, path []string)
	visit = func(name string, path []string) {
		if slices.Contains(path, name) {
			t.Errorf("a circle: %v", append(path, name))
			return
		}
		for _, imported := range rooms[name] {
			if strings.HasSuffix(imported, "/...") {
				continue
			}
			if _, known := rooms[imported]; !known {
				t.Errorf("%s may import %s, which is not in the table", name, imported)
			}
			visit(imported, append(slices.Clone(path), name))
		}
	}
	for name := range rooms {
		visit(name, nil)
	}
}

func covers(allowed []string, imported string) bool {
	return slices.ContainsFunc(allowed, func(a string) bool {
		below, tree := strings.CutSuffix(a, "/...")
		return imported == a || tree && (imported == below || strings.HasPrefix(imported, below+"/"))
	})
}

// ourImports returns the direct imports of each of our packages by another, under every build tag of the project.
func ourImports(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, tags := range []string{"", "crashpoint", "pkcs11"} {
		for _, line := range goList(t, "-tags", tags, "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...") {
			fields := strings.Fields(line)
			name := strings.TrimPrefix(fields[0], module+"/")
			if all[name] == nil {
				all[name] = []string{}
			}
			for _, imported := range fields[1:] {
				if ours, ok := strings.CutPrefix(imported, module+"/"); ok && !slices.Contains(all[name], ours) {
					all[name] = append(all[name], ours)
				}
			}
		}
	}
	return all
}

// Every module that our code, tests included, imports has its line in docs/dependencies.md, and no other has.
func TestDependenciesAreExplained(t *testing.T) {
	used := map[string]bool{"honnef.co/go/tools": true} // the tool line of go.mod
	modules := goList(t, "-m", "-f", "{{.Path}}", "all")
	for _, path := range goList(t, "-tags", "pkcs11", "-f", `{{join .Imports "\n"}}{{"\n"}}{{join .TestImports "\n"}}{{"\n"}}{{join .XTestImports "\n"}}`, "./...") {
		best := ""
		for _, m := range modules {
			if (path == m || strings.HasPrefix(path, m+"/")) && len(m) > len(best) && m != module {
				best = m
			}
		}
		if best != "" && !strings.HasPrefix(path, module+"/") {
			used[best] = true
		}
	}
	page, err := os.ReadFile(filepath.Join(root(t), "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]bool{}
	for line := range strings.Lines(string(page)) {
		if rest, ok := strings.CutPrefix(line, "| `"); ok {
			name, _, _ := strings.Cut(rest, "`")
			explained[name] = true
		}
	}
	for name := range maps.Keys(used) {
		if !explained[name] {
			t.Errorf("docs/dependencies.md does not explain %s", name)
		}
	}
	for name := range maps.Keys(explained) {
		if !used[name] {
			t.Errorf("docs/dependencies.md explains %s, which nothing imports", name)
		}
	}
}

// root is the top folder of the repository.
func root(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// goList returns the lines of "go list". -e: a package that does not compile is for the compiler to report.
func goList(t testing.TB, arguments ...string) []string {
	t.Helper()
	dependOnSources(t)
	cmd := exec.Command("go", append([]string{"list", "-e"}, arguments...)...)
	cmd.Dir = root(t)
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); ok {
		t.Fatalf("go list: %v\n%s", err, exit.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(strings.Split(string(out), "\n"), func(line string) bool { return line == "" })
}

// dependOnSources looks at every folder of the repository, so that "go test" does not repeat a cached result of a test
// that asks another process about files which have changed since.
func dependOnSources(t testing.TB) {
	t.Helper()
	err := filepath.WalkDir(root(t), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && entry.Name() == ".git" {
			return filepath.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
