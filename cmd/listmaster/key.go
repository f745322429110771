package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/listd/admin"
)

func keyCommand(g *globals) *cobra.Command {
	return group("key", "give lists their key pairs", keyImport(g), keyLs(g))
}

func keyImport(g *globals) *cobra.Command {
	var key keyFlags
	var robot string
	c := &cobra.Command{
		Use:   "import LIST FILE | --robot DOMAIN FILE",
		Short: "give a list, or the robot of a domain, the key pair of a PKCS#12 file",
		Args: func(c *cobra.Command, args []string) error {
			if robot != "" {
				return cobra.ExactArgs(1)(c, args)
			}
			return cobra.ExactArgs(2)(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			key.p12 = args[len(args)-1]
			p12, err := key.read()
			if err != nil {
				return err
			}
			return withSession(c, g, func(ctx context.Context, s *session) error {
				var k admin.KeyDetails
				var warnings []string
				if robot != "" {
					k, warnings, err = s.ImportRobotKey(ctx, robot, *p12)
				} else {
					k, warnings, err = s.ImportKey(ctx, args[0], *p12)
				}
				warn(c.ErrOrStderr(), warnings)
				if err != nil || g.json {
					return orJSON(c, err, k)
				}
				return printKeys(c.OutOrStdout(), []admin.KeyDetails{k})
			})
		},
	}
	c.Flags().StringVar(&robot, "robot", "", "domain whose address for commands gets the key, in place of LIST")
	key.passwordFlag(c)
	return c
}

func keyLs(g *globals) *cobra.Command {
	return &cobra.Command{Use: "ls [LIST]", Short: "show the key pairs of all lists, or of one", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				keys, err := s.Keys(ctx, optional(args))
				if err != nil || g.json {
					return orJSON(c, err, keys)
				}
				var rows [][]string
				for _, k := range keys {
					rows = append(rows, []string{k.List.String(), k.State, k.Key, date(k.NotAfter), short(k.Fingerprint), k.Subject})
				}
				return table(c.OutOrStdout(), []string{"LIST", "STATE", "KEY", "UNTIL", "FINGERPRINT", "SUBJECT"}, rows)
			})
		}}
}

// printKeys shows key pairs one below the other.
func printKeys(out io.Writer, keys []admin.KeyDetails) error {
	for i, k := range keys {
		if i > 0 {
			fmt.Fprintln(out)
		}
		pairs := append([][2]string{{"key", k.Key + ", " + k.State}}, certificateFacts(k.CertificateDetails)...)
		if k.Chain > 0 {
			pairs = append(pairs, [2]string{"chain", count(k.Chain, "certificate")})
		}
		if err := facts(out, pairs...); err != nil {
			return err
		}
	}
	return nil
}

// optional returns the only argument, or nothing.
func optional(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
