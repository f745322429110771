package store

import (
	"context"
	"fmt"
	"time"

	"github.com/sealist/sealist/listd/bounce"
	"github.com/sealist/sealist/listd/list"
)

// FailureSMTP is the kind of a Failure that the next hop told in its reply; the
// others are those of reports (bounce.Kind).
const FailureSMTP = "smtp"

// Failure is one failure that counts against a member, or a complaint of his.
type Failure struct {
	Kind      string // FailureSMTP, or a bounce.Kind
	Status    bounce.Status
	Points    bounce.Points // 0 of a complaint
	Text      string        // why, at most bounce.MaxText octets
	Complaint bool
}

// Bounces are what came back from one member, as it counts.
type Bounces struct {
	Member list.Member `json:"-"`
	Number int64       `json:"-"`

	Score     bounce.Points `json:"-"` // as of Scored
	Scored    time.Time     `json:"-"`
	Step      bounce.Step   `json:"step,omitempty"`
	Since     time.Time     `json:"since,omitzero"` // of Step
	Complaint time.Time     `json:"complaint,omitzero"`

	Last   time.Time     `json:"last"`
	Kind   string        `json:"kind"`
	Status bounce.Status `json:"status,omitempty"`
	Text   string        `json:"text,omitempty"`
}

// MemberByNumber returns the member whose row has this number. ErrNotFound once
// he has left.
func (s *Store) MemberByNumber(ctx context.Context, number int64) (list.Member, error) {
	m, err := scanMember(s.read().row(ctx, `SELECT `+memberColumns+` FROM member WHERE id = ?`, number))
	return m, s.wrap(fmt.Sprintf("member number %d", number), err)
}

const bounceColumns = `b.member, b.score, b.scored, b.step, b.since, b.complaint, b.last, b.kind, b.status, b.detail,
	m.list, m.address, m.role, m.name, m.reception, m.suspended, m.added, m.by_hand, m.conceal, m.person`

func scanBounces(row scanner) (Bounces, error) {
	var b Bounces
	var scored, since, complaint, last int64
	m, err := scanMember(before{row, []any{&b.Number, &b.Score, &scored, &b.Step, &since, &complaint, &last, &b.Kind, &b.Status, &b.Text}})
	b.Member, b.Scored, b.Since, b.Complaint, b.Last = m, fromMicros(scored), fromMicros(since), fromMicros(complaint), fromMicros(last)
	return b, err
}

// before is a row with further columns in front of those that are scanned.
type before struct {
	row   scanner
	first []any
}

func (b before) Scan(dest ...any) error { return b.row.Scan(append(b.first, dest...)...) }

// MemberBounces returns what came back from a member. ErrNotFound if nothing did.
func (s *Store) MemberBounces(ctx context.Context, id list.ID, a list.Address) (Bounces, error) {
	b, err := scanBounces(s.read().row(ctx, `SELECT `+bounceColumns+` FROM bounce b JOIN member m ON m.id = b.member
		WHERE m.list = ? AND m.address_key = ? AND m.role = ?`, id, a.Key(), list.RoleMember))
	return b, s.wrap("bounces of "+a.String(), err)
}

// BouncesDue returns up to n members of whom something is to be judged, those
// first that have waited longest.
func (s *Store) BouncesDue(ctx context.Context, n int) ([]Bounces, error) {
	rows, err := s.read().query(ctx, `SELECT `+bounceColumns+` FROM bounce b JOIN member m ON m.id = b.member WHERE b.due <= ? ORDER BY b.due, b.member LIMIT ?`, s.now(), n)
	all, err := collect(rows, err, scanBounces)
	return all, s.wrap("bounces that are due", err)
}

// fails counts a failure of a member: the most that one day has to say, and no
// more, so that a burst, or the same report sent again, counts once.
func fails(ctx context.Context, h handle, member int64, f Failure, now int64) error {
	_, err := h.exec(ctx, `INSERT INTO bounce (member, score, scored, day, last, kind, status, detail) SELECT id, 0, ?, 0, 0, '', '', '' FROM member WHERE id = ?
		ON CONFLICT (member) DO NOTHING`, now, member)
	if err != nil {
		return err
	}
	var score, day bounce.Points
	var scored int64
	if err := h.row(ctx, `SELECT score, scored, day FROM bounce WHERE member = ?`+h.dialect.forUpdate, member).Scan(&score, &scored, &day); err != nil {
		return err
	}
	at, last := fromMicros(now), fromMicros(scored)
	if utcDay(at) != utcDay(last) {
		day = 0
	}
	more := max(0, f.Points-day)
	complaint := int64(0)
	if f.Complaint {
		complaint = now
	}
	_, err = h.exec(ctx, `UPDATE bounce SET score = ?, scored = ?, day = ?, last = ?, kind = ?, status = ?, detail = ?, due = ?,
		complaint = CASE WHEN CAST(? AS BIGINT) > 0 THEN ? ELSE complaint END WHERE member = ?`,
		score.At(last, at)+more, now, day+more, now, f.Kind, string(f.Status), bounce.Brief(f.Text), now, complaint, complaint, member)
	return err
}

