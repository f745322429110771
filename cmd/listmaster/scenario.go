package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/listd/admin"
)

func scenarioCommand(g *globals) *cobra.Command {
	return group("scenario", "who may do what: look at scenarios, check and try them", scenarioLs(g), scenarioShow(g), scenarioCheck(g), scenarioTest(g))
}

func scenarioLs(g *globals) *cobra.Command {
	var of string
	c := &cobra.Command{
		Use: "ls [FUNCTION]", Short: "show the scenarios there are", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				all, err := s.ListScenarios(ctx, optional(args), of)
				if err != nil || g.json {
					return orJSON(c, err, all)
				}
				var rows [][]string
				for _, d := range all {
					rows = append(rows, []string{d.Name, d.Origin, stateOf(d), d.Title})
				}
				return table(c.OutOrStdout(), []string{"SCENARIO", "FROM", "STATE", "TITLE"}, rows)
			})
		},
	}
	c.Flags().StringVar(&of, "list", "", "as this list has them, its own among them")
	return c
}

// stateOf says in a word or two what is the matter with a scenario.
func stateOf(d admin.ScenarioDetails) string {
	var words []string
	if d.Hidden {
		words = append(words, "hidden")
	}
	faults := d.Problems.Faults()
	if faults > 0 {
		words = append(words, count(faults, "error"))
	}
	if warnings := len(d.Problems) - faults; warnings > 0 {
		words = append(words, count(warnings, "warning"))
	}
	return strings.Join(words, ", ")
}

func scenarioShow(g *globals) *cobra.Command {
	var of string
	c := &cobra.Command{
		Use: "show NAME", Short: "show one scenario, named as send.private", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withSession(c, g, func(ctx context.Context, s *session) error {
				d, err := s.ShowScenario(ctx, args[0], of)
				if err != nil || g.json {
					return orJSON(c, err, d)
				}
				out := c.OutOrStdout()
				if err := facts(out, [2]string{"scenario", d.Name}, [2]string{"title", d.Title}, [2]string{"from", d.Origin}); err != nil {
					return err
				}
				printProblems(out, d.Problems)
				fmt.Fprintln(out)
				for i, line := range strings.Split(strings.TrimRight(d.Text, "\r\n"), "\n") {
					fmt.Fprintf(out, "%4d  %s\n", i+1, admin.Printable(strings.ReplaceAll(strings.TrimRight(line, "\r"), "\t", "    ")))
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&of, "list", "", "as this list has it")
	return c
}

func printProblems(out io.Writer, problems admin.Problems) {
	for _, p := range problems {
		fmt.Fprintf(out, "%s: %s\n", p.Severity, admin.Printable(p.Error()))
	}
}

func scenarioCheck(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE...]",
		Short: "tell what is the matter with scenario files",
		Long: "Checks every scenario in the folders of the data folder and those that lists use; or the\n" +
			"FILEs, as if they lay in the site's folder. Each error closes its function; a warning does\n" +
			"not. Exit status 1 if there is an error.",
		RunE: func(c *cobra.Command, args []string) error {
			var files []admin.ScenarioFile
			for _, name := range args {
				octets, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				files = append(files, admin.ScenarioFile{Path: name, Octets: octets})
			}
			return withSession(c, g, func(ctx context.Context, s *session) error {
				problems, err := s.CheckFiles(ctx, files)
				if len(files) == 0 {
					problems, err = s.CheckScenarios(ctx)
				}
				if err != nil {
					return err
				}
				if g.json {
					err = admin.WriteJSON(c.OutOrStdout(), problems)
				} else {
					printProblems(c.OutOrStdout(), problems)
				}
				if problems.Faults() > 0 && err == nil {
					err = admin.ErrNegative
				}
				return err
			})
		},
	}
}

func scenarioTest(g *globals) *cobra.Command {
	var t admin.ScenarioTrial
	var message string
	c := &cobra.Command{
		Use:   "test LIST FUNCTION",
		Short: "tell what a scenario decides, and which rule does",
		Long: "Asks the list's scenario for FUNCTION, as send, about a request that nobody makes. Nothing\n" +
			"is sent or stored. Exit status 1 if it is rejected.",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			t.List, t.Function = args[0], args[1]
			if message != "" {
				var err error
				if t.Message, err = readMessage(c.InOrStdin(), message); err != nil {
					return err
				}
			}
			return withSession(c, g, func(ctx context.Context, s *session) error {
				r, err := s.TestScenario(ctx, t)
				if err != nil {
					return err
				}
				if g.json {
					err = admin.WriteJSON(c.OutOrStdout(), r)
				} else {
					err = printTrial(c.OutOrStdout(), r)
				}
				if err == nil && r.Rejected() {
					return admin.ErrNegative
				}
				return err
			})
		},
	}
	f := c.Flags()
	f.StringVar(&t.Sender, "sender", "", "who asks; nobody if not given")
	f.StringVar(&t.Method, "method", "smtp", "how he is authenticated: smtp, md5 or smime")
	f.StringVar(&t.Email, "email", "", "whom it is about, for subscribe, add and the like; the sender if not given")
	f.StringVar(&t.Scenario, "scenario", "", "another scenario of the function than the list uses, as private")
	f.StringVar(&message, "message", "", "file with the message, or - for standard input; it is neither opened nor verified")
	return c
}

func printTrial(out io.Writer, r admin.TrialResult) error {
	action := string(r.Action)
	if r.AskEmail {
		action += "([email])"
	}
	if r.Quiet {
		action += ",quiet"
	}
	if r.Notify {
		action += ",notify"
	}
	err := facts(out,
		[2]string{"scenario", r.Scenario + " (" + r.Origin + ")"},
		[2]string{"decision", action},
		[2]string{"rule", r.Rule},
		[2]string{"reason", r.Reason},
		[2]string{"template", r.Template},
		[2]string{"error", r.Error},
	)
	if err != nil || len(r.Steps) == 0 {
		return err
	}
	fmt.Fprintln(out)
	var rows [][]string
	for _, s := range r.Steps {
		rows = append(rows, []string{s.Rule, s.Result, s.Condition})
	}
	return table(out, []string{"RULE", "RESULT", "CONDITION"}, rows)
}
