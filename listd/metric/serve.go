package metric

import (
	"context"
	"fmt"
	"net/http"
	"net/http/pprof"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Failing is a part of the server that keeps it from being ready.
type Failing struct {
	Part string // one word
	What string // a sentence for the administrator, with nothing of what failed inside
}

// Ready says what keeps the server from being ready; nothing if it is.
type Ready func(ctx context.Context) []Failing

// readyWithin is how long finding out may take.
const readyWithin = 3 * time.Second

// Handler serves /metrics, /healthz and /readyz.
//
// /healthz says that the process answers and no more: whether it is worth
// starting anew is the watchdog's to say. /readyz is 200 or 503; a 503 names
// what fails, a line each.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: 4, Timeout: 30 * time.Second, ErrorHandling: promhttp.ContinueOnError,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		failing := ask(r.Context(), m.ready)
		if len(failing) == 0 {
			answer(w, http.StatusOK, "ready\n")
			return
		}
		text := ""
		for _, f := range failing {
			text += fmt.Sprintf("%s: %s\n", f.Part, f.What)
		}
		answer(w, http.StatusServiceUnavailable, text)
	})
	return mux
}

func answer(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	fmt.Fprint(w, text)
}

func ask(ctx context.Context, ready Ready) []Failing {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	return ready(ctx)
}

// Profiles serves what Go's profiler has, under /debug/pprof/.
func Profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// readiness shows what /readyz says.
type readiness struct {
	parts []string
	ready Ready
}

var readyDesc = prometheus.NewDesc("sealist_ready", "Whether a part of the server is as /readyz wants it.", []string{"part"}, nil)

// Describe implements prometheus.Collector.
func (r readiness) Describe(out chan<- *prometheus.Desc) { out <- readyDesc }

// Collect implements prometheus.Collector.
func (r readiness) Collect(out chan<- prometheus.Metric) {
	failing := ask(context.Background(), r.ready)
	for _, part := range r.parts {
		v := 1.0
		if slices.ContainsFunc(failing, func(f Failing) bool { return f.Part == part }) {
			v = 0
		}
		out <- prometheus.MustNewConstMetric(readyDesc, prometheus.GaugeValue, v, part)
	}
}
