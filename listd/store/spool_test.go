package store_test

import (
	"bufio"
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
)

func TestItemName(t *testing.T) {
	for _, id := range []int64{1, 31, 32, 1 << 40, 1<<63 - 1, 3734567890123456789} {
		if name := store.ItemName(id); len(name) != 13 || store.ItemNumber(name) != id {
			t.Errorf("%d became %q, and that %d", id, name, store.ItemNumber(name))
		}
	}
	if store.ItemName(1) >= store.ItemName(40) {
		t.Error("names do not sort as numbers do")
	}
	for _, bad := range []string{"", "x", "0000000000000x", "000000000000W", "vvvvvvvvvvvvv", "000000000000;"} {
		if n := store.ItemNumber(bad); n != 0 {
			t.Errorf("%q is item %d", bad, n)
		}
	}
}

// One message to several lists is kept once.
func TestAcceptStoresOctetsOnce(t *testing.T) {
	w := newWorld(t)
	other, err := w.CreateList(w.ctx, list.List{Address: addr("other@x.org")})
	w.must(err)
	octets := bytes.Repeat([]byte("\x00\xff\r\n"), 100000)
	ids, err := w.Accept(w.ctx, store.Incoming{Octets: octets, Client: "192.0.2.1 (mx)", Targets: []store.Target{
		{List: w.list, Kind: store.KindPost, ForwardPath: addr("News@lists.example.org")},
		{List: other, Kind: store.KindOwner, ForwardPath: addr("other-owner@x.org")},
	}})
	w.must(err)
	items, err := w.Items(w.ctx, store.ItemFilter{})
	w.must(err)
	if len(items) != 2 || items[0].ID != ids[0] || items[1].ID != ids[1] || ids[0] >= ids[1] || items[0].Blob != items[1].Blob {
		t.Fatalf("%+v", items)
	}
	i := items[1]
	if i.Kind != store.KindOwner || i.List != other || i.ReversePath != "" || i.Size != int64(len(octets)) || !i.Received.Equal(w.clock.now()) ||
		i.State != store.ItemAccepted || i.ForwardPath != addr("other-owner@x.org") {
		t.Errorf("%+v", i)
	}
	if got, err := w.Octets(w.ctx, i); err != nil || !bytes.Equal(got, octets) {
		t.Errorf("%d octets, %v", len(got), err)
	}
	if n, err := w.Number(w.ctx, `SELECT count(*) FROM blob`); n != 1 || err != nil {
		t.Errorf("%d blobs, %v", n, err)
	}
	if _, err := w.Accept(w.ctx, store.Incoming{Octets: octets}); err == nil {
		t.Error("a message to nobody was taken")
	}
	// Of a transaction with one bad target nothing is left.
	_, err = w.Accept(w.ctx, store.Incoming{Octets: octets, Targets: []store.Target{{List: w.list, Kind: store.KindPost}, {List: 77, Kind: store.KindPost}}})
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no such list: %v", err)
	}
	if n, err := w.Number(w.ctx, `SELECT count(*) FROM blob`); n != 1 || err != nil {
		t.Errorf("%d blobs, %v", n, err)
	}
}

// Invariant 8: what Accept returned survives kill -9, and what it did not
// return is wholly there or wholly not.
func TestAcceptSurvivesKill(t *testing.T) {
	if url := os.Getenv("STORE_TEST_ACCEPT_AND_DIE"); url != "" {
		acceptAndDie(t, url)
		return
	}
	w := newWorld(t)
	w.must(w.Close())
	known := map[string]bool{}
	for range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestAcceptSurvivesKill$", "-test.v")
		cmd.Env = append(os.Environ(), "STORE_TEST_ACCEPT_AND_DIE="+w.url)
		out, err := cmd.Output()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("the child ended with %v:\n%s", err, out)
		}
		lines := bufio.NewScanner(bytes.NewReader(out))
		for lines.Scan() {
			if id, ok := strings.CutPrefix(lines.Text(), "accepted "); ok {
				known[id] = true
			}
		}
	}
	w.open()
	items, err := w.Items(w.ctx, store.ItemFilter{})
	w.must(err)
	for _, i := range items {
		octets, err := w.Octets(w.ctx, i)
		if err != nil || string(octets) != strings.Repeat("octets", 5000) {
			t.Errorf("item %s: %d octets, %v", i.ID, len(octets), err)
		}
		delete(known, i.ID)
	}
	if len(known) > 0 || len(items) < 5*20 {
		t.Errorf("%d items; accepted and lost: %v", len(items), known)
	}
	if n, err := w.Number(w.ctx, `SELECT count(*) FROM blob WHERE id NOT IN (SELECT blob FROM item)`); n != 0 || err != nil {
		t.Errorf("%d blobs without item, %v", n, err)
	}
}

