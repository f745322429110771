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
	return group("include", "have people of a directory be members of a list", includeAdd(g), includeLs(g), includeRm(g))
}

func includeAdd(g *globals) *cobra.Command {
	settings := admin.IncludeSettings{}
	every := config.Duration(time.Hour)
	c := &cobra.Command{
		Use:   "add LIST --directory NAME (--group DN | --base DN --filter FILTER)",
		Short: "make a group, or who a search finds, members of a list",
		Long: "Makes the people of a group, or those that a search finds, members of a list, now and from then on.\n" +
			"Who subscribed by himself stays when the directory no longer names him; who was removed by hand\n" +
			"does not come back while it still does.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				settings.Every = time.Duration(every)
				synced, err := s.AddInclude(ctx, args[0], settings)
				if err != nil || g.json {
					return orJSON(c, err, synced)
				}
				printSynced(c.OutOrStdout(), synced)
				return nil
			})
		},
	}
	f := c.Flags()
	f.StringVar(&settings.Directory, "directory", "", "name of a directory of sealist.yaml")
	f.StringVar(&settings.Group, "group", "", "DN of a group")
	f.BoolVar(&settings.Nested, "nested", false, "also the people of groups in the group")
	f.StringVar(&settings.Base, "base", "", "DN below which people are searched for")
	f.StringVar(&settings.Filter, "filter", "", "filter that finds them, as (departmentNumber=42)")
	f.StringVar(&settings.Scope, "scope", "sub", "how deep below --base: sub, one or base")
	f.StringVar(&settings.Attribute, "attribute", "mail", "attribute that has the address")
	f.StringSliceVar(&settings.Domains, "domains", nil, "domains of the addresses that are taken; without it the directory's")
	f.TextVar(&every, "every", every, "how often the directory is asked")
	f.IntVar(&settings.MaxChange, "max-change", 20, "percent of its people that may come or go at a time without your word; ten may always")
	return c
}

func includeLs(g *globals) *cobra.Command {
	return &cobra.Command{Use: "ls [LIST]", Short: "show from where lists have members", Args: cobra.MaximumNArgs(1), RunE: func(c *cobra.Command, args []string) error {
		return withSession(c, g, func(ctx context.Context, s *session) error {
			all, err := s.Includes(ctx, optional(args))
			if err != nil || g.json {
				return orJSON(c, err, all)
			}
			var rows [][]string
			for _, i := range all {
				where, state := i.Group, i.Summary
				if where == "" {
					where = i.Base + " " + i.Filter
				}
				switch {
				case i.Error != "":
					state = "failed: " + i.Error
				case i.Waiting != "":
					state = "waits: " + i.Waiting
				}
				rows = append(rows, []string{fmt.Sprint(i.ID), i.Directory, where, fmt.Sprint(i.People), i.Every.String(), moment(i.Last), state})
			}
			return table(c.OutOrStdout(), []string{"ID", "DIRECTORY", "WHERE", "PEOPLE", "EVERY", "LAST", "STATE"}, rows)
		})
	}}
}

func includeRm(g *globals) *cobra.Command {
	var keep bool
	c := &cobra.Command{Use: "rm LIST ID", Short: "take an include away, with the members that only it brought", Args: cobra.ExactArgs(2), RunE: func(c *cobra.Command, args []string) error {
		return withSession(c, g, func(ctx context.Context, s *session) error {
			id, err := strconv.ParseInt(args[1], 10, 64)
			if err != nil {
				return &admin.Error{Kind: admin.Usage, What: fmt.Sprintf("%q is no number of an include", args[1]), Hint: "`listmaster include ls` shows them"}
			}
			n, err := s.RemoveInclude(ctx, args[0], id, keep)
			if err != nil || g.json {
				return orJSON(c, err, map[string]int{"people": n})
			}
			fmt.Fprintf(c.OutOrStdout(), "include %d is gone; it had brought %d people\n", id, n)
			return nil
		})
	}}
	c.Flags().BoolVar(&keep, "keep-members", false, "keep them as subscribers")
	return c
}

func directorySync(g *globals) *cobra.Command {
	var o admin.SyncOptions
	c := &cobra.Command{
		Use:   "sync [LIST]",
		Short: "bring the members that directories name up to date now",
		Long:  "Asks the directories now about the includes of a list, or of all lists. What is not answered in full\nchanges nothing. Exit status 1 if an include failed or waits for --approve.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				all, err := s.Sync(ctx, optional(args), o)
				if err != nil {
					return err
				}
				if g.json {
					err = admin.WriteJSON(c.OutOrStdout(), all)
				} else {
					for _, synced := range all {
						printSynced(c.OutOrStdout(), synced)
					}
				}
				for _, synced := range all {
					if err == nil && (synced.Error != "" || synced.Waiting != "" && !o.DryRun) {
						err = admin.ErrNegative
					}
				}
				return err
			})
		},
	}
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "only show what would change")
	c.Flags().BoolVar(&o.Approve, "approve", false, "also do what changes more than the include's share")
	return c
}

func printSynced(out io.Writer, s admin.Synced) {
	state := "nothing to change"
	switch {
	case s.Error != "":
		state = "failed, nothing was changed: " + s.Error
	case s.Waiting != "":
		state = "waits: " + s.Waiting
	case s.Summary != "":
		state = s.Summary
	}
	fmt.Fprintf(out, "%s, include %d: %s\n", s.ListAddress, s.ID, admin.Printable(state))
	for _, part := range []struct {
		sign string
		all  []string
	}{{"+", s.Added}, {"-", s.Removed}, {"left out", s.Refused}} {
		for _, text := range part.all[:min(len(part.all), 20)] {
			fmt.Fprintf(out, "  %s %s\n", part.sign, admin.Printable(strings.TrimSpace(text)))
		}
		if more := len(part.all) - 20; more > 0 {
			fmt.Fprintf(out, "  %s and %d more; --json shows all\n", part.sign, more)
		}
	}
}
