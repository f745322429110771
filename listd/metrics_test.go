package listd_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/distribute"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/queue"
	"github.com/sealist/sealist/listd/smtpd"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/smimetest"
)

// measured opens a world anew that shows its metrics.
func (w *world) measured() *world {
	w.t.Helper()
	w.must(w.sealist.Close())
	w.config.Metrics.Listen = "127.0.0.1:0"
	w.open()
	return w
}

var metricsServed = regexp.MustCompile(`msg="metrics are served" address=(\S+)`)

// watch asks the server that runs now, or last, for a page of its metrics and health.
func (w *world) watch(path string) (int, string) {
	w.t.Helper()
	found := metricsServed.FindAllStringSubmatch(w.logged(), -1)
	if found == nil {
		w.t.Fatal("nothing is served")
	}
	r, err := http.Get("http://" + found[len(found)-1][1] + path)
	w.must(err)
	defer r.Body.Close()
	octets, err := io.ReadAll(r.Body)
	w.must(err)
	return r.StatusCode, string(octets)
}

// metrics are the series of the server with their values.
func (w *world) metrics() map[string]string {
	w.t.Helper()
	code, text := w.watch("/metrics")
	if code != http.StatusOK {
		w.t.Fatalf("%d %s", code, text)
	}
	all := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "} "); ok && !strings.HasPrefix(line, "#") {
			all[name+"}"] = value
		} else if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "#") {
			all[name] = value
		}
	}
	return all
}

// becomes waits until series have values.
func (w *world) becomes(want map[string]string) {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		all := w.metrics()
		wrong := ""
		for name, value := range want {
			if all[name] != value {
				wrong += fmt.Sprintf("%s is %q, not %q\n", name, all[name], value)
			}
		}
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s%s", wrong, w.logged())
		}
	}
}

// TestMetrics is a server as its metrics see it. They name nobody.
func TestMetrics(t *testing.T) {
	w := newWorld(t).measured().byHand()
	w.without("carol")
	w.start()
	w.settled(w.send("alice@example.org", secretList, smimetest.Mail("alice@example.org", secretList, "quarterly figures", smimetest.Encrypt(w.people["alice"].Sign(text), w.keys[secretList]))))
	w.settled(w.send("mallory@example.org", plainList, mail("mallory@example.org", plainList, text)))
	if reply := w.refused("alice@example.org", "nobody@lists.example.org"); !strings.HasPrefix(reply, "550") {
		t.Error(reply)
	}
	if _, err := w.sealist.Tasks("test").Now(t.Context(), "purge"); err != nil {
		t.Error(err)
	}
	w.becomes(map[string]string{
		`sealist_smtp_connections_total`:                                                    "3",
		`sealist_smtp_refusals_total{reason="no_list"}`:                                     "1",
		`sealist_smtp_refusals_total{reason="relaying"}`:                                    "0",
		`sealist_messages_accepted_total{kind="post",protocol="smtp",tls="no"}`:             "2",
		`sealist_messages_decided_total{decision="distributing",kind="post",reason=""}`:     "1",
		`sealist_messages_decided_total{decision="rejected",kind="post",reason="scenario"}`: "1",
		`sealist_copies_total{outcome="relayed",reason=""}`:                                 "2",
		`sealist_copies_total{outcome="withheld",reason="no_certificate"}`:                  "1",
		`sealist_copies_relayed_total{tls="no"}`:                                            "2",
		`sealist_copies_withheld`:                                                           "1",
		`sealist_resolved_total{outcome="usable",source="files"}`:                           "1",
		`sealist_resolved_total{outcome="usable",source="harvest"}`:                         "1", // the author, from the post itself
		`sealist_resolved_total{outcome="none",source=""}`:                                  "1",
		`sealist_task_runs_total{result="ok",task="purge"}`:                                 "1",
		`sealist_task_failures{task="purge"}`:                                               "0",
		`sealist_database_up`:                                                               "1",
		`sealist_spool_messages{state="accepted"}`:                                          "0",
		`sealist_queue_deliveries{kind="copy"}`:                                             "0",
		`sealist_queue_deliveries{kind="notice"}`:                                           "0",
		`sealist_ready{part="listeners"}`:                                                   "1",
	})
	_, page := w.watch("/metrics")
	for _, name := range []string{"@", "example", "alice", "carol", "secret", "plain", "figures", "nobody", w.dir} {
		if strings.Contains(page, name) {
			t.Errorf("%q stands in\n%s", name, page)
		}
	}
	if strings.Contains(page, `"other"`) {
		t.Errorf("a word that no room named, in\n%s", page)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "pprof.sock")); err == nil {
		t.Error("profiles that nobody asked for")
	}
}

