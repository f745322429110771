// Package scenario decides what may be done with a list: who may post, and
// later who may subscribe, review or manage. A scenario is an ordered set of
// rules; the first rule whose conditions and authentication method hold
// decides, and if none does the request is rejected.
//
// Evaluation is a pure function of its inputs, except that questions about
// roles go through the Facts interface.
//
// Interim: two built-in send scenarios exist, under the names and with the
// decisions that Sympa administrators know. The scenario language comes later.
package scenario

import (
	"context"
	"fmt"
	"slices"

	"github.com/sealist/sealist/listd/list"
)

// Method is how the author of a request was authenticated.
type Method string

// The authentication methods. A message is SMTP unless it earned SMIME.
const (
	SMTP  Method = "smtp"  // the From field says so
	MD5   Method = "md5"   // a one-time challenge was answered
	SMIME Method = "smime" // a signature satisfies invariant 4
)

// Action is what a scenario tells the server to do.
type Action string

// The actions that exist now.
const (
	DoIt   Action = "do_it"
	Reject Action = "reject"
)

// Reasons that a Decision carries beside those a rule states.
const (
	ReasonNoRule = "no_rule" // no rule covered the request
	ReasonError  = "error"   // a condition could not be evaluated
)

// Request is what a scenario judges: somebody asks for something on a list.
type Request struct {
	List   list.List
	Sender list.Address // the address of invariant 4(d); zero if there is none
	Method Method
}

// Facts answers the questions of conditions that need to look something up.
type Facts interface {
	// HasRole tells whether address holds role on the list now.
	HasRole(ctx context.Context, l list.ID, address list.Address, role list.Role) (bool, error)
}

// Decision is a scenario's answer and what led to it.
type Decision struct {
	Action Action
	Rule   string // which rule decided, as "send.private_smime:1"; empty if none did
	Reason string // why it was rejected; empty for do_it
	Err    error  // the error behind ReasonError, for the log
}

// condition is one test of a rule.
type condition func(ctx context.Context, r Request, f Facts) (bool, error)

// rule is one line of a scenario: a condition, the methods it covers, and the
// action to take when both hold.
type rule struct {
	holds   condition
	methods []Method
	action  Action
}

// Scenario is an ordered set of rules for one function of a list.
type Scenario struct {
	name  string // as "send.private_smime"
	title string
	rules []rule
}

// Name returns the scenario's full name, function first: "send.public".
func (s Scenario) Name() string { return s.name }

// Title says in one line what the scenario allows.
func (s Scenario) Title() string { return s.title }

// Evaluate returns the decision of the first rule that covers the request. No
// such rule, or any error on the way, is a rejection.
func (s Scenario) Evaluate(ctx context.Context, r Request, f Facts) Decision {
	for i, rl := range s.rules {
		if !slices.Contains(rl.methods, r.Method) {
			continue
		}
		name := fmt.Sprintf("%s:%d", s.name, i+1)
		ok, err := rl.holds(ctx, r, f)
		if err != nil {
			return Decision{Action: Reject, Rule: name, Reason: ReasonError, Err: fmt.Errorf("evaluating %s: %w", name, err)}
		}
		if ok {
			return Decision{Action: rl.action, Rule: name}
		}
	}
	return Decision{Action: Reject, Reason: ReasonNoRule}
}
