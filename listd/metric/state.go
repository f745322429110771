package metric

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// State is what is true at a moment: of the database, and so of all servers
// that share it.
type State struct {
	Spool    map[string]Waiting // messages that have no end yet, by state
	Queue    map[string]Waiting // deliveries that have no end yet, by kind
	Withheld int                // copies that wait for a certificate
	CRLs     map[string]int     // by state
	CRLAge   time.Time          // thisUpdate of the oldest; zero: there is none
	CRLNext  time.Time          // the nextUpdate that comes first; zero likewise
	Tasks    map[string]Task    // by name
}

// Waiting is how many wait, and since when the one does that waits longest;
// zero if none does.
type Waiting struct {
	N      int
	Oldest time.Time
}

// Task is how a periodic task fares.
type Task struct {
	Ended    time.Time // its last run; zero: there was none
	Failures int       // in a row
}

// Read reads the state.
type Read func(ctx context.Context) (State, error)

// errNotRead stands for a state until it was read for the first time.
var errNotRead = errors.New("not read yet")

// How the state is read.
const (
	keptAtLeast = 5 * time.Second
	keptTimes   = 20 // as long as reading took: however many scrape, the database is busy with it a twentieth of the time at most
	readWithin  = time.Minute
	scrapeWaits = 4 * time.Second // less than Prometheus waits
)

// state shows what is true now. However many ask, it is read once in a while.
type state struct {
	read  Read
	kept  time.Duration
	clock func() time.Time

	mu      sync.Mutex
	tasks   []string // that are shown: what else stands in the database is none of ours
	last    State
	err     error
	until   time.Time     // of the wall clock, not of the injected one
	reading chan struct{} // closed when the reading under way has ended; nil: there is none

	up, spool, spoolOldest, queue, queueOldest, withheld, crls, crlAge, crlNext, taskEnded, taskFailures *prometheus.Desc
}

func newState(o Options) *state {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("sealist_"+name, help, labels, nil)
	}
	if o.Kept == 0 {
		o.Kept = keptAtLeast
	}
	return &state{
		read: o.Read, kept: o.Kept, clock: o.Clock, err: errNotRead,
		up:           d("database_up", "Whether the database answers."),
		spool:        d("spool_messages", "Messages in the spool that have no end yet. Encrypted ones whose author is not authenticated are not among those held.", "state"),
		spoolOldest:  d("spool_oldest_seconds", "How long the oldest of them has been there.", "state"),
		queue:        d("queue_deliveries", "Mails that wait to be sent. Notices about encrypted messages whose author is not authenticated are not counted.", "kind"),
		queueOldest:  d("queue_oldest_seconds", "How long the oldest of them has been tried.", "kind"),
		withheld:     d("copies_withheld", "Copies that wait for a certificate of their member."),
		crls:         d("crls", "Places of certificate revocation lists.", "state"),
		crlAge:       d("crl_oldest_seconds", "Age of the oldest CRL, since its thisUpdate."),
		crlNext:      d("crl_next_update_timestamp_seconds", "The nextUpdate that comes first of all CRLs."),
		taskEnded:    d("task_last_end_timestamp_seconds", "When the last run of a task ended, on whatever server.", "task"),
		taskFailures: d("task_failures", "How often a task has failed in a row.", "task"),
	}
}

// Describe implements prometheus.Collector.
func (s *state) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.up, s.spool, s.spoolOldest, s.queue, s.queueOldest, s.withheld, s.crls, s.crlAge, s.crlNext, s.taskEnded, s.taskFailures} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (s *state) Collect(out chan<- prometheus.Metric) {
	st, err := s.current()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	if err != nil {
		gauge(s.up, 0)
		return
	}
	gauge(s.up, 1)
	now := s.clock()
	age := func(t time.Time) float64 {
		if t.IsZero() {
			return 0
		}
		return max(0, now.Sub(t).Seconds())
	}
	for state, w := range st.Spool {
		gauge(s.spool, float64(w.N), state)
		gauge(s.spoolOldest, age(w.Oldest), state)
	}
	for kind, w := range st.Queue {
		gauge(s.queue, float64(w.N), kind)
		gauge(s.queueOldest, age(w.Oldest), kind)
	}
	gauge(s.withheld, float64(st.Withheld))
	for state, n := range st.CRLs {
		gauge(s.crls, float64(n), state)
	}
	if !st.CRLAge.IsZero() {
		gauge(s.crlAge, age(st.CRLAge))
	}
	if !st.CRLNext.IsZero() {
		gauge(s.crlNext, seconds(st.CRLNext))
	}
	for _, name := range s.names() {
		t, ok := st.Tasks[name]
		if !ok {
			continue
		}
		gauge(s.taskFailures, float64(t.Failures), name)
		if !t.Ended.IsZero() {
			gauge(s.taskEnded, seconds(t.Ended), name)
		}
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// expect adds tasks that are shown.
func (s *state) expect(tasks []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range tasks {
		if !slices.Contains(s.tasks, name) {
			s.tasks = append(s.tasks, name)
		}
	}
}

func (s *state) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.tasks)
}

// current returns the state, having it read if the last one is too old. A scrape
// does not wait for long: then it is shown what was read last. An error says that
// reading failed, or never came to an end.
func (s *state) current() (State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(s.until) {
		return s.last, s.err
	}
	if s.reading == nil {
		s.reading = make(chan struct{})
		go s.readOnce(s.reading)
	}
	reading := s.reading
	s.mu.Unlock()
	select {
	case <-reading:
	case <-time.After(scrapeWaits):
	}
	s.mu.Lock()
	return s.last, s.err
}

func (s *state) readOnce(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), readWithin)
	defer cancel()
	began := time.Now()
	last, err := s.read(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.err, s.reading = last, err, nil
	if s.kept > 0 {
		s.until = time.Now().Add(max(s.kept, keptTimes*time.Since(began)))
	}
	close(done)
}
