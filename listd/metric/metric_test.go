package metric_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/metric"
)

// small makes metrics with few words, and a server that shows them.
func small(t *testing.T, o metric.Options) (*metric.Metrics, *httptest.Server) {
	t.Helper()
	o.Version = "1.2.3"
	o.Words = metric.Words{
		Kinds: []string{"post"}, Decisions: []string{"held"}, Reasons: []string{"", "editor"}, Refusals: []string{"no_list"},
		Outcomes: []string{"relayed"}, Causes: []string{"", "expired"}, Copies: [][2]string{{"relayed", "expired"}},
	}
	o.Parts = []string{"listeners", "database"}
	if o.Read == nil {
		o.Read = func(context.Context) (metric.State, error) { return metric.State{}, nil }
	}
	if o.Ready == nil {
		o.Ready = func(context.Context) []metric.Failing { return nil }
	}
	m := metric.New(o)
	m.Expect(metric.Names{Sources: []string{"corp"}, Directories: []string{"corp"}, Tasks: []string{"purge"}})
	server := httptest.NewServer(m.Handler())
	t.Cleanup(server.Close)
	return m, server
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	octets, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(octets)
}

// Each count becomes its line, and a value that nobody named becomes "other".
func TestCounts(t *testing.T) {
	for _, c := range []struct {
		name  string
		count func(*metric.Metrics)
		line  string
	}{
		{"connection", func(m *metric.Metrics) { m.Connected() }, `sealist_smtp_connections_total 1`},
		{"refusal", func(m *metric.Metrics) { m.Refused("no_list") }, `sealist_smtp_refusals_total{reason="no_list"} 1`},
		{"refusal for no reason of ours", func(m *metric.Metrics) { m.Refused("alice@example.org") }, `sealist_smtp_refusals_total{reason="other"} 1`},
		{"message", func(m *metric.Metrics) { m.Accepted("post", true, true) }, `sealist_messages_accepted_total{kind="post",protocol="lmtp",tls="yes"} 1`},
		{"message in clear", func(m *metric.Metrics) { m.Accepted("spam", false, false) }, `sealist_messages_accepted_total{kind="other",protocol="smtp",tls="no"} 1`},
		{"decision", func(m *metric.Metrics) { m.Decided("post", "held", "editor") }, `sealist_messages_decided_total{decision="held",kind="post",reason="editor"} 1`},
		{"decision with a reason of a scenario's", func(m *metric.Metrics) { m.Decided("post", "held", "because Bob says so") }, `sealist_messages_decided_total{decision="held",kind="post",reason="other"} 1`},
		{"copy", func(m *metric.Metrics) { m.Copy("relayed", "") }, `sealist_copies_total{outcome="relayed",reason=""} 1`},
		{"copy over TLS", func(m *metric.Metrics) { m.Relayed(true) }, `sealist_copies_relayed_total{tls="yes"} 1`},
		{"certificate", func(m *metric.Metrics) { m.Resolved("corp", metric.Usable) }, `sealist_resolved_total{outcome="usable",source="corp"} 1`},
		{"no certificate", func(m *metric.Metrics) { m.Resolved("", metric.None) }, `sealist_resolved_total{outcome="none",source=""} 1`},
		{"source of another configuration", func(m *metric.Metrics) { m.Resolved("gone", metric.Usable) }, `sealist_resolved_total{outcome="usable",source="other"} 1`},
		{"answer", func(m *metric.Metrics) { m.Answered("corp", metric.Outage) }, `sealist_directory_answers_total{directory="corp",outcome="outage"} 1`},
		{"search", func(m *metric.Metrics) { m.Searched("corp", 20*time.Millisecond) }, `sealist_directory_search_seconds_bucket{directory="corp",le="0.025"} 1`},
		{"task", func(m *metric.Metrics) { m.TaskRan("purge", true, time.Second) }, `sealist_task_runs_total{result="failed",task="purge"} 1`},
		{"duration of a task", func(m *metric.Metrics) { m.TaskRan("purge", false, time.Second) }, `sealist_task_run_seconds_sum{task="purge"} 1`},
		{"nothing failed", func(*metric.Metrics) {}, `sealist_task_runs_total{result="failed",task="purge"} 0`},
		{"no copy yet", func(*metric.Metrics) {}, `sealist_copies_total{outcome="relayed",reason="expired"} 0`},
		{"version", func(*metric.Metrics) {}, `version="1.2.3"} 1`},
		{"process", func(*metric.Metrics) {}, "process_open_fds "},
		{"ready", func(*metric.Metrics) {}, `sealist_ready{part="database"} 1`},
	} {
		m, server := small(t, metric.Options{})
		c.count(m)
		if _, text := get(t, server.URL+"/metrics"); !strings.Contains(text, c.line) {
			t.Errorf("%s: no %s in\n%s", c.name, c.line, text)
		}
	}
}

