package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
)

// Mail is a message with commands, as far as it is known who wrote it.
type Mail struct {
	From      admin.Requester
	Signature string    // why the sender is not authenticated, for VERIFY; empty: he is
	Domain    string    // whose robot, or list, it was sent to
	Home      list.List // the list that it was sent to; zero: a robot
	Text      string    // in which the commands stand
}

// Report is what became of a mail's commands.
type Report struct {
	Lines        []string // for the sender
	Secret       bool     // they leave sealed only (invariant 12)
	Certificates []string // fingerprints of lists' certificates that go with the answer

	Done   []string // verb and outcome of each, for the record
	Public bool     // all of them were such as anybody may be answered about (invariant 13)
}

// Run carries out the commands of a mail, in order, up to the first that is none.
func Run(ctx context.Context, a *admin.Admin, m Mail) (Report, error) {
	home := ""
	if !m.Home.Address.IsZero() {
		home = m.Home.Address.String()
	}
	commands, problem := Parse(m.Text, home)
	report := Report{Public: true}
	for _, c := range commands {
		report.Public = report.Public && slices.Contains(public, c.Verb)
		done, err := perform(ctx, a, m, c)
		var explained *admin.Error
		switch {
		case err == nil:
			report.Done = append(report.Done, string(c.Verb)+" done")
			if done.Quiet || c.Quiet {
				continue
			}
			report.say(m, c, done.Text, unproven[c.Verb])
			report.Lines = append(report.Lines, indented(done.Lines)...)
			report.Secret = report.Secret || done.Secret
			for _, c := range done.Certificates {
				if !slices.Contains(report.Certificates, c) {
					report.Certificates = append(report.Certificates, c)
				}
			}
		case errors.As(err, &explained) && explained.Kind != admin.Environment:
			report.Done = append(report.Done, string(c.Verb)+" refused")
			plain := "" // what is wrong with a key repeats nothing
			if c.List != "" && c.Key == "" {
				plain = "It was not done: there is no such list, or its rules do not let you."
			}
			report.say(m, c, sentence(explained), plain)
		default:
			return report, fmt.Errorf("%s: %w", c.Verb, err)
		}
	}
	switch {
	case problem != nil:
		line := "> " + problem.Line
		if m.From.Method == scenario.SMTP {
			line = "Behind these commands:"
		}
		report.Lines = append(report.Lines, line, "  This was read no further: "+problem.Why+".", "")
		report.Done = append(report.Done, "stopped")
	case len(commands) == 0:
		report.Lines = append(report.Lines, "There is no command in your message.", "")
		report.Lines = append(report.Lines, helpLines(m.Domain)...)
	}
	return report, nil
}

// public are the commands about which anybody may get an answer.
var public = []Verb{Help, Lists, Info, Subscribe}

// unproven is what a sender who is not authenticated hears of a command, where
// the whole answer would repeat what was written: somebody else may have written
// it, to have the server say it to him (invariant 13).
var unproven = map[Verb]string{
	Subscribe: asked, Unsubscribe: asked, Add: asked, Del: asked, Invite: "It is done.", Set: asked, Address: asked,
}

const asked = "It is done, or a message with a key was sent to whom it concerns, or to the owners: the key lets it be done."

// say tells what became of a command: to whoever is authenticated in full.
func (r *Report) say(m Mail, c Command, full, plain string) {
	if m.From.Method == scenario.SMTP {
		if plain == "" {
			plain = full
		}
		r.Lines = append(r.Lines, string(c.Verb)+":", "  "+plain, "")
		return
	}
	r.Lines = append(r.Lines, "> "+c.Line, "  "+full, "")
}

func indented(lines []string) []string {
	if len(lines) == 0 {
		return nil
	}
	all := make([]string, 0, len(lines)+1)
	for _, l := range lines {
		all = append(all, "    "+l)
	}
	return append(all, "")
}

func sentence(e *admin.Error) string {
	if e.Hint == "" || strings.Contains(e.Hint, "`listmaster") { // that is for people at the server
		return e.What + "."
	}
	return e.What + ". " + strings.ToUpper(e.Hint[:1]) + e.Hint[1:] + "."
}

