package store_test

import (
	"testing"
	"time"

	"github.com/sealist/sealist/listd/store"
)

// What waits is counted by state and kind, with its age, and what invariant 3 hides is not counted.
func TestBacklog(t *testing.T) {
	w := newWorld(t)
	expect := func(what string, items map[store.ItemState]int, copies, notices, withheld int) {
		t.Helper()
		b, err := w.Backlog(w.ctx)
		w.must(err)
		for state, waiting := range b.Items {
			if waiting.N != items[state] || waiting.Oldest.IsZero() != (waiting.N == 0) {
				t.Errorf("%s: %s %+v, not %d", what, state, waiting, items[state])
			}
		}
		if c, n := b.Deliveries[store.KindCopy], b.Deliveries[store.KindNotice]; c.N != copies || n.N != notices || b.Withheld != withheld || len(b.Items) != 4 {
			t.Errorf("%s: %+v", what, b)
		}
	}
	counts := func(state store.ItemState, n int) map[store.ItemState]int { return map[store.ItemState]int{state: n} }
	expect("nothing", nil, 0, 0, 0)

	members := w.members(3)
	notice := store.Notice{Template: "t", To: members[0]}
	began := w.clock.now()
	id := w.accept("x")
	expect("accepted", counts(store.ItemAccepted, 1), 0, 0, 0)
	w.must(w.Decide(w.ctx, store.Decided{Item: id, State: store.ItemDistributing, Encrypted: true, Author: addr("anna@example.org"), Notices: []store.Notice{notice}}))
	_, _, err := w.Expand(w.ctx, id, 100)
	w.must(err)
	expect("expanded", counts(store.ItemDistributing, 1), 3, 1, 0)
	w.clock.add(time.Hour)
	now := w.clock.now()
	claimed, err := w.ClaimDeliveries(w.ctx, "me", now, now.Add(time.Minute), 100)
	w.must(err)
	expect("claimed", counts(store.ItemDistributing, 1), 3, 1, 0)
	var outcomes []store.Outcome
	states := []store.DeliveryState{store.DeliveryRelayed, store.DeliveryWithheld, store.DeliveryDelayed}
	for _, d := range claimed {
		if d.Kind == store.KindCopy {
			outcomes = append(outcomes, store.Outcome{Delivery: d.ID, State: states[len(outcomes)], NextAt: now.Add(time.Hour)})
		}
	}
	w.must(w.Complete(w.ctx, outcomes))
	expect("one each", counts(store.ItemDistributing, 1), 1, 1, 1)
	if b, err := w.Backlog(w.ctx); err != nil || !b.Items[store.ItemDistributing].Oldest.Equal(began) || !b.Deliveries[store.KindCopy].Oldest.Equal(began) {
		t.Errorf("%+v, %v; it began at %s", b, err, began)
	}

	// Held: one in clear, one encrypted by somebody, one encrypted by who knows whom.
	for i, d := range []store.Decided{
		{Encrypted: false}, {Encrypted: true, Author: addr("anna@example.org")}, {Encrypted: true, Notices: []store.Notice{notice}},
	} {
		d.Item, d.State = w.accept("y"), store.ItemHeld
		w.must(w.Decide(w.ctx, d))
		expect("held", map[store.ItemState]int{store.ItemDistributing: 1, store.ItemHeld: min(i+1, 2)}, 1, 1, 1)
	}
	w.must(w.Answers(w.ctx))
}
