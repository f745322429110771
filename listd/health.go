package listd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/sealist/sealist/listd/metric"
)

// Phases of Run.
const (
	starting int32 = iota
	serving
	stopping
)

// What readiness depends on. The next hop is none of it: while it is down mail is
// taken and waits, and would be refused if a balancer thought that the server is
// away.
const (
	partListeners   = "listeners"
	partDatabase    = "database"
	partKeyPassword = "key_password"
)

var parts = []string{partListeners, partDatabase, partKeyPassword}

// failing says what keeps the server from being ready.
func (s *Sealist) failing(ctx context.Context) (all []metric.Failing) {
	switch s.phase.Load() {
	case starting:
		all = append(all, metric.Failing{Part: partListeners, What: "the server is starting"})
	case stopping:
		all = append(all, metric.Failing{Part: partListeners, What: "the server stops: it takes no new connection"})
	}
	// Nothing else is asked of a database that does not answer.
	if err := s.Store.Answers(ctx); err != nil {
		return append(all, metric.Failing{Part: partDatabase, What: "it does not answer, or is not the one that was opened; the log says more"})
	}
	current := s
	if g := s.now.Load(); g != nil {
		current = g.Sealist
	}
	if current.Keyring.Locked() != nil {
		all = append(all, metric.Failing{Part: partKeyPassword, What: "it does not open the lists' keys: their mail waits; the log says more"})
	}
	return all
}

// show opens what others look at the server through: metrics and profiles, if
// they are configured. hide closes it.
func (s *Sealist) show() (hide func(), err error) {
	var servers []*http.Server
	hide = func() {
		for _, server := range servers {
			server.Close()
		}
	}
	open := func(l net.Listener, what, address string, h http.Handler, timeout time.Duration) {
		server := &http.Server{
			Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: timeout, IdleTimeout: 2 * time.Minute,
			MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		}
		servers = append(servers, server)
		go server.Serve(l) // until hide
		s.log.Info(what+" are served", "address", address)
	}
	if address := s.Config.Metrics.Listen; address != "" {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("listening on metrics.listen: %w", err)
		}
		open(l, "metrics", l.Addr().String(), s.metrics.Handler(), time.Minute)
	}
	if path := s.Config.Metrics.Pprof; path != "" {
		l, err := listenUnix(path, 0o600)
		if err != nil {
			hide()
			return nil, fmt.Errorf("listening on metrics.pprof: %w", err)
		}
		open(l, "profiles", path, metric.Profiles(), 0) // a profile takes as long as was asked for
	}
	return hide, nil
}

// listenUnix opens a unix socket. One that an earlier run left behind is replaced.
func listenUnix(path string, mode os.FileMode) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == os.ModeSocket {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}
