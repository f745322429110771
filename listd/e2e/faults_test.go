package e2e

import (
	"context"
	"database/sql"
	"errors"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime/smimetest"
)

// harbour is a site with one list that has a key, one that has none, and a sink behind. It learns no certificates, so
// that no note about one is among the mails.
type harbour struct {
	*installation
	sink  *peer.Sink
	in    string // host:port
	ca    *smimetest.CA
	anna  *smimetest.Identity // member of both lists
	board *smimetest.Identity
}

func newHarbour(t *testing.T) *harbour {
	t.Helper()
	h := &harbour{sink: peer.StartSink(t, peer.SinkOptions{}), in: peer.Loopback(peer.Port(t)), ca: smimetest.NewCA("Corp")}
	h.anna, h.board = person(h.ca, "anna@corp.example"), person(h.ca, boardList)
	h.installation = install(t, settings{listen: "smtp://" + h.in, relay: "smtp://" + h.sink.Addr, anchor: h.ca.PEM(),
		more: append(withoutDirectory(), "harvest: { enabled: false }")}, buildPlain)
	h.writeCertificate(h.anna)
	h.createBoard(h.board, h.anna.Address)
	h.must("list", "create", plainList, "--send", "public")
	h.must("member", "add", plainList, h.anna.Address)
	return h
}

// unsigned is a letter to the plain list.
func (h *harbour) unsigned(id, body string) letter {
	return letter{h.anna.Address, plainList, "A letter", id, []byte("Content-Type: text/plain\r\n\r\n" + body + "\r\n")}
}

func (h *harbour) submit(l letter) error {
	return submit(h.in, h.anna.Address, []string{l.to}, l.octets())
}

// code is the SMTP reply code in an error, 250 without one.
func code(err error) int {
	var reply *textproto.Error
	switch {
	case err == nil:
		return 250
	case errors.As(err, &reply):
		return reply.Code
	}
	return 0
}

func TestWhatIsNotTakenIsRefusedAtTheDoor(t *testing.T) {
	h := newHarbour(t)
	config := h.path("sealist.yaml")
	octets, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	h.write("sealist.yaml", []byte(strings.Replace(string(octets), "smtp: { ", "smtp: { max_message_bytes: 10000, ", 1)))
	h.start()
	for name, c := range map[string]struct {
		letter letter
		want   int
	}{
		"no such list":     {letter{h.anna.Address, "nobody@lists.example.org", "x", "<1@x>", []byte("\r\nx\r\n")}, 550},
		"another domain":   {letter{h.anna.Address, "board@elsewhere.example", "x", "<2@x>", []byte("\r\nx\r\n")}, 550},
		"too large":        {h.unsigned("<3@x>", strings.Repeat(strings.Repeat("x", 70)+"\r\n", 200)), 552},
		"a NUL":            {h.unsigned("<4@x>", "a\x00b"), 554},
		"what can be sent": {h.unsigned("<5@x>", "fine"), 250},
	} {
		if err := h.submit(c.letter); code(err) != c.want {
			t.Errorf("%s: %v, want %d", name, err, c.want)
		}
	}
	if got := bare(t, h.in, h.unsigned("<6@x>", "one\ntwo")); got != 554 {
		t.Errorf("a bare LF: %d, want 554", got)
	}
	if posts := h.waitState(1, "done"); posts[0].MessageID != "<5@x>" {
		t.Errorf("kept %+v", posts)
	}
}

// bare sends a letter whose line ends are left as they are, and returns the reply to the last dot.
func bare(t *testing.T, addr string, l letter) int {
	t.Helper()
	conn, err := textproto.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	last := 0
	for _, step := range []string{"", "EHLO x\r\n", "MAIL FROM:<" + l.from + ">\r\n", "RCPT TO:<" + l.to + ">\r\n", "DATA\r\n", string(l.octets()) + ".\r\n"} {
		if _, err := conn.W.WriteString(step); err != nil {
			t.Fatal(err)
		}
		conn.W.Flush()
		if last, _, err = conn.ReadResponse(0); err != nil && last == 0 {
			t.Fatal(err)
		}
	}
	return last
}

