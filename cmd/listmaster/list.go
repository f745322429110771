package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/admin"
)

func listCommand(g *globals) *cobra.Command {
	return group("list", "make and look at lists", listCreate(g), listLs(g), listShow(g), listSet(g), listClose(g), listRm(g), listExport(g), listApply(g))
}

func listCreate(g *globals) *cobra.Command {
	var n admin.NewList
	var key keyFlags
	var agent bool
	var labels string
	c := &cobra.Command{
		Use:   "create LIST",
		Short: "make a list, with its key pair or without",
		Long: "Makes the list LIST, written name@domain. With --p12 it gets the private key and\n" +
			"the certificate of that PKCS#12 file, and takes encrypted posts; without, it is\n" +
			"a plain list.\n\n" +
			"A mail list agent (RFC 2634) puts every copy under the list's own signature, with\n" +
			"a history by which loops between lists are found. It refuses messages with a\n" +
			"security label, unless --security-labels carry says that all members may read them.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			n.Address = args[0]
			switch {
			case agent && labels == "":
				return &admin.Error{Kind: admin.Usage, What: "--security-labels is empty", Hint: "write refuse or carry"}
			case agent:
				n.Agent = labels
			case c.Flags().Changed("security-labels"):
				return &admin.Error{Kind: admin.Usage, What: "--security-labels is for a mail list agent", Hint: "give --mail-list-agent too"}
			}
			var err error
			if n.Key, err = key.read(); err != nil {
				return err
			}
			return withSession(c, g, func(ctx context.Context, s *session) error {
				l, warnings, err := s.CreateList(ctx, n)
				if err != nil {
					return err
				}
				warn(c.ErrOrStderr(), warnings)
				if g.json {
					return admin.WriteJSON(c.OutOrStdout(), l)
				}
				return printList(c.OutOrStdout(), l)
			})
		},
	}
	c.Flags().StringVar(&n.Description, "description", "", "what the list is for, in one line")
	c.Flags().StringVar(&n.Send, "send", "", "who may post: private_smime, members who signed (the default); public, everybody; or another that `listmaster scenario ls send` shows")
	c.Flags().BoolVar(&n.AllowExpired, "allow-expired", false, "encrypt to a certificate that has expired where a member has no better one, if resolver.allow_expired says so, too")
	c.Flags().BoolVar(&agent, "mail-list-agent", false, "sign every copy with the list's key, as RFC 2634's mail list agent")
	c.Flags().StringVar(&labels, "security-labels", "refuse", "what a mail list agent does with labelled messages: refuse; or carry")
	c.Flags().StringVar(&key.p12, "p12", "", "PKCS#12 file with the list's key pair")
	key.passwordFlag(c)
	return c
}

func listLs(g *globals) *cobra.Command {
	return &cobra.Command{Use: "ls", Short: "show all lists", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return withSession(c, g, func(ctx context.Context, s *session) error {
			lists, err := s.Lists(ctx)
			if err != nil || g.json {
				return orJSON(c, err, lists)
			}
			var rows [][]string
			for _, l := range lists {
				key := "none"
				if len(l.Keys) > 0 {
					key = l.Keys[0].Key + " until " + date(l.Keys[0].NotAfter)
				}
				rows = append(rows, []string{l.Address.String(), fmt.Sprint(l.Members["member"]), l.Send, string(l.State), key, waiting(l), l.Description})
			}
			return table(c.OutOrStdout(), []string{"LIST", "MEMBERS", "SEND", "STATE", "KEY", "WAITING", "DESCRIPTION"}, rows)
		})
	}}
}

func listShow(g *globals) *cobra.Command {
	return &cobra.Command{Use: "show LIST", Short: "show one list", Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error {
		return withSession(c, g, func(ctx context.Context, s *session) error {
			l, err := s.ShowList(ctx, args[0])
			if err != nil || g.json {
				return orJSON(c, err, l)
			}
			return printList(c.OutOrStdout(), l)
		})
	}}
}

func listSet(g *globals) *cobra.Command {
	var b strings.Builder
	for _, s := range (admin.ListDetails{}).Settings() {
		fmt.Fprintf(&b, "  %-20s %s\n", s.Name, s.Help)
	}
	return &cobra.Command{Use: "set LIST [NAME=VALUE…]", Short: "change settings of a list, or show them all",
		Long: "Changes settings, all of them or none; the running server follows within a second.\n" +
			"Without NAME=VALUE it shows every setting. VALUE may be @FILE for text of several\nlines. The settings are:\n\n" + b.String(),
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			changes, err := assignments(args[1:])
			if err != nil {
				return err
			}
			return withSession(c, g, func(ctx context.Context, s *session) error {
				l, warnings, err := s.SetList(ctx, args[0], changes)
				if err != nil {
					return err
				}
				warn(c.ErrOrStderr(), warnings)
				if g.json {
					return admin.WriteJSON(c.OutOrStdout(), l)
				}
				var rows [][2]string
				for _, one := range l.Settings() {
					rows = append(rows, [2]string{one.Name, one.Value})
				}
				return facts(c.OutOrStdout(), rows...)
			})
		}}
}

