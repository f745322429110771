package e2e

import (
	"os"
	"strings"
	"testing"
)

// A backup of a running server brings lists, keys and members back; what the backup does not hold is said.
func TestBackupAndRestore(t *testing.T) {
	h := newHarbour(t)
	h.start()
	file := h.path("backup.db")
	out := h.must("backup", file)
	for _, want := range []string{" lists, ", "the key password", "sealist.yaml", "X509-user-certs"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
	if _, exit := h.listmaster("restore", file); exit != 1 {
		t.Errorf("a restore into a database that is in use: exit %d", exit)
	}
	h.Stop()
	for _, name := range []string{"data/sealist.db", "data/sealist.db-wal", "data/sealist.db-shm"} {
		if err := os.Remove(h.path(name)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	h.must("restore", file)
	h.start()
	if err := h.submit(h.unsigned("<1@x>", "Back again.")); err != nil {
		t.Fatal(err)
	}
	h.sink.Wait(1)
	if err := h.submit(sealedLetter(t, h.anna, h.board, "<2@x>", "Signed within the first hour.")); err != nil {
		t.Fatal(err)
	}
	posts := h.waitState(2, "done", "held")
	if p := posts[1]; p.State != "held" || p.Reason != "replay" {
		t.Errorf("%+v", p)
	}
	h.must("moderation", "approve", posts[1].ID)
	h.waitState(2, "done")
	h.sink.Wait(2)
}
