package bounce

import (
	"time"

	"github.com/sealist/sealist/listd/list"
)

// Step is what was done about a member's bounces.
type Step string

// The steps, each after the one before.
const (
	Watched   Step = ""          // nothing yet
	Notified  Step = "notified"  // his list's owners were told
	Suspended Step = "suspended" // he gets no posts until he, or somebody for him, sets it right
	Removed   Step = "removed"   // he was taken off the list
)

// How somebody who is suspended is written to: each of these mails leaves from
// his return address, so that one which comes back counts, too.
const (
	ProbeEvery = 7 * 24 * time.Hour
	MaxProbes  = 8
	MinNotice  = 14 * 24 * time.Hour // nobody is removed sooner than that after he was suspended
)

// Standing is what is known of a member when his bounces are judged.
type Standing struct {
	Score     Points // now
	Step      Step
	Since     time.Time // of Step
	Complaint bool      // he complained, since he was last set right
	Suspended bool      // he gets no posts, for whatever reason
}

// Verdict is what is to be done.
type Verdict struct {
	Step  Step
	Due   time.Time // when to look again though nothing more comes; zero: not
	Probe bool      // write to him how to come back, unless that was done within ProbeEvery
}

// Judge compares a member's standing with the thresholds of his list, of which 0
// is none. A complaint suspends and never removes. Somebody whom people suspended
// is left to them.
func Judge(p list.Policy, s Standing, now time.Time) Verdict {
	over := func(threshold int) bool { return threshold > 0 && s.Score >= Points(threshold)*Point }
	switch {
	case s.Step == Suspended && !s.Suspended:
		return Verdict{Step: Watched} // somebody resumed him
	case s.Step == Suspended && s.Complaint:
		return Verdict{Step: Suspended}
	case s.Step == Suspended:
		return suspended(s, over(p.BounceRemove), now)
	case s.Suspended:
		return Verdict{Step: s.Step}
	case s.Complaint, over(p.BounceSuspend):
		v := Verdict{Step: Suspended, Probe: true}
		if !s.Complaint {
			v.Due = now.Add(ProbeEvery)
		}
		return v
	case over(p.BounceNotify):
		return Verdict{Step: Notified}
	}
	return Verdict{Step: Watched}
}

// suspended is what becomes of somebody who is suspended for his bounces.
func suspended(s Standing, remove bool, now time.Time) Verdict {
	age := now.Sub(s.Since)
	switch {
	case remove && age >= MinNotice:
		return Verdict{Step: Removed}
	case age >= MaxProbes*ProbeEvery:
		return Verdict{Step: Suspended}
	}
	// A bounce brings him here at any moment; his mails keep their weeks.
	weeks := age / ProbeEvery
	return Verdict{Step: Suspended, Due: s.Since.Add((weeks + 1) * ProbeEvery), Probe: weeks > 0}
}