func acceptAndDie(t *testing.T, url string) {
	s, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.List(t.Context(), addr("news@lists.example.org"))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	for n := range 4 {
		go func() {
			for i := 0; ; i++ {
				ids, err := s.Accept(t.Context(), store.Incoming{Octets: []byte(strings.Repeat("octets", 5000)), Targets: []store.Target{{List: l.ID, Kind: store.KindPost}}})
				mu.Lock() // one line is written whole, and nothing after the kill
				fmt.Println("accepted " + strings.Join(ids, ""))
				if err != nil || n == 0 && i == 20 {
					syscall.Kill(os.Getpid(), syscall.SIGKILL)
				}
				mu.Unlock()
			}
		}()
	}
	select {}
}

// A database that another process holds is 451 to the sender, not a loss.
func TestLockedIsBusy(t *testing.T) {
	w := newFile(t)
	other, err := sql.Open("sqlite", "file:"+w.path+"?_txlock=immediate")
	w.must(err)
	defer other.Close()
	tx, err := other.Begin()
	w.must(err)
	in := store.Incoming{Octets: []byte("x"), Targets: []store.Target{{List: w.list, Kind: store.KindPost}}}
	if _, err := w.Accept(w.ctx, in); !errors.Is(err, store.ErrBusy) {
		t.Errorf("while another holds the write lock: %v", err)
	}
	if _, err := w.Items(w.ctx, store.ItemFilter{}); err != nil {
		t.Errorf("reading goes on: %v", err)
	}
	w.must(tx.Rollback())
	if _, err := w.Accept(w.ctx, in); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A full disk is 452 to the sender; what was there stays usable.
func TestFull(t *testing.T) {
	w := newFile(t)
	w.must(w.Exec(w.ctx, `PRAGMA max_page_count = 200`))
	in := store.Incoming{Octets: make([]byte, 100000), Targets: []store.Target{{List: w.list, Kind: store.KindPost}}}
	var err error
	accepted := 0
	for ; err == nil && accepted < 100; accepted++ {
		_, err = w.Accept(w.ctx, in)
	}
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("after %d messages: %v", accepted, err)
	}
	items, err := w.Items(w.ctx, store.ItemFilter{})
	if err != nil || len(items) != accepted-1 {
		t.Fatalf("%d items of %d, %v", len(items), accepted-1, err)
	}
	w.must(w.Exec(w.ctx, `PRAGMA max_page_count = 100000`))
	if _, err := w.Accept(w.ctx, in); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// The same with a real file system.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no small tmpfs (needs root): %v", err)
	}
	defer syscall.Unmount(dir, 0)
	s, err := store.Open(t.Context(), "sqlite:"+filepath.Join(dir, "sealist.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	id, err := s.CreateList(t.Context(), list.List{Address: addr("news@x.org")})
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if _, err = s.Accept(t.Context(), store.Incoming{Octets: make([]byte, 20000), Targets: []store.Target{{List: id, Kind: store.KindPost}}}); err != nil {
			break
		}
	}
	if !errors.Is(err, store.ErrFull) {
		t.Errorf("on a full disk: %v", err)
	}
}

// What durability and integrity rest on; no test can cut the power.
func TestPragmas(t *testing.T) {
	w := newFile(t)
	for name, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
		if got, err := w.Pragma(w.ctx, name); got != want || err != nil {
			t.Errorf("%s is %s, %v; want %s", name, got, err, want)
		}
	}
}

