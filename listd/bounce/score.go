package bounce

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// Points are what bounces count, in thousandths of a point.
type Points int64

// Point is one: a day on which an address was refused for good.
const Point Points = 1000

// HalfLife is the time in which points halve: who bounces no more is forgotten
// by and by, and a list with a post a month is still told of an address that is
// gone.
const HalfLife = 60 * 24 * time.Hour

// At returns what points of a moment count at a later one.
func (p Points) At(from, to time.Time) Points {
	age := to.Sub(from)
	if age <= 0 || p <= 0 {
		return max(0, p)
	}
	return Points(math.Round(float64(p) * math.Exp2(-float64(age)/float64(HalfLife))))
}

// Float returns whole points.
func (p Points) Float() float64 { return float64(p) / float64(Point) }

// Weight is what one failure counts on its day: a point if the address is the
// reason and it will not get better, a fifth of one for everything else. A
// mailbox that is full, a message that is too large or looks like spam, a mail
// server that is down say little about the member, but not nothing.
func (s Status) Weight() Points {
	if s.Class() != Permanent {
		return Point / 5
	}
	_, detail, _ := strings.Cut(string(s), ".")
	subject, _, _ := strings.Cut(detail, ".")
	if slices.Contains(lightSubjects, subject) || slices.Contains(lightDetails, detail) {
		return Point / 5
	}
	return Point
}

// Failures that are the message's, the sender's or a system's (RFC 3463 section
// 3; 5.1.7 and 5.1.8 are about the sender's address).
var (
	lightSubjects = []string{"3", "6", "7"}
	lightDetails  = []string{"1.7", "1.8", "2.2", "2.3", "4.5", "4.6", "5.3"}
)

// Fact is what a report says of one member.
type Fact struct {
	Counts    bool // it counts Status.Weight
	Complaint bool
	Status    Status
	Action    Action
	Text      string // at most MaxText octets
}

// About is what a report says of the member whose return address it came to: of
// his address, where it names it; else the worst that it says of anybody, for his
// mail may be forwarded.
func (r Report) About(member list.Address) Fact {
	worst := Fact{}
	for _, one := range r.Recipients {
		f := Fact{Status: one.Status, Action: one.Action, Text: one.Text}
		if r.Kind == ARF {
			f.Complaint = true
			return f
		}
		f.Counts = one.Action == Failed && one.Status.Class() != Success
		if same(one.Address, member) || same(one.Original, member) {
			return f
		}
		if worst.Action == "" || f.Counts && (!worst.Counts || f.Status.Weight() > worst.Status.Weight()) {
			worst = f
		}
	}
	return worst
}

func same(text string, member list.Address) bool {
	a, err := list.ParseAddress(text)
	return err == nil && a.Same(member)
}
