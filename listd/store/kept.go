package store

import (
	"context"
	"slices"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/listd/list"
)

// Kept returns the certificates kept for these addresses, as the harvest serves
// them. What is no address has none.
func (s *Store) Kept(ctx context.Context, addresses []string) ([]directory.Kept, error) {
	var parsed []list.Address
	for _, text := range addresses {
		if a, err := list.ParseAddress(text); err == nil {
			parsed = append(parsed, a)
		}
	}
	var all []directory.Kept
	for some := range slices.Chunk(parsed, maxInList) {
		certs, err := s.Certificates(ctx, CertificateFilter{Addresses: some})
		if err != nil {
			return nil, err
		}
		for _, c := range certs {
			all = append(all, directory.Kept{
				Address: c.Address.String(), Certificate: c.DER, Chain: c.Chain, Source: c.Source, MessageID: c.MessageID,
				Signer: c.Signer, Capabilities: c.Capabilities, CapabilitiesAt: c.CapabilitiesAt, Seen: c.Seen,
			})
		}
	}
	return all, nil
}
