package listd

import (
	"context"
	"crypto/x509"
	"slices"
	"time"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/directory/files"
	"github.com/sealist/sealist/directory/harvest"
	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/resolver"
)

// expiryBatch is how many addresses sources are asked about at a time, and holders told in one transaction.
const expiryBatch = 200

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
	unknown map[string]bool      // people about whom a source could not be asked
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
	c := expiryCheck{Sealist: s, rule: expiry{s.Config.Expiry.Stages}, now: s.o.Clock(), own: map[string]bool{}, keys: map[list.ID][]ending{},
		unknown: map[string]bool{}}
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
		var answers []directory.Answer
		if cached, ok := source.Source.(*resolver.Cached); ok {
			var err error
			if answers, err = c.Store.KeptAnswers(ctx, cached.Name(), cached.Version(), addresses); err != nil {
				return nil, err
			}
		} else {
			answers = source.Lookup(ctx, addresses)
		}
		for _, a := range answers {
			if a.Outage() != nil {
				c.unknown[directory.Normalise(a.Address)] = true
			}
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
			c.unknown[text] = true
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
			of[k.List] = append(of[k.List], ownedByList(cert, keyring.Use(k.Use)))
		}
	}
	for _, l := range c.lists {
		if endings := c.rule.endings(of[l.ID], c.now); len(endings) > 0 {
			c.keys[l.ID] = endings
		}
	}
	return nil
}
