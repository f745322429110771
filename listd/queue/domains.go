package queue

import (
	"sync"
	"time"

	"github.com/sealist/sealist/listd/relay"
)

// A domain rests after so many temporary refusals in a row, of however many of
// its members.
const restAfter = 5

// maxDomains bounds how many domains are remembered at a time.
const maxDomains = 10_000

// domains remembers which members' domains the next hop puts off, so that a
// thousand members behind one mail server that greylists, or is full, are not
// offered one by one. It is this process's own: another asks for itself.
type domains struct {
	mu  sync.Mutex
	all map[string]rest
}

type rest struct {
	refusals int // temporary ones in a row, over all members
	rests    int // so far without a success
	until    time.Time
}

// heard records the next hop's answer for a member of a domain. Only answers to
// RCPT and to the message are about him.
func (d *domains) heard(domain string, r relay.Result, now time.Time, wait func(rests int) time.Duration) {
	if r.Stage == relay.StageConnect || r.Stage == relay.StageMail {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.Class != relay.Temporary || r.Code == 0 { // a connection that broke says nothing of the domain
		if r.Class != relay.Temporary {
			delete(d.all, domain)
		}
		return
	}
	one := d.all[domain]
	if one.refusals++; one.refusals >= restAfter && now.After(one.until) {
		one.rests++
		one.refusals, one.until = restAfter-1, now.Add(wait(one.rests)) // the next refusal after the rest is enough
	}
	if d.all == nil || len(d.all) >= maxDomains {
		d.all = map[string]rest{}
	}
	d.all[domain] = one
}

// rests returns until when a domain rests; zero if it does not.
func (d *domains) rests(domain string, now time.Time) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if one := d.all[domain]; now.Before(one.until) {
		return one.until
	}
	return time.Time{}
}
