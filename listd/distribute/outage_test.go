package distribute

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/entity"
)

// failing are facts that cannot be had.
type failing struct{ err error }

func (f failing) HasRole(context.Context, list.Address, list.Address, list.Role) (bool, error) {
	return false, f.err
}
func (f failing) Count(context.Context, list.Address, list.Role) (int, error) { return 0, f.err }
func (f failing) IsListmaster(context.Context, list.Address) (bool, error)    { return false, nil }
func (f failing) Search(context.Context, scenario.Query) (bool, error)        { return false, nil }

// TestUnreadableDatabaseIsNoRefusal asks a scenario about a member while the
// database cannot be read. That asking again will not mend is a refusal.
func TestUnreadableDatabaseIsNoRefusal(t *testing.T) {
	e, err := entity.Parse([]byte("From: alice@example.org\r\n\r\nx\r\n"), entity.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	s := Submission{
		Item:    store.Item{ReversePath: "alice@example.org"},
		List:    list.List{Address: list.MustParseAddress("team@lists.example.org"), Send: "private_smime"},
		Message: smime.Open(e, smime.Options{}),
		Author:  smime.Authentication{Authenticated: true, Author: "alice@example.org"},
	}
	d := New(Parts{Scenarios: scenario.NewLibrary(""), Facts: failing{errors.New("database gone")}})
	if v := d.authorize(t.Context(), s, memory{}); v.outage() == nil {
		t.Errorf("an outage decided: %s (%s)", v.state, v.reason)
	}
	d.Facts = failing{fmt.Errorf("no such list: %w", scenario.ErrPermanent)}
	if v := d.authorize(t.Context(), s, memory{}); v.outage() != nil || v.state != store.ItemRejected || v.reason != "scenario_error" {
		t.Errorf("a permanent error: %s (%s), %v", v.state, v.reason, v.outage())
	}
	s.List.Send = "no_such_scenario"
	if v := d.authorize(t.Context(), s, memory{}); v.outage() != nil || v.state != store.ItemRejected {
		t.Errorf("an unknown scenario: %s, %v", v.state, v.outage())
	}
}
