package datasource

import (
	"fmt"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// Change is what a list's members would become.
type Change struct {
	Add     []list.Member
	Remove  []string // address keys
	Before  int
	Refused []string
}

// Compare tells how those found differ from those whom an include brought before.
func Compare(before map[string]bool, found People) Change {
	c := Change{Before: len(before), Refused: found.Refused}
	now := make(map[string]bool, len(found.Members))
	for _, m := range found.Members {
		key := m.Address.Key()
		if now[key] = true; !before[key] {
			c.Add = append(c.Add, m)
		}
	}
	for key := range before {
		if !now[key] {
			c.Remove = append(c.Remove, key)
		}
	}
	return c
}

// floor is how many people may come or go whatever their share.
const floor = 10

// TooLarge tells whether more people would come or go than a share, in percent, of those there were. Then somebody is to
// look at it first: a mistake in a directory must not empty a list, nor fill it with strangers.
func (c Change) TooLarge(percent int) bool {
	allowed := max(c.Before*percent/100, floor)
	return len(c.Add) > allowed || len(c.Remove) > allowed
}

// Summary says in one line what a change does.
func (c Change) Summary() string {
	if len(c.Add)+len(c.Remove)+len(c.Refused) == 0 {
		return ""
	}
	return fmt.Sprintf("%d added, %d removed, %d left out", len(c.Add), len(c.Remove), len(c.Refused))
}

// Retry is when a run that failed is tried again.
func Retry(every time.Duration) time.Duration { return min(every, 10*time.Minute) }
