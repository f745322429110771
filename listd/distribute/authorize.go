package distribute

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	reasonLoop      = "loop"                // the list's own mail came back
	reasonAutomatic = "automatic"           // written by a machine, or a bounce
	reasonInClear   = "in_clear"            // the list takes encrypted posts only
	reasonIdentity  = "identity"            // the list hides authors, and the post names its own where it cannot be taken out
	reasonNotAll    = "missing_certificate" // a member has none, and the list sends to all or none
	reasonDuplicate = "duplicate"           // the same message came before; nobody is told
	reasonSameKey   = "key_reused"          // what came before under the same content-encryption key was changed, or came to another list
)

// answer is what the person who posted hears, if anybody may be told at all.
type answer int

const (
	silence      answer = iota
	neutral             // the same words for everything that can go wrong with an encrypted post (invariant 3)
	refusal             // the scenario's refusal, of a post that hides nothing
	inClear             // the list takes encrypted posts only
	notAll              // somebody has no certificate, and the list sends to all or none
	notAnonymous        // the list hides authors, and the post names its own
)

// verdict is what becomes of a Submission.
type verdict struct {
	state     store.ItemState
	reason    string // for the listmaster's eyes
	rule      string // of the scenario, if one decided
	ruleText  string // as it is written
	action    scenario.Action
	method    scenario.Method
	sender    list.Address
	signature trust.Reason // why the author is not authenticated
	answer    answer
	traces    []store.Trace
	note      string   // for the record
	undone    []string // what the list's settings want and the post does not allow
	internal  error    // an evaluation error, for the log
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
	if v.note != "" {
		parts = append(parts, v.note)
	}
	for _, u := range v.undone {
		parts = append(parts, "not done: "+u)
	}
	if v.internal != nil {
		parts = append(parts, v.internal.Error())
	}
	return strings.Join(parts, "; ")
}

// authorize decides what becomes of a post.
func (d *Distributor) authorize(ctx context.Context, s Submission, m memory) verdict {
	v := verdict{state: store.ItemRejected, method: scenario.SMTP, sender: d.sender(s)}
	switch {
	case s.Author.Authenticated:
		v.method = scenario.SMIME // if nothing shows that it was made after a restore, the editors have the last word
	case !s.Item.Confirmed.IsZero() && s.Item.Confirmed.Same(v.sender):
		v.method, v.signature = scenario.MD5, s.Author.Reason
	default:
		v.signature = s.Author.Reason
	}
	switch {
	case compose.FromList(s.List, s.Message.Outer.Header()):
		v.reason = reasonLoop
		return v
	case bounced(s.Item), challenge(s.Message.Outer.Header()), automatic(s.Message.Outer.Header()) && s.List.Policy.AutoSubmitted == list.AutoReject:
		v.reason = reasonAutomatic
		return v
	}
	sc, err := d.Scenarios.Load(scenario.Send, s.List.Send, s.List.Address)
	if err != nil {
		v.reason, v.internal = scenario.ReasonError, err
		return v
	}
	decision := sc.Evaluate(ctx, scenario.Request{
		List: s.List, Sender: v.sender, Method: v.method, Known: s.known(), Message: message{s}, Host: s.Item.Client, Now: d.Clock(),
	}, d.Facts)
	v.rule, v.ruleText, v.action, v.internal = decision.Rule, decision.Text, decision.Action, decision.Err
	if v.outage() != nil {
		return v
	}
	v.take(s, decision)
	switch {
	case v.state == store.ItemRejected:
	case s.Message.Encrypted && m.sameKey, s.Message.Encrypted && m.foreign && !s.Author.Authenticated:
		v.state, v.reason = store.ItemRejected, reasonSameKey
	case s.Message.Encrypted && !s.Author.Authenticated:
		v.unsigned(s)
	case !s.Message.Encrypted && s.List.Policy.Encryption == list.EncryptRequired:
		v.state, v.reason, v.answer = store.ItemRejected, reasonInClear, inClear
	}
	if v.accepted() && (compose.Post{List: s.List, Message: s.Message}).Check() != nil {
		v.state, v.reason, v.answer = store.ItemRejected, reasonIdentity, notAnonymous
	}
	if v.state == store.ItemDistributing && s.List.Policy.AutoSubmitted == list.AutoEditor && automatic(s.Message.Outer.Header()) {
		v.state, v.reason = store.ItemHeld, reasonAutomatic
	}
	if v.state == store.ItemDistributing && s.Unproven {
		v.state, v.reason = store.ItemHeld, string(trust.Replay)
	}
	if (s.Message.Encrypted || !s.Readable()) && !s.proven() && (v.state != store.ItemDistributing || s.List.Policy.UnsignedEncrypted != list.AllowUnsigned) {
		v.answer = neutral // whatever came of it (invariant 3)
	}
	return v
}

