package listd

import (
	"context"
	"crypto/x509"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/directory/files"
	"github.com/sealist/sealist/directory/harvest"
	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/resolver"
)

// How much checkCertExpiration does at a time, and names in one mail.
const (
	expiryBatch  = 200 // addresses that sources are asked about, and holders told in one transaction
	shownEndings = 100
)

// expiryCheck is one run of chk_cert_expiration.
type expiryCheck struct {
	*Sealist
	rule    expiry
	now     time.Time
	sources []expirySource
	lists   []list.List // open ones, and robots
	own     map[string]bool

	people  []person             // whose certificates come to their end
	keys    map[list.ID][]ending // the lists' own
	unknown int                  // people about whom a source could not be asked
}

// expirySource is a source of certificates, with what holders of its
// certificates are told.
type expirySource struct {
	resolver.Source
	holderMail string
}

// person has certificates that come to their end.
type person struct {
	address list.Address
	endings []ending
}

// checkCertExpiration tells people of certificates that come to their end: those
// whose they are, the owners of their lists, and the listmasters; of the lists'
// own the owners and the listmasters.
func (s *Sealist) checkCertExpiration(ctx context.Context) (string, error) {
	c := expiryCheck{Sealist: s, rule: expiry{s.Config.Expiry.Stages}, now: s.o.Clock(), own: map[string]bool{}, keys: map[list.ID][]ending{}}
	if len(c.rule.stages) == 0 {
		return "", nil
	}
	for _, step := range []func(context.Context) error{c.findSources, c.findLists, c.findPeople, c.findKeys} {
		if err := step(ctx); err != nil {
			return "", err
		}
	}
	return c.tell(ctx)
}

func (c *expiryCheck) findSources(context.Context) error {
	all, err := c.Sealist.sources()
	if err != nil {
		return err
	}
	mail := c.Config.Expiry.HolderMail
	for _, source := range all {
		switch of := source.(type) {
		case *harvest.Assigned:
			if of.Name() == harvest.SourcePinned { // a gateway's, for a domain, is nobody's own
				c.sources = append(c.sources, expirySource{of, mail.Pinned})
			}
		case *harvest.Harvest:
			c.sources = append(c.sources, expirySource{of, mail.Harvest})
		case *files.Files:
			c.sources = append(c.sources, expirySource{of, mail.Files})
		case *resolver.Cached:
			c.sources = append(c.sources, expirySource{of, mail.Directory})
		}
	}
	return nil
}

func (c *expiryCheck) findLists(ctx context.Context) error {
	lists, err := c.Store.Lists(ctx)
	if err != nil {
		return err
	}
	robots, err := c.Store.Robots(ctx)
	if err != nil {
		return err
	}
	for _, l := range append(lists, robots...) {
		c.own[l.Address.Key()] = true
		if l.State != list.Closed {
			c.lists = append(c.lists, l)
		}
	}
	return nil
}

// findPeople looks through what is kept here of everybody who has a role on a
// list, and asks the sources about those of whom something comes to its end.
func (c *expiryCheck) findPeople(ctx context.Context) error {
	for after := ""; ; {
		page, err := c.Store.People(ctx, after, expiryBatch)
		if err != nil || len(page) == 0 {
			return err
		}
		after = page[len(page)-1].Key()
		var addresses []string
		for _, a := range page {
			if !c.own[a.Key()] { // lists here that are members: theirs are looked at as lists' own
				addresses = append(addresses, a.String())
			}
		}
		suspects, err := c.suspects(ctx, addresses)
		if err != nil {
			return err
		}
		for _, address := range suspects {
			c.judge(ctx, address)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// suspects are those of whom a certificate that is kept has reached a stage. What
// directories answered is taken as it is kept: that nobody asked yet is no
// reason to ask now.
func (c *expiryCheck) suspects(ctx context.Context, addresses []string) ([]string, error) {
	var some []string
	for _, source := range c.sources {
		answers := []directory.Answer(nil)
		if cached, ok := source.Source.(*resolver.Cached); ok {
			var err error
			if answers, err = c.Store.KeptAnswers(ctx, cached.Name(), cached.Version(), addresses); err != nil {
				return nil, err
			}
		} else {
			answers = source.Lookup(ctx, addresses)
		}
		for _, a := range answers {
			if slices.ContainsFunc(a.Candidates, c.reached) {
				some = append(some, directory.Normalise(a.Address))
			}
		}
	}
	slices.Sort(some)
	return slices.Compact(some), nil
}

func (c *expiryCheck) reached(candidate directory.Candidate) bool {
	cert, err := x509.ParseCertificate(candidate.Certificate)
	if err != nil {
		return false
	}
	_, reached := c.rule.stage(cert.NotAfter, c.now)
	return reached
}

// judge finds what of one person comes to its end with nothing in its place.
// While a source cannot be asked that is not known, and nobody is told: the next
// run asks again (invariant 2).
func (c *expiryCheck) judge(ctx context.Context, text string) {
	address, err := list.ParseAddress(text)
	if err != nil {
		return
	}
	var all []owned
	for _, source := range c.sources {
		a := source.Lookup(ctx, []string{text})[0]
		if a.Outage() != nil {
			c.unknown++
			return
		}
		for _, l := range c.Resolver.Lifetimes(ctx, text, a) {
			all = append(all, owned{certificate: l.Certificate, fingerprint: l.Fingerprint, uses: toEncrypt, holderMail: source.holderMail})
		}
	}
	if endings := c.rule.endings(joined(all), c.now); len(endings) > 0 {
		c.people = append(c.people, person{address, endings})
	}
}

func (c *expiryCheck) findKeys(ctx context.Context) error {
	keys, err := c.Store.AllKeys(ctx)
	if err != nil {
		return err
	}
	of := map[list.ID][]owned{}
	for _, k := range keys {
		if k.State != keyring.Active {
			continue
		}
		if cert, err := x509.ParseCertificate(k.Certificate); err == nil {
			of[k.List] = append(of[k.List], ownedByList(cert, keyring.MaySign(cert)))
		}
	}
	for _, l := range c.lists {
		if endings := c.rule.endings(of[l.ID], c.now); len(endings) > 0 {
			c.keys[l.ID] = endings
		}
	}
	return nil
}

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
	if c.unknown > 0 {
		parts = append(parts, fmt.Sprintf("of %d people it is not known, because a source cannot be asked", c.unknown))
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
