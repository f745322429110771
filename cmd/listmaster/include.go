package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/admin"
)

func includeCommand(g *globals) *cobra.Command {
	return group("include", "let directories say who is on a list", includeAdd(g), includeLs(g), includeShow(g), includeRm(g))
}

func includeAdd(g *globals) *cobra.Command {
	var n admin.NewInclude
	var every string
	c := &cobra.Command{
		Use:   "add LIST (--group DN [--nested] | [--base DN] --filter FILTER)",
		Short: "let a group or a search in a directory say who is on a list",
		Long: "Asks the directory, shows whom it brings, and puts them on the list; --dry-run only\n" +
			"shows. From then on the server keeps the list in line. Who was put on the list by\n" +
			"hand stays whatever the directory says; who leaves by hand is not put back while the\n" +
			"directory has him. Nobody comes or goes on an answer that is not complete, and a\n" +
			"change of more than --max-change waits: see `listmaster directory sync`.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := config.ParseDuration(every)
			if err != nil {
				return &admin.Error{Kind: admin.Usage, What: "--every: " + err.Error(), Hint: "write it as 30m, 1h or 1d", Err: err}
			}
			n.List, n.Every = args[0], d.Std()
			return withSession(c, g, func(ctx context.Context, s *session) error {
				added, err := s.AddInclude(ctx, n)
				if err != nil || g.json {
					return orJSON(c, err, added)
				}
				if n.DryRun {
					fmt.Fprintf(c.OutOrStdout(), "nothing was made; an include of %s would bring:\n", added.List)
				}
				return printSync(c.OutOrStdout(), *added.Last)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&n.Directory, "directory", "", "the directory's name in sealist.yaml; may be left out where there is one")
	f.StringVar(&n.Group, "group", "", "distinguished name of a group")
	f.BoolVar(&n.Nested, "nested", false, "also those in the groups in the group")
	f.StringVar(&n.BaseDN, "base", "", "entry to search below; the directory's base_dn if left out")
	f.StringVar(&n.Filter, "filter", "", "LDAP filter of a search, as (department=Sales)")
	f.StringVar(&n.Scope, "scope", "", "of a search: sub, one or base (default sub)")
	f.StringVar(&n.Attribute, "attribute", "mail", "attribute that holds the address")
	f.StringSliceVar(&n.Domains, "domains", nil, "only addresses in these domains; the directory's if left out")
	f.StringVar(&every, "every", "1h", "how often it is synchronised")
	f.StringVar(&n.MaxChange, "max-change", "20%", "share of its members that may come, or go, without being asked for; 5 always may")
	f.IntVar(&n.MaxMembers, "max-members", 100_000, "entries it may bring at most")
	f.BoolVar(&n.DryRun, "dry-run", false, "show whom it would bring, and make nothing")
	return c
}

func includeLs(g *globals) *cobra.Command {
	return &cobra.Command{Use: "ls [LIST]", Short: "show which directories say who is on a list", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				includes, err := s.ListIncludes(ctx, optional(args))
				if err != nil || g.json {
					return orJSON(c, err, includes)
				}
				var rows [][]string
				for _, i := range includes {
					rows = append(rows, []string{fmt.Sprint(i.ID), i.List.String(), i.Directory, includeSource(i), fmt.Sprint(i.Members), i.Every, lastSync(i), moment(i.Due)})
				}
				return table(c.OutOrStdout(), []string{"ID", "LIST", "DIRECTORY", "SOURCE", "MEMBERS", "EVERY", "LAST", "NEXT"}, rows)
			})
		}}
}

// includeSource names a group or a search.
func includeSource(i admin.IncludeDetails) string {
	switch {
	case i.Nested:
		return i.Group + " and groups in it"
	case i.Group != "":
		return i.Group
	case i.BaseDN != "":
		return i.Filter + " below " + i.BaseDN
	}
	return i.Filter
}

// lastSync tells how an include stands.
func lastSync(i admin.IncludeDetails) string {
	switch {
	case i.Last == nil:
		return "never"
	case i.Last.Failed():
		return "failed: " + i.Last.Reason
	case i.Pending != nil:
		return "waits for you: " + i.Pending.Reason
	}
	return i.Last.Outcome
}

func includeShow(g *globals) *cobra.Command {
	var limit int
	c := &cobra.Command{Use: "show LIST ID", Short: "show how the synchronisations of an include went", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := includeID(args[1])
			if err != nil {
				return err
			}
			return withSession(c, g, func(ctx context.Context, s *session) error {
				syncs, err := s.IncludeSyncs(ctx, args[0], id, limit)
				if err != nil || g.json {
					return orJSON(c, err, syncs)
				}
				for _, one := range syncs {
					fmt.Fprintf(c.OutOrStdout(), "%s %s\n", moment(one.Started), admin.Printable(one.Actor))
					if err := printSync(c.OutOrStdout(), one); err != nil {
						return err
					}
				}
				return nil
			})
		}}
	c.Flags().IntVar(&limit, "limit", 10, "only the newest so many; 0 for all that are kept")
	return c
}