// known are the other addresses in the certificate of an authenticated author.
func (s Submission) known() []list.Address {
	if s.Author.Signer == nil {
		return nil
	}
	var known []list.Address
	for _, text := range trust.Addresses(s.Author.Signer.Certificate) {
		if a, err := list.ParseAddress(text); err == nil && !strings.EqualFold(text, s.Author.Author) {
			known = append(known, a)
		}
	}
	return known
}

// take makes a verdict of what the scenario says.
func (v *verdict) take(s Submission, decision scenario.Decision) {
	switch {
	case !s.Readable():
		v.reason = s.refusedBecause()
	case decision.Action == scenario.DoIt:
		v.state = store.ItemDistributing
	case decision.Action == scenario.Reject:
		v.reason = "scenario_" + decision.Reason
		if s.Message.Encrypted && !s.Author.Authenticated {
			v.reason = s.refusedBecause()
		}
		if !decision.Quiet {
			v.answer = refusal
		}
	default: // somebody is to be asked. Interim: nobody is, and the post waits for the listmaster
		v.state, v.reason = store.ItemHeld, string(decision.Action)
	}
}

// unsigned is invariant 11: what becomes of an encrypted post that the scenario
// would let pass, and whose author did not show that he wrote it.
func (v *verdict) unsigned(s Submission) {
	policy := s.List.Policy.UnsignedEncrypted
	switch {
	case policy == list.RefuseUnsigned || !slices.Contains(mayBeHonest, s.Author.Reason):
		v.state, v.reason = store.ItemRejected, s.refusedBecause()
	case policy != list.AllowUnsigned:
		v.state, v.reason = store.ItemHeld, "unsigned_encrypted"
	}
}

// mayBeHonest are the reasons for which nobody is authenticated and yet nothing
// in the post fails, or names somebody else.
var mayBeHonest = []trust.Reason{
	trust.Unsigned, trust.UnsupportedAlgorithm, trust.WeakAlgorithm, trust.UnknownCA, trust.BadPath, trust.NotYetValid, trust.Expired,
	trust.WrongUsage, trust.RevocationUnknown, trust.NoAddress, trust.SigningTime,
}

// loop tells that a post came back from another list: that is to be told, where an MTA's duplicate is not.
func (v verdict) loop() bool {
	return v.reason == reasonLoop || v.reason == reasonExpansionLoop || v.reason == reasonExpansionHistory
}

