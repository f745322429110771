package scenario

import (
	"errors"
	"fmt"
	"strings"
)

// Position is a place in a scenario file.
type Position struct {
	File string `json:"file"` // below the data folder; a bare name where it is built in
	Line int    `json:"line"` // from 1; 0: the file as a whole
}

// String returns "FILE:LINE".
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Severity says what follows from a Problem.
type Severity string

// The severities.
const (
	Fault   Severity = "error"   // the scenario decides nothing and rejects everything
	Warning Severity = "warning" // it works, and perhaps not as it was meant
)

// Problem is what is the matter with a scenario, and where.
type Problem struct {
	Position
	Severity Severity `json:"severity"`
	Text     string   `json:"text"`

	err error // what Text says, for errors.Is; may be nil
}

// Error returns "FILE:LINE: TEXT".
func (p Problem) Error() string { return p.Position.String() + ": " + p.Text }

// Unwrap returns what lies beneath, as [ErrCustomCondition].
func (p Problem) Unwrap() error { return p.err }

// ErrCustomCondition is what a rule with a condition written in Perl is refused
// with: Sealist runs no code of that kind.
var ErrCustomCondition = errors.New("custom conditions are Perl, which Sealist does not run; write a search() file in its place")

// brokenError is why a scenario rejects everything. It wraps ErrPermanent.
type brokenError []Problem

func (e brokenError) Error() string {
	texts := make([]string, len(e))
	for i, p := range e {
		texts[i] = p.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap gives the problems, for errors.Is and errors.As.
func (e brokenError) Unwrap() []error {
	errs := []error{ErrPermanent}
	for _, p := range e {
		errs = append(errs, p)
	}
	return errs
}

// errorsOf returns the problems that close a scenario.
func errorsOf(all []Problem) brokenError {
	var broken brokenError
	for _, p := range all {
		if p.Severity == Fault {
			broken = append(broken, p)
		}
	}
	return broken
}
