package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/admin"
)

func auditCommand(g *globals) *cobra.Command {
	return group("audit", "look at who did what", auditLs(g), auditExport(g))
}

// auditFlags choose entries.
func auditFlags(c *cobra.Command, f *admin.AuditFilter) {
	c.Flags().StringVar(&f.List, "list", "", "only what concerns this list")
	c.Flags().StringVar(&f.Actor, "actor", "", "only what this address, task, or `listmaster` did")
	c.Flags().StringVar(&f.Action, "action", "", "only this, as \"cert pin\", or all of a kind, as cert")
	c.Flags().StringVar(&f.Object, "object", "", "only what was done with this address, fingerprint or post")
	c.Flags().StringVar(&f.Post, "post", "", "only what concerns this post, and what each copy was sealed to")
	c.Flags().BoolVar(&f.Copies, "copies", false, "what became of every copy, too, and what it was sealed to")
	c.Flags().Var((*pointInTime)(&f.Since), "since", "from then on: a day, a time (RFC 3339), or how long ago, as 7d")
	c.Flags().Var((*pointInTime)(&f.Until), "until", "before then, likewise")
	c.Flags().IntVar(&f.Limit, "limit", 0, "only the newest so many")
}

// pointInTime is a moment as people give one on the command line.
type pointInTime time.Time

// Set implements pflag.Value.
func (p *pointInTime) Set(text string) error {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			*p = pointInTime(at)
			return nil
		}
	}
	ago, err := config.ParseDuration(text)
	if err != nil || ago < 0 {
		return errors.New("write 2026-11-30, 2026-11-30T12:00:00Z, or 7d for a week ago")
	}
	*p = pointInTime(time.Now().Add(-time.Duration(ago)))
	return nil
}

// String implements pflag.Value.
func (p *pointInTime) String() string { return moment(time.Time(*p)) }

// Type implements pflag.Value.
func (p *pointInTime) Type() string { return "time" }

func auditLs(g *globals) *cobra.Command {
	var f admin.AuditFilter
	c := &cobra.Command{Use: "ls", Short: "show who did what", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return withSession(c, g, func(ctx context.Context, s *session) error {
			entries, err := s.AuditEntries(ctx, f)
			if err != nil || g.json {
				return orJSON(c, err, entries)
			}
			var rows [][]string
			for _, e := range entries {
				var detail []string
				for _, key := range slices.Sorted(maps.Keys(e.Detail)) {
					detail = append(detail, key+"="+e.Detail[key])
				}
				rows = append(rows, []string{moment(e.At), e.Actor, e.Action, e.ListAddress, e.Object, strings.Join(detail, " ")})
			}
			return table(c.OutOrStdout(), []string{"AT", "WHO", "WHAT", "LIST", "OBJECT", "DETAIL"}, rows)
		})
	}}
	auditFlags(c, &f)
	return c
}

func auditExport(g *globals) *cobra.Command {
	var f admin.AuditFilter
	c := &cobra.Command{
		Use:   "export",
		Short: "write who did what as JSON lines",
		Long:  "Writes the entries of the audit log, oldest first, one JSON object a line: however many there are,\nonly some of them are in memory.",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				lines := json.NewEncoder(c.OutOrStdout())
				lines.SetEscapeHTML(false)
				return s.EachAuditEntry(ctx, f, func(e admin.AuditEntry) error { return lines.Encode(e) })
			})
		},
	}
	auditFlags(c, &f)
	return c
}
