package revocation

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealist/sealist/smime/trust"
)

// finding is what is known about one certificate.
type finding struct {
	trust.RevocationStatus
	// since is the moment from which a grace period runs: when the last answer that said good went out of date, else
	// when an answer was first asked for. Zero if neither applies.
	since time.Time
	// pending is closed when an answer has come, or will not; nil: none is on its way.
	pending <-chan struct{}
}

// all asks about every certificate of a path that ends in an anchor, but the anchor. It never waits: what has to be
// fetched is on its way when it returns.
func (a asking) all() []finding {
	a.now = a.checker.o.Clock()
	found := make([]finding, max(0, len(a.path)-1))
	for i := range found {
		found[i] = a.remembered(a.path[i], a.path[i+1])
	}
	return found
}

// asking is one question about one certificate.
type asking struct {
	checker *Checker
	paths   *trust.Policy
	anchor  *x509.Certificate
	path    []*x509.Certificate
	helpers []*x509.Certificate
	besides []*trust.CRL // that came beside the certificate
	now     time.Time
	depth   int
	signer  *x509.Certificate // in list.by: the issuer asked about
}

// issuer is the issuer of the certificate in question below this anchor: who may sign for it hangs on both.
func (a asking) issuer(cert *x509.Certificate) [sha256.Size]byte { return issuerKey(cert, a.anchor) }

// certificate asks by each mechanism until one answers good or revoked.
func (a asking) certificate(cert, issuer *x509.Certificate) finding {
	where := trust.WhereToAsk(cert)
	if where.Elsewhere {
		where.CRL = []string{""}
	}
	beside := a.byBesides(cert, issuer, where)
	if beside.State == trust.RevocationRevoked {
		return beside
	}
	best := finding{RevocationStatus: trust.RevocationStatus{State: trust.RevocationNoMechanism,
		Detail: fmt.Sprintf("the certificate of %q names nobody who could be asked whether it is revoked", cert.Subject)}}
	for _, m := range a.checker.o.Check {
		var f finding
		switch {
		case m == CRL && len(where.CRL) > 0:
			f = a.crl(cert, issuer, where)
		case m == OCSP && len(where.OCSP) > 0:
			f = a.ocsp(cert, issuer, where)
		default:
			continue
		}
		if f.State == trust.RevocationGood || f.State == trust.RevocationRevoked {
			return f
		}
		best = better(best, f)
		if f.pending != nil { // the next mechanism is for when this one has failed
			return best
		}
	}
	if beside.State == trust.RevocationGood {
		return beside
	}
	return best
}

// byBesides asks the lists that came beside the certificate, together with those that are at hand already. That they say
// good counts only when nobody else answers: who stole a key would send along the last list without it.
func (a asking) byBesides(cert, issuer *x509.Certificate, where trust.Where) (f finding) {
	if len(a.besides) == 0 || !slices.Contains(a.checker.o.Check, CRL) {
		return f
	}
	lists, _ := a.current(issuer, where, a.checker.askable(where.CRL))
	n := len(lists)
	for _, list := range a.besides {
		if a.authentic(list, issuer) == nil {
			lists = append(lists, list)
		}
	}
	if len(lists) == n {
		return f
	}
	f.RevocationStatus = trust.StatusFromCRLs(cert, lists, a.now, a.checker.limits)
	return f
}

// better joins what two mechanisms without a good answer know: a stale answer is more than none, and the grace period
// runs from the latest good answer, or from the earliest attempt.
func better(a, b finding) finding {
	switch {
	case a.State == trust.RevocationNoMechanism:
		return b
	case a.State == b.State && a.State == trust.RevocationStale:
		if b.since.After(a.since) {
			a.RevocationStatus, a.since = b.RevocationStatus, b.since
		}
	case b.State == trust.RevocationStale:
		a.RevocationStatus, a.since = b.RevocationStatus, b.since
	case a.State != trust.RevocationStale:
		a.Detail += "; " + b.Detail
		if !b.since.IsZero() && b.since.Before(a.since) {
			a.since = b.since
		}
	}
	a.pending = b.pending
	return a
}

