package trust

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// Verify says whether signer issued the list: it has the issuer's name, may sign CRLs (RFC 5280 section 6.3.3 (f) and
// (g)), and its key made the signature. It does not say whether signer is anybody to be believed. The answer is kept.
func (c *CRL) Verify(signer *x509.Certificate, l RevocationLimits) error {
	algorithm := signatureAlgorithm(c.algorithm)
	if isSHA1(algorithm) && !l.AllowSHA1 {
		return badCRL("it is signed with SHA-1")
	}
	name, ok := keyOfName(signer.RawSubject)
	switch {
	case !ok || name != c.issuer:
		return badCRL("it is not issued by %s", describe(signer))
	case hasKeyUsage(signer) && signer.KeyUsage&x509.KeyUsageCRLSign == 0:
		return badCRL("%s may not sign CRLs", describe(signer))
	case tooCostly(signer):
		return badCRL("the key of %s is too long", describe(signer))
	}
	key := sha256.Sum256(signer.RawSubjectPublicKeyInfo)
	c.mu.Lock()
	err, known := c.verified[key]
	c.mu.Unlock()
	if known {
		return err
	}
	if algorithm == x509.UnknownSignatureAlgorithm {
		err = badCRL("it is signed with an algorithm that is not supported")
	} else if failed := signer.CheckSignature(algorithm, c.tbs, c.signature); failed != nil {
		err = badCRL("%s did not sign it: %v", describe(signer), failed)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.verified) < 64 {
		c.verified[key] = err
	}
	return err
}

// IssuedInNameOf tells whether the list's issuer has the name that a certificate has as its subject.
func (c *CRL) IssuedInNameOf(cert *x509.Certificate) bool {
	name, ok := keyOfName(cert.RawSubject)
	return ok && name == c.issuer
}

// Delta tells whether the list says only what has changed since another one.
func (c *CRL) Delta() bool { return c.Base != nil }

// SameAs tells whether two lists are the same octets but for how they are signed.
func (c *CRL) SameAs(other *CRL) bool { return bytes.Equal(c.tbs, other.tbs) }

// WantsNewerThan tells whether c is a delta CRL of base's series that builds on a newer list than base: that one is to be
// fetched.
func (c *CRL) WantsNewerThan(base *CRL) bool {
	return c.Delta() && !base.Delta() && base.Number != nil && sameSeries(c, base) && base.Number.Cmp(c.Base) < 0
}

// OlderThan tells whether other, from the same place, may not be replaced by c: c was made before it, or has a smaller
// number. Who can answer for a server must not bring back a list in which a certificate was still good.
func (c *CRL) OlderThan(other *CRL) bool {
	return c.ThisUpdate.Before(other.ThisUpdate) || other.newerNumber(c)
}

// StatusFromCRLs is RFC 5280 section 6.3.3: what lists that have been verified say about a certificate at a moment. Lists
// that are about other certificates say nothing. Delta CRLs count beside the complete CRL they build on. Revoked is
// what any list says that covers the certificate, in date or not, with or without the list it builds on, unless a newer
// one has overtaken it; good needs lists in date for all reasons together.
func StatusFromCRLs(cert *x509.Certificate, lists []*CRL, at time.Time, l RevocationLimits) RevocationStatus {
	issuer, ok := keyOfName(cert.RawIssuer)
	if !ok {
		return statusf(RevocationNoAnswer, "the issuer of %s cannot be read", describe(cert))
	}
	q := crlQuestion{cert: cert, issuer: issuer, serial: serialKey(cert.SerialNumber), at: at, limits: l, lists: lists}
	points, err := pointsOf(cert, oidCRLPoints)
	if err != nil {
		return statusf(RevocationNoAnswer, "where to ask about %s cannot be read: %v", describe(cert), err)
	}
	// A list that the issuer published elsewhere counts as well, as if the certificate named a point with the
	// issuer's name.
	implied := point{names: []generalName{{tag: constructed(4), value: string(issuer)}}, reasons: allReasons}
	q.deltas(append(points, implied))
	fresh := q.covered(append(points, implied), true)
	if q.revoked != "" {
		return statusf(RevocationRevoked, "%s is revoked: %s", describe(cert), q.revoked)
	}
	if fresh == allReasons {
		return RevocationStatus{State: RevocationGood, Until: q.until}
	}
	if fresh != 0 || q.covered(append(points, implied), false) != 0 {
		if q.revoked != "" {
			return statusf(RevocationRevoked, "%s is revoked: %s", describe(cert), q.revoked)
		}
		if q.missed.IsZero() {
			return statusf(RevocationNoAnswer, "the CRLs at hand do not cover every reason for which %s may be revoked", describe(cert))
		}
		return RevocationStatus{State: RevocationStale, Until: q.missed,
			Detail: fmt.Sprintf("the CRL about %s was to be replaced by %s", describe(cert), day(q.missed))}
	}
	if len(points) == 0 {
		return statusf(RevocationNoMechanism, "%s names no CRL, and none of its issuer is at hand", describe(cert))
	}
	return statusf(RevocationNoAnswer, "no CRL at hand is about %s", describe(cert))
}

