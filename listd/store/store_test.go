package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
)

// clock is a time that moves only when told.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
	return c.t
}

// world is a store on a file of its own, with one list.
type world struct {
	*store.Store
	t     testing.TB
	ctx   context.Context
	clock *clock
	url   string
	path  string // of the SQLite file; "": it is none
	list  list.ID
}

// busy is short where a test holds the lock itself.
const busy = 100 * time.Millisecond

// newFile is newWorld for what only an SQLite file has.
func newFile(t testing.TB) *world {
	peer.OnFile(t)
	return newWorld(t)
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, ctx: t.Context(), clock: newClock(), url: peer.Database(t)}
	if path, is := strings.CutPrefix(w.url, "sqlite:"); is {
		w.path = path
	}
	w.open()
	t.Cleanup(func() { w.Close() })
	id, err := w.CreateList(w.ctx, list.List{Address: addr("news@lists.example.org")})
	if err != nil {
		t.Fatal(err)
	}
	w.list = id
	return w
}

func (w *world) open() {
	w.t.Helper()
	s, err := store.Open(w.ctx, w.url, store.Options{Clock: w.clock.now, BusyTimeout: busy})
	if err != nil {
		w.t.Fatal(err)
	}
	w.Store = s
}

func addr(s string) list.Address { return list.MustParseAddress(s) }

// members adds n members m0000@example.org and so on.
func (w *world) members(n int) []list.Address {
	w.t.Helper()
	var all []list.Member
	var addresses []list.Address
	for i := range n {
		a := addr(fmt.Sprintf("m%04d@example.org", i))
		all, addresses = append(all, list.Member{Address: a}), append(addresses, a)
	}
	added, err := w.AddMembers(w.ctx, w.list, all)
	if err != nil || added != n {
		w.t.Fatalf("added %d of %d members: %v", added, n, err)
	}
	return addresses
}

// accept makes one post durable and returns its item.
func (w *world) accept(octets string) string {
	w.t.Helper()
	ids, err := w.Accept(w.ctx, store.Incoming{ReversePath: "anna@example.org", Octets: []byte(octets), Client: "192.0.2.1",
		Targets: []store.Target{{List: w.list, Kind: store.KindPost, ForwardPath: addr("news@lists.example.org")}}})
	if err != nil || len(ids) != 1 {
		w.t.Fatalf("accept: %v, %v", ids, err)
	}
	return ids[0]
}

// distribute decides a post and expands it completely.
func (w *world) distribute(id string) {
	w.t.Helper()
	w.must(w.Decide(w.ctx, store.Decided{Item: id, State: store.ItemDistributing}))
	for {
		_, done, err := w.Expand(w.ctx, id, 1000)
		w.must(err)
		if done {
			return
		}
	}
}

func (w *world) item(id string) store.Item {
	w.t.Helper()
	i, err := w.Item(w.ctx, id)
	w.must(err)
	return i
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestOnePostsLife(t *testing.T) {
	w := newWorld(t)
	w.members(7)
	id := w.accept("From: a\r\n\r\nhello\r\n")

	now := w.clock.now()
	items, err := w.ClaimItems(w.ctx, "node", now, now.Add(time.Minute), 10)
	w.must(err)
	if len(items) != 1 || items[0].ID != id || items[0].State != store.ItemAccepted || items[0].Claims != 1 || items[0].LeasedBy != "node" {
		t.Fatalf("claimed %+v", items)
	}
	if octets, err := w.Octets(w.ctx, items[0]); err != nil || string(octets) != "From: a\r\n\r\nhello\r\n" {
		t.Fatalf("%q, %v", octets, err)
	}
	w.must(w.Decide(w.ctx, store.Decided{Item: id, State: store.ItemDistributing, Method: "smime", Author: addr("anna@example.org"), MessageID: "<1@x>", Encrypted: true}))

	// First copies leave while the expansion goes on.
	rows, done, err := w.Expand(w.ctx, id, 5)
	if rows != 5 || done || err != nil {
		t.Fatalf("first chunk: %d, %v, %v", rows, done, err)
	}
	first, err := w.ClaimDeliveries(w.ctx, "node", w.clock.now(), w.clock.now().Add(time.Minute), 3)
	w.must(err)
	if len(first) != 3 || first[0].Address != addr("m0000@example.org") || first[0].Item != id || first[0].Kind != store.KindCopy {
		t.Fatalf("claimed %+v", first)
	}
	w.must(w.Complete(w.ctx, outcomes(first, store.DeliveryRelayed)))
	if rows, done, err := w.Expand(w.ctx, id, 5); rows != 2 || !done || err != nil {
		t.Fatalf("second chunk: %d, %v, %v", rows, done, err)
	}
	if i := w.item(id); i.State != store.ItemDistributing || i.Copies != 7 || i.Unfinished != 4 || !i.Expanded || i.LeasedBy != "" {
		t.Fatalf("after expansion: %+v", i)
	}
	rest, err := w.ClaimDeliveries(w.ctx, "node", w.clock.now(), w.clock.now().Add(time.Minute), 100)
	w.must(err)
	if len(rest) != 4 {
		t.Fatalf("claimed %d, want the other 4", len(rest))
	}
	w.must(w.Complete(w.ctx, outcomes(rest, store.DeliveryRelayed)))
	i := w.item(id)
	if i.State != store.ItemDone || i.Unfinished != 0 || i.Author != addr("anna@example.org") || i.Method != "smime" || !i.Encrypted {
		t.Fatalf("at the end: %+v", i)
	}
	if next, err := w.NextDue(w.ctx); !next.IsZero() || err != nil {
		t.Fatalf("something is still due at %v: %v", next, err)
	}
}

func outcomes(claimed []store.Delivery, state store.DeliveryState) []store.Outcome {
	var all []store.Outcome
	for _, d := range claimed {
		all = append(all, store.Outcome{Delivery: d.ID, State: state, Attempts: d.Attempts + 1, Code: 250, Enhanced: "2.0.0", Text: "ok"})
	}
	return all
}