// refused offers a recipient, and returns the answer.
func (w *world) refused(from, to string) string {
	w.t.Helper()
	c, err := textproto.Dial("tcp", w.addr)
	w.must(err)
	defer c.Close()
	_, _, err = c.ReadResponse(220)
	w.must(err)
	for _, line := range []string{"EHLO x", "MAIL FROM:<" + from + ">"} {
		w.must(c.PrintfLine("%s", line))
		_, _, err := c.ReadResponse(250)
		w.must(err)
	}
	w.must(c.PrintfLine("RCPT TO:<%s>", to))
	code, reply, _ := c.ReadResponse(0)
	return fmt.Sprint(code, " ", reply)
}

// TestDirectoryMetrics: what is asked for copies is counted; what is asked about a signature is not, and neither is what is
// kept.
func TestDirectoryMetrics(t *testing.T) {
	w, slapd := directoryWorld(t, direct, "alice", "bob")
	w.measured().byHand().start()
	post := func(from string, octets []byte) { w.settled(w.send(from, secretList, octets)) }
	nobody := w.ca.Issue("carol@example.org", smimetest.NoSAN)
	post("carol@example.org", smimetest.Mail("carol@example.org", secretList, "x", smimetest.Encrypt(nobody.Sign(text), w.keys[secretList])))
	if slapd.Searches() == 0 {
		t.Error("the directory was not asked about the signature: the test proves nothing")
	}
	w.becomes(map[string]string{
		`sealist_directory_answers_total{directory="corp",outcome="found"}`: "0", `sealist_directory_answers_total{directory="corp",outcome="not_found"}`: "0",
		`sealist_directory_search_seconds_count{directory="corp"}`: "",
	})
	for _, subject := range []string{"cold", "warm"} {
		post("alice@example.org", smimetest.Mail("alice@example.org", secretList, subject, smimetest.Encrypt(w.people["alice"].Sign(text), w.keys[secretList])))
		w.becomes(map[string]string{
			`sealist_directory_answers_total{directory="corp",outcome="found"}`: "2",
			`sealist_directory_search_seconds_count{directory="corp"}`:          "2", // by two workers
		})
	}
	_, err := w.sealist.Store.DropAnswers(t.Context(), store.AnswerFilter{})
	w.must(err)
	slapd.Stop()
	w.until("an outage was counted", func() bool {
		w.send("alice@example.org", secretList, smimetest.Mail("alice@example.org", secretList, "down", smimetest.Encrypt(w.people["alice"].Sign(text), w.keys[secretList])))
		all := w.metrics()
		return all[`sealist_directory_answers_total{directory="corp",outcome="outage"}`] != "0" && all[`sealist_copies_total{outcome="delayed",reason="source"}`] != "" &&
			all[`sealist_resolved_total{outcome="delayed",source="corp"}`] != ""
	})
}

// timely are the series that differ between any two runs.
var timely = []string{"process_", "sealist_spool_oldest_seconds", "sealist_queue_oldest_seconds"}