type crlQuestion struct {
	cert   *x509.Certificate
	issuer issuerName
	serial string
	at     time.Time
	limits RevocationLimits
	lists  []*CRL

	revoked string    // the reason
	until   time.Time // earliest end of those that count
	missed  time.Time // latest nextUpdate of those out of date
}

// covered goes through the points and returns the reasons for which lists say that the certificate is not revoked: those
// in date, or those that are not.
func (q *crlQuestion) covered(points []point, fresh bool) reasonSet {
	var done reasonSet
	for _, p := range points {
		for _, c := range q.lists {
			reasons := q.scope(c, p)
			if c.Delta() || reasons == 0 || q.toCome(c) || q.superseded(c) {
				continue
			}
			delta := q.delta(c)
			if q.listed(c, delta) {
				return done
			}
			until := q.limits.until(c.ThisUpdate, c.NextUpdate)
			if delta != nil {
				// RFC 5280 section 5.2.4: base and delta together are as current as the delta.
				until = q.limits.until(delta.ThisUpdate, delta.NextUpdate)
			}
			inDate := !q.at.After(until)
			if !inDate && until.After(q.missed) {
				q.missed = until
			}
			if inDate != fresh || reasons&^done == 0 {
				continue
			}
			done |= reasons
			if fresh && (q.until.IsZero() || until.Before(q.until)) {
				q.until = until
			}
		}
	}
	return done
}

// superseded tells whether a newer list of the same issuer, key and scope is there: what an older one says is history.
func (q *crlQuestion) superseded(c *CRL) bool {
	for _, other := range q.lists {
		if other != c && !other.Delta() && sameSeries(other, c) &&
			other.ThisUpdate.After(c.ThisUpdate) && !c.newerNumber(other) && !q.toCome(other) {
			return true
		}
	}
	return false
}

// sameSeries tells whether two lists are of one issuer, key and scope, and so share one sequence of numbers (RFC 5280
// section 5.2.3).
func sameSeries(a, b *CRL) bool {
	return a.issuer == b.issuer && bytes.Equal(a.keyID, b.keyID) && sameScope(a, b)
}

// toCome tells whether a list is of a time that has not come.
func (q *crlQuestion) toCome(c *CRL) bool { return c.ThisUpdate.After(q.at.Add(maxClockSkew)) }

// deltas looks for a delta CRL that has the certificate as revoked. It counts whether it is in date or not, and whether
// the list it builds on is at hand or not: the CA has said it. That it takes a certificate off hold, and that it leaves
// one out, counts only beside that list (RFC 5280 section 5.2.4), and is for listed.
func (q *crlQuestion) deltas(points []point) {
	for _, d := range q.lists {
		if !d.Delta() || q.toCome(d) {
			continue
		}
		reason, ok := d.find(q.issuer, q.serial)
		if !ok || reason == removeFromCRL || q.overtaken(d) {
			continue
		}
		if slices.ContainsFunc(points, func(p point) bool { return q.scope(d, p) != 0 }) {
			q.revoked = reason.String()
			return
		}
	}
}

