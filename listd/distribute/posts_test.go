package distribute

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// shelf is posts with a budget for messages of 100 octets in all.
type shelf struct {
	t *testing.T
	posts
	used, most int64
	opened     map[string]int
}

func newShelf(t *testing.T) *shelf {
	s := &shelf{t: t, opened: map[string]int{}}
	s.posts.budget = newBudget(100*timesItsSize, func(used int64) { s.used, s.most = used, max(s.most, used) })
	return s
}

// want gets a post of so many octets for as long as ctx lasts.
func (s *shelf) want(ctx context.Context, item string, size int64, wait bool) error {
	_, err := s.get(ctx, item, wait, func(take func(int64) error) (*post, error) {
		if err := take(size); err != nil {
			return nil, err
		}
		s.opened[item]++
		return &post{}, nil
	})
	return err
}

// A post waits until there is memory for it, one that is larger than all of it
// goes through alone, and what nobody holds makes room.
func TestPostsWaitForMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		batch := func() (context.Context, func()) {
			ctx, end := context.WithCancel(t.Context())
			return ctx, func() { end(); synctest.Wait() }
		}
		one, endOne := batch()
		if err := s.want(one, "a", 60, true); err != nil {
			t.Fatal(err)
		}
		two, endTwo := batch()
		got := make(chan error, 1)
		go func() { got <- s.want(two, "huge", 1000, true) }()
		synctest.Wait()
		if len(got) != 0 || s.opened["huge"] != 0 {
			t.Fatal("a post that does not fit was opened beside another")
		}
		if err := s.want(one, "b", 60, false); !errors.Is(err, errNoMemory) {
			t.Errorf("who holds a post waits for another: %v", err)
		}
		if err := s.want(one, "huge", 1000, false); !errors.Is(err, errNoMemory) {
			t.Errorf("who holds a post waits for one that waits: %v", err)
		}
		endOne()
		if err := <-got; err != nil {
			t.Fatal(err)
		}
		if s.used != 100*timesItsSize {
			t.Errorf("%d in use while one is alone", s.used)
		}
		endTwo()
		// It is kept, for its next batch, until somebody needs the memory.
		three, endThree := batch()
		if err := s.want(three, "huge", 1000, true); err != nil || s.opened["huge"] != 1 {
			t.Errorf("%v, opened %d times", err, s.opened["huge"])
		}
		endThree()
		four, endFour := batch()
		if err := errors.Join(s.want(four, "c", 50, false), s.want(four, "d", 50, false)); err != nil {
			t.Errorf("what nobody holds makes no room: %v", err)
		}
		endFour()
		s.dropIdle()
		if s.used != 0 || s.most > 100*timesItsSize {
			t.Errorf("%d in use at the end, %d at most", s.used, s.most)
		}
	})
}

// Who waits for memory in vain puts its copies back; nothing is lost of the budget.
func TestPostsWaitInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		holder, end := context.WithCancel(t.Context())
		if err := s.want(holder, "a", 100, true); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := s.want(t.Context(), "b", 1, true); !errors.Is(err, errNoMemory) || time.Since(began) != memoryWait {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		if r := delayed(errNoMemory); r.Soon != memoryRetry {
			t.Errorf("%+v", r)
		}
		// A post that is dropped is in memory as long as somebody holds it.
		s.dropItem("a")
		if s.used == 0 {
			t.Error("given back while it is held")
		}
		end()
		synctest.Wait()
		if s.used != 0 || len(s.slots) != 0 {
			t.Errorf("%d in use, %d slots", s.used, len(s.slots))
		}
	})
}

// However many want one post, it is opened once.
func TestPostsOpenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t)
		holder, end := context.WithCancel(t.Context())
		if err := s.want(holder, "full", 100, true); err != nil {
			t.Fatal(err)
		}
		got := make(chan error, 8)
		for range cap(got) {
			go func() { got <- s.want(t.Context(), "a", 10, true) }()
		}
		synctest.Wait()
		end()
		for range cap(got) {
			if err := <-got; err != nil {
				t.Error(err)
			}
		}
		if s.opened["a"] != 1 || s.used != 10*timesItsSize {
			t.Errorf("opened %d times, %d in use", s.opened["a"], s.used)
		}
	})
}