// list is what one place has given for one issuer.
type list struct {
	attempts
	current *trust.CRL // signed by the issuer, or by who may
	offered *trust.CRL // fetched last; whose it is is not known yet
	octets  []byte     // of offered, to be kept when it counts
	by      asking     // who asked last, to look at what comes without being asked
	name    string     // of the issuer, for people
}

// crl asks the places in their order until what is at hand answers.
func (a asking) crl(cert, issuer *x509.Certificate, where trust.Where) finding {
	urls := a.checker.askable(where.CRL)
	if len(urls) == 0 {
		urls = where.CRL // to say why, and since when
	}
	var f finding
	var errs []error
	for n := 0; n <= len(urls); n++ {
		// First with what is at hand from all places, then with each place asked in its turn.
		lists, delta := a.current(issuer, where, urls)
		f.RevocationStatus, f.pending = trust.StatusFromCRLs(cert, lists, a.now, a.checker.limits), delta
		if f.State == trust.RevocationGood || f.State == trust.RevocationRevoked || n == len(urls) {
			break
		}
		job, since, err := a.demand(place{a.issuer(issuer), urls[n]}, issuer)
		if f.since.IsZero() || since.Before(f.since) {
			f.since = since
		}
		if job != nil {
			f.pending = job
			break
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	switch f.State {
	case trust.RevocationGood, trust.RevocationRevoked:
		f.since = time.Time{}
		return f
	case trust.RevocationStale:
		f.since = f.Until
	case trust.RevocationNoMechanism:
		f.State = trust.RevocationNoAnswer
	}
	if err := errors.Join(errs...); err != nil {
		f.Detail += ": " + oneLine(err)
	}
	return f
}

// current returns the lists at hand, with their deltas, and has them fetched again in the background when that is due.
// delta is closed when a delta has come that is worth waiting for.
func (a asking) current(issuer *x509.Certificate, where trust.Where, urls []string) (lists []*trust.CRL, delta <-chan struct{}) {
	deltas := where.Delta
	for _, u := range urls {
		if c, _ := a.take(place{a.issuer(issuer), u}, issuer, false); c != nil {
			lists = append(lists, c)
			deltas = append(deltas[:len(deltas):len(deltas)], c.Freshest...)
		}
	}
	if len(lists) == 0 {
		return nil, nil
	}
	for _, u := range a.checker.askable(deltas) {
		if slices.Contains(urls, u) {
			continue
		}
		c, job := a.take(place{a.issuer(issuer), u}, issuer, true)
		if c != nil && c.Delta() {
			lists = append(lists, c)
			if newer := a.successor(c, issuer, urls); newer != nil {
				job = newer
			}
		}
		if job != nil { // one that cannot be had makes the complete list no worse, but may say more
			delta = job
		}
	}
	return lists, delta
}

// successor has the list of each place fetched anew, if it is older than the one that a delta builds on: without that one
// the delta cannot say that a certificate is good. It is worth waiting for.
func (a asking) successor(delta *trust.CRL, issuer *x509.Certificate, urls []string) (job <-chan struct{}) {
	c := a.checker
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range urls {
		at := place{a.issuer(issuer), u}
		l := c.lists[at]
		if l == nil || l.current == nil || !delta.WantsNewerThan(l.current) {
			continue
		}
		if l.job == nil && !a.now.Before(l.asked.Add(retryFirst)) && (l.err == nil || !a.now.Before(l.next)) {
			a.fetchList(l, at, issuer)
		}
		if l.job != nil {
			job = l.job
		}
	}
	return job
}

// take returns the list of a place if there is one, and has it fetched again if that is due. missing has it fetched also
// where there is none. The job is what is worth waiting for: a first list, or one in the place of one out of date.
func (a asking) take(at place, issuer *x509.Certificate, missing bool) (*trust.CRL, <-chan struct{}) {
	a.adopt(at, issuer)
	c := a.checker
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lists[at]
	switch {
	case l == nil && !missing:
		return nil, nil
	case l == nil:
		l = c.newList(at, a.now)
	}
	l.used = a.now
	if l.job == nil && !a.now.Before(l.next) && (l.current != nil || missing) {
		a.fetchList(l, at, issuer)
	}
	if l.job != nil && (l.current == nil && l.fails == 0 || l.current != nil && a.now.After(l.current.NextUpdate)) {
		return l.current, l.job
	}
	return l.current, nil
}

// demand has a place asked if that is due. The job is nil if nothing is on its way; err says why there is no answer, and
// since when one is wanted.
func (a asking) demand(at place, issuer *x509.Certificate) (job <-chan struct{}, since time.Time, err error) {
	c := a.checker
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lists[at]
	if l == nil {
		l = c.newList(at, a.now)
	}
	l.used = a.now
	if l.job == nil && !a.now.Before(l.next) {
		a.fetchList(l, at, issuer)
	}
	if l.job != nil {
		return l.job, l.first, nil
	}
	if l.err != nil {
		return nil, l.first, fmt.Errorf("%s: %w", at.url, l.err)
	}
	return nil, l.first, nil
}

// adopt makes the list that was fetched last the current one, if it counts: signed by the issuer of the certificate in
// question, or with another key of that CA whose certificate is at hand, is on a path to the same anchor, and is itself
// not revoked; and not older than what there is.
func (a asking) adopt(at place, issuer *x509.Certificate) {
	c := a.checker
	c.mu.Lock()
	l := c.lists[at]
	if l == nil || l.offered == nil {
		c.mu.Unlock()
		return
	}
	offered, current := l.offered, l.current
	c.mu.Unlock()

	err := a.authentic(offered, issuer)
	unsigned := err != nil
	switch {
	case unsigned:
	case offered.ThisUpdate.After(a.now.Add(maxAhead)):
		err = fmt.Errorf("it is of a time that has not come: %s", stamp(offered.ThisUpdate))
	case current != nil && offered.OlderThan(current):
		err = fmt.Errorf("what is there now is older (%s) than what was there before (%s)", stamp(offered.ThisUpdate), stamp(current.ThisUpdate))
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	if l.offered != offered || l.current != current {
		return // somebody else was faster
	}
	if err == nil {
		octets := l.octets
		if current != nil && offered.SameAs(current) {
			octets = nil // it is kept already, and says nothing new
		} else {
			c.changes++
		}
		c.held -= size(l)
		l.current, l.offered, l.octets = offered, nil, nil
		c.held += size(l)
		until := offered.NextUpdate
		if until.IsZero() {
			until = a.now.Add(c.o.Refresh)
		}
		l.succeeded(a.now, until, c.o.Refresh)
		if !l.asked.IsZero() {
			c.shelve(at, l, octets, a.now)
		}
		return
	}
	if l.err == nil && !l.asked.IsZero() { // what was restored and does not count keeps nobody from asking
		l.failed(a.now, err)
		c.o.Log.Warn("a CRL does not count", "url", at.url, "err", err)
		c.shelve(at, l, nil, time.Time{})
	}
	if !unsigned || l.fails > 0 && current != nil {
		// Another signer may turn up beside the next certificate; where there is a list that counts nobody waits for him.
		c.held -= size(l)
		l.offered, l.octets = nil, nil
		c.held += size(l)
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// authentic says why a list does not count for certificates of an issuer.
func (a asking) authentic(list *trust.CRL, issuer *x509.Certificate) error {
	err := list.Verify(issuer, a.checker.limits)
	if err == nil || a.depth >= maxIssuerDepth {
		return err
	}
	for _, signer := range a.paths.CRLSigners(list, a.anchor, a.now, slices.Concat(a.path, a.helpers), a.checker.limits) {
		if len(signer) == 1 || slices.ContainsFunc(a.path, signer[0].Equal) {
			return nil // the anchor, or asked about with the path
		}
		deeper := a
		deeper.depth++
		switch deeper.certificate(signer[0], signer[1]).State {
		case trust.RevocationGood, trust.RevocationNoMechanism:
			return nil
		}
		err = fmt.Errorf("whether its signer %q is revoked is not known", signer[0].Subject)
	}
	return err
}
