package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pressly/goose/v3"
)

// migrate brings the schema up to date. A schema from the future is ErrSchema.
//
// An existing database is changed only while no server works on it: the same
// lock that a server holds is taken for the time of the migration.
func (s *Store) migrate(ctx context.Context, busy time.Duration) error {
	fsys, err := s.dialect.migrations()
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(s.dialect.goose, s.writer, fsys, goose.WithDisableGlobalRegistry(true), goose.WithSlog(s.log))
	if err != nil {
		return err
	}
	// Whoever comes second while a new database is being made waits for the first.
	deadline := time.Now().Add(busy)
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		ready, err := s.schemaReady(ctx, p)
		if ready || err != nil {
			return err
		}
		lock, err := lockFile(s.lockPath())
		if err == nil {
			err = s.migrateLocked(ctx, p)
			return errors.Join(err, lock.release())
		}
		if !errors.Is(err, ErrServerRunning) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: it is older than this program, and a server is using it; stop the server, start the new one", ErrSchema)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (s *Store) migrateLocked(ctx context.Context, p *goose.Provider) error {
	ready, err := s.schemaReady(ctx, p) // somebody may have done it while we waited
	if ready || err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return s.dialect.explain(err, s.path)
	}
	return nil
}

func (s *Store) schemaReady(ctx context.Context, p *goose.Provider) (bool, error) {
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return false, s.dialect.explain(err, s.path)
	}
	if current > target {
		return false, fmt.Errorf("%w: it has version %d, this program knows %d; install the newer version again", ErrSchema, current, target)
	}
	return current == target, nil
}
