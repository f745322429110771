package listd

import (
	"context"
	"errors"
	"slices"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// sourceLists names the certificates of this server's own lists. No directory
// can have the name.
const sourceLists = "own lists"

// ownLists are the lists of this server as members of others: a copy is sealed
// to the list's own certificate, which no directory need have.
type ownLists struct {
	store   *store.Store
	domains []string // of lists; empty: those that have a robot
}

// Name implements resolver.Source.
func (ownLists) Name() string { return sourceLists }

// Lookup implements resolver.Source. An address that is no list's is not its to
// answer for.
func (o ownLists) Lookup(ctx context.Context, addresses []string) []directory.Answer {
	answers := make([]directory.Answer, len(addresses))
	if len(o.domains) == 0 { // every domain that has a list has a robot
		robots, err := o.store.Robots(ctx)
		if err != nil {
			return directory.Fail(addresses, err)
		}
		for _, r := range robots {
			o.domains = append(o.domains, r.Address.Domain())
		}
	}
	for i, text := range addresses {
		answers[i] = o.lookup(ctx, text)
		answers[i].Address = text
	}
	return answers
}

func (o ownLists) lookup(ctx context.Context, text string) directory.Answer {
	address, err := list.ParseAddress(text)
	if err != nil || !slices.Contains(o.domains, address.Domain()) {
		return directory.Answer{Err: directory.ErrNotSource}
	}
	l, err := o.store.List(ctx, address)
	if errors.Is(err, store.ErrNotFound) {
		return directory.Answer{Err: directory.ErrNotSource}
	}
	if err != nil {
		return directory.Answer{Err: err}
	}
	keys, err := o.store.Keys(ctx, l.ID)
	if err != nil {
		return directory.Answer{Err: err}
	}
	k, ok := keyring.Published(keys)
	if !ok {
		return directory.Answer{Err: directory.ErrNotFound}
	}
	return directory.Answer{
		Candidates: []directory.Candidate{{Certificate: k.Certificate, Origin: directory.Origin{Source: sourceLists, Entry: l.Address.String()}}},
		Helpers:    k.Chain,
	}
}
