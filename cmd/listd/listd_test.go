package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/config"
)

// try runs a command line.
func try(t *testing.T, args ...string) (status int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	status = run(t.Context(), args, &o, &e)
	return status, o.String(), e.String()
}

// TestConfigCheckReadsTemplates: a template of service mail that would not be used is a mistake.
func TestConfigCheckReadsTemplates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sealist.yaml")
	file := filepath.Join(filepath.Dir(path), "data", "templates", "de", "welcome.txt")
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(path, "data_dir: data\nlang: de\nnotices: { unsigned_after: 4h }\n")
	write(file, "Subject: Hallo {{.list}}\n\nx\n")
	if status, out, errOut := try(t, "config", "check", "--config", path); status != 0 || out != path+" is good\n" {
		t.Errorf("status %d\n%s%s", status, out, errOut)
	}
	write(file, "Subject: Hallo {{.listt}}\n\nx\n")
	status, _, errOut := try(t, "config", "check", "--config", path)
	if status != 1 || !strings.Contains(errOut, file+": notices.dir: ") || !strings.Contains(errOut, "there is no variable listt here") {
		t.Errorf("status %d\n%s", status, errOut)
	}
	for _, wrong := range []string{"notices: { unsigned_after: soon }", "notices: { unsigned_after: 0s }", "lang: es"} {
		write(path, "data_dir: data\n"+wrong+"\n")
		if status, _, errOut := try(t, "config", "check", "--config", path); status != 1 {
			t.Errorf("%s: status %d\n%s", wrong, status, errOut)
		}
	}
}

