package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/listd"
	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/smime"
)

func messageCommand(g *globals) *cobra.Command {
	return group("message", "look into messages", messageInspect(g), messageDryRun(g))
}

// maxMessage bounds what is read from a file or standard input.
const maxMessage = 256 << 20

func messageInspect(g *globals) *cobra.Command {
	var in admin.Inspection
	var p12, passwords, passwordFiles []string
	c := &cobra.Command{
		Use:   "inspect FILE",
		Short: "open a message, and tell its layers and whether its author is authenticated",
		Long: "Opens the message in FILE, or on standard input for -, and tells its layers, its signers\n" +
			"and whether its author is authenticated. It needs no configuration, database or network.\n" +
			"Exit status 0 if the author is authenticated, else 1.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if in.P12, err = readP12(p12, passwords, passwordFiles); err != nil {
				return err
			}
			octets, err := readMessage(c.InOrStdin(), args[0])
			if err != nil {
				return unreadable(c, g, err)
			}
			report, err := admin.Inspect(octets, in)
			if err != nil {
				return err
			}
			if g.json {
				err = admin.WriteJSON(c.OutOrStdout(), report)
			} else {
				err = printReport(c.OutOrStdout(), report)
			}
			if err == nil && !report.Authenticated {
				return admin.ErrNegative
			}
			return err
		},
	}
	f := c.Flags()
	f.StringArrayVar(&in.CA, "ca", nil, "file with trust anchors, of any kind of certificate; may be repeated")
	f.StringArrayVar(&in.Intermediates, "intermediate", nil, "file with certificates that help to build a path; may be repeated")
	f.StringArrayVar(&in.CRLs, "crl", nil, "file with a list of revoked certificates; may be repeated")
	f.StringArrayVar(&in.Keys, "key", nil, "file with a private key; without a --cert it is tried on every recipient; may be repeated")
	f.StringArrayVar(&in.Certificates, "cert", nil, "certificate of the --key at the same place")
	f.StringArrayVar(&p12, "p12", nil, "PKCS#12 file with key and certificate; may be repeated")
	f.StringArrayVar(&passwords, "password", nil, "password of the --p12 at the same place; others on this machine can see it")
	f.StringArrayVar(&passwordFiles, "password-file", nil, "file with it")
	f.StringVar(&in.At, "at", "", "time at which certificates are judged, as 2026-01-31T12:00:00Z; now if not given")
	f.StringVar(&in.Rcpt, "rcpt", "", "address that stands for the list: where To or Cc are protected, one must name it")
	f.StringVar(&in.Revocation, "revocation", "known",
		"off; known: a certificate counts unless a list of --crl or in the message has it; require: one must say that it is good")
	return c
}

