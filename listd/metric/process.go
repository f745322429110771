package metric

import (
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// buildInfo says which program this is.
func buildInfo(version string) prometheus.Collector {
	revision := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sealist_build_info", Help: "Which version runs; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision, "goversion": runtime.Version()},
	}, func() float64 { return 1 })
}

// process says how the process fares, in the names that everybody uses. Of what
// the collector knows only this is shown: its counters of time and octets, like
// those of Go's memory, would tell how much was done for the last message, which
// is more for one that could be decrypted (invariant 3).
func process() prometheus.Collector {
	return chosen{collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), []string{
		"process_start_time_seconds", "process_resident_memory_bytes", "process_open_fds", "process_max_fds",
	}}
}

// chosen shows some of what another collector knows.
type chosen struct {
	of    prometheus.Collector
	names []string
}

// Describe implements prometheus.Collector.
func (c chosen) Describe(out chan<- *prometheus.Desc) {
	all := make(chan *prometheus.Desc)
	go func() {
		c.of.Describe(all)
		close(all)
	}()
	for d := range all {
		if slices.Contains(c.names, nameOf(d)) {
			out <- d
		}
	}
}

// Collect implements prometheus.Collector.
func (c chosen) Collect(out chan<- prometheus.Metric) {
	all := make(chan prometheus.Metric)
	go func() {
		c.of.Collect(all)
		close(all)
	}()
	for m := range all {
		if slices.Contains(c.names, nameOf(m.Desc())) {
			out <- m
		}
	}
}
