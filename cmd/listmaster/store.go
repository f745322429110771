package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd"
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

func backupCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "write everything in the database into a file",
		Long: "Writes what the database holds at this moment into a new SQLite file, whether servers run or not. `listmaster restore` reads it.\n" +
			"What is not in it: the configuration, the key password (without it no key in the backup can be opened: keep it elsewhere), TLS keys,\n" +
			"and in the data folder scenario files and members' certificates in the PEM folder.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				copied, err := s.parts.Backup(ctx, args[0], s.Actor)
				if err != nil || g.json {
					return orJSON(c, err, copied)
				}
				_, err = fmt.Fprintf(c.OutOrStdout(), "%s holds %s.\n\nNot in it: %s; the key password, without which nobody can open the keys in it; TLS certificates and keys;\nscenario files in %s; members' certificates in %s.\n",
					args[0], listd.Amounts(copied), s.config.File, s.config.DataDir, s.config.Files.Dir)
				return err
			})
		},
	}
}

func restoreCommand(g *globals) *cobra.Command {
	var mark bool
	c := &cobra.Command{
		Use:   "restore FILE | --mark",
		Short: "fill an empty database from a backup",
		Long: "Fills the configured database, which must be empty, from a file that `listmaster backup` wrote. No server may run.\n" +
			"Keys that were mailed to people (confirmations, moderation) end. What came between backup and restore is forgotten, so a\n" +
			"signature that is not shown to be newer counts for nothing by itself: its post waits for the editors, its commands for the\n" +
			"listmaster, with the reason replay. It is shown by a signing time at least an hour after the restore.\n" +
			"With --mark nothing is copied: for a database that was restored by other means, as pg_restore.",
		Args: func(c *cobra.Command, args []string) error {
			if mark {
				return cobra.NoArgs(c, args)
			}
			return cobra.ExactArgs(1)(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if mark {
				return withSession(c, g, func(ctx context.Context, s *session) error {
					if err := s.parts.MarkRestored(ctx, s.Actor); err != nil {
						return err
					}
					_, err := fmt.Fprintln(c.OutOrStdout(), "The database is marked as restored now.")
					return err
				})
			}
			settings, actor, err := configured(g)
			if err != nil {
				return err
			}
			copied, err := listd.Restore(c.Context(), settings, args[0], actor)
			if err != nil || g.json {
				return orJSON(c, err, copied)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "The database holds %s again.\n\nKeys that were mailed to people have ended. Start the server; posts signed before now, or within the next hour, wait for the editors.\n", listd.Amounts(copied))
			return err
		},
	}
	c.Flags().BoolVar(&mark, "mark", false, "only mark a database that was restored by other means")
	return c
}
