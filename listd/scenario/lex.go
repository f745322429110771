package scenario

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// condition is one test of a rule.
type condition struct {
	not      bool
	name     string
	test     test
	args     []argument
	warnings []string
}

// String writes the condition in one way, whatever white space and quotes it
// was written with.
func (c condition) String() string {
	var b strings.Builder
	if c.not {
		b.WriteByte('!')
	}
	b.WriteString(c.name + "(")
	for i, a := range c.args {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(a.String())
	}
	return b.String() + ")"
}

// argument is a literal, a variable or a regular expression.
type argument struct {
	literal  string
	variable *variable
	pattern  *pattern
}

// String writes the argument as it is written in a rule.
func (a argument) String() string {
	switch {
	case a.variable != nil:
		return a.variable.String()
	case a.pattern != nil:
		return "/" + a.pattern.source + "/"
	}
	return "'" + a.literal + "'"
}

var (
	conditionHead = regexp.MustCompile(`^(!?)\s*([A-Za-z_][\w:]*)\s*\(`)
	variableForm  = regexp.MustCompile(`^\[(\w+)(?:->([\w-]+))?\](?:\[([-+]?\d{1,9})\])?`)
	bareWord      = regexp.MustCompile(`^[^\s,()'"\[\]/]+`)
)

// parseCondition reads a condition and returns what stands behind it.
func parseCondition(text string) (condition, string, error) {
	m := conditionHead.FindStringSubmatch(text)
	if m == nil {
		return condition{}, "", fmt.Errorf("%.60q is neither a rule, a title nor an include", text)
	}
	c := condition{not: m[1] == "!", name: strings.ToLower(m[2])}
	if strings.HasPrefix(c.name, "customcondition::") {
		return c, "", fmt.Errorf("%s: %w", m[2], ErrCustomCondition)
	}
	rest := text[len(m[0]):]
	for {
		rest = strings.TrimLeft(rest, " \t")
		if after, ok := strings.CutPrefix(rest, ")"); ok {
			rest = after
			break
		}
		if after, ok := strings.CutPrefix(rest, ","); ok && len(c.args) > 0 {
			rest = strings.TrimLeft(after, " \t")
		}
		var a argument
		var err error
		if a, rest, err = parseArgument(rest); err != nil {
			return c, "", fmt.Errorf("%s: %w", c.name, err)
		}
		c.args = append(c.args, a)
	}
	return c, rest, c.check()
}

// parseArgument reads one argument.
func parseArgument(text string) (argument, string, error) {
	if text == "" {
		return argument{}, "", fmt.Errorf("a ) is missing")
	}
	switch text[0] {
	case '[':
		m := variableForm.FindStringSubmatch(text)
		if m == nil {
			return argument{}, "", fmt.Errorf("%.40q is no variable", text)
		}
		v, err := newVariable(m[1], m[2], m[3])
		return argument{variable: v}, text[len(m[0]):], err
	case '\'', '"':
		end := strings.IndexByte(text[1:], text[0])
		if end < 0 {
			return argument{}, "", fmt.Errorf("a %c is missing", text[0])
		}
		literal, rest := text[1:end+1], text[end+2:]
		// Sympa takes a variable within quotes for the variable.
		if m := variableForm.FindStringSubmatch(literal); m != nil && m[0] == literal {
			v, err := newVariable(m[1], m[2], m[3])
			return argument{variable: v}, rest, err
		}
		return argument{literal: literal}, rest, nil
	case '/':
		for i := 1; i < len(text); i++ {
			switch text[i] {
			case '\\':
				i++
			case '/':
				p, err := newPattern(text[1:i])
				return argument{pattern: p}, text[i+1:], err
			}
		}
		return argument{}, "", fmt.Errorf("the / that ends the regular expression is missing")
	}
	word := bareWord.FindString(text)
	if word == "" {
		return argument{}, "", fmt.Errorf("%.40q is no argument", text)
	}
	return argument{literal: word}, text[len(word):], nil
}

// maxPattern is the longest regular expression in octets.
const maxPattern = 1000

// pattern is a regular expression, letter case aside, in RE2's language: its
// time is linear in what it is matched with. [domain] and [host] in it stand
// for the list's domain.
type pattern struct {
	source string
	re     *regexp.Regexp // nil: it depends on the domain
}

var domainInPattern = regexp.MustCompile(`\[(domain|host)\]`)

func newPattern(source string) (*pattern, error) {
	p := &pattern{source: source}
	if len(source) > maxPattern {
		return p, fmt.Errorf("a regular expression is longer than %d octets", maxPattern)
	}
	re, err := p.compile("example.org")
	if err != nil {
		return p, fmt.Errorf("the regular expression /%s/ is not one of RE2: %w", source, err)
	}
	if !domainInPattern.MatchString(source) {
		p.re = re
	}
	return p, nil
}

func (p *pattern) compile(domain string) (*regexp.Regexp, error) {
	return regexp.Compile("(?i)" + domainInPattern.ReplaceAllLiteralString(p.source, regexp.QuoteMeta(domain)))
}

// of returns the expression for a list's domain.
func (p *pattern) of(domain string) (*regexp.Regexp, error) {
	if p.re != nil {
		return p.re, nil
	}
	return p.compile(domain)
}

// index reads the number behind a variable; nil for none.
func index(text string) *int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return nil
	}
	return &n
}
