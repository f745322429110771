package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// Many workers claim and complete while the expansion goes on: no row is met
// twice, none is left, and the item is done exactly when the last one ends.
func TestManyClaimers(t *testing.T) {
	w := newWorld(t)
	const members = 1000
	w.members(members)
	id := w.accept("x")
	w.must(w.Decide(w.ctx, store.Decided{Item: id, State: store.ItemDistributing}))

	var met sync.Map
	var completed atomic.Int64
	var wg sync.WaitGroup
	expanded := make(chan struct{})
	wg.Go(func() {
		defer close(expanded)
		for done := false; !done; {
			var err error
			if _, done, err = w.Expand(w.ctx, id, 170); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for n := range 6 {
		wg.Go(func() {
			owner := fmt.Sprint("worker", n)
			for {
				finished := false
				select {
				case <-expanded:
					finished = true // before the claim: an empty one after it is the end
				default:
				}
				now := w.clock.now()
				claimed, err := w.ClaimDeliveries(w.ctx, owner, now, now.Add(time.Minute), 70)
				if err != nil {
					t.Error(err)
					return
				}
				for _, d := range claimed {
					if first, twice := met.LoadOrStore(d.Address, owner); twice {
						t.Errorf("%s was claimed by %s and %s", d.Address, first, owner)
					}
				}
				if err := w.Complete(w.ctx, outcomes(claimed, store.DeliveryRelayed)); err != nil {
					t.Error(err)
				}
				completed.Add(int64(len(claimed)))
				if finished && len(claimed) == 0 {
					return
				}
			}
		})
	}
	wg.Wait()
	if completed.Load() != members {
		t.Errorf("%d of %d completed", completed.Load(), members)
	}
	if i := w.item(id); i.State != store.ItemDone || i.Copies != members || i.Unfinished != 0 {
		t.Errorf("%+v", i)
	}
	counts, err := w.CountDeliveries(w.ctx, id)
	if err != nil || counts[store.DeliveryRelayed] != members || len(counts) != 1 {
		t.Errorf("%v, %v", counts, err)
	}
}

// Leases end by themselves, by their owner, or at the server's start.
func TestLeases(t *testing.T) {
	w := newWorld(t)
	w.members(3)
	w.distribute(w.accept("x"))
	claim := func(owner string) int {
		now := w.clock.now()
		claimed, err := w.ClaimDeliveries(w.ctx, owner, now, now.Add(time.Minute), 10)
		w.must(err)
		return len(claimed)
	}
	if claim("a") != 3 || claim("b") != 0 {
		t.Fatal("a lease does not hold")
	}
	all, err := w.Deliveries(w.ctx, store.DeliveryFilter{})
	w.must(err)
	if all[0].State != store.DeliveryQueued || all[0].LeasedBy != "a" || !all[0].LeasedUntil.Equal(w.clock.now().Add(time.Minute)) || !all[0].NextAt.IsZero() {
		t.Fatalf("leased is no state: %+v", all[0])
	}
	w.clock.add(30 * time.Second)
	w.must(w.RenewLeases(w.ctx, "a", w.clock.now().Add(time.Minute)))
	w.clock.add(59 * time.Second)
	if claim("b") != 0 {
		t.Fatal("a renewed lease does not hold")
	}
	w.clock.add(time.Second)
	if claim("b") != 3 {
		t.Fatal("a lease that ended holds")
	}
	// Whoever comes late with a result is still heard: the copy has left.
	w.must(w.Complete(w.ctx, outcomes(all[:1], store.DeliveryRelayed)))
	w.must(w.ReleaseLeases(w.ctx, "a")) // has none
	if claim("c") != 0 {
		t.Fatal("another's leases were released")
	}
	w.must(w.ReleaseLeases(w.ctx, "b"))
	if claim("n1/c") != 2 {
		t.Fatal("released leases hold")
	}
	// A server that was killed finds its own leases at its start.
	w.must(w.Close())
	w.open()
	if claim("d") != 0 {
		t.Fatal("leases did not survive")
	}
	w.must(w.TakeUp(w.ctx, "n1"))
	if claim("d") != 2 {
		t.Fatal("leases survived TakeUp")
	}
}

func TestCompleteOnce(t *testing.T) {
	w := newWorld(t)
	w.members(2)
	id := w.accept("x")
	w.distribute(id)
	now := w.clock.now()
	claimed, err := w.ClaimDeliveries(w.ctx, "n", now, now.Add(time.Minute), 10)
	w.must(err)
	first := claimed[0]
	tell := []store.Notice{{Template: "no-certificate", To: first.Address, List: w.list, Params: map[string]string{"waiting": "1"}}}
	later := now.Add(time.Hour)
	w.must(w.Complete(w.ctx, []store.Outcome{
		{Delivery: first.ID, State: store.DeliveryWithheld, Reason: "expired", Notices: tell},
		{Delivery: first.ID, State: store.DeliveryRelayed, Code: 250, Notices: tell}, // too late: it has its end
		{Delivery: claimed[1].ID, State: store.DeliveryDelayed, NextAt: later, Attempts: 1, Code: 451, Enhanced: "4.3.0", Text: "try later"},
		{Delivery: 4711, State: store.DeliveryRelayed},
	}))
	w.must(w.Complete(w.ctx, []store.Outcome{{Delivery: first.ID, State: store.DeliveryRelayed, Notices: tell}}))
	all, err := w.Deliveries(w.ctx, store.DeliveryFilter{Item: id})
	w.must(err)
	if len(all) != 3 {
		t.Fatalf("%d deliveries, want two copies and one notice", len(all))
	}
	if all[0].State != store.DeliveryWithheld || all[0].Reason != "expired" || !all[0].NextAt.IsZero() || all[0].LeasedBy != "" {
		t.Errorf("%+v", all[0])
	}
	if d := all[1]; d.State != store.DeliveryDelayed || !d.NextAt.Equal(later) || d.Attempts != 1 || d.Code != 451 || d.Enhanced != "4.3.0" || d.Text != "try later" {
		t.Errorf("%+v", d)
	}
	if n := all[2].Notice; all[2].Kind != store.KindNotice || n == nil || n.Template != "no-certificate" || n.To != first.Address || n.List != w.list || n.Params["waiting"] != "1" {
		t.Errorf("%+v", all[2])
	}
	if i := w.item(id); i.Unfinished != 1 || i.State != store.ItemDistributing {
		t.Errorf("%+v", i)
	}
	// A notice that is still on its way does not keep the post from being done.
	w.must(w.Complete(w.ctx, outcomes(all[1:2], store.DeliveryFailed)))
	if i := w.item(id); i.Unfinished != 0 || i.State != store.ItemDone {
		t.Errorf("%+v", i)
	}
	if err := w.Complete(w.ctx, []store.Outcome{{Delivery: 1, State: "lost"}}); err == nil {
		t.Error("a state that does not exist was written")
	}
	claimed, err = w.ClaimDeliveries(w.ctx, "n", now, now.Add(time.Minute), 10)
	if err != nil || len(claimed) != 1 || claimed[0].Notice == nil || claimed[0].Notice.Params["waiting"] != "1" {
		t.Errorf("claimed %+v, %v", claimed, err)
	}
}

func TestThrottle(t *testing.T) {
	w := newWorld(t)
	n := store.Notice{Template: "no-certificate", To: addr("anna@example.org"), Key: "no-certificate anna@example.org", Every: 24 * time.Hour}
	other := n
	other.Key = "no-certificate ben@example.org"
	free := n
	free.Key = ""
	queue := func(want int, notices ...store.Notice) {
		t.Helper()
		if got, err := w.QueueNotices(w.ctx, notices); got != want || err != nil {
			t.Errorf("queued %d, %v; want %d", got, err, want)
		}
	}
	queue(2, n, n, other)
	queue(0, n, other)
	queue(2, free, free)
	w.clock.add(24*time.Hour - time.Microsecond)
	queue(0, n)
	w.clock.add(time.Microsecond)
	queue(1, n, n)
	if _, err := w.QueueNotices(w.ctx, []store.Notice{{Template: "x"}}); err == nil {
		t.Error("a notice to nobody was queued")
	}
	// The throttle is part of the transaction: what is rolled back does not count.
	if err := w.Decide(w.ctx, store.Decided{Item: w.accept("x"), State: store.ItemRejected, Notices: []store.Notice{
		{Template: "t", To: addr("eve@example.org"), Key: "k", Every: time.Hour}, {Template: "bad"}}}); err == nil {
		t.Error("a bad notice was taken")
	}
	queue(1, store.Notice{Template: "t", To: addr("eve@example.org"), Key: "k", Every: time.Hour})
}

func TestExpandRefusesAndLeavesOut(t *testing.T) {
	w := newWorld(t)
	id := w.accept("x")
	if _, _, err := w.Expand(w.ctx, id, 10); !errors.Is(err, store.ErrState) {
		t.Errorf("an undecided post was expanded: %v", err)
	}
	if _, _, err := w.Expand(w.ctx, "nonsense", 10); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	_, err := w.AddMembers(w.ctx, w.list, []list.Member{
		{Address: addr("anna@example.org")}, {Address: addr("anna@example.org"), Role: list.RoleOwner},
		{Address: addr("ben@example.org"), Suspended: true}, {Address: addr("eve@example.org"), Role: list.RoleEditor}})
	w.must(err)
	w.distribute(id)
	all, err := w.Deliveries(w.ctx, store.DeliveryFilter{Item: id})
	if err != nil || len(all) != 1 || all[0].Address != addr("anna@example.org") {
		t.Errorf("one copy for Anna, none for whoever is suspended or only has an office: %+v, %v", all, err)
	}
	if rows, done, err := w.Expand(w.ctx, id, 10); rows != 0 || !done || err != nil {
		t.Errorf("expanding once more: %d, %v, %v", rows, done, err)
	}
	// A list of nobody is done at once.
	empty, err := w.CreateList(w.ctx, list.List{Address: addr("empty@x.org")})
	w.must(err)
	ids, err := w.Accept(w.ctx, store.Incoming{Octets: []byte("x"), Targets: []store.Target{{List: empty, Kind: store.KindPost}}})
	w.must(err)
	w.distribute(ids[0])
	if i := w.item(ids[0]); i.State != store.ItemDone {
		t.Errorf("%+v", i)
	}
}

// Quarantine in the middle of a distribution ends what is still queued.
func TestQuarantineCancelsCopies(t *testing.T) {
	w := newWorld(t)
	w.members(4)
	id := w.accept("x")
	w.distribute(id)
	now := w.clock.now()
	claimed, err := w.ClaimDeliveries(w.ctx, "n", now, now.Add(time.Minute), 1)
	w.must(err)
	w.must(w.Complete(w.ctx, outcomes(claimed, store.DeliveryRelayed)))
	w.must(w.Decide(w.ctx, store.Decided{Item: id, State: store.ItemQuarantined, Reason: "poison"}))
	counts, err := w.CountDeliveries(w.ctx, id)
	if err != nil || counts[store.DeliveryCancelled] != 3 || counts[store.DeliveryRelayed] != 1 {
		t.Errorf("%v, %v", counts, err)
	}
	if next, err := w.NextDue(w.ctx); !next.IsZero() || err != nil {
		t.Error(next, err)
	}
}

// The planner reads a small index for what runs all the time, never a table.
func TestPlans(t *testing.T) {
	w := newFile(t)
	for query, want := range map[string]string{
		`SELECT id FROM delivery WHERE due <= 5 ORDER BY due, id LIMIT 10`:                                  "delivery_due",
		`SELECT id FROM item WHERE due <= 5 ORDER BY due, id LIMIT 10`:                                      "item_due",
		`SELECT min(due) FROM delivery WHERE due IS NOT NULL`:                                               "delivery_due",
		`SELECT role FROM member WHERE list = 1 AND address_key IN ('a','b')`:                               "sqlite_autoindex_member_1",
		`SELECT id FROM member WHERE list = 1 AND role = 'member' AND suspended = 0 AND id > 7 ORDER BY id`: "member_walk",
		`UPDATE delivery SET due = 9 WHERE owner = 'n' AND due > 5`:                                         "delivery_due",
	} {
		plan, err := w.Plan(w.ctx, query)
		w.must(err)
		if !strings.Contains(plan, "INDEX "+want) || strings.Contains(plan, "SCAN") && !strings.Contains(query, "min(") || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s\n%s", query, plan)
		}
	}
}

// model is what the store should hold, kept by the simplest means.
type model struct {
	items  map[string]store.ItemState
	copies map[string]map[list.Address]store.DeliveryState
}

// TestModel walks the two state machines at random, restarts included, and
// holds the store against the model every few steps.
func TestModel(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			walk(t, rand.New(rand.NewPCG(seed, 7)))
		})
	}
}

