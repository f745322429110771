package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
)

// ScenarioDetails is a scenario with what is the matter with it.
type ScenarioDetails struct {
	Name     string   `json:"name"` // function first: "send.private"
	Title    string   `json:"title"`
	Origin   string   `json:"origin"`           // path of its file below the data folder, or "built in"
	Hidden   bool     `json:"hidden,omitempty"` // a file NAME:ignore says not to offer it
	Problems Problems `json:"problems"`
	Text     string   `json:"text,omitempty"` // of the file, where one scenario is shown
}

// Problems is what is the matter with scenarios.
type Problems []scenario.Problem

// Faults counts those for which a scenario rejects everything; the others are
// warnings.
func (p Problems) Faults() int {
	n := 0
	for _, one := range p {
		if one.Severity == scenario.Fault {
			n++
		}
	}
	return n
}

// ListScenarios returns what there is to choose from: of one function, or of all
// for an empty text; for a list, or for any for an empty text.
func (a *Admin) ListScenarios(ctx context.Context, function, listText string) ([]ScenarioDetails, error) {
	functions := scenario.Functions()
	if function != "" {
		f, err := parseFunction(function)
		if err != nil {
			return nil, err
		}
		functions = []scenario.Function{f}
	}
	of, err := a.listAddress(ctx, listText)
	if err != nil {
		return nil, err
	}
	var all []ScenarioDetails
	for _, f := range functions {
		entries, err := a.Scenarios.Names(f, of)
		if err != nil {
			return nil, Explain(err)
		}
		for _, e := range entries {
			d, err := a.scenario(f, e.Name, of)
			if err != nil {
				d = ScenarioDetails{Name: string(f) + "." + e.Name, Problems: Problems{unreadable(e.Origin, err)}}
			}
			d.Origin, d.Hidden, d.Text = e.Origin, e.Hidden, ""
			all = append(all, d)
		}
	}
	return all, nil
}

// ShowScenario returns one scenario, named with its function, as a list has it,
// or as any has it for an empty text.
func (a *Admin) ShowScenario(ctx context.Context, name, listText string) (ScenarioDetails, error) {
	f, bare, ok := scenario.SplitName(name)
	if !ok {
		return ScenarioDetails{}, usage("write it with its function, as send.private", "%.80q names no scenario", name)
	}
	of, err := a.listAddress(ctx, listText)
	if err != nil {
		return ScenarioDetails{}, err
	}
	d, err := a.scenario(f, bare, of)
	if err != nil {
		return d, a.scenarioError(err, f, name)
	}
	return d, nil
}

func (a *Admin) scenario(f scenario.Function, name string, of list.Address) (ScenarioDetails, error) {
	s, err := a.Scenarios.Load(f, name, of)
	return ScenarioDetails{Name: s.Name(), Title: s.Title("en"), Origin: s.Origin(), Problems: some(s.Check()), Text: s.Text()}, err
}

// ScenarioFile is a file that is to be checked.
type ScenarioFile struct {
	Path   string // its last part is FUNCTION.NAME
	Octets []byte
}

// CheckFiles tells what is the matter with files, as if they lay in the site's
// folder.
func (a *Admin) CheckFiles(ctx context.Context, files []ScenarioFile) (Problems, error) {
	var all Problems
	for _, file := range files {
		f, name, ok := scenario.SplitName(path.Base(file.Path))
		if !ok {
			return nil, usage("name the file FUNCTION.NAME, as send.private", "%s is no name of a scenario", file.Path)
		}
		s, err := a.Scenarios.Read(f, name, scenario.File{Label: file.Path, Octets: file.Octets}, list.Address{})
		if err != nil {
			return nil, Explain(err)
		}
		all = append(all, s.Check()...)
		unknown, err := a.unknown(ctx, s, list.Address{})
		if err != nil {
			return nil, err
		}
		all = append(all, unknown...)
	}
	return some(all), nil
}

