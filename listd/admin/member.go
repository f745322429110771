package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/bounce"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// MemberShown is one address on a list, in all its roles.
type MemberShown struct {
	List    list.Address   `json:"list"`
	Address list.Address   `json:"address"`
	Roles   []list.Member  `json:"roles"`
	Bounces *MemberBounces `json:"bounces,omitempty"` // nil: nothing came back
}

// MemberBounces are what came back from a member.
type MemberBounces struct {
	Score float64 `json:"score"` // points, now
	store.Bounces
}

// Member shows one address on a list. It is refused if that is nobody there.
func (a *Admin) Member(ctx context.Context, listText, addressText string) (MemberShown, error) {
	l, err := a.list(ctx, listText)
	if err != nil {
		return MemberShown{}, err
	}
	address, err := list.ParseAddress(addressText)
	if err != nil {
		return MemberShown{}, &Error{Kind: Usage, What: err.Error(), Err: err}
	}
	shown := MemberShown{List: l.Address, Address: address}
	if shown.Roles, err = a.Store.MemberRoles(ctx, l.ID, address); err != nil {
		return MemberShown{}, Explain(err)
	}
	if len(shown.Roles) == 0 {
		return MemberShown{}, refused("`listmaster member ls "+l.Address.String()+"` shows who is", "%s is nobody on %s", address, l.Address)
	}
	b, err := a.Store.MemberBounces(ctx, l.ID, address)
	switch {
	case err == nil:
		shown.Bounces = &MemberBounces{Score: float64(b.Score.At(b.Scored, a.Clock())) / float64(bounce.Point), Bounces: b}
	case !errors.Is(err, store.ErrNotFound):
		return MemberShown{}, Explain(err)
	}
	return shown, nil
}

// Write shows it to people.
func (m MemberShown) Write(out io.Writer) error {
	var b strings.Builder
	for _, r := range m.Roles {
		fmt.Fprintf(&b, "%s is %s of %s since %s", m.Address, r.Role, m.List, r.Added.UTC().Format(time.DateOnly))
		if r.Name != "" {
			fmt.Fprintf(&b, ", called %s", r.Name)
		}
		if r.Included {
			b.WriteString(", included")
		}
		b.WriteString("\n")
		if r.Role == list.RoleMember {
			fmt.Fprintf(&b, "receives:    %s\n", m.receives(r))
		}
	}
	if c := m.Bounces; c != nil {
		fmt.Fprintf(&b, "score:       %.1f\n", c.Score)
		if !c.Complaint.IsZero() {
			fmt.Fprintf(&b, "complaint:   %s\n", c.Complaint.UTC().Format(time.RFC3339))
		}
		if c.Step != bounce.Watched {
			fmt.Fprintf(&b, "%-12s %s\n", string(c.Step)+":", c.Since.UTC().Format(time.RFC3339))
		}
		fmt.Fprintf(&b, "last bounce: %s, %s", c.Last.UTC().Format(time.RFC3339), c.Kind)
		if c.Status != "" {
			fmt.Fprintf(&b, ", status %s", c.Status)
		}
		fmt.Fprintf(&b, "\n             %s\n", c.Text)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (m MemberShown) receives(r list.Member) string {
	switch {
	case r.Suspended && m.Bounces != nil && m.Bounces.Step == bounce.Suspended && !m.Bounces.Complaint.IsZero():
		return "nothing, suspended by a complaint"
	case r.Suspended && m.Bounces != nil && m.Bounces.Step == bounce.Suspended:
		return "nothing, suspended by bounces"
	case r.Suspended:
		return "nothing, suspended"
	}
	return r.Reception.String()
}
