package distribute

import (
	"context"
	"fmt"
	"strings"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/command"
	"github.com/sealist/sealist/listd/compose"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/trust"
)

// commands carries out what a mail to a robot, to LIST-request, -subscribe or
// -unsubscribe asks for, and answers it.
func (d *Distributor) commands(ctx context.Context, item store.Item, l list.List, outer *entity.Entity) error {
	s, err := d.open(ctx, item, l, outer)
	if err != nil {
		return err
	}
	m, err := d.recall(ctx, s)
	if err != nil {
		return err
	}
	s = m.apply(s)
	decided := store.Decided{Item: item.ID, State: store.ItemDone, Reason: reasonCommands, MessageID: oneLine(compose.MessageID(outer.Header())), Encrypted: s.Message.Encrypted}
	h := outer.Header()
	switch {
	case bounced(item) || automatic(h) || listMail(h):
		decided.State, decided.Reason = store.ItemRejected, reasonAutomatic
	case m.duplicate:
		decided.Reason = reasonDuplicate
	case m.sameKey, (s.Message.Encrypted || !s.Readable()) && !s.Author.Authenticated:
		// Nothing runs that cannot show who wrote it (invariant 11), and all that can go wrong is one answer (invariant 3).
		decided.State, decided.Reason = store.ItemRejected, s.refusedBecause()
		if n, ok := d.answerTo(ctx, s, verdict{answer: neutral}); ok {
			decided.Notices = append(decided.Notices, n)
		}
	case s.Unproven && item.Approved.IsZero():
		decided.State, decided.Reason = store.ItemHeld, string(trust.Replay)
		decided.Detail = "the database was restored, and nothing shows that this was signed since; `listmaster moderation approve` carries it out"
		if s.Message.Encrypted { // as for one that nobody signed (invariant 3)
			if n, ok := d.answerTo(ctx, s, verdict{answer: neutral}); ok {
				decided.Notices = append(decided.Notices, n)
			}
		}
	default:
		err = d.runCommands(ctx, s, l, &decided)
		if s.Author.Authenticated {
			decided.Traces, decided.Author = m.kept(s), d.sender(s)
		}
	}
	if err != nil {
		return err
	}
	if err := d.commit(ctx, item, decided); err != nil {
		return fmt.Errorf("writing the decision: %w", err)
	}
	d.log.Info("commands", "spool_id", item.ID, "stage", "command", "list", l.Address, "to", item.ForwardPath, "reason", decided.Reason, "detail", decided.Detail)
	d.Parts.Wake()
	return nil
}

// runCommands carries the commands of a mail out, and adds the answer.
func (d *Distributor) runCommands(ctx context.Context, s Submission, l list.List, decided *store.Decided) error {
	mail := command.Mail{From: d.requester(s), Signature: string(s.Author.Reason), Domain: l.Address.Domain()}
	if !l.Robot {
		mail.Home = l
	}
	switch s.Item.Kind {
	case store.KindSubscribe:
		mail.Text = "SUBSCRIBE " + l.Address.String()
	case store.KindUnsubscribe:
		mail.Text = "SIGNOFF " + l.Address.String()
	default:
		d.readCommands(s, &mail)
	}
	decided.Method = string(mail.From.Method)
	if mail.From.Address.IsZero() {
		decided.State, decided.Reason = store.ItemRejected, string(trust.FromAmbiguous)
		return nil
	}
	a := *d.Admin
	if a.Actor = mail.From.Address.String(); mail.From.Method == scenario.SMTP {
		a.Actor += claimed
	}
	a.Sealed = s.Message.Encrypted
	report, err := command.Run(ctx, &a, mail)
	if err != nil {
		return err
	}
	decided.Detail = fmt.Sprintf("from %s; %s", mail.From.Address, strings.Join(report.Done, ", "))
	limit, known, ok, err := d.mayAnswer(ctx, s, mail.From, report.Public)
	if err != nil || !ok || len(report.Lines) == 0 {
		return err
	}
	params := map[string]string{"message_id": decided.MessageID}
	if len(report.Certificates) > 0 {
		params[notice.Certificates] = strings.Join(report.Certificates, " ")
	}
	decided.Notices = append(decided.Notices, store.Notice{
		Template: notice.CommandReport, List: l.ID, To: mail.From.Address, Lines: report.Lines,
		Sealed: report.Secret || s.Message.Encrypted, // it repeats what was asked (invariant 1)
		Params: params,
		Key:    notice.CommandReport + "/" + mail.From.Address.Key(), Every: noticeEvery, Limit: limit, Stranger: !known,
	})
	return nil
}

// requester is who a mail with commands is from. A signature does not cover the
// -subscribe and -unsubscribe addresses, unless the author protected a To that
// names one (invariant 5).
func (d *Distributor) requester(s Submission) admin.Requester {
	r := admin.Requester{Address: d.sender(s), Method: scenario.SMTP}
	covered := s.Item.Kind == store.KindCommand || s.Author.Addressed
	if s.Author.Authenticated && covered {
		r.Method, r.Known = scenario.SMIME, s.known()
	}
	return r
}

// readCommands finds the text with the commands: that of the message, or, where
// there is none, its Subject, which no signature covers unless it is protected.
func (d *Distributor) readCommands(s Submission, mail *command.Mail) {
	if text, err := command.Text(s.Message.Content); err == nil && strings.TrimSpace(text) != "" {
		mail.Text = text
		return
	}
	subject, vouched := s.Author.Vouched("Subject")
	if !vouched {
		mail.From.Method, mail.From.Known = scenario.SMTP, nil
		subject = s.Message.Outer.Header().Get("Subject")
	}
	mail.Text = subject
}

// mayAnswer tells whether a command's result may be mailed to its author, and how
// often a day (invariant 13).
func (d *Distributor) mayAnswer(ctx context.Context, s Submission, r admin.Requester, public bool) (limit int, known, ok bool, err error) {
	if d.ours(r.Address) || machineAddress(r.Address) {
		return 0, false, false, nil
	}
	held, err := d.Store.Memberships(ctx, r.Address)
	if err != nil {
		return 0, false, false, err
	}
	if len(held) > 0 || s.Author.Authenticated || passedDMARC(s.Message.Outer.Header(), r.Address.Domain(), d.AuthservIDs) {
		return maxAnswers, true, true, nil
	}
	return 1, false, public, nil
}
