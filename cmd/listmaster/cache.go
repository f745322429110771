package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/listd/admin"
)

func cacheCommand(g *globals) *cobra.Command {
	return group("cache", "look at what is kept of directories' answers", cacheLs(g), cacheStat(g), cacheFlush(g))
}

func cacheLs(g *globals) *cobra.Command {
	var f admin.CacheFilter
	c := &cobra.Command{Use: "ls", Short: "show what is kept of directories' answers", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return withSession(c, g, func(ctx context.Context, s *session) error {
			all, err := s.CachedAnswers(ctx, f)
			if err != nil || g.json {
				return orJSON(c, err, all)
			}
			var rows [][]string
			for _, a := range all {
				rows = append(rows, []string{a.Address, a.Source, a.State, fmt.Sprint(a.Certificates), a.Age, moment(a.Due), a.Server})
			}
			return table(c.OutOrStdout(), []string{"ADDRESS", "SOURCE", "STATE", "CERTIFICATES", "AGE", "ASKED AGAIN FROM", "SERVER"}, rows)
		})
	}}
	c.Flags().StringVar(&f.Source, "source", "", "only this directory's")
	c.Flags().StringVar(&f.State, "state", "", "only positive, negative or stale ones")
	c.Flags().IntVar(&f.Limit, "limit", 0, "only the first so many")
	return c
}

func cacheStat(g *globals) *cobra.Command {
	return &cobra.Command{Use: "stat", Short: "count what is kept of directories' answers", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return withSession(c, g, func(ctx context.Context, s *session) error {
			stats, err := s.CacheStats(ctx)
			if err != nil || g.json {
				return orJSON(c, err, stats)
			}
			var rows [][]string
			for _, a := range stats {
				rows = append(rows, []string{a.Source, fmt.Sprint(a.Positive), fmt.Sprint(a.Negative), fmt.Sprint(a.Octets), moment(a.Oldest), moment(a.Newest)})
			}
			return table(c.OutOrStdout(), []string{"SOURCE", "POSITIVE", "NEGATIVE", "OCTETS", "OLDEST", "NEWEST"}, rows)
		})
	}}
}

func cacheFlush(g *globals) *cobra.Command {
	var source string
	var all bool
	c := &cobra.Command{
		Use:   "flush [ADDRESS…]",
		Short: "forget what is kept of directories' answers",
		Long:  "Forgets what is kept about these addresses, of one directory, or everything. Directories are\nasked again when a copy needs them, or before that by the server itself.",
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				n, err := s.FlushCache(ctx, args, source, all)
				if err != nil || g.json {
					return orJSON(c, err, map[string]int{"flushed": n})
				}
				fmt.Fprintf(c.OutOrStdout(), "forgot %s\n", count(n, "answer"))
				return nil
			})
		},
	}
	c.Flags().StringVar(&source, "source", "", "only this directory's")
	c.Flags().BoolVar(&all, "all", false, "everything")
	return c
}

func certRefresh(g *globals) *cobra.Command {
	var listName string
	c := &cobra.Command{
		Use:   "refresh ADDRESS… | --list LIST",
		Short: "ask the directories now, whatever is kept of their answers",
		Long:  "Asks the directories now about these addresses, or about all members of a list, and keeps what\nthey say. Exit status 1 if somebody has no usable certificate.",
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				all, err := s.Refresh(ctx, args, listName)
				if err != nil {
					return err
				}
				if g.json {
					err = admin.WriteJSON(c.OutOrStdout(), all)
				} else {
					var rows [][]string
					for _, r := range all {
						rows = append(rows, []string{r.Address.String(), r.Verdict, r.Detail})
					}
					err = table(c.OutOrStdout(), []string{"ADDRESS", "VERDICT", "DETAIL"}, rows)
				}
				for _, r := range all {
					if err == nil && !r.Sealable() {
						err = admin.ErrNegative
					}
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&listName, "list", "", "all members of this list")
	return c
}
