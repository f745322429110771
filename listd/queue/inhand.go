package queue

import (
	"slices"
	"sync"

	"github.com/sealist/sealist/listd/store"
)

// inHand are the deliveries that this process has claimed and whose results are
// not committed yet. To the database their leases end by the clock; after a jump
// of the clock they are due again while a worker still has them, and a claim
// returns them a second time. They are left to the worker who has them.
type inHand struct {
	mu  sync.Mutex
	ids map[int64]struct{}
}

// take takes claimed deliveries into hand and returns those that were not.
func (h *inHand) take(claimed []store.Delivery) []store.Delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ids == nil {
		h.ids = map[int64]struct{}{}
	}
	return slices.DeleteFunc(claimed, func(d store.Delivery) bool {
		_, have := h.ids[d.ID]
		h.ids[d.ID] = struct{}{}
		return have
	})
}

// leave says that results are about to be committed.
func (h *inHand) leave(outcomes []store.Outcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range outcomes {
		delete(h.ids, o.Delivery)
	}
}

// keep says that they could not be.
func (h *inHand) keep(outcomes []store.Outcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range outcomes {
		h.ids[o.Delivery] = struct{}{}
	}
}
