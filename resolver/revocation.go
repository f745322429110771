package resolver

import (
	"context"
	"fmt"
	"time"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/smime/trust"
)

// patience is how long a batch waits in all for answers about revocation that are on their way. All that it needs are
// asked for at the same time, so that it is one fetch's time, whatever the number of certificates.
const patience = 10 * time.Second

// takeAll takes one source's answers for the addresses that are open. Those that need to know first whether a certificate
// has been revoked are taken again when something has come, until patience ends; then what is known decides.
func (r *Resolver) takeAll(ctx context.Context, open []*inquiry, s Source, answers []directory.Answer, allowed Allowances, at time.Time) []bool {
	done := make([]bool, len(open))
	waiting := make([]int, len(open))
	for n := range waiting {
		waiting[n] = n
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for patient := true; len(waiting) > 0; {
		pending := make([]<-chan struct{}, len(waiting))
		inParallel(len(waiting), func(i int) {
			n := waiting[i]
			done[n], pending[i] = r.take(open[n], s, answers[n], allowed, at, patient)
		})
		still := waiting[:0]
		var next <-chan struct{}
		for i, n := range waiting {
			if pending[i] != nil {
				still, next = append(still, n), pending[i]
			}
		}
		if waiting = still; next == nil {
			continue
		}
		select {
		case <-next:
		case <-timer.C:
			patient = false
		case <-ctx.Done():
			patient = false
		}
	}
	return done
}

// siftPatiently judges one answer as takeAll does.
func (r *Resolver) siftPatiently(ctx context.Context, address string, a directory.Answer, allowed Allowances, at time.Time) sifted {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		found := r.sift(address, a, allowed, at)
		if found.pending == nil {
			return found
		}
		select {
		case <-found.pending:
		case <-ctx.Done():
			return found
		}
	}
}

// undecided tells whether a certificate may not be used only because nobody answered whether it has been revoked. That
// is an outage. A certificate that names nobody to ask never will be better.
func undecided(v trust.Verdict) bool {
	return v.Reason == trust.RevocationUnknown && v.Revocation != trust.RevocationNoMechanism
}

func outage(address, fingerprint string, v trust.Verdict) error {
	return fmt.Errorf("whether the certificate %.16s of %s has been revoked is not known: %s", fingerprint, address, v.Detail)
}
