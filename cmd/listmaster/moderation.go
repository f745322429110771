package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/listd/admin"
)

func moderationCommand(g *globals) *cobra.Command {
	return group("moderation", "decide on posts that are held", moderationLs(g), itemShow(g), moderationApprove(g), moderationReject(g))
}

func moderationLs(g *globals) *cobra.Command {
	var listName string
	c := &cobra.Command{Use: "ls", Short: "show the posts that wait for a decision, and why", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				held, err := s.HeldPosts(ctx, listName)
				if err != nil || g.json {
					return orJSON(c, err, held)
				}
				return table(c.OutOrStdout(), []string{"ID", "RECEIVED", "LIST", "FROM", "OCTETS", "REASON"}, itemRows(held))
			})
		}}
	c.Flags().StringVar(&listName, "list", "", "only posts to this list")
	return c
}

func itemRows(items []admin.QueueItem) [][]string {
	var rows [][]string
	for _, i := range items {
		rows = append(rows, []string{i.ID, moment(i.Received), i.ListAddress.String(), sender(i), fmt.Sprint(i.Size), i.Reason})
	}
	return rows
}

// itemShow shows one post; it never shows content.
func itemShow(g *globals) *cobra.Command {
	return &cobra.Command{Use: "show ID", Short: "show what is known of one post; its content is shown to nobody here", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				item, err := s.QueueItem(ctx, args[0], "")
				if err != nil || g.json {
					return orJSON(c, err, item)
				}
				return facts(c.OutOrStdout(), [2]string{"id", item.ID}, [2]string{"list", item.ListAddress.String()}, [2]string{"received", moment(item.Received)},
					[2]string{"from", sender(item.QueueItem)}, [2]string{"author", item.Author.String()}, [2]string{"method", item.Method},
					[2]string{"octets", fmt.Sprint(item.Size)}, [2]string{"state", string(item.State)}, [2]string{"reason", item.Reason}, [2]string{"detail", item.Detail})
			})
		}}
}

func moderationApprove(g *globals) *cobra.Command {
	return &cobra.Command{Use: "approve ID", Short: "let a held post be distributed: it is checked again first", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return acting(c, g, args[0], "approved", func(ctx context.Context, s *session) error { return s.ApprovePost(ctx, args[0]) })
		}}
}

func moderationReject(g *globals) *cobra.Command {
	var reason string
	c := &cobra.Command{Use: "reject ID", Short: "decide against a held post; its author hears it, if he is known", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return acting(c, g, args[0], "rejected", func(ctx context.Context, s *session) error { return s.RejectPost(ctx, args[0], reason) })
		}}
	c.Flags().StringVar(&reason, "reason", "", "what its author is told, in one line")
	return c
}

func quarantineCommand(g *globals) *cobra.Command {
	ls := &cobra.Command{Use: "ls", Short: "show the posts that could not be processed, and why", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				items, err := s.Quarantined(ctx)
				if err != nil || g.json {
					return orJSON(c, err, items)
				}
				return table(c.OutOrStdout(), []string{"ID", "RECEIVED", "LIST", "FROM", "OCTETS", "REASON"}, itemRows(items))
			})
		}}
	release := &cobra.Command{Use: "release ID", Short: "process it again", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return acting(c, g, args[0], "released", func(ctx context.Context, s *session) error { return s.Release(ctx, args[0], false) })
		}}
	rm := &cobra.Command{Use: "rm ID", Short: "take it away: it is distributed to nobody", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return acting(c, g, args[0], "removed", func(ctx context.Context, s *session) error { return s.Release(ctx, args[0], true) })
		}}
	return group("quarantine", "look after posts that could not be processed", ls, itemShow(g), release, rm)
}

// acting does one thing with a post and says so.
func acting(c *cobra.Command, g *globals, id, done string, act func(context.Context, *session) error) error {
	return withSession(c, g, func(ctx context.Context, s *session) error {
		if err := act(ctx, s); err != nil || g.json {
			return orJSON(c, err, map[string]string{"id": id, "became": done})
		}
		_, err := fmt.Fprintf(c.OutOrStdout(), "%s %s\n", id, done)
		return err
	})
}
