package listd

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/distribute"
	"github.com/sealist/sealist/listd/metric"
	"github.com/sealist/sealist/listd/queue"
	"github.com/sealist/sealist/listd/smtpd"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/listd/task"
	"github.com/sealist/sealist/resolver"
)

// newMetrics makes what counts, with the words of every room. It outlives a
// reload.
func (s *Sealist) newMetrics() *metric.Metrics {
	var kept time.Duration
	if s.o.FreshMetrics {
		kept = -1
	}
	return metric.New(metric.Options{
		Version: Version,
		Words: metric.Words{
			Kinds: words(store.KindPost, store.KindOwner, store.KindCommand, store.KindSubscribe, store.KindUnsubscribe, store.KindEditor, store.KindBounce),
			Outcomes: words(store.DeliveryRelayed, store.DeliveryDelayed, store.DeliveryFailed,
				store.DeliveryWithheld, store.DeliveryCancelled),
			Causes: distribute.Causes(), Decisions: distribute.Decisions(), Reasons: distribute.Reasons(), Refusals: smtpd.Refusals(),
			Copies: [][2]string{
				{string(store.DeliveryRelayed), ""}, {string(store.DeliveryDelayed), queue.CauseNextHop}, {string(store.DeliveryFailed), queue.CauseRefused},
			},
		},
		Read: s.state, Kept: kept, Parts: parts, Ready: s.failing, Clock: s.o.Clock,
	})
}

func words[T ~string](all ...T) []string {
	out := make([]string, len(all))
	for i, w := range all {
		out[i] = string(w)
	}
	return out
}

// expectMetrics names what the configuration brings.
func (s *Sealist) expectMetrics(sources []resolver.Source) {
	var n metric.Names
	for _, source := range sources {
		n.Sources = append(n.Sources, source.Name())
	}
	for _, d := range s.Directories {
		n.Directories = append(n.Directories, d.Name())
	}
	for _, j := range s.jobs() {
		n.Tasks = append(n.Tasks, j.Name)
	}
	s.metrics.Expect(n)
}

func (s *Sealist) countClients() smtpd.Count {
	return smtpd.Count{
		Connected: s.metrics.Connected, Refused: s.metrics.Refused,
		Accepted: func(kind store.Kind, lmtp, tls bool) { s.metrics.Accepted(string(kind), lmtp, tls) },
	}
}

func (s *Sealist) countPosts() distribute.Count {
	return distribute.Count{
		Decided:  func(kind store.Kind, decision, reason string) { s.metrics.Decided(string(kind), decision, reason) },
		Resolved: s.countResolved, Measured: withMeasure,
	}
}

// countCopy counts results of copies. Those of notices are not counted: editors
// get one for some posts that are refused outwards, and for some they do not
// (invariant 3).
func (s *Sealist) countCopy(kind store.DeliveryKind, o store.Outcome) {
	if kind != store.KindCopy {
		return
	}
	s.metrics.Copy(string(o.State), o.Cause)
	if o.State == store.DeliveryRelayed {
		s.metrics.Relayed(o.TLS)
	}
}

func (s *Sealist) countResolved(r resolver.Result) {
	switch {
	case r.Err != nil:
		source := ""
		if n := len(r.Asked); n > 0 {
			source = r.Asked[n-1].Name
		}
		s.metrics.Resolved(source, metric.Delayed)
	case len(r.Certificates) == 0:
		s.metrics.Resolved("", metric.None)
	default:
		s.metrics.Resolved(r.Source, metric.Usable)
	}
}

// counted has every run of a job counted.
func (s *Sealist) counted(jobs []task.Job) []task.Job {
	all := slices.Clone(jobs)
	for i, job := range jobs {
		all[i].Run = func(ctx context.Context) (summary string, err error) {
			began, failed := time.Now(), true // a panic, too
			defer func() { s.metrics.TaskRan(job.Name, failed, time.Since(began)) }()
			summary, err = job.Run(withMeasure(ctx))
			failed = err != nil && ctx.Err() == nil
			return summary, err
		}
	}
	return all
}

// measureKey marks a context under which questions to directories are counted.
// None is counted that is asked to judge a signature: whether there is one stands
// in the post (invariant 3).
type measureKey struct{}

func withMeasure(ctx context.Context) context.Context {
	return context.WithValue(ctx, measureKey{}, true)
}

// measured is a directory whose answers are counted.
type measured struct {
	*ldap.Directory
	metrics *metric.Metrics
}

// Lookup implements resolver.Source.
func (d measured) Lookup(ctx context.Context, addresses []string) []directory.Answer {
	answers := d.Directory.Lookup(ctx, addresses)
	if ctx.Value(measureKey{}) == nil {
		return answers
	}
	searches := map[string]bool{} // by filter: addresses that were asked for together share one
	for _, a := range answers {
		switch {
		case errors.Is(a.Err, directory.ErrNotSource):
			continue
		case a.Outage() != nil:
			d.metrics.Answered(d.Name(), metric.Outage)
		case a.Err != nil:
			d.metrics.Answered(d.Name(), metric.NotFound)
		default:
			d.metrics.Answered(d.Name(), metric.Found)
		}
		if a.Filter != "" && !searches[a.Filter] {
			searches[a.Filter] = true
			d.metrics.Searched(d.Name(), a.Took)
		}
	}
	return answers
}

// state reads what is true now.
func (s *Sealist) state(ctx context.Context) (metric.State, error) {
	st := metric.State{Spool: map[string]metric.Waiting{}, Queue: map[string]metric.Waiting{}, CRLs: map[string]int{}, Tasks: map[string]metric.Task{}}
	backlog, err := s.Store.Backlog(ctx)
	if err != nil {
		return st, err
	}
	for state, w := range backlog.Items {
		st.Spool[string(state)] = metric.Waiting(w)
	}
	for kind, w := range backlog.Deliveries {
		st.Queue[string(kind)] = metric.Waiting(w)
	}
	st.Withheld = backlog.Withheld
	tasks, err := s.Store.Tasks(ctx)
	if err != nil {
		return st, err
	}
	for _, t := range tasks {
		row := metric.Task{Failures: t.Failures}
		if t.Last != nil {
			row.Ended = t.Last.Ended
		}
		st.Tasks[t.Name] = row
	}
	return st, s.crlState(ctx, &st)
}

// crlState adds that of the CRLs. Which places there are, and who has a
// certificate of theirs, is not shown.
func (s *Sealist) crlState(ctx context.Context, st *metric.State) error {
	crls, err := admin.New(admin.Parts{Store: s.Store, Graces: s.Graces(), Clock: s.o.Clock}).CRLs(ctx)
	for _, state := range []string{admin.CRLGood, admin.CRLFailing, admin.CRLStale, admin.CRLMissing} {
		st.CRLs[state] = 0
	}
	for _, c := range crls {
		st.CRLs[c.State]++
		st.CRLAge, st.CRLNext = earlier(st.CRLAge, c.ThisUpdate), earlier(st.CRLNext, c.NextUpdate)
	}
	return err
}

// earlier is the earlier of two times that are not zero.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