// accepted tells whether a post may reach somebody: it is not to be accepted
// again.
func (v verdict) accepted() bool {
	return v.state == store.ItemDistributing || v.state == store.ItemHeld
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
// or the only address of the only From field, or none (invariant 4(d)); none,
// too, where the list wants DMARC and our mail server does not say that it
// passed. It is written to the log: a protected From that is not the outer one,
// too, is none.
func (d *Distributor) sender(s Submission) list.Address {
	a, err := list.ParseAddress(s.Author.Author)
	if err != nil {
		return list.Address{}
	}
	if !s.Author.Authenticated && s.List.Policy.SMTPRequires == list.SMTPRequiresDMARC &&
		!passedDMARC(s.Message.Outer.Header(), a.Domain(), d.AuthservIDs) {
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

// decide reads one accepted message, decides on it, and commits the decision with
// all that follows from it. It tells whether it is now distributing.
func (d *Distributor) decide(ctx context.Context, item store.Item) (bool, error) {
	l, err := d.Store.ListByID(ctx, item.List)
	if err != nil {
		return false, fmt.Errorf("reading the list: %w", err)
	}
	if item.Kind == store.KindBounce {
		return false, d.bounce(ctx, item, l)
	}
	outer, err := d.received(ctx, item)
	var unreadable *unreadableError
	if errors.As(err, &unreadable) {
		d.log.Warn("rejected", "spool_id", item.ID, "stage", "authorize", "list", l.Address, "reason", unreadable)
		return false, d.commit(ctx, item, store.Decided{Item: item.ID, State: store.ItemRejected, Reason: string(trust.Malformed), Detail: unreadable.Error(),
			Audit: &store.AuditEntry{Actor: nobody, Action: actionDecide, Detail: map[string]string{"state": string(store.ItemRejected), "reason": string(trust.Malformed)}}})
	}
	if err != nil {
		return false, err
	}
	switch item.Kind {
	case store.KindCommand, store.KindSubscribe, store.KindUnsubscribe:
		return false, d.commands(ctx, item, l, outer)
	case store.KindOwner, store.KindEditor:
		return false, d.forward(ctx, item, l, outer)
	}
	return d.decidePost(ctx, item, l, outer)
}

// decidePost authorizes one post. It tells whether the post is now distributing.
func (d *Distributor) decidePost(ctx context.Context, item store.Item, l list.List, outer *entity.Entity) (bool, error) {
	log := d.log.With("spool_id", item.ID, "stage", "authorize")
	s, v, err := d.judge(ctx, item, l, outer)
	if err != nil {
		return false, err
	}
	decided := store.Decided{
		Item: item.ID, State: v.state, Reason: v.reason, Detail: v.detail(), Method: string(v.method),
		MessageID: oneLine(compose.MessageID(s.Message.Outer.Header())), Encrypted: s.Message.Encrypted, Traces: v.traces,
	}
	if s.Author.Authenticated && v.reason != reasonDuplicate && (s.proven() || !s.Item.Approved.IsZero()) {
		decided.Author = v.sender
	}
	decided.Audit = v.entry(s, decided.Author)
	if s.proven() && v.reason != reasonDuplicate {
		if err := d.harvest(ctx, s, &decided); err != nil {
			return false, fmt.Errorf("harvesting: %w", err)
		}
	}
	if n, ok := d.answerTo(ctx, s, v); ok && s.Item.Approved.IsZero() && s.Item.Confirmed.IsZero() {
		decided.Notices = append(decided.Notices, n)
	}
	if keep := s.List.Policy.ArchiveFor.Std(); keep > 0 && v.state == store.ItemDistributing {
		decided.Archive = item.Received.Add(keep)
	}
	if v.state == store.ItemHeld {
		asks, err := d.asks(ctx, s, v)
		if err != nil {
			return false, fmt.Errorf("asking those who decide: %w", err)
		}
		decided.Notices = append(decided.Notices, asks...)
	}
	if err := d.commit(ctx, item, decided); err != nil {
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

// judge opens a post, asks whether it came before, and decides. Nothing is
// written. An error means that it cannot be judged now.
func (d *Distributor) judge(ctx context.Context, item store.Item, l list.List, outer *entity.Entity) (Submission, verdict, error) {
	s, err := d.open(ctx, item, l, outer)
	if err != nil {
		return s, verdict{}, err
	}
	m, err := d.recall(ctx, s)
	if err != nil {
		return s, verdict{}, err
	}
	s = m.apply(s)
	v := d.authorize(ctx, s, m)
	if err := v.outage(); err != nil {
		return s, v, err
	}
	if v, err = d.approved(ctx, s, v); err != nil {
		return s, v, err
	}
	if v, err = d.expandable(ctx, s, v); err != nil {
		return s, v, err
	}
	if m.duplicate && !v.loop() {
		v.state, v.reason, v.answer = store.ItemDone, reasonDuplicate, silence
	}
	if v, err = d.allOrNone(ctx, s, v); err != nil {
		return s, v, err
	}
	if v.accepted() {
		v.traces, v.undone = m.kept(s), compose.Post{List: s.List, Message: s.Message}.Undone()
	}
	return s, v, nil
}
