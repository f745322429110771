package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/listd/store"
)

// posted makes a list with n members and a post to it that is expanded.
func (w *world) posted(name string, n int) (l list.ID, item string) {
	w.t.Helper()
	address := addr(name + "@lists.example.org")
	l, err := w.CreateList(w.ctx, list.List{Address: address})
	w.must(err)
	var members []list.Member
	for i := range n {
		members = append(members, list.Member{Address: addr(fmt.Sprintf("m%05d@example.org", i))})
	}
	_, err = w.AddMembers(w.ctx, l, members)
	w.must(err)
	ids, err := w.Accept(w.ctx, store.Incoming{Octets: []byte("x"), Targets: []store.Target{{List: l, Kind: store.KindPost, ForwardPath: address}}})
	w.must(err)
	w.distribute(ids[0])
	return l, ids[0]
}

func (w *world) claim(n int) map[list.ID]int {
	w.t.Helper()
	now := w.clock.now()
	claimed, err := w.ClaimDeliveries(w.ctx, "n/1", now, now.Add(time.Hour), n)
	w.must(err)
	got := map[list.ID]int{}
	for _, d := range claimed {
		got[d.List]++
	}
	return got
}

// One huge list does not keep small ones waiting, whichever came first.
func TestListsTakeTurns(t *testing.T) {
	w := newWorld(t)
	huge, _ := w.posted("huge", 5000)
	w.clock.add(time.Second)
	var small []list.ID
	for i := range 20 {
		l, _ := w.posted(fmt.Sprint("small", i), 10)
		small = append(small, l)
	}
	got := w.claim(420)
	for _, l := range small {
		if got[l] != 10 {
			t.Errorf("list %d had %d copies claimed, want all 10", l, got[l])
		}
	}
	if got[huge] != 220 {
		t.Errorf("%d copies of the huge list, want what is left over", got[huge])
	}
	// With more lists than a claim has room for, each has its turn.
	seen := map[list.ID]bool{}
	for i := range 4 {
		w.posted(fmt.Sprint("late", i), 3)
	}
	for range 3 {
		for l := range w.claim(2) {
			seen[l] = true
		}
	}
	if len(seen) < 5 {
		t.Errorf("three claims of two reached %d lists of 5", len(seen))
	}
}

// Notices are not behind copies, and copies not behind notices.
func TestNoticesComeFirst(t *testing.T) {
	w := newWorld(t)
	l, _ := w.posted("huge", 100)
	w.clock.add(time.Second)
	var notices []store.Notice
	for i := range 30 {
		notices = append(notices, store.Notice{Template: "welcome", List: w.list, To: addr(fmt.Sprintf("n%d@example.org", i))})
	}
	_, err := w.QueueNotices(w.ctx, notices)
	w.must(err)
	if got := w.claim(40); got[w.list] != 20 || got[l] != 20 {
		t.Errorf("%v, want half and half", got)
	}
}

// A result that comes late, from a worker whose lease another has taken over, counts only if the copy has left.
func TestLateResults(t *testing.T) {
	w := newWorld(t)
	_, item := w.posted("news2", 2)
	now := w.clock.now()
	first, err := w.ClaimDeliveries(w.ctx, "a/1", now, now.Add(time.Minute), 10)
	w.must(err)
	now = w.clock.add(2 * time.Minute)
	second, err := w.ClaimDeliveries(w.ctx, "b/1", now, now.Add(time.Minute), 10)
	w.must(err)
	if len(first) != 2 || len(second) != 2 {
		t.Fatal(len(first), len(second))
	}
	late := outcomes(first, store.DeliveryFailed)
	late[1].State = store.DeliveryRelayed
	for i := range late {
		late[i].Owner = "a/1"
	}
	w.must(w.Complete(w.ctx, late))
	all, err := w.Deliveries(w.ctx, store.DeliveryFilter{Item: item})
	w.must(err)
	if all[0].State != store.DeliveryQueued || all[0].LeasedBy != "b/1" || all[1].State != store.DeliveryRelayed {
		t.Errorf("%+v", all)
	}
	ours := outcomes(second, store.DeliveryFailed)
	for i := range ours {
		ours[i].Owner = "b/1"
	}
	w.must(w.Complete(w.ctx, ours))
	all, err = w.Deliveries(w.ctx, store.DeliveryFilter{Item: item})
	w.must(err)
	if all[0].State != store.DeliveryFailed || all[1].State != store.DeliveryRelayed {
		t.Errorf("%+v", all)
	}
	if i := w.item(item); i.State != store.ItemDone || i.Unfinished != 0 {
		t.Errorf("%+v", i)
	}
}

