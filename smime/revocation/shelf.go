package revocation

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"time"

	"github.com/sealist/sealist/smime/trust"
)

// Kept is what a Shelf keeps of a place: the last CRL that counted there, and how asking for it went. What describes the
// list is for people: it is read and verified again before it counts.
type Kept struct {
	Issuer string // hash of the issuer's name, key and anchor, hex
	URL    string

	Octets                 []byte // DER; nil: none, or that which is kept already
	IssuerName, Number     string
	Entries                int
	ThisUpdate, NextUpdate time.Time

	Fetched   time.Time // when it came, or was found unchanged; zero: the last attempt brought nothing
	First     time.Time // when it was first asked for: a grace may run from then
	Attempted time.Time // when last
	Error     string    // of the last attempt
}

// Shelf keeps CRLs over restarts and for several processes.
type Shelf interface {
	// KeepCRL notes an attempt. Octets take the place of an older list, never of a newer one.
	KeepCRL(ctx context.Context, k Kept) error
	// KeptCRLs returns all places without Octets, and CRLOctets those of one.
	KeptCRLs(ctx context.Context) ([]Kept, error)
	CRLOctets(ctx context.Context, issuer, url string) ([]byte, error)
}

// Restore takes up what the shelf has and this process has not: after a start, or when another process fetched. A list
// from there counts no more than one from the net: it is verified when it is first needed, and never displaces a newer one.
// One that cannot be read harms only itself.
func (c *Checker) Restore(ctx context.Context, paths *trust.Policy) error {
	if c.o.Shelf == nil {
		return nil
	}
	askers := c.askers(paths)
	kept, err := c.o.Shelf.KeptCRLs(ctx)
	if err != nil {
		return fmt.Errorf("reading the CRLs that are kept: %w", err)
	}
	for _, k := range kept {
		at, ok := k.place()
		if !ok || !c.wants(at, k) {
			continue
		}
		var list *trust.CRL
		if !k.ThisUpdate.IsZero() {
			octets, err := c.o.Shelf.CRLOctets(ctx, k.Issuer, k.URL)
			if err == nil {
				list, err = trust.ParseCRL(octets)
			}
			if err != nil {
				c.o.Log.Error("a CRL that is kept cannot be used; it is fetched again", "url", k.URL, "err", err)
				list = nil
			}
		}
		c.restore(at, k, list, askers[at.issuer])
	}
	return nil
}

// askers are those who can look at a list of an authority that is configured, before anybody has asked about one of its
// certificates.
func (c *Checker) askers(paths *trust.Policy) map[[sha256.Size]byte]asking {
	all := map[[sha256.Size]byte]asking{}
	anchors, intermediates := paths.Configured()
	for _, anchor := range anchors {
		for _, issuer := range append([]*x509.Certificate{anchor}, intermediates...) {
			all[issuerKey(issuer, anchor)] = asking{checker: c, paths: paths, anchor: anchor, path: []*x509.Certificate{issuer, anchor}, signer: issuer}
		}
	}
	return all
}

func (k Kept) place() (at place, ok bool) {
	issuer, err := hex.DecodeString(k.Issuer)
	if err != nil || len(issuer) != sha256.Size {
		return at, false
	}
	return place{[sha256.Size]byte(issuer), k.URL}, true
}

// wants tells whether what is kept of a place is news.
func (c *Checker) wants(at place, k Kept) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lists[at]
	if l == nil {
		return true
	}
	for _, have := range []*trust.CRL{l.current, l.offered} {
		if have != nil && !have.ThisUpdate.Before(k.ThisUpdate) {
			return false
		}
	}
	return !k.ThisUpdate.IsZero()
}

func (c *Checker) restore(at place, k Kept, list *trust.CRL, by asking) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lists[at]
	if l == nil {
		if len(c.lists) >= maxLists {
			return
		}
		l = c.newList(at, c.o.Clock())
	}
	if l.name = k.IssuerName; l.by.checker == nil {
		l.by = by
	}
	if l.first.IsZero() || !k.First.IsZero() && k.First.Before(l.first) {
		l.first = k.First
	}
	if list == nil || l.job != nil {
		return
	}
	c.held -= size(l)
	l.offered, l.octets = list, nil
	c.held += size(l)
	c.changes++
	for c.held > c.o.MaxHeld && len(c.lists) > 1 && c.forgetList() {
	}
}

// shelve has the shelf note how asking for a place went, in the background. The caller holds the lock.
func (c *Checker) shelve(at place, l *list, octets []byte, fetched time.Time) {
	if c.o.Shelf == nil {
		return
	}
	k := Kept{Issuer: hex.EncodeToString(at.issuer[:]), URL: at.url, IssuerName: l.name, Octets: octets, Fetched: fetched, First: l.first, Attempted: l.asked}
	if l.err != nil {
		k.Error = oneLine(l.err)
	}
	if octets != nil {
		k.Number, k.Entries, k.ThisUpdate, k.NextUpdate = number(l.current.Number), l.current.Entries(), l.current.ThisUpdate, l.current.NextUpdate
	}
	c.shelving.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := c.o.Shelf.KeepCRL(ctx, k); err != nil {
			c.o.Log.Error("a CRL cannot be kept", "url", k.URL, "err", err)
		}
	})
}

func number(n *big.Int) string {
	if n == nil {
		return ""
	}
	return n.String()
}

// Refresh has every place that is known asked again where that is due: one that has a list within Options.Refresh and well
// before it goes out of date, one that failed after a while. It returns when what it began has ended. What nobody used for
// long is left alone, and so is a list that nobody can look at yet.
func (c *Checker) Refresh(ctx context.Context) (summary string, err error) {
	now := c.o.Clock()
	var jobs []chan struct{}
	c.look(now)
	c.mu.Lock()
	for at, l := range c.lists {
		if l.job == nil && l.by.checker != nil && !now.Before(l.next) && now.Sub(l.used) < unusedFor {
			by := l.by
			by.now = now
			by.fetchList(l, at, by.signer)
			jobs = append(jobs, l.job)
		}
	}
	c.mu.Unlock()
	for _, job := range jobs {
		select {
		case <-job:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	if len(jobs) == 0 {
		return "", nil
	}
	return fmt.Sprintf("asked for %d CRLs", len(jobs)), nil
}

// look takes up what was restored and can be verified.
func (c *Checker) look(now time.Time) {
	type restored struct {
		by asking
		at place
	}
	var all []restored
	c.mu.Lock()
	for at, l := range c.lists {
		if l.offered != nil && l.by.checker != nil {
			all = append(all, restored{l.by, at})
		}
	}
	c.mu.Unlock()
	for _, r := range all {
		r.by.now = now
		r.by.adopt(r.at, r.by.signer)
	}
}

// unusedFor is how long after its last use a list is kept fresh: about as long as it is known at all.
const unusedFor = 30 * 24 * time.Hour

// Fetch has the places at a URL that are known asked now, due or not, or all for none. It returns how many there were.
// Lists of authorities that are neither configured nor asked about in this process are left out: nobody could verify them.
func (c *Checker) Fetch(ctx context.Context, url string) (int, error) {
	now := c.o.Clock()
	c.look(now)
	var jobs []chan struct{}
	c.mu.Lock()
	for at, l := range c.lists {
		if url != "" && at.url != url || l.by.checker == nil {
			continue
		}
		if l.job == nil {
			by := l.by
			by.now = now
			by.fetchList(l, at, by.signer)
		}
		jobs = append(jobs, l.job)
	}
	c.mu.Unlock()
	for _, job := range jobs {
		select {
		case <-job:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return len(jobs), nil
}