func TestConfigCommands(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etc", "sealist.yaml")
	password := filepath.Join(filepath.Dir(path), "key_password")

	status, _, errOut := try(t, "config", "check", "--config", path)
	if status != 3 || !strings.Contains(errOut, "no such file") || !strings.Contains(errOut, "listd: hint: `listd config init --config "+path+"` writes one") {
		t.Errorf("status %d\n%s", status, errOut)
	}
	status, out, errOut := try(t, "config", "init", "--config", path)
	if status != 0 || errOut != "" || !strings.HasPrefix(out, "written: "+path+"\nwritten: "+password+"\n") {
		t.Errorf("status %d\n%s%s", status, out, errOut)
	}
	if status, out, _ = try(t, "config", "init", "--config", path); status != 0 || !strings.HasPrefix(out, "left as it is: "+path+"\nleft as it is: "+password+"\n") {
		t.Errorf("status %d\n%s", status, out)
	}
	status, out, errOut = try(t, "config", "check", "--config", path)
	if status != 0 || out != path+" is good\n" || !strings.HasPrefix(errOut, "listd: warning: "+path) || strings.Count(errOut, "\n") != 1 {
		t.Errorf("status %d\n%s%s", status, out, errOut)
	}

	if err := os.WriteFile(path, []byte("relay:\n  tls: sure\nweb: { listen: \"127.0.0.1:0\", base_url: nowhere }\ncolour: blue\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, errOut = try(t, "config", "check", "--config", path)
	for _, part := range []string{
		"listd: error: " + path + ":3: web.base_url: ",
		"listd: error: " + path + ":2: relay.tls: \"sure\" is not known here\nlistd: hint: write none, opportunistic, required or implicit\n",
		"listd: error: " + path + ":4: colour: is not a key Sealist knows\nlistd: hint: the keys here are data_dir, ",
	} {
		if !strings.Contains(errOut, part) {
			t.Errorf("no %q in\n%s", part, errOut)
		}
	}
	if status != 1 || out != "" {
		t.Errorf("status %d\n%s", status, out)
	}
	status, out, errOut = try(t, "config", "check", "--json", "--config", path)
	var answer struct {
		OK                 bool
		Mistakes, Warnings []config.Finding
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil || status != 1 || errOut != "" {
		t.Fatalf("status %d, %v\n%s%s", status, err, out, errOut)
	}
	if answer.OK || len(answer.Mistakes) != 3 || answer.Mistakes[0].Line != 2 || answer.Mistakes[1].Key != "web.base_url" || answer.Mistakes[2].Key != "colour" || len(answer.Warnings) != 1 {
		t.Errorf("%+v", answer)
	}

	// A server does not start on it, and says the same.
	status, _, errOut = try(t, "serve", "--config", path)
	if status != 3 || !strings.Contains(errOut, "listd: error: "+path+":2: relay.tls") {
		t.Errorf("status %d\n%s", status, errOut)
	}
	if status, out, _ = try(t, "config", "reference"); status != 0 || out != config.Reference() {
		t.Errorf("status %d\n%.80s", status, out)
	}
	var keys []config.Key
	status, out, _ = try(t, "config", "reference", "--json")
	if err := json.Unmarshal([]byte(out), &keys); err != nil || status != 0 || len(keys) == 0 || keys[0].Key != "data_dir" || keys[0].Variable != "SEALIST_DATA_DIR" {
		t.Errorf("status %d, %v\n%.80s", status, err, out)
	}
}

func TestUsage(t *testing.T) {
	for args, text := range map[string]string{
		"serv":           "listd: error: unknown command \"serv\" for \"listd\"\nlistd: hint: did you mean `listd serve`?\n",
		"serve now":      "listd: error: unknown command \"now\" for \"listd serve\"\nlistd: hint: see `listd serve --help`\n",
		"version --jsno": "listd: error: unknown flag: --jsno\nlistd: hint: see `listd version --help`\n",
	} {
		status, out, errOut := try(t, strings.Fields(args)...)
		if status != 2 || out != "" || errOut != text {
			t.Errorf("%s: status %d\n%s%s", args, status, out, errOut)
		}
	}
}

func TestVersion(t *testing.T) {
	if status, out, _ := try(t, "version"); status != 0 || !regexp.MustCompile(`^listd \d+\.\d+\.\d+\S*( \S+)? go1\S+\n$`).MatchString(out) {
		t.Errorf("status %d %q", status, out)
	}
	status, out, _ := try(t, "version", "--json")
	var v map[string]string
	if err := json.Unmarshal([]byte(out), &v); err != nil || status != 0 || v["version"] == "" || v["go"] == "" {
		t.Errorf("status %d, %v %s", status, err, out)
	}
}

// seen is a writer that lets a test wait for a text.
type seen struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (s *seen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	select {
	case s.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (s *seen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// wait returns what the first group of the pattern matches, once it does.
func (s *seen) wait(t *testing.T, pattern string, done <-chan int) string {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(s.String()); m != nil {
			return m[1]
		}
		select {
		case <-s.more:
		case status := <-done:
			t.Fatalf("ended with status %d:\n%s", status, s)
		case <-deadline:
			t.Fatalf("no %s in\n%s", pattern, s)
		}
	}
}

// The server listens, and stops in order when it is told to.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sealist.yaml")
	if err := os.WriteFile(path, []byte("data_dir: data\nsmtp: { listen: [\"smtp://127.0.0.1:0\"] }\nlog: { format: json }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log, done := &seen{more: make(chan struct{}, 1)}, make(chan int, 1)
	go func() { done <- run(ctx, []string{"serve", "--config", path}, log, log) }()
	address := log.wait(t, `smtp://(127\.0\.0\.1:\d+)`, done)
	conn, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	greeting := make([]byte, 4)
	if _, err := conn.Read(greeting); err != nil || string(greeting) != "220 " {
		t.Errorf("%q %v", greeting, err)
	}

	// One SQLite file has one server.
	status, _, errOut := try(t, "serve", "--config", path)
	if status != 3 || !strings.Contains(errOut, "listd: hint: stop the other listd first") {
		t.Errorf("status %d\n%s", status, errOut)
	}

	stop()
	select {
	case status := <-done:
		if status != 0 {
			t.Errorf("status %d\n%s", status, log)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("it does not stop:\n%s", log)
	}
	for line := range strings.Lines(log.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	status, out, errOut := try(t, "demo", "--dir", dir)
	if status != 0 || errOut != "" || !strings.Contains(out, "openssl cms -decrypt") {
		t.Errorf("status %d\n%s%s", status, out, errOut)
	}
}
