package store_test

import (
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// halfWay is a post of which two of four members have their copies when it is
// quarantined, and one copy has left.
func (w *world) halfWay(also func(id string)) (id string, left store.Delivery) {
	w.t.Helper()
	id = w.accept("x")
	w.must(w.Decide(w.ctx, store.Decided{Item: id, State: store.ItemDistributing}))
	_, done, err := w.Expand(w.ctx, id, 2)
	if w.must(err); done {
		w.t.Fatal("it was expanded at once")
	}
	now := w.clock.now()
	claimed, err := w.ClaimDeliveries(w.ctx, "a", now, now.Add(time.Minute), 1)
	w.must(err)
	w.must(w.Complete(w.ctx, outcomes(claimed, store.DeliveryRelayed)))
	if also != nil {
		also(id)
	}
	w.must(w.Decide(w.ctx, store.Decided{Item: id, State: store.ItemQuarantined, Reason: "poison"}))
	if len(claimed) == 1 {
		left = claimed[0]
	}
	return id, left
}

// digests sets some members' reception.
func (w *world) digests(members ...list.Address) {
	w.t.Helper()
	for _, a := range members {
		w.must(w.Exec(w.ctx, `UPDATE member SET reception = 'digest' WHERE address = '`+a.String()+`'`))
	}
}

// A post that was quarantined half-way and is let go reaches everybody, and
// nobody twice.
func TestReleasedFromQuarantineReachesEverybody(t *testing.T) {
	w := newWorld(t)
	w.members(4)
	id, left := w.halfWay(nil)
	w.must(w.Decide(w.ctx, store.Decided{Item: id, State: store.ItemAccepted}))
	w.must(w.Decide(w.ctx, store.Decided{Item: id, State: store.ItemDistributing}))
	_, _, err := w.Expand(w.ctx, id, 100)
	w.must(err)
	now := w.clock.now()
	claimed, err := w.ClaimDeliveries(w.ctx, "b", now, now.Add(time.Minute), 100)
	w.must(err)
	for _, d := range claimed {
		if d.Address == left.Address {
			t.Errorf("%s gets a second copy", d.Address)
		}
	}
	if len(claimed) != 3 {
		t.Errorf("%d members get it, not the other three", len(claimed))
	}
	w.must(w.Complete(w.ctx, outcomes(claimed, store.DeliveryRelayed)))
	if i := w.item(id); i.State != store.ItemDone || i.Unfinished != 0 || i.Copies != 4 {
		t.Errorf("%+v", i)
	}
}

// What is quarantined is in no digest.
func TestQuarantinedIsInNoDigest(t *testing.T) {
	w := newWorld(t)
	w.digests(w.members(4)...)
	id, _ := w.halfWay(nil)
	n, err := w.Gather(w.ctx, w.item(id).List, 10)
	w.must(err)
	now := w.clock.now()
	claimed, err := w.ClaimDeliveries(w.ctx, "b", now, now.Add(time.Minute), 100)
	w.must(err)
	if n != 0 || len(claimed) != 0 {
		t.Errorf("%d digests with a post in quarantine, %d copies leave", n, len(claimed))
	}
	w.must(w.Complete(w.ctx, outcomes(claimed, store.DeliveryRelayed)))
	if i := w.item(id); i.Unfinished != 0 {
		t.Errorf("%d unfinished", i.Unfinished)
	}
}

// A digest that was gathered before one of its posts was quarantined leaves
// without that post, and the others in it have their end.
func TestQuarantineWithinADigest(t *testing.T) {
	for _, first := range []bool{true, false} { // whether it is the post that the digest's row belongs to
		w := newWorld(t)
		w.digests(w.members(4)...)
		whole := func() string {
			id := w.accept("y")
			w.distribute(id)
			return id
		}
		var other, id string
		if !first {
			other = whole()
		}
		id, _ = w.halfWay(func(id string) {
			if first {
				other = whole()
			}
			_, err := w.Gather(w.ctx, w.item(id).List, 10)
			w.must(err)
		})
		now := w.clock.now()
		claimed, err := w.ClaimDeliveries(w.ctx, "b", now, now.Add(time.Minute), 100)
		w.must(err)
		for _, d := range claimed {
			items, err := w.DigestItems(w.ctx, d.ID)
			if w.must(err); len(items) != 1 || items[0].ID != other {
				t.Errorf("first %v: a digest of %v", first, items)
			}
		}
		w.must(w.Complete(w.ctx, outcomes(claimed, store.DeliveryRelayed)))
		if i := w.item(other); i.State != store.ItemDone || i.Unfinished != 0 {
			t.Errorf("first %v: the other post: %s, %d unfinished", first, i.State, i.Unfinished)
		}
		if i := w.item(id); i.State != store.ItemQuarantined || i.Unfinished != 0 {
			t.Errorf("first %v: the quarantined one: %s, %d unfinished", first, i.State, i.Unfinished)
		}
	}
}

// A post whose expansion was put off is tried again by hand like any other.
func TestRetryNowOfAPostThatIsBeingExpanded(t *testing.T) {
	w := newWorld(t)
	w.members(3)
	id := w.accept("x")
	w.must(w.Decide(w.ctx, store.Decided{Item: id, State: store.ItemDistributing}))
	w.must(w.Postpone(w.ctx, id, "database away", w.clock.now().Add(time.Hour)))
	if _, posts, err := w.RetryNow(w.ctx, store.RetryFilter{Item: id}); posts != 1 || err != nil {
		t.Errorf("%d posts, %v", posts, err)
	}
	if i := w.item(id); i.NextAt.After(w.clock.now()) {
		t.Errorf("due %s", i.NextAt)
	}
}
