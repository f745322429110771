package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrNegative ends a command whose answer is no and has been given in full: its
// exit status says so, and nothing more is printed.
var ErrNegative = &Error{Kind: Refused}

// severalMistakes is an error made of mistakes that have each their remedy, as
// config.Errors is.
type severalMistakes interface {
	Each(tell func(what, remedy string))
}

// Report tells a person at a terminal what went wrong, in lines that begin with
// the program's name and "error:" or "hint:", and returns the exit status.
func Report(w io.Writer, program string, err error) (status int) {
	if err == nil {
		return 0
	}
	var several severalMistakes
	if errors.As(err, &several) {
		several.Each(func(what, remedy string) {
			lines(w, program+": error: ", what)
			lines(w, program+": hint: ", remedy)
		})
		return int(Environment)
	}
	e := Explain(err)
	lines(w, program+": error: ", e.What)
	lines(w, program+": hint: ", e.Hint)
	return int(e.Kind)
}

// lines writes each line of a text behind the prefix, and nothing for an empty
// text.
func lines(w io.Writer, prefix, text string) {
	if text == "" {
		return
	}
	for line := range strings.SplitSeq(text, "\n") {
		fmt.Fprintln(w, prefix+Printable(line))
	}
}

// WriteJSON writes one answer for a program to read.
func WriteJSON(w io.Writer, answer any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(answer)
}

// Printable makes a text that came from outside (a certificate, a directory, a
// message) fit for a terminal: what would move its cursor or hide is shown as
// an escape.
func Printable(s string) string {
	if !strings.ContainsFunc(s, unprintable) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unprintable(r) {
			fmt.Fprintf(&b, "\\u{%x}", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }
