package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/listd/admin"
)

func memberCommand(g *globals) *cobra.Command {
	return group("member", "change and look at who is on a list", memberAdd(g), memberDel(g), memberLs(g), memberShow(g), memberSet(g), memberImport(g), memberExport(g))
}

func memberAdd(g *globals) *cobra.Command {
	var role string
	c := &cobra.Command{Use: "add LIST ADDRESS…", Short: "put people on a list: all of them or none", Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				change, err := s.AddMembers(ctx, args[0], role, args[1:])
				return printChange(c, g, err, change, "added to", "there already")
			})
		}}
	roleFlag(c, &role)
	return c
}

func memberDel(g *globals) *cobra.Command {
	var role string
	c := &cobra.Command{Use: "del LIST ADDRESS…", Short: "take people off a list: all of them or none", Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				change, err := s.RemoveMembers(ctx, args[0], role, args[1:])
				return printChange(c, g, err, change, "removed from", "gone already")
			})
		}}
	roleFlag(c, &role)
	return c
}

func memberImport(g *globals) *cobra.Command {
	var role string
	c := &cobra.Command{
		Use:   "import LIST [FILE]",
		Short: "put the people of a file on a list: all of them or none",
		Long: "Reads FILE, or standard input: one address a line, or CSV with an address in one of\n" +
			"the fields and, if there is one, a name beside it. Empty lines, lines that begin\n" +
			"with # and a heading are passed over. What `member export` wrote is read with role,\n" +
			"name, reception and the rest; --role is for those without one. If any line is wrong,\n" +
			"all wrong lines are reported and nobody is added.",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			file := c.InOrStdin()
			if name := optional(args[1:]); name != "" && name != "-" {
				f, err := os.Open(name)
				if err != nil {
					return err
				}
				defer f.Close()
				file = f
			}
			return withSession(c, g, func(ctx context.Context, s *session) error {
				change, err := s.ImportMembers(ctx, args[0], role, file)
				return printChange(c, g, err, change, "added to", "there already")
			})
		},
	}
	roleFlag(c, &role)
	return c
}

func memberSet(g *globals) *cobra.Command {
	var role, name, reception string
	var suspend, resume bool
	c := &cobra.Command{Use: "set LIST ADDRESS…", Short: "change how people on a list are treated: all of them or none", Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			change := admin.MemberChange{Suspended: suspend}
			switch flags := c.Flags(); {
			case suspend && resume:
				return &admin.Error{Kind: admin.Usage, What: "--suspend and --resume contradict each other"}
			case !flags.Changed("name") && !flags.Changed("reception") && !suspend && !resume:
				return &admin.Error{Kind: admin.Usage, What: "nothing is to be changed", Hint: "give --reception, --name, --suspend or --resume"}
			default:
				change.SetName, change.SetReception, change.SetSuspended = flags.Changed("name"), flags.Changed("reception"), suspend || resume
			}
			change.Name, change.Reception = name, reception
			return withSession(c, g, func(ctx context.Context, s *session) error {
				done, err := s.SetMembers(ctx, args[0], role, args[1:], change)
				return printChange(c, g, err, done, "changed on", "as they were")
			})
		}}
	roleFlag(c, &role)
	c.Flags().StringVar(&name, "name", "", "what the person is called")
	c.Flags().StringVar(&reception, "reception", "", "mail, every post; not_me, all but his own; nomail, none; digest, several in one mail; notice, a mail that says there is one")
	c.Flags().BoolVar(&suspend, "suspend", false, "send no posts until --resume")
	c.Flags().BoolVar(&resume, "resume", false, "send posts again")
	return c
}

func memberLs(g *globals) *cobra.Command {
	var role string
	c := &cobra.Command{Use: "ls LIST", Short: "show who is on a list", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				members, err := s.Members(ctx, args[0], role)
				if err != nil || g.json {
					return orJSON(c, err, members)
				}
				var rows [][]string
				for _, m := range members {
					state := receptionOf(m.Reception)
					if m.Suspended {
						state = "suspended"
					}
					if m.Included {
						state += ", included"
					}
					rows = append(rows, []string{m.Address.String(), string(m.Role), state, date(m.Added), m.Name})
				}
				return table(c.OutOrStdout(), []string{"ADDRESS", "ROLE", "STATE", "SINCE", "NAME"}, rows)
			})
		}}
	c.Flags().StringVar(&role, "role", "", "only those who are member, owner or editor")
	return c
}

func memberShow(g *globals) *cobra.Command {
	return &cobra.Command{Use: "show LIST ADDRESS", Short: "show one person on a list, and what came back from him", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				m, err := s.Member(ctx, args[0], args[1])
				if err != nil || g.json {
					return orJSON(c, err, m)
				}
				return m.Write(c.OutOrStdout())
			})
		}}
}

func roleFlag(c *cobra.Command, role *string) {
	c.Flags().StringVar(role, "role", "member", "member, owner or editor")
}

// printChange tells what a change came to.
func printChange(c *cobra.Command, g *globals, err error, change admin.Change, done, rest string) error {
	if err != nil || g.json {
		return orJSON(c, err, change)
	}
	return sentence(c.OutOrStdout(), change, done, rest)
}

func sentence(out io.Writer, change admin.Change, done, rest string) error {
	who := string(change.Role)
	if who == "" {
		who = "person"
	}
	_, err := fmt.Fprintf(out, "%s %s %s", count(change.Changed, who), done, change.List)
	if n := change.Given - change.Changed; n > 0 && err == nil {
		_, err = fmt.Fprintf(out, ", %d %s", n, rest)
	}
	if err == nil {
		_, err = fmt.Fprintln(out)
	}
	return err
}

// receptionOf says how a member receives posts.
func receptionOf(mode fmt.Stringer) string {
	if mode.String() == "mail" {
		return "receives"
	}
	return mode.String()
}