func TestPause(t *testing.T) {
	w := newWorld(t)
	a, _ := w.posted("a", 3)
	b, _ := w.posted("b", 3)
	w.must(w.PauseCopies(w.ctx, a, "me"))
	w.must(w.PauseCopies(w.ctx, a, "another")) // once more is no harm
	if got := w.claim(10); got[a] != 0 || got[b] != 3 {
		t.Errorf("%v", got)
	}
	w.must(w.PauseCopies(w.ctx, 0, "me"))
	w.must(w.ResumeCopies(w.ctx, a))
	if got := w.claim(10); len(got) != 0 {
		t.Errorf("all are paused: %v", got)
	}
	if p, err := w.Pauses(w.ctx); err != nil || len(p) != 1 || p[0].List != 0 || p[0].Actor != "me" {
		t.Errorf("%+v, %v", p, err)
	}
	now := w.clock.add(30 * 24 * time.Hour)
	w.must(w.ResumeCopies(w.ctx, 0))
	if err := w.ResumeCopies(w.ctx, 0); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	claimed, err := w.ClaimDeliveries(w.ctx, "n/1", now, now.Add(time.Hour), 10)
	w.must(err)
	for _, d := range claimed {
		if !d.Created.Equal(now) {
			t.Errorf("the pause counts as time in which it could not go: %v", d.Created)
		}
	}
	if len(claimed) != 6 { // those of b, whose leases ended, too
		t.Errorf("%d", len(claimed))
	}
}

func TestCancel(t *testing.T) {
	w := newWorld(t)
	_, item := w.posted("news2", 10)
	now := w.clock.now()
	claimed, err := w.ClaimDeliveries(w.ctx, "n/1", now, now.Add(time.Minute), 4)
	w.must(err)
	w.must(w.Complete(w.ctx, []store.Outcome{
		{Delivery: claimed[0].ID, State: store.DeliveryRelayed},
		{Delivery: claimed[1].ID, State: store.DeliveryDelayed, NextAt: now.Add(time.Hour)},
		{Delivery: claimed[2].ID, State: store.DeliveryWithheld},
	}))
	cancelled, inHand, err := w.CancelCopies(w.ctx, item)
	if cancelled != 8 || inHand != 1 || err != nil {
		t.Errorf("%d called off, %d in hand, %v", cancelled, inHand, err)
	}
	w.must(w.Complete(w.ctx, outcomes(claimed[3:], store.DeliveryRelayed)))
	if i := w.item(item); i.State != store.ItemDone || i.Unfinished != 0 {
		t.Errorf("%+v", i)
	}
	counts, err := w.CountDeliveries(w.ctx, item)
	if err != nil || counts[store.DeliveryRelayed] != 2 || counts[store.DeliveryCancelled] != 8 {
		t.Errorf("%v, %v", counts, err)
	}
	if _, _, err := w.CancelCopies(w.ctx, "0000000000000"); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	if _, _, err := w.CancelCopies(w.ctx, w.accept("x")); !errors.Is(err, store.ErrState) {
		t.Error(err)
	}
}

func TestRetryNow(t *testing.T) {
	w := newWorld(t)
	a, itemA := w.posted("a", 2)
	_, _ = w.posted("b", 2)
	now := w.clock.now()
	claimed, err := w.ClaimDeliveries(w.ctx, "n/1", now, now.Add(time.Minute), 10)
	w.must(err)
	late := outcomes(claimed, store.DeliveryDelayed)
	for i := range late {
		late[i].NextAt = now.Add(time.Hour)
	}
	w.must(w.Complete(w.ctx, late))
	postponed := w.accept("x")
	w.must(w.Postpone(w.ctx, postponed, "locked", now.Add(time.Hour)))
	for _, c := range []struct {
		filter        store.RetryFilter
		copies, posts int
	}{{store.RetryFilter{Item: itemA}, 2, 0}, {store.RetryFilter{List: a}, 0, 0}, {store.RetryFilter{}, 2, 1}, {store.RetryFilter{}, 0, 0}} {
		if copies, posts, err := w.RetryNow(w.ctx, c.filter); copies != c.copies || posts != c.posts || err != nil {
			t.Errorf("%+v: %d, %d, %v", c, copies, posts, err)
		}
	}
	if got := w.claim(10); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

// Finding whose turn it is reads an index entry a list, not one a copy.
func TestPlanOfTurns(t *testing.T) {
	peer.OnFile(t)
	w := newWorld(t)
	for query, want := range map[string][]string{
		strings.NewReplacer("?", "5").Replace(store.DueTurns):                                            {"delivery_turn (list>?)", "delivery_turn (list=? AND due>?)"},
		`SELECT id FROM delivery WHERE kind = 'copy' AND list = 1 AND due <= 5 ORDER BY due, id LIMIT 9`: {"delivery_turn (list=? AND due<?)"},
		`SELECT id FROM delivery WHERE kind = 'notice' AND due <= 5 ORDER BY due, id LIMIT 9`:            {"delivery_notice (kind=? AND due<?)"},
	} {
		plan, err := w.Plan(w.ctx, query)
		w.must(err)
		for _, index := range want {
			if !strings.Contains(plan, index) {
				t.Errorf("no %s for\n%s\n%s", index, query, plan)
			}
		}
		if lines := strings.Split(plan, "\n"); slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "SCAN delivery") || strings.HasPrefix(l, "SCAN d") }) {
			t.Errorf("a scan in\n%s", plan)
		}
	}
}

