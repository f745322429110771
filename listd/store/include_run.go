package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Outcomes of a synchronisation.
const (
	SyncDone      = "done"      // members, or where they come from, changed
	SyncUnchanged = "unchanged" // nothing was to be done
	SyncPending   = "pending"   // the change waits for the listmaster
	SyncFailed    = "failed"    // there was no complete answer: nothing was changed
)

// Bounds on what is kept of runs.
const (
	keptRuns     = 50  // of those in which nothing changed, for each include
	keptRefusals = 200 // of each run
)

// IncludeRun is the record of one synchronisation.
type IncludeRun struct {
	ID       int64 // 0: of a dry run
	Include  int64
	Started  time.Time
	Took     time.Duration // to get the answer
	Actor    string
	Outcome  string
	Reason   string // why it waits or failed
	Server   string // that answered
	Found    int    // addresses
	Added    []string
	Removed  []string
	Refused  []Refusal // the first of them
	Refusals int       // how many there were
}

// FailInclude records a synchronisation that got no complete answer. Members
// stay as they are; the include is due again at retry. ErrNotFound.
func (s *Store) FailInclude(ctx context.Context, run IncludeRun, retry time.Time) (IncludeRun, error) {
	run.Outcome = SyncFailed
	err := s.write(ctx, fmt.Sprintf("record that include %d failed", run.Include), func(h handle) error {
		n, err := h.exec(ctx, `UPDATE include SET due = ? WHERE id = ?`, micros(retry), run.Include)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		run.ID, err = putRun(ctx, h, run)
		return err
	})
	return run, err
}

// putRun adds a record, and drops old ones of runs that changed nobody.
func putRun(ctx context.Context, h handle, r IncludeRun) (id int64, err error) {
	var texts [3][]byte
	for i, part := range []any{some(r.Added), some(r.Removed), some(r.Refused[:min(len(r.Refused), keptRefusals)])} {
		if texts[i], err = json.Marshal(part); err != nil {
			return 0, err
		}
	}
	err = h.row(ctx, `INSERT INTO include_run (include, started, took, actor, outcome, reason, server, found, added, removed, refused, refusals)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?) RETURNING id`, r.Include, micros(r.Started), r.Took.Microseconds(), r.Actor, r.Outcome, r.Reason, r.Server,
		r.Found, string(texts[0]), string(texts[1]), string(texts[2]), r.Refusals).Scan(&id)
	if err != nil {
		return 0, err
	}
	_, err = h.exec(ctx, `DELETE FROM include_run WHERE include = ? AND outcome <> ? AND id <= coalesce((SELECT id FROM include_run
		WHERE include = ? AND outcome <> ? ORDER BY id DESC LIMIT 1 OFFSET ?), 0)`, r.Include, SyncDone, r.Include, SyncDone, keptRuns)
	return id, err
}

func some[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// IncludeRuns returns the records of an include, newest first; at most limit, 0
// for all.
func (s *Store) IncludeRuns(ctx context.Context, include int64, most int) ([]IncludeRun, error) {
	rows, err := s.read().query(ctx, `SELECT id, include, started, took, actor, outcome, reason, server, found, added, removed, refused, refusals
		FROM include_run WHERE include = ? ORDER BY id DESC LIMIT ?`, include, limit(most))
	all, err := collect(rows, err, func(row scanner) (r IncludeRun, err error) {
		var started, took int64
		var added, removed, refused []byte
		if err := row.Scan(&r.ID, &r.Include, &started, &took, &r.Actor, &r.Outcome, &r.Reason, &r.Server, &r.Found, &added, &removed, &refused, &r.Refusals); err != nil {
			return r, err
		}
		r.Started, r.Took = fromMicros(started), time.Duration(took)*time.Microsecond
		return r, errors.Join(json.Unmarshal(added, &r.Added), json.Unmarshal(removed, &r.Removed), json.Unmarshal(refused, &r.Refused))
	})
	return all, s.wrap(fmt.Sprintf("runs of include %d", include), err)
}
