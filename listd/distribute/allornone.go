package distribute

import (
	"context"
	"fmt"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// allOrNone asks, for a list that sends to all of its members or to none, for
// everybody's certificate before the first copy. The verdict becomes a refusal
// if somebody has none; an error means that it cannot be said now: an outage is
// not an absence (invariant 2).
func (d *Distributor) allOrNone(ctx context.Context, s Submission, v verdict) (verdict, error) {
	if s.List.Policy.MissingCertificate != list.MissingRefuseAll || v.state != store.ItemDistributing {
		return v, nil
	}
	t := Trial{Sealed: s.Message.Encrypted || s.List.Policy.Encryption == list.EncryptAlways}
	if err := d.tryMembers(ctx, s.List, v.sender, &t); err != nil {
		return v, err
	}
	missing := 0
	for _, u := range t.Unreached {
		if u.Delayed {
			return v, fmt.Errorf("asking for everybody's certificate, as missing_certificate wants it: %s", u.Reason)
		}
		missing++
	}
	if missing == 0 {
		return v, nil
	}
	v.state, v.reason, v.answer = store.ItemRejected, reasonNotAll, notAll
	if s.Message.Encrypted && !s.Author.Authenticated {
		v.answer = neutral
	}
	v.undone = append(v.undone, fmt.Sprintf("distribution: %d of %d members have no usable certificate", missing, t.Members))
	return v, nil
}
