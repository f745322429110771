package metric

import (
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// label is a label with the values that it may have.
type label struct {
	name   string
	values []string
}

// other stands for a value that was not named.
const other = "other"

// labels are the labels of one metric.
type labels struct {
	mu    sync.RWMutex
	names []string
	known [][]string // by label
}

func (l *labels) set(all []label) {
	for _, one := range all {
		l.names, l.known = append(l.names, one.name), append(l.known, slices.Clone(one.values))
	}
}

// expect adds values of a label.
func (l *labels) expect(label int, values []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range values {
		if !slices.Contains(l.known[label], v) {
			l.known[label] = append(l.known[label], v)
		}
	}
}

// fixed puts other in the place of values that were not named.
func (l *labels) fixed(values []string) []string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for i, v := range values {
		if !slices.Contains(l.known[i], v) {
			values[i] = other
		}
	}
	return values
}

// combinations calls f with every combination of values that were named.
func (l *labels) combinations(f func(values []string)) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var walk func(values []string)
	walk = func(values []string) {
		if len(values) == len(l.known) {
			f(values)
			return
		}
		for _, v := range l.known[len(values)] {
			walk(append(slices.Clone(values), v))
		}
	}
	walk(nil)
}

// counter is a counter whose labels have values of fixed sets.
type counter struct {
	labels
	vec *prometheus.CounterVec
}

func newCounter(name, help string, all ...label) *counter {
	c := &counter{}
	c.set(all)
	c.vec = prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, c.names)
	return c
}

func (c *counter) add(values ...string) { c.vec.WithLabelValues(c.fixed(values)...).Inc() }

// prepare makes the counters of all combinations, at zero.
func (c *counter) prepare() {
	c.combinations(func(values []string) { c.vec.WithLabelValues(values...) })
}

// histogram is a histogram whose labels have values of fixed sets.
type histogram struct {
	labels
	vec *prometheus.HistogramVec
}

func newHistogram(name, help string, buckets []float64, all ...label) *histogram {
	h := &histogram{}
	h.set(all)
	h.vec = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, h.names)
	return h
}

func (h *histogram) observe(v float64, values ...string) {
	h.vec.WithLabelValues(h.fixed(values)...).Observe(v)
}

// nameOf is the name of what is described, which prometheus.Desc keeps to
// itself and shows in its text.
func nameOf(d *prometheus.Desc) string {
	_, rest, _ := strings.Cut(d.String(), `fqName: "`)
	name, _, _ := strings.Cut(rest, `"`)
	return name
}
