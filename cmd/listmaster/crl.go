package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/listd/admin"
)

func crlCommand(g *globals) *cobra.Command {
	return group("crl", "look at the CRLs that are kept", crlLs(g), crlFetch(g))
}

func crlLs(g *globals) *cobra.Command {
	return &cobra.Command{Use: "ls", Short: "show the CRLs that are kept, and those that cannot be had", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return withSession(c, g, func(ctx context.Context, s *session) error {
			all, err := s.CRLs(ctx)
			if err != nil || g.json {
				return orJSON(c, err, all)
			}
			return printCRLs(c.OutOrStdout(), all)
		})
	}}
}

func crlFetch(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "fetch [URL]",
		Short: "fetch CRLs now",
		Long:  "Fetches the CRL at URL now, or all that are known, and keeps what counts; a running server\ntakes it up within a second. Exit status 1 if one cannot be had.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				all, err := s.FetchCRLs(ctx, optional(args))
				if err != nil {
					return err
				}
				if g.json {
					err = admin.WriteJSON(c.OutOrStdout(), all)
				} else {
					err = printCRLs(c.OutOrStdout(), all)
				}
				for _, crl := range all {
					if err == nil && crl.State != admin.CRLGood {
						err = admin.ErrNegative
					}
				}
				return err
			})
		},
	}
}

func printCRLs(out io.Writer, all []admin.CRL) error {
	var rows [][]string
	for _, c := range all {
		rows = append(rows, []string{c.IssuerName, c.URL, c.State, c.Number, fmt.Sprint(c.Entries), moment(c.ThisUpdate), moment(c.NextUpdate), moment(c.Attempted),
			moment(c.GraceMembers), moment(c.GraceSigners), c.Error})
	}
	return table(out, []string{"ISSUER", "URL", "STATE", "NUMBER", "ENTRIES", "THIS UPDATE", "NEXT UPDATE", "LAST ASKED", "MEMBERS UNTIL", "SIGNERS UNTIL", "ERROR"}, rows)
}
