package listd

import (
	"context"
	"fmt"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/store"
)

// heldFor is how long a post waits for a decision.
const heldFor = 30 * 24 * time.Hour

// expireHeld ends what nobody decided on: posts, and wishes to come or go. A post
// may be sent again.
func (s *Sealist) expireHeld(ctx context.Context) (string, error) {
	requests, err := s.Store.ExpireRequests(ctx)
	if err != nil {
		return "", err
	}
	items, err := s.Store.HeldBefore(ctx, s.o.Clock().Add(-heldFor))
	if err != nil {
		return "", err
	}
	for _, i := range items {
		err := s.Store.Decide(ctx, store.Decided{Item: i.ID, State: store.ItemRejected, Reason: "expired", Detail: i.Detail, Method: i.Method,
			Author: i.Author, MessageID: i.MessageID, Encrypted: i.Encrypted,
			Audit: &store.AuditEntry{Actor: "held_expire", Action: "moderation expire"}})
		if err != nil {
			return "", err
		}
	}
	if len(items)+requests == 0 {
		return "", nil
	}
	return fmt.Sprintf("ended %d posts and %d requests that nobody decided on", len(items), requests), nil
}

// remindEditors tells editors once a day of what has waited for them since
// yesterday: those who missed the mail about it, or got none because there were
// too many.
func (s *Sealist) remindEditors(ctx context.Context) (string, error) {
	items, err := s.Store.HeldBefore(ctx, s.o.Clock().Add(-noticeDay))
	if err != nil {
		return "", err
	}
	lines := map[list.ID][]string{}
	for _, i := range items {
		if i.Reason != "request_auth" {
			lines[i.List] = append(lines[i.List], i.ID+", received "+moment(i.Received))
		}
	}
	told := 0
	for id, waiting := range lines {
		n, err := s.remindEditorsOf(ctx, id, waiting)
		if err != nil {
			return "", err
		}
		told += n
	}
	if told == 0 {
		return "", nil
	}
	return fmt.Sprintf("reminded %d editors", told), nil
}

func (s *Sealist) remindEditorsOf(ctx context.Context, id list.ID, waiting []string) (int, error) {
	l, err := s.Store.ListByID(ctx, id)
	if err != nil {
		return 0, err
	}
	for _, role := range []list.Role{list.RoleEditor, list.RoleOwner} {
		members, err := s.Store.Members(ctx, id, store.MemberFilter{Role: role})
		if err != nil {
			return 0, err
		}
		var notices []store.Notice
		for _, m := range members {
			notices = append(notices, store.Notice{
				Template: notice.ModerationSummary, List: id, To: m.Address, Lines: waiting, Sealed: l.Policy.DemandsEncryption(),
				Params: map[string]string{"count": fmt.Sprint(len(waiting))},
				Key:    fmt.Sprintf("%s/%d/%s", notice.ModerationSummary, id, m.Address.Key()), Every: 20 * time.Hour,
			})
		}
		if len(notices) > 0 {
			return s.Store.QueueNotices(ctx, notices)
		}
	}
	return 0, nil
}
