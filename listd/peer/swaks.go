package peer

import (
	"bytes"
	"fmt"
	"os/exec"
	"testing"
)

// Swaks sends one message by the program swaks and returns its transcript. The octets go as they are; arguments are
// added to the command line, as "--tls". The octets end in CRLF. A reply that is not 2xx is an error.
func Swaks(tb testing.TB, addr, from string, to []string, octets []byte, arguments ...string) (transcript string, err error) {
	tb.Helper()
	// Without --no-data-fixup swaks would replace tokens and line ends; with it, it leaves dots and the end to us.
	wire := append(bytes.ReplaceAll(append([]byte("\r\n"), octets...), []byte("\r\n."), []byte("\r\n.."))[2:], ".\r\n"...)
	args := []string{"--server", addr, "--from", from, "--data", "@" + write(tb, Folder(tb), "message.eml", wire), "--no-data-fixup"}
	for _, address := range to {
		args = append(args, "--to", address)
	}
	out, err := run(exec.Command(Program(tb, "swaks"), append(args, arguments...)...))
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return string(out), err
}

// SMTPSource lets Postfix's load generator send count messages of its own, of size octets each, over several
// connections.
func SMTPSource(tb testing.TB, addr, from, to string, count, size, connections int) error {
	tb.Helper()
	_, err := run(exec.Command(Program(tb, "smtp-source"), "-f", from, "-t", to, "-m", fmt.Sprint(count), "-l", fmt.Sprint(size),
		"-s", fmt.Sprint(connections), addr))
	return err
}
