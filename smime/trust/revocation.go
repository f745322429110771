package trust

import (
	"fmt"
	"time"
)

// RevocationState is what is known about a certificate's revocation. The words are printed by
// `listmaster message inspect --json`.
type RevocationState string

// The states. "Fresh" means that the answer's nextUpdate has not passed.
const (
	RevocationUnchecked   RevocationState = "unchecked"    // nobody looked; also the zero Verdict's
	RevocationGood        RevocationState = "good"         // a fresh answer says so
	RevocationRevoked     RevocationState = "revoked"      // an answer says so, fresh or not
	RevocationStale       RevocationState = "stale"        // the last answer said good and is out of date
	RevocationNoAnswer    RevocationState = "unknown"      // nobody could be asked, or no answer counts
	RevocationNoMechanism RevocationState = "no_mechanism" // the certificate names nobody who could be asked
)

// RevocationStatus is the state of one certificate, and why.
type RevocationStatus struct {
	State RevocationState
	// Until is the nextUpdate up to which the answer counts; for a stale one it has passed. Zero where there is no
	// answer.
	Until time.Time
	// Detail is one sentence for the administrator; empty if the state is good.
	Detail string
}

// worseThan orders states by how little they say for a certificate.
func (s RevocationState) worseThan(other RevocationState) bool { return s.badness() > other.badness() }

func (s RevocationState) badness() int {
	switch s {
	case RevocationGood:
		return 0
	case RevocationNoMechanism:
		return 1
	case RevocationStale:
		return 2
	case RevocationUnchecked, RevocationNoAnswer:
		return 3
	}
	return 4
}

// WorstRevocation is the state that decides about a path: revoked before unknown, stale, no_mechanism and good. Without
// any it is good: nothing is asked about a trust anchor.
func WorstRevocation(all []RevocationStatus) RevocationStatus {
	worst := RevocationStatus{State: RevocationGood}
	for _, s := range all {
		switch {
		case s.State.worseThan(worst.State):
			worst = s
		case s.State == worst.State && !s.Until.IsZero() && (worst.Until.IsZero() || s.Until.Before(worst.Until)):
			worst.Until = s.Until
		}
	}
	return worst
}

func statusf(state RevocationState, format string, args ...any) RevocationStatus {
	return RevocationStatus{State: state, Detail: fmt.Sprintf(format, args...)}
}

// RevocationLimits bound the answers that count. The zero value trusts their dates.
type RevocationLimits struct {
	// MaxAge is how long after its thisUpdate an answer counts at most, whatever its nextUpdate is. 0: no bound.
	MaxAge time.Duration
	// MaxAgeOpen is the same for one without nextUpdate, which RFC 5280 section 5.1.2.5 forbids in a CRL and RFC 6960
	// section 4.2.2.1 reads as "newer information is available all the time". 0 means DefaultMaxAgeOpen.
	MaxAgeOpen time.Duration
	// AllowSHA1 lets answers count that are signed with SHA-1.
	AllowSHA1 bool
}

// DefaultMaxAgeOpen is how long an answer counts that does not say for how long.
const DefaultMaxAgeOpen = 24 * time.Hour

// maxClockSkew is how far an issuer's clock may be ahead of ours.
const maxClockSkew = 10 * time.Minute

// until is the moment up to which an answer counts.
func (l RevocationLimits) until(thisUpdate, nextUpdate time.Time) time.Time {
	if nextUpdate.IsZero() {
		open := l.MaxAgeOpen
		if open == 0 {
			open = DefaultMaxAgeOpen
		}
		return thisUpdate.Add(open)
	}
	if oldest := thisUpdate.Add(l.MaxAge); l.MaxAge > 0 && oldest.Before(nextUpdate) {
		return oldest
	}
	return nextUpdate
}
