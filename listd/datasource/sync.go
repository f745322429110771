package datasource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sealist/sealist/directory/ldap"
	"github.com/sealist/sealist/listd/store"
)

// How a synchronisation keeps time.
const (
	patience   = 10 * time.Minute // with one include
	retryAfter = 10 * time.Minute // when it got no answer, unless it is due more often
)

// Syncer synchronises includes. It is safe for concurrent use: of two who synchronise one include at a time, each writes
// what he found in one transaction.
type Syncer struct {
	store       *store.Store
	directories map[string]*ldap.Directory
	clock       func() time.Time
	log         *slog.Logger
}

// Parts is what a Syncer works with.
type Parts struct {
	Store       *store.Store
	Directories []*ldap.Directory
	Clock       func() time.Time // time.Now if nil
	Log         *slog.Logger     // discards if nil
}

// New makes a Syncer.
func New(p Parts) *Syncer {
	s := &Syncer{store: p.Store, directories: map[string]*ldap.Directory{}, clock: p.Clock, log: p.Log}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	for _, d := range p.Directories {
		s.directories[d.Name()] = d
	}
	return s
}

// Options of one synchronisation.
type Options struct {
	Actor   string // for the audit log
	DryRun  bool   // tell what would be, and leave everything as it is
	First   bool   // whoever added the include sees what comes: nothing waits
	Approve bool   // carry out the change that waits
}

// Directory finds a configured directory. ErrNoDirectory.
func (s *Syncer) Directory(name string) (*ldap.Directory, error) {
	if d, ok := s.directories[name]; ok {
		return d, nil
	}
	return nil, fmt.Errorf("%s: %w", name, ErrNoDirectory)
}

// Find asks the directory of an include that need not be kept yet.
func (s *Syncer) Find(ctx context.Context, i store.Include) (Found, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("it takes too long"))
	defer cancel()
	d, err := s.Directory(i.Directory)
	if err != nil {
		return Found{}, err
	}
	l, err := s.store.ListByID(ctx, i.List)
	if err != nil {
		return Found{}, err
	}
	known, err := s.store.IncludedAddresses(ctx, i.ID)
	if err != nil {
		return Found{}, err
	}
	return Fetch(ctx, d, Query{Include: i, Self: l.Address, Known: known})
}

// Sync brings a list in line with one of its includes. Without a complete answer nobody comes or goes: the run says
// store.SyncFailed then, and the error why. A change that waits is no error.
func (s *Syncer) Sync(ctx context.Context, i store.Include, o Options) (store.IncludeRun, error) {
	start := s.clock()
	found, err := s.Find(ctx, i)
	if err != nil {
		return s.failed(ctx, i, o, start, err)
	}
	return s.Apply(ctx, i, o, found, start)
}

// Apply brings a list in line with what Find found since start. An include without a number is not kept: only a dry run
// can be made of it.
func (s *Syncer) Apply(ctx context.Context, i store.Include, o Options, found Found, start time.Time) (store.IncludeRun, error) {
	y := store.IncludeSync{
		Include: i.ID, Found: found.Members, Keep: found.Keep, Refused: found.Refused, Server: found.Server,
		Started: start, Took: s.clock().Sub(start), Actor: o.Actor, DryRun: o.DryRun, First: o.First, Approve: o.Approve,
	}
	if i.ID == 0 {
		y.Unsaved = &i
	}
	run, err := s.store.SyncInclude(ctx, y)
	if err != nil || o.DryRun {
		return run, err
	}
	log := s.log.With("include", i.ID, "list", i.List, "directory", i.Directory)
	switch run.Outcome {
	case store.SyncPending:
		log.Warn("a change of members waits for the listmaster", "reason", run.Reason, "next", "`listmaster directory sync LIST --dry-run` shows it, --approve carries it out")
	case store.SyncDone:
		log.Info("members synchronised", "added", len(run.Added), "removed", len(run.Removed), "refused", run.Refusals)
	}
	return run, nil
}

// failed records that there was no answer.
func (s *Syncer) failed(ctx context.Context, i store.Include, o Options, start time.Time, why error) (store.IncludeRun, error) {
	run := store.IncludeRun{Include: i.ID, Started: start, Took: s.clock().Sub(start), Actor: o.Actor, Outcome: store.SyncFailed, Reason: why.Error()}
	if o.DryRun || ctx.Err() != nil { // nobody waited for the answer: that says nothing about the directory
		return run, why
	}
	s.log.Warn("an include cannot be synchronised; its members stay as they are", "include", i.ID, "list", i.List, "directory", i.Directory, "err", why)
	kept, err := s.store.FailInclude(ctx, run, s.clock().Add(min(i.Every, retryAfter)))
	if err != nil {
		return run, errors.Join(why, err)
	}
	return kept, why
}

// SyncDue synchronises every include that is due: a job for every minute. It goes on after one that fails. The summary is
// empty if none was due; the error has every failure.
func (s *Syncer) SyncDue(ctx context.Context) (summary string, err error) {
	due, err := s.store.Includes(ctx, store.IncludeFilter{Due: s.clock()})
	if err != nil || len(due) == 0 {
		return "", err
	}
	count := map[string]int{}
	var errs []error
	for _, i := range due {
		run, err := s.Sync(ctx, i, Options{Actor: "include_sync"})
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if errors.Is(err, store.ErrNotFound) { // it was removed meanwhile
			continue
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("include %d: %w", i.ID, err))
		}
		count[run.Outcome]++
	}
	summary = fmt.Sprintf("%d changed, %d unchanged, %d waiting, %d failed", count[store.SyncDone], count[store.SyncUnchanged], count[store.SyncPending], count[store.SyncFailed])
	return summary, errors.Join(errs...)
}
