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

	// Until is the earliest notAfter on the Path.
	Until time.Time
}

// OK reports whether the certificate may be used.
func (v Verdict) OK() bool { return v.Reason == "" && len(v.Path) > 0 }

func refuse(r Reason, format string, args ...any) Verdict {
	return Verdict{Reason: r, Detail: fmt.Sprintf(format, args...)}
}
