package listd

import (
	"context"
	"fmt"
	"time"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/store"
)

// report writes to the listmasters what needs them, if anything does: CRLs that cannot be had, and how long certificates
// are used all the same, members that directories want to change, and tasks that fail.
func (s *Sealist) report(ctx context.Context) (string, error) {
	lines, err := s.troubles(ctx)
	if err != nil || len(lines) == 0 || len(s.Config.Listmasters) == 0 {
		return "", err
	}
	var notices []store.Notice
	for _, text := range s.Config.Listmasters {
		to, err := list.ParseAddress(text)
		if err != nil {
			return "", fmt.Errorf("listmasters: %w", err)
		}
		notices = append(notices, store.Notice{Template: notice.ListmasterReport, To: to, Params: map[string]string{"host": s.hostname()}, Lines: lines,
			Key: notice.ListmasterReport + "/" + to.Key(), Every: 20 * time.Hour})
	}
	n, err := s.Store.QueueNotices(ctx, notices)
	return fmt.Sprintf("told %d listmasters of %d things", n, len(lines)), err
}

// troubles are what needs a listmaster, a line each: what, where, since when, until when it does no harm, and what to do.
func (s *Sealist) troubles(ctx context.Context) ([]string, error) {
	a := admin.New(admin.Parts{Store: s.Store, Graces: s.Graces(), Includes: s.Includes, Scenarios: s.Scenarios, Clock: s.o.Clock})
	crls, err := a.CRLs(ctx)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, c := range crls {
		if c.State != admin.CRLGood {
			lines = append(lines, trouble(c, s.o.Clock()))
		}
	}
	includes, err := a.ListIncludes(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, i := range includes {
		switch {
		case i.Pending != nil:
			lines = append(lines, fmt.Sprintf("A directory changes the members of %s by %d more and %d fewer, which waits for you: `listmaster directory sync %s --dry-run` shows it, --approve carries it out.",
				i.List, i.Pending.Add, i.Pending.Remove, i.List))
		case i.Last != nil && i.Last.Failed():
			lines = append(lines, fmt.Sprintf("Members of %s were not synchronised with the directory %s, last at %s: %s. Nobody was added or removed; `listmaster directory sync %s` tries again.",
				i.List, i.Directory, moment(i.Last.Started), i.Last.Reason, i.List))
		}
	}
	broken, err := a.BrokenScenarios(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range broken {
		lines = append(lines, "The scenario of a list has errors, and every post to it is rejected: "+b+". `listmaster scenario check` tells more.")
	}
	undecided, err := a.UndecidedPosts(ctx, s.o.Clock().Add(-24*time.Hour))
	if err != nil {
		return nil, err
	}
	for _, u := range undecided {
		lines = append(lines, "Posts were rejected because a rule of the scenario could not be evaluated, on "+u+".")
	}
	tasks, err := s.Store.Tasks(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range tasks {
		if t.Failures > 0 && t.Last != nil && t.Last.Error != "" {
			lines = append(lines, fmt.Sprintf("The task %s failed %d times in a row, last at %s: %s.", t.Name, t.Failures, moment(t.Last.Ended), t.Last.Error))
		}
	}
	return lines, nil
}

// trouble puts a CRL that is not well into a sentence.
func trouble(c admin.CRL, now time.Time) string {
	text := fmt.Sprintf("The CRL %s of %s ", c.URL, c.IssuerName)
	switch c.State {
	case admin.CRLMissing:
		text += "could never be had since " + moment(c.First)
	case admin.CRLStale:
		text += "was to be replaced by " + moment(c.NextUpdate) + " and was not"
	default:
		text += "cannot be had; the one that is kept holds until " + moment(c.NextUpdate)
	}
	if c.Error != "" {
		text += " (" + c.Error + ")"
	}
	text += "."
	for _, g := range []struct {
		who   string
		until time.Time
	}{{"Copies to members", c.GraceMembers}, {"Signatures", c.GraceSigners}} {
		switch {
		case c.State == admin.CRLFailing:
		case g.until.IsZero():
			text += " " + g.who + " that depend on it follow trust.revocation at once: there is no grace."
		case now.Before(g.until):
			text += fmt.Sprintf(" %s that depend on it go on until %s (%s).", g.who, moment(g.until), g.until.Sub(now).Round(time.Hour))
		default:
			text += " " + g.who + " that depend on it wait, or do not count, since " + moment(g.until) + "."
		}
	}
	return text + " Mend the place, or name another with trust.revocation.url_map; then `listmaster crl fetch`."
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
