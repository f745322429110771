package e2e

import (
	"fmt"
	"net/smtp"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/peer"
)

// twin is one more server on a harbour's database, with its own name and listener.
func (h *harbour) twin(name, database string) *installation {
	h.t.Helper()
	i := install(h.t, settings{listen: "smtp://" + peer.Loopback(peer.Port(h.t)), relay: "smtp://" + h.sink.Addr, anchor: h.ca.PEM(),
		more: append(withoutDirectory(), "harvest: { enabled: false }", "node: "+name, database)}, buildPlain)
	i.writeCertificate(h.anna)
	return i
}

// moved copies a harbour's database into one of PostgreSQL, and goes on there.
func (h *harbour) moved(p *peer.Postgres) (setting string) {
	h.t.Helper()
	d := postgresIn(p, "sealist")
	h.must("store", "copy", d.url)
	h.configure(d.setting())
	return d.setting()
}

// An installation that began with a file goes on in PostgreSQL with its lists and keys; when the database is away for a
// while, and when every connection breaks, mail is put off and nothing else.
func TestADatabaseThatIsAwayOnlyDelays(t *testing.T) {
	h := newHarbour(t)
	p := peer.StartPostgres(t)
	h.start()
	if _, exit := h.listmaster("store", "copy", postgresIn(p, "running").url); exit != 1 {
		t.Errorf("a copy while the server runs: exit %d", exit)
	}
	h.Stop()
	h.moved(p)
	h.start()
	posts := 0
	submit := func() error {
		posts++
		return h.submit(sealedLetter(t, h.anna, h.board, fmt.Sprintf("<%d@x>", posts), fmt.Sprintf("Patience, %d.", posts)))
	}
	if err := submit(); err != nil {
		t.Fatal(err)
	}
	h.sink.Wait(1)
	p.Stop()
	if err := submit(); code(err) != 451 {
		t.Errorf("away: %v, want 451", err)
	}
	peer.Until(t, "that the server notices", func() error {
		if !h.logged("cannot write this server's row, trying again") {
			return fmt.Errorf("it does not")
		}
		return nil
	})
	p.Start()
	peer.Until(t, "that it is taken again", submit)
	for range 20 {
		if err := submit(); err != nil && code(err) != 451 {
			t.Errorf("while connections break: %v", err)
		}
		p.Disconnect()
	}
	peer.Until(t, "the next post", submit)
	done := h.waitDone()
	h.sink.Wait(done)
	if h.Ended() {
		t.Error("the server has ended")
	}
	seen := map[string]int{}
	for _, m := range h.sink.Mails() {
		seen[header(t, m).Get("Message-ID")]++
	}
	for id, n := range seen {
		if n > 1 {
			t.Logf("%s came %d times", id, n) // the connection broke between the next hop's reply and the commit
		}
	}
	if len(seen) != done {
		t.Errorf("%d posts became %d", done, len(seen))
	}
}

// waitDone waits until every post is done, and returns how many there are.
func (h *harbour) waitDone() (n int) {
	h.t.Helper()
	peer.Until(h.t, "the end of every post", func() error {
		h.must("queue", "retry", "--all") // a post whose judgment met the outage waits half a minute
		var all []post
		h.read(&all, "queue", "ls", "--all")
		for _, p := range all {
			if p.State != "done" {
				return fmt.Errorf("post %s is %s (%s)", p.ID, p.State, p.Reason)
			}
		}
		n = len(all)
		return nil
	})
	return n
}

// A server with another key password takes mail in, says why it does no more, and leaves the work to the other.
func TestALockedNodeStandsBy(t *testing.T) {
	h := newHarbour(t)
	setting := h.moved(peer.StartPostgres(t))
	h.configure("node: first")
	h.start()
	second := h.twin("second", setting)
	second.write("key_password", []byte("another password altogether!!!!!\n"))
	second.start()
	l := sealedLetter(t, h.anna, h.board, "<1@x>", "Through the other door.")
	if err := smtp.SendMail(strings.TrimPrefix(second.URL, "smtp://"), nil, l.from, []string{l.to}, l.octets()); err != nil {
		t.Fatal(err)
	}
	h.sink.Wait(1)
	h.waitState(1, "done")
	var nodes []struct{ Name, State, Locked string }
	h.read(&nodes, "node", "ls")
	if len(nodes) != 2 || nodes[0].State != "working" || nodes[0].Locked != "" || nodes[1].State != "standby" || nodes[1].Locked == "" {
		t.Errorf("%+v", nodes)
	}
}

// Two servers cannot have one name, and the second says what to do.
func TestANodesNameIsItsOwn(t *testing.T) {
	h := newHarbour(t)
	setting := h.moved(peer.StartPostgres(t))
	h.configure("node: first")
	h.start()
	second := h.twin("first", setting)
	second.launch()
	select {
	case <-second.Done():
	case <-time.After(time.Minute):
		t.Fatal("it runs")
	}
	if second.ExitCode() != 3 || !strings.Contains(second.Log(), "node") {
		t.Errorf("exit %d: %s", second.ExitCode(), second.Log())
	}
}

// What cannot work is refused at the start, with the reason and without the password.
func TestStoresThatCannotWork(t *testing.T) {
	h := newHarbour(t)
	octets, err := os.ReadFile(h.path("sealist.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"mysql://u:hunter2@h/x":                                   "no database Sealist knows",
		"postgres://u:hunter2@db.example.org/x":                   "verify-full",
		"postgres://u:hunter2@127.0.0.1:1/x":                      "cannot be reached",
		"sqlite:/proc/nothing/x.db":                               "no such file",
		"postgres://u:hunter2@127.0.0.1:1/x?connect_timeout=soon": "connect_timeout",
	} {
		h.write("sealist.yaml", append(octets, fmt.Sprintf("store: { url: %q }\n", url)...))
		h.launch()
		<-h.Done()
		if h.ExitCode() == 0 || h.ExitCode() == 1 || !strings.Contains(h.Log(), want) || strings.Contains(h.Log(), "hunter2") {
			t.Errorf("%s: exit %d, want %q in %s", url, h.ExitCode(), want, h.Log())
		}
	}
}
