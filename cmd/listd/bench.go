package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/bench"
)

func benchCommand(g *globals) *cobra.Command {
	var o bench.Options
	c := &cobra.Command{
		Use:   "bench",
		Short: "measure how fast copies leave on this machine",
		Long: "Makes a list with a certificate for each member, posts encrypted messages to it, and measures from their acceptance to the last\n" +
			"result in the database: an SQLite file in the temporary folder (TMPDIR chooses the disk), or with --store an empty PostgreSQL\n" +
			"database. The mail server behind discards, in a process of its own. Nothing is left.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			o.Sink = []string{self, "bench", "sink"}
			f, err := bench.Run(c.Context(), o)
			if err != nil {
				return err
			}
			if g.json {
				return admin.WriteJSON(c.OutOrStdout(), f)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%d posts of %d octets to %d members, %d servers\n  %.0f copies/s\n  first copy after %v\n  %v processor time a copy, of which one bare RSA operation is %v\n  %.1f MB resident at most\n",
				f.Posts, f.Octets, f.Members, f.Nodes, f.PerSecond, f.First.Round(time.Millisecond), f.CPU.Round(time.Microsecond), f.Bare.Round(time.Microsecond), float64(f.Resident)/1e6)
			return err
		},
	}
	c.Flags().IntVar(&o.Members, "members", 1000, "members of the list")
	c.Flags().IntVar(&o.Size, "size", 10_000, "octets of the text")
	c.Flags().IntVar(&o.Posts, "posts", 5, "posts, one after the other; one more warms up")
	c.Flags().IntVar(&o.Nodes, "nodes", 1, "servers that share the database")
	c.Flags().StringVar(&o.Store, "store", "", "an empty PostgreSQL database, as in store.url")
	c.Flags().DurationVar(&o.Delay, "delay", 0, "that the mail server behind takes to answer each message")
	c.AddCommand(&cobra.Command{Use: "sink DELAY", Hidden: true, Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		delay, err := time.ParseDuration(args[0])
		if err != nil {
			return err
		}
		return bench.Serve(os.Stdin, c.OutOrStdout(), delay)
	}})
	return c
}