// overtaken tells whether a newer list of its series says again what a delta CRL said, or that it is so no more: a
// complete one, in date or not; or another delta in date that takes the certificate off hold, or does not name it and
// builds on a list that did not yet have what d added.
func (q *crlQuestion) overtaken(d *CRL) bool {
	newest := d.Base // of the complete lists that say how things stood
	for _, c := range q.lists {
		if c.Delta() || !sameSeries(c, d) || q.toCome(c) {
			continue
		}
		if c.Number != nil && d.Number != nil && c.Number.Cmp(d.Number) >= 0 ||
			(c.Number == nil || d.Number == nil) && !c.ThisUpdate.Before(d.ThisUpdate) {
			return true
		}
		if c.Number != nil && c.Number.Cmp(newest) > 0 {
			newest = c.Number
		}
	}
	for _, other := range q.lists {
		if !other.Delta() || !other.newerNumber(d) || !sameSeries(other, d) || q.toCome(other) || q.outOfDate(other) {
			continue
		}
		reason, named := other.find(q.issuer, q.serial)
		if named && reason == removeFromCRL || !named && other.Base.Cmp(newest) <= 0 {
			return true
		}
	}
	return false
}

// outOfDate tells whether a list was to be replaced by now.
func (q *crlQuestion) outOfDate(c *CRL) bool {
	return q.at.After(q.limits.until(c.ThisUpdate, c.NextUpdate))
}

func (c *CRL) newerNumber(other *CRL) bool {
	return c.Number != nil && other.Number != nil && c.Number.Cmp(other.Number) > 0
}

// scope returns the reasons that a list is about for this certificate and distribution point; none if it is about
// others (RFC 5280 section 6.3.3 (b) and (d)).
func (q *crlQuestion) scope(c *CRL, p point) reasonSet {
	if p.foreign {
		named := false
		for _, issuer := range p.issuer {
			named = named || issuer == c.issuer
		}
		if !named || !c.indirect {
			return 0
		}
	} else if c.issuer != q.issuer {
		return 0
	}
	if !c.hasIDP {
		return p.reasons & allReasons
	}
	ca := isCA(q.cert)
	if c.idp.onlyUser && ca || c.idp.onlyCA && !ca || c.idp.onlyAtt {
		return 0
	}
	if len(c.idp.names) > 0 && !meet(c.idp.names, p) {
		return 0
	}
	return p.reasons & c.idp.reasons & allReasons
}

// meet tells whether a point has one of the names: of its own, or, if it has none, of its cRLIssuer.
func meet(names []generalName, p point) bool {
	own := p.names
	if len(own) == 0 {
		for _, issuer := range p.issuer {
			own = append(own, generalName{tag: constructed(4), value: string(issuer)})
		}
	}
	for _, a := range names {
		for _, b := range own {
			if a == b {
				return true
			}
		}
	}
	return false
}

// delta is the newest list in date that builds on base (RFC 5280 section 6.3.3 (c) and (h)): of the same issuer, key and
// scope, for a base at least as new as the one it names, and newer than it.
func (q *crlQuestion) delta(base *CRL) *CRL {
	var newest *CRL
	for _, d := range q.lists {
		switch {
		case !d.Delta() || base.Number == nil || d.Number == nil:
		case !sameSeries(d, base):
		case base.Number.Cmp(d.Base) < 0 || base.Number.Cmp(d.Number) >= 0:
		case q.toCome(d) || q.outOfDate(d):
		case newest == nil || d.Number.Cmp(newest.Number) > 0:
			newest = d
		}
	}
	return newest
}

func sameScope(a, b *CRL) bool {
	if a.hasIDP != b.hasIDP {
		return false
	}
	x, y := a.idp, b.idp
	if len(x.names) != len(y.names) || x.onlyUser != y.onlyUser || x.onlyCA != y.onlyCA || x.onlyAtt != y.onlyAtt || x.reasons != y.reasons || x.indirect != y.indirect {
		return false
	}
	for i := range x.names {
		if x.names[i] != y.names[i] {
			return false
		}
	}
	return true
}

// listed tells whether a list and its delta have the certificate as revoked, and notes the reason. What the delta says
// counts before what the base said: it may take a certificate off hold.
func (q *crlQuestion) listed(base, delta *CRL) bool {
	if delta != nil {
		if reason, ok := delta.find(q.issuer, q.serial); ok {
			if reason == removeFromCRL {
				return false
			}
			q.revoked = reason.String()
			return true
		}
	}
	reason, ok := base.find(q.issuer, q.serial)
	if !ok || reason == removeFromCRL {
		return false
	}
	q.revoked = reason.String()
	return true
}

func (c *CRL) find(issuer issuerName, serial string) (revocationReason, bool) {
	if issuer != c.issuer {
		serial = foreignEntry(issuer, serial)
	}
	reason, ok := c.revoked[serial]
	return reason, ok
}