// CheckScenarios tells what is the matter with every file in the folders of the
// site, the domains and the lists, and with the scenarios that lists use.
func (a *Admin) CheckScenarios(ctx context.Context) (Problems, error) {
	lists, err := a.Store.Lists(ctx)
	if err != nil {
		return nil, Explain(err)
	}
	all := Problems{}
	seen := map[string]bool{}
	take := func(problems ...scenario.Problem) {
		for _, p := range problems {
			if !seen[p.Error()] && strings.Contains(p.File, "/") { // what is built in is no concern of theirs
				seen[p.Error()] = true
				all = append(all, p)
			}
		}
	}
	for _, l := range append([]list.List{{}}, lists...) {
		strays, err := a.Scenarios.Strays(l.Address)
		if err != nil {
			return nil, Explain(err)
		}
		take(strays...)
		for _, f := range scenario.Functions() {
			entries, err := a.Scenarios.Names(f, l.Address)
			if err != nil {
				return nil, Explain(err)
			}
			for _, e := range entries {
				s, err := a.Scenarios.Load(f, e.Name, l.Address)
				if err != nil {
					take(unreadable(e.Origin, err))
				}
				take(s.Check()...)
				unknown, err := a.unknown(ctx, s, l.Address)
				if err != nil {
					return nil, err
				}
				take(unknown...)
			}
		}
		if l.ID == 0 {
			continue
		}
		if _, err := a.Scenarios.Load(scenario.Send, l.Send, l.Address); errors.Is(err, scenario.ErrUnknown) {
			all = append(all, unreadable(l.Address.String(), errors.New("the list uses send."+l.Send+", which does not exist: every post is rejected")))
		}
	}
	return all, nil
}

// unknown finds lists and search files that a scenario names and that do not
// exist for a list. Without one, only lists with their domain are looked for.
func (a *Admin) unknown(ctx context.Context, s scenario.Scenario, of list.Address) (Problems, error) {
	var all Problems
	for _, m := range s.Mentions(of.Domain()) {
		var err error
		if m.File != "" {
			_, err = a.Scenarios.Filters(m.File, of)
		} else {
			_, err = a.Store.List(ctx, m.List)
		}
		switch {
		case m.File != "" && errors.Is(err, scenario.ErrPermanent), errors.Is(err, store.ErrNotFound):
			all = append(all, m.Unknown())
		case err != nil:
			return nil, Explain(err)
		}
	}
	return all, nil
}

func unreadable(where string, err error) scenario.Problem {
	return scenario.Problem{Position: scenario.Position{File: where}, Severity: scenario.Fault, Text: err.Error()}
}

// BrokenScenarios names the lists whose posts are all rejected because their
// scenario has errors or does not exist, a line each.
func (a *Admin) BrokenScenarios(ctx context.Context) ([]string, error) {
	lists, err := a.Store.Lists(ctx)
	if err != nil {
		return nil, Explain(err)
	}
	var broken []string
	for _, l := range lists {
		s, err := a.Scenarios.Load(scenario.Send, l.Send, l.Address)
		if err == nil {
			err = s.Err()
		}
		if err != nil {
			broken = append(broken, l.Address.String()+": "+err.Error())
		}
	}
	return broken, nil
}

// UndecidedPosts names the lists of posts that were rejected since a time because
// a rule could not be evaluated, a line each with the newest one's story.
func (a *Admin) UndecidedPosts(ctx context.Context, since time.Time) ([]string, error) {
	count, newest := map[list.ID]int{}, map[list.ID]store.Item{}
	for f := (store.ItemFilter{State: store.ItemRejected, Limit: 1000}); ; {
		items, err := a.Store.Items(ctx, f)
		if err != nil {
			return nil, Explain(err)
		}
		for _, i := range items {
			if i.Reason == "scenario_"+scenario.ReasonError && i.Updated.After(since) {
				count[i.List]++
				newest[i.List] = i
			}
		}
		if len(items) < f.Limit {
			break
		}
		f.After = items[len(items)-1].ID
	}
	var lines []string
	for _, id := range slices.Sorted(maps.Keys(count)) {
		l, err := a.Store.ListByID(ctx, id)
		if err != nil {
			return nil, Explain(err)
		}
		lines = append(lines, fmt.Sprintf("%s: %d, the last one %s: %s", l.Address, count[id], newest[id].ID, newest[id].Detail))
	}
	return lines, nil
}

// ScenarioTrial is a request that nobody makes.
type ScenarioTrial struct {
	List     string
	Function string
	Scenario string // bare name; empty: what the list uses
	Sender   string // empty: nobody
	Email    string // whom it is about; empty: the sender
	Method   string
	Message  []byte // nil: none
}

// TrialResult is what a scenario would decide, and why.
type TrialResult struct {
	Scenario string          `json:"scenario"`
	Origin   string          `json:"origin"`
	Action   scenario.Action `json:"action"`
	Quiet    bool            `json:"quiet,omitempty"`
	Notify   bool            `json:"notify,omitempty"`
	AskEmail bool            `json:"ask_email,omitempty"` // the challenge goes to whom it is about
	Rule     string          `json:"rule"`                // file and line; empty: no rule decided
	Reason   string          `json:"reason,omitempty"`
	Template string          `json:"template,omitempty"`
	Error    string          `json:"error,omitempty"`
	Steps    []scenario.Step `json:"steps"` // the rules that were looked at
}

