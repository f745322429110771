package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/admin"
)

func tokenCommand(g *globals) *cobra.Command {
	return group("token", "make and end tokens of the API", tokenAdd(g), tokenLs(g), tokenRm(g))
}

func tokenAdd(g *globals) *cobra.Command {
	var n admin.NewToken
	life := config.Duration(admin.DefaultTokenLife)
	c := &cobra.Command{Use: "add --for ADDRESS", Short: "make a token and show it, this once", Args: cobra.NoArgs,
		Long: "Whoever has the token may do over /api/v1 what ADDRESS may do at that moment, within the token's scopes. Only a hash of it is\n" +
			"kept. It ends when it expires, with `listmaster token rm`, and when ADDRESS leaves a list or loses a role.",
		RunE: func(c *cobra.Command, _ []string) error {
			if n.For == "" {
				return &admin.Error{Kind: admin.Usage, What: "it is not said whose rights the token has", Hint: "give --for ADDRESS"}
			}
			n.Life = life.Std()
			return withSession(c, g, func(ctx context.Context, s *session) error {
				made, err := s.AddToken(ctx, n)
				if err != nil || g.json {
					return orJSON(c, err, made)
				}
				fmt.Fprintf(c.ErrOrStderr(), "token %s for %s, scopes %s, until %s; it is shown this once:\n", made.ID, made.Address, strings.Join(made.Scopes, " "), date(made.Expires))
				_, err = fmt.Fprintln(c.OutOrStdout(), made.Token)
				return err
			})
		}}
	c.Flags().StringVar(&n.For, "for", "", "the person whose rights it has")
	c.Flags().StringSliceVar(&n.Scopes, "scope", []string{"read"}, "read, write, moderate, server; several with commas")
	c.Flags().StringVar(&n.Label, "label", "", "what it is for")
	c.Flags().TextVar(&life, "expires", life, "how long it lives, as 90d; at most two years")
	return c
}

func tokenLs(g *globals) *cobra.Command {
	var of string
	c := &cobra.Command{Use: "ls", Short: "show the tokens that have not expired", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				all, err := s.APITokens(ctx, of)
				if err != nil || g.json {
					return orJSON(c, err, all)
				}
				var rows [][]string
				for _, t := range all {
					used := "never"
					if !t.Used.IsZero() {
						used = moment(t.Used)
					}
					rows = append(rows, []string{t.ID, t.Address.String(), strings.Join(t.Scopes, " "), date(t.Expires), used, t.Label})
				}
				return table(c.OutOrStdout(), []string{"ID", "FOR", "SCOPES", "UNTIL", "USED", "LABEL"}, rows)
			})
		}}
	c.Flags().StringVar(&of, "for", "", "only those of this person")
	return c
}

func tokenRm(g *globals) *cobra.Command {
	return &cobra.Command{Use: "rm ID", Short: "end a token", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return acting(c, g, args[0], "removed", func(ctx context.Context, s *session) error { return s.RemoveToken(ctx, args[0]) })
		}}
}
