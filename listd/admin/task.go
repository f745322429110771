package admin

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/sealist/sealist/listd/store"
)

// Scheduler runs what is done from time to time. *task.Scheduler is one.
type Scheduler interface {
	// Intervals are those of all tasks, by name.
	Intervals() map[string]time.Duration
	// Now runs a task in this process. store.ErrNotFound; store.ErrTaskHeld if somebody else runs it.
	Now(ctx context.Context, name string) (store.TaskRun, error)
}

// Task is something the server does from time to time.
type Task struct {
	store.TaskRow
	Every string `json:"every"`
}

// Tasks returns what is done from time to time, with what became of the last run.
func (a *Admin) Tasks(ctx context.Context) ([]Task, error) {
	rows, err := a.Store.Tasks(ctx)
	if err != nil {
		return nil, Explain(err)
	}
	known := map[string]store.TaskRow{}
	for _, r := range rows {
		known[r.Name] = r
	}
	all := []Task{}
	intervals := a.Scheduler.Intervals()
	for _, name := range slices.Sorted(maps.Keys(intervals)) {
		row := known[name]
		row.Name = name
		all = append(all, Task{row, intervals[name].String()})
	}
	return all, nil
}

// RunTask runs a task now, in this process.
func (a *Admin) RunTask(ctx context.Context, name string) (store.TaskRun, error) {
	run, err := a.Scheduler.Now(ctx, name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return run, refused("`listmaster task ls` shows those there are", "there is no task %s", name)
	case errors.Is(err, store.ErrTaskHeld):
		return run, &Error{Kind: Refused, What: "task " + name + ": " + err.Error(), Err: err, Hint: "try again when it has ended; `listmaster task ls` shows it"}
	case err != nil:
		return run, Explain(err)
	}
	a.audit(ctx, "task run", 0, name, nil)
	return run, nil
}
