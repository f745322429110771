package listd

import (
	"context"
	"fmt"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/resolver"
)

// How copies that wait for a certificate are tried again.
const (
	withheldEvery = 15 * time.Minute // where nothing has changed that is known here: a directory may have
	withheldPage  = 1000             // copies looked at in one go
	withheldPages = 20               // in one run
)

// retryWithheld queues the copies of members who have a usable certificate by
// now, oldest first. It looks when something was learnt about certificates, and
// every quarter of an hour; what directories answered is kept as ever.
func (s *Sealist) retryWithheld(ctx context.Context) (string, error) {
	changes, err := s.Store.Changes(ctx)
	if err != nil {
		return "", err
	}
	now := s.o.Clock()
	if changes.Certificates == s.withheld.changes && now.Sub(s.withheld.at) < withheldEvery {
		return "", nil
	}
	lists, err := s.listsByID(ctx)
	if err != nil {
		return "", err
	}
	queued := 0
	filter := store.WithheldFilter{Limit: withheldPage}
	for range withheldPages {
		page, err := s.Store.WithheldCopies(ctx, filter)
		if err != nil {
			return "", err
		}
		n, err := s.requeueReachable(ctx, page, lists, now)
		queued += n
		if err != nil {
			return "", err
		}
		if len(page) < withheldPage {
			break
		}
		filter.After = page[len(page)-1].ID
	}
	s.withheld = withheldRun{changes.Certificates, now}
	if queued == 0 {
		return "", nil
	}
	return fmt.Sprintf("queued %d copies that were withheld", queued), nil
}

// withheldRun is when copies were looked at last, and at what state of what is
// known about certificates.
type withheldRun struct {
	changes int64
	at      time.Time
}

func (s *Sealist) listsByID(ctx context.Context) (map[list.ID]list.List, error) {
	all, err := s.Store.Lists(ctx)
	lists := make(map[list.ID]list.List, len(all))
	for _, l := range all {
		lists[l.ID] = l
	}
	return lists, err
}

// requeueReachable queues those copies of a page whose members can be reached
// and whose time is not over.
func (s *Sealist) requeueReachable(ctx context.Context, page []store.WithheldCopy, lists map[list.ID]list.List, now time.Time) (int, error) {
	waiting := map[bool][]store.WithheldCopy{} // by whether the list takes expired certificates
	for _, c := range page {
		l := lists[c.List]
		if now.Sub(c.Since) < l.Policy.WithheldFor.Std() {
			waiting[l.AllowExpired] = append(waiting[l.AllowExpired], c)
		}
	}
	var reachable []store.WithheldCopy
	for expired, copies := range waiting {
		var addresses []string
		place := map[string]int{}
		for _, c := range copies {
			if _, ok := place[c.Address.Key()]; !ok {
				place[c.Address.Key()] = len(addresses)
				addresses = append(addresses, c.Address.String())
			}
		}
		results := s.Resolver.Resolve(ctx, addresses, resolver.Allowances{Expired: expired})
		for _, c := range copies {
			if r := results[place[c.Address.Key()]]; r.Err == nil && len(r.Certificates) > 0 {
				reachable = append(reachable, c)
			}
		}
	}
	if len(reachable) == 0 {
		return 0, nil
	}
	return s.Store.RequeueWithheld(ctx, reachable)
}

// withheldUntil is before when the octets of posts are no longer kept for
// copies that wait.
func (s *Sealist) withheldUntil(ctx context.Context) (time.Time, error) {
	lists, err := s.Store.Lists(ctx)
	var longest time.Duration
	for _, l := range lists {
		longest = max(longest, l.Policy.WithheldFor.Std())
	}
	return s.o.Clock().Add(-longest), err
}
