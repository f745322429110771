package distribute

import (
	"context"
	"testing"

	"github.com/sealist/sealist/listd/queue"
	"github.com/sealist/sealist/listd/store"
)

// TestPanicHarmsItsPost renders a batch in which one post panics: here because
// there is no store at all. The others in the batch have their own outcome
// (invariant 9).
func TestPanicHarmsItsPost(t *testing.T) {
	d := New(Parts{})
	batch := []store.Delivery{
		{ID: 1, Kind: store.KindCopy, Item: "poison"},
		{ID: 2, Kind: store.KindNotice},
		{ID: 3, Kind: store.KindCopy, Item: "poison"},
	}
	for range 2 { // the second time the post's slot has been through a panic
		out := d.Render(context.Background(), batch)
		for _, i := range []int{0, 2} {
			if r, ok := out[i].(queue.Delayed); !ok || r.Reason != errPanic.Error() {
				t.Errorf("delivery %d: %+v", i+1, out[i])
			}
		}
		if _, ok := out[1].(queue.Cancelled); !ok {
			t.Errorf("the notice: %+v", out[1])
		}
	}
}

// TestPostAfterPanic prepares a post again after a panic, and does not take
// nothing for a post.
func TestPostAfterPanic(t *testing.T) {
	ps := posts{budget: newBudget(0, nil)}
	ctx := t.Context()
	func() {
		defer func() { recover() }()
		ps.get(ctx, "x", true, func(func(int64) error) (*post, error) { panic("once") })
	}()
	want := &post{}
	if got, err := ps.get(ctx, "x", true, func(func(int64) error) (*post, error) { return want, nil }); got != want || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}
