package scenario

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sealist/sealist/listd/list"
)

// Check tells what is the matter with a scenario: its errors, and what works
// and is perhaps not meant. It asks nobody.
func (s Scenario) Check() []Problem {
	all := slices.Clone(s.problems)
	if len(errorsOf(all)) == 0 {
		all = append(all, s.unreachable()...)
		all = append(all, s.forgeable()...)
		all = append(all, s.endless()...)
		all = append(all, s.uncovered()...)
	}
	if s.function != include && !s.function.exists() {
		all = append(all, warning(Position{File: s.label}, "nothing in Sealist asks the function %s", s.function))
	}
	slices.SortStableFunc(all, func(a, b Problem) int {
		if a.File != b.File {
			return strings.Compare(a.File, b.File)
		}
		return a.Line - b.Line
	})
	return all
}

func warning(at Position, format string, args ...any) Problem {
	return Problem{at, Warning, fmt.Sprintf(format, args...), nil}
}

// Mention is a name in a rule that only others can look up.
type Mention struct {
	Position
	List list.Address // a list; zero: it is a search file
	File string       // a search file; empty: it is a list
}

// Mentions returns the lists, other than its own, and the search files that the
// rules name. A list is looked for in domain where the rule gives none.
func (s Scenario) Mentions(domain string) []Mention {
	var all []Mention
	for _, rl := range s.rules {
		switch c := rl.condition; c.name {
		case "search":
			all = append(all, Mention{Position: rl.at, File: c.args[0].literal})
		case "is_subscriber", "is_owner", "is_editor":
			if l, err := listAddress(c.args[0].literal, domain); err == nil && c.args[0].variable == nil {
				all = append(all, Mention{Position: rl.at, List: l})
			}
		}
	}
	return all
}

// Unknown is the problem of a Mention of what does not exist.
func (m Mention) Unknown() Problem {
	if m.File != "" {
		return warning(m.Position, "there is no search file %s: where this rule is reached, the request is rejected", m.File)
	}
	return warning(m.Position, "there is no list %s: where this rule is reached, the request is rejected", m.List)
}

// certain tells whether a condition always holds.
func (c condition) certain() bool { return !c.not && (c.name == "true" || c.name == "all") }

// impossible tells whether a condition never holds.
func (c condition) impossible() bool { return c.not && (c.name == "true" || c.name == "all") }

// unreachable finds rules that decide nothing, because those before them do.
func (s Scenario) unreachable() []Problem {
	type earlier struct {
		at      Position
		methods methods
	}
	var all []Problem
	closed := methods{}          // by rules that always hold
	var closer Position          // the last of them
	same := map[string]earlier{} // by condition
	for _, rl := range s.rules {
		text := rl.condition.String()
		before := same[text]
		switch {
		case len(rl.methods) == 0:
			all = append(all, warning(rl.at, "no request reaches this rule: it names no method there is"))
			continue
		case rl.condition.impossible():
			all = append(all, warning(rl.at, "this rule never holds"))
		case rl.methods.within(closed):
			all = append(all, warning(rl.at, "no request reaches this rule: %s has decided before", closer))
		case rl.methods.within(before.methods):
			all = append(all, warning(rl.at, "no request reaches this rule: %s has the same condition", before.at))
		}
		union := methods{}
		for _, m := range append(before.methods.list(), rl.methods.list()...) {
			union[m] = true
		}
		same[text] = earlier{rl.at, union}
		if rl.condition.certain() {
			closer = rl.at
			for m := range rl.methods {
				closed[m] = true
			}
		}
	}
	return all
}

// forgeable finds rules in which a header field, which anybody can write, gives
// somebody a right.
func (s Scenario) forgeable() []Problem {
	var all []Problem
	for _, rl := range s.rules {
		role := strings.HasPrefix(rl.condition.name, "is_")
		if rl.decision.Action == Reject || !role && rl.decision.Action != DoIt {
			continue
		}
		for _, a := range rl.condition.args {
			if a.variable != nil && a.variable.header() {
				all = append(all, warning(rl.at, "%s gives a right, and anybody can write it: a signature covers a header field only where the client protects it", a))
			}
		}
	}
	return all
}

// endless finds rules that ask somebody to show again what he has shown.
func (s Scenario) endless() []Problem {
	var all []Problem
	for _, rl := range s.rules {
		if d := rl.decision; d.Action == RequestAuth && !d.AskEmail && rl.methods[MD5] {
			all = append(all, warning(rl.at, "who answers the challenge comes with the method md5, and is challenged again"))
		}
	}
	return all
}

// uncovered finds methods that no rule names: files from before S/MIME reject
// those who sign, without a word.
func (s Scenario) uncovered() []Problem {
	covered := methods{}
	grants := false
	last := Position{File: s.label}
	for _, rl := range s.rules {
		if rl.at.File == blocklist {
			continue
		}
		last = rl.at
		grants = grants || rl.decision.Action != Reject
		for m := range rl.methods {
			covered[m] = true
		}
	}
	if !grants || s.function == include {
		return nil
	}
	var all []Problem
	for _, m := range Methods() {
		if !covered[m] {
			all = append(all, warning(last, "no rule covers the method %s: such requests are rejected with the reason %s", m, ReasonNoRule))
		}
	}
	return all
}
