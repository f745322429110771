package peer

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// postgresUser is the role that owns a cluster of the tests, without a password.
const postgresUser = "sealist"

// Postgres is a PostgreSQL cluster with a folder, a unix socket and a loopback port of its own. It writes as a real one
// does: fsync, synchronous_commit and full_page_writes are on.
type Postgres struct {
	*Process
	Addr string // 127.0.0.1:port

	tb       testing.TB
	dir      string   // data, socket, log
	settings []string // "name=value", on the server's command line
	port     int
	as       *syscall.Credential // nil: the test's own user
}

// StartPostgres makes a cluster, UTF-8 with the C collation, and starts its server: about two seconds. The server does
// not run as root: a test that does gives it to Debian's user postgres. Databases are made by CreateDatabase. Settings are
// as in postgresql.conf, "fsync=off".
func StartPostgres(tb testing.TB, settings ...string) *Postgres {
	tb.Helper()
	initdb := Program(tb, "initdb")
	p := &Postgres{tb: tb, dir: Folder(tb), port: Port(tb), settings: settings}
	p.Addr = Loopback(p.port)
	if os.Geteuid() == 0 {
		p.as = account(tb, "postgres")
		if err := os.Chown(p.dir, int(p.as.Uid), int(p.as.Gid)); err != nil {
			tb.Fatal(err)
		}
	}
	if _, err := run(p.command(initdb, "-D", p.path("data"), "-U", postgresUser, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")); err != nil {
		tb.Fatalf("make a PostgreSQL cluster: %v", err)
	}
	p.Start()
	return p
}

// Start starts the server again after Stop or Kill, at the same socket and port, with the databases it had.
func (p *Postgres) Start() {
	p.tb.Helper()
	arguments := []string{"-D", p.path("data"), "-p", strconv.Itoa(p.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + p.dir, "-c", "max_connections=200"}
	for _, s := range p.settings {
		arguments = append(arguments, "-c", s)
	}
	cmd := p.command(Program(p.tb, "postgres"), arguments...)
	p.Process = StartProcess(p.tb, p.path("postgres.log"), cmd)
	p.tb.Cleanup(p.Stop) // before that of StartProcess, which would wait for every client to leave
	Until(p.tb, "PostgreSQL", func() error {
		if err := p.alive(); err != nil {
			return err
		}
		_, err := run(p.command(Program(p.tb, "pg_isready"), "-q", "-h", p.dir, "-p", strconv.Itoa(p.port), "-d", "postgres"))
		return err
	})
}

// Stop shuts the server down: transactions in progress are rolled back and clients lose their connections.
func (p *Postgres) Stop() {
	if p.Process == nil {
		return
	}
	p.Signal(syscall.SIGINT) // "fast"; SIGTERM would wait until every client has left
	p.await(syscall.SIGINT)
}

// Kill ends the server as a crash would: nothing is flushed, and the next Start recovers from the log. The signal is the
// one upon which the server kills its own processes, so that none is left that holds the data folder.
func (p *Postgres) Kill() {
	p.Signal(syscall.SIGQUIT)
	p.await(syscall.SIGQUIT)
}

// CreateDatabase makes an empty database.
func (p *Postgres) CreateDatabase(name string) {
	p.tb.Helper()
	p.Exec("postgres", "CREATE DATABASE "+name)
}

// URL returns the address of a database, as postgres://sealist@/name?host=/tmp/peer1&port=15432: the unix socket.
func (p *Postgres) URL(name string) string {
	return fmt.Sprintf("postgres://%s@/%s?host=%s&port=%d", postgresUser, name, url.QueryEscape(p.dir), p.port)
}

// TCPURL returns the address of a database over the loopback port, without TLS.
func (p *Postgres) TCPURL(name string) string {
	return fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", postgresUser, p.Addr, name)
}

// Exec runs SQL in a database and returns what psql prints of it: a line a row, columns divided by "|".
func (p *Postgres) Exec(name, statements string) string {
	p.tb.Helper()
	out, err := run(p.command(Program(p.tb, "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", p.URL(name), "-c", statements))
	if err != nil {
		p.tb.Fatalf("%s: %v", statements, err)
	}
	return strings.TrimRight(string(out), "\n")
}

// Disconnect breaks every client's connection, as a failover of a proxy would; the server goes on.
func (p *Postgres) Disconnect() {
	p.tb.Helper()
	p.Exec("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
}

func (p *Postgres) path(name string) string { return filepath.Join(p.dir, name) }

// command runs one of PostgreSQL's programs as the cluster's user.
func (p *Postgres) command(program string, arguments ...string) *exec.Cmd {
	cmd := exec.Command(program, arguments...)
	cmd.Dir = p.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
	if p.as != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as}
	}
	return cmd
}

// account looks a user of this machine up whose processes a test starts.
func account(tb testing.TB, name string) *syscall.Credential {
	tb.Helper()
	found, err := user.Lookup(name)
	if err != nil {
		Absent(tb, fmt.Sprintf("PostgreSQL does not run as root, and there is no user %s: %v", name, err))
	}
	uid, err := strconv.ParseUint(found.Uid, 10, 32)
	gid, errGroup := strconv.ParseUint(found.Gid, 10, 32)
	if err := errors.Join(err, errGroup); err != nil {
		tb.Fatalf("user %s: %v", name, err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// postgresFolders are where Debian keeps PostgreSQL's programs, the newest version first.
func postgresFolders() []string {
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well-formed
	version := func(folder string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(folder)))
		return n
	}
	slices.SortFunc(folders, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	return folders
}
