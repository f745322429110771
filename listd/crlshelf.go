package listd

import (
	"context"

	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/revocation"
)

// crlShelf keeps CRLs in the database.
type crlShelf struct{ s *Sealist }

// KeepCRL implements revocation.Shelf.
func (c crlShelf) KeepCRL(ctx context.Context, k revocation.Kept) error {
	return c.s.Store.KeepCRL(ctx, store.CRLRow(k))
}

// KeptCRLs implements revocation.Shelf.
func (c crlShelf) KeptCRLs(ctx context.Context) ([]revocation.Kept, error) {
	rows, err := c.s.Store.CRLRows(ctx)
	all := make([]revocation.Kept, len(rows))
	for i, r := range rows {
		all[i] = revocation.Kept(r)
	}
	return all, err
}

// CRLOctets implements revocation.Shelf.
func (c crlShelf) CRLOctets(ctx context.Context, issuer, url string) ([]byte, error) {
	return c.s.Store.CRLOctets(ctx, issuer, url)
}

// restoreCRLs takes up the CRLs that are kept.
func (s *Sealist) restoreCRLs(ctx context.Context) error { return s.Revocation.Restore(ctx, s.Trust) }