func walk(t *testing.T, rnd *rand.Rand) {
	w := newWorld(t)
	people := w.members(23)
	m := model{items: map[string]store.ItemState{}, copies: map[string]map[list.Address]store.DeliveryState{}}
	leased := map[int64]time.Time{} // by delivery: until when
	var ids []string
	pick := func() string { return ids[rnd.IntN(len(ids))] }
	states := []store.DeliveryState{store.DeliveryRelayed, store.DeliveryDelayed, store.DeliveryFailed, store.DeliveryWithheld, store.DeliveryCancelled, store.DeliveryQueued}
	var claimed []store.Delivery
	steps := []func(){
		func() { // accept
			id := w.accept("octets")
			ids, m.items[id], m.copies[id] = append(ids, id), store.ItemAccepted, map[list.Address]store.DeliveryState{}
		},
		func() { // decide
			if len(ids) == 0 {
				return
			}
			id := pick()
			to := []store.ItemState{store.ItemHeld, store.ItemDistributing, store.ItemRejected, store.ItemDistributing}[rnd.IntN(4)]
			err := w.Decide(w.ctx, store.Decided{Item: id, State: to})
			from := m.items[id]
			if ok := from == store.ItemAccepted || from == store.ItemHeld && to != store.ItemHeld; ok != (err == nil) {
				t.Fatalf("from %s to %s: %v", from, to, err)
			} else if ok {
				m.items[id] = to
			}
		},
		func() { // expand
			if len(ids) == 0 {
				return
			}
			if _, _, err := w.Expand(w.ctx, pick(), 1+rnd.IntN(9)); err != nil && !errors.Is(err, store.ErrState) {
				t.Fatal(err)
			}
		},
		func() { // somebody leaves, comes or comes back
			a := people[rnd.IntN(len(people))]
			if rnd.IntN(2) == 0 {
				_, err := w.RemoveMembers(w.ctx, w.list, list.RoleMember, []list.Address{a})
				w.must(err)
			} else {
				_, err := w.AddMembers(w.ctx, w.list, []list.Member{{Address: a}})
				w.must(err)
			}
		},
		func() { // claim
			now := w.clock.now()
			until := now.Add(time.Duration(1+rnd.IntN(100)) * time.Second)
			some, err := w.ClaimDeliveries(w.ctx, fmt.Sprint("n", rnd.IntN(3)), now, until, 1+rnd.IntN(12))
			w.must(err)
			for _, d := range some {
				if end, ok := leased[d.ID]; ok && end.After(now) {
					t.Fatalf("%s was claimed while it is leased", d.Address)
				}
				leased[d.ID] = until
			}
			claimed = append(claimed, some...)
		},
		func() { // complete, now and then what was completed before
			var batch []store.Outcome
			for range min(len(claimed), 1+rnd.IntN(15)) {
				d := claimed[rnd.IntN(len(claimed))]
				state := states[rnd.IntN(len(states))]
				batch = append(batch, store.Outcome{Delivery: d.ID, State: state, NextAt: w.clock.now().Add(time.Duration(rnd.IntN(60)) * time.Second)})
				if !m.copies[d.Item][d.Address].Finished() || m.copies[d.Item][d.Address] == "" {
					m.copies[d.Item][d.Address] = state
					delete(leased, d.ID)
				}
			}
			w.must(w.Complete(w.ctx, batch))
		},
		func() { w.clock.add(time.Duration(rnd.IntN(90)) * time.Second) },
		func() { // restart
			if rnd.IntN(4) > 0 {
				return
			}
			w.must(w.Close())
			w.open()
			w.must(w.TakeUp(w.ctx, "n1"))
			leased = map[int64]time.Time{}
		},
	}
	for n := range 160 {
		steps[rnd.IntN(len(steps))]()
		if n%4 == 0 {
			m.check(t, w, ids)
		}
	}
	// Drained, everything has its end.
	for _, id := range ids {
		if i := w.item(id); i.State == store.ItemDistributing {
			for done := false; !done; {
				var err error
				_, done, err = w.Expand(w.ctx, id, 10)
				w.must(err)
			}
		}
	}
	for {
		now := w.clock.add(time.Hour)
		some, err := w.ClaimDeliveries(w.ctx, "last", now, now.Add(time.Minute), 100)
		w.must(err)
		if len(some) == 0 {
			break
		}
		for _, d := range some {
			m.copies[d.Item][d.Address] = store.DeliveryRelayed
		}
		w.must(w.Complete(w.ctx, outcomes(some, store.DeliveryRelayed)))
	}
	m.check(t, w, ids)
	for _, id := range ids {
		if i := w.item(id); i.State == store.ItemDistributing || i.Unfinished != 0 {
			t.Fatalf("at the end: %+v", i)
		}
	}
}

