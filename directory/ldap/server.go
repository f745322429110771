package ldap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	ldap "github.com/go-ldap/ldap/v3"
)

// server is one of a directory's servers, with the one connection to it.
type server struct {
	target target
	o      *ClientOptions

	mu      sync.Mutex
	conn    *connection // nil: none
	dialing *dialing    // nil: nobody connects
	breaker breaker
	last    *Error    // why it is down; nil: it is not
	since   time.Time // when it last came up or went down; zero: never asked
}

// dialing is an attempt to connect. All who need the connection wait for the one attempt, and it goes on when they leave:
// whether a server is down must not depend on their patience.
type dialing struct {
	done   chan struct{} // closed when conn or failed is set
	conn   *connection
	failed *Error
}

func newServer(t target, o *ClientOptions) *server { return &server{target: t, o: o} }

// errTimeout is the cause of a search that ended because the server was slow, not because its caller left.
var errTimeout = errors.New("no answer in time")

// search asks this server within its time. A connection that was lying there may have died unnoticed: that is worth one
// new one.
func (s *server) search(ctx context.Context, r *ldap.SearchRequest) (*ldap.SearchResult, *Error) {
	within, cancel := context.WithTimeoutCause(ctx, s.o.Timeout, errTimeout)
	defer cancel()
	for attempt := 0; ; attempt++ {
		conn, fresh, failed := s.connection(within)
		if failed != nil {
			return nil, failed
		}
		result, failed := s.ask(ctx, within, conn, r)
		if failed == nil {
			s.up()
			return result, nil
		}
		if ctx.Err() != nil {
			return nil, failed
		}
		if failed.Code < 0 { // no answer
			s.drop(conn)
			if !fresh && attempt == 0 && within.Err() == nil {
				continue
			}
		}
		s.report(failed)
		return nil, failed
	}
}

// ask sends one search and waits for the answer. A caller who leaves leaves a watch behind.
func (s *server) ask(ctx, within context.Context, conn *connection, r *ldap.SearchRequest) (*ldap.SearchResult, *Error) {
	defer func() { conn.lastUsed.Store(s.o.Clock().UnixNano()) }()
	answer := conn.ask(r)
	select {
	case a := <-answer:
		if a.err != nil {
			return nil, searchError(s.target, a.err)
		}
		return a.result, nil
	case <-within.Done():
		if ctx.Err() != nil {
			go s.watch(conn, answer)
		}
		return nil, searchError(s.target, context.Cause(within))
	}
}

// watch waits for an answer in the place of a caller who left, to know whether the server still answers.
func (s *server) watch(conn *connection, answer <-chan outcome) {
	late := time.NewTimer(s.o.Timeout)
	defer late.Stop()
	select {
	case <-answer:
	case <-late.C:
		s.drop(conn)
		s.report(newError(s.target, StageSearch, errTimeout))
	}
}

// searchError is the error of a search.
func searchError(t target, err error) *Error {
	failed := newError(t, StageSearch, err)
	if errors.Is(err, ldap.ErrSizeLimitExceeded) { // cut by go-ldap, for a server that does not heed our limit
		failed.Code = ldap.LDAPResultSizeLimitExceeded
	}
	if failed.Code == ldap.LDAPResultSizeLimitExceeded {
		failed.Err = fmt.Errorf("%w: %w", ErrTruncated, err)
	}
	return failed
}

// connection gives the one there is, or makes it; fresh says which.
func (s *server) connection(ctx context.Context) (conn *connection, fresh bool, failed *Error) {
	conn, d, failed := s.currentOrDialing()
	if conn != nil || failed != nil {
		return conn, false, failed
	}
	select {
	case <-d.done:
		return d.conn, true, d.failed
	case <-ctx.Done():
		return nil, false, newError(s.target, StageConnect, context.Cause(ctx))
	}
}

// currentOrDialing gives one of three: the connection there is, an attempt to make one, or the error of a server whose
// breaker is open.
func (s *server) currentOrDialing() (*connection, *dialing, *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Clock()
	if s.breaker.open(now) {
		return nil, nil, s.notAsked(now)
	}
	if conn := s.current(now); conn != nil {
		return conn, nil, nil
	}
	if s.dialing != nil {
		return nil, s.dialing, nil
	}
	s.dialing = &dialing{done: make(chan struct{})}
	go s.dial(s.dialing)
	return nil, s.dialing, nil
}

// notAsked is the error of a server whose breaker is open. It wants the lock.
func (s *server) notAsked(now time.Time) *Error {
	wait := s.breaker.until.Sub(now).Round(time.Millisecond)
	return &Error{Server: s.target.url, Stage: s.last.Stage, Code: -1, Err: fmt.Errorf("not asked again for %v after: %w", wait, s.last.Err)}
}

// current is the connection there is, unless it has been closed or lain idle for too long. It wants the lock.
func (s *server) current(now time.Time) *connection {
	if s.conn == nil {
		return nil
	}
	idle := now.Sub(time.Unix(0, s.conn.lastUsed.Load()))
	if s.conn.closing() || idle > s.o.IdleTimeout && s.conn.pending.Load() == 0 {
		s.conn.close()
		s.conn = nil
	}
	return s.conn
}

func (s *server) dial(d *dialing) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), s.o.ConnectTimeout, errTimeout)
	defer cancel()
	d.conn, d.failed = dial(ctx, s.target, s.o)
	if d.failed != nil {
		s.report(d.failed)
	} else {
		d.conn.lastUsed.Store(s.o.Clock().UnixNano())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn, s.dialing = d.conn, nil
	close(d.done)
}

// report notes a failure. Some say nothing against the server.
func (s *server) report(failed *Error) {
	if !failed.down() {
		s.up()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Clock()
	if s.last == nil {
		s.since = now
		s.o.Log.Warn("an LDAP server is out of order", slog.String("server", s.target.url),
			slog.String("stage", string(failed.Stage)), slog.Any("error", failed.Err))
	}
	if !s.breaker.open(now) { // others who failed at the same time count once
		s.breaker.failed(now)
	}
	s.last = failed
}

func (s *server) up() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil {
		s.o.Log.Info("an LDAP server answers again", slog.String("server", s.target.url))
	}
	if s.last != nil || s.since.IsZero() {
		s.since = s.o.Clock()
	}
	s.breaker.succeeded()
	s.last = nil
}

// drop closes a connection that is no good any more.
func (s *server) drop(conn *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == conn {
		s.conn = nil
	}
	conn.close()
}

func (s *server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.close()
		s.conn = nil
	}
}
