package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/listd/admin"
)

func taskCommand(g *globals) *cobra.Command {
	return group("task", "look at what the server does from time to time", taskLs(g), taskRun(g))
}

func taskLs(g *globals) *cobra.Command {
	return &cobra.Command{Use: "ls", Short: "show what is done from time to time, and how it went last", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return withSession(c, g, func(ctx context.Context, s *session) error {
			all, err := s.Tasks(ctx)
			if err != nil || g.json {
				return orJSON(c, err, all)
			}
			var rows [][]string
			for _, t := range all {
				row := []string{t.Name, t.Every, "never", "", moment(t.Due), t.Owner, ""}
				if t.Last != nil {
					row[2], row[3], row[6] = moment(t.Last.Started), t.Last.Ended.Sub(t.Last.Started).Round(time.Millisecond).String(), t.Last.Summary
					if t.Last.Error != "" {
						row[6] = "failed: " + t.Last.Error
					}
				}
				rows = append(rows, row)
			}
			return table(c.OutOrStdout(), []string{"TASK", "EVERY", "LAST", "TOOK", "NEXT", "RUNNING ON", "OUTCOME"}, rows)
		})
	}}
}

func taskRun(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "run NAME",
		Short: "do one of them now",
		Long:  "Runs a task now, in this process. Exit status 1 if it failed, or if a server is running it.",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				run, err := s.RunTask(ctx, args[0])
				if err != nil {
					return err
				}
				if g.json {
					if err := admin.WriteJSON(c.OutOrStdout(), run); err != nil {
						return err
					}
				} else if run.Error == "" && run.Summary == "" {
					fmt.Fprintln(c.OutOrStdout(), "there was nothing to do")
				} else if run.Error == "" {
					fmt.Fprintln(c.OutOrStdout(), admin.Printable(run.Summary))
				}
				if run.Error != "" {
					return &admin.Error{Kind: admin.Refused, What: run.Error}
				}
				return nil
			})
		},
	}
}