func (m *model) check(t *testing.T, w *world, ids []string) {
	t.Helper()
	for _, id := range ids {
		i := w.item(id)
		rows, err := w.Deliveries(w.ctx, store.DeliveryFilter{Item: id})
		w.must(err)
		unfinished := 0
		seen := map[list.Address]bool{}
		for _, d := range rows {
			if seen[d.Address] {
				t.Fatalf("item %s has two copies for %s", id, d.Address)
			}
			seen[d.Address] = true
			if !d.State.Finished() {
				unfinished++
			}
		}
		if i.Copies != len(rows) || i.Unfinished != unfinished {
			t.Fatalf("item %s counts %d copies, %d unfinished; there are %d, %d", id, i.Copies, i.Unfinished, len(rows), unfinished)
		}
		want := m.items[id]
		if want == store.ItemDistributing && i.Expanded && unfinished == 0 {
			want = store.ItemDone
		}
		if i.State != want {
			t.Fatalf("item %s is %s, want %s (%+v)", id, i.State, want, i)
		}
	}
}

// Tasks that a server had begun when it died run again at once, too; one that
// listmaster runs beside it goes on.
func TestTakeUpOfTasks(t *testing.T) {
	w := newWorld(t)
	for name, owner := range map[string]string{"mine": "n1/run", "other": "anna, process 7"} {
		_, err := w.ClaimTask(w.ctx, name, owner, w.clock.now().Add(time.Minute), w.clock.now(), true)
		w.must(err)
	}
	w.must(w.TakeUp(w.ctx, "n1"))
	if claimed, err := w.ClaimTask(w.ctx, "mine", "n1/next", w.clock.now().Add(time.Minute), w.clock.now(), true); !claimed || err != nil {
		t.Errorf("%v, %v", claimed, err)
	}
	if _, err := w.ClaimTask(w.ctx, "other", "n1/next", w.clock.now().Add(time.Minute), w.clock.now(), true); !errors.Is(err, store.ErrTaskHeld) {
		t.Errorf("listmaster's: %v", err)
	}
}
