// Listd is the mailing-list server: it takes posts, and relays to every
// subscriber a copy encrypted to him.
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
	"github.com/sealist/sealist/listd/admin"
)

func main() {
	// The first signal asks for an orderly stop, the second ends the process.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run carries out one command line and returns the exit status.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	return admin.Report(errOut, "listd", root.ExecuteContext(ctx))
}

// globals are the flags that every command has.
type globals struct {
	config string
	json   bool
}

// newRoot puts the commands together.
func newRoot() *cobra.Command {
	g := &globals{}
	root := &cobra.Command{
		Use:           "listd",
		Short:         "S/MIME mailing-list server",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cli.ConfigFlag(root, &g.config)
	root.PersistentFlags().BoolVar(&g.json, "json", false, "answer in JSON")
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(serveCommand(g), demoCommand(), benchCommand(g), configCommand(g), versionCommand(g))
	cli.UsageErrors(root)
	return root
}
