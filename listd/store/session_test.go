package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

func TestSession(t *testing.T) {
	w := newWorld(t)
	now := w.clock.now()
	alice, other := list.MustParseAddress("alice@example.org"), list.MustParseAddress("a.liddell@example.org")
	one := store.Session{ID: "1", Address: alice, Known: []list.Address{other}, Method: "smime", Certificate: []byte{1}, Created: now, Expires: now.Add(time.Hour)}
	two := store.Session{ID: "2", Address: alice, Method: "md5", Clear: true, Created: now, Expires: now.Add(2 * time.Hour)}
	w.must(w.PutSession(w.ctx, one))
	w.must(w.PutSession(w.ctx, two))
	if got, err := w.Session(w.ctx, "1"); err != nil || got.Address != alice || len(got.Known) != 1 || got.Known[0] != other || got.Clear || len(got.Certificate) != 1 || !got.Expires.Equal(one.Expires) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := w.Session(w.ctx, "2"); err != nil || !got.Clear || got.Method != "md5" || len(got.Certificate) != 0 || got.Known != nil {
		t.Errorf("%+v, %v", got, err)
	}
	w.clock.add(time.Hour)
	if _, err := w.Session(w.ctx, "1"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a session that is over: %v", err)
	}
	if n, err := w.ExpireSessions(w.ctx); err != nil || n != 1 {
		t.Error(n, err)
	}
	if n, err := w.DropSessions(w.ctx, alice); err != nil || n != 1 {
		t.Error(n, err)
	}
	if _, err := w.Session(w.ctx, "2"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a session that was ended: %v", err)
	}
}

// Whoever loses a membership or a role is logged in nowhere any more.
func TestRemovalEndsSessions(t *testing.T) {
	w := newWorld(t)
	now := w.clock.now()
	alice := list.MustParseAddress("alice@example.org")
	id, err := w.CreateList(w.ctx, list.List{Address: list.MustParseAddress("board@lists.example.org"), Send: "public"})
	w.must(err)
	for _, role := range []list.Role{list.RoleMember, list.RoleOwner} {
		_, err = w.AddMembers(w.ctx, id, []list.Member{{Address: alice, Role: role}})
		w.must(err)
		w.must(w.PutSession(w.ctx, store.Session{ID: "x", Address: alice, Method: "md5", Created: now, Expires: now.Add(time.Hour)}))
		_, err = w.RemoveMembers(w.ctx, id, role, []list.Address{alice})
		w.must(err)
		if _, err := w.Session(w.ctx, "x"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", role, err)
		}
	}
}
