package queue

import (
	"maps"
	"slices"
	"sync"

	"github.com/sealist/sealist/listd/store"
)

// inHand are the deliveries that this process has claimed and whose results are
// not committed yet. To the database their leases end by the clock; after a jump
// of the clock they are due again while a worker still has them, and a claim
// returns them a second time. They are left to the worker who has them.
type inHand struct {
	mu      sync.Mutex
	held    map[int64]subject
	leaving []store.Outcome // whose commit is on its way: no lease of theirs is stray
}

// subject is what the log calls a delivery.
type subject struct {
	item, rcpt string
	kind       store.DeliveryKind
}

// take takes claimed deliveries into hand and returns those that were not.
func (h *inHand) take(claimed []store.Delivery) []store.Delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held == nil {
		h.held = map[int64]subject{}
	}
	return slices.DeleteFunc(claimed, func(d store.Delivery) bool {
		_, have := h.held[d.ID]
		h.held[d.ID] = subject{d.Item, d.Address.String(), d.Kind}
		return have
	})
}

// all are the deliveries in hand, and those whose results are being committed.
func (h *inHand) all() []int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := slices.Collect(maps.Keys(h.held))
	for _, o := range h.leaving {
		all = append(all, o.Delivery)
	}
	return all
}

// leave says that results are about to be committed, and returns what they are
// about.
func (h *inHand) leave(outcomes []store.Outcome) []subject {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaving = outcomes
	left := make([]subject, len(outcomes))
	for i, o := range outcomes {
		left[i] = h.held[o.Delivery]
		delete(h.held, o.Delivery)
	}
	return left
}

// left says that they were.
func (h *inHand) left() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaving = nil
}

// keep says that they could not be.
func (h *inHand) keep(outcomes []store.Outcome, left []subject) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaving = nil
	for i, o := range outcomes {
		h.held[o.Delivery] = left[i]
	}
}
