package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// systemd is told how the service fares, by the protocol of sd_notify(3): one
// datagram a message to the socket that the environment names. Without a socket
// nobody is told.
type systemd struct {
	socket string
	log    *slog.Logger
}

func newSystemd(log *slog.Logger) systemd {
	return systemd{socket: os.Getenv("NOTIFY_SOCKET"), log: log}
}

// The messages.

func (s systemd) ready(status string) { s.tell("READY=1", "STATUS="+status) }

func (s systemd) stopping() { s.tell("STOPPING=1", "STATUS=stopping: finishing what is under way") }

// reloading is followed by ready, whatever comes of the reload. The moment is
// what Type=notify-reload tells this reload from an earlier one by.
func (s systemd) reloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		s.log.Error("reading the monotonic clock", "err", err)
	}
	s.tell("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000), "STATUS=reading the configuration anew")
}

func (s systemd) tell(lines ...string) {
	if s.socket == "" {
		return
	}
	for i, line := range lines {
		lines[i] = strings.NewReplacer("\r", " ", "\n", " ").Replace(line)
	}
	// An address that begins with @ is abstract; net turns the @ into the NUL.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.socket, Net: "unixgram"})
	if err == nil {
		_, err = conn.Write([]byte(strings.Join(lines, "\n")))
		err = errors.Join(err, conn.Close())
	}
	if err != nil {
		s.log.Warn("systemd cannot be told", "what", lines[0], "err", err)
	}
}

// watchdog is how often systemd wants to hear from this process; 0 if it does
// not (sd_watchdog_enabled(3)).
func (s systemd) watchdog() time.Duration {
	if pid := os.Getenv("WATCHDOG_PID"); s.socket == "" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	micros, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || micros <= 0 {
		return 0
	}
	return time.Duration(micros) * time.Microsecond
}

// watch lets the watchdog know twice an interval that the server works, for as
// long as alive says so; systemd then ends and restarts it. It returns when ctx
// ends.
func (s systemd) watch(ctx context.Context, alive func(context.Context) error) {
	every := s.watchdog() / 2
	if every == 0 {
		return
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		if err := alive(ctx); err == nil {
			s.tell("WATCHDOG=1")
		} else if ctx.Err() == nil {
			s.log.Error("the watchdog is not told that the server works", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}
