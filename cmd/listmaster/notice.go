package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/listd/admin"
)

func noticeCommand(g *globals) *cobra.Command {
	return group("notice", "the mail that the server writes itself", noticeLs(g), noticePreview(g))
}

func noticeLs(g *globals) *cobra.Command {
	var of, lang string
	c := &cobra.Command{
		Use: "ls", Short: "show the notices there are, and where their templates lie", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				all, err := s.ListNotices(ctx, of, lang)
				if err != nil || g.json {
					return orJSON(c, err, all)
				}
				var rows [][]string
				for _, e := range all {
					state := ""
					if e.Fault != "" {
						state = "broken: " + e.Fault
					}
					rows = append(rows, []string{e.Name, e.From, strings.Join(e.Variables, " "), state})
				}
				return table(c.OutOrStdout(), []string{"NOTICE", "FROM", "VARIABLES", "STATE"}, rows)
			})
		},
	}
	c.Flags().StringVar(&of, "list", "", "as this list has them")
	c.Flags().StringVar(&lang, "lang", "", "in this language: en, fr, de")
	return c
}

func noticePreview(g *globals) *cobra.Command {
	var p admin.NoticePreview
	c := &cobra.Command{
		Use:   "preview LIST NOTICE",
		Short: "show what a notice looks like",
		Long: "Shows a notice of a list as its reader would see it, about things that did not happen. Nothing\n" +
			"is sent or stored. Exit status 1 if the site's template is broken and the built-in one stands in.",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			p.List, p.Template = args[0], args[1]
			return withSession(c, g, func(ctx context.Context, s *session) error {
				shown, err := s.PreviewNotice(ctx, p)
				if err != nil {
					return err
				}
				if g.json {
					err = admin.WriteJSON(c.OutOrStdout(), shown)
				} else {
					printNotice(c, shown)
				}
				if shown.Fault != "" && err == nil {
					err = admin.ErrNegative
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&p.Lang, "lang", "", "in this language: en, fr, de")
	c.Flags().StringVar(&p.To, "to", "", "to this address")
	return c
}

// printNotice writes the mail, and on standard error what is to be said of it.
func printNotice(c *cobra.Command, n admin.PreviewedNotice) {
	out, aside := c.OutOrStdout(), c.ErrOrStderr()
	fmt.Fprintln(aside, "template:", admin.Printable(n.From))
	switch {
	case n.Fault != "":
		fmt.Fprintln(aside, "it is broken, the built-in one stands in:", admin.Printable(n.Fault))
	case n.Reason != "":
		fmt.Fprintln(aside, "it would wait, for it cannot be signed:", admin.Printable(n.Reason))
	case n.Signed:
		fmt.Fprintln(aside, "the list signs it")
	}
	for _, f := range n.Header {
		fmt.Fprintf(out, "%s: %s\n", f[0], admin.Printable(f[1]))
	}
	fmt.Fprintln(out)
	for line := range strings.Lines(n.Text) {
		fmt.Fprintln(out, admin.Printable(strings.TrimRight(line, "\n")))
	}
}
