package listd

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/store"
)

// shownEndings is how many certificates one mail names.
const shownEndings = 100

// tell tells each audience what it was not told yet.
func (c *expiryCheck) tell(ctx context.Context) (string, error) {
	holders, err := c.tellHolders(ctx)
	if err != nil {
		return "", err
	}
	owners := 0
	for _, l := range c.lists {
		n, err := c.tellOwners(ctx, l)
		if err != nil {
			return "", fmt.Errorf("%s: %w", l.Address, err)
		}
		owners += n
	}
	listmasters, err := c.tellListmasters(ctx)
	if err != nil {
		return "", err
	}
	var parts []string
	if holders+owners+listmasters > 0 {
		parts = append(parts, fmt.Sprintf("told %d holders, %d owners and %d listmasters", holders, owners, listmasters))
	}
	if len(c.unknown) > 0 {
		parts = append(parts, fmt.Sprintf("of %d people it is not known, because a source cannot be asked", len(c.unknown)))
	}
	return strings.Join(parts, "; "), nil
}

// news are the endings of an address that an audience was not told, with the
// notes that it is told now.
func news(audience string, told map[[2]string]int, address list.Address, endings []ending) (some []ending, notes []store.ExpiryTold) {
	for _, e := range endings {
		if stage, known := told[[2]string{address.Key(), e.fingerprint}]; known && stage <= e.stage {
			continue
		}
		some = append(some, e)
		notes = append(notes, store.ExpiryTold{Audience: audience, Address: address.Key(), Fingerprint: e.fingerprint, Stage: e.stage})
	}
	return some, notes
}

// until is when what was told now is told no more in any case.
func (c *expiryCheck) until() time.Time { return c.now.AddDate(0, 0, 2*c.rule.longest()+quietAfter+30) }

// tellHolders tells people of their own certificates.
func (c *expiryCheck) tellHolders(ctx context.Context) (told int, err error) {
	const audience = "holder"
	before, err := c.Store.ToldExpiries(ctx, audience)
	if err != nil {
		return 0, err
	}
	for some := range slices.Chunk(c.people, expiryBatch) {
		var notes []store.ExpiryTold
		var notices []store.Notice
		for _, p := range some {
			hears := slices.DeleteFunc(slices.Clone(p.endings), func(e ending) bool { return !e.holderHears() })
			fresh, told := news(audience, before, p.address, hears)
			notes = append(notes, told...)
			for _, e := range fresh {
				notices = append(notices, store.Notice{Template: notice.CertExpiration, To: p.address, Params: map[string]string{
					"host": c.hostname(), "subject": e.certificate.Subject.String(), "issuer": e.certificate.Issuer.String(),
					"expires": moment(e.certificate.NotAfter), "fingerprint": e.fingerprint, "days": fmt.Sprint(c.days(e)), "expired": c.expired(e),
				}})
			}
		}
		n, err := c.Store.TellExpiries(ctx, notes, c.until(), notices...)
		if told += n; err != nil {
			return told, err
		}
	}
	return told, nil
}

// tellOwners tells the owners of a list of its own certificate, and of those of
// people who have a role on it. The mail names members (invariant 12).
func (c *expiryCheck) tellOwners(ctx context.Context, l list.List) (told int, err error) {
	if len(c.people)+len(c.keys[l.ID]) == 0 {
		return 0, nil
	}
	owners, err := c.Store.Members(ctx, l.ID, store.MemberFilter{Role: list.RoleOwner})
	if err != nil || len(owners) == 0 {
		return 0, err
	}
	audience := "owners of list " + l.ID.String()
	before, err := c.Store.ToldExpiries(ctx, audience)
	if err != nil {
		return 0, err
	}
	addresses := make([]list.Address, len(c.people))
	for i, p := range c.people {
		addresses[i] = p.address
	}
	roles, err := c.Store.MemberOf(ctx, l.ID, addresses)
	if err != nil {
		return 0, err
	}
	fresh, notes := news(audience, before, l.Address, c.keys[l.ID])
	var lines []string
	for _, e := range fresh {
		lines = append(lines, c.ownLine(l, e))
	}
	for _, p := range c.people {
		if len(roles[p.address.Key()]) == 0 {
			continue
		}
		fresh, told := news(audience, before, p.address, p.endings)
		notes = append(notes, told...)
		for _, e := range fresh {
			lines = append(lines, c.line(p.address, e))
		}
	}
	if len(lines) == 0 {
		return 0, nil
	}
	var notices []store.Notice
	for _, o := range owners {
		notices = append(notices, store.Notice{Template: notice.CertExpirationOwners, List: l.ID, To: o.Address, Lines: shown(lines), Sealed: l.Policy.DemandsEncryption()})
	}
	return c.Store.TellExpiries(ctx, notes, c.until(), notices...)
}

