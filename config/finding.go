package config

import (
	"fmt"
	"strings"
)

// Finding is one thing to say about a configuration: where it is, what is the
// matter and what to do.
type Finding struct {
	File   string `json:"file,omitempty"` // the file, or "environment"; empty if it came from neither
	Line   int    `json:"line,omitempty"` // from 1; 0: no line can be named
	Key    string `json:"key,omitempty"`  // as relay.address or directories[0].filter; the variable's name if it came from the environment
	What   string `json:"what"`           // what is the matter
	Remedy string `json:"remedy,omitempty"`
}

// Warning is a finding that does not keep the configuration from being used.
type Warning = Finding

// String writes "file:line: key: what (remedy)".
func (f Finding) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d", f.Line)
		}
		b.WriteString(": ")
	}
	if f.Key != "" {
		b.WriteString(f.Key + ": ")
	}
	b.WriteString(f.What)
	if f.Remedy != "" {
		b.WriteString(" (" + f.Remedy + ")")
	}
	return b.String()
}

// Errors is everything that is wrong with a configuration, in the order of its
// lines. It is never empty.
type Errors struct {
	Mistakes []Finding
}

// Each tells the mistakes one after the other: where and what, and the remedy.
func (e *Errors) Each(tell func(what, remedy string)) {
	for _, m := range e.Mistakes {
		remedy := m.Remedy
		m.Remedy = ""
		tell(m.String(), remedy)
	}
}

// Error writes the mistakes, one a line.
func (e *Errors) Error() string {
	lines := make([]string, len(e.Mistakes))
	for i, m := range e.Mistakes {
		lines[i] = m.String()
	}
	return strings.Join(lines, "\n")
}
