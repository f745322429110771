package task_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/listd/task"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

type world struct {
	t     *testing.T
	clock *clock
	store *store.Store
}

func newWorld(t *testing.T) *world {
	c := &clock{at: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	s, err := store.Open(t.Context(), peer.Database(t), store.Options{Clock: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &world{t, c, s}
}

// node is a server with these jobs. Without jitter all begin at once.
func (w *world) node(name string, jobs ...task.Job) *task.Scheduler {
	return task.New(w.store, jobs, task.Options{Owner: name, Clock: w.clock.now, Jitter: func() float64 { return 0 }})
}

// look has a node look, and waits for what it began.
func (w *world) look(s *task.Scheduler) {
	s.Look(w.t.Context())
	s.Wait()
}

func (w *world) row(name string) store.TaskRow {
	w.t.Helper()
	rows, err := w.store.Tasks(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range rows {
		if r.Name == name {
			return r
		}
	}
	w.t.Fatalf("no task %s", name)
	return store.TaskRow{}
}

func counting(n *atomic.Int64) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { n.Add(1); return "counted", nil }
}

func TestJobsRunWhenTheyAreDue(t *testing.T) {
	w := newWorld(t)
	var n atomic.Int64
	s := w.node("a", task.Job{Name: "count", Every: time.Hour, Run: counting(&n)})
	for _, step := range []struct {
		later time.Duration
		runs  int64
	}{{0, 1}, {0, 1}, {50 * time.Minute, 1}, {10 * time.Minute, 2}, {5 * time.Hour, 3}, {0, 3}} {
		w.clock.advance(step.later)
		w.look(s)
		if n.Load() != step.runs {
			t.Errorf("%v later: %d runs, want %d", step.later, n.Load(), step.runs)
		}
	}
	if r := w.row("count"); r.Owner != "" || r.Last == nil || r.Last.Summary != "counted" || r.Last.Error != "" || r.Last.Owner != "a" {
		t.Errorf("%+v %+v", r, r.Last)
	}
}

// TestOneNodeAtATime: a job never runs on two nodes; the lease of one that died runs out.
func TestOneNodeAtATime(t *testing.T) {
	w := newWorld(t)
	var n atomic.Int64
	begun, end := make(chan struct{}), make(chan struct{})
	slow := task.Job{Name: "job", Every: time.Minute, Run: func(context.Context) (string, error) {
		close(begun)
		<-end
		return "", nil
	}}
	a, b := w.node("a", slow), w.node("b", task.Job{Name: "job", Every: time.Minute, Run: counting(&n)})
	a.Look(t.Context())
	<-begun
	a.Look(t.Context())
	w.look(b)
	if _, err := b.Now(t.Context(), "job"); !errors.Is(err, store.ErrTaskHeld) || !strings.Contains(err.Error(), "a") {
		t.Errorf("run by hand beside a node that has it: %v", err)
	}
	if n.Load() != 0 {
		t.Error("it ran on two nodes")
	}
	w.clock.advance(3 * time.Minute) // a died: nothing renewed its lease
	w.look(b)
	if n.Load() != 1 {
		t.Error("nobody took it over")
	}
	close(end)
	a.Wait()
	if r := w.row("job"); r.Owner != "" {
		t.Errorf("%+v", r)
	}
}

// TestStopped: a job that a stopping server breaks off has not failed, and another server takes it up at once.
func TestStopped(t *testing.T) {
	w := newWorld(t)
	begun := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	a := w.node("a", task.Job{Name: "job", Every: time.Hour, Run: func(ctx context.Context) (string, error) {
		close(begun)
		<-ctx.Done()
		return "", ctx.Err()
	}})
	a.Look(ctx)
	<-begun
	stop()
	a.Wait()
	if r := w.row("job"); r.Failures != 0 || r.Owner != "" || r.Last.Error != "" || !strings.Contains(r.Last.Summary, "broken off") {
		t.Errorf("%+v %+v", r, r.Last)
	}
	var n atomic.Int64
	w.look(w.node("b", task.Job{Name: "job", Every: time.Hour, Run: counting(&n)}))
	if n.Load() != 1 {
		t.Error("nobody took it up")
	}
}

// TestFailures: a job that fails or panics harms only itself, and is tried again sooner, and then less and less often.
func TestFailures(t *testing.T) {
	w := newWorld(t)
	var bad, good, broken atomic.Int64
	s := w.node("a",
		task.Job{Name: "panics", Every: time.Hour, Run: func(context.Context) (string, error) { bad.Add(1); panic("secret") }},
		task.Job{Name: "fails", Every: time.Hour, Run: func(context.Context) (string, error) {
			broken.Add(1)
			return "", errors.New("no disk")
		}},
		task.Job{Name: "works", Every: time.Hour, Run: counting(&good)})
	w.look(s)
	if bad.Load() != 1 || broken.Load() != 1 || good.Load() != 1 {
		t.Errorf("%d %d %d", bad.Load(), broken.Load(), good.Load())
	}
	if r := w.row("panics"); r.Last.Error != "panic: string" || r.Failures != 1 {
		t.Errorf("%+v %+v", r, r.Last)
	}
	if r := w.row("fails"); r.Last.Error != "no disk" || !r.Due.Equal(w.clock.now().Add(time.Minute)) {
		t.Errorf("%+v %+v", r, r.Last)
	}
	for range 24 * 60 {
		w.clock.advance(time.Minute)
		w.look(s)
	}
	if n := broken.Load(); n < 24 || n > 32 {
		t.Errorf("tried %d times in a day", n)
	}
}

// TestNotAllAtOnce: what is due when a server starts begins within half a minute, and not at the same moment.
func TestNotAllAtOnce(t *testing.T) {
	w := newWorld(t)
	var n atomic.Int64
	var jobs []task.Job
	for _, name := range []string{"a", "b", "c", "d"} {
		jobs = append(jobs, task.Job{Name: name, Every: time.Hour, Run: counting(&n)})
	}
	step := 0.0
	s := task.New(w.store, jobs, task.Options{Owner: "a", Clock: w.clock.now, Jitter: func() float64 { step += 0.2; return step }})
	w.look(s)
	if n.Load() != 0 {
		t.Errorf("%d at once", n.Load())
	}
	w.clock.advance(15 * time.Second)
	w.look(s)
	if n.Load() != 2 {
		t.Errorf("%d after half of the time", n.Load())
	}
	w.clock.advance(15 * time.Second)
	w.look(s)
	if n.Load() != 4 {
		t.Errorf("%d in the end", n.Load())
	}
}

func TestByHand(t *testing.T) {
	w := newWorld(t)
	var n atomic.Int64
	s := w.node("listmaster", task.Job{Name: "count", Every: time.Hour, Run: counting(&n)})
	for range 2 {
		if run, err := s.Now(t.Context(), "count"); err != nil || run.Summary != "counted" {
			t.Errorf("%+v, %v", run, err)
		}
	}
	if _, err := s.Now(t.Context(), "other"); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	w.look(s)
	if n.Load() != 2 {
		t.Errorf("%d runs: one by hand counts as the next one, too", n.Load())
	}
}