// TestFailuresAreOneMetric is invariant 3: the metrics of two servers are the same, line for line, when each has got an
// encrypted post whose author is not authenticated, whatever failed. That a post is held, and editors hear of it, is no
// difference either.
func TestFailuresAreOneMetric(t *testing.T) {
	slapd := peer.StartSlapd(t, peer.SlapdOptions{})
	for _, c := range []struct{ policy, person, function string }{
		{"refuse", "alice", ""}, {"hold", "alice", ""}, {"hold", "mallory", ""}, {"hold", "alice", list.RequestSuffix}, {"hold", "alice", list.OwnerSuffix},
	} {
		t.Run(c.policy+" "+c.person+" "+c.function, func(t *testing.T) {
			if c.policy+c.person+c.function != "refusealice" && (testing.Short() || os.Getenv("SEALIST_SLOW") != "1" && c.person+c.function != "mallory") {
				t.Skip("a server for each failure: the others with SEALIST_SLOW=1")
			}
			var first map[string]string
			var name string
			for i := 0; ; i++ {
				w := failureWorld(t, slapd, c.policy)
				all := w.failures(c.person)
				if i == len(all) {
					break
				}
				f := all[i]
				local, domain, _ := strings.Cut(f.to, "@")
				to := local + c.function + "@" + domain
				item, _ := w.settled(w.send(w.people[c.person].Address, to, mail(w.people[c.person].Address, to, f.e)))
				if item.State == store.ItemDone {
					t.Errorf("%s was taken", f.name)
				}
				// What comes behind it is counted behind it.
				w.settled(w.send("alice@example.org", wallList, mail("alice@example.org", wallList, text)))
				w.becomes(map[string]string{`sealist_copies_total{outcome="relayed",reason=""}`: "3", `sealist_queue_deliveries{kind="notice"}`: "0"})
				shown := w.metrics()
				maps.DeleteFunc(shown, func(series, _ string) bool {
					return slices.ContainsFunc(timely, func(t string) bool { return strings.HasPrefix(series, t) })
				})
				if first == nil {
					first, name = shown, f.name
					if n := shown[fmt.Sprintf(`sealist_messages_decided_total{decision="not_accepted",kind="%s",reason=""}`, item.Kind)]; n != "1" {
						t.Errorf("%s is not counted: %q\n%v", f.name, n, shown)
					}
				} else if !maps.Equal(first, shown) {
					t.Errorf("%s (%s %s) differs from %s:\n%s", f.name, item.State, item.Reason, name, difference(first, shown))
				}
				w.stop()
			}
		})
	}
}

// failureWorld is a server with an editor, and a directory that knows nobody.
func failureWorld(t *testing.T, slapd *peer.Slapd, policy string) *world {
	t.Helper()
	w := newWorld(t)
	for _, address := range []string{openList, secretList} {
		w.set(address, "unsigned_encrypted", policy)
		for _, r := range []list.Role{list.RoleEditor, list.RoleOwner} {
			w.role("bob", address, r)
		}
	}
	w.config.Directories = []config.Directory{{
		Name: "corp", Preset: "openldap", URLs: []string{slapd.URL}, BaseDN: peer.SlapdPeopleDN, BindDN: peer.SlapdServiceDN,
		BindPasswordFile: w.file("ldap_password", []byte(peer.SlapdServiceSecret+"\n")),
	}}
	w.config.Resolver.Order = []string{"corp", "harvest", "files"}
	w.config.Complete()
	w.manual = true
	w.measured().start()
	return w
}

func difference(a, b map[string]string) string {
	var lines []string
	for _, series := range slices.Sorted(maps.Keys(maps.Collect(func(yield func(string, bool) bool) {
		for _, m := range []map[string]string{a, b} {
			for s := range m {
				if !yield(s, true) {
					return
				}
			}
		}
	}))) {
		if a[series] != b[series] {
			lines = append(lines, fmt.Sprintf("%s is %q, was %q", series, b[series], a[series]))
		}
	}
	return strings.Join(lines, "\n")
}