// assignments reads NAME=VALUE and NAME=@FILE.
func assignments(args []string) ([][2]string, error) {
	var all [][2]string
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, &admin.Error{Kind: admin.Usage, What: fmt.Sprintf("%.60q is no NAME=VALUE", arg), Hint: "`listmaster list set --help` names the settings"}
		}
		if file, ok := strings.CutPrefix(value, "@"); ok {
			octets, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			value = strings.TrimRight(string(octets), "\r\n")
		}
		all = append(all, [2]string{name, value})
	}
	return all, nil
}

// printList shows one list to a person.
func printList(out io.Writer, l admin.ListDetails) error {
	rows := [][2]string{
		{"list", l.Address.String()},
		{"description", l.Description},
		{"send", l.Send},
		{"state", string(l.State)},
		{"agent", agentOf(l)},
		{"people", strings.Join([]string{count(l.Members["member"], "member"), count(l.Members["owner"], "owner"), count(l.Members["editor"], "editor")}, ", ")},
		{"waiting", waiting(l)},
		{"created", moment(l.Created)},
	}
	for _, s := range l.Settings() {
		if shown := []string{"description", "send", "state", "mail_list_agent"}; !s.Default && !slices.Contains(shown, s.Name) {
			rows = append(rows, [2]string{s.Name, s.Value})
		}
	}
	if err := facts(out, rows...); err != nil || len(l.Keys) == 0 {
		return err
	}
	fmt.Fprintln(out)
	return printKeys(out, l.Keys)
}

// agentOf says what kind of mail list agent a list is.
func agentOf(l admin.ListDetails) string {
	if l.Agent == "" {
		return ""
	}
	return "mail list agent, security labels: " + string(l.Agent)
}

// waiting names the posts that are not finished.
func waiting(l admin.ListDetails) string {
	var parts []string
	for _, state := range slices.Sorted(maps.Keys(l.Waiting)) {
		parts = append(parts, fmt.Sprintf("%d %s", l.Waiting[state], state))
	}
	return strings.Join(parts, ", ")
}

// warn shows what will be stumbled over.
func warn(errOut io.Writer, warnings []string) {
	for _, w := range warnings {
		fmt.Fprintln(errOut, "listmaster: warning:", admin.Printable(w))
	}
}

// orJSON ends a command: with its error, or with the answer in JSON.
func orJSON(c *cobra.Command, err error, answer any) error {
	if err != nil {
		return err
	}
	return admin.WriteJSON(c.OutOrStdout(), answer)
}

// keyFlags name a PKCS#12 file and its password.
type keyFlags struct {
	p12          string
	more         []string // further files
	passwordFile string
	untrusted    bool
}

func (k *keyFlags) passwordFlag(c *cobra.Command) {
	c.Flags().StringVar(&k.passwordFile, "password-file", "", "file with the password of the PKCS#12 file, or of the private key")
	c.Flags().BoolVar(&k.untrusted, "untrusted", false, "take the certificate although it leads to none of the trust anchors")
}

// read reads the files; nil if there is none.
func (k *keyFlags) read() (*admin.KeyImport, error) {
	if k.p12 == "" {
		if k.passwordFile != "" {
			return nil, &admin.Error{Kind: admin.Usage, What: "there is a --password-file and no --p12", Hint: "name the PKCS#12 file with --p12"}
		}
		return nil, nil
	}
	octets, err := os.ReadFile(k.p12)
	if err != nil {
		return nil, err
	}
	password, err := readPassword(k.passwordFile)
	if err != nil {
		return nil, err
	}
	p12 := admin.P12{Name: k.p12, Octets: octets, Password: password}
	for _, name := range k.more {
		if octets, err = os.ReadFile(name); err != nil {
			return nil, err
		}
		p12.More = append(p12.More, octets)
	}
	return &admin.KeyImport{P12: p12, Untrusted: k.untrusted}, nil
}

// readPassword reads the first line of a file; nil without a file. An empty
// file is an empty password, which PKCS#12 files may have.
func readPassword(name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	octets, err := os.ReadFile(name)
	if err != nil || len(strings.TrimRight(string(octets), "\r\n")) == 0 {
		return nil, err
	}
	secret, err := config.ReadSecretFile(name)
	return secret.Reveal(), err
}