func includeRm(g *globals) *cobra.Command {
	var keep bool
	c := &cobra.Command{Use: "rm LIST ID", Short: "end that a directory says who is on a list", Args: cobra.ExactArgs(2),
		Long: "Takes the include away, and with it those who are members only because of it. With\n" +
			"--keep-members they stay, as if they had been put on the list by hand.",
		RunE: func(c *cobra.Command, args []string) error {
			id, err := includeID(args[1])
			if err != nil {
				return err
			}
			return withSession(c, g, func(ctx context.Context, s *session) error {
				removal, err := s.RemoveInclude(ctx, args[0], id, keep)
				if err != nil || g.json {
					return orJSON(c, err, removal)
				}
				what := "removed"
				if keep {
					what = "kept"
				}
				_, err = fmt.Fprintf(c.OutOrStdout(), "include %d of %s is gone, %s %s\n", removal.Include, removal.List, count(removal.Members, "member"), what)
				return err
			})
		}}
	c.Flags().BoolVar(&keep, "keep-members", false, "leave its members on the list")
	return c
}

func includeID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, &admin.Error{Kind: admin.Usage, What: fmt.Sprintf("%.40q is no include's number", text), Hint: "`listmaster include ls` shows them", Err: err}
	}
	return id, nil
}

func directorySync(g *globals) *cobra.Command {
	var dryRun, approve bool
	c := &cobra.Command{
		Use:   "sync [LIST]",
		Short: "bring lists in line with their includes now",
		Long: "Synchronises the includes of LIST, or of all lists. A change of more than the\n" +
			"include's --max-change waits: --dry-run shows it, and --approve carries out what\n" +
			"waits on LIST. Exit status 1 if a change waits, 3 if a directory gave no answer.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				syncs, err := s.SyncIncludes(ctx, optional(args), dryRun, approve)
				if err != nil {
					return err
				}
				if g.json {
					err = admin.WriteJSON(c.OutOrStdout(), syncs)
				} else {
					err = printSyncs(c.OutOrStdout(), syncs)
				}
				if err == nil {
					err = syncVerdict(syncs)
				}
				return err
			})
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "show what would be, and change nothing")
	c.Flags().BoolVar(&approve, "approve", false, "carry out what waits on LIST")
	return c
}

// syncVerdict is the exit status of it all.
func syncVerdict(syncs []admin.Sync) error {
	var verdict error
	for _, s := range syncs {
		switch {
		case s.Failed():
			return &admin.Error{Kind: admin.Environment}
		case s.Waits():
			verdict = admin.ErrNegative
		}
	}
	return verdict
}

func printSyncs(out io.Writer, syncs []admin.Sync) error {
	if len(syncs) == 0 {
		_, err := fmt.Fprintln(out, "there is no include")
		return err
	}
	for _, s := range syncs {
		if err := printSync(out, s); err != nil {
			return err
		}
	}
	return nil
}

// shownLines is how many addresses, or refusals, are written out.
const shownLines = 20

// printSync tells how one synchronisation went.
func printSync(out io.Writer, s admin.Sync) error {
	var b strings.Builder
	name := fmt.Sprintf("include %d of %s", s.Include, s.List)
	if s.Include == 0 {
		name = s.List.String()
	}
	add, remove := "added", "removed"
	if s.DryRun || s.Waits() {
		add, remove = "to add", "to remove"
	}
	switch {
	case s.Failed():
		fmt.Fprintf(&b, "%s: failed; its members stay as they are: %s\n", name, admin.Printable(s.Reason))
	case s.Waits():
		fmt.Fprintf(&b, "%s: waits for you: %s\n", name, s.Reason)
	default:
		fmt.Fprintf(&b, "%s: %s\n", name, s.Outcome)
	}
	if !s.Failed() {
		fmt.Fprintf(&b, "  %d found, %d %s, %d %s, %d refused, %v\n", s.Found, len(s.Added), add, len(s.Removed), remove, s.Refusals,
			(time.Duration(s.Milliseconds * float64(time.Millisecond))).Round(time.Millisecond))
	}
	some(&b, "+ ", s.Added)
	some(&b, "- ", s.Removed)
	var refused []string
	for _, r := range s.Refused {
		line := r.Reason + " " + r.Entry
		for _, more := range []string{r.Value, r.Detail} {
			if more != "" {
				line += ": " + more
			}
		}
		refused = append(refused, line)
	}
	some(&b, "refused ", refused)
	if s.Hint != "" {
		fmt.Fprintf(&b, "  hint: %s\n", s.Hint)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// some writes the first of many lines.
func some(b *strings.Builder, mark string, lines []string) {
	for i, line := range lines {
		if i == shownLines {
			fmt.Fprintf(b, "  %s… %d more; --json has them\n", mark, len(lines)-i)
			return
		}
		fmt.Fprintf(b, "  %s%s\n", mark, admin.Printable(line))
	}
}
