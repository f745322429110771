package distribute

import (
	"context"
	"fmt"
	"time"

	"github.com/sealist/sealist/listd/compose"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/entity"
)

// maxForwarded is how much mail to LIST-owner or -editor each of them gets in an
// hour.
const maxForwarded = 20

// forward passes mail to LIST-owner or LIST-editor on to these people. Bounces
// and automatic mail go no further. What came encrypted is passed on sealed, and
// only if its author is authenticated (invariants 1 and 11).
func (d *Distributor) forward(ctx context.Context, item store.Item, l list.List, outer *entity.Entity) error {
	decided := store.Decided{Item: item.ID, State: store.ItemDone, Reason: string(item.Kind) + mailSuffix, MessageID: oneLine(compose.MessageID(outer.Header()))}
	if bounced(item) || automatic(outer.Header()) || listMail(outer.Header()) || compose.FromList(l, outer.Header()) {
		return d.commit(ctx, item, decided)
	}
	s, err := d.open(ctx, item, l, outer)
	if err != nil {
		return err
	}
	decided.Encrypted = s.Message.Encrypted
	if (s.Message.Encrypted || !s.Readable()) && !s.Author.Authenticated {
		decided.State, decided.Reason = store.ItemRejected, s.refusedBecause()
		if n, ok := d.answerTo(ctx, s, verdict{answer: neutral}); ok {
			decided.Notices = append(decided.Notices, n)
		}
		return d.commit(ctx, item, decided)
	}
	to, err := d.addressees(ctx, l, item.Kind)
	if err != nil {
		return err
	}
	for _, a := range to {
		decided.Notices = append(decided.Notices, store.Notice{
			Template: notice.Forwarded, List: l.ID, To: a, Attach: true, Sealed: s.Message.Encrypted,
			Params: map[string]string{"to": item.ForwardPath.String()},
			Key:    fmt.Sprintf("%s/%d/%s", notice.Forwarded, l.ID, a.Key()), Every: time.Hour, Limit: maxForwarded,
		})
	}
	if err := d.commit(ctx, item, decided); err != nil {
		return err
	}
	d.Parts.Wake()
	return nil
}

// addressees are the people behind LIST-owner or LIST-editor, of a robot the
// listmasters.
func (d *Distributor) addressees(ctx context.Context, l list.List, k store.Kind) ([]list.Address, error) {
	if k == store.KindEditor {
		return d.deciders(ctx, l, "")
	}
	return d.deciders(ctx, l, "owner")
}
