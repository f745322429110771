package scenario

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Limits of a file, so that no mistake in one costs the server much.
const (
	maxFileOctets = 256 << 10
	maxRules      = 5000 // of a scenario with all it includes
	maxDepth      = 16   // of includes
)

// methods is a set of authentication methods.
type methods map[Method]bool

func (m methods) has(one Method) bool { return m[one] }

// within tells whether every method of m is in other.
func (m methods) within(other methods) bool {
	for one := range m {
		if !other[one] {
			return false
		}
	}
	return true
}

// list returns the methods in their usual order.
func (m methods) list() []Method {
	return slices.DeleteFunc(Methods(), func(one Method) bool { return !m[one] })
}

// parsed is one file, with its includes not followed.
type parsed struct {
	titles   map[string]string
	lines    []line
	problems []Problem
}

// line is a rule or an include.
type line struct {
	rule    rule
	include string // name of what is included; empty: it is a rule
	at      Position
}

var (
	titleLine   = regexp.MustCompile(`(?i)^title(?:\.(\S+))?\s+(.+)$`)
	includeLine = regexp.MustCompile(`(?i)^include(?:\s+|\s*\()\s*['"]?([^'"()]*?)['"]?\s*\)?$`)
	oneWord     = regexp.MustCompile(`^\w+$`)
)

// parse reads a file. What it cannot understand becomes a Problem; it goes on
// behind it, so that all mistakes are told at once.
func parse(f Function, label string, text []byte) parsed {
	p := parsed{titles: map[string]string{}}
	if len(text) > maxFileOctets {
		p.fault(Position{File: label}, nil, "it is larger than %d octets", maxFileOctets)
		return p
	}
	text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
	number := 0
	for raw := range bytes.SplitSeq(text, []byte("\n")) {
		number++
		p.line(f, Position{label, number}, string(raw))
	}
	return p
}

func (p *parsed) fault(at Position, beneath error, format string, args ...any) {
	p.problems = append(p.problems, Problem{at, Fault, fmt.Sprintf(format, args...), beneath})
}

func (p *parsed) warn(at Position, format string, args ...any) {
	p.problems = append(p.problems, Problem{at, Warning, fmt.Sprintf(format, args...), nil})
}

// line reads one line. A comment reaches from the first "#" to the end, as in
// Sympa: also within a regular expression, which can say \x23.
func (p *parsed) line(f Function, at Position, text string) {
	text, _, _ = strings.Cut(text, "#")
	text = strings.TrimSpace(text)
	switch {
	case text == "":
	case titleLine.MatchString(text):
		m := titleLine.FindStringSubmatch(text)
		p.titles[strings.ToLower(m[1])] = m[2]
	case includeLine.MatchString(text):
		name := includeLine.FindStringSubmatch(text)[1]
		if !plainName(name) {
			p.fault(at, nil, "%.60q is no name to include: it is what stands behind include. in a file's name", name)
			return
		}
		p.lines = append(p.lines, line{include: name, at: at})
	case oneWord.MatchString(text) && !strings.EqualFold(text, "include"):
		p.warn(at, "a line of one word means nothing and is passed over")
	default:
		r, err := parseRule(f, text)
		for _, w := range r.warnings {
			p.warn(at, "%s", w)
		}
		if err != nil {
			p.fault(at, err, "%v", err)
			return
		}
		r.rule.at, r.rule.text = at, text
		p.lines = append(p.lines, line{rule: r.rule, at: at})
	}
}

// parsedRule is a rule and what is odd about it.
type parsedRule struct {
	rule     rule
	warnings []string
}

// parseRule reads CONDITION METHODS -> ACTION.
func parseRule(f Function, text string) (parsedRule, error) {
	var r parsedRule
	c, rest, err := parseCondition(text)
	if err != nil {
		return r, err
	}
	words, action, ok := strings.Cut(rest, "->")
	if !ok {
		return r, fmt.Errorf("there is no -> and action behind %s", c.name)
	}
	r.rule.condition, r.warnings = c, c.warnings
	if r.rule.methods, err = r.parseMethods(words); err != nil {
		return r, err
	}
	r.rule.decision, err = parseAction(f, strings.TrimSpace(action))
	return r, err
}

