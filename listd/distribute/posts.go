package distribute

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// errPanic is what a panic becomes: the fault is the program's and nothing of
// its value, which may quote content, is told.
var errPanic = errors.New("internal error")

// maxPosts is how many opened posts are kept.
const maxPosts = 64

// posts keeps the posts that are being distributed, within a budget of memory.
// One post is prepared once, however many workers ask for it.
type posts struct {
	budget *budget
	mu     sync.Mutex
	slots  []*slot // least recently used first
}

// slot is one post, or one on its way.
type slot struct {
	item  string
	ready chan struct{} // closed once post or err is there
	post  *post
	err   error

	users int    // batches that hold it
	gone  bool   // no longer among the slots
	give  func() // gives its memory back, when it is gone and nobody holds it; nil: it has none
}

// get returns a post, which is the caller's until ctx ends, preparing it if need
// be. Only who holds no other post may wait for memory. An error is not kept.
func (ps *posts) get(ctx context.Context, item string, wait bool, prepare func(take func(size int64) error) (*post, error)) (*post, error) {
	s, mine := ps.hold(item)
	switch {
	case mine:
		ps.prepare(ctx, s, wait, prepare)
	case !wait && !s.isReady(): // it may be waiting for what the caller holds
		ps.release(s)
		return nil, errNoMemory
	}
	select {
	case <-s.ready:
	case <-ctx.Done():
		ps.release(s)
		return nil, ctx.Err()
	}
	if s.err != nil {
		ps.drop(s)
		ps.release(s)
		return nil, s.err
	}
	context.AfterFunc(ctx, func() { ps.release(s) })
	return s.post, nil
}

func (s *slot) isReady() bool {
	select {
	case <-s.ready:
		return true
	default:
		return false
	}
}

// prepare fills a slot. Whoever waits for it is told of a panic, too.
func (ps *posts) prepare(ctx context.Context, s *slot, wait bool, prepare func(take func(int64) error) (*post, error)) {
	p, err := (*post)(nil), errPanic
	defer func() {
		ps.mu.Lock()
		s.post, s.err = p, err
		ps.mu.Unlock()
		close(s.ready)
		if errors.Is(err, errPanic) {
			ps.drop(s)
			ps.release(s)
		}
	}()
	p, err = prepare(func(size int64) error {
		patience := memoryWait
		if !wait {
			patience = 0
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		give, err := ps.budget.take(ctx, size, ps.dropIdle)
		if err != nil {
			return errNoMemory
		}
		ps.mu.Lock()
		defer ps.mu.Unlock()
		s.give = give
		return nil
	})
}

// hold finds or adds the slot of an item, makes it the most recently used, and
// counts the caller among those who hold it. mine: the caller has to fill it.
func (ps *posts) hold(item string) (s *slot, mine bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if i := slices.IndexFunc(ps.slots, func(s *slot) bool { return s.item == item }); i >= 0 {
		s = ps.slots[i]
		ps.slots = slices.Delete(ps.slots, i, i+1)
	} else {
		s, mine = &slot{item: item, ready: make(chan struct{})}, true
	}
	ps.slots = append(ps.slots, s)
	s.users++
	for len(ps.slots) > maxPosts {
		ps.remove(ps.slots[0])
	}
	return s, mine
}

// release says that one of those who held a slot no longer does.
func (ps *posts) release(s *slot) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	s.users--
	if s.users == 0 && ps.budget.short() {
		ps.remove(s)
	} else {
		ps.giveBack(s)
	}
}

// drop forgets a slot; who holds it keeps the post.
func (ps *posts) drop(s *slot) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.remove(s)
}

// dropItem forgets the post of an item.
func (ps *posts) dropItem(item string) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if i := slices.IndexFunc(ps.slots, func(s *slot) bool { return s.item == item }); i >= 0 {
		ps.remove(ps.slots[i])
	}
}

// dropIdle forgets every post that nobody holds.
func (ps *posts) dropIdle() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for _, s := range slices.Clone(ps.slots) {
		if s.users == 0 {
			ps.remove(s)
		}
	}
}

// remove wants the lock.
func (ps *posts) remove(s *slot) {
	ps.slots = slices.DeleteFunc(ps.slots, func(other *slot) bool { return other == s })
	s.gone = true
	ps.giveBack(s)
}

// giveBack wants the lock.
func (ps *posts) giveBack(s *slot) {
	if s.users == 0 && s.gone && s.give != nil {
		s.give()
		s.give = nil
	}
}
