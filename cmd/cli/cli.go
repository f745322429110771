// Package cli is what the command lines of both programs share.
package cli

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/listd/admin"
)

// defaultConfig is where the configuration lies unless something else is said.
const defaultConfig = "/etc/sealist/sealist.yaml"

// ConfigFlag adds --config, whose default the environment variable
// SEALIST_CONFIG can change.
func ConfigFlag(root *cobra.Command, path *string) {
	value := os.Getenv("SEALIST_CONFIG")
	if value == "" {
		value = defaultConfig
	}
	root.PersistentFlags().StringVar(path, "config", value, "configuration file; also the environment variable SEALIST_CONFIG")
}

// UsageErrors makes what is wrong with a command line an error of its own kind,
// for this command and those below it.
func UsageErrors(c *cobra.Command) {
	hint := "see `" + c.CommandPath() + " --help`"
	wrong := func(err error, hint string) error {
		return &admin.Error{Kind: admin.Usage, What: err.Error(), Hint: hint, Err: err}
	}
	c.SuggestionsMinimumDistance = 2 // cobra's own default, which it sets only for the root's legacy check
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return wrong(err, hint) })
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			err := check(c, args)
			if err == nil {
				return nil
			}
			if len(args) > 0 && c.HasSubCommands() {
				if near := c.SuggestionsFor(args[0]); len(near) > 0 {
					return wrong(err, "did you mean `"+c.CommandPath()+" "+near[0]+"`?")
				}
			}
			return wrong(err, hint)
		}
	}
	for _, below := range c.Commands() {
		UsageErrors(below)
	}
}
