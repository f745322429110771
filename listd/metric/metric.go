// Package metric counts what the server does and shows it in the form that
// Prometheus reads.
//
// A label has values of a set that is named when a Metrics is made, and never
// what a stranger wrote: no address, no list, no subject. What else comes is
// counted as "other".
//
// Nothing here may tell apart why a message that arrived encrypted was not
// accepted (invariant 3). So there are no counters of what happens on the way
// to that decision and after it, as of the octets allocated, the processor time
// used, or the mail that editors get: whoever reads them before and after his
// message would learn what became of it.
package metric

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Words are the values of labels.
type Words struct {
	Kinds     []string // what a message is to its list
	Decisions []string // what becomes of a message
	Reasons   []string // why; "" is a reason, too
	Refusals  []string // why an SMTP client was refused
	Outcomes  []string // what becomes of a copy
	Causes    []string // why; "" is a cause, too

	Copies [][2]string // outcomes with causes that alerts look at: they are there from the start
}

// Names are the values of labels that follow from the configuration and the
// program.
type Names struct {
	Sources     []string // of certificates
	Directories []string
	Tasks       []string
}

// Options of New.
type Options struct {
	Version string
	Words   Words

	Read  Read             // what is true now; asked by scrapes, as often as State says
	Kept  time.Duration    // how long that counts at least; 0: 5 s, less than 0: not at all
	Parts []string         // what readiness depends on
	Ready Ready            // which of them fail
	Clock func() time.Time // nil: time.Now
}

// Metrics is everything that is counted. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	state    *state
	ready    Ready

	connections prometheus.Counter
	refusals    *counter
	accepted    *counter
	decided     *counter
	copies      *counter
	relayed     *counter
	resolved    *counter
	answers     *counter
	searches    *histogram
	taskRuns    *counter
	taskSeconds *histogram
}

// New makes the metrics. Counters that alerts look at are there from the start,
// so that their first event is a rise.
func New(o Options) *Metrics {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	w, yesNo, protocols := o.Words, []string{"yes", "no"}, []string{"smtp", "lmtp"}
	m := &Metrics{
		registry: prometheus.NewRegistry(), ready: o.Ready,
		connections: prometheus.NewCounter(prometheus.CounterOpts{Name: "sealist_smtp_connections_total", Help: "Connections of SMTP and LMTP clients that were taken."}),
		refusals:    newCounter("sealist_smtp_refusals_total", "Commands, messages and connections of clients that were refused.", label{"reason", w.Refusals}),
		accepted:    newCounter("sealist_messages_accepted_total", "Messages taken in, one a list.", label{"kind", w.Kinds}, label{"protocol", protocols}, label{"tls", yesNo}),
		decided:     newCounter("sealist_messages_decided_total", "Decisions about messages that were taken in.", label{"kind", w.Kinds}, label{"decision", w.Decisions}, label{"reason", w.Reasons}),
		copies:      newCounter("sealist_copies_total", "Results of trying to send a member's copy.", label{"outcome", w.Outcomes}, label{"reason", w.Causes}),
		relayed:     newCounter("sealist_copies_relayed_total", "Copies that a next hop took.", label{"tls", yesNo}),
		resolved:    newCounter("sealist_resolved_total", "Searches for a member's certificate when a copy is made.", label{"source", nil}, label{"outcome", resolveOutcomes}),
		answers:     newCounter("sealist_directory_answers_total", "What directories said about addresses.", label{"directory", nil}, label{"outcome", answerOutcomes}),
		searches: newHistogram("sealist_directory_search_seconds", "How long searches of directories took.",
			[]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}, label{"directory", nil}),
		taskRuns:    newCounter("sealist_task_runs_total", "Runs of periodic tasks in this process.", label{"task", nil}, label{"result", taskResults}),
		taskSeconds: newHistogram("sealist_task_run_seconds", "How long they took.", []float64{.01, .1, 1, 10, 60, 600}, label{"task", nil}),
	}
	for _, c := range w.Copies {
		m.copies.vec.WithLabelValues(c[0], c[1])
	}
	m.refusals.prepare()
	m.relayed.prepare()
	m.state = newState(o)
	m.registry.MustRegister(m.connections, m.refusals.vec, m.accepted.vec, m.decided.vec, m.copies.vec, m.relayed.vec, m.resolved.vec, m.answers.vec,
		m.searches.vec, m.taskRuns.vec, m.taskSeconds.vec, buildInfo(o.Version), process(), m.state, readiness{o.Parts, o.Ready})
	return m
}

// The words of this package.
var (
	resolveOutcomes = []string{Usable, None, Delayed}
	answerOutcomes  = []string{Found, NotFound, Outage}
	taskResults     = []string{"ok", "failed"}
)

// What resolving a member comes to.
const (
	Usable  = "usable"
	None    = "none"
	Delayed = "delayed" // a source cannot be asked
)

// What a directory says about an address.
const (
	Found    = "found"
	NotFound = "not_found"
	Outage   = "outage"
)

// Expect adds names that labels may have from now on.
func (m *Metrics) Expect(n Names) {
	m.resolved.expect(0, append([]string{""}, n.Sources...)) // "": none of them
	m.answers.expect(0, n.Directories)
	m.answers.prepare()
	m.searches.expect(0, n.Directories)
	m.taskRuns.expect(0, n.Tasks)
	m.taskRuns.prepare()
	m.taskSeconds.expect(0, n.Tasks)
	m.state.expect(n.Tasks)
}

// Connected counts a client's connection that was taken.
func (m *Metrics) Connected() { m.connections.Inc() }

// Refused counts a refusal of a client.
func (m *Metrics) Refused(reason string) { m.refusals.add(reason) }

// Accepted counts a message that was taken in for a list.
func (m *Metrics) Accepted(kind string, lmtp, tls bool) {
	protocol := "smtp"
	if lmtp {
		protocol = "lmtp"
	}
	m.accepted.add(kind, protocol, yes(tls))
}

// Decided counts a decision about a message.
func (m *Metrics) Decided(kind, decision, reason string) { m.decided.add(kind, decision, reason) }

// Copy counts a result of trying to send a copy.
func (m *Metrics) Copy(outcome, cause string) { m.copies.add(outcome, cause) }

// Relayed counts a copy that a next hop took.
func (m *Metrics) Relayed(tls bool) { m.relayed.add(yes(tls)) }

// Resolved counts a search for a member's certificate: Usable, None or Delayed,
// and the source that it ended at; "": none.
func (m *Metrics) Resolved(source, outcome string) { m.resolved.add(source, outcome) }

// Answered counts what a directory said about an address: Found, NotFound or
// Outage.
func (m *Metrics) Answered(directory, outcome string) { m.answers.add(directory, outcome) }

// Searched notes how long a search of a directory took.
func (m *Metrics) Searched(directory string, took time.Duration) {
	m.searches.observe(took.Seconds(), directory)
}

// TaskRan counts a run of a task.
func (m *Metrics) TaskRan(task string, failed bool, took time.Duration) {
	result := "ok"
	if failed {
		result = "failed"
	}
	m.taskRuns.add(task, result)
	m.taskSeconds.observe(took.Seconds(), task)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// Registered are the names of all metrics that there can be, sorted.
func (m *Metrics) Registered() []string {
	descriptions := make(chan *prometheus.Desc)
	go func() {
		m.registry.Describe(descriptions)
		close(descriptions)
	}()
	var names []string
	for d := range descriptions {
		names = append(names, nameOf(d))
	}
	slices.Sort(names)
	return slices.Compact(names)
}
