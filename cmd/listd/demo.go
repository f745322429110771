package main

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/demo"
)

func demoCommand() *cobra.Command {
	var dir string
	var verbose bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "show the whole way of an encrypted post, in a world made for it",
		Long: "Makes a certification authority, an LDAP directory, a mail server and a list with eight\n" +
			"members, all on loopback; posts one signed and encrypted message; and opens every copy\n" +
			"with its member's key. It needs no configuration and leaves a folder with the copies and\n" +
			"keys. Exit status 0 only if everything went as it must.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			log := slog.New(slog.DiscardHandler)
			if verbose {
				log = slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelDebug}))
			}
			return runDemo(c.Context(), c.OutOrStdout(), dir, log)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "folder to leave copies and keys in; a new one under the system's temporary folder if not given")
	c.Flags().BoolVar(&verbose, "verbose", false, "show the server's log on standard error")
	return c
}

func runDemo(ctx context.Context, out io.Writer, dir string, log *slog.Logger) error {
	err := demo.Run(ctx, demo.Options{Out: out, Dir: dir, Log: log})
	if errors.Is(err, demo.ErrFailed) {
		return &admin.Error{Kind: admin.Refused, What: err.Error(), Hint: "`listd demo --verbose` shows the server's log", Err: err}
	}
	return err
}
