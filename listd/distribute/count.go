package distribute

import (
	"context"
	"slices"
	"strings"

	"github.com/sealist/sealist/listd/queue"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/resolver"
	"github.com/sealist/sealist/smime/trust"
)

// Count is told of what happens. Nil functions are not called.
type Count struct {
	Decided  func(kind store.Kind, decision, reason string) // a decision was written: one of Decisions, one of Reasons
	Resolved func(resolver.Result)                          // a member's certificate was looked for, to make a copy

	// Measured returns a context under which what sources are asked is counted.
	// Only what copies need is: whether others are asked depends on what stands in
	// a post, or on who decides on it (invariant 3).
	Measured func(context.Context) context.Context
}

// NotAccepted is the one word for everything that can become of a message whose
// author did not show that he wrote it, if it arrived encrypted or cannot be
// read: that it was refused, for whatever reason, held, or dropped (invariant 3).
const NotAccepted = "not_accepted"

// Decisions are the words for what becomes of a message.
func Decisions() []string {
	return []string{NotAccepted, string(store.ItemDistributing), string(store.ItemHeld), string(store.ItemRejected), string(store.ItemDone), string(store.ItemQuarantined)}
}

// Reasons are those that are counted. None of them is about what encryption hid.
func Reasons() []string {
	return []string{"", reasonScenario, reasonLoop, reasonAutomatic, reasonInClear, reasonIdentity, reasonNotAll, reasonDuplicate, reasonSameKey, string(trust.Replay),
		reasonExpansionLoop, reasonExpansionHistory, reasonSecurityLabel, reasonLayer, string(scenario.RequestAuth), string(scenario.Editor), string(scenario.EditorKey),
		string(scenario.Owner), string(scenario.Listmaster), reasonCommands, ownerMail, editorMail, reasonCounted, reasonComplaint, reasonNoFailure,
		reasonUnrecognised, reasonNoMember, reasonInternal, reasonPoison}
}

// reasonScenario stands for all reasons that scenarios give.
const reasonScenario = "scenario"

// Reasons of the spool that are no verdicts.
const (
	reasonCommands = "commands"
	reasonInternal = "internal_error" // a fault of ours
	reasonPoison   = "poison"         // the server ended each time it was worked on
)

// What mail to LIST-owner and LIST-editor is done with.
const (
	ownerMail  = string(store.KindOwner) + mailSuffix
	editorMail = string(store.KindEditor) + mailSuffix
	mailSuffix = "_mail"
)

// commit writes a decision, and counts it.
func (d *Distributor) commit(ctx context.Context, item store.Item, decided store.Decided) error {
	err := d.Store.Decide(ctx, decided)
	if err == nil && d.Count.Decided != nil {
		decision, reason := counted(decided)
		d.Count.Decided(item.Kind, decision, reason)
	}
	return err
}

// counted is how a decision is counted.
func counted(decided store.Decided) (decision, reason string) {
	reason = decided.Reason
	if strings.HasPrefix(reason, "scenario_") {
		reason = reasonScenario
	}
	hidden := decided.Encrypted && decided.Author.IsZero()
	shown := slices.Contains(Reasons(), reason)
	switch decided.State {
	case store.ItemRejected, store.ItemHeld:
		if hidden || !shown {
			return NotAccepted, ""
		}
	case store.ItemDone:
		if hidden && reason == reasonDuplicate {
			return NotAccepted, ""
		}
	}
	return string(decided.State), reason
}

// resolve looks for members' certificates to make their copies.
func (d *Distributor) resolve(ctx context.Context, addresses []string, allowed resolver.Allowances) []resolver.Result {
	if d.Count.Measured != nil {
		ctx = d.Count.Measured(ctx)
	}
	results := d.Resolver.Resolve(ctx, addresses, allowed)
	if d.Count.Resolved != nil {
		for _, r := range results {
			d.Count.Resolved(r)
		}
	}
	return results
}

// Words under which copies are counted that are not relayed, beside those of the
// queue and the reasons why a certificate is not used.
const (
	causeSource        = "source" // a source of certificates cannot be asked
	causeMemory        = "memory" // other posts have it
	causeNoCertificate = "no_certificate"
	causeNotSubscribed = "not_subscribed" // any more
	causeSuspended     = "suspended"
	causeReception     = "reception" // he wants none
	causeNothing       = "nothing"   // is left to send
)

// Causes are these words.
func Causes() []string {
	causes := []string{causeSource, causeMemory, causeNoCertificate, causeNotSubscribed, causeSuspended, causeReception, reasonIdentity, causeNothing}
	for _, r := range refusals {
		causes = append(causes, string(r))
	}
	return append(causes, queue.Causes()...)
}

// refusals are the reasons why a certificate is not used.
var refusals = []trust.Reason{
	trust.UnsupportedAlgorithm, trust.WeakAlgorithm, trust.UnknownCA, trust.BadPath, trust.NotYetValid, trust.Expired, trust.WrongUsage, trust.Revoked,
	trust.RevocationUnknown, trust.NoAddress, trust.AddressMismatch, trust.AccountDisabled, trust.NotAPerson, trust.Blocked, trust.Malformed, trust.TooLarge,
}

// causeWithheld is why a member has no usable certificate, in one word: the
// reason of the newest one that was refused.
func causeWithheld(r resolver.Result) string {
	if len(r.Refused) == 0 {
		return causeNoCertificate
	}
	newest := r.Refused[0]
	for _, f := range r.Refused[1:] {
		if f.Certificate != nil && (newest.Certificate == nil || f.Certificate.NotBefore.After(newest.Certificate.NotBefore)) {
			newest = f
		}
	}
	return string(newest.Reason)
}
