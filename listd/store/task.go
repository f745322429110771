package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// TaskRow is a periodic task as the database has it.
type TaskRow struct {
	Name     string    `json:"name"`
	Owner    string    `json:"owner,omitempty"` // who runs it now
	Until    time.Time `json:"until,omitzero"`  // end of his lease
	Due      time.Time `json:"due"`
	Failures int       `json:"failures"` // in a row
	Last     *TaskRun  `json:"last,omitempty"`
}

// TaskRun is what became of one run.
type TaskRun struct {
	Name    string    `json:"name"`
	Owner   string    `json:"owner"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	Summary string    `json:"summary,omitempty"`
	Error   string    `json:"error,omitempty"`
}

// ErrTaskHeld says that somebody else runs the task. Temporary.
var ErrTaskHeld = errors.New("somebody else runs this task now")

// ClaimTask leases a task to owner until a moment, if it is due and nobody else has it, and reports whether it did. A
// task that is not there yet is made, due at first. With now the due moment is not looked at; then a task that somebody
// else has is ErrTaskHeld.
func (s *Store) ClaimTask(ctx context.Context, name, owner string, until, first time.Time, now bool) (claimed bool, err error) {
	err = s.write(ctx, "claim task "+name, func(h handle) error {
		if _, err := h.exec(ctx, `INSERT INTO task (name, owner, until, due, failures) VALUES (?,'',0,?,0) ON CONFLICT (name) DO NOTHING`, name, micros(first)); err != nil {
			return err
		}
		n, err := h.exec(ctx, `UPDATE task SET owner = ?, until = ? WHERE name = ? AND (owner = '' OR until <= ?) AND (due <= ? OR ? = 1)`,
			owner, micros(until), name, s.now(), s.now(), boolean(now))
		if claimed = n == 1; claimed || err != nil || !now {
			return err
		}
		var holder string
		if err := h.row(ctx, `SELECT owner FROM task WHERE name = ?`, name).Scan(&holder); err != nil {
			return err
		}
		return fmt.Errorf("%w: %s", ErrTaskHeld, holder)
	})
	return claimed && err == nil, err
}

// RenewTask moves the end of owner's lease. ErrState if it is his no more.
func (s *Store) RenewTask(ctx context.Context, name, owner string, until time.Time) error {
	return s.write(ctx, "renew the lease of task "+name, func(h handle) error {
		n, err := h.exec(ctx, `UPDATE task SET until = ? WHERE name = ? AND owner = ?`, micros(until), name, owner)
		if err == nil && n == 0 {
			err = ErrState
		}
		return err
	})
}

// FinishTask notes a run, says when the task is due next, and gives the lease back. Of each task the newest keepRuns runs
// stay.
func (s *Store) FinishTask(ctx context.Context, r TaskRun, due time.Time) error {
	return s.write(ctx, "finish task "+r.Name, func(h handle) error {
		if _, err := h.exec(ctx, `UPDATE task SET owner = '', until = 0, due = ?, failures = CASE WHEN ? = 1 THEN failures + 1 ELSE 0 END
			WHERE name = ? AND owner = ?`, micros(due), boolean(r.Error != ""), r.Name, r.Owner); err != nil {
			return err
		}
		if _, err := h.exec(ctx, `INSERT INTO task_run (name, owner, started, ended, summary, error) VALUES (?,?,?,?,?,?)`,
			r.Name, r.Owner, micros(r.Started), micros(r.Ended), r.Summary, r.Error); err != nil {
			return err
		}
		_, err := h.exec(ctx, `DELETE FROM task_run WHERE name = ? AND id <= (SELECT max(id) FROM task_run WHERE name = ?) - ?
			AND id NOT IN (SELECT id FROM task_run WHERE name = ? ORDER BY id DESC LIMIT ?)`, r.Name, r.Name, keepRuns, r.Name, keepRuns)
		return err
	})
}

// keepRuns is how many runs of a task are kept.
const keepRuns = 50

// Tasks returns the tasks with their last runs, by name.
func (s *Store) Tasks(ctx context.Context) ([]TaskRow, error) {
	rows, err := s.read().query(ctx, `SELECT t.name, t.owner, t.until, t.due, t.failures, r.owner, r.started, r.ended, r.summary, r.error
		FROM task t LEFT JOIN task_run r ON r.id = (SELECT max(id) FROM task_run WHERE task_run.name = t.name) ORDER BY t.name`)
	all, err := collect(rows, err, func(row scanner) (t TaskRow, err error) {
		var until, due int64
		var owner, summary, failed sql.NullString
		var started, ended sql.NullInt64
		if err := row.Scan(&t.Name, &t.Owner, &until, &due, &t.Failures, &owner, &started, &ended, &summary, &failed); err != nil {
			return t, err
		}
		t.Until, t.Due = fromMicros(until), fromMicros(due)
		if started.Valid {
			t.Last = &TaskRun{Name: t.Name, Owner: owner.String, Started: fromMicros(started.Int64), Ended: fromMicros(ended.Int64), Summary: summary.String, Error: failed.String}
		}
		return t, nil
	})
	return all, s.wrap("tasks", err)
}