// TestReadiness: a server that starts or stops, whose database is gone, or whose keys cannot be opened, says so and lives.
func TestReadiness(t *testing.T) {
	w := newWorld(t).measured()
	expect := func(code int, part string) {
		t.Helper()
		c, text := w.watch("/readyz")
		if c != code || !strings.HasPrefix(text, part) || strings.Count(text, "\n") != 1 {
			t.Errorf("%d %q, not %d %q", c, text, code, part)
		}
		if c, text := w.watch("/healthz"); c != 200 {
			t.Errorf("not alive: %d %q", c, text)
		}
	}
	var asked atomic.Bool
	w.clock = func() { // which Run reads when it begins
		if metricsServed.MatchString(w.logged()) && asked.CompareAndSwap(false, true) {
			expect(503, "listeners: the server is starting")
		}
	}
	w.start()
	if !asked.Load() {
		t.Error("nobody asked while the server started")
	}
	expect(200, "ready")

	if path := w.sealist.Store.Path(); path != "" { // PostgreSQL is not ours to move
		w.must(os.Rename(path, path+".away"))
		expect(503, "database: ")
		w.must(os.Rename(path+".away", path))
		expect(200, "ready")
	}

	// A client in the middle of a message keeps the server for some seconds.
	c, err := net.Dial("tcp", w.addr)
	w.must(err)
	defer c.Close()
	text := textproto.NewConn(c)
	for _, line := range []string{"", "EHLO x", "MAIL FROM:<alice@example.org>", "RCPT TO:<" + wallList + ">", "DATA"} {
		if line != "" {
			w.must(text.PrintfLine("%s", line))
		}
		_, _, err := text.ReadResponse(0)
		w.must(err)
	}
	w.must(text.PrintfLine("Subject: half"))
	stopped := make(chan struct{})
	go func() { w.stop(); close(stopped) }()
	w.until("it stops", func() bool {
		code, _ := w.watch("/readyz")
		return code != 200
	})
	expect(503, "listeners: the server stops")
	w.must(text.PrintfLine("\r\nbody\r\n."))
	if _, _, err := text.ReadResponse(250); err != nil {
		t.Error(err)
	}
	<-stopped

	w.config.KeyPasswordFile = w.file("other_password", []byte("another password\n"))
	w.open()
	w.start()
	expect(503, "key_password: ")
	w.stop()
}

// TestProfiles: on a socket that is their owner's alone, and nowhere else.
func TestProfiles(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "p")
	w.config.Metrics.Pprof = path
	w.must(os.WriteFile(path+"x", nil, 0o600))
	w.measured().start()
	info, err := os.Stat(path)
	w.must(err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%v", info.Mode())
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}, Timeout: 10 * time.Second}
	r, err := client.Get("http://x/debug/pprof/goroutine?debug=1")
	w.must(err)
	defer r.Body.Close()
	if octets, err := io.ReadAll(r.Body); err != nil || !strings.Contains(string(octets), "goroutine profile") {
		t.Errorf("%v %.100s", err, octets)
	}
	if code, _ := w.watch("/debug/pprof/"); code != 404 {
		t.Errorf("profiles beside the metrics: %d", code)
	}
	w.stop()
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket is left")
	}
}

// TestWordsAreExplained: docs/metrics.md has every word under which something is counted, and alerts and dashboard ask for no
// other.
func TestWordsAreExplained(t *testing.T) {
	read := func(elements ...string) string {
		t.Helper()
		octets, err := os.ReadFile(filepath.Join(append([]string{".."}, elements...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(octets)
	}
	page := read("docs", "metrics.md")
	explained := func(what, word string) {
		t.Helper()
		if word != "" && !strings.Contains(page, "`"+word+"`") {
			t.Errorf("%s: docs/metrics.md does not explain %s", what, word)
		}
	}
	for _, word := range slices.Concat(distribute.Decisions(), distribute.Reasons(), queue.Causes(), smtpd.Refusals()) {
		explained("counted", word)
	}
	asked := regexp.MustCompile(`(?:reason|outcome|state|kind|decision|tls|part) *(?:=|!=|=~) *\\?"([a-z_|]*)\\?"`)
	for _, file := range []string{"alerts.yml", "grafana-sealist.json"} {
		found := asked.FindAllStringSubmatch(read("deploy", file), -1)
		if len(found) < 4 {
			t.Errorf("%s asks for %v", file, found)
		}
		for _, words := range found {
			for word := range strings.SplitSeq(words[1], "|") {
				explained(file, word)
			}
		}
	}
}
