package e2e

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/peer"
)

// systemd is the socket on which a service says how it fares.
type systemd struct {
	*net.UnixConn
	t *testing.T
}

func newSystemd(t *testing.T) (s systemd, variable string) {
	t.Helper()
	path := peer.Folder(t) + "/notify"
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return systemd{conn, t}, "NOTIFY_SOCKET=" + path
}

// until waits for a message with a line.
func (s systemd) until(line string) string {
	s.t.Helper()
	if err := s.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		s.t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	for {
		n, err := s.Read(buffer)
		if err != nil {
			s.t.Fatalf("waiting for %s: %v", line, err)
		}
		if message := string(buffer[:n]); strings.Contains("\n"+message+"\n", "\n"+line+"\n") {
			return message
		}
	}
}

// A service manager hears when the server is ready, that it works, that it reads its configuration anew and what came of
// it, and that it stops.
func TestTheServiceManagerIsTold(t *testing.T) {
	h := newHarbour(t)
	manager, variable := newSystemd(t)
	h.launch(variable, "WATCHDOG_USEC=200000")
	if m := manager.until("READY=1"); !strings.Contains(m, h.in) {
		t.Errorf("%q does not say where it listens", m)
	}
	manager.until("WATCHDOG=1")
	manager.until("WATCHDOG=1")

	config, err := os.ReadFile(h.path("sealist.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	reload := func(line string) (told string) {
		t.Helper()
		h.write("sealist.yaml", append(config, line+"\n"...))
		h.Signal(syscall.SIGHUP)
		if m := manager.until("RELOADING=1"); !strings.Contains(m, "MONOTONIC_USEC=") {
			t.Errorf("%q", m)
		}
		return manager.until("READY=1")
	}
	size := func() string { // as EHLO announces it
		conn, err := net.Dial("tcp", h.in)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "EHLO x\r\nQUIT\r\n")
		var all strings.Builder
		buffer := make([]byte, 4096)
		for {
			n, err := conn.Read(buffer)
			all.Write(buffer[:n])
			if err != nil {
				break
			}
		}
		_, after, _ := strings.Cut(all.String(), "SIZE ")
		return strings.Fields(after + " ?")[0]
	}
	before := size()
	if told := reload("robot: Not A Robot"); !strings.Contains(told, "mistakes") || size() != before {
		t.Errorf("%q, SIZE %s", told, size())
	}
	if told := reload("store: { url: \"sqlite:other.db\" }"); !strings.Contains(told, "mistakes") || size() != before {
		t.Errorf("%q, SIZE %s", told, size())
	}
	config = []byte(strings.Replace(string(config), "smtp: { ", "smtp: { max_message_bytes: 1234567, ", 1))
	if told := reload(""); !strings.Contains(told, "anew") || size() != "1234567" {
		t.Errorf("%q, SIZE %s", told, size())
	}
	if err := h.submit(h.unsigned("<1@x>", "After the reload.")); err != nil {
		t.Fatal(err)
	}
	h.sink.Wait(1)
	h.Signal(syscall.SIGTERM)
	manager.until("STOPPING=1")
	<-h.Done()
	if h.ExitCode() != 0 {
		t.Errorf("exit %d", h.ExitCode())
	}
}

// A stop waits for what is under way; a second one does not.
func TestTheSecondSignalEndsAtOnce(t *testing.T) {
	h := newHarbour(t)
	h.start()
	conn, err := net.Dial("tcp", h.in) // a client in the middle of a message, for whom a stop waits
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "EHLO x\r\nMAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n", h.anna.Address, plainList)
	buffer, got := make([]byte, 4096), ""
	for !strings.Contains(got, "354") {
		n, err := conn.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		got += string(buffer[:n])
	}
	h.Signal(syscall.SIGTERM)
	peer.Until(t, "the stop", func() error {
		if !h.logged("stopping") {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	began := time.Now()
	h.Signal(syscall.SIGTERM)
	<-h.Done()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
}
