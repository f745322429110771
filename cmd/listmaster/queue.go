package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/listd/admin"
)

func queueCommand(g *globals) *cobra.Command {
	return group("queue", "look at posts and their copies", queueLs(g), queueShow(g), queueRetry(g))
}

func queueRetry(g *globals) *cobra.Command {
	var withheld bool
	c := &cobra.Command{Use: "retry --withheld [LIST|ID]", Short: "try copies again that were withheld for want of a certificate", Args: cobra.MaximumNArgs(1),
		Long: "Queues the withheld copies of a post, of a list or of all again. Whoever still has no\n" +
			"usable certificate has his withheld again. The server does this by itself as soon as\n" +
			"it learns of a certificate, and every quarter of an hour.",
		RunE: func(c *cobra.Command, args []string) error {
			if !withheld {
				return &admin.Error{Kind: admin.Usage, What: "nothing was chosen", Hint: "give --withheld; copies that are delayed are tried again by themselves"}
			}
			return withSession(c, g, func(ctx context.Context, s *session) error {
				n, err := s.RetryWithheld(ctx, optional(args))
				if err != nil || g.json {
					return orJSON(c, err, map[string]int{"copies": n})
				}
				_, err = fmt.Fprintf(c.OutOrStdout(), "queued %d copies\n", n)
				return err
			})
		}}
	c.Flags().BoolVar(&withheld, "withheld", false, "those without a usable certificate")
	return c
}

func queueLs(g *globals) *cobra.Command {
	var f admin.QueueFilter
	c := &cobra.Command{Use: "ls", Short: "show posts that wait for something", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return withSession(c, g, func(ctx context.Context, s *session) error {
			items, err := s.Queue(ctx, f)
			if err != nil || g.json {
				return orJSON(c, err, items)
			}
			var rows [][]string
			for _, i := range items {
				to := i.ListAddress.String()
				if i.Kind != "post" {
					to = i.ForwardPath.String()
				}
				rows = append(rows, []string{i.ID, moment(i.Received), to, sender(i), fmt.Sprint(i.Size), string(i.State), i.Progress(), i.Reason})
			}
			return table(c.OutOrStdout(), []string{"ID", "RECEIVED", "TO", "FROM", "OCTETS", "STATE", "COPIES", "REASON"}, rows)
		})
	}}
	c.Flags().StringVar(&f.List, "list", "", "only posts to this list")
	c.Flags().StringVar(&f.State, "state", "", "only accepted, held, distributing, done, rejected or quarantined ones")
	c.Flags().BoolVar(&f.All, "all", false, "finished ones, too")
	c.Flags().IntVar(&f.Limit, "limit", 0, "only the newest so many")
	return c
}

// sender is who a post is from: its author if he is known, else its
// reverse-path.
func sender(i admin.QueueItem) string {
	switch {
	case !i.Author.IsZero():
		return i.Author.String()
	case i.ReversePath == "":
		return "<>"
	}
	return i.ReversePath
}

func queueShow(g *globals) *cobra.Command {
	var state string
	c := &cobra.Command{Use: "show ID", Short: "show one post and what became of each copy", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				d, err := s.QueueItem(ctx, args[0], state)
				if err != nil || g.json {
					return orJSON(c, err, d)
				}
				return printItem(c.OutOrStdout(), d)
			})
		}}
	c.Flags().StringVar(&state, "state", "", "only copies that are queued, relayed, delayed, failed, withheld or cancelled")
	return c
}

func printItem(out io.Writer, d admin.QueueDetails) error {
	var states []string
	for _, s := range slices.Sorted(maps.Keys(d.States)) {
		states = append(states, fmt.Sprintf("%d %s", d.States[s], s))
	}
	arrived := "in clear"
	if d.Encrypted {
		arrived = "encrypted"
	}
	if d.State == "accepted" {
		arrived = "" // nobody has looked yet
	}
	reversePath := d.ReversePath
	if reversePath == "" {
		reversePath = "<>"
	}
	err := facts(out,
		[2]string{"post", d.ID},
		[2]string{"list", d.ListAddress.String()},
		[2]string{"to", d.ForwardPath.String()},
		[2]string{"reverse-path", reversePath},
		[2]string{"client", d.Client},
		[2]string{"received", moment(d.Received)},
		[2]string{"octets", fmt.Sprint(d.Size)},
		[2]string{"arrived", arrived},
		[2]string{"message-id", d.MessageID},
		[2]string{"author", d.Author.String()},
		[2]string{"method", d.Method},
		[2]string{"state", string(d.State)},
		[2]string{"reason", d.Reason},
		[2]string{"detail", d.Detail},
		[2]string{"next", moment(d.NextAt)},
		[2]string{"leased by", d.LeasedBy},
		[2]string{"copies", strings.Join(states, ", ")},
	)
	if err != nil || len(d.Deliveries) == 0 {
		return err
	}
	fmt.Fprintln(out)
	var rows [][]string
	for _, v := range d.Deliveries {
		reply := strings.TrimSpace(strings.Join([]string{number(v.Code), v.Enhanced, v.Text}, " "))
		rows = append(rows, []string{v.Address.String(), string(v.Kind), string(v.State), number(v.Attempts), moment(v.NextAt), v.Reason, short(v.Certificate), v.Cipher, reply})
	}
	return table(out, []string{"ADDRESS", "KIND", "STATE", "ATTEMPTS", "NEXT", "REASON", "CERTIFICATE", "CIPHER", "REPLY"}, rows)
}

// number writes a number; nothing for none.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}
