package notice_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
)

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestOverrides: the list's own template comes before that of its domain, that before the site's, that before the shipped one,
// each in the list's language. A broken one stands aside for the shipped one, and the log says why.
func TestOverrides(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	n := newNotices(t, notice.Site{Dir: dir, Lang: list.German, Log: slog.New(slog.NewTextHandler(&log, nil))})
	subject := func(l list.List) string {
		t.Helper()
		l, nt, _ := n.Example("welcome", l, list.Address{})
		return parse(t, render(t, n, l, nt).Octets()).Header().Get("Subject")
	}
	want := func(l list.List, subjectWanted string) {
		t.Helper()
		if got := subject(l); got != subjectWanted {
			t.Errorf("%s: %q, want %q", l.Policy.Lang, got, subjectWanted)
		}
	}
	want(team(""), "Willkommen auf team@lists.example.org")
	want(team(list.French), "Bienvenue sur team@lists.example.org")
	write(t, dir, "fr/welcome.txt", "Subject: site\n\nx\n")
	want(team(list.French), "site")
	want(team(list.English), "Welcome to team@lists.example.org")
	write(t, dir, "lists.example.org/fr/welcome.txt", "\ufeffSubject: domain {{.list}}\r\n\r\nx {{if ne .robot \"x\"}}y{{end}}\r\n")
	want(team(list.French), "domain team@lists.example.org")
	write(t, dir, "team@lists.example.org/fr/welcome.txt", "Subject: list\n\nx\n")
	want(team(list.French), "list")
	if log.Len() > 0 {
		t.Errorf("%s", log.String())
	}
	if faults, err := n.Check(); len(faults) > 0 || err != nil {
		t.Errorf("%v, %v", faults, err)
	}

	for name, broken := range map[string]string{
		"syntax":                 "Subject: {{.list\n\nx\n",
		"no Subject":             "Welcome\n\nx\n",
		"two lines":              "Subject: a\nBcc: e@x\n\nx\n",
		"no text":                "Subject: a\n",
		"another's variable":     "Subject: a\n\n{{.fingerprint}}\n",
		"a method":               "Subject: a\n\n{{.list.Local}}\n",
		"a function":             "Subject: a\n\n{{printf \"%0999999d\" 1}}\n",
		"html":                   "Subject: a\n\n{{.list | html}}\n",
		"a loop without end":     "Subject: a\n\n{{range 1000000000}}{{end}}\n",
		"a range in a range":     "Subject: a\n\n{{range .lines}}{{range .lines}}x{{end}}{{end}}\n",
		"a variable of its own":  "Subject: a\n\n{{$x := .list}}{{$x}}\n",
		"a template of its own":  "Subject: a\n\n{{define \"x\"}}{{template \"x\"}}{{end}}{{template \"x\"}}\n",
		"itself":                 "Subject: a\n\n{{template \"welcome\" .}}\n",
		"with":                   "Subject: a\n\n{{with .list}}{{.}}{{end}}\n",
		"a number":               "Subject: a\n\n{{1}}\n",
		"too long":               "Subject: a\n\n" + strings.Repeat("x", 40<<10),
		"not UTF-8":              "Subject: a\n\n\xff\n",
		"a control":              "Subject: a\n\n\x1b[2J\n",
		"a line end of its own":  "Subject: a\n\nx\rBcc: e\n",
		"much for every line":    "Subject: a\n\n{{range .lines}}" + strings.Repeat("{{if eq . \"\"}}{{end}}", 101) + "{{end}}\n",
		"many words":             "Subject: a\n\n{{range .lines}}{{if eq ." + strings.Repeat(" \"\"", 200) + "}}{{end}}{{end}}\n",
		"lines where none stand": "Subject: a\n\n{{.lines}}\n",
	} {
		log.Reset()
		write(t, dir, "team@lists.example.org/fr/welcome.txt", broken)
		want(team(list.French), "Bienvenue sur team@lists.example.org")
		if !strings.Contains(log.String(), "welcome.txt") || !strings.Contains(log.String(), "ERROR") {
			t.Errorf("%s: the log has %q", name, log.String())
		}
		if faults, err := n.Check(); len(faults) != 1 || err != nil {
			t.Errorf("%s: %v, %v", name, faults, err)
		}
	}
}