func TestReadOnly(t *testing.T) {
	w := newFile(t)
	w.must(w.Exec(w.ctx, `PRAGMA query_only = 1`))
	_, err := w.Accept(w.ctx, store.Incoming{Octets: []byte("x"), Targets: []store.Target{{List: w.list, Kind: store.KindPost}}})
	if !errors.Is(err, store.ErrReadOnly) {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, url := range []string{"", "sealist.db", "sqlite:", "mysql://localhost/sealist", "postgres://h:port/x", "postgres://sealist:secret@db.example.org/sealist", "postgres://sealist:secret@db.example.org/sealist?sslmode=require"} {
		if _, err := store.Open(t.Context(), url, store.Options{}); !errors.Is(err, store.ErrURL) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
	path := filepath.Join(t.TempDir(), "no.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), "sqlite:"+path, store.Options{}); err == nil {
		t.Error("a file that is no database was opened")
	}
}

func TestFileModes(t *testing.T) {
	w := newFile(t)
	w.accept("x")
	for name, want := range map[string]os.FileMode{"": 0o700, "sealist.db": 0o600, "sealist.db-wal": 0o600, "sealist.db-shm": 0o600} {
		info, err := os.Stat(filepath.Join(filepath.Dir(w.path), name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
	w.must(w.Close())
	w.must(os.Chmod(w.path, 0o644))
	w.open()
	if info, err := os.Stat(w.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a file that others may read stays so: %v, %v", info.Mode(), err)
	}
}

func TestSchemaFromTheFuture(t *testing.T) {
	w := newWorld(t)
	w.must(w.Exec(w.ctx, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)`))
	w.must(w.Close())
	if _, err := store.Open(w.ctx, w.url, store.Options{}); !errors.Is(err, store.ErrSchema) {
		t.Error(err)
	}
	w.Store = &store.Store{}
}

// A newer program does not change the database under an older server.
func TestNoMigrationUnderARunningServer(t *testing.T) {
	w := newWorld(t)
	w.must(w.LockServer(w.ctx, "n1"))
	w.must(w.Exec(w.ctx, `DELETE FROM goose_db_version WHERE version_id > 0`)) // as if a migration were pending
	_, err := store.Open(w.ctx, w.url, store.Options{BusyTimeout: 20 * time.Millisecond})
	if !errors.Is(err, store.ErrSchema) {
		t.Error(err)
	}
}

// Two programs that meet a fresh folder make one database.
func TestOpenTogether(t *testing.T) {
	url := peer.Database(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := store.Open(t.Context(), url, store.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if _, err := s.Changes(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestOneServer(t *testing.T) {
	w := newWorld(t)
	w.must(w.LockServer(w.ctx, "n1"))
	w.must(w.LockServer(w.ctx, "n1")) // once more is no harm
	beside, err := store.Open(w.ctx, w.url, store.Options{})
	w.must(err) // listmaster works beside it
	if err := beside.LockServer(w.ctx, "n1"); !errors.Is(err, store.ErrServerRunning) {
		t.Errorf("a second server: %v", err)
	}
	w.must(w.Close())
	if err := beside.LockServer(w.ctx, "n1"); err != nil {
		t.Errorf("after the first has ended: %v", err)
	}
	w.must(beside.Close())
	w.open()
}

func TestPostpone(t *testing.T) {
	w := newWorld(t)
	id := w.accept("x")
	claim := func() int {
		now := w.clock.now()
		items, err := w.ClaimItems(w.ctx, "n", now, now.Add(time.Minute), 10)
		w.must(err)
		return len(items)
	}
	if claim() != 1 || claim() != 0 {
		t.Fatal("an item is leased once")
	}
	w.must(w.Postpone(w.ctx, id, "locked", w.clock.now().Add(time.Hour)))
	if i := w.item(id); i.State != store.ItemAccepted || i.Reason != "locked" || i.Attempts != 1 || i.Claims != 0 || !i.NextAt.Equal(w.clock.now().Add(time.Hour)) {
		t.Fatalf("%+v", i)
	}
	if next, err := w.NextDue(w.ctx); err != nil || !next.Equal(w.clock.now().Add(time.Hour)) {
		t.Fatal(next, err)
	}
	w.clock.add(59 * time.Minute)
	if claim() != 0 {
		t.Fatal("claimed before its time")
	}
	w.clock.add(time.Minute)
	if claim() != 1 {
		t.Fatal("not claimed at its time")
	}
	// A message that kills its process leaves a trace.
	w.clock.add(time.Minute)
	if claim() != 1 || w.item(id).Claims != 2 {
		t.Fatalf("%+v", w.item(id))
	}
	w.must(w.Decide(w.ctx, store.Decided{Item: id, State: store.ItemQuarantined, Reason: "poison"}))
	if err := w.Postpone(w.ctx, id, "x", w.clock.now()); !errors.Is(err, store.ErrState) {
		t.Error(err)
	}
}

// A failure of ours while a post is expanded puts it off as one before does, and
// its decision stands.
func TestPostponeWhileExpanding(t *testing.T) {
	w := newWorld(t)
	id := w.accept("x")
	at := w.clock.now()
	_, err := w.ClaimItems(w.ctx, "n", at, at.Add(time.Hour), 10)
	w.must(err)
	w.must(w.Decide(w.ctx, store.Decided{Item: id, State: store.ItemDistributing, Reason: "decided"}))
	w.must(w.Postpone(w.ctx, id, "no database", w.clock.now().Add(time.Minute)))
	if i := w.item(id); i.State != store.ItemDistributing || i.Reason != "decided" || i.LeasedBy != "" {
		t.Errorf("%+v", i)
	}
	now := w.clock.now()
	if items, err := w.ClaimItems(w.ctx, "n", now, now.Add(time.Minute), 10); err != nil || len(items) != 0 {
		t.Errorf("%v, %v", items, err)
	}
	w.must(w.RetryPostponed(w.ctx))
	if items, err := w.ClaimItems(w.ctx, "n", now, now.Add(time.Minute), 10); err != nil || len(items) != 1 {
		t.Errorf("%v, %v", items, err)
	}
}

// Every step that the table does not name is refused, and changes nothing.
func TestDecisions(t *testing.T) {
	all := []store.ItemState{store.ItemAccepted, store.ItemHeld, store.ItemDistributing, store.ItemDone, store.ItemRejected, store.ItemQuarantined}
	way := map[store.ItemState][]store.ItemState{
		store.ItemAccepted: {}, store.ItemHeld: {store.ItemHeld}, store.ItemDistributing: {store.ItemDistributing},
		store.ItemDone: {store.ItemDone}, store.ItemRejected: {store.ItemRejected}, store.ItemQuarantined: {store.ItemQuarantined},
	}
	allowed := map[string]bool{
		"accepted held": true, "accepted distributing": true, "accepted done": true, "accepted rejected": true, "accepted quarantined": true,
		"held accepted": true, "held distributing": true, "held rejected": true, "held quarantined": true,
		"quarantined accepted": true, "quarantined rejected": true, "distributing quarantined": true,
	}
	w := newWorld(t)
	for _, from := range all {
		for _, to := range all {
			id := w.accept("x")
			for _, step := range way[from] {
				w.must(w.Decide(w.ctx, store.Decided{Item: id, State: step}))
			}
			err := w.Decide(w.ctx, store.Decided{Item: id, State: to, Reason: "r", Notices: []store.Notice{{Template: "t", To: addr("a@x.org")}}})
			want := from
			if allowed[string(from)+" "+string(to)] {
				want = to
				w.must(err)
			} else if !errors.Is(err, store.ErrState) {
				t.Errorf("from %s to %s: %v", from, to, err)
			}
			if i := w.item(id); i.State != want {
				t.Errorf("from %s to %s: it is %s", from, to, i.State)
			}
		}
	}
	notices, err := w.Deliveries(w.ctx, store.DeliveryFilter{Kind: store.KindNotice})
	if err != nil || len(notices) != len(allowed) {
		t.Errorf("%d notices of %d decisions, %v", len(notices), len(allowed), err)
	}
	if err := w.Decide(w.ctx, store.Decided{Item: "nonsense", State: store.ItemDone}); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
}

func TestPurge(t *testing.T) {
	w := newWorld(t)
	w.members(1)
	done, rejected, waiting := w.accept("1"), w.accept("2"), w.accept("3")
	both, err := w.Accept(w.ctx, store.Incoming{Octets: []byte("4"), Targets: []store.Target{{List: w.list, Kind: store.KindPost}, {List: w.list, Kind: store.KindPost}}})
	w.must(err)
	w.must(w.Decide(w.ctx, store.Decided{Item: done, State: store.ItemDone}))
	w.must(w.Decide(w.ctx, store.Decided{Item: rejected, State: store.ItemRejected}))
	w.must(w.Decide(w.ctx, store.Decided{Item: both[0], State: store.ItemRejected}))
	if n, err := w.Purge(w.ctx, w.clock.now(), w.clock.now()); n != 0 || err != nil {
		t.Fatalf("too early: %d, %v", n, err)
	}
	if n, err := w.Purge(w.ctx, w.clock.add(time.Hour), w.clock.now()); n != 3 || err != nil {
		t.Fatalf("purged %d, %v", n, err)
	}
	for id, there := range map[string]bool{done: false, rejected: false, waiting: true, both[0]: false, both[1]: true} {
		if _, err := w.Octets(w.ctx, w.item(id)); (err == nil) != there || err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("item %s: %v", id, err)
		}
	}
	if n, err := w.Number(w.ctx, `SELECT count(*) FROM blob`); n != 2 || err != nil {
		t.Errorf("%d blobs, %v", n, err)
	}
}

// What several processes died with waits longer each time before it is worked on
// again, also through a restart that takes up what was postponed; an ordered
// stop is no such death.
func TestSuspicion(t *testing.T) {
	w := newWorld(t)
	id := w.accept("x")
	claim := func() bool {
		now := w.clock.now()
		items, err := w.ClaimItems(w.ctx, "node/1", now, now.Add(time.Minute), 10)
		w.must(err)
		return len(items) == 1
	}
	for range 20 {
		if !claim() {
			t.Fatal("not given back by an ordered stop")
		}
		w.must(w.ReleaseLeases(w.ctx, "node/1"))
	}
	for deaths, wait := range []time.Duration{0, 0, 0, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, time.Minute + 4*time.Second} {
		if wait > 0 {
			w.clock.add(wait - time.Millisecond)
			w.must(w.RetryPostponed(w.ctx))
			if claim() {
				t.Fatalf("after %d deaths it came before %s", deaths, wait)
			}
			w.clock.add(time.Millisecond + wait/2)
		}
		if !claim() {
			t.Fatalf("after %d deaths it did not come after %s", deaths, wait)
		}
		if got := w.item(id).Claims; got != deaths+1 {
			t.Fatalf("%d claims, not %d", got, deaths+1)
		}
		w.must(w.TakeUp(w.ctx, "node"))
	}
}

// A message that kills each process that works on it, at once, takes nobody
// along who was in hand with it when they died.
func TestThePoisonousDiesAlone(t *testing.T) {
	w := newWorld(t)
	const inHand, deaths = 8, 10
	waiting := map[string]bool{}
	var poison string
	for n := range inHand {
		id := w.accept("x")
		if waiting[id] = true; n == inHand/2 {
			poison = id
		}
	}
	for w.item(poison).Claims < deaths {
		now := w.clock.add(20 * time.Millisecond)
		items, err := w.ClaimItems(w.ctx, "node/1", now, now.Add(time.Minute), inHand)
		w.must(err)
		if slices.ContainsFunc(items, func(i store.Item) bool { return i.ID == poison }) {
			w.must(w.TakeUp(w.ctx, "node"))
			continue
		}
		for _, i := range items {
			w.must(w.Decide(w.ctx, store.Decided{Item: i.ID, State: store.ItemDone}))
			delete(waiting, i.ID)
		}
	}
	if len(waiting) != 1 {
		t.Errorf("after %d deaths %d posts wait, not only the one that kills", deaths, len(waiting))
	}
}
