package e2e

import (
	"os"
	"testing"
)

// While the data folder is not where it was, nothing is taken: what SQLite writes to a file without a name would not be
// found at the next start. When it is back the server goes on.
func TestAVanishedDatabaseIsATemporaryFailure(t *testing.T) {
	h := newHarbour(t)
	h.start()
	move := func(from, to string) {
		if err := os.Rename(h.path(from), h.path(to)); err != nil {
			t.Fatal(err)
		}
	}
	before, after := h.unsigned("<1@x>", "Before."), h.unsigned("<2@x>", "Patience.")
	if err := h.submit(before); err != nil {
		t.Fatal(err)
	}
	h.sink.Wait(1)
	move("data", "elsewhere")
	if err := h.submit(after); code(err) != 451 {
		t.Errorf("gone: %v, want 451", err)
	}
	if h.Ended() {
		t.Fatal("the server has ended")
	}
	move("elsewhere", "data")
	if err := h.submit(after); err != nil {
		t.Errorf("back again: %v", err)
	}
	h.sink.Wait(2)
	if posts := h.waitState(2, "done"); len(h.sink.Mails()) != 2 {
		t.Errorf("%d copies of %d posts", len(h.sink.Mails()), len(posts))
	}
}
