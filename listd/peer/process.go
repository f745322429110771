package peer

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Process is a server that runs in the foreground as the test's child, its output in a log file.
type Process struct {
	tb   testing.TB
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed once the process has been waited for
}

// StartProcess starts a command with its standard output and error appended to the file logPath, and ends it, first by
// SIGTERM, then by SIGKILL, when the test ends. The log's tail is printed when the test has failed.
func StartProcess(tb testing.TB, logPath string, cmd *exec.Cmd) *Process {
	tb.Helper()
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		tb.Fatalf("open the log of %s: %v", filepath.Base(cmd.Path), err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		tb.Fatalf("start %s: %v", filepath.Base(cmd.Path), err)
	}
	p := &Process{tb: tb, cmd: cmd, log: logPath, done: make(chan struct{})}
	go func() {
		cmd.Wait() // the exit state stays in cmd.ProcessState
		close(p.done)
	}()
	tb.Cleanup(func() {
		p.Stop()
		if tb.Failed() {
			tb.Logf("%s, end of its log:\n%s", filepath.Base(cmd.Path), tail(logPath, 40))
		}
	})
	return p
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process; one that has ended is left alone.
func (p *Process) Signal(sig syscall.Signal) {
	if !p.Ended() {
		p.cmd.Process.Signal(sig)
	}
}

// Ended says whether the process is no longer running.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// ExitCode returns the exit status of an ended process, -1 if a signal ended it or it still runs.
func (p *Process) ExitCode() int {
	if !p.Ended() {
		return -1
	}
	return p.cmd.ProcessState.ExitCode()
}

// Stop asks the process to end (SIGCONT and SIGTERM), waits for it, and kills it when Patience has run out.
func (p *Process) Stop() {
	p.Signal(syscall.SIGCONT)
	p.Signal(syscall.SIGTERM)
	p.await(syscall.SIGTERM)
}

// Kill ends the process by SIGKILL, as a crash would, and waits until it is gone.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	p.await(syscall.SIGKILL)
}

func (p *Process) await(sig syscall.Signal) {
	err := until(Patience, func() error {
		if !p.Ended() {
			return fmt.Errorf("process %d still runs after %v", p.PID(), sig)
		}
		return nil
	})
	if err == nil {
		return
	}
	p.tb.Errorf("%s: %v", filepath.Base(p.cmd.Path), err)
	p.cmd.Process.Kill()
	<-p.done
}

// Log returns what the process has written to its standard output and error so far.
func (p *Process) Log() string {
	octets, err := os.ReadFile(p.log)
	if err != nil {
		p.tb.Fatalf("read the log: %v", err)
	}
	return string(octets)
}

// alive is errHopeless once the process has ended.
func (p *Process) alive() error {
	if p.Ended() {
		return fmt.Errorf("%s ended with %v: %w", filepath.Base(p.cmd.Path), p.cmd.ProcessState, errHopeless)
	}
	return nil
}

func tail(path string, lines int) string {
	octets, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := bytes.Split(bytes.TrimRight(octets, "\n"), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}

// run executes a program to its end and returns its standard output; the error carries what it wrote to standard error.
func run(cmd *exec.Cmd) ([]byte, error) {
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, bytes.TrimSpace(errOut.Bytes()))
	}
	return out.Bytes(), nil
}
