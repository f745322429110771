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
	return group("queue", "look at posts and their copies", queueLs(g), queueShow(g), queuePause(g), queueResume(g), queueRetry(g), queueCancel(g))
}

func queueRetry(g *globals) *cobra.Command {
	var withheld, all bool
	c := &cobra.Command{Use: "retry LIST | ID | --all", Short: "try again now what waits for its next attempt", Args: cobra.MaximumNArgs(1),
		Long: "Makes due what waits for its next attempt: copies, service mail, and posts that could not be decided on. With --withheld those\n" +
			"copies that wait for a certificate: whoever still has no usable one has his withheld again. The server does all of that by\n" +
			"itself; withheld copies as soon as it learns of a certificate, and every quarter of an hour.",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 && !all && !withheld || len(args) > 0 && all {
				return &admin.Error{Kind: admin.Usage, What: "name a list or a post, or give --all"}
			}
			return withSession(c, g, func(ctx context.Context, s *session) error {
				if withheld {
					n, err := s.RetryWithheld(ctx, optional(args))
					if err != nil || g.json {
						return orJSON(c, err, map[string]int{"copies": n})
					}
					_, err = fmt.Fprintf(c.OutOrStdout(), "queued %d copies\n", n)
					return err
				}
				r, err := s.Retry(ctx, optional(args))
				if err != nil || g.json {
					return orJSON(c, err, r)
				}
				_, err = fmt.Fprintf(c.OutOrStdout(), "%d mails and %d posts are tried again now\n", r.Copies, r.Posts)
				return err
			})
		}}
	c.Flags().BoolVar(&withheld, "withheld", false, "those without a usable certificate")
	c.Flags().BoolVar(&all, "all", false, "of all lists")
	return c
}

func queuePause(g *globals) *cobra.Command {
	var all bool
	c := &cobra.Command{Use: "pause [LIST | --all]", Short: "let copies wait; without a list, show what is paused", Args: cobra.MaximumNArgs(1),
		Long: "The copies of a paused list wait until `listmaster queue resume`. Posts are taken and decided on as ever, service mail\n" +
			"leaves, and copies that are on their way still arrive. Copies that wait longer than queue.lifetime are not given up for that.",
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				if len(args) > 0 || all {
					return s.Pause(ctx, optional(args))
				}
				paused, err := s.Pauses(ctx)
				if err != nil || g.json {
					return orJSON(c, err, paused)
				}
				var rows [][]string
				for _, p := range paused {
					rows = append(rows, []string{p.Address, moment(p.At), p.Actor})
				}
				return table(c.OutOrStdout(), []string{"LIST", "SINCE", "BY"}, rows)
			})
		}}
	c.Flags().BoolVar(&all, "all", false, "those of all lists")
	return c
}

func queueResume(g *globals) *cobra.Command {
	var all bool
	c := &cobra.Command{Use: "resume LIST | --all", Short: "end a pause", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return &admin.Error{Kind: admin.Usage, What: "name a list, or give --all"}
			}
			return withSession(c, g, func(ctx context.Context, s *session) error { return s.Resume(ctx, optional(args)) })
		}}
	c.Flags().BoolVar(&all, "all", false, "that of all lists")
	return c
}

func queueCancel(g *globals) *cobra.Command {
	return &cobra.Command{Use: "cancel ID", Short: "call off the copies of a post that have not left", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				r, err := s.Cancel(ctx, args[0])
				if err != nil || g.json {
					return orJSON(c, err, r)
				}
				_, err = fmt.Fprintf(c.OutOrStdout(), "%d copies are called off", r.Copies)
				if err == nil && r.InHand > 0 {
					_, err = fmt.Fprintf(c.OutOrStdout(), "; %d are on their way", r.InHand)
				}
				fmt.Fprintln(c.OutOrStdout())
				return err
			})
		}}
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
		rows = append(rows, []string{v.Address.String(), string(v.Kind), string(v.State), number(v.Attempts), moment(v.NextAt), v.Reason, shortEach(v.Certificate), v.Cipher, reply})
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
