package queue

import (
	"slices"
	"testing"

	"github.com/sealist/sealist/listd/store"
)

// A delivery whose result is being committed is no stray lease: given back, it
// would be claimed and sent a second time.
func TestWhatIsBeingCommittedIsNoStray(t *testing.T) {
	var h inHand
	h.take([]store.Delivery{{ID: 1}, {ID: 2}})
	batch := []store.Outcome{{Delivery: 1, State: store.DeliveryRelayed}}
	left := h.leave(batch)
	if all := h.all(); !slices.Contains(all, 1) || !slices.Contains(all, 2) {
		t.Errorf("during the commit: %v", all)
	}
	h.keep(batch, left)
	if all := h.all(); len(all) != 2 {
		t.Errorf("after one that failed: %v", all)
	}
	h.leave(batch)
	h.left()
	if all := h.all(); len(all) != 1 || all[0] != 2 {
		t.Errorf("after it: %v", all)
	}
}
