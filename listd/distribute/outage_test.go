package distribute

import (
	"path/filepath"
	"testing"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/entity"
)

// TestUnreadableDatabaseIsNoRefusal asks a scenario about a member while the
// database cannot be read.
func TestUnreadableDatabaseIsNoRefusal(t *testing.T) {
	st, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "test.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	e, err := entity.Parse([]byte("From: alice@example.org\r\n\r\nx\r\n"), entity.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	d := New(Parts{Store: st})
	s := Submission{
		Item:    store.Item{ReversePath: "alice@example.org"},
		List:    list.List{Address: list.MustParseAddress("team@lists.example.org"), Send: scenario.PrivateSMIME},
		Message: smime.Open(e, smime.Options{}),
		Author:  smime.Authentication{Authenticated: true, Author: "alice@example.org"},
	}
	if v := d.authorize(t.Context(), s); v.outage() == nil {
		t.Errorf("an outage decided: %s (%s)", v.state, v.reason)
	}
	s.List.Send = "no_such_scenario"
	if v := d.authorize(t.Context(), s); v.outage() != nil || v.state != store.ItemRejected {
		t.Errorf("an unknown scenario: %s, %v", v.state, v.outage())
	}
}
