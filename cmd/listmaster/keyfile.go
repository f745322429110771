package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/admin"
)

func keyRequest(g *globals) *cobra.Command {
	var robot, keyType, use, out string
	c := &cobra.Command{
		Use:   "request LIST | --robot DOMAIN",
		Short: "make a key pair here, and the request for its certificate",
		Long: "Makes a key pair that never leaves the database, and writes the request for its certificate\n" +
			"(PKCS#10, PEM) for your CA. `key import LIST FILE…` takes the certificate that it issues, with its chain.",
		Args: func(c *cobra.Command, args []string) error {
			if robot != "" {
				return cobra.NoArgs(c, args)
			}
			return cobra.ExactArgs(1)(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				k, csr, err := s.RequestKey(ctx, optional(args), robot, keyType, use)
				switch {
				case err != nil:
					return err
				case out != "":
					if err := os.WriteFile(out, csr, 0o644); err != nil {
						return err
					}
					return showKey(c, g, k, nil)
				case g.json:
					return admin.WriteJSON(c.OutOrStdout(), struct {
						admin.KeyDetails
						Request string `json:"request"`
					}{k, string(csr)})
				}
				_, err = c.OutOrStdout().Write(csr)
				return err
			})
		},
	}
	c.Flags().StringVar(&robot, "robot", "", "domain whose address for commands gets the key, in place of LIST")
	c.Flags().StringVar(&keyType, "type", "rsa-3072", "rsa-2048, rsa-3072, rsa-4096, p256, p384 or p521")
	c.Flags().StringVar(&use, "use", "both", "both, sign or encrypt: what the certificate is to be for")
	c.Flags().StringVar(&out, "out", "", "file to write the request to; without it standard output")
	return c
}

func keyExport(g *globals) *cobra.Command {
	var e admin.KeyExport
	var ldif bool
	var out string
	c := &cobra.Command{
		Use:   "export LIST",
		Short: "write the certificate that people are to encrypt to",
		Long: "Writes the certificate of the list's active key: with its chain in PEM and p7c, alone in DER. With\n" +
			"--ldif a change for ldapmodify that puts it into the directory, as userCertificate and\n" +
			"userSMIMECertificate of the entry --dn, in place of what is there.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if ldif {
				e.Form = admin.FormLDIF
			}
			return withSession(c, g, func(ctx context.Context, s *session) error {
				octets, err := s.ExportKey(ctx, args[0], e)
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
	c.Flags().StringVar(&e.Form, "form", admin.FormPEM, "pem, der or p7c")
	c.Flags().BoolVar(&ldif, "ldif", false, "a change for ldapmodify")
	c.Flags().StringVar(&e.DN, "dn", "", "with --ldif: the list's entry in the directory")
	c.Flags().StringVar(&e.Preset, "preset", "openldap", "with --ldif: openldap, 389ds or active-directory")
	c.Flags().StringVar(&out, "out", "", "file to write to; without it standard output")
	return c
}

func keyRekey(g *globals) *cobra.Command {
	var file string
	var weak bool
	c := &cobra.Command{
		Use:   "rekey --new-password-file FILE",
		Short: "put all keys under another key password",
		Long: "Encrypts every private key anew under the password in FILE, in one transaction; the configuration\n" +
			"still names the old one. Then put the new password where the old one is, and reload every server:\n" +
			"until then they go on with the keys they have open.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if file == "" {
				return &admin.Error{Kind: admin.Usage, What: "there is no new key password", Hint: "name a file with it as --new-password-file"}
			}
			password, err := config.ReadKeyPasswordFile(file)
			if err != nil {
				return err
			}
			return withSession(c, g, func(ctx context.Context, s *session) error {
				done, err := s.Rekey(ctx, password.Reveal(), weak)
				if err != nil || g.json {
					return orJSON(c, err, done)
				}
				fmt.Fprintf(c.OutOrStdout(), "%s under the new key password; put it where the old one is (key_password_file), and reload every server\n", count(done.Keys, "key"))
				for _, d := range done.Damaged {
					fmt.Fprintf(c.OutOrStdout(), "the key %s cannot be opened, under either; `key retire` removes it\n", short(d))
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&file, "new-password-file", "", "file with the new key password, which nobody but its owner may read")
	c.Flags().BoolVar(&weak, "weak", false, "take a password that can be guessed")
	return c
}
