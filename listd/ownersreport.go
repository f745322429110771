package listd

import (
	"context"
	"fmt"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/store"
)

// noticeDay is the time within which mails of one kind are counted.
const noticeDay = 24 * time.Hour

// reportToOwners writes to the owners of each list what needs them, if anything
// does.
func (s *Sealist) reportToOwners(ctx context.Context) (string, error) {
	lists, err := s.Store.Lists(ctx)
	if err != nil {
		return "", err
	}
	told := 0
	for _, l := range lists {
		n, err := s.reportList(ctx, l)
		if err != nil {
			return "", fmt.Errorf("%s: %w", l.Address, err)
		}
		told += n
	}
	if told == 0 {
		return "", nil
	}
	return fmt.Sprintf("told %d owners", told), nil
}

func (s *Sealist) reportList(ctx context.Context, l list.List) (int, error) {
	owners, err := s.Store.Members(ctx, l.ID, store.MemberFilter{Role: list.RoleOwner})
	if err != nil || len(owners) == 0 {
		return 0, err
	}
	lines, err := s.listTroubles(ctx, l)
	if err != nil || len(lines) == 0 {
		return 0, err
	}
	var notices []store.Notice
	for _, o := range owners {
		notices = append(notices, store.Notice{
			Template: notice.OwnersReport, List: l.ID, To: o.Address, Lines: lines,
			Sealed: l.Policy.DemandsEncryption(), // it names members (invariant 12)
			Key:    fmt.Sprintf("%s/%d/%s", notice.OwnersReport, l.ID, o.Address.Key()), Every: 20 * time.Hour,
		})
	}
	return s.Store.QueueNotices(ctx, notices)
}

// shownWithheld is how many members without a certificate are named.
const shownWithheld = 40

// listTroubles are what needs the owners, a line each. Of encrypted posts whose
// author is not authenticated they hear no more than that posts are held
// (invariant 3).
func (s *Sealist) listTroubles(ctx context.Context, l list.List) ([]string, error) {
	trouble, err := s.Store.Trouble(ctx, l.ID, s.o.Clock().Add(-noticeDay))
	if err != nil {
		return nil, err
	}
	var lines []string
	if trouble.Held > 0 {
		lines = append(lines, fmt.Sprintf("%s held and wait for a decision.", posts(trouble.Held)))
	}
	if trouble.Failed > 0 {
		lines = append(lines, fmt.Sprintf("%d copies came to nothing since yesterday: the members' mail servers refused them, or did not answer for too long.", trouble.Failed))
	}
	copies, err := s.Store.WithheldCopies(ctx, store.WithheldFilter{List: l.ID})
	if err != nil {
		return nil, err
	}
	type member struct {
		address list.Address
		reason  string
		waiting int
	}
	var members []*member
	place := map[string]*member{}
	for _, c := range copies {
		if s.o.Clock().Sub(c.Since) >= l.Policy.WithheldFor.Std() {
			continue
		}
		m := place[c.Address.Key()]
		if m == nil {
			m = &member{address: c.Address}
			place[c.Address.Key()] = m
			members = append(members, m)
		}
		m.reason, m.waiting = c.Reason, m.waiting+1
	}
	for i, m := range members {
		if i == shownWithheld {
			lines = append(lines, fmt.Sprintf("%d more members have no usable certificate.", len(members)-i))
			break
		}
		lines = append(lines, fmt.Sprintf("%s has no usable certificate (%s); %s waiting. It has to be published in the directory, or a signed message of his to the list brings it.",
			m.address, m.reason, posts(m.waiting)))
	}
	return lines, nil
}

func posts(n int) string {
	if n == 1 {
		return "1 post is"
	}
	return fmt.Sprintf("%d posts are", n)
}
