package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sealist/sealist/listd/admin"
)

// table writes rows under a heading, in columns.
func table(out io.Writer, heading []string, rows [][]string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{heading}, rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			if cells[i] = admin.Printable(cell); cell == "" {
				cells[i] = "-"
			}
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// facts writes names with their values, leaving out those without.
func facts(out io.Writer, pairs ...[2]string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, p := range pairs {
		if p[1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", p[0], admin.Printable(p[1]))
		}
	}
	return w.Flush()
}

// moment writes a time for a person; nothing for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// date writes the day of a time.
func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

// short is as much of a fingerprint as tells certificates apart.
func short(fingerprint string) string { return fingerprint[:min(16, len(fingerprint))] }

// shortEach is the same for several with spaces between them.
func shortEach(fingerprints string) string {
	all := strings.Fields(fingerprints)
	for i, f := range all {
		all[i] = short(f)
	}
	return strings.Join(all, " ")
}

// count writes "1 member", "2 members".
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if strings.HasSuffix(one, "ss") {
		return fmt.Sprint(n, " ", one, "es")
	}
	return fmt.Sprint(n, " ", one, "s")
}
