package metric_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/metric"
)

func file(t *testing.T, elements ...string) string {
	t.Helper()
	octets, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, elements...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(octets)
}

var metricName = regexp.MustCompile(`\b(sealist|process)_[a-z_]*[a-z]\b`)

// named are the metrics named in a text; parts of a histogram are its name.
func named(text string, known []string) []string {
	names := metricName.FindAllString(text, -1)
	for i, n := range names {
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			if base, ok := strings.CutSuffix(n, part); ok && slices.Contains(known, base) {
				names[i] = base
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// TestEveryMetricIsExplained: docs/metrics.md names those that there are and no others; so do alerts and dashboard, and every
// alert stands on the page.
func TestEveryMetricIsExplained(t *testing.T) {
	m, _ := small(t, metric.Options{})
	known := m.Registered()
	if len(known) < 20 {
		t.Fatalf("%q", known)
	}
	page, alerts, dashboard := file(t, "docs", "metrics.md"), file(t, "deploy", "alerts.yml"), file(t, "deploy", "grafana-sealist.json")
	if explained := named(page, known); !slices.Equal(explained, known) {
		t.Errorf("docs/metrics.md names\n%q\nthere are\n%q", explained, known)
	}
	for what, text := range map[string]string{"deploy/alerts.yml": alerts, "deploy/grafana-sealist.json": dashboard} {
		used := named(text, known)
		if len(used) < 10 {
			t.Errorf("%s names only %q", what, used)
		}
		for _, n := range used {
			if !slices.Contains(known, n) {
				t.Errorf("%s names %s, which is no metric", what, n)
			}
		}
	}
	for _, alert := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(alerts, -1) {
		if !strings.Contains(page, alert[1]) {
			t.Errorf("docs/metrics.md does not name %s", alert[1])
		}
	}
	if !json.Valid([]byte(dashboard)) {
		t.Error("the dashboard is no JSON")
	}
}

// TestPrometheusAgrees asks Prometheus itself about the rules, and about what is shown, where it is installed.
func TestPrometheusAgrees(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian package prometheus)")
	}
	if out, err := exec.Command(promtool, "check", "rules", filepath.Join("..", "..", "deploy", "alerts.yml")).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	m, server := small(t, metric.Options{Read: full})
	count(m)
	_, page := get(t, server.URL+"/metrics")
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(page)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// full is a state with something of everything.
func full(context.Context) (metric.State, error) {
	now := time.Now()
	return metric.State{
		Spool: map[string]metric.Waiting{"held": {N: 1, Oldest: now}}, Queue: map[string]metric.Waiting{"copy": {N: 1, Oldest: now}},
		CRLs: map[string]int{"good": 1}, CRLAge: now, CRLNext: now, Tasks: map[string]metric.Task{"purge": {Ended: now}},
	}, nil
}

// count counts something of everything.
func count(m *metric.Metrics) {
	m.Connected()
	m.Refused("no_list")
	m.Accepted("post", false, true)
	m.Decided("post", "held", "editor")
	m.Copy("relayed", "")
	m.Relayed(true)
	m.Resolved("corp", metric.Usable)
	m.Answered("corp", metric.Found)
	m.Searched("corp", time.Millisecond)
	m.TaskRan("purge", false, time.Second)
}
