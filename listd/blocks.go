package listd

import (
	"context"
	"crypto/x509"
	"fmt"
	"sync/atomic"

	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/trust"
)

// blocks are the certificates that a listmaster blocked, by fingerprint. They count for nobody and nothing, whatever source
// has them.
type blocks struct {
	store *store.Store
	now   atomic.Pointer[map[string]store.Mark]
}

// load reads them from the database.
func (b *blocks) load(ctx context.Context) error {
	marks, err := b.store.Marks(ctx, store.MarkFilter{Kind: store.MarkBlock})
	if err != nil {
		return fmt.Errorf("reading which certificates are blocked: %w", err)
	}
	all := make(map[string]store.Mark, len(marks))
	for _, m := range marks {
		all[m.Fingerprint] = m
	}
	b.now.Store(&all)
	return nil
}

// except is for revocation.Judge.
func (b *blocks) except(cert *x509.Certificate) (trust.Reason, string) {
	all := *b.now.Load()
	if len(all) == 0 {
		return "", ""
	}
	m, ok := all[trust.Fingerprint(cert)]
	if !ok {
		return "", ""
	}
	detail := "blocked by " + m.Actor + " on " + m.At.Format("2006-01-02")
	if m.Reason != "" {
		detail += ": " + m.Reason
	}
	return trust.Blocked, detail
}
