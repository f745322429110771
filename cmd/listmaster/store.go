package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/admin"
)

func storeCommand(g *globals) *cobra.Command {
	return group("store", "move the database", storeCopy(g))
}

func storeCopy(g *globals) *cobra.Command {
	var to config.Store
	c := &cobra.Command{
		Use:   "copy URL",
		Short: "copy everything into another, empty database",
		Long: "Copies everything that the configured database holds into the one at URL, as store.url has it, in one transaction. Stop the server\n" +
			"first. Afterwards write URL into store.url and start the server; the old database stays as it is.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				to.URL = args[0]
				copied, err := s.parts.CopyStore(ctx, to, s.Actor)
				if err != nil || g.json {
					return orJSON(c, err, copied)
				}
				var rows [][]string
				for _, one := range copied {
					rows = append(rows, []string{one.Table, fmt.Sprint(one.Rows)})
				}
				if err := table(c.OutOrStdout(), []string{"TABLE", "ROWS"}, rows); err != nil {
					return err
				}
				_, err = fmt.Fprintln(c.OutOrStdout(), "\nNow write the new address into store.url and start the server. The key password stays the same; files in the data folder were not copied.")
				return err
			})
		},
	}
	c.Flags().StringVar(&to.PasswordFile, "password-file", "", "file with the password of PostgreSQL's user")
	c.Flags().BoolVar(&to.Insecure, "insecure", false, "allow a database elsewhere without verified TLS")
	return c
}

func nodeCommand(g *globals) *cobra.Command {
	return group("node", "look at the servers that share the database", nodeLs(g))
}

func nodeLs(g *globals) *cobra.Command {
	return &cobra.Command{Use: "ls", Short: "show the servers, and which of them work", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return withSession(c, g, func(ctx context.Context, s *session) error {
			all, err := s.Nodes(ctx)
			if err != nil || g.json {
				return orJSON(c, err, all)
			}
			var rows [][]string
			for _, n := range all {
				rows = append(rows, []string{n.Name, n.Host, fmt.Sprint(n.PID), n.Version, moment(n.Started), moment(n.Beat), n.State, admin.Printable(n.Locked)})
			}
			return table(c.OutOrStdout(), []string{"NODE", "HOST", "PROCESS", "VERSION", "STARTED", "LAST SEEN", "STATE", "LOCKED"}, rows)
		})
	}}
}
