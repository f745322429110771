package datasource

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// settings are the lines NAME VALUE of an .ldap or .sql file.
type settings map[string]string

// errorf is an error that lies in the file.
func errorf(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrSearchFile, fmt.Errorf(format, args...))
}

// readSettings reads a file as Sympa has it: a name and a value a line, "\" at
// the end goes on in the next, "#" and ";" in front are comments. A name that
// is not known is an error, because it may be what makes the difference.
func readSettings(octets []byte, known ...string) (settings, error) {
	s := settings{}
	text := strings.ReplaceAll(strings.ReplaceAll(string(octets), "\r\n", "\n"), "\r", "\n")
	folded := ""
	for i, line := range strings.Split(text, "\n") {
		if folded == "" && (strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";")) {
			continue
		}
		line = strings.TrimSpace(line)
		if more, ok := strings.CutSuffix(line, `\`); ok {
			folded += more
			continue
		}
		line, folded = folded+line, ""
		if line == "" {
			continue
		}
		name, value, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
		value = strings.TrimSpace(value)
		switch {
		case value == "" && name == "sql_named_filter_query": // the heading that Sympa wants
		case !slices.Contains(known, name):
			return nil, errorf("line %d is no setting that is known: there are %s", i+1, strings.Join(known, ", "))
		case value == "":
			return nil, errorf("line %d: %s has no value", i+1, name)
		default:
			s[name] = value
		}
	}
	return s, nil
}

// need returns a setting that must be there.
func (s settings) need(name string) (string, error) {
	if s[name] == "" {
		return "", errorf("%s is missing", name)
	}
	return s[name], nil
}

// flag reads true or false; nothing is false.
func (s settings) flag(name string) (bool, error) {
	switch s[name] {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, errorf("%s is neither true nor false", name)
}

var placeholder = regexp.MustCompile(`\[(\w+(?:->[\w-]+)?)\]`)

// fill puts variables into a template; put says what stands in the place of a
// value, given what stands before it.
func fill(template string, variables map[string]string, put func(before, value string) (string, error)) (string, error) {
	var b strings.Builder
	at := 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(template, -1) {
		name := template[m[2]:m[3]]
		value, ok := variables[name]
		if !ok {
			return "", errorf("there is no variable [%s] for search files", name)
		}
		text, err := put(template[:m[0]], value)
		if err != nil {
			return "", err
		}
		b.WriteString(template[at:m[0]] + text)
		at = m[1]
	}
	return b.String() + template[at:], nil
}
