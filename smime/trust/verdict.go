package trust

import (
	"crypto/x509"
	"fmt"
	"time"
)

// Use is what a certificate's key is wanted for.
type Use int

// The two uses.
const (
	Signing    Use = iota + 1 // to believe a signature it made
	Encryption                // to encrypt to it
)

// String returns "signing" or "encryption".
func (u Use) String() string {
	switch u {
	case Signing:
		return "signing"
	case Encryption:
		return "encryption"
	}
	return fmt.Sprintf("use %d", int(u))
}

// Verdict says whether a certificate may be used.
type Verdict struct {
	Reason Reason // empty: it may
	Detail string // one sentence for the administrator; empty if it may

	// Path leads from the certificate to its trust anchor, both included. It is nil unless the certificate may be used.
	// It is shared: do not write to it.
	Path []*x509.Certificate

	// Until is the earliest notAfter on the Path, and not later than any answer about revocation counts.
	Until time.Time
	// Revocation is the worst state on the Path, for a Judge that asks; a Policy by itself does not, and it is empty.
	Revocation RevocationState
	// GraceUntil is the end of the grace in which the certificate is used although nobody answers whether it has been
	// revoked. Zero: none runs.
	GraceUntil time.Time
	// Pending is closed when it is worth asking again, because an answer about revocation is on its way that may change
	// the verdict. Nil: there is none.
	Pending <-chan struct{}
}

// OK reports whether the certificate may be used.
func (v Verdict) OK() bool { return v.Reason == "" && len(v.Path) > 0 }

func refuse(r Reason, format string, args ...any) Verdict {
	return Verdict{Reason: r, Detail: fmt.Sprintf(format, args...)}
}
