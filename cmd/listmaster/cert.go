package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/admin"
)

func certCommand(g *globals) *cobra.Command {
	return group("cert", "look at people's certificates, and ask why one is used or not",
		certLs(g), certShow(g), certExplain(g), certRefresh(g), certImport(g), certExport(g),
		certPin(g), certUnpin(g), certBlock(g), certUnblock(g), certForget(g))
}

func certLs(g *globals) *cobra.Command {
	var q admin.CertificateQuery
	var expiring config.Duration
	c := &cobra.Command{
		Use:   "ls [ADDRESS]",
		Short: "show the certificates kept in the database",
		Long:  "Shows the certificates kept in the database: those learnt from signed mail, imported, pinned,\nor given to domains. What the directories and the folder of PEM files hold is shown by `cert explain`.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				q.Address, q.Expiring = optional(args), time.Duration(expiring)
				kept, err := s.Certificates(ctx, q)
				if err != nil || g.json {
					return orJSON(c, err, kept)
				}
				var rows [][]string
				for _, k := range kept {
					rows = append(rows, []string{owner(k), k.Key, short(k.Fingerprint), date(k.NotAfter), k.Source, date(k.Seen), verdict(k.Verdicts, "encryption")})
				}
				return table(c.OutOrStdout(), []string{"ADDRESS", "KEY", "FINGERPRINT", "UNTIL", "SOURCE", "SEEN", "ENCRYPTION"}, rows)
			})
		},
	}
	c.Flags().StringVar(&q.Source, "source", "", "only those from harvest or import, or of a pin or domain")
	c.Flags().StringVar(&q.State, "state", "", "only usable, unusable, expired, blocked or pinned ones")
	c.Flags().TextVar(&expiring, "expiring", expiring, "only those that end within this time, as 30d")
	return c
}

// verdict writes what is thought of one use.
func verdict(verdicts []admin.Verdict, use string) string {
	for _, v := range verdicts {
		switch {
		case v.Use == use && v.OK:
			return "usable"
		case v.Use == use && v.Detail != "":
			return string(v.Reason) + ": " + v.Detail
		case v.Use == use:
			return string(v.Reason)
		}
	}
	return ""
}

func certShow(g *globals) *cobra.Command {
	var pem bool
	c := &cobra.Command{
		Use:   "show FINGERPRINT|ADDRESS",
		Short: "show certificates kept in the database in full",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				kept, err := s.ShowCertificate(ctx, args[0])
				if err != nil || g.json {
					return orJSON(c, err, kept)
				}
				out := c.OutOrStdout()
				for i, k := range kept {
					if pem {
						fmt.Fprint(out, k.PEM)
						continue
					}
					if i > 0 {
						fmt.Fprintln(out)
					}
					if err := printKept(out, k); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	c.Flags().BoolVar(&pem, "pem", false, "write the certificates in PEM form and nothing else")
	return c
}

// owner is whose a kept certificate is.
func owner(k admin.KeptCertificate) string {
	if k.Domain != "" {
		return k.Domain
	}
	return k.Address.String()
}

func printKept(out io.Writer, k admin.KeptCertificate) error {
	pairs := append([][2]string{{"address", owner(k)}, {"key", k.Key}}, certificateFacts(k.CertificateDetails)...)
	return facts(out, append(pairs,
		[2]string{"source", k.Source},
		[2]string{"message", k.MessageID},
		[2]string{"seen", moment(k.Seen)},
		[2]string{"encryption", verdict(k.Verdicts, "encryption")},
		[2]string{"signing", verdict(k.Verdicts, "signing")},
	)...)
}

// certificateFacts are what a certificate says of itself.
func certificateFacts(d admin.CertificateDetails) [][2]string {
	usages := strings.Join(d.Usages, ", ")
	if usages == "" {
		usages = "unlimited"
	}
	return [][2]string{
		{"fingerprint", d.Fingerprint},
		{"subject", d.Subject},
		{"issuer", d.Issuer},
		{"serial", d.Serial},
		{"addresses", strings.Join(d.Addresses, ", ")},
		{"usages", usages},
		{"valid", date(d.NotBefore) + " to " + date(d.NotAfter)},
	}
}

func certExplain(g *globals) *cobra.Command {
	var listName string
	var fresh bool
	expiring := config.Duration(30 * 24 * time.Hour)
	c := &cobra.Command{
		Use:   "explain ADDRESS | --list LIST",
		Short: "ask every source about an address, and tell why each certificate is used or not",
		Long: "Asks every source about ADDRESS and tells what each has, and for every certificate the\n" +
			"one rule that decided. With --list it tells for every member of that list what a copy\n" +
			"would be encrypted to, by which source, and whose certificates end soon. Exit status 1 if\n" +
			"there is nothing to encrypt to.",
		Args: func(c *cobra.Command, args []string) error {
			if (len(args) == 1) == (listName != "") {
				return fmt.Errorf("give either an address or --list")
			}
			return cobra.MaximumNArgs(1)(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				if listName != "" {
					return explainList(ctx, c, g, s, listName, time.Duration(expiring))
				}
				return explainAddress(ctx, c, g, s, args[0], fresh)
			})
		},
	}
	c.Flags().StringVar(&listName, "list", "", "explain every member of this list")
	c.Flags().BoolVar(&fresh, "fresh", false, "ask directories now, whatever is kept of their answers")
	c.Flags().TextVar(&expiring, "expiring", expiring, "with --list: count certificates that end within this time, as 30d")
	return c
}
