package listd

import (
	"context"
	"fmt"
	"time"

	"github.com/sealist/sealist/listd/bounce"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/store"
)

// judgedAtOnce is how many members one look at the database takes.
const judgedAtOnce = 500

// processBouncers judges members whose mail came back, or who complained.
func (s *Sealist) processBouncers(ctx context.Context) (string, error) {
	counts := map[bounce.Step]int{}
	for {
		due, err := s.Store.BouncesDue(ctx, judgedAtOnce)
		if err != nil {
			return "", err
		}
		lists := map[list.ID][]store.Bounces{}
		for _, b := range due {
			lists[b.Member.List] = append(lists[b.Member.List], b)
		}
		settled := 0
		for id, of := range lists {
			done, err := s.judgeList(ctx, id, of)
			if err != nil {
				return "", err
			}
			settled += len(done)
			for _, j := range done {
				if j.Step != j.Of.Step {
					counts[j.Step]++
				}
			}
		}
		if len(due) < judgedAtOnce || settled == 0 {
			break
		}
	}
	if counts[bounce.Notified]+counts[bounce.Suspended]+counts[bounce.Removed] == 0 {
		return "", nil
	}
	return fmt.Sprintf("told owners of %d members, suspended %d, removed %d", counts[bounce.Notified], counts[bounce.Suspended], counts[bounce.Removed]), nil
}

// judgeList judges members of one list.
func (s *Sealist) judgeList(ctx context.Context, id list.ID, of []store.Bounces) ([]store.Judged, error) {
	l, err := s.Store.ListByID(ctx, id)
	if err != nil {
		return nil, err
	}
	owners, err := s.Store.Members(ctx, id, store.MemberFilter{Role: list.RoleOwner})
	if err != nil {
		return nil, err
	}
	now := s.o.Clock()
	judged := make([]store.Judged, len(of))
	for i, b := range of {
		v := bounce.Judge(l.Policy, bounce.Standing{
			Score: b.Score.At(b.Scored, now), Step: b.Step, Since: b.Since, Complaint: !b.Complaint.IsZero(), Suspended: b.Member.Suspended,
		}, now)
		judged[i] = store.Judged{Of: b, Step: v.Step, Due: v.Due}
		if v.Probe {
			judged[i].Said = []store.Notice{comeBack(l, b, v)}
		}
	}
	return s.Store.Judge(ctx, id, judged, func(done []store.Judged) []store.Notice { return tellOwners(l, owners, done, now) })
}

// comeBack tells a member how to get posts again. The first of these mails is
// always sent.
func comeBack(l list.List, b store.Bounces, v bounce.Verdict) store.Notice {
	why := "bounces"
	if !b.Complaint.IsZero() {
		why = "complaint"
	}
	n := store.Notice{Template: notice.BounceSuspended, List: l.ID, To: b.Member.Address, Params: map[string]string{"why": why, "request": l.Request().String()}}
	if v.Step == b.Step {
		n.Key, n.Every = fmt.Sprintf("%s/%d", notice.BounceSuspended, b.Number), bounce.ProbeEvery-12*time.Hour
	}
	return n
}

// tellOwners tells a list's owners what was done, in one mail. It holds nothing
// that a stranger wrote.
func tellOwners(l list.List, owners []list.Member, done []store.Judged, now time.Time) (notices []store.Notice) {
	var lines []string
	for _, j := range done {
		if line := deed(j, now); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	for _, o := range owners {
		notices = append(notices, store.Notice{
			Template: notice.BounceOwners, List: l.ID, To: o.Address, Lines: lines,
			Sealed: l.Policy.DemandsEncryption(), // it names members (invariant 12)
		})
	}
	return notices
}

// deed is one line of what was done about a member.
func deed(j store.Judged, now time.Time) string {
	if j.Step == j.Of.Step {
		return ""
	}
	did := map[bounce.Step]string{bounce.Notified: "mail to it comes back; nothing was done yet", bounce.Suspended: "was suspended", bounce.Removed: "was removed from the list"}[j.Step]
	if did == "" {
		return ""
	}
	if j.Step == bounce.Suspended && !j.Of.Complaint.IsZero() {
		return fmt.Sprintf("%s was suspended: a post was marked as unwanted there", j.Of.Member.Address)
	}
	status := j.Of.Status
	if status == "" {
		status = "unknown"
	}
	return fmt.Sprintf("%s %s (%.1f points, last on %s, status %s)", j.Of.Member.Address, did, j.Of.Score.At(j.Of.Scored, now).Float(), j.Of.Last.UTC().Format(time.DateOnly), status)
}
