package store_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
)

// other is an empty database beside a world's, of the kind that the test run is about.
func (w *world) other() *store.Store {
	w.t.Helper()
	s, err := store.Open(w.ctx, peer.Database(w.t), store.Options{Clock: w.clock.now})
	w.must(err)
	w.t.Cleanup(func() { s.Close() })
	return s
}

// A copy of a file goes on where the original was: with PostgreSQL below, too.
func TestCopy(t *testing.T) {
	w := newWorld(t)
	members := w.members(250)
	id := w.accept("octets \x00\xff that are no text")
	w.distribute(id)
	now := w.clock.now()
	claimed, err := w.ClaimDeliveries(w.ctx, "n/1", now, now.Add(time.Minute), 100)
	w.must(err)
	w.must(w.Complete(w.ctx, outcomes(claimed[:50], store.DeliveryRelayed)))
	_, err = w.RemoveMembers(w.ctx, w.list, list.RoleMember, members[240:]) // numbers that are never given again
	w.must(err)

	file, err := store.Open(w.ctx, "sqlite:"+t.TempDir()+"/other.db", store.Options{Clock: w.clock.now})
	w.must(err)
	defer file.Close()
	last := w.other()
	for _, step := range []struct{ from, to *store.Store }{{w.Store, file}, {file, last}} {
		copied, err := step.from.Copy(w.ctx, step.to)
		w.must(err)
		if i := slices.IndexFunc(copied, func(c store.Copied) bool { return c.Table == "delivery" }); copied[i].Rows != 250 {
			t.Errorf("%+v", copied)
		}
	}
	if _, err := w.Copy(w.ctx, last); !errors.Is(err, store.ErrNotEmpty) {
		t.Errorf("into one that holds something: %v", err)
	}

	item, err := last.Item(w.ctx, id)
	w.must(err)
	if octets, err := last.Octets(w.ctx, item); err != nil || string(octets) != "octets \x00\xff that are no text" {
		t.Errorf("%q, %v", octets, err)
	}
	rest, err := last.ClaimDeliveries(w.ctx, "m/1", now, now.Add(time.Minute), 1000) // those that were leased, too
	w.must(err)
	if len(rest) != 200 {
		t.Fatalf("%d deliveries are due in the copy, want 200", len(rest))
	}
	w.must(last.Complete(w.ctx, outcomes(rest, store.DeliveryRelayed)))
	if item, err = last.Item(w.ctx, id); err != nil || item.State != store.ItemDone {
		t.Errorf("%+v, %v", item, err)
	}
	// The next member comes behind all that ever were.
	before, err := w.AddMembers(w.ctx, w.list, []list.Member{{Address: addr("new@example.org")}})
	after, errAfter := last.AddMembers(w.ctx, w.list, []list.Member{{Address: addr("new@example.org")}})
	if before != 1 || after != 1 || err != nil || errAfter != nil {
		t.Fatal(before, after, err, errAfter)
	}
	const newest = `SELECT max(id) FROM member`
	a, errA := w.Number(w.ctx, newest)
	b, errB := last.Number(w.ctx, newest)
	if a != b || a != 251 || errA != nil || errB != nil {
		t.Errorf("the new member has the numbers %d and %d, want 251: %v, %v", a, b, errA, errB)
	}
}

func TestCopyWhileAServerRuns(t *testing.T) {
	w := newWorld(t)
	to := w.other()
	w.must(to.LockServer(w.ctx, "n1"))
	if _, err := w.Copy(w.ctx, to); !errors.Is(err, store.ErrServerRunning) {
		t.Error(err)
	}
}

// No table is forgotten.
func TestCopyHasEveryTable(t *testing.T) {
	w := newWorld(t)
	tables, err := w.Tables(w.ctx)
	w.must(err)
	known := append([]string{"node", "goose_db_version", "sqlite_sequence"}, store.CopiedTables...)
	for _, table := range tables {
		if !slices.Contains(known, table) {
			t.Errorf("table %s is not copied", table)
		}
	}
	if len(tables) < len(store.CopiedTables) {
		t.Errorf("%v", tables)
	}
}

// A backup is made while a server works, and a restored database tells that it is one; tokens end.
func TestBackupAndRestore(t *testing.T) {
	w := newWorld(t)
	w.members(5)
	id := w.accept("x")
	w.distribute(id)
	w.must(w.LockServer(w.ctx, "n1"))
	w.must(w.PutToken(w.ctx, store.TokenRow{ID: 5, Purpose: "challenge", Expires: w.clock.now().Add(time.Hour)}))
	path := filepath.Join(t.TempDir(), "backup")
	_, err := w.Backup(w.ctx, path)
	w.must(err)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := w.Backup(w.ctx, path); !errors.Is(err, os.ErrExist) {
		t.Errorf("over another file: %v", err)
	}
	before, err := os.ReadFile(path)
	w.must(err)

	to := w.other()
	w.clock.add(time.Hour)
	if at, err := to.Restored(w.ctx); !at.IsZero() || err != nil {
		t.Error(at, err)
	}
	_, err = to.Restore(w.ctx, path)
	w.must(err)
	if at, err := to.Restored(w.ctx); !at.Equal(w.clock.now()) || err != nil {
		t.Error(at, err)
	}
	if n, err := to.Number(w.ctx, `SELECT count(*) FROM token`); n != 0 || err != nil {
		t.Errorf("%d tokens, %v", n, err)
	}
	if item, err := to.Item(w.ctx, id); err != nil || item.Copies != 5 {
		t.Errorf("%+v, %v", item, err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the backup has changed: %v", err)
	}
	left, err := filepath.Glob(filepath.Dir(path) + "/*")
	if len(left) != 1 || err != nil {
		t.Errorf("%v, %v", left, err)
	}
	if _, err := to.Restore(w.ctx, path); !errors.Is(err, store.ErrNotEmpty) {
		t.Errorf("over another database: %v", err)
	}
}

// Who joins after a restore is not whom a number named before it: return
// addresses and links for leaving that were mailed since the backup name nobody.
func TestNumbersAfterARestore(t *testing.T) {
	w := newWorld(t)
	w.members(2)
	claimed, err := w.ClaimTask(w.ctx, "digests", "n/1", w.clock.now().Add(time.Minute), w.clock.now(), true)
	if w.must(err); !claimed {
		t.Fatal("the task is somebody else's")
	}
	path := filepath.Join(t.TempDir(), "backup.db")
	_, err = w.Backup(w.ctx, path)
	w.must(err)
	number := func(s *store.Store, address string) int64 {
		t.Helper()
		a := list.MustParseAddress(address)
		_, err := s.AddMembers(w.ctx, w.list, []list.Member{{Address: a, Role: list.RoleMember}})
		w.must(err)
		held, err := s.MemberOf(w.ctx, w.list, []list.Address{a})
		w.must(err)
		return held[a.Key()][0].Number
	}
	forgotten := number(w.Store, "forgotten@example.org")
	to := w.other()
	_, err = to.Restore(w.ctx, path)
	w.must(err)
	if n := number(to, "new@example.org"); n <= forgotten {
		t.Errorf("number %d was another member's, before the restore: his was %d", n, forgotten)
	}
	if claimed, err := to.ClaimTask(w.ctx, "digests", "m/1", w.clock.now().Add(time.Minute), w.clock.now(), true); !claimed || err != nil {
		t.Errorf("a task's lease came from the backup: %v", err)
	}
}
