// Package scenario decides what may be done with a list: who may post,
// subscribe, leave, add, remove, invite, review. A scenario is an ordered set
// of rules, one a line, in the language that Sympa administrators know; the
// first rule whose method and condition hold decides, and if none does the
// request is rejected. docs/scenarios.md is the language's manual.
//
// A [Library] finds the files: in the folders of the list, its domain and the
// site, then those that are built in. A file that cannot be read as a scenario
// rejects everything and says where and why; the server goes on.
//
// Evaluation is a pure function of its inputs, except that questions about
// roles and searches go through the [Facts] interface.
package scenario

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// Method is how the author of a request was authenticated.
type Method string

// The authentication methods. A message is SMTP unless it earned SMIME. None
// is stronger than another: a rule covers those it names.
const (
	SMTP  Method = "smtp"  // the From field says so
	MD5   Method = "md5"   // a one-time challenge was answered
	SMIME Method = "smime" // a signature satisfies invariant 4
)

// Methods returns all three.
func Methods() []Method { return []Method{SMTP, MD5, SMIME} }

// ParseMethod reads one of the three words.
func ParseMethod(s string) (Method, error) {
	for _, m := range Methods() {
		if s == string(m) {
			return m, nil
		}
	}
	return "", fmt.Errorf("%.40q is no authentication method: write smtp, md5 or smime", s)
}

// Action is what a scenario tells the server to do.
type Action string

// The actions.
const (
	DoIt        Action = "do_it"
	Reject      Action = "reject"
	RequestAuth Action = "request_auth" // challenge somebody to show that he is who he says
	Editor      Action = "editor"       // pass it to the editors
	EditorKey   Action = "editorkey"    // hold it until an editor decides
	Owner       Action = "owner"        // hold it until an owner decides
	Listmaster  Action = "listmaster"   // hold it until a listmaster decides
)

// Reasons that a Decision carries beside those a rule states.
const (
	ReasonNoRule   = "no_rule"       // no rule covered the request
	ReasonError    = "error"         // a condition could not be evaluated
	ReasonBroken   = "broken"        // the file has errors and decides nothing
	ReasonRejected = "rejected"      // a rule rejected and gave no reason
	ReasonNotOpen  = "list_not_open" // the list is closed
	ReasonMethod   = "unknown_method"
	ReasonBlocked  = "blocklisted" // the sender is on the blocklist
)

// ErrPermanent is what errors wrap that asking again will not mend: a file with
// errors, a list or a search file that does not exist. Other errors of Facts
// are outages.
var ErrPermanent = errors.New("scenario cannot be evaluated")

// ErrUnknown is returned for a scenario that does not exist.
var ErrUnknown = fmt.Errorf("scenario: unknown name: %w", ErrPermanent)

// Request is what a scenario judges: somebody asks for something on a list.
type Request struct {
	List   list.List
	Sender list.Address // who asks: the address of invariant 4(d); zero if there is none
	Email  list.Address // whom it is about, for subscribe, add and the like; zero: the sender
	Method Method

	// Known are other addresses that the sender has shown to be his, by the certificate he signed with: a member under
	// one of them is a subscriber under Sender, too.
	Known []list.Address

	Message Message    // the post or command; nil: there is none
	Host    string     // name and address of the client, as far as it is known: for [remote_host]
	Addr    netip.Addr // of the person's own client; zero for mail, where the client is a mail server
	Now     time.Time  // for [current_date], older and newer
}

// email is whom the request is about.
func (r Request) email() list.Address {
	if r.Email.IsZero() {
		return r.Sender
	}
	return r.Email
}

// Message is what conditions may ask of a message. Everything it says may be
// decrypted content: it goes into no error and no log (invariant 1).
type Message interface {
	// Fields returns the values of the header fields of a name, unfolded, in
	// their order: what the author vouches for where he protected the field,
	// else the outer ones. For Content fields: those of the whole content,
	// then those of what its signatures wrap.
	Fields(name string) []string
	// Text is the body where it is text, decoded; else "".
	Text() string
	// Parts are the body parts of the first level, signatures taken off.
	Parts() []Part
	// Encrypted tells that it arrived encrypted.
	Encrypted() bool
	// Size is its length in octets as it arrived.
	Size() int64
}

// Part is one body part.
type Part struct {
	Type string // media type in lower case, without parameters
	Text string // decoded, where the type is text
}

// Query is the question of a search condition.
type Query struct {
	List  list.Address
	File  string // as "staff.txt", "staff.ldap", "staff.sql"; a plain file name
	Value string // what a text file is searched for
	// Variables that filters may use, by name. None of them comes from the
	// content of a message: filters leave for other servers (invariant 1).
	Variables map[string]string
}

