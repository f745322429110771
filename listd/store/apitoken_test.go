package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

func TestAPIToken(t *testing.T) {
	w := newWorld(t)
	now := w.clock.now()
	alice, bob := list.MustParseAddress("alice@example.org"), list.MustParseAddress("bob@example.org")
	one := store.APIToken{ID: "1", Hash: "h", Address: alice, Scopes: []string{"read", "write"}, Label: "sync", Created: now, Expires: now.Add(time.Hour)}
	w.must(w.PutAPIToken(w.ctx, one))
	w.must(w.PutAPIToken(w.ctx, store.APIToken{ID: "2", Hash: "i", Address: bob, Created: now, Expires: now.Add(2 * time.Hour)}))
	if err := w.PutAPIToken(w.ctx, one); !errors.Is(err, store.ErrExists) {
		t.Errorf("twice: %v", err)
	}
	got, err := w.APIToken(w.ctx, "1")
	if err != nil || got.Hash != "h" || got.Address != alice || len(got.Scopes) != 2 || got.Label != "sync" || !got.Used.IsZero() || !got.Expires.Equal(one.Expires) {
		t.Errorf("%+v, %v", got, err)
	}
	w.must(w.UseAPIToken(w.ctx, got))
	first, err := w.APIToken(w.ctx, "1")
	w.must(err)
	w.clock.add(59 * time.Second)
	w.must(w.UseAPIToken(w.ctx, first))
	if again, err := w.APIToken(w.ctx, "1"); err != nil || first.Used.IsZero() || !again.Used.Equal(first.Used) {
		t.Errorf("%s, then %s, %v", first.Used, again.Used, err)
	}
	if all, err := w.APITokens(w.ctx, list.Address{}); err != nil || len(all) != 2 {
		t.Errorf("%+v, %v", all, err)
	}
	if his, err := w.APITokens(w.ctx, bob); err != nil || len(his) != 1 || his[0].ID != "2" {
		t.Errorf("%+v, %v", his, err)
	}
	w.clock.add(time.Hour)
	if _, err := w.APIToken(w.ctx, "1"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a token that is over: %v", err)
	}
	w.must(w.DropAPIToken(w.ctx, "2"))
	if err := w.DropAPIToken(w.ctx, "2"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("dropped twice: %v", err)
	}
}
