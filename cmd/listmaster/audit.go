package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func auditCommand(g *globals) *cobra.Command {
	var listName string
	var limit int
	ls := &cobra.Command{Use: "ls", Short: "show who changed what", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return withSession(c, g, func(ctx context.Context, s *session) error {
			entries, err := s.AuditEntries(ctx, listName, limit)
			if err != nil || g.json {
				return orJSON(c, err, entries)
			}
			var rows [][]string
			for _, e := range entries {
				var detail []string
				for _, key := range slices.Sorted(maps.Keys(e.Detail)) {
					detail = append(detail, key+"="+e.Detail[key])
				}
				rows = append(rows, []string{moment(e.At), e.Actor, e.Action, e.Object, strings.Join(detail, " ")})
			}
			return table(c.OutOrStdout(), []string{"AT", "WHO", "WHAT", "OBJECT", "DETAIL"}, rows)
		})
	}}
	ls.Flags().StringVar(&listName, "list", "", "only what concerns this list")
	ls.Flags().IntVar(&limit, "limit", 0, "only the newest so many")
	return group("audit", "look at who changed what", ls)
}