// Facts answers the questions of conditions that need to look something up. An
// error is an outage unless it wraps ErrPermanent.
type Facts interface {
	// HasRole tells whether address holds role on the list now. A list that
	// does not exist is an error that wraps ErrPermanent.
	HasRole(ctx context.Context, l, address list.Address, role list.Role) (bool, error)
	// Count returns how many people hold a role on the list.
	Count(ctx context.Context, l list.Address, role list.Role) (int, error)
	// IsListmaster tells whether address is one of the site's listmasters.
	IsListmaster(ctx context.Context, address list.Address) (bool, error)
	// Search tells whether a search file finds something.
	Search(ctx context.Context, q Query) (bool, error)
}

// Decision is a scenario's answer and what led to it.
type Decision struct {
	Action   Action
	Quiet    bool   // tell nobody who need not know: `,quiet`
	Notify   bool   // tell the owners: `,notify`
	AskEmail bool   // the challenge of RequestAuth goes to the request's Email, not its Sender
	Rule     string // which rule decided, as "send.private_smime:5" (file and line); empty if none did
	Text     string // that rule as it is written, without comments
	Reason   string // why it was rejected: of the rule, or one of the Reason constants; empty unless rejected
	Template string // of the answer to a rejection, where the rule names one with tt2=
	Err      error  // what is behind ReasonError and ReasonBroken, for the log
}

// Outage returns the error that kept a condition from being evaluated, if
// asking again later may answer it; else nil.
func (d Decision) Outage() error {
	if errors.Is(d.Err, ErrPermanent) {
		return nil
	}
	return d.Err
}

// rule is one line of a scenario: a condition, the methods it covers, and the
// decision to take when both hold.
type rule struct {
	at        Position
	text      string // as written
	condition condition
	methods   methods
	decision  Decision
}

// Scenario is an ordered set of rules for one function of a list. The zero
// value rejects everything.
type Scenario struct {
	function Function
	name     string
	label    string // of the file, as positions have it
	text     string // of the file
	titles   map[string]string
	rules    []rule
	problems []Problem
}

// Name returns the scenario's full name, function first: "send.public".
func (s Scenario) Name() string { return string(s.function) + "." + s.name }

// Origin says where the file lies: a path below the data folder, or [BuiltIn].
func (s Scenario) Origin() string {
	if !strings.Contains(s.label, "/") {
		return BuiltIn
	}
	return s.label
}

// Text returns the file as it is written, without what it includes.
func (s Scenario) Text() string { return s.text }

// Err says why the scenario rejects everything; nil if it can be evaluated. It
// wraps ErrPermanent.
func (s Scenario) Err() error {
	if broken := errorsOf(s.problems); len(broken) > 0 {
		return broken
	}
	return nil
}

// Evaluate returns the decision of the first rule that covers the request. No
// such rule, or any error on the way, is a rejection.
func (s Scenario) Evaluate(ctx context.Context, r Request, f Facts) Decision {
	if broken := errorsOf(s.problems); len(broken) > 0 {
		return Decision{Action: Reject, Rule: broken[0].Position.String(), Reason: ReasonBroken, Err: broken}
	}
	if r.List.State == list.Closed && s.function.wantsOpenList() {
		return Decision{Action: Reject, Reason: ReasonNotOpen}
	}
	if _, err := ParseMethod(string(r.Method)); err != nil {
		return Decision{Action: Reject, Reason: ReasonMethod, Err: fmt.Errorf("%w: %w", ErrPermanent, err)}
	}
	for _, rl := range s.rules {
		if !rl.methods.has(r.Method) {
			continue
		}
		ok, err := rl.condition.holds(ctx, evaluation{r, f})
		if err != nil {
			return Decision{Action: Reject, Rule: rl.at.String(), Text: rl.text, Reason: ReasonError, Err: fmt.Errorf("evaluating %s: %w", rl.at, err)}
		}
		if ok {
			d := rl.decision
			d.Rule, d.Text = rl.at.String(), rl.text
			return d
		}
	}
	return Decision{Action: Reject, Reason: ReasonNoRule}
}

// Explain is Evaluate, and tells for each rule that was looked at what came of
// it: none, where something else decided.
func (s Scenario) Explain(ctx context.Context, r Request, f Facts) (Decision, []Step) {
	d := s.Evaluate(ctx, r, f)
	var steps []Step
	switch d.Reason {
	case ReasonBroken, ReasonNotOpen, ReasonMethod:
		return d, nil
	}
	for _, rl := range s.rules {
		step := Step{Rule: rl.at.String(), Condition: rl.condition.String(), Result: "does not hold"}
		switch {
		case d.Rule == step.Rule && d.Err != nil:
			step.Result = "failed"
		case d.Rule == step.Rule:
			step.Result = "decides"
		case !rl.methods.has(r.Method):
			step.Result = "is not for " + string(r.Method)
		}
		if steps = append(steps, step); d.Rule == step.Rule {
			break
		}
	}
	return d, steps
}

// Step is what came of one rule.
type Step struct {
	Rule      string `json:"rule"`
	Condition string `json:"condition"`
	Result    string `json:"result"`
}
