package harvest

import (
	"context"
	"fmt"
	"time"

	"github.com/sealist/sealist/directory"
)

// Names of the sources of certificates that a listmaster assigned.
const (
	SourcePinned = "pinned" // to an address: it comes before every other source
	SourceDomain = "domain" // to a whole domain: it comes behind every other source
)

// Assigned is a source of certificates that a listmaster assigned. It is safe for concurrent use.
type Assigned struct {
	name   string
	domain bool
	kept   func(ctx context.Context, keys []string) ([]directory.Kept, error)
	key    func(address string) string
}

// NewPinned returns the source of certificates pinned to addresses. kept returns those of some addresses.
func NewPinned(kept func(ctx context.Context, addresses []string) ([]directory.Kept, error)) *Assigned {
	return &Assigned{SourcePinned, false, kept, directory.Normalise}
}

// NewDomain returns the source of certificates that serve whole domains, as those of a gateway. kept returns those of some
// domains, each with "@" before it.
func NewDomain(kept func(ctx context.Context, domains []string) ([]directory.Kept, error)) *Assigned {
	return &Assigned{SourceDomain, true, kept, func(address string) string {
		_, domain, _ := directory.Split(directory.Normalise(address))
		return "@" + domain
	}}
}

// Name returns the source's name.
func (s *Assigned) Name() string { return s.name }

// Lookup returns what is assigned to each address. That it cannot be read is an outage.
func (s *Assigned) Lookup(ctx context.Context, addresses []string) []directory.Answer {
	start := time.Now()
	keys := make([]string, len(addresses))
	for i, a := range addresses {
		keys[i] = s.key(a)
	}
	kept, err := s.kept(ctx, keys)
	if err != nil {
		return directory.Fail(addresses, fmt.Errorf("reading assigned certificates: %w", err))
	}
	by := map[string][]directory.Kept{}
	for _, k := range kept {
		by[k.Address] = append(by[k.Address], k)
	}
	answers := make([]directory.Answer, len(addresses))
	for i, address := range addresses {
		a := directory.Answer{Address: address, Took: time.Since(start)}
		for _, k := range by[keys[i]] {
			a.Candidates = append(a.Candidates, directory.Candidate{Certificate: k.Certificate, Pinned: !s.domain, ForDomain: s.domain,
				Origin: directory.Origin{Source: s.name, Entry: k.Address, Seen: k.Seen}})
			a.Helpers = append(a.Helpers, k.Chain...)
		}
		if len(a.Candidates) == 0 {
			a.Err = directory.ErrNotFound
		}
		answers[i] = a
	}
	return answers
}
