// Package peer starts the real servers and programs that Sealist's tests talk to: slapd, Postfix, PostgreSQL, nginx, an SMTP
// or LMTP sink, Chromium, and the S/MIME tools openssl, gpgsm and NSS's cmsutil.
//
// Every Start function takes the running test, gives the server a folder and loopback ports of its own, waits until it
// answers, and stops it, by its process id, when the test ends. Two tests, or two test processes, may do so at the same
// time. A test whose program is not installed is skipped by name; with SEALIST_REQUIRE_PEERS=1 in the environment it
// fails instead, so that a machine which should have everything cannot quietly test nothing.
//
// The package imports nothing of Sealist: certificates, keys and messages come and go as octets. Only _test files
// import it.
package peer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// RequirePeers is the environment variable that turns a skip for want of a program into a failure, if it is "1".
const RequirePeers = "SEALIST_REQUIRE_PEERS"

// Patience is how long a Start function waits for its server, and the Wait methods for what they wait for.
const Patience = 30 * time.Second

// debianPackage says what to install for each program that tests use.
var debianPackage = map[string]string{
	"slapd": "slapd", "slapadd": "slapd", "ldapsearch": "ldap-utils", "ldapmodify": "ldap-utils",
	"postfix": "postfix", "postqueue": "postfix", "smtp-source": "postfix", "smtp-sink": "postfix",
	"openssl": "openssl", "gpgsm": "gpgsm", "gpg-agent": "gpg-agent", "gpgconf": "gpgconf",
	"cmsutil": "libnss3-tools", "certutil": "libnss3-tools", "pk12util": "libnss3-tools",
	"initdb": "postgresql", "postgres": "postgresql", "pg_isready": "postgresql", "psql": "postgresql",
	"swaks": "swaks", "samba": "samba", "samba-tool": "samba", "ip": "iproute2",
	"softhsm2-util": "softhsm2", "pkcs11-tool": "opensc",
	"mkfs.ext4": "e2fsprogs", "fsck.ext4": "e2fsprogs",
	"chromium": "chromium", "node": "nodejs", "nginx": "nginx",
}

// Program returns the path of an outside program. Where it is not installed the test is skipped, or fails under
// RequirePeers, with the name of the Debian package that has it.
func Program(tb testing.TB, name string) string {
	tb.Helper()
	path, err := look(name)
	if err != nil {
		Absent(tb, fmt.Sprintf("%s is not installed (Debian package %s)", name, debianPackage[name]))
	}
	return path
}

// Absent ends a test that lacks something of its surroundings: it is skipped with the reason, or fails under
// RequirePeers.
func Absent(tb testing.TB, reason string) {
	tb.Helper()
	if os.Getenv(RequirePeers) == "1" {
		tb.Fatalf("%s, and %s=1 demands it", reason, RequirePeers)
	}
	tb.Skip(reason)
}

// look finds a program on PATH or where Debian keeps those that only root, or nobody, has on it.
func look(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range append([]string{"/usr/sbin", "/usr/local/sbin", "/sbin"}, postgresFolders()...) {
		if path := filepath.Join(dir, name); executable(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// Folder makes a folder that every user may pass through and that is gone after the test. Its path is short, unlike
// that of tb.TempDir, whose parent is also closed to the users that servers change to: a unix socket's path holds 107
// octets.
func Folder(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "peer")
	if err != nil {
		tb.Fatalf("make a folder: %v", err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Errorf("remove the peer's folder: %v", err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		tb.Fatalf("open the folder: %v", err)
	}
	return dir
}

// Port returns a TCP port of 127.0.0.1 on which nothing listens now. It lies below the range from which the kernel takes
// the ports of outgoing connections, so that only another listener could come first.
func Port(tb testing.TB) int {
	tb.Helper()
	for range 100 {
		port := 15000 + rand.IntN(17000)
		l, err := net.Listen("tcp", Loopback(port))
		if err != nil {
			continue
		}
		l.Close()
		return port
	}
	tb.Fatal("found no free port on 127.0.0.1")
	return 0
}

// Loopback returns "127.0.0.1:port".
func Loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// Until calls ready every few milliseconds until it returns nil, and fails the test with its last error when Patience
// has run out. It is for what happens in another process; within the test's own process wait for the event instead.
func Until(tb testing.TB, what string, ready func() error) {
	tb.Helper()
	if err := until(Patience, ready); err != nil {
		tb.Fatalf("waited %v for %s: %v", Patience, what, err)
	}
}

// errHopeless, wrapped, ends until at once.
var errHopeless = errors.New("waiting is of no use")

func until(patience time.Duration, ready func() error) error {
	deadline := time.Now().Add(patience)
	pause := 2 * time.Millisecond
	for {
		err := ready()
		if err == nil || errors.Is(err, errHopeless) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pause)
		pause = min(pause*3/2, 50*time.Millisecond)
	}
}

// answers reports whether something accepts connections at a TCP address.
func answers(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	return conn.Close()
}

// write puts octets into a file of a peer's folder and returns its path. Keys are written too, so nobody else reads it.
func write(tb testing.TB, dir, name string, octets []byte) string {
	tb.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, octets, 0o600); err != nil {
		tb.Fatalf("write %s: %v", name, err)
	}
	return path
}