// tellListmasters tells them of all.
func (c *expiryCheck) tellListmasters(ctx context.Context) (told int, err error) {
	const audience = "listmasters"
	before, err := c.Store.ToldExpiries(ctx, audience)
	if err != nil {
		return 0, err
	}
	var notes []store.ExpiryTold
	var lines []string
	for _, l := range c.lists {
		fresh, told := news(audience, before, l.Address, c.keys[l.ID])
		notes = append(notes, told...)
		for _, e := range fresh {
			lines = append(lines, c.ownLine(l, e))
		}
	}
	for _, p := range c.people {
		fresh, told := news(audience, before, p.address, p.endings)
		notes = append(notes, told...)
		for _, e := range fresh {
			lines = append(lines, c.line(p.address, e))
		}
	}
	masters := c.listmasters()
	if len(lines) == 0 || len(masters) == 0 {
		return 0, nil
	}
	var notices []store.Notice
	for _, to := range masters {
		notices = append(notices, store.Notice{Template: notice.CertExpirationListmasters, To: to, Params: map[string]string{"host": c.hostname()}, Lines: shown(lines)})
	}
	return c.Store.TellExpiries(ctx, notes, c.until(), notices...)
}

// line says of a person's certificate when it ends.
func (c *expiryCheck) line(a list.Address, e ending) string {
	return fmt.Sprintf("%s: the certificate %.16s issued by %s %s.", a, e.fingerprint, e.certificate.Issuer, c.ends(e))
}

// ownLine says so of a list's own.
func (c *expiryCheck) ownLine(l list.List, e ending) string {
	what := map[use]string{toEncrypt: "posts are encrypted to", toSign: "its mail is signed with", toEncrypt | toSign: "posts are encrypted to, and its mail signed with,"}[e.uses]
	return fmt.Sprintf("%s itself: the certificate %.16s that %s %s; it needs a new one (`listmaster key`).", l.Address, e.fingerprint, what, c.ends(e))
}

// ends says when, from now.
func (c *expiryCheck) ends(e ending) string {
	if c.expired(e) != "" {
		return "has expired, on " + moment(e.certificate.NotAfter)
	}
	if days := c.days(e); days != 1 {
		return fmt.Sprintf("ends in %d days, on %s", days, moment(e.certificate.NotAfter))
	}
	return "ends within a day, on " + moment(e.certificate.NotAfter)
}

// expired is empty for a certificate that has not.
func (c *expiryCheck) expired(e ending) string {
	if c.now.Before(e.certificate.NotAfter) {
		return ""
	}
	return "yes"
}

// days are those that a certificate still lasts, the last one begun included.
func (c *expiryCheck) days(e ending) int {
	return max(0, int(math.Ceil(e.certificate.NotAfter.Sub(c.now).Hours()/24)))
}

// shown are the lines that one mail names.
func shown(lines []string) []string {
	if len(lines) <= shownEndings {
		return lines
	}
	return append(slices.Clone(lines[:shownEndings]), fmt.Sprintf("%d more.", len(lines)-shownEndings))
}