// So it does on PostgreSQL, before that has statistics, too: right after a
// large post was expanded it has none.
func TestPlanOfTurnsShared(t *testing.T) {
	w := newWorld(t)
	if !w.Shared() {
		t.Skip("needs PostgreSQL")
	}
	w.must(w.Exec(w.ctx, `INSERT INTO delivery (list, kind, address, state, due, notice, created, updated)
		SELECT 1 + n % 3, 'copy', 'm@example.org', 'queued', 1, '', 1, 1 FROM generate_series(1, 20000) AS n`))
	plan, err := w.PlanShared(w.ctx, strings.ReplaceAll(store.DueTurns, "?", "5"))
	w.must(err)
	for line := range strings.Lines(plan) {
		if strings.Contains(line, " on delivery") && !strings.Contains(line, "Index Only Scan using delivery_turn") || strings.Contains(line, "Hash") {
			t.Fatalf("it reads every copy:\n%s", plan)
		}
	}
	if !strings.Contains(plan, "delivery_turn") {
		t.Errorf("no index:\n%s", plan)
	}
}

// Finished posts are forgotten after a time, others not.
func TestPurgeRows(t *testing.T) {
	w := newWorld(t)
	w.posted("idle", 1)
	finished := w.accept("octets")
	w.members(2)
	w.distribute(finished)
	now := w.clock.now()
	claimed, err := w.ClaimDeliveries(w.ctx, "n/1", now, now.Add(time.Minute), 10)
	w.must(err)
	w.must(w.Complete(w.ctx, outcomes(claimed, store.DeliveryRelayed)))
	_, err = w.Purge(w.ctx, w.clock.add(time.Hour), w.clock.now())
	w.must(err)
	open := w.accept("x")
	for _, c := range []struct {
		before time.Time
		want   int
	}{{now, 0}, {w.clock.now(), 2}, {w.clock.now(), 0}} {
		if n, err := w.PurgeRows(w.ctx, c.before); n != c.want || err != nil {
			t.Errorf("%d, %v, want %d", n, err, c.want)
		}
	}
	if _, err := w.Item(w.ctx, finished); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	w.item(open)
	if n, err := w.Number(w.ctx, `SELECT count(*) FROM delivery`); n != 0 || err != nil {
		t.Errorf("%d rows of copies, %v", n, err)
	}
}

// The octets of a message are written once, whatever becomes of it: no statement changes that table.
func TestOctetsAreWrittenOnce(t *testing.T) {
	peer.OnFile(t)
	w := newWorld(t)
	w.must(w.Exec(w.ctx, `CREATE TRIGGER once BEFORE UPDATE ON blob BEGIN SELECT RAISE(ABORT, 'octets are rewritten'); END`))
	_, item := w.posted("once", 3)
	now := w.clock.now()
	claimed, err := w.ClaimDeliveries(w.ctx, "n/1", now, now.Add(time.Minute), 10)
	w.must(err)
	late := outcomes(claimed, store.DeliveryDelayed)
	for i := range late {
		late[i].NextAt = now
	}
	w.must(w.Complete(w.ctx, late))
	claimed, err = w.ClaimDeliveries(w.ctx, "n/1", now, now.Add(time.Minute), 10)
	w.must(err)
	w.must(w.Complete(w.ctx, outcomes(claimed, store.DeliveryRelayed)))
	if i := w.item(item); i.State != store.ItemDone {
		t.Errorf("%+v", i)
	}
	w.must(w.Postpone(w.ctx, w.accept("y"), "x", now))
}

// What a claim leased whose answer was lost is free again once its owner says what he has.
func TestStrayLeases(t *testing.T) {
	w := newWorld(t)
	w.posted("news2", 3)
	item, lost := w.accept("x"), w.accept("y")
	now := w.clock.now()
	claimed, err := w.ClaimDeliveries(w.ctx, "n/1", now, now.Add(time.Hour), 10)
	w.must(err)
	_, err = w.ClaimItems(w.ctx, "n/1", now, now.Add(time.Hour), 10)
	w.must(err)
	w.must(w.ReleaseStrayDeliveries(w.ctx, "n/1", []int64{claimed[1].ID}))
	w.must(w.ReleaseStrayItems(w.ctx, "n/1", []string{item}))
	again, err := w.ClaimDeliveries(w.ctx, "n/2", now, now.Add(time.Hour), 10)
	w.must(err)
	items, err := w.ClaimItems(w.ctx, "n/2", now, now.Add(time.Hour), 10)
	w.must(err)
	if len(again) != 2 || len(items) != 1 || items[0].ID != lost {
		t.Errorf("%+v, %+v", again, items)
	}
	w.must(w.ReleaseStrayItems(w.ctx, "n/1", nil))
	if i := w.item(item); i.LeasedBy != "" {
		t.Errorf("%+v", i)
	}
}