// parseMethods reads "smtp,md5,smime"; none at all is smtp. Commas and lower
// case are wanted: without them a rule of Sympa covers nothing.
func (r *parsedRule) parseMethods(text string) (methods, error) {
	if text = strings.TrimSpace(text); text == "" {
		return methods{SMTP: true}, nil
	}
	m := methods{}
	for w := range strings.SplitSeq(text, ",") {
		w = strings.TrimSpace(w)
		switch method, err := ParseMethod(w); {
		case w == "":
		case w == "dkim" || w == "pgp":
			r.warnings = append(r.warnings, fmt.Sprintf("the method %s is ignored: nothing is authenticated by it", w))
		case err != nil:
			return nil, err
		default:
			m[method] = true
		}
	}
	return m, nil
}

// words of an action: a name, perhaps arguments, and options behind commas.
var actionParts = regexp.MustCompile(`^(\w+)\s*(?:\(([^()]*)\))?\s*((?:,\s*\w+\s*)*)$`)

// parseAction reads what stands behind the arrow.
func parseAction(f Function, text string) (Decision, error) {
	m := actionParts.FindStringSubmatch(text)
	if m == nil {
		return Decision{}, fmt.Errorf("%.60q is no action", text)
	}
	d := Decision{Action: Action(m[1])}
	if !slices.Contains(Function("").actions(), d.Action) {
		return d, fmt.Errorf("there is no action %.40q", m[1])
	}
	if !slices.Contains(f.actions(), d.Action) {
		return d, fmt.Errorf("%s scenarios cannot answer %s: they have %v", f, d.Action, f.actions())
	}
	if err := d.arguments(strings.TrimSpace(m[2])); err != nil {
		return d, err
	}
	for option := range strings.SplitSeq(m[3], ",") {
		switch option = strings.ToLower(strings.TrimSpace(option)); {
		case option == "":
		case option == "quiet":
			d.Quiet = true
		case option == "notify" && d.Action != Reject:
			d.Notify = true
		default:
			return d, fmt.Errorf("%s has no option %.40q", d.Action, option)
		}
	}
	if d.Action == Reject && d.Reason == "" {
		d.Reason = ReasonRejected
	}
	return d, nil
}

var rejectArgument = regexp.MustCompile(`^(?:(reason|tt2)\s*=\s*)?(?:'([\w.-]+)'|"([\w.-]+)"|([\w.-]+))$`)

// arguments reads what stands in an action's parentheses.
func (d *Decision) arguments(text string) error {
	switch {
	case text == "":
		return nil
	case d.Action == RequestAuth && (text == "[email]" || text == "email"):
		d.AskEmail = true
		return nil
	case d.Action == RequestAuth && (text == "[sender]" || text == "sender"):
		return nil
	case d.Action != Reject:
		return fmt.Errorf("%s cannot have the argument %.40q", d.Action, text)
	}
	for one := range strings.SplitSeq(text, ",") {
		m := rejectArgument.FindStringSubmatch(strings.TrimSpace(one))
		if m == nil {
			return fmt.Errorf("%.60q is no argument of reject: write reason='WORD' or tt2='TEMPLATE'", one)
		}
		if value := m[2] + m[3] + m[4]; m[1] == "reason" {
			d.Reason = value
		} else {
			d.Template = value
		}
	}
	return nil
}

// Title says in one line what the scenario allows, in a language as "fr-CH":
// in that one, else that language anywhere, else English, else as the file
// has it. Its name if it has no title.
func (s Scenario) Title(language string) string {
	language = strings.ToLower(language)
	base, _, _ := strings.Cut(language, "-")
	for _, key := range []string{language, base, "", "gettext", "default", "en"} {
		if title, ok := s.titles[key]; ok {
			return title
		}
		for _, other := range slices.Sorted(maps.Keys(s.titles)) {
			if b, _, _ := strings.Cut(other, "-"); key != "" && b == key {
				return s.titles[other]
			}
		}
	}
	return s.name
}
