package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/listd/admin"
)

// marked prints what became of a pin or block.
func marked(c *cobra.Command, g *globals, m admin.Marked, err error, done string) error {
	if err != nil || g.json {
		return orJSON(c, err, m)
	}
	if !m.New {
		done = "was so already"
	}
	fmt.Fprintf(c.OutOrStdout(), "%s %s\n", m.Fingerprint, done)
	return nil
}

func certPin(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "pin ADDRESS FILE|FINGERPRINT",
		Short: "use this certificate for an address, before whatever a source has",
		Long:  "Ties a certificate to an address. As long as it is good it is used before whatever a source has.\nIt may name no address at all; then it also counts for what the person signs.",
		Args:  cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				m, err := s.Pin(ctx, args[0], args[1])
				return marked(c, g, m, err, "is pinned to "+m.Address)
			})
		},
	}
}

func certUnpin(g *globals) *cobra.Command {
	return &cobra.Command{Use: "unpin ADDRESS", Short: "take back what was pinned to an address", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		return withSession(c, g, func(ctx context.Context, s *session) error {
			n, err := s.Unpin(ctx, args[0])
			return counting(c, g, n, err, "unpinned")
		})
	}}
}

func certBlock(g *globals) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "block FINGERPRINT|FILE",
		Short: "use this certificate for nobody and nothing, whatever source has it",
		Long:  "Blocks a certificate: nothing is encrypted to it, and what it signs counts as unsigned, whatever\nsource has it and whatever its authority says. A fingerprint of 64 digits need not be at hand.",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				m, err := s.Block(ctx, args[0], reason)
				return marked(c, g, m, err, "is blocked")
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, in one line, for `cert explain`")
	return c
}

func certUnblock(g *globals) *cobra.Command {
	return &cobra.Command{Use: "unblock FINGERPRINT", Short: "take back that a certificate is blocked", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		return withSession(c, g, func(ctx context.Context, s *session) error {
			n, err := s.Unblock(ctx, args[0])
			return counting(c, g, n, err, "unblocked")
		})
	}}
}

func certForget(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "forget ADDRESS [FINGERPRINT]",
		Short: "remove what was learnt or imported about an address",
		Long:  "Removes what was learnt from mail or imported about an address, or the one certificate. Mail does\nnot teach the same again; `cert import` or `cert pin` does.",
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				forgotten, err := s.Forget(ctx, args[0], optional(args[1:]))
				return counting(c, g, len(forgotten), err, "forgotten")
			})
		},
	}
}

// counting prints to how many certificates something was done.
func counting(c *cobra.Command, g *globals, n int, err error, done string) error {
	if err != nil || g.json {
		return orJSON(c, err, map[string]int{"certificates": n})
	}
	fmt.Fprintf(c.OutOrStdout(), "%s %s\n", count(n, "certificate"), done)
	return nil
}

func certImport(g *globals) *cobra.Command {
	var o admin.ImportOptions
	c := &cobra.Command{
		Use:   "import FILE|FOLDER…",
		Short: "take people's certificates from files, or from a folder of Sympa's",
		Long: "Takes certificates from PEM, DER and p7c files into the database, each for every address that it\n" +
			"names. In a folder files may be named as Sympa names them (X509-user-certs). Exit status 1 if\n" +
			"something was not taken.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				all, err := s.Import(ctx, args, o)
				if err != nil {
					return err
				}
				if g.json {
					err = admin.WriteJSON(c.OutOrStdout(), all)
				} else {
					var rows [][]string
					for _, i := range all {
						outcome := "taken"
						if !i.Taken {
							outcome = i.Reason
						}
						rows = append(rows, []string{i.File, i.Address, short(i.Fingerprint), outcome})
					}
					err = table(c.OutOrStdout(), []string{"FILE", "ADDRESS", "FINGERPRINT", "OUTCOME"}, rows)
				}
				for _, i := range all {
					if err == nil && !i.Taken {
						err = admin.ErrNegative
					}
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&o.Address, "address", "", "only for this one of the addresses that a certificate names")
	c.Flags().StringVar(&o.Domain, "domain", "", "for all addresses of a domain that have none of their own, as @partner.example")
	return c
}

func certExport(g *globals) *cobra.Command {
	var listName, form, out string
	c := &cobra.Command{
		Use:   "export ADDRESS… | --list LIST",
		Short: "write the certificates that copies are encrypted to",
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				if form == admin.FormSympa {
					if out == "" {
						return &admin.Error{Kind: admin.Usage, What: "--form sympa writes a folder", Hint: "name it with --out"}
					}
					n, err := s.ExportFolder(ctx, args, listName, out)
					return counting(c, g, n, err, "written")
				}
				octets, err := s.Export(ctx, args, listName, form)
				switch {
				case err != nil:
					return err
				case out != "":
					return os.WriteFile(out, octets, 0o644)
				}
				_, err = c.OutOrStdout().Write(octets)
				return err
			})
		},
	}
	c.Flags().StringVar(&listName, "list", "", "those of all members of this list")
	c.Flags().StringVar(&form, "form", admin.FormPEM, "pem, der (one certificate), p7c, or sympa (a folder)")
	c.Flags().StringVar(&out, "out", "", "file or folder to write to; without it standard output")
	return c
}