func utcDay(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// deliveryFails counts the failure of a copy against the member it was for, if he
// still is one.
func deliveryFails(ctx context.Context, h handle, delivery int64, f Failure, now int64) error {
	var on list.ID
	var kind DeliveryKind
	var address list.Address
	var text string
	err := h.row(ctx, `SELECT list, kind, address FROM delivery WHERE id = ?`, delivery).Scan(&on, &kind, &text)
	if err == nil {
		err = address.UnmarshalText([]byte(text))
	}
	if err != nil || kind != KindCopy {
		return err
	}
	rows, err := h.query(ctx, `SELECT id FROM member WHERE list = ? AND address_key = ? AND role = ?`, on, address.Key(), list.RoleMember)
	numbers, err := collect(rows, err, func(row scanner) (n int64, err error) { return n, row.Scan(&n) })
	for _, n := range numbers {
		if err := fails(ctx, h, n, f, now); err != nil {
			return err
		}
	}
	return err
}

// forgetBounces forgets what came back from a member; with resume whom it had
// suspended gets posts again.
func forgetBounces(ctx context.Context, h handle, id list.ID, a list.Address, role list.Role, resume bool) error {
	if resume {
		if _, err := h.exec(ctx, `UPDATE member SET suspended = ? WHERE list = ? AND address_key = ? AND role = ?
			AND EXISTS (SELECT 1 FROM bounce WHERE bounce.member = member.id AND bounce.step = ?)`, boolean(false), id, a.Key(), role, string(bounce.Suspended)); err != nil {
			return err
		}
	}
	_, err := h.exec(ctx, `DELETE FROM bounce WHERE member IN (SELECT id FROM member WHERE list = ? AND address_key = ? AND role = ?)`, id, a.Key(), role)
	return err
}

// Judged is what is to be done about one member's bounces.
type Judged struct {
	Of   Bounces     // as they were judged
	Step bounce.Step // bounce.Removed takes him off the list, bounce.Suspended suspends him
	Due  time.Time   // when to look again; zero: after the next bounce
	Said []Notice    // to the member
}

// Judge does what was decided about members of one list, in one transaction with
// what owners and members are told and with the record. About whom something came
// in the meantime, or who was changed, is left for the next time; done says how
// many were not. notices are queued if any was; it gets those who were.
func (s *Store) Judge(ctx context.Context, id list.ID, judged []Judged, notices func(done []Judged) []Notice) (done []Judged, err error) {
	err = s.write(ctx, "judge bounces of list number "+id.String(), func(h handle) error {
		done = nil
		now, changed := s.now(), false
		for _, j := range judged {
			var due any
			if !j.Due.IsZero() {
				due = micros(j.Due)
			}
			since := micros(j.Of.Since)
			if j.Step != j.Of.Step {
				since = now
			}
			n, err := h.exec(ctx, `UPDATE bounce SET step = ?, since = ?, due = ? WHERE member = ? AND last = ? AND step = ?`,
				string(j.Step), since, due, j.Of.Number, micros(j.Of.Last), string(j.Of.Step))
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			if j.Step != j.Of.Step {
				did, err := act(ctx, h, id, j, now)
				if err != nil {
					return err
				}
				changed = changed || did
			}
			if _, err := queueNotices(ctx, h, 0, j.Said, now); err != nil {
				return err
			}
			done = append(done, j)
		}
		if _, err := queueNotices(ctx, h, 0, notices(done), now); err != nil || !changed {
			return err
		}
		return bump(ctx, h)
	})
	if err != nil {
		done = nil
	}
	return done, err
}

// act suspends or removes a member, with a record.
func act(ctx context.Context, h handle, id list.ID, j Judged, now int64) (did bool, err error) {
	a := j.Of.Member.Address
	switch j.Step {
	case bounce.Suspended:
		_, err = h.exec(ctx, `UPDATE member SET suspended = ? WHERE id = ?`, boolean(true), j.Of.Number)
	case bounce.Removed:
		_, err = removeMember(ctx, h, id, a, list.RoleMember)
	default:
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, putAudit(ctx, h, AuditEntry{Actor: "bounces", Action: "member " + string(j.Step), List: id, Object: a.String(),
		Detail: map[string]string{"score": fmt.Sprintf("%.1f", j.Of.Score.At(j.Of.Scored, fromMicros(now)).Float()), "status": string(j.Of.Status), "kind": j.Of.Kind}}, now)
}
