package notice

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"unicode/utf8"
)

// Bounds of a template, in octets.
const (
	maxTemplate = 32 << 10  // of its file
	maxText     = 256 << 10 // of what it makes
)

// maxWithin is how many actions, and words in them, may stand within ranges: what is done for every line.
const maxWithin = 100

// ErrTemplate is wrapped by every error that says what is wrong with a template.
var ErrTemplate = errors.New("template of service mail")

// lineList is the one variable that is a list of strings.
const lineList = "lines"

// common are the variables that every notice has: its addressee, and for one of a list the list and its owners' address.
var common = []string{"to", "list", "owner"}

// functions are those that a template may use.
var functions = []string{"eq", "ne", "not", "and", "or"}

// compiled is a template that may be executed. What is allowed in one makes its execution linear in its own length and the
// number of lines: text, strings, conditions, and one range over the lines that holds no other.
type compiled struct {
	template  *template.Template
	variables map[string]bool // that it takes
}

// compile reads a template. allowed are the variables that it may take beside the common ones; nil: any.
func compile(name, text string, allowed map[string]bool) (compiled, error) {
	fault := func(format string, args ...any) (compiled, error) {
		return compiled{}, fmt.Errorf("%w: %w", ErrTemplate, fmt.Errorf(format, args...))
	}
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")
	switch {
	case len(text) > maxTemplate:
		return fault("it is longer than %d octets", maxTemplate)
	case !utf8.ValidString(text):
		return fault("it is not UTF-8")
	case strings.ContainsFunc(text, func(r rune) bool { return (r < ' ' && r != '\n' && r != '\t') || r >= 0x7f && r < 0xa0 }):
		return fault("it holds a control character")
	case !strings.HasPrefix(text, "Subject: ") || !strings.Contains(text, "\n\n"):
		return fault("it has to begin with a line \"Subject: …\" and an empty one")
	}
	t, err := template.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		return fault("%w", err)
	}
	if len(t.Templates()) != 1 {
		return fault("it defines another template within")
	}
	c := checker{allowed: allowed, variables: map[string]bool{}}
	c.nodes(t.Root, false)
	if c.err != nil {
		return fault("%w", c.err)
	}
	return compiled{t, c.variables}, nil
}

// execute makes subject and text of the data.
func (c compiled) execute(data map[string]any) (subject, body string, err error) {
	var out bounded
	if err := c.template.Execute(&out, data); err != nil {
		return "", "", fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	subject, body, ok := strings.Cut(out.String(), "\n\n")
	subject, isSubject := strings.CutPrefix(subject, "Subject: ")
	if !ok || !isSubject || strings.Contains(subject, "\n") {
		return "", "", fmt.Errorf("%w: what it makes does not begin with one line \"Subject: …\" and an empty one", ErrTemplate)
	}
	return subject, body, nil
}

// bounded is a strings.Builder that takes maxText octets.
type bounded struct{ strings.Builder }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxText {
		return 0, fmt.Errorf("it makes more than %d octets", maxText)
	}
	return b.Builder.Write(p)
}

// checker walks through a parsed template. The first error sticks.
type checker struct {
	allowed   map[string]bool
	variables map[string]bool
	within    int // actions within ranges so far
	err       error
}

func (c *checker) fail(n parse.Node, format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%.60q: %s", n, fmt.Sprintf(format, args...))
	}
}

// count counts what is done for every line.
func (c *checker) count(n parse.Node, within bool) {
	if within {
		c.within++
	}
	if c.within > maxWithin {
		c.fail(n, "more than %d actions and words stand within {{range .%s}}", maxWithin, lineList)
	}
}

// nodes checks a list of nodes; within tells whether it stands in a range.
func (c *checker) nodes(l *parse.ListNode, within bool) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		c.count(n, within)
		switch n := n.(type) {
		case *parse.TextNode, *parse.CommentNode:
		case *parse.ActionNode:
			c.pipe(n.Pipe, within)
		case *parse.IfNode:
			c.pipe(n.Pipe, within)
			c.nodes(n.List, within)
			c.nodes(n.ElseList, within)
		case *parse.RangeNode:
			c.ranged(n, within)
		default:
			c.fail(n, "templates have no more than {{.name}}, {{if}}, {{range .%s}}", lineList)
		}
	}
}

func (c *checker) ranged(n *parse.RangeNode, within bool) {
	if n.Pipe.String() != "."+lineList || within {
		c.fail(n.Pipe, "range goes over .%s alone, and stands in no other range", lineList)
		return
	}
	c.use(n, lineList)
	c.nodes(n.List, true)
	c.nodes(n.ElseList, within)
}

// pipe checks what is written, or asked by an if.
func (c *checker) pipe(p *parse.PipeNode, within bool) {
	if len(p.Decl) > 0 || len(p.Cmds) != 1 {
		c.fail(p, "there are no variables and no pipelines here")
		return
	}
	for i, arg := range p.Cmds[0].Args {
		c.count(arg, within)
		switch arg := arg.(type) {
		case *parse.IdentifierNode:
			if i != 0 || !slices.Contains(functions, arg.Ident) {
				c.fail(p, "of functions there are %s", strings.Join(functions, ", "))
			}
		case *parse.PipeNode:
			c.pipe(arg, within)
		case *parse.StringNode:
		case *parse.DotNode:
			if !within {
				c.fail(p, "the dot by itself is a line, within {{range .%s}}", lineList)
			}
		case *parse.FieldNode:
			c.field(arg, within)
		default:
			c.fail(p, "write the name of a variable, as {{.list}}")
		}
	}
}

func (c *checker) field(f *parse.FieldNode, within bool) {
	switch {
	case within:
		c.fail(f, "within {{range .%s}} there is the line alone, as {{.}}", lineList)
	case len(f.Ident) != 1:
		c.fail(f, "variables are plain strings")
	case f.Ident[0] == lineList:
		c.fail(f, "lines are written by {{range .%s}}", lineList)
	default:
		c.use(f, f.Ident[0])
	}
}

func (c *checker) use(n parse.Node, name string) {
	if c.allowed != nil && !c.allowed[name] && !slices.Contains(common, name) {
		there := slices.Concat(slices.Sorted(maps.Keys(c.allowed)), common)
		slices.Sort(there)
		c.fail(n, "there is no variable %s here, but %s", name, strings.Join(slices.Compact(there), ", "))
	}
	c.variables[name] = true
}