// With a wrong key password, mail that needs a key waits with its reason; the rest goes on.
func TestAWrongKeyPasswordLocksOnlyWhatNeedsIt(t *testing.T) {
	h := newHarbour(t)
	h.write("key_password", []byte("ffffffffffffffffffffffffffffffff\n"))
	h.start()
	letters := []letter{
		sealedLetter(t, h.anna, h.board, "<sealed@x>", "Secret."),
		h.unsigned("<plain@x>", "In clear."),
	}
	for _, l := range letters {
		if err := h.submit(l); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.sink.Wait(1); !strings.Contains(string(got[0].Octets), "In clear.") {
		t.Errorf("the first mail is %q", got[0].Octets)
	}
	var waiting post
	peer.Until(t, "the reason why the sealed post waits", func() error {
		for _, p := range h.waitState(2, "accepted", "done") {
			if p.State == "accepted" {
				waiting = p
			}
		}
		if waiting.Reason == "" {
			return errors.New("no reason")
		}
		return nil
	})
	if !strings.Contains(waiting.Reason, "lock") {
		t.Errorf("the sealed post waits for %q", waiting.Reason)
	}
	h.Stop()
	h.write("key_password", []byte("0123456789abcdef0123456789abcdef\n"))
	h.start()
	h.waitState(2, "done")
	if got := h.sink.To(h.anna.Address); len(got) != 2 {
		t.Errorf("%d mails after the right password, want 2", len(got))
	}
}

// While the next hop is down copies wait, and are tried again.
func TestCopiesWaitForTheNextHop(t *testing.T) {
	h := newHarbour(t)
	h.sink.Stop()
	h.start()
	if err := h.submit(sealedLetter(t, h.anna, h.board, "<1@x>", "Later.")); err != nil {
		t.Fatal(err)
	}
	peer.Until(t, "a copy that has been tried in vain", func() error {
		posts := h.waitState(1, "distributing")
		if posts[0].States["delayed"]+posts[0].States["queued"] == 0 || len(posts[0].Deliveries) == 0 || posts[0].Deliveries[0].Reason == "" {
			return errors.New("not tried yet")
		}
		return nil
	})
	h.sink.Start()
	h.waitState(1, "done")
	if got := h.sink.Mails(); len(got) != 1 {
		t.Errorf("%d copies, want 1", len(got))
	}
}

// A database that somebody else holds is a temporary failure, and nothing is lost.
func TestALockedDatabaseIsATemporaryFailure(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the database's patience")
	}
	h := newHarbour(t)
	h.start()
	db, err := sql.Open("sqlite", h.path("data/sealist.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, statement := range []string{"PRAGMA busy_timeout = 10000", "BEGIN IMMEDIATE"} { // the server's tasks write, too
		if _, err := conn.ExecContext(context.Background(), statement); err != nil {
			t.Fatal(err)
		}
	}
	l := h.unsigned("<1@x>", "Patience.")
	if err := h.submit(l); code(err) != 451 {
		t.Errorf("locked: %v, want 451", err)
	}
	if _, err := conn.ExecContext(context.Background(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := h.submit(l); err != nil {
		t.Errorf("free again: %v", err)
	}
	h.sink.Wait(1)
	if posts := h.waitState(1, "done"); len(h.sink.Mails()) != 1 {
		t.Errorf("%d copies of %d posts", len(h.sink.Mails()), len(posts))
	}
}

// Every mistake of a configuration is told at once, with file and line.
func TestServeTellsEveryMistakeOfItsConfiguration(t *testing.T) {
	h := newHarbour(t)
	h.write("sealist.yaml", []byte("data_dir: data\nsmpt: { listen: [] }\nrelay: { address: 17 }\ntrust: { cafile: nowhere.pem }\n"))
	h.launch()
	<-h.Done()
	if h.ExitCode() != 2 && h.ExitCode() != 3 {
		t.Errorf("exit %d", h.ExitCode())
	}
	for _, want := range []string{filepath.Base(h.path("sealist.yaml")) + ":2", "smpt", ":3", "relay", ":4", "nowhere.pem"} {
		if !strings.Contains(h.Log(), want) {
			t.Errorf("%q is not in what it says:\n%s", want, h.Log())
		}
	}
}