// TestStrayTemplates: a file that no notice would use is a mistake that somebody wants to hear of.
func TestStrayTemplates(t *testing.T) {
	dir := t.TempDir()
	n := newNotices(t, notice.Site{Dir: filepath.Join(dir, "none")})
	if faults, err := n.Check(); len(faults) > 0 || err != nil {
		t.Errorf("no folder: %v, %v", faults, err)
	}
	n = newNotices(t, notice.Site{Dir: dir})
	const good = "Subject: a\n\nx\n"
	for _, name := range []string{"welcome.txt", "es/welcome.txt", "en/wellcome.txt", "en/welcome.tpl", "en/team@lists.example.org/welcome.txt", "a/b/en/welcome.txt"} {
		write(t, dir, name, good)
	}
	write(t, dir, "en/.welcome.txt.swp", "")
	write(t, dir, "en/welcome.txt~", "")
	if faults, err := n.Check(); len(faults) != 6 || err != nil {
		t.Errorf("%v, %v", faults, err)
	}
}

// TestOverridesStayInTheirFolder: a link leads nowhere else, and a pipe keeps nobody waiting.
func TestOverridesStayInTheirFolder(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	write(t, other, "secret", "Subject: a\n\nsecret\n")
	write(t, dir, "en/farewell.txt", "Subject: a\n\nx\n")
	if err := os.Symlink(filepath.Join(other, "secret"), filepath.Join(dir, "en", "welcome.txt")); err != nil {
		t.Fatal(err)
	}
	n := newNotices(t, notice.Site{Dir: dir})
	l, nt, _ := n.Example("welcome", team(""), list.Address{})
	if octets := render(t, n, l, nt).Octets(); bytes.Contains(octets, []byte("secret")) {
		t.Errorf("%s", octets)
	}
}

// TestLargeTemplate: what a template of the site makes is bounded; the shipped one stands in for it.
func TestLargeTemplate(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "en/command_report.txt", "Subject: large\n\n"+strings.Repeat("{{range .lines}}{{.}}{{end}}\n", 10))
	n := newNotices(t, notice.Site{Dir: dir})
	l, nt, _ := n.Example("command_report", team(""), list.Address{})
	for range 1000 {
		nt.Lines = append(nt.Lines, strings.Repeat("x", 500))
	}
	m := render(t, n, l, nt)
	if got := parse(t, m.Octets()).Header().Get("Subject"); got == "large" || len(m.Octets()) > 512<<10 {
		t.Errorf("%q, %d octets", got, len(m.Octets()))
	}
}

// TestWorstTemplate: the dearest template that is taken ends soon, with all the lines that a notice may have.
func TestWorstTemplate(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "en/command_report.txt", "Subject: a\n\n{{range .lines}}"+strings.Repeat("{{if eq . \"\"}}{{end}}", 24)+"{{end}}x\n")
	n := newNotices(t, notice.Site{Dir: dir})
	l, nt, _ := n.Example("command_report", team(""), list.Address{})
	for range 5000 {
		nt.Lines = append(nt.Lines, "x")
	}
	begin := time.Now()
	if got := parse(t, render(t, n, l, nt).Octets()).Header().Get("Subject"); got != "a" {
		t.Errorf("%q", got)
	}
	t.Log(time.Since(begin))
}

// FuzzTemplate: whatever lies in the folder, a mail comes out with the fields of service mail, in bounds.
func FuzzTemplate(f *testing.F) {
	f.Add("Subject: {{.list}}\n\n{{range .lines}}{{.}}{{end}}{{if eq .robot \"x\"}}{{.owner}}{{else}}{{.to}}{{end}}\n")
	f.Add("Subject: a\n\n{{range .lines}}{{range .lines}}{{.}}{{end}}{{end}}\n")
	f.Add("Subject: {{if .robot}}a\n\nb{{end}}\n\nc\n")
	f.Add("Subject: \n\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		write(t, dir, "en/welcome.txt", text)
		n := newNotices(t, notice.Site{Dir: dir})
		l, nt, _ := n.Example("welcome", team(""), list.Address{})
		nt.Lines = []string{"a", "b"}
		m := render(t, n, l, nt)
		octets := m.Octets()
		if len(octets) > 1<<20 || header(t, m) != "From To Subject Date Message-ID Auto-Submitted X-Auto-Response-Suppress MIME-Version Content-Type Content-Transfer-Encoding" {
			t.Errorf("%s", octets)
		}
		if _, err := parse(t, octets).Decoded(); err != nil {
			t.Error(err)
		}
	})
}
