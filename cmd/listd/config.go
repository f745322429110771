package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd"
	"github.com/sealist/sealist/listd/admin"
)

func configCommand(g *globals) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "make, check and explain the configuration", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(
		&cobra.Command{Use: "init", Short: "write a commented configuration and a key password, where there are none", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error { return configInit(c.OutOrStdout(), g) }},
		&cobra.Command{Use: "check", Short: "tell everything that is wrong with the configuration", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error { return configCheck(c.OutOrStdout(), c.ErrOrStderr(), g) }},
		&cobra.Command{Use: "reference", Short: "explain every key", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				if g.json {
					return admin.WriteJSON(c.OutOrStdout(), config.Keys())
				}
				_, err := io.WriteString(c.OutOrStdout(), config.Reference())
				return err
			}},
	)
	return c
}

// configInit writes what is missing and says what it found.
func configInit(out io.Writer, g *globals) error {
	written, err := config.Init(g.config)
	if errors.Is(err, fs.ErrPermission) {
		return &admin.Error{Kind: admin.Environment, What: err.Error(), Hint: "run it as root, or name another place with --config", Err: err}
	}
	if err != nil {
		return err
	}
	if g.json {
		return admin.WriteJSON(out, written)
	}
	for _, w := range written {
		if w.Made {
			fmt.Fprintln(out, "written:", w.Path)
		} else {
			fmt.Fprintln(out, "left as it is:", w.Path)
		}
	}
	fmt.Fprintf(out, "\nThe key password protects the keys of the lists: keep a copy in a safe place,\nand see that the user who runs listd may read it.\nNext: edit %s, then `listd config check`.\n", g.config)
	return nil
}

// configCheck answers with every mistake and warning; exit status 1 if there
// are mistakes.
func configCheck(out, errOut io.Writer, g *globals) error {
	c, warnings, err := config.Load(g.config)
	var wrong *config.Errors
	if err != nil && !errors.As(err, &wrong) {
		return loadError(err, g)
	}
	if wrong == nil { // else it is not known where they lie
		broken, err := listd.CheckTemplates(c)
		if err != nil {
			return err
		}
		if len(broken) > 0 {
			wrong = &config.Errors{Mistakes: broken}
		}
	}
	if g.json {
		answer := struct {
			File     string           `json:"file"`
			OK       bool             `json:"ok"`
			Mistakes []config.Finding `json:"mistakes"`
			Warnings []config.Warning `json:"warnings"`
		}{g.config, wrong == nil, []config.Finding{}, append([]config.Warning{}, warnings...)}
		if wrong != nil {
			answer.Mistakes = wrong.Mistakes
		}
		if err := admin.WriteJSON(out, answer); err != nil {
			return err
		}
	} else {
		for _, w := range warnings {
			fmt.Fprintln(errOut, "listd: warning:", w)
		}
		if wrong != nil {
			admin.Report(errOut, "listd", wrong)
		} else {
			fmt.Fprintf(out, "%s is good\n", g.config)
		}
	}
	if wrong != nil {
		return admin.ErrNegative
	}
	return nil
}

// loadError says what to do about a configuration that cannot be read.
func loadError(err error, g *globals) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &admin.Error{Kind: admin.Environment, What: err.Error(), Err: err,
			Hint: "`listd config init --config " + g.config + "` writes one; --config names another"}
	}
	return err
}
