// Package task runs named jobs from time to time: each on one node at a time, which holds a lease in the database, with a
// record of every run.
package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sealist/sealist/listd/store"
)

// Job is something done from time to time. Run says in one line what it did; nothing if there was nothing to do. It may
// be ended at any moment, and run again by another node.
type Job struct {
	Name  string
	Every time.Duration
	Run   func(ctx context.Context) (summary string, err error)
}

// Ledger keeps leases and records. *store.Store is one.
type Ledger interface {
	ClaimTask(ctx context.Context, name, owner string, until, first time.Time, now bool) (bool, error)
	RenewTask(ctx context.Context, name, owner string, until time.Time) error
	FinishTask(ctx context.Context, r store.TaskRun, due time.Time) error
}

// Options of a Scheduler. The zero value is usable but for Owner.
type Options struct {
	Owner  string           // names this process in leases
	Clock  func() time.Time // nil: time.Now
	Jitter func() float64   // in [0, 1); nil: random
	Log    *slog.Logger     // nil: nothing is logged
}

// How the scheduler keeps time.
const (
	lease     = 2 * time.Minute
	renew     = 30 * time.Second
	lookEvery = time.Second
	settle    = 30 * time.Second // within which jobs begin that are due when the server starts
	retry     = time.Minute      // after the first failure; each further one doubles it, up to the job's own interval
)

// Scheduler runs jobs when they are due. It is safe for concurrent use.
type Scheduler struct {
	ledger Ledger
	jobs   []Job
	o      Options

	mu      sync.Mutex
	begun   map[string]time.Time // not before it a job is tried
	running map[string]bool
	failing map[string]int
	working sync.WaitGroup
}

// New makes a Scheduler. Nothing runs before Run, Look or Now.
func New(l Ledger, jobs []Job, o Options) *Scheduler {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Scheduler{ledger: l, jobs: jobs, o: o, begun: map[string]time.Time{}, running: map[string]bool{}, failing: map[string]int{}}
}

// Intervals are those of all jobs, by name.
func (s *Scheduler) Intervals() map[string]time.Duration {
	all := map[string]time.Duration{}
	for _, j := range s.jobs {
		all[j.Name] = j.Every
	}
	return all
}

// Run looks for jobs that are due until ctx ends, and returns when those in hand have ended.
func (s *Scheduler) Run(ctx context.Context) {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for ctx.Err() == nil {
		s.Look(ctx)
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	s.Wait()
}

// Wait returns when the jobs in hand have ended.
func (s *Scheduler) Wait() { s.working.Wait() }

// Look begins the jobs that are due and that nobody has in hand. What was due while no server ran does not begin all at
// once.
func (s *Scheduler) Look(ctx context.Context) {
	now := s.o.Clock()
	for _, job := range s.jobs {
		s.mu.Lock()
		begin, known := s.begun[job.Name]
		if !known {
			begin = now.Add(time.Duration(s.o.Jitter() * float64(min(settle, job.Every/2))))
			s.begun[job.Name] = begin
		}
		busy := s.running[job.Name]
		s.mu.Unlock()
		if busy || now.Before(begin) {
			continue
		}
		claimed, err := s.ledger.ClaimTask(ctx, job.Name, s.o.Owner, now.Add(lease), now, false)
		if err != nil && ctx.Err() == nil {
			s.o.Log.Error("a task cannot be claimed", "task", job.Name, "err", err)
		}
		if !claimed {
			continue
		}
		s.mark(job.Name, true)
		s.working.Go(func() {
			defer s.mark(job.Name, false)
			s.perform(ctx, job)
		})
	}
}

func (s *Scheduler) mark(name string, running bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[name] = running
}

// Now runs a job at once, in this process, whether it is due or not. store.ErrNotFound; store.ErrTaskHeld if somebody else runs
// it.
func (s *Scheduler) Now(ctx context.Context, name string) (store.TaskRun, error) {
	i := slices.IndexFunc(s.jobs, func(j Job) bool { return j.Name == name })
	if i < 0 {
		return store.TaskRun{}, fmt.Errorf("task %s: %w", name, store.ErrNotFound)
	}
	now := s.o.Clock()
	if _, err := s.ledger.ClaimTask(ctx, name, s.o.Owner, now.Add(lease), now, true); err != nil {
		return store.TaskRun{}, err
	}
	return s.perform(ctx, s.jobs[i])
}

// perform runs a job that is leased to us, and notes what became of it.
func (s *Scheduler) perform(ctx context.Context, job Job) (store.TaskRun, error) {
	run := store.TaskRun{Name: job.Name, Owner: s.o.Owner, Started: s.o.Clock()}
	within, stop := context.WithCancel(ctx)
	defer stop()
	go s.hold(within, stop, job.Name)
	summary, err := guarded(within, job)
	run.Ended, run.Summary = s.o.Clock(), summary
	due := run.Ended
	switch {
	case err != nil && ctx.Err() != nil: // no failure of the task: whoever runs next takes it up
		run.Summary = "broken off, because the server stops"
	case err != nil:
		run.Error = err.Error()
		due = s.due(job, run)
	default:
		due = s.due(job, run)
	}
	if err := s.ledger.FinishTask(context.WithoutCancel(ctx), run, due); err != nil {
		s.o.Log.Error("the end of a task cannot be noted; its lease will run out", "task", job.Name, "err", err)
		return run, err
	}
	switch {
	case err != nil && ctx.Err() == nil:
		s.o.Log.Error("a task failed", "task", job.Name, "err", err)
	case summary != "":
		s.o.Log.Info("task", "task", job.Name, "summary", summary)
	}
	return run, nil
}

// guarded keeps a panic from ending the server.
func guarded(ctx context.Context, job Job) (summary string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %T", p) // its value may quote anything
		}
	}()
	return job.Run(ctx)
}

// hold renews the lease until ctx ends. Where it is lost somebody else may run the job: ours is told to stop.
func (s *Scheduler) hold(ctx context.Context, stop func(), name string) {
	t := time.NewTicker(renew)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := s.ledger.RenewTask(ctx, name, s.o.Owner, s.o.Clock().Add(lease)); errors.Is(err, store.ErrState) {
			s.o.Log.Error("the lease of a task was lost; it stops", "task", name)
			stop()
			return
		}
	}
}

// due is when a job runs next: about an interval later, sooner after a failure.
func (s *Scheduler) due(job Job, run store.TaskRun) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if run.Error == "" {
		s.failing[job.Name] = 0
		return run.Ended.Add(time.Duration(float64(job.Every) * (0.95 + 0.1*s.o.Jitter())))
	}
	wait := retry << min(s.failing[job.Name], 16)
	s.failing[job.Name]++
	return run.Ended.Add(min(wait, job.Every))
}
