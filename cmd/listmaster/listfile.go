package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/listd/admin"
)

func listClose(g *globals) *cobra.Command {
	return &cobra.Command{Use: "close LIST", Short: "take no more posts; `list set LIST state=open` opens it again", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				l, _, err := s.SetList(ctx, args[0], [][2]string{{"state", "closed"}})
				if err != nil || g.json {
					return orJSON(c, err, l)
				}
				_, err = fmt.Fprintf(c.OutOrStdout(), "%s is closed; what was accepted is still distributed\n", l.Address)
				return err
			})
		}}
}

func listRm(g *globals) *cobra.Command {
	var yes bool
	c := &cobra.Command{Use: "rm LIST --yes", Short: "take a closed list away, with its members, keys and posts", Args: cobra.ExactArgs(1),
		Long: "Takes a closed list away with everything that is kept for it: members, keys, includes,\n" +
			"posts, and copies that are on their way. What was encrypted to its key can never be\n" +
			"opened again. `list export` and a copy of the key's PKCS#12 file bring it back.",
		RunE: func(c *cobra.Command, args []string) error {
			if !yes {
				return &admin.Error{Kind: admin.Usage, What: "nothing was removed", Hint: "it cannot be undone: give --yes"}
			}
			return withSession(c, g, func(ctx context.Context, s *session) error {
				if err := s.RemoveList(ctx, args[0]); err != nil {
					return err
				}
				_, err := fmt.Fprintf(c.OutOrStdout(), "%s is gone\n", args[0])
				return err
			})
		}}
	c.Flags().BoolVar(&yes, "yes", false, "do it")
	return c
}

func listExport(g *globals) *cobra.Command {
	return &cobra.Command{Use: "export LIST", Short: "write a list's settings and members as a file for `list apply`", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error { return s.ExportList(ctx, args[0], c.OutOrStdout()) })
		}}
}

func listApply(g *globals) *cobra.Command {
	var dryRun bool
	c := &cobra.Command{Use: "apply [FILE]", Short: "make a list what a file says: all of it or nothing", Args: cobra.MaximumNArgs(1),
		Long: "Reads FILE, or standard input, as `list export` writes it. A list that is not there is\n" +
			"made. Settings that the file does not name stay. If it has members, these are on the\n" +
			"list afterwards, and nobody else but those whom a directory includes.",
		RunE: func(c *cobra.Command, args []string) error {
			file := c.InOrStdin()
			if name := optional(args); name != "" && name != "-" {
				f, err := os.Open(name)
				if err != nil {
					return err
				}
				defer f.Close()
				file = f
			}
			return withSession(c, g, func(ctx context.Context, s *session) error {
				p, warnings, err := s.ApplyList(ctx, file, dryRun)
				if err != nil {
					return err
				}
				warn(c.ErrOrStderr(), warnings)
				if g.json {
					return admin.WriteJSON(c.OutOrStdout(), p)
				}
				return printApplication(c.OutOrStdout(), p)
			})
		}}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "tell what would change, and change nothing")
	return c
}

// printApplication tells what changed, or would.
func printApplication(out io.Writer, p admin.Application) error {
	state := "changed"
	switch {
	case p.Nothing():
		state = "is so already"
	case p.DryRun && p.Made:
		state = "would be made"
	case p.DryRun:
		state = "would change"
	case p.Made:
		state = "made"
	}
	fmt.Fprintf(out, "%s: %s\n", p.List, state)
	for _, name := range slices.Sorted(maps.Keys(p.Settings)) {
		fmt.Fprintf(out, "  %s=%s\n", name, admin.Printable(p.Settings[name]))
	}
	for _, part := range []struct {
		mark  string
		lines []admin.MemberLine
	}{{"+", p.Added}, {"~", p.Changed}, {"-", p.Removed}} {
		for i, m := range part.lines {
			if i == shownLines {
				fmt.Fprintf(out, "  %s … %d more; --json has them\n", part.mark, len(part.lines)-i)
				break
			}
			fmt.Fprintf(out, "  %s %s %s\n", part.mark, m.Role, admin.Printable(m.Address))
		}
	}
	return nil
}

func memberExport(g *globals) *cobra.Command {
	var role string
	c := &cobra.Command{Use: "export LIST", Short: "write the people of a list as CSV", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				return s.ExportMembers(ctx, args[0], role, c.OutOrStdout())
			})
		}}
	c.Flags().StringVar(&role, "role", "", "only those who are member, owner or editor")
	return c
}
