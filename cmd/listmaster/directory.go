package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/admin"
)

func directoryCommand(g *globals) *cobra.Command {
	return group("directory", "look at the LDAP directories, and take members from them", directoryLs(g), directoryTest(g), directorySync(g))
}

// directoryRow is one configured directory.
type directoryRow struct {
	Name       string   `json:"name"`
	Preset     string   `json:"preset"`
	URLs       []string `json:"urls"`
	StartTLS   bool     `json:"starttls"`
	Domains    []string `json:"domains"` // empty: all
	BaseDN     string   `json:"base_dn"`
	Filter     string   `json:"filter"`
	Attributes []string `json:"attributes"`
	Asked      int      `json:"asked"` // place in resolver.order, from 1; 0: never
}

func directoryLs(g *globals) *cobra.Command {
	return &cobra.Command{Use: "ls", Short: "show the configured directories", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		settings, _, err := config.Load(g.config)
		if err != nil {
			return err
		}
		all := []directoryRow{}
		for _, d := range settings.Directories {
			all = append(all, directoryRow{d.Name, d.Preset, d.URLs, d.StartTLS, append([]string{}, d.Domains...), d.BaseDN, d.Filter, d.Attributes, place(settings.Resolver.Order, d.Name)})
		}
		if g.json {
			return admin.WriteJSON(c.OutOrStdout(), all)
		}
		var rows [][]string
		for _, d := range all {
			domains := strings.Join(d.Domains, " ")
			if domains == "" {
				domains = "all"
			}
			rows = append(rows, []string{d.Name, d.Preset, strings.Join(d.URLs, " "), domains, d.BaseDN, d.Filter})
		}
		return table(c.OutOrStdout(), []string{"NAME", "PRESET", "SERVERS", "DOMAINS", "BASE", "FILTER"}, rows)
	}}
}

// place is where a name stands in the order, from 1.
func place(order []string, name string) int {
	for i, n := range order {
		if n == name {
			return i + 1
		}
	}
	return 0
}

func directoryTest(g *globals) *cobra.Command {
	var name string
	c := &cobra.Command{
		Use:   "test [ADDRESS]",
		Short: "ask the directories, and tell how it went",
		Long: "Connects to every directory, binds, and searches for ADDRESS; without ADDRESS it searches\n" +
			"for one that should not be there. Exit status 1 if a directory does not answer.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				tests, err := s.TestDirectories(ctx, name, optional(args))
				if err != nil {
					return err
				}
				if g.json {
					err = admin.WriteJSON(c.OutOrStdout(), tests)
				} else {
					printTests(c, tests)
				}
				for _, t := range tests {
					if !t.OK() && err == nil {
						err = admin.ErrNegative
					}
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&name, "name", "", "only the directory of this name")
	return c
}

func printTests(c *cobra.Command, tests []admin.DirectoryTest) {
	out := c.OutOrStdout()
	for i, t := range tests {
		if i > 0 {
			fmt.Fprintln(out)
		}
		state := "answers"
		if !t.OK() {
			state = "does not answer"
		}
		fmt.Fprintf(out, "%s: %s\n", t.Directory, state)
		for _, s := range t.Servers {
			fmt.Fprintf(out, "  %s: %s\n", s.URL, admin.Printable(reached(s.Error, string(s.Stage), s.BindIdentity, s.Milliseconds)))
			if s.Remedy != "" {
				fmt.Fprintf(out, "    hint: %s\n", s.Remedy)
			}
			if s.TLS != nil {
				fmt.Fprintf(out, "    %s, %s, until %s\n", s.TLS.Version, admin.Printable(s.TLS.Subject), date(s.TLS.NotAfter))
			}
		}
		for _, p := range [][2]string{{"base", t.BaseDN}, {"filter", t.Filter}, {"refers to", strings.Join(t.Referrals, ", ")}, {"error", t.Error}} {
			if p[1] != "" {
				fmt.Fprintf(out, "  %s %s\n", p[0], admin.Printable(p[1]))
			}
		}
		if !t.Served {
			fmt.Fprintln(out, "  the address is in none of the directory's domains: it is not asked for it")
		} else if t.OK() && len(t.Entries) == 0 {
			fmt.Fprintf(out, "  no entry for %s\n", t.Address)
		}
		for _, e := range t.Entries {
			fmt.Fprintf(out, "  entry %s: %s\n", admin.Printable(e.DN), count(len(e.Certificates), "certificate"))
			for _, cert := range e.Certificates {
				line := fmt.Sprintf("%s %s until %s %s", cert.Attribute, short(cert.Fingerprint), date(cert.NotAfter), cert.Subject)
				if cert.Error != "" {
					line = cert.Attribute + " cannot be read: " + cert.Error
				}
				fmt.Fprintf(out, "    %s\n", admin.Printable(line))
			}
		}
		for _, v := range t.Verdicts {
			verdict := "usable"
			if !v.Usable {
				verdict = string(v.Reason) + ": " + v.Detail
			}
			fmt.Fprintf(out, "  verdict %s %s\n", short(v.Fingerprint), admin.Printable(verdict))
		}
		for _, note := range append(t.Notes, t.Hints...) {
			fmt.Fprintf(out, "  note: %s\n", admin.Printable(note))
		}
		for _, bad := range t.Unreadable {
			fmt.Fprintf(out, "  %s %s\n", admin.Printable(bad.DN), admin.Printable(bad.Attribute+": "+bad.Detail))
		}
	}
}

// reached tells how one server was reached, or why not.
func reached(err, stage, identity string, milliseconds float64) string {
	switch {
	case err != "" && stage != "":
		return "failed at " + stage + ": " + err
	case err != "":
		return "failed: " + err
	case identity == "":
		return "not asked"
	}
	return fmt.Sprintf("answered in %.1f ms, bound as %s", milliseconds, identity)
}
