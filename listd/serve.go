package listd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sealist/sealist/config"
)

// serve runs generation after generation until ctx ends or a listener fails.
func (s *Sealist) serve(ctx context.Context, g *generation, doors []door) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	hard, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	context.AfterFunc(ctx, func() { time.AfterFunc(drainCopies, cut) })

	var working sync.WaitGroup // generations, retired ones too
	ends := make(chan error, 1)
	begin := func(g *generation) {
		var retired context.Context
		retired, g.retire = context.WithCancel(ctx)
		g.open(doors, fail)
		s.now.Store(g)
		working.Go(func() {
			switch err := g.run(retired, ctx, hard); {
			case ctx.Err() != nil:
				ends <- err
			case err != nil:
				g.log.Error("the work under the earlier configuration did not end well", "err", err)
			default:
				g.log.Info("the work under the earlier configuration has come to its end")
			}
		})
	}
	context.AfterFunc(ctx, func() { s.phase.Store(stopping) })
	begin(g)
	if g.face != nil {
		stop, err := s.openPages(fail)
		if err != nil {
			fail(err)
		} else {
			defer stop()
		}
	}
	s.ready(doors)
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case r := <-s.reloads:
			next, err := g.successor(ctx, r.config)
			if err == nil {
				g.leave()
				begin(next)
				g.retire()
				g = next
			}
			r.done <- err
		}
	}
	s.log.Info("stopping")
	var errs []error
	go func() {
		working.Wait()
		close(ends)
	}()
	for err := range ends {
		errs = append(errs, err)
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		errs = append(errs, cause)
	}
	s.log.Info("stopped")
	return errors.Join(errs...)
}

// ready says that the server works.
func (s *Sealist) ready(doors []door) {
	urls := make([]string, len(doors))
	for i, d := range doors {
		urls[i] = d.url
	}
	s.phase.CompareAndSwap(starting, serving)
	s.log.Info("ready", "listen", urls, "relay", s.nextHops())
	if s.o.Ready != nil {
		s.o.Ready(urls)
	}
}

// reload asks a running server to work by another configuration.
type reload struct {
	config *config.Config
	done   chan error
}

// Reload puts another configuration in the place of the one that Run works by,
// whole or not at all: with an error nothing has changed. Certificates, trust
// anchors and passwords are read anew, too. An *config.Errors names keys that
// take a restart. Run must be running; ctx ends the wait for it.
//
// From then on everything is new: connections that are made, posts and copies
// that are claimed, tasks that are due. What was begun before is finished by
// the configuration it was begun with: clients may go on for clientsLeave.
func (s *Sealist) Reload(ctx context.Context, c *config.Config) error {
	r := reload{c, make(chan error, 1)}
	select {
	case s.reloads <- r:
		return <-r.done
	case <-ctx.Done():
		return ctx.Err()
	}
}

// successor is the generation that works by another configuration.
func (g *generation) successor(ctx context.Context, c *config.Config) (*generation, error) {
	if changed := g.Config.NeedsRestart(c); len(changed) > 0 {
		return nil, &config.Errors{Mistakes: changed}
	}
	if _, err := c.KeyPassword(); err != nil && !errors.Is(err, config.ErrNoSecret) {
		return nil, fmt.Errorf("reading the key password: %w", err)
	}
	s := &Sealist{Config: c, Store: g.Store, o: g.o, log: g.log, metrics: g.metrics, started: g.started}
	next, err := s.assemble(ctx, g.Keyring.Locked() == nil)
	if err != nil {
		return nil, errors.Join(err, s.closeParts())
	}
	return next, nil
}

// assemble makes a generation of a Sealist whose store is open. If the keyring
// was open under the configuration before, it must be under this one.
func (s *Sealist) assemble(ctx context.Context, open bool) (*generation, error) {
	if err := s.openParts(ctx); err != nil {
		return nil, err
	}
	if err := s.Keyring.Locked(); open && err != nil {
		return nil, fmt.Errorf("the key password does not open the lists' keys: %w", err)
	}
	if err := s.neighbours(ctx); err != nil {
		return nil, err
	}
	return s.generation(ctx)
}

// alivePatience is how long the database may take to answer the watchdog.
const alivePatience = 30 * time.Second

// Alive returns an error if Run is running and does nothing any more: the
// database does not answer, or a loop does not go round. A database that
// answers with an error counts as alive: that it is away is no reason to start
// anew.
func (s *Sealist) Alive(ctx context.Context) error {
	g := s.now.Load()
	if g == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, alivePatience)
	defer cancel()
	if err := s.Store.Touch(ctx); err != nil && ctx.Err() != nil {
		return fmt.Errorf("the database did not answer within %s: %w", alivePatience, err)
	}
	return g.alive()
}