// perform carries out one command.
func perform(ctx context.Context, a *admin.Admin, m Mail, c Command) (admin.Done, error) {
	switch c.Verb {
	case Help:
		return admin.Done{Text: "What can be asked:", Lines: helpLines(m.Domain)}, nil
	case Lists:
		return a.ListsFor(ctx, m.From, m.Domain)
	case Which:
		return a.Which(ctx, m.From)
	case Auth, Confirm:
		return a.Confirm(ctx, c.Key)
	case Distribute, Reject:
		return a.Moderate(ctx, c.Key, c.Verb == Distribute, c.What)
	case Verify:
		return verify(m), nil
	}
	if c.List == "" { // GET certificate alone
		return a.RobotCertificate(ctx, m.Domain)
	}
	if c.List == Everywhere {
		return everywhere(ctx, a, m, c)
	}
	l, err := a.VisibleList(ctx, m.From, c.List, m.Domain)
	if err != nil {
		return admin.Done{}, err
	}
	return performOn(ctx, a, m.From, l, c)
}

// performOn carries out a command about a list.
func performOn(ctx context.Context, a *admin.Admin, from admin.Requester, l list.List, c Command) (admin.Done, error) {
	switch c.Verb {
	case Subscribe:
		return a.Subscribe(ctx, from, l, list.Address{}, c.Name)
	case Unsubscribe:
		return a.Unsubscribe(ctx, from, l, c.Address)
	case Address:
		return a.AddAddress(ctx, from, l, c.Address)
	case Add:
		return a.Add(ctx, from, l, c.Address, c.Name)
	case Del:
		return a.Del(ctx, from, l, c.Address)
	case Invite:
		return a.Invite(ctx, from, l, c.Address)
	case Set:
		return a.Set(ctx, from, l, setting(c))
	case Review:
		return a.Review(ctx, from, l)
	case Info:
		return a.Info(ctx, from, l)
	case Stats:
		return a.StatsFor(ctx, from, l)
	case Remind:
		return a.RemindAll(ctx, from, l)
	case ModIndex:
		return a.HeldFor(ctx, from, l)
	}
	switch c.Verb {
	case Get:
		if lower(c.What) == Certificate {
			return a.CertificateOf(ctx, l)
		}
	case Index:
		return a.ArchiveIndex(ctx, from, l)
	case Last:
		return a.ArchiveGet(ctx, from, l, "last")
	}
	return a.ArchiveGet(ctx, from, l, c.What)
}

func setting(c Command) string {
	switch {
	case c.Conceal == nil:
		return string(c.Mode)
	case *c.Conceal:
		return "conceal"
	}
	return "noconceal"
}

// everywhere carries out a command for each list that the sender is a member of.
func everywhere(ctx context.Context, a *admin.Admin, m Mail, c Command) (admin.Done, error) {
	lists, err := a.MemberLists(ctx, m.From.Address)
	if err != nil {
		return admin.Done{}, err
	}
	if len(lists) == 0 {
		return admin.Done{}, &admin.Error{Kind: admin.Refused, What: m.From.Address.String() + " is on no list"}
	}
	all := admin.Done{Text: fmt.Sprintf("%d lists:", len(lists))}
	for _, l := range lists {
		done, err := performOn(ctx, a, m.From, l, c)
		var explained *admin.Error
		switch {
		case err == nil:
			all.Lines = append(all.Lines, done.Text)
			all.Secret = all.Secret || done.Secret || l.Policy.DemandsEncryption() // it names the list he is on
		case errors.As(err, &explained) && explained.Kind != admin.Environment:
			all.Lines = append(all.Lines, l.Address.String()+": "+sentence(explained))
		default:
			return all, err
		}
	}
	return all, nil
}

// verify tells whether the mail itself was authenticated.
func verify(m Mail) admin.Done {
	if m.From.Method == scenario.SMIME {
		return admin.Done{Text: "Your signature is good: you are " + m.From.Address.String() + "."}
	}
	return admin.Done{Text: "Your message does not count as signed (" + m.Signature + ")."}
}

// helpLines are all commands, as they are written.
func helpLines(domain string) []string {
	lines := []string{"One command a line, in the text of a message; LIST is a list of " + domain + ".", ""}
	for _, s := range grammar {
		if s.verb != Auth {
			lines = append(lines, strings.TrimSpace(string(s.verb)+" "+s.args))
		}
	}
	return append(lines, "", "In front of a command QUIET answers only if it fails. MODE is "+
		"mail, not_me, nomail, digest, notice, conceal or noconceal; * stands for all lists that you are on.")
}
