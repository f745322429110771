package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func loginCommand(g *globals) *cobra.Command {
	return group("login", "end people's logins on the pages", loginRm(g))
}

func loginRm(g *globals) *cobra.Command {
	return &cobra.Command{Use: "rm ADDRESS", Short: "end all logins of a person", Args: cobra.ExactArgs(1),
		Long: "Ends every login of ADDRESS on the pages, at once. API tokens are others: see `listmaster token rm`. A login made with a\n" +
			"certificate ends by itself when that is blocked (`listmaster cert block`), is revoked or expires.",
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				n, err := s.EndSessions(ctx, args[0])
				if err != nil || g.json {
					return orJSON(c, err, map[string]int{"ended": n})
				}
				_, err = fmt.Fprintln(c.OutOrStdout(), "ended "+count(n, "login"))
				return err
			})
		}}
}
