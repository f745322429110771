package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sealist/sealist/listd/peer"
)

// builds is the folder of the programs of this run.
var builds string

func TestMain(m *testing.M) {
	code := func() int {
		dir, err := os.MkdirTemp("", "sealist-e2e")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		builds = dir
		return m.Run()
	}()
	os.Exit(code)
}

// programs are the two programs, built from this tree once per run.
type programs struct{ listd, listmaster string }

// Each is built when the first test asks. The crashing one dies at the moment that SEALIST_CRASH names.
var (
	buildPlain    = sync.OnceValues(func() (programs, error) { return build("plain", "") })
	buildCrashing = sync.OnceValues(func() (programs, error) { return build("crashing", "crashpoint") })
)

func build(name, tags string) (programs, error) {
	dir := filepath.Join(builds, name)
	cmd := exec.Command("go", "build", "-tags", tags, "-o", dir+"/", "./cmd/listd", "./cmd/listmaster")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return programs{}, fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return programs{filepath.Join(dir, "listd"), filepath.Join(dir, "listmaster")}, nil
}

// installation is a configuration, a data folder and, while it runs, a server.
type installation struct {
	*peer.Process // of listd serve; nil before the first start
	t             *testing.T
	programs      programs
	dir           string // configuration, certificates, logs
	URL           string // where it takes mail
	starts        int
}

// settings are the parts of sealist.yaml that differ between tests.
type settings struct {
	name   string   // host name; default: lists.example.org
	listen string   // default: lmtp://127.0.0.1:port
	relay  string   // smtp://host:port
	anchor []byte   // PEM
	more   []string // further top-level lines
}

// install writes a configuration as "listd config init" and an editor would, with a random key password.
func install(t *testing.T, s settings, build func() (programs, error)) *installation {
	t.Helper()
	dependOnSources(t)
	programs, err := build()
	if err != nil {
		t.Fatal(err)
	}
	if s.listen == "" {
		s.listen = "lmtp://" + peer.Loopback(peer.Port(t))
	}
	if s.name == "" {
		s.name = "lists.example.org"
	}
	i := &installation{t: t, programs: programs, dir: peer.Folder(t), URL: s.listen}
	if err := os.Mkdir(i.path("tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	i.write("ca.pem", s.anchor)
	i.write("key_password", []byte("0123456789abcdef0123456789abcdef\n"))
	i.write("sealist.yaml", []byte(strings.Join(append([]string{
		"data_dir: data",
		"hostname: " + s.name,
		"domains: [lists.example.org]",
		"listmasters: [postmaster@example.org]",
		fmt.Sprintf("smtp: { listen: [%q] }", s.listen),
		fmt.Sprintf("relay: { address: %q, tls: none }", s.relay),
		"trust: { cafile: ca.pem }",
		"key_password_file: key_password",
		"log: { level: debug, format: json }",
	}, s.more...), "\n")+"\n"))
	return i
}

func (i *installation) path(name string) string { return filepath.Join(i.dir, name) }

func (i *installation) write(name string, octets []byte) string {
	i.t.Helper()
	path := i.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		i.t.Fatal(err)
	}
	if err := os.WriteFile(path, octets, 0o600); err != nil {
		i.t.Fatal(err)
	}
	return path
}

// environment is what the programs run in: nothing of the test's but what they need, and a temporary folder that can be
// searched.
func (i *installation) environment(more ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + i.dir, "TMPDIR=" + i.path("tmp")}, more...)
}

// launch starts "listd serve" without waiting for anything. Each start has a log of its own.
func (i *installation) launch(environment ...string) {
	i.t.Helper()
	i.starts++
	cmd := exec.Command(i.programs.listd, "serve", "--config", i.path("sealist.yaml"))
	cmd.Dir, cmd.Env = i.dir, i.environment(environment...)
	i.Process = peer.StartProcess(i.t, i.path(fmt.Sprintf("listd-%d.log", i.starts)), cmd)
}

// start starts "listd serve" and waits until it says that it is ready.
func (i *installation) start(environment ...string) {
	i.t.Helper()
	i.launch(environment...)
	peer.Until(i.t, "listd", func() error {
		if i.logged("ready") {
			return nil
		}
		if i.Ended() {
			i.t.Fatalf("listd ended before it was ready, exit %d:\n%s", i.ExitCode(), i.Log())
		}
		return errors.New("it is not ready")
	})
}

// logged says whether the running server has logged a message.
func (i *installation) logged(message string) bool {
	for line := range strings.Lines(i.Log()) {
		var record struct{ Msg string }
		if json.Unmarshal([]byte(line), &record) == nil && record.Msg == message {
			return true
		}
	}
	return false
}

// listmaster runs a command and returns its standard output and exit status.
func (i *installation) listmaster(arguments ...string) (out string, exit int) {
	i.t.Helper()
	cmd := exec.Command(i.programs.listmaster, append(arguments, "--config", i.path("sealist.yaml"))...)
	cmd.Dir, cmd.Env = i.dir, i.environment()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var failure *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &failure) {
		i.t.Fatal(err)
	}
	if stderr.Len() > 0 {
		i.t.Logf("listmaster %s: %s", strings.Join(arguments, " "), stderr.Bytes())
	}
	return stdout.String(), cmd.ProcessState.ExitCode()
}

// must runs a command that has to succeed.
func (i *installation) must(arguments ...string) string {
	i.t.Helper()
	out, exit := i.listmaster(arguments...)
	if exit != 0 {
		i.t.Fatalf("listmaster %s: exit %d\n%s", strings.Join(arguments, " "), exit, out)
	}
	return out
}

// read runs a command with --json and decodes what it prints.
func (i *installation) read(into any, arguments ...string) {
	i.t.Helper()
	out := i.must(append(arguments, "--json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		i.t.Fatalf("listmaster %s --json: %v\n%s", strings.Join(arguments, " "), err, out)
	}
}

// post is what "queue show" tells of one post.
type post struct {
	ID         string         `json:"id"`
	State      string         `json:"state"`
	Reason     string         `json:"reason"`
	MessageID  string         `json:"message_id"`
	Method     string         `json:"method"`
	Author     string         `json:"author"`
	States     map[string]int `json:"states"`
	Deliveries []struct {
		Kind    string `json:"kind"`
		Address string `json:"address"`
		State   string `json:"state"`
		Reason  string `json:"reason"`
	} `json:"deliveries"`
}

// waitState waits until every post is in one of the states, and returns them with their copies, oldest first.
func (i *installation) waitState(posts int, states ...string) []post {
	i.t.Helper()
	var all []post
	peer.Until(i.t, fmt.Sprintf("%d posts that are %s", posts, strings.Join(states, " or ")), func() error {
		i.read(&all, "queue", "ls", "--all")
		if len(all) != posts {
			return fmt.Errorf("there are %d posts", len(all))
		}
		for _, p := range all {
			if !strings.Contains(strings.Join(states, " "), p.State) {
				return fmt.Errorf("post %s is %s (%s)", p.ID, p.State, p.Reason)
			}
		}
		return nil
	})
	for n := range all {
		id := all[n].ID
		all[n] = post{}
		i.read(&all[n], "queue", "show", id)
	}
	return all
}

// configure adds a top-level line to the configuration.
func (i *installation) configure(line string) {
	i.t.Helper()
	file, err := os.OpenFile(i.path("sealist.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		i.t.Fatal(err)
	}
	_, err = file.WriteString(line + "\n")
	if err := errors.Join(err, file.Close()); err != nil {
		i.t.Fatal(err)
	}
}
