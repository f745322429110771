package queue

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/relay"
)

// A domain rests after so many of its members were put off in a row: one whose
// mailbox is full says nothing of the others, however many posts wait for him.
const restAfter = 5

// ofMailbox begins the enhanced codes that are about one mailbox (RFC 3463
// section 3.3): full, disabled, taking too much mail.
const ofMailbox = "4.2."

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
	putOff []string // members in a row, restAfter at most
	rests  int      // so far without a success
	until  time.Time
}

// heard records the next hop's answer for a member of a domain. Only answers to
// RCPT and to the message are about him.
func (d *domains) heard(member list.Address, r relay.Result, now time.Time, wait func(rests int) time.Duration) {
	if r.Stage == relay.StageConnect || r.Stage == relay.StageMail || r.Class == relay.Temporary && strings.HasPrefix(r.Enhanced, ofMailbox) {
		return
	}
	domain := member.Domain()
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.Class != relay.Temporary || r.Code == 0 { // a connection that broke says nothing of the domain
		if r.Class != relay.Temporary {
			delete(d.all, domain)
		}
		return
	}
	one := d.all[domain]
	if key := member.Key(); len(one.putOff) < restAfter && !slices.Contains(one.putOff, key) {
		one.putOff = append(one.putOff, key)
	}
	if len(one.putOff) == restAfter && now.After(one.until) { // the next refusal after a rest is enough
		one.rests++
		one.until = now.Add(wait(one.rests))
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
