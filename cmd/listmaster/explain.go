package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/listd/admin"
)

// explainAddress answers for one address.
func explainAddress(ctx context.Context, c *cobra.Command, g *globals, s *session, address string) error {
	e, err := s.Explain(ctx, address)
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
	for _, a := range e.Sources {
		fmt.Fprintf(out, "\n%s: %s", a.Name, strings.ReplaceAll(a.Outcome, "_", " "))
		if a.Decides {
			fmt.Fprint(out, ", decides")
		}
		if a.Server != "" {
			fmt.Fprintf(out, " (%s, %.1f ms)", admin.Printable(a.Server), a.Milliseconds)
		}
		fmt.Fprintln(out)
		for _, p := range [][2]string{{"filter", a.Filter}, {"error", a.Error}, {"refers to", strings.Join(a.Referrals, ", ")}} {
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
				{"valid", period(date(cert.NotBefore), date(cert.NotAfter))}, {"found in", cert.Origin.String()},
			} {
				if p[1] != "" {
					fmt.Fprintf(out, "    %-12s %s\n", p[0], admin.Printable(p[1]))
				}
			}
		}
	}
	return nil
}

func period(from, to string) string {
	if from == "" && to == "" {
		return ""
	}
	return from + " to " + to
}

// explainList answers for every member of a list.
func explainList(ctx context.Context, c *cobra.Command, g *globals, s *session, name string) error {
	members, err := s.ExplainList(ctx, name)
	if err != nil {
		return err
	}
	if g.json {
		err = admin.WriteJSON(c.OutOrStdout(), members)
	} else {
		var rows [][]string
		for _, m := range members {
			why := strings.Join(m.Refused, ", ")
			if m.Error != "" {
				why = m.Error
			}
			rows = append(rows, []string{m.Address.String(), m.Verdict, m.Source, fmt.Sprint(len(m.Certificates)), date(m.Expires), why})
		}
		err = table(c.OutOrStdout(), []string{"MEMBER", "VERDICT", "SOURCE", "CERTIFICATES", "UNTIL", "REFUSED"}, rows)
	}
	if err != nil {
		return err
	}
	for _, m := range members {
		if !m.Sealable() {
			return admin.ErrNegative
		}
	}
	return nil
}
