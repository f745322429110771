package distribute

import (
	"bytes"
	"context"
	"fmt"

	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/resolver"
	"github.com/sealist/sealist/smime"
)

// pins tells which certificates without any address a listmaster pinned to one, or a directory's entry binds to it
// (invariant 4(d)).
type pins struct {
	ctx      context.Context
	store    *store.Store
	resolver *resolver.Resolver
	err      error // that nobody can be asked is an outage, and no answer
}

func (p *pins) bound(s *smime.Signer, address string) bool {
	kept, err := p.store.Assigned(p.ctx, store.MarkPin, []string{address})
	if err != nil {
		p.err = fmt.Errorf("reading the pins of an address: %w", err)
	}
	for _, k := range kept {
		if bytes.Equal(k.Certificate, s.Certificate.Raw) {
			return true
		}
	}
	if !s.Verdict.OK() {
		return false // a stranger's mail makes nobody ask a directory
	}
	yes, err := p.resolver.Binds(p.ctx, s.Certificate, address)
	if err != nil {
		p.err = fmt.Errorf("asking whose certificate it is that signed: %w", err)
	}
	return yes
}
