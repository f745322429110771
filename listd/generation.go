package listd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealist/sealist/listd/distribute"
	"github.com/sealist/sealist/listd/queue"
	"github.com/sealist/sealist/listd/relay"
	"github.com/sealist/sealist/listd/smtpd"
	"github.com/sealist/sealist/listd/task"
)

// generation is one configuration at work: everything that a reload exchanges.
// Two of them beside each other are like two servers on one database: each
// leases what it works on under its own name.
type generation struct {
	*Sealist
	owner   string // names it in leases
	posts   *distribute.Distributor
	queue   *queue.Queue
	relay   *relay.Relay
	tasks   *task.Scheduler
	inbound *smtpd.Server
	face    *face

	gates     []*gate
	fail      func(error) // ends the server
	accepting sync.WaitGroup
	retire    context.CancelFunc
}

// generation puts the moving parts together, and starts none.
func (s *Sealist) generation(ctx context.Context) (*generation, error) {
	g := &generation{Sealist: s, owner: s.leaseName()}
	var err error
	if g.relay, err = s.relay(); err != nil {
		return nil, err
	}
	parts := s.distribution()
	parts.Owner, parts.Wake, parts.Standby = g.owner, func() { g.queue.Wake() }, s.standby.Load
	g.posts = distribute.New(parts)
	g.queue = queue.New(s.Store, g.relay, g.posts, queue.Options{
		Owner: g.owner, Workers: s.Config.Relay.MaxConnections(), Standby: s.standby.Load, Count: s.countCopy, Clock: s.o.Clock, Log: s.log,
		RetryMin: time.Duration(s.Config.Queue.RetryMin), RetryMax: time.Duration(s.Config.Queue.RetryMax), Lifetime: time.Duration(s.Config.Queue.Lifetime),
	})
	if g.face, err = s.face(); err != nil {
		return nil, err
	}
	g.tasks = s.Tasks(g.owner)
	if g.inbound, err = s.inbound(g.posts); err != nil {
		return nil, err
	}
	s.openKeys(ctx)
	return g, s.robots(ctx) // last: it writes to the database
}

// openKeys opens all keys before mail comes: the first post of a list need not
// wait, and what is open stays so when the key password is changed.
func (s *Sealist) openKeys(ctx context.Context) {
	if s.Keyring.Locked() != nil {
		return // Run says so
	}
	begun := time.Now()
	n, err := s.Keyring.OpenAll(ctx)
	if err != nil {
		s.log.Error("the lists' keys cannot be opened", "err", err)
	} else if n > 0 {
		s.log.Info("the lists' keys are open", "keys", n, "took", time.Since(begun).Round(time.Millisecond))
	}
}

// open takes connections from the doors. What fails tells fail.
func (g *generation) open(doors []door, fail func(error)) {
	g.fail = fail
	for _, d := range doors {
		gate := &gate{socket: d.socket}
		g.gates = append(g.gates, gate)
		g.accepting.Go(func() {
			if err := g.inbound.Serve(gate, d.lmtp); err != nil && !gate.left.Load() {
				fail(fmt.Errorf("listener %s: %w", d.url, err))
			}
		})
	}
}

// leave takes no further connection, and returns when the doors are free for
// the next generation. Connections wait at the doors meanwhile.
func (g *generation) leave() {
	for _, gate := range g.gates {
		gate.leave()
	}
	g.accepting.Wait()
	for _, gate := range g.gates {
		gate.SetDeadline(time.Time{})
	}
}

// run works until it is retired or stop ends, then stops in order and gives
// back what it held. A retired generation has all the time it needs: its clients may finish
// (within clientsLeave), its posts and copies come to their end. hard cuts off
// what is still going on.
func (g *generation) run(retired, stop, hard context.Context) error {
	soft, cancel := context.WithCancel(stop)
	defer cancel()
	context.AfterFunc(retired, cancel)

	var working sync.WaitGroup
	working.Go(func() { g.watch(soft, g.posts, g.queue) })
	working.Go(func() { g.beat(soft, g.fail) })
	if !g.o.ManualTasks {
		working.Go(func() { g.tasks.Run(soft) })
	}
	// A retired queue goes on until the posts in hand have got to it, a stopped one does not.
	copies, noCopies := context.WithCancel(stop)
	working.Go(func() {
		g.posts.Run(soft, hard)
		noCopies()
	})
	queueDone := make(chan error, 1)
	go func() { queueDone <- g.queue.Run(copies, hard) }()

	<-soft.Done()
	if stop.Err() == nil {
		leaving, cancel := context.WithTimeout(stop, clientsLeave)
		g.inbound.Drain(leaving)
		cancel()
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(stop), stopClients)
	defer cancel()
	stopped := g.inbound.Shutdown(grace)
	g.accepting.Wait()
	working.Wait()
	err := errors.Join(<-queueDone, g.relay.Close(grace))
	// Of the posts in hand none was given back before all had come to their end.
	err = errors.Join(err, g.Store.ReleaseLeases(context.WithoutCancel(stop), g.owner), g.closeParts())
	if stopped != nil {
		g.log.Warn("clients were cut off", "err", stopped)
	}
	return err
}

// alive returns an error if one of the loops does not go round any more.
func (g *generation) alive() error { return errors.Join(g.posts.Alive(), g.queue.Alive()) }

// gate is a door as one generation sees it: the generation can leave, and the
// door stays open for the next.
type gate struct {
	socket
	left atomic.Bool
}

// Accept returns the next connection, or net.ErrClosed after leave.
func (g *gate) Accept() (net.Conn, error) {
	nc, err := g.socket.Accept()
	if err != nil && g.left.Load() {
		return nil, net.ErrClosed
	}
	return nc, err
}

// leave makes Accept return.
func (g *gate) leave() {
	g.left.Store(true)
	g.SetDeadline(time.Unix(1, 0))
}

// Close closes the door, unless it is another generation's by now.
func (g *gate) Close() error {
	if g.left.Load() {
		return nil
	}
	return g.socket.Close()
}
