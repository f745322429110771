package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/pressly/goose/v3"
)

// migrate brings the schema up to date. A schema from the future is ErrSchema.
// Open lets one program at a time come here.
//
// The schema is changed only while no server works on the database: the lock
// that servers hold, which stopServers takes, is held for the time of the
// migration.
func (s *Store) migrate(ctx context.Context, stopServers func(context.Context) (serving, error)) (err error) {
	fsys, err := s.dialect.migrations()
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(s.dialect.goose, s.writer, fsys, goose.WithDisableGlobalRegistry(true), goose.WithSlog(s.log))
	if err != nil {
		return err
	}
	current, target, err := p.GetVersions(ctx)
	switch {
	case err != nil:
		return s.dialect.explain(err, s.path)
	case current == target:
		return nil
	case current > target:
		return fmt.Errorf("%w: it has version %d, this program knows %d; install the newer version again", ErrSchema, current, target)
	}
	lock, err := stopServers(ctx)
	if errors.Is(err, ErrServerRunning) {
		return fmt.Errorf("%w: it is older than this program, and a server is using it; stop the server, start the new one", ErrSchema)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.release()) }()
	_, err = p.Up(ctx)
	return s.dialect.explain(err, s.path)
}
