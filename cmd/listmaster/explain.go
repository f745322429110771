package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/listd/admin"
)

// explainAddress answers for one address.
func explainAddress(ctx context.Context, c *cobra.Command, g *globals, s *session, address string, fresh bool) error {
	e, err := s.Explain(ctx, address, fresh)
	if err != nil {
		return err
	}
	if g.json {
		err = admin.WriteJSON(c.OutOrStdout(), e)
	} else {
		err = printExplanation(c.OutOrStdout(), e)
	}
	if err == nil && !e.Sealable() {
		return admin.ErrNegative
	}
	return err
}

// printExplanation writes the verdict, then what every source had to say.
func printExplanation(out io.Writer, e admin.Explanation) error {
	fmt.Fprintf(out, "%s: %s\n  %s\n", e.Address, e.Verdict, admin.Printable(e.Detail))
	if e.Algorithms != "" {
		fmt.Fprintf(out, "  algorithms %s\n", e.Algorithms)
	}
	for _, a := range e.Sources {
		fmt.Fprintf(out, "\n%s: %s", a.Name, strings.ReplaceAll(a.Outcome, "_", " "))
		if a.Decides {
			fmt.Fprint(out, ", decides")
		}
		switch {
		case !a.Fetched.IsZero():
			fmt.Fprintf(out, " (kept since %s, from %s)", moment(a.Fetched), admin.Printable(a.Server))
		case a.Server != "":
			fmt.Fprintf(out, " (%s, %.1f ms)", admin.Printable(a.Server), a.Milliseconds)
		}
		fmt.Fprintln(out)
		for _, p := range [][2]string{{"filter", a.Filter}, {"error", a.Error}, {"cannot be asked, so this stands in:", a.Stale}, {"refers to", strings.Join(a.Referrals, ", ")}, {"note:", strings.Join(a.Notes, "; ")}} {
			if p[1] != "" {
				fmt.Fprintf(out, "  %s %s\n", p[0], admin.Printable(p[1]))
			}
		}
		for _, cert := range a.Certificates {
			state := "used"
			switch {
			case !cert.Usable:
				state = string(cert.Reason)
			case !cert.Used:
				state = "usable, not used"
			}
			fmt.Fprintf(out, "  %s\n", state)
			if cert.Detail != "" {
				fmt.Fprintf(out, "    %s\n", admin.Printable(cert.Detail))
			}
			for _, p := range [][2]string{
				{"key", cert.Key}, {"fingerprint", cert.Fingerprint}, {"subject", cert.Subject}, {"issuer", cert.Issuer},
				{"serial", cert.Serial}, {"addresses", strings.Join(cert.Addresses, ", ")},
				{"valid", period(date(cert.NotBefore), date(cert.NotAfter))},
				{"revocation", grace(cert)}, {"found in", cert.Origin.String()},
			} {
				if p[1] != "" {
					fmt.Fprintf(out, "    %-12s %s\n", p[0], admin.Printable(p[1]))
				}
			}
		}
	}
	return nil
}

// grace tells what is known about a certificate's revocation, and how long it is used all the same.
func grace(cert admin.ExplainedCertificate) string {
	if cert.GraceUntil.IsZero() {
		return string(cert.Revocation)
	}
	return fmt.Sprintf("%s; used until %s, when the grace ends", cert.Revocation, moment(cert.GraceUntil))
}

func period(from, to string) string {
	if from == "" && to == "" {
		return ""
	}
	return from + " to " + to
}

// explainList answers for every member of a list.
func explainList(ctx context.Context, c *cobra.Command, g *globals, s *session, name string, within time.Duration) error {
	reach, err := s.ExplainList(ctx, name, within)
	if err != nil {
		return err
	}
	if g.json {
		err = admin.WriteJSON(c.OutOrStdout(), reach)
	} else {
		err = printReach(c.OutOrStdout(), reach)
	}
	if err == nil && reach.Reachable < len(reach.Members) {
		err = admin.ErrNegative
	}
	return err
}

// printReach writes a line a member, and the totals.
func printReach(out io.Writer, reach admin.ListReach) error {
	var rows [][]string
	for _, m := range reach.Members {
		why := strings.Join(m.Refused, ", ")
		switch {
		case m.Error != "":
			why = m.Error
		case !m.Sealable() && why == "":
			why = "not found"
		case m.Expiring:
			why = "ends soon"
		}
		rows = append(rows, []string{m.Address.String(), m.Verdict, m.Source, fmt.Sprint(len(m.Certificates)), date(m.Expires), why})
	}
	if err := table(out, []string{"MEMBER", "VERDICT", "SOURCE", "CERTIFICATES", "UNTIL", "REMARK"}, rows); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s: %d reachable%s, %d of them with certificates that end soon; %d not reachable%s; %d wait for a source\n",
		count(len(reach.Members), "member"), reach.Reachable, counted(reach.Sources), reach.Expiring, reach.Unreachable, counted(reach.Reasons), reach.Delayed)
	return nil
}

// counted writes " (5 corp, 1 harvest)".
func counted(by map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(by)) {
		parts = append(parts, fmt.Sprintf("%d %s", by[name], strings.ReplaceAll(name, "_", " ")))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
