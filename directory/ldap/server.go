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

	dialing chan struct{} // held by the one who connects

	mu      sync.Mutex
	conn    *connection // nil: none
	breaker breaker
	last    *Error    // why it is down
	since   time.Time // when it last came up or went down; zero: never asked
}

func newServer(t target, o *ClientOptions) *server {
	return &server{target: t, o: o, dialing: make(chan struct{}, 1)}
}

// errTimeout is the cause of a search that ended because the server was slow, not because its caller left.
var errTimeout = errors.New("no answer in time")

// search asks this server within its time. A connection that was lying there may have died unnoticed: that is worth one
// new one.
func (s *server) search(ctx context.Context, r *ldap.SearchRequest) (*ldap.SearchResult, *Error) {
	if err := s.paused(); err != nil {
		return nil, err
	}
	within, cancel := context.WithTimeoutCause(ctx, s.o.Timeout, errTimeout)
	defer cancel()
	for attempt := 0; ; attempt++ {
		conn, fresh, failed := s.connection(within)
		if failed != nil {
			return nil, s.report(ctx, failed)
		}
		result, err := conn.search(within, r)
		conn.lastUsed.Store(s.o.Clock().UnixNano())
		if err == nil {
			s.up()
			return result, nil
		}
		failed = searchError(s.target, err)
		if failed.Code < 0 && ctx.Err() == nil { // no answer, and not because our caller left
			s.drop(conn)
			if !fresh && attempt == 0 && within.Err() == nil {
				continue
			}
		}
		return nil, s.report(ctx, failed)
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

// paused is the error of a server whose breaker is open.
func (s *server) paused() *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.o.Clock(); s.breaker.open(now) {
		wait := s.breaker.until.Sub(now).Round(time.Millisecond)
		return &Error{Server: s.target.url, Stage: s.last.Stage, Code: -1, Err: fmt.Errorf("not asked again for %v after: %w", wait, s.last.Err)}
	}
	return nil
}

// report notes a failure, if it is one of the server and not of a caller who left.
func (s *server) report(ctx context.Context, failed *Error) *Error {
	if ctx.Err() != nil {
		return failed
	}
	if !failed.down() {
		s.up()
		return failed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Clock()
	if s.last == nil {
		s.since = now
		s.o.Log.LogAttrs(ctx, slog.LevelWarn, "an LDAP server is out of order", slog.String("server", s.target.url),
			slog.String("stage", string(failed.Stage)), slog.Any("error", failed.Err))
	}
	if !s.breaker.open(now) { // others who failed at the same time count once
		s.breaker.failed(now)
	}
	s.last = failed
	return failed
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

// connection gives the one there is, or makes it; fresh says which.
func (s *server) connection(ctx context.Context) (conn *connection, fresh bool, failed *Error) {
	if conn := s.current(); conn != nil {
		return conn, false, nil
	}
	select {
	case s.dialing <- struct{}{}:
		defer func() { <-s.dialing }()
	case <-ctx.Done():
		return nil, false, newError(s.target, StageConnect, context.Cause(ctx))
	}
	if conn := s.current(); conn != nil { // made while we waited
		return conn, false, nil
	}
	if err := s.paused(); err != nil { // or found impossible
		return nil, false, err
	}
	within, cancel := context.WithTimeoutCause(ctx, s.o.ConnectTimeout, errTimeout)
	defer cancel()
	conn, failed = dial(within, s.target, s.o)
	if failed != nil {
		return nil, false, failed
	}
	conn.lastUsed.Store(s.o.Clock().UnixNano())
	s.mu.Lock()
	s.conn = conn
	s.mu.Unlock()
	return conn, true, nil
}

// current is the connection there is, unless it has been closed or lain idle for too long.
func (s *server) current() *connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return nil
	}
	idle := s.o.Clock().Sub(time.Unix(0, s.conn.lastUsed.Load()))
	if s.conn.closing() || idle > s.o.IdleTimeout && s.conn.pending.Load() == 0 {
		s.conn.close()
		s.conn = nil
	}
	return s.conn
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