func messageDryRun(g *globals) *cobra.Command {
	var from string
	c := &cobra.Command{
		Use:   "dry-run LIST FILE",
		Short: "tell what would become of a message, had it been posted",
		Long: "Takes the message in FILE, or on standard input for -, through every stage: opening,\n" +
			"signature, scenario, certificates of the members. Nothing of it is sent or stored.\n" +
			"Exit status 0 if it would be distributed, else 1.",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			octets, err := readMessage(c.InOrStdin(), args[1])
			if err != nil {
				return err
			}
			return withSession(c, g, func(ctx context.Context, s *session) error {
				t, err := s.parts.Try(ctx, args[0], from, octets)
				if err != nil {
					return &admin.Error{Kind: admin.Refused, What: "nothing can be said: " + err.Error(), Hint: "`listmaster list ls` shows the lists; `listmaster message inspect FILE` looks at the message alone", Err: err}
				}
				if g.json {
					err = admin.WriteJSON(c.OutOrStdout(), t)
				} else {
					err = printDryRun(c.OutOrStdout(), t)
				}
				if err == nil && t.State != "distributing" {
					return admin.ErrNegative
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&from, "from", "sender@example.org", "reverse-path of the envelope; empty: the null one, of a bounce")
	return c
}

// printDryRun tells a person what would become of a message.
func printDryRun(out io.Writer, t listd.Trial) error {
	author := "nobody who can be authenticated"
	if t.Signature != "" {
		author += " (" + string(t.Signature) + ")"
	}
	if t.Authenticated {
		author = t.Author.String() + ", authenticated"
	}
	protection, leaves := "in clear", "in clear"
	if t.Encrypted {
		protection = "encrypted"
	}
	if t.Sealed {
		leaves = "encrypted to each member"
	}
	verdict := t.State
	if t.Reason != "" {
		verdict += ": " + t.Reason
	}
	rows := [][2]string{{"arrives", protection}, {"author", author}, {"method", t.Method}, {"rule", t.Rule}, {"becomes", verdict}, {"detail", t.Detail}, {"answer", t.Answer}}
	if t.Members > 0 {
		rows = append(rows, [2]string{"copies leave", leaves}, [2]string{"members", fmt.Sprintf("%d, of whom %d would get it now, and %d do not want it", t.Members, t.Reached, t.Left)})
	}
	if err := facts(out, rows...); err != nil {
		return err
	}
	for i, u := range t.Unreached {
		if i == shownLines {
			fmt.Fprintf(out, "… %d more; --json has them\n", len(t.Unreached)-i)
			break
		}
		state := "withheld"
		if u.Delayed {
			state = "delayed"
		}
		fmt.Fprintf(out, "  %s %s: %s\n", state, u.Address, admin.Printable(u.Reason))
	}
	return nil
}

// readP12 reads PKCS#12 files, each with the password at the same place; there
// may be fewer of these.
func readP12(names, passwords, passwordFiles []string) ([]admin.P12, error) {
	all, err := allPasswords(passwords, passwordFiles)
	if err != nil {
		return nil, err
	}
	if len(all) > len(names) {
		return nil, &admin.Error{Kind: admin.Usage, What: "there are more passwords than --p12", Hint: "give each --p12 its --password or --password-file, in the same order"}
	}
	files := make([]admin.P12, len(names))
	for i, name := range names {
		files[i].Name = name
		if files[i].Octets, err = os.ReadFile(name); err != nil {
			return nil, err
		}
		if i < len(all) {
			files[i].Password = all[i]
		}
	}
	return files, nil
}

// allPasswords puts those given and those in files in a row: one way or the
// other, for who takes which would be a guess.
func allPasswords(given, files []string) ([][]byte, error) {
	if len(given) > 0 && len(files) > 0 {
		return nil, &admin.Error{Kind: admin.Usage, What: "there are both --password and --password-file", Hint: "give all of them in one of the two ways"}
	}
	var all [][]byte
	for _, p := range given {
		all = append(all, []byte(p))
	}
	for _, name := range files {
		p, err := readPassword(name)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// readMessage reads a file, or standard input for "-".
func readMessage(stdin io.Reader, name string) ([]byte, error) {
	file := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		file = f
	}
	octets, err := io.ReadAll(io.LimitReader(file, maxMessage+1))
	if err == nil && len(octets) > maxMessage {
		err = fmt.Errorf("%s has more than %d octets", name, maxMessage)
	}
	return octets, err
}

// unreadable answers about a file that cannot be read: a verdict like any
// other, exit status 1.
func unreadable(c *cobra.Command, g *globals, err error) error {
	if g.json {
		report, _ := admin.Inspect(nil, admin.Inspection{})
		if err := admin.WriteJSON(c.OutOrStdout(), report); err != nil {
			return err
		}
	}
	return &admin.Error{Kind: admin.Refused, What: err.Error(), Err: err}
}

// printReport shows a report to a person.
func printReport(out io.Writer, r smime.Report) error {
	for i, l := range r.Layers {
		line := fmt.Sprintf("layer %d: %s", i+1, l.Type)
		for _, part := range []string{string(l.Form), l.Algorithm} {
			if part != "" {
				line += ", " + part
			}
		}
		if l.Path != "" {
			line += ", part " + l.Path
		}
		if !l.Counts {
			line += ", does not count"
		}
		if l.Error != "" {
			line += ": " + l.Error
		}
		fmt.Fprintln(out, admin.Printable(line))
		for _, rcpt := range l.Recipients {
			fmt.Fprintf(out, "  recipient %s (%s)\n", admin.Printable(rcpt.ID), admin.Printable(rcpt.KeyEncryption))
		}
		for _, s := range l.Signers {
			printSigner(out, s)
		}
	}
	verdict := "not authenticated"
	if r.Authenticated {
		verdict = "authenticated"
	}
	return facts(out,
		[2]string{"headers", protection(r)},
		[2]string{"from", strings.Join(r.From, ", ") + source(r)},
		[2]string{"author", verdict},
		[2]string{"reason", string(r.Reason)},
		[2]string{"error", r.Error},
		[2]string{"content", r.ContentSHA256},
	)
}

// protection says in one line how header fields are protected, and which.
func protection(r smime.Report) string {
	line := "protection " + string(r.HeaderProtection)
	if len(r.Protected) > 0 {
		line += ": " + strings.Join(r.Protected, ", ")
	}
	if len(r.Hidden) > 0 {
		line += "; not shown outside: " + strings.Join(r.Hidden, ", ")
	}
	return line
}

// source says where the From was read, if that is not the message's own header.
func source(r smime.Report) string {
	if r.FromSource == smime.FromOuter {
		return ""
	}
	return " (" + r.FromSource + ")"
}

func printSigner(out io.Writer, s smime.SignerReport) {
	state := "valid and trusted"
	switch {
	case !s.Valid:
		state = "not valid"
	case !s.Trusted:
		state = "valid, not trusted"
	}
	if s.Reason != "" {
		state += " (" + string(s.Reason) + ")"
	}
	fmt.Fprintf(out, "  signer %s: %s\n", admin.Printable(s.Subject), state)
	for _, p := range [][2]string{
		{"issuer", s.Issuer}, {"serial", s.Serial}, {"addresses", strings.Join(s.Addresses, ", ")},
		{"algorithms", strings.Trim(s.Digest+", "+s.Signature, ", ")}, {"signed", s.SigningTime},
	} {
		if p[1] != "" {
			fmt.Fprintf(out, "    %-11s %s\n", p[0], admin.Printable(p[1]))
		}
	}
}