// Rejected tells whether the request is rejected.
func (r TrialResult) Rejected() bool { return r.Action == scenario.Reject }

// TestScenario tells what a scenario decides on a request, and which rule did.
func (a *Admin) TestScenario(ctx context.Context, t ScenarioTrial) (TrialResult, error) {
	l, err := a.list(ctx, t.List)
	if err != nil {
		return TrialResult{}, err
	}
	f, err := parseFunction(t.Function)
	if err != nil {
		return TrialResult{}, err
	}
	name := t.Scenario
	switch {
	case name == "" && f == scenario.Send:
		name = l.Send
	case name == "":
		return TrialResult{}, usage("name one with --scenario; `listmaster scenario ls "+string(f)+"` shows them", "a list of this version has no scenario for %s", f)
	}
	r := scenario.Request{List: l, Now: a.Clock()}
	if r.Method, err = scenario.ParseMethod(t.Method); err != nil {
		return TrialResult{}, &Error{Kind: Usage, What: err.Error(), Err: err}
	}
	if r.Sender, err = optionalAddress(t.Sender); err != nil {
		return TrialResult{}, err
	}
	if r.Email, err = optionalAddress(t.Email); err != nil {
		return TrialResult{}, err
	}
	if t.Message != nil {
		if r.Message, err = a.ReadMessage(t.Message); err != nil {
			return TrialResult{}, refused("", "the message cannot be read: %v", err)
		}
	}
	s, err := a.Scenarios.Load(f, name, l.Address)
	if err != nil {
		return TrialResult{}, a.scenarioError(err, f, string(f)+"."+name)
	}
	d, steps := s.Explain(ctx, r, a.Facts)
	result := TrialResult{
		Scenario: s.Name(), Origin: s.Origin(), Action: d.Action, Quiet: d.Quiet, Notify: d.Notify, AskEmail: d.AskEmail,
		Rule: d.Rule, Reason: d.Reason, Template: d.Template, Steps: some(steps),
	}
	if d.Err != nil {
		result.Error = d.Err.Error()
	}
	return result, nil
}

// checkScenario refuses a scenario that does not exist or has errors.
func (a *Admin) checkScenario(f scenario.Function, name string, of list.Address) error {
	s, err := a.Scenarios.Load(f, name, of)
	if err != nil {
		return a.scenarioError(err, f, string(f)+"."+name)
	}
	if err := s.Err(); err != nil {
		return refused("mend the file: until then it rejects everything", "%v", err)
	}
	return nil
}

func (a *Admin) scenarioError(err error, f scenario.Function, full string) error {
	switch {
	case errors.Is(err, scenario.ErrUnknown):
		hint := "`listmaster scenario ls` shows those there are"
		if _, ok := scenario.ParseFunction(string(f)); ok {
			hint = "`listmaster scenario ls " + string(f) + "` shows those there are"
		}
		return &Error{Kind: Usage, What: "there is no scenario " + Printable(full), Hint: hint, Err: err}
	case errors.Is(err, scenario.ErrPermanent):
		return &Error{Kind: Refused, What: err.Error(), Hint: "put a regular file of 256 KiB at most in its place", Err: err}
	}
	return Explain(err)
}

func parseFunction(text string) (scenario.Function, error) {
	f, ok := scenario.ParseFunction(text)
	if !ok {
		var names []string
		for _, one := range scenario.Functions() {
			names = append(names, string(one))
		}
		return f, usage("the functions are "+strings.Join(names, ", "), "%.40q is no function of scenarios", text)
	}
	return f, nil
}

// listAddress finds a list by what a person wrote; nothing is no list.
func (a *Admin) listAddress(ctx context.Context, text string) (list.Address, error) {
	if text == "" {
		return list.Address{}, nil
	}
	l, err := a.list(ctx, text)
	return l.Address, err
}

// optionalAddress reads an address; nothing is nobody.
func optionalAddress(text string) (list.Address, error) {
	if text == "" {
		return list.Address{}, nil
	}
	address, err := list.ParseAddress(text)
	if err != nil {
		return address, &Error{Kind: Usage, What: err.Error(), Err: err}
	}
	return address, nil
}
