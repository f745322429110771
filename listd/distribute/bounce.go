package distribute

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sealist/sealist/listd/bounce"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/store"
)

// Reasons of an item that came to a return address.
const (
	reasonCounted      = "bounce"              // it counts against the member
	reasonComplaint    = "complaint"           // of his
	reasonNoFailure    = "no_failure"          // a report of a delay, or of success; a vacation notice
	reasonUnrecognised = "unrecognised_bounce" // nothing that is known
	reasonNoMember     = "no_member"           // he has left
)

// returnPath is the reverse-path of a member's copies: his return address, or
// LIST-owner where there is none.
func (d *Distributor) returnPath(l list.List, m store.Standing) string {
	if a := d.Returns.Address(bounce.Member{List: l.ID, Number: m.Number}, l.Address.Domain()); !a.IsZero() {
		return a.String()
	}
	return l.Owner().String()
}

// probePath is the reverse-path of service mail: the null one, as RFC 3834
// section 4 wants it. Only what is sent to somebody to see whether his mail still
// comes back leaves from where it would.
func (d *Distributor) probePath(ctx context.Context, l list.List, del store.Delivery) (string, error) {
	if del.Notice.Template != notice.BounceSuspended {
		return "", nil
	}
	held, err := d.Store.MemberOf(ctx, l.ID, []list.Address{del.Address})
	if err != nil {
		return "", fmt.Errorf("asking who is subscribed: %w", err)
	}
	standing := held[del.Address.Key()]
	m := slices.IndexFunc(standing, func(s store.Standing) bool { return s.Role == list.RoleMember })
	if m < 0 {
		return "", nil
	}
	return d.returnPath(l, standing[m]), nil
}

// bounce counts what came to a return address. Whatever it is, its octets go with
// the decision: what a stranger wrote is neither kept nor sent on, and nobody is
// answered.
func (d *Distributor) bounce(ctx context.Context, item store.Item, l list.List) error {
	decided := store.Decided{Item: item.ID, State: store.ItemDone, Purge: true}
	member, number, err := d.bouncer(ctx, item)
	switch {
	case errors.Is(err, store.ErrNotFound):
		decided.Reason = reasonNoMember
		return d.commit(ctx, item, decided)
	case err != nil:
		return err
	}
	octets, err := d.Store.Octets(ctx, item)
	if err != nil {
		return fmt.Errorf("reading the spool: %w", err)
	}
	report := bounce.Recognise(octets)
	fact := report.About(member.Address)
	switch {
	case report.Kind == bounce.None:
		decided.Reason = reasonUnrecognised
	case fact.Complaint:
		decided.Reason, decided.Member = reasonComplaint, number
		decided.Failure = &store.Failure{Kind: string(report.Kind), Text: fact.Text, Complaint: true}
	case fact.Counts:
		decided.Reason, decided.Member = reasonCounted, number
		decided.Failure = &store.Failure{Kind: string(report.Kind), Status: fact.Status, Points: fact.Status.Weight(), Text: fact.Text}
	default:
		decided.Reason = reasonNoFailure
	}
	if err := d.commit(ctx, item, decided); err != nil {
		return fmt.Errorf("writing what came back: %w", err)
	}
	d.log.Info("bounce", "spool_id", item.ID, "stage", "bounce", "list", l.Address, "rcpt", member.Address, "reason", decided.Reason, "kind", report.Kind, "status", fact.Status)
	return nil
}

// bouncer is the member whose return address an item came to. store.ErrNotFound
// if he has left.
func (d *Distributor) bouncer(ctx context.Context, item store.Item) (list.Member, int64, error) {
	m, ok := d.Returns.Member(item.ForwardPath)
	if !ok {
		return list.Member{}, 0, store.ErrNotFound
	}
	member, err := d.Store.MemberByNumber(ctx, m.Number)
	if err == nil && (member.List != item.List || member.Role != list.RoleMember) {
		err = store.ErrNotFound
	}
	return member, m.Number, err
}
