package queue

import (
	"fmt"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/relay"
)

func TestDomainsRest(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	wait := func(rests int) time.Duration { return backoff(time.Minute, time.Hour, rests) }
	later := relay.Result{Class: relay.Temporary, Stage: relay.StageRcpt, Code: 450}
	taken := relay.Result{Class: relay.Relayed, Stage: relay.StageFinal, Code: 250}
	refused := relay.Result{Class: relay.Permanent, Stage: relay.StageRcpt, Code: 550}
	broken := relay.Result{Class: relay.Temporary, Stage: relay.StageMessage}
	sender := relay.Result{Class: relay.Temporary, Stage: relay.StageMail, Code: 451}
	full := relay.Result{Class: relay.Temporary, Stage: relay.StageRcpt, Code: 452, Enhanced: "4.2.2"}
	member := func(n int) list.Address { return list.MustParseAddress(fmt.Sprintf("m%d@a.example", n)) }
	many := func(n int, r relay.Result) (all []relay.Result) {
		for range n {
			all = append(all, r)
		}
		return all
	}
	for name, c := range map[string]struct {
		heard []relay.Result
		rests time.Duration
	}{
		"one greylisted member":           {many(restAfter-1, later), 0},
		"many put off":                    {many(restAfter, later), time.Minute},
		"more of them while it rests":     {many(3*restAfter, later), time.Minute},
		"one taken between":               {append(append(many(restAfter-1, later), taken), many(restAfter-1, later)...), 0},
		"one refused for good between":    {append(append(many(restAfter-1, later), refused), many(restAfter-1, later)...), 0},
		"connections that broke":          {many(3*restAfter, broken), 0},
		"mailboxes that are full":         {many(3*restAfter, full), 0},
		"what is about the sender, or us": {many(3*restAfter, sender), 0},
	} {
		var d domains
		for n, r := range c.heard {
			d.heard(member(n), r, now, wait)
		}
		want := time.Time{}
		if c.rests > 0 {
			want = now.Add(c.rests)
		}
		if got := d.rests("a.example", now); !got.Equal(want) {
			t.Errorf("%s: rests until %v, want %v", name, got, want)
		}
		if got := d.rests("b.example", now); !got.IsZero() {
			t.Errorf("%s: another domain rests until %v", name, got)
		}
	}
	// After a rest one refusal is enough for a longer one, and one success ends it.
	var d domains
	for n := range restAfter {
		d.heard(member(n), later, now, wait)
	}
	now = now.Add(time.Minute + time.Second)
	if got := d.rests("a.example", now); !got.IsZero() {
		t.Errorf("it still rests until %v", got)
	}
	d.heard(member(0), later, now, wait)
	if got := d.rests("a.example", now); !got.Equal(now.Add(2 * time.Minute)) {
		t.Errorf("the second rest is until %v", got)
	}
	d.heard(member(0), taken, now, wait)
	if got := d.rests("a.example", now); !got.IsZero() {
		t.Errorf("it rests after a success until %v", got)
	}
}

// One member who is put off again and again, a post at a time, makes nobody else
// of his domain wait (invariant 9).
func TestOneMemberLetsNoDomainRest(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	var d domains
	for range 3 * restAfter {
		d.heard(list.MustParseAddress("slow@a.example"), relay.Result{Class: relay.Temporary, Stage: relay.StageRcpt, Code: 450}, now,
			func(int) time.Duration { return time.Minute })
	}
	if got := d.rests("a.example", now); !got.IsZero() {
		t.Errorf("it rests until %v", got)
	}
}
