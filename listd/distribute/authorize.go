package distribute

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sealist/sealist/listd/compose"
	"github.com/sealist/sealist/listd/crashpoint"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/trust"
)

// Reasons of a Verdict that no scenario gives.
const (
	reasonLoop      = "loop"      // the list's own mail came back
	reasonAutomatic = "automatic" // written by a machine, or a bounce
)

// answer is what the person who posted hears, if anybody may be told at all.
type answer int

const (
	silence answer = iota
	neutral        // the same words for everything that can go wrong with an encrypted post (invariant 3)
	refusal        // the scenario's refusal, of a post that hides nothing
)

// verdict is what becomes of a Submission.
type verdict struct {
	state     store.ItemState
	reason    string // for the listmaster's eyes
	rule      string // of the scenario, if one decided
	method    scenario.Method
	sender    list.Address
	signature trust.Reason // why the author is not authenticated
	answer    answer
	internal  error // an evaluation error, for the log
}

// detail is the verdict's story for the listmaster.
func (v verdict) detail() string {
	var parts []string
	if !v.sender.IsZero() {
		parts = append(parts, "from "+v.sender.String())
	}
	if v.rule != "" {
		parts = append(parts, "rule "+v.rule)
	}
	if v.signature != "" {
		parts = append(parts, "signature: "+string(v.signature))
	}
	if v.internal != nil {
		parts = append(parts, v.internal.Error())
	}
	return strings.Join(parts, "; ")
}

// authorize decides what becomes of a post.
func (d *Distributor) authorize(ctx context.Context, s Submission) verdict {
	v := verdict{state: store.ItemRejected, method: scenario.SMTP, sender: s.sender()}
	if s.Author.Authenticated {
		v.method = scenario.SMIME
	} else {
		v.signature = s.Author.Reason
	}
	switch {
	case compose.FromList(s.List, s.Message.Outer.Header()):
		v.reason = reasonLoop
		return v
	case automatic(s.Item, s.Message.Outer.Header()):
		v.reason = reasonAutomatic
		return v
	}
	sc, err := d.Scenarios.Load(scenario.Send, s.List.Send, s.List.Address)
	if err != nil {
		v.reason, v.internal = scenario.ReasonError, err
		return v
	}
	decision := sc.Evaluate(ctx, scenario.Request{
		List: s.List, Sender: v.sender, Method: v.method, Message: message{s}, Host: s.Item.Client, Now: d.Clock(),
	}, d.Facts)
	v.rule, v.internal = decision.Rule, decision.Err

	// Invariant 11: an encrypted post must show who wrote it, whatever the
	// scenario says. The scenario is asked first all the same, so that the two
	// refusals cost the same and are answered alike.
	if s.Message.Encrypted || !s.Readable() {
		if !s.Readable() || !s.Author.Authenticated {
			v.reason, v.answer = s.refusedBecause(), neutral
			return v
		}
	}
	switch decision.Action {
	case scenario.DoIt:
		v.state = store.ItemDistributing
	case scenario.Reject:
		v.reason = "scenario_" + decision.Reason
		if !decision.Quiet {
			v.answer = refusal
		}
	default: // somebody is to be asked. Interim: nobody is, and the post waits for the listmaster
		v.state, v.reason = store.ItemHeld, string(decision.Action)
	}
	return v
}

// outage returns the error that kept a condition from being evaluated, if
// asking again later may answer it: who is a member is not known while the
// database or a directory cannot be read, and that is no refusal (invariant 2).
// A scenario that does not exist or has errors stays a rejection.
func (v verdict) outage() error {
	if v.internal == nil || errors.Is(v.internal, scenario.ErrPermanent) {
		return nil
	}
	return fmt.Errorf("asking the scenario: %w", v.internal)
}

// sender is the one address that the scenario sees: the authenticated author,
// or the only address of the only From field, or none (invariant 4(d)). It is
// written to the log: a protected From that is not the outer one, too, is none.
func (s Submission) sender() list.Address {
	a, err := list.ParseAddress(s.Author.Author)
	if err != nil {
		return list.Address{}
	}
	return a
}

// refusedBecause names, for the listmaster alone, why an encrypted post is refused.
func (s Submission) refusedBecause() string {
	switch err := s.Message.Err; {
	case errors.Is(err, smime.ErrDecrypt):
		return "decrypt_failed"
	case errors.Is(err, smime.ErrTooLarge):
		return string(trust.TooLarge)
	case !s.Readable():
		return string(trust.Malformed)
	}
	return string(s.Author.Reason)
}

// decide opens one accepted post, authorizes it, and commits the decision with
// all that follows from it. It tells whether the post is now distributing.
func (d *Distributor) decide(ctx context.Context, item store.Item) (bool, error) {
	log := d.log.With("spool_id", item.ID, "stage", "authorize")
	if item.Kind != store.KindPost {
		return false, d.Store.Decide(ctx, store.Decided{Item: item.ID, State: store.ItemDone, Reason: string(item.Kind) + "_mail"})
	}
	l, err := d.Store.ListByID(ctx, item.List)
	if err != nil {
		return false, fmt.Errorf("reading the list: %w", err)
	}
	s, err := d.open(ctx, item, l)
	var unreadable *unreadableError
	if errors.As(err, &unreadable) {
		log.Warn("post rejected", "list", l.Address, "reason", unreadable)
		return false, d.Store.Decide(ctx, store.Decided{Item: item.ID, State: store.ItemRejected, Reason: string(trust.Malformed), Detail: unreadable.Error()})
	}
	if err != nil {
		return false, err
	}
	v := d.authorize(ctx, s)
	if err := v.outage(); err != nil {
		return false, err
	}
	v, err = d.expandable(ctx, s, v)
	if err != nil {
		return false, err
	}
	decided := store.Decided{
		Item: item.ID, State: v.state, Reason: v.reason, Detail: v.detail(), Method: string(v.method),
		MessageID: oneLine(compose.MessageID(s.Message.Outer.Header())), Encrypted: s.Message.Encrypted,
	}
	if s.Author.Authenticated {
		decided.Author = v.sender
		if err := d.harvest(ctx, s, &decided); err != nil {
			return false, fmt.Errorf("harvesting: %w", err)
		}
	}
	if n, ok := d.answerTo(ctx, s, v); ok {
		decided.Notices = append(decided.Notices, n)
	}
	if err := d.Store.Decide(ctx, decided); err != nil {
		return false, fmt.Errorf("writing the decision: %w", err)
	}
	crashpoint.At(crashpoint.DistributeDecided)
	if v.internal != nil {
		log.Error("a scenario could not decide, and the post is rejected: mend it", "list", l.Address, "rule", v.rule, "err", v.internal)
	}
	log.Info("decided", "list", l.Address, "state", v.state, "method", v.method, "author", v.sender, "rule", v.rule, "reason", v.reason, "err", v.internal)
	if len(decided.Notices) > 0 {
		d.Parts.Wake()
	}
	return v.state == store.ItemDistributing, nil
}

// automatic tells whether a message was sent by a machine: a null
// reverse-path, or RFC 3834 section 5's Auto-Submitted with any value but "no".
func automatic(item store.Item, h entity.Header) bool {
	if item.ReversePath == "" {
		return true
	}
	auto, _, _ := strings.Cut(h.Get("Auto-Submitted"), ";")
	auto = strings.TrimSpace(auto)
	return auto != "" && !strings.EqualFold(auto, "no")
}
