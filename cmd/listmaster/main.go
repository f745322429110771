// Listmaster makes and changes lists, and tells why the server does what it
// does. It works on the database, whether a server runs beside it or not.
//
// Exit status: 0 good, 1 a negative verdict, 2 wrong usage, 3 the environment
// failed.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/cmd/cli"
	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/admin"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run carries out one command line and returns the exit status.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	return admin.Report(errOut, "listmaster", root.ExecuteContext(ctx))
}

// globals are the flags that every command has.
type globals struct {
	config  string
	json    bool
	verbose bool
}

// newRoot puts the commands together.
func newRoot() *cobra.Command {
	g := &globals{}
	root := group("listmaster", "make lists, change members, ask why",
		listCommand(g), memberCommand(g), includeCommand(g), moderationCommand(g), quarantineCommand(g), keyCommand(g), certCommand(g), cacheCommand(g), directoryCommand(g), crlCommand(g),
		queueCommand(g), messageCommand(g), scenarioCommand(g), noticeCommand(g), taskCommand(g), nodeCommand(g), storeCommand(g), backupCommand(g), restoreCommand(g), auditCommand(g), tokenCommand(g), loginCommand(g),
		group("config", "explain the configuration", &cobra.Command{
			Use: "reference", Short: "explain every key", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				if g.json {
					return admin.WriteJSON(c.OutOrStdout(), config.Keys())
				}
				_, err := io.WriteString(c.OutOrStdout(), config.Reference())
				return err
			},
		}),
	)
	root.SilenceErrors, root.SilenceUsage = true, true
	cli.ConfigFlag(root, &g.config)
	root.PersistentFlags().BoolVar(&g.json, "json", false, "answer in JSON")
	root.PersistentFlags().BoolVar(&g.verbose, "verbose", false, "show on standard error what is being done")
	root.CompletionOptions.DisableDefaultCmd = true
	cli.UsageErrors(root)
	return root
}

// group is a command that only holds others.
func group(name, short string, below ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: name, Short: short, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(below...)
	return c
}
