package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
)

// asProgram makes the test binary be listmaster itself, for tests that need a
// process of their own.
const asProgram = "SEALIST_TEST_AS_LISTMASTER"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

const board = "board@lists.example.org"

// world is a folder with a configuration and what it names.
type world struct {
	t   *testing.T
	dir string
	ca  *smimetest.CA
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), ca: smimetest.NewCA("CA")}
	w.put("ca.pem", string(w.ca.PEM()))
	w.put("key_password", "hunter2\n")
	w.put("p12.pass", "pw\n")
	w.put("board.p12", string(w.ca.Issue(board, smimetest.CommonName("The Board")).PKCS12("pw")))
	w.configure("")
	return w
}

// configure writes the configuration, with more lines behind it.
func (w *world) configure(more string) {
	w.put("sealist.yaml", "data_dir: data\ndomains: [lists.example.org]\ntrust: { cafile: ca.pem }\n"+more)
}

func (w *world) put(name, text string) string {
	w.t.Helper()
	path := w.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// try runs a command line.
func (w *world) try(args ...string) (status int, out, errOut string) {
	w.t.Helper()
	return w.tryWith("", args...)
}

// tryWith runs a command line with something on standard input.
func (w *world) tryWith(in string, args ...string) (status int, out, errOut string) {
	w.t.Helper()
	var o, e bytes.Buffer
	status = run(w.t.Context(), append(args, "--config", w.path("sealist.yaml")), strings.NewReader(in), &o, &e)
	if strings.Contains(o.String()+e.String(), "hunter2") {
		w.t.Errorf("%v shows the key password", args)
	}
	return status, o.String(), e.String()
}

// good runs a command line that has to succeed in silence.
func (w *world) good(args ...string) string {
	w.t.Helper()
	status, out, errOut := w.try(args...)
	if status != 0 || errOut != "" {
		w.t.Fatalf("%v: status %d\n%s%s", args, status, out, errOut)
	}
	return out
}

// steady replaces what differs from run to run.
func steady(s string) string {
	for _, r := range []struct{ pattern, with string }{
		{`\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ`, "TIME"},
		{`\d{4}-\d\d-\d\d`, "DATE"},
		{`\b[0-9a-f]{64}\b`, "FINGERPRINT"},
		{`\b[0-9a-f]{16,40}\b`, "HEX"},
		{`user [^)]*\)`, "user NAME)"},
		{`\(/[^)]* \d+\.\d ms\)`, "(FOLDER, MS)"},
		{`[ \t]+\n`, "\n"},
		{`  +`, "  "}, // columns are as wide as what was replaced
	} {
		s = regexp.MustCompile(r.pattern).ReplaceAllString(s, r.with)
	}
	return s
}

// want compares what was printed, run-to-run differences aside.
func want(t *testing.T, got, text string) {
	t.Helper()
	if text = steady(strings.TrimPrefix(text, "\n")); steady(got) != text {
		t.Errorf("got\n%s\nwant\n%s", steady(got), text)
	}
}

// store opens the world's database.
func (w *world) store() *store.Store {
	w.t.Helper()
	s, err := store.Open(w.t.Context(), "sqlite:sealist.db", store.Options{DataDir: w.path("data")})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { s.Close() })
	return s
}

// keep puts a person's certificate into the database.
func (w *world) keep(id *smimetest.Identity) {
	w.t.Helper()
	_, err := w.store().PutCertificate(w.t.Context(), store.Certificate{
		Address: list.MustParseAddress(id.Address), DER: id.Certificate.Raw, Source: "harvest", MessageID: "<x@example.org>", Seen: time.Now(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}
