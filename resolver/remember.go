package resolver

import (
	"time"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/smime/trust"
)

// rememberFor is how long a result is remembered at most. Nothing needs it to end earlier; it keeps in use what was
// learnt about revocation, so that it is fetched again when it is due.
const rememberFor = 10 * time.Minute

// unwatched is a Source whose changes nobody tells the Resolver, as a folder that people copy files into: what rests on
// it is not remembered.
type unwatched interface{ Unwatched() }

// began is the state in which a search begins.
func (r *Resolver) began() stamp {
	if r.o.Changes == nil {
		return stamp{}
	}
	return r.memory.stamp(r.o.Changes())
}

// recall gives what is remembered about an address.
func (r *Resolver) recall(address string, allowed Allowances, began stamp, now time.Time) (remembered, bool) {
	if r.o.Changes == nil {
		return remembered{}, false
	}
	return r.memory.get(memoryKey{directory.Normalise(address), allowed.Expired}, began.changes, now)
}

// remember keeps a result in which a usable certificate was found. That none was found is not remembered: whatever may
// change that should be seen at once.
func (r *Resolver) remember(q *inquiry, allowed Allowances, began stamp, now time.Time) {
	if r.o.Changes == nil || q.Err != nil || len(q.Certificates) == 0 || !q.until.After(now) || r.o.Changes() != began.changes {
		return
	}
	until := q.until
	if most := now.Add(rememberFor); most.Before(until) {
		until = most
	}
	r.memory.put(memoryKey{directory.Normalise(q.Address), allowed.Expired},
		remembered{usable: q.Certificates, source: q.Source, changes: began.changes, from: now, until: until}, began)
}

// lasts is up to when the same would be found again, if nothing is changed: until an answer that a cache keeps ends, a
// certificate of a path expires, or an answer about revocation goes out of date. Zero: that cannot be said.
func (r *Resolver) lasts(q *inquiry, s Source, a directory.Answer, found sifted) time.Time {
	for _, run := range q.Asked {
		for _, s := range r.sources {
			if _, ok := s.(unwatched); ok && s.Name() == run.Name {
				return time.Time{}
			}
		}
	}
	if a.Stale != nil || found.pending != nil || found.outage != nil {
		return time.Time{}
	}
	var until time.Time
	earlier := func(t time.Time) {
		if until.IsZero() || t.Before(until) {
			until = t
		}
	}
	if !a.Until.IsZero() {
		earlier(a.Until)
	}
	for _, j := range found.usable {
		switch j.revocation {
		case "", trust.RevocationGood, trust.RevocationNoMechanism:
		default:
			return time.Time{} // it is used for a grace, which ends
		}
		if j.until.IsZero() {
			return time.Time{}
		}
		earlier(j.until)
	}
	return until
}