// What tells how much was done for the last message is not there (invariant 3).
func TestNothingMeasuresWork(t *testing.T) {
	_, server := small(t, metric.Options{})
	_, text := get(t, server.URL+"/metrics")
	for _, part := range []string{"cpu", "alloc", "gc_", "network", "go_"} {
		for line := range strings.Lines(text) {
			if name, _, _ := strings.Cut(line, "{"); !strings.HasPrefix(line, "#") && strings.Contains(name, part) {
				t.Errorf("%s", line)
			}
		}
	}
}

// The state of the database, with ages as of the scrape.
func TestState(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	_, server := small(t, metric.Options{Clock: func() time.Time { return now }, Read: func(context.Context) (metric.State, error) {
		return metric.State{
			Spool: map[string]metric.Waiting{"held": {N: 2, Oldest: now.Add(-time.Hour)}}, Queue: map[string]metric.Waiting{"copy": {}},
			Withheld: 7, CRLs: map[string]int{"stale": 1}, CRLAge: now.Add(-2 * time.Hour), CRLNext: now.Add(time.Minute),
			Tasks: map[string]metric.Task{"purge": {Ended: now.Add(-time.Second), Failures: 3}, "unheard_of": {}},
		}, nil
	}})
	_, text := get(t, server.URL+"/metrics")
	for _, line := range []string{
		`sealist_database_up 1`, `sealist_spool_messages{state="held"} 2`, `sealist_spool_oldest_seconds{state="held"} 3600`, `sealist_queue_deliveries{kind="copy"} 0`,
		`sealist_queue_oldest_seconds{kind="copy"} 0`, `sealist_copies_withheld 7`, `sealist_crls{state="stale"} 1`, `sealist_crl_oldest_seconds 7200`,
		`sealist_crl_next_update_timestamp_seconds 1.80000006e+09`, `sealist_task_failures{task="purge"} 3`, `sealist_task_last_end_timestamp_seconds{task="purge"} 1.799999999e+09`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no %s in\n%s", line, text)
		}
	}
	if strings.Contains(text, "unheard_of") {
		t.Error("a label from the database")
	}
}

// However many scrape, the database is read once in a while, and a failure is
// shown and no state of before.
func TestStormOfScrapes(t *testing.T) {
	var mu sync.Mutex
	reads := 0
	read := func(context.Context) (metric.State, error) {
		mu.Lock()
		defer mu.Unlock()
		reads++
		return metric.State{Withheld: reads}, nil
	}
	_, server := small(t, metric.Options{Read: read})
	var scrapes sync.WaitGroup
	for range 50 {
		scrapes.Go(func() {
			if r, err := http.Get(server.URL + "/metrics"); err == nil {
				r.Body.Close()
			}
		})
	}
	scrapes.Wait()
	if mu.Lock(); reads != 1 {
		t.Errorf("%d reads", reads)
	}
	mu.Unlock()

	_, server = small(t, metric.Options{Read: func(context.Context) (metric.State, error) {
		return metric.State{Withheld: 3}, errors.New("the password of the database is hunter2")
	}})
	_, text := get(t, server.URL+"/metrics")
	if !strings.Contains(text, "sealist_database_up 0\n") || strings.Contains(text, "sealist_copies_withheld ") || strings.Contains(text, "hunter2") {
		t.Errorf("%s", text)
	}
}

// A database that hangs holds no scrape up: what was read before is shown.
func TestScrapeDoesNotWait(t *testing.T) {
	hang, reads := make(chan struct{}), 0
	defer close(hang)
	_, server := small(t, metric.Options{Kept: -1, Read: func(ctx context.Context) (metric.State, error) {
		if reads++; reads > 1 {
			<-hang
		}
		return metric.State{Withheld: reads}, nil
	}})
	for range 2 {
		began := time.Now()
		_, text := get(t, server.URL+"/metrics")
		if !strings.Contains(text, "sealist_database_up 1\n") || !strings.Contains(text, "sealist_copies_withheld 1\n") || time.Since(began) > 8*time.Second {
			t.Errorf("after %s\n%s", time.Since(began), text)
		}
	}
}

func TestHealth(t *testing.T) {
	var failing []metric.Failing
	_, server := small(t, metric.Options{Ready: func(context.Context) []metric.Failing { return failing }})
	expect := func(path string, code int, body string) {
		t.Helper()
		if c, text := get(t, server.URL+path); c != code || text != body {
			t.Errorf("%s: %d %q", path, c, text)
		}
	}
	expect("/healthz", 200, "ok\n")
	expect("/readyz", 200, "ready\n")
	failing = []metric.Failing{{"listeners", "the server stops"}, {"database", "it does not answer"}}
	expect("/healthz", 200, "ok\n")
	expect("/readyz", 503, "listeners: the server stops\ndatabase: it does not answer\n")
	if _, text := get(t, server.URL+"/metrics"); !strings.Contains(text, `sealist_ready{part="database"} 0`) {
		t.Errorf("%s", text)
	}
	if c, _ := get(t, server.URL+"/debug/pprof/"); c != 404 {
		t.Errorf("profiles beside the metrics: %d", c)
	}
	r, err := http.Post(server.URL+"/metrics", "text/plain", nil)
	if err != nil || r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %v, %v", r, err)
	}
}
