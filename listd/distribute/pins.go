package distribute

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"

	"github.com/sealist/sealist/listd/store"
)

// pins tells which certificates without any address a listmaster pinned to one (invariant 4(d)).
//
// Interim: that a directory's entry binds such a certificate is not asked for when it signs.
type pins struct {
	ctx   context.Context
	store *store.Store
	err   error // that they cannot be read is an outage, and no answer
}

func (p *pins) bound(cert *x509.Certificate, address string) bool {
	kept, err := p.store.Assigned(p.ctx, store.MarkPin, []string{address})
	if err != nil {
		p.err = fmt.Errorf("reading the pins of an address: %w", err)
	}
	for _, k := range kept {
		if bytes.Equal(k.Certificate, cert.Raw) {
			return true
		}
	}
	return false
}
