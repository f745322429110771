package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"sync"
	"time"
)

// verdicts remembers positive verdicts of one Policy, because looking for a path costs more than encrypting.
//
// A refusal is never kept: with an issuer that comes beside the next message the same certificate may be good, and a bare
// leaf mailed first must not poison it. A verdict counts for one use, and while every certificate on its path is in
// date. If its path needed certificates that the Policy does not know by itself, it counts only where they are at hand
// again, so that a verdict never depends on what was asked before.
//
// There are two generations; when the young one is full it becomes the old one, whose forgotten members go.
type verdicts struct {
	mu         sync.Mutex
	size       int // of one generation; 0: nothing is kept
	young, old map[verdictKey]kept
}

type verdictKey struct {
	certificate [sha256.Size]byte
	use         Use
}

// kept is a verdict without the certificate itself, which takes 4 KB where the rest takes 400 octets: who asks again has
// it, and the authorities above it are few.
type kept struct {
	verdict  Verdict   // its Path begins with the issuer
	from     time.Time // latest notBefore on the path
	borrowed []*x509.Certificate
}

func newVerdicts(size int) *verdicts {
	if size == 0 {
		size = DefaultCacheSize
	}
	return &verdicts{size: (max(size, 0) + 1) / 2, young: map[verdictKey]kept{}}
}

func keyOf(cert *x509.Certificate, use Use) verdictKey {
	return verdictKey{certificate: sha256.Sum256(cert.Raw), use: use}
}

func (c *verdicts) get(cert *x509.Certificate, use Use, at time.Time, extra []*x509.Certificate) (Verdict, bool) {
	if c.size == 0 {
		return Verdict{}, false
	}
	key := keyOf(cert, use)
	c.mu.Lock()
	k, ok := c.young[key]
	if !ok {
		if k, ok = c.old[key]; ok {
			c.add(key, k)
		}
	}
	c.mu.Unlock()
	if !ok || at.Before(k.from) || at.After(k.verdict.Until) {
		return Verdict{}, false
	}
	for _, b := range k.borrowed {
		if !slices.ContainsFunc(extra, b.Equal) {
			return Verdict{}, false
		}
	}
	v := k.verdict
	v.Path = append([]*x509.Certificate{cert}, v.Path...)
	return v, true
}

func (c *verdicts) put(cert *x509.Certificate, use Use, v Verdict, borrowed []*x509.Certificate) {
	if c.size == 0 {
		return
	}
	k := kept{verdict: v, borrowed: borrowed}
	for _, on := range v.Path {
		if on.NotBefore.After(k.from) {
			k.from = on.NotBefore
		}
	}
	k.verdict.Path = slices.Clone(v.Path[1:])
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(keyOf(cert, use), k)
}

// add wants the lock.
func (c *verdicts) add(key verdictKey, k kept) {
	if len(c.young) >= c.size {
		c.young, c.old = map[verdictKey]kept{}, c.young
	}
	c.young[key] = k
}
