package listd_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/listd/token"
)

// Removing somebody ends the links to log in that were sent to him before
// (invariant 12), and nobody else's.
func TestRemovingSomebodyEndsHisLinks(t *testing.T) {
	w := newWorld(t).pages()
	keys := map[string]string{}
	for _, who := range []string{"alice@example.org", "bob@example.org"} {
		key, err := w.sealist.Tokens.Make(t.Context(), token.Login, token.Claim{Sender: list.MustParseAddress(who), Operation: "sealed"}, 1e12)
		w.must(err)
		keys[who] = key
	}
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(wallList))
	w.must(err)
	_, err = w.sealist.Store.RemoveMembers(t.Context(), l.ID, list.RoleMember, []list.Address{list.MustParseAddress("alice@example.org")})
	w.must(err)
	for who, status := range map[string]int{"alice@example.org": http.StatusUnprocessableEntity, "bob@example.org": http.StatusSeeOther} {
		if p := w.browser(nil).post("/login/link/"+keys[who], url.Values{}); p.status != status {
			t.Errorf("%s: %d, want %d", who, p.status, status)
		}
	}
}

// Who loses a role because the list goes is removed from it, too.
func TestRemovingAListEndsTokens(t *testing.T) {
	w := withAPI(t)
	dora, root := w.token("dora"), w.token("root")
	l, err := w.sealist.Store.List(t.Context(), list.MustParseAddress(wallList))
	w.must(err)
	w.wants("before", w.ask(dora, "GET", "/me", nil), http.StatusOK)
	w.must(w.sealist.Store.RemoveList(t.Context(), l.ID, store.AuditEntry{Action: "list rm"}))
	w.wants("her list is gone", w.ask(dora, "GET", "/me", nil), http.StatusUnauthorized)
	w.wants("somebody on no list", w.ask(root, "GET", "/me", nil), http.StatusOK)
}
