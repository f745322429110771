package admin_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/store"
)

type several struct{}

func (several) Error() string { return "several" }
func (several) Each(tell func(what, remedy string)) {
	tell("x.yaml:3: a: is bad", "mend it")
	tell("x.yaml:4: b: is bad", "")
}

func TestReport(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		text   string
	}{
		{nil, 0, ""},
		{admin.ErrNegative, 1, ""},
		{&admin.Error{Kind: admin.Usage, What: "one\ntwo", Hint: "do this"}, 2, "x: error: one\nx: error: two\nx: hint: do this\n"},
		{fmt.Errorf("opening: %w", &admin.Error{Kind: admin.Refused, What: "no"}), 1, "x: error: no\n"},
		{errors.New("broken"), 3, "x: error: broken\n"},
		{fmt.Errorf("adding: %w", store.ErrBusy), 3, "x: error: adding: " + store.ErrBusy.Error() + "\nx: hint: another process is writing; try again, and look for one that hangs\n"},
		{several{}, 3, "x: error: x.yaml:3: a: is bad\nx: hint: mend it\nx: error: x.yaml:4: b: is bad\n"},
		{errors.New("bad \x1b[2J\a\u202e"), 3, "x: error: bad \\u{1b}[2J\\u{7}\\u{202e}\n"},
	} {
		var out bytes.Buffer
		if status := admin.Report(&out, "x", c.err); status != c.status || out.String() != c.text {
			t.Errorf("%v: %d %q", c.err, status, out.String())
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"Jörg 漢": "Jörg 漢", "a\tb": `a\u{9}b`, "\xff": `\u{fffd}`, "\x9b31m": `\u{fffd}31m`, "": "", "a\nb": `a\u{a}b`, "\u00a0": `\u{a0}`,
	} {
		if got := admin.Printable(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
