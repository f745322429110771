package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/listd/admin"
)

func keyCommand(g *globals) *cobra.Command {
	return group("key", "give lists their key pairs, and lead these through their life",
		keyImport(g), keyRequest(g), keyLs(g), keyStage(g), keyActivate(g), keyRetire(g), keyExport(g), keyRekey(g))
}

func keyImport(g *globals) *cobra.Command {
	var key keyFlags
	var robot, until, module string
	var staged bool
	c := &cobra.Command{
		Use:   "import LIST FILE… | --robot DOMAIN FILE…",
		Short: "give a list, or the robot of a domain, the key pair of a file",
		Long: "Gives the list LIST the key pair of a PKCS#12 file, or of several files in PEM or DER: a certificate\n" +
			"with its chain, and the private key. A certificate without one belongs to a key that `key request`\n" +
			"made. The key is active at once, and everybody on the list is told of its certificate, unless it is\n" +
			"--staged. The keys that it takes over from still open mail: until --until, or `key retire`.\n" +
			"With --pkcs11 the private key stays in a security module, the list's certificate comes first in\n" +
			"the files, and a reference is kept.",
		Args: func(c *cobra.Command, args []string) error {
			if robot != "" {
				return cobra.MinimumNArgs(1)(c, args)
			}
			return cobra.MinimumNArgs(2)(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			listName, files := "", args
			if robot == "" {
				listName, files = args[0], args[1:]
			}
			key.p12, key.more = files[0], files[1:]
			end, err := day(until)
			if err != nil {
				return err
			}
			k, err := key.read()
			if err != nil {
				return err
			}
			k.Staged, k.Until, k.PKCS11 = staged, end, module
			return withSession(c, g, func(ctx context.Context, s *session) error {
				var details admin.KeyDetails
				var warnings []string
				if robot != "" {
					details, warnings, err = s.ImportRobotKey(ctx, robot, *k)
				} else {
					details, warnings, err = s.ImportKey(ctx, listName, *k)
				}
				warn(c.ErrOrStderr(), warnings)
				return showKey(c, g, details, err)
			})
		},
	}
	c.Flags().StringVar(&robot, "robot", "", "domain whose address for commands gets the key, in place of LIST")
	c.Flags().BoolVar(&staged, "staged", false, "only open mail with it, until `key activate`")
	c.Flags().StringVar(&module, "pkcs11", "", "where the private key is in a security module: pkcs11:token=NAME;object=LABEL (RFC 7512)")
	untilFlag(c, &until)
	key.passwordFlag(c)
	return c
}

func untilFlag(c *cobra.Command, until *string) {
	c.Flags().StringVar(until, "until", "", "day (2027-01-31) on which the private keys are destroyed that this one takes over from")
}

// day reads a date, as UTC; the zero time for an empty text.
func day(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return t, &admin.Error{Kind: admin.Usage, What: fmt.Sprintf("%q is no day", text), Hint: "write it as 2027-01-31", Err: err}
	}
	return t, nil
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
					ends := ""
					if k.Until != nil {
						ends = date(*k.Until)
					}
					rows = append(rows, []string{k.List.String(), string(k.State), string(k.Use), k.Key, date(k.NotAfter), ends, short(k.Fingerprint), k.Subject})
				}
				return table(c.OutOrStdout(), []string{"LIST", "STATE", "USE", "KEY", "UNTIL", "RETIRED ON", "FINGERPRINT", "SUBJECT"}, rows)
			})
		}}
}

func keyActivate(g *globals) *cobra.Command {
	var until string
	c := &cobra.Command{Use: "activate LIST FINGERPRINT", Short: "let people encrypt to a staged key, and the list sign with it", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			end, err := day(until)
			if err != nil {
				return err
			}
			return withSession(c, g, func(ctx context.Context, s *session) error {
				k, told, err := s.ActivateKey(ctx, args[0], args[1], end)
				if err == nil && !g.json {
					fmt.Fprintf(c.ErrOrStderr(), "%d people of the list are told of it\n", told)
				}
				return showKey(c, g, k, err)
			})
		}}
	untilFlag(c, &until)
	return c
}

func keyStage(g *globals) *cobra.Command {
	return &cobra.Command{Use: "stage LIST FINGERPRINT", Short: "put a key that is decrypt-only back among those that wait", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				k, err := s.StageKey(ctx, args[0], args[1])
				return showKey(c, g, k, err)
			})
		}}
}

func keyRetire(g *globals) *cobra.Command {
	var force bool
	c := &cobra.Command{Use: "retire LIST FINGERPRINT", Short: "destroy the private key, and keep the certificate for the records", Args: cobra.ExactArgs(2),
		Long: "Destroys the private half of a key in the database. What is encrypted to it can never be opened\n" +
			"again here. Backups that were made before still hold it, under the key password. Of a key in a\n" +
			"security module only the reference is destroyed.",
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				k, err := s.RetireKey(ctx, args[0], args[1], force)
				switch {
				case err != nil || g.json:
				case k.PKCS11 != "":
					fmt.Fprintf(c.ErrOrStderr(), "the reference to its private key is destroyed; the key itself is in the security module (%s), and its administrator's to destroy\n", k.PKCS11)
				default:
					fmt.Fprintln(c.ErrOrStderr(), "its private key is destroyed; backups that were made before still hold it, under the key password")
				}
				return showKey(c, g, k, err)
			})
		}}
	c.Flags().BoolVar(&force, "force", false, "even if it is active, or messages of the list wait or are in its archive")
	return c
}

// showKey prints a key that something was done with.
func showKey(c *cobra.Command, g *globals, k admin.KeyDetails, err error) error {
	if err != nil || g.json {
		return orJSON(c, err, k)
	}
	return printKeys(c.OutOrStdout(), []admin.KeyDetails{k})
}

// printKeys shows key pairs one below the other.
func printKeys(out io.Writer, keys []admin.KeyDetails) error {
	for i, k := range keys {
		if i > 0 {
			fmt.Fprintln(out)
		}
		state := string(k.State)
		if k.Use != "both" {
			state += ", only to " + string(k.Use)
		}
		if k.Until != nil {
			state += ", to be retired on " + date(*k.Until)
		}
		if k.PEM == "" { // requested: it has no certificate
			if err := facts(out, [2]string{"key", state}, [2]string{"public key", k.Fingerprint}); err != nil {
				return err
			}
			continue
		}
		pairs := append([][2]string{{"key", k.Key + ", " + state}}, certificateFacts(k.CertificateDetails)...)
		if k.PKCS11 != "" {
			pairs = append(pairs, [2]string{"private key", k.PKCS11})
		}
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
