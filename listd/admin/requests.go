package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/listd/token"
)

const day = 24 * time.Hour

// How long what is asked of people stays open.
const (
	challengeFor = 7 * day
	requestFor   = 30 * day
)

// Requester is who asks for something, by mail or on a page, and how it is known
// that it is he. Scenarios decide what he gets; whoever has the database in hand
// asks nobody (listmaster).
type Requester struct {
	Address list.Address
	Method  scenario.Method
	Known   []list.Address // other addresses of his certificate
	Clear   bool           // a link in clear mail proved it: on a list that demands encryption he may come, leave and pause, and no more (invariant 12)
}

// Done is what a request came to, in words for whoever asked.
type Done struct {
	Text   string
	Lines  []string // what he asked for, a line each
	Secret bool     // it may leave sealed only (invariant 12)
	Quiet  bool     // the scenario wants nobody told

	Certificates []string // fingerprints of lists' certificates that go with it
}

// VisibleList finds a list for somebody who may know that there is one; to all
// others there is none.
func (a *Admin) VisibleList(ctx context.Context, r Requester, text, domain string) (list.List, error) {
	if !strings.Contains(text, "@") {
		text += "@" + domain
	}
	none := &Error{Kind: Refused, What: "there is no list " + Printable(text), Hint: "LISTS shows those there are", Err: store.ErrNotFound}
	address, err := list.ParseAddress(text)
	if err != nil {
		return list.List{}, none
	}
	l, err := a.Store.List(ctx, address)
	if errors.Is(err, store.ErrNotFound) || err == nil && l.Robot {
		return list.List{}, none
	}
	if err != nil {
		return list.List{}, Explain(err)
	}
	d, err := a.ask(ctx, scenario.Visibility, l, r, list.Address{})
	if err != nil {
		return list.List{}, err
	}
	if d.Action == scenario.DoIt {
		return l, nil
	}
	if a.For(r).Listmaster() {
		return l, nil
	}
	// Who belongs to it knows it anyway.
	held, err := a.Store.MemberOf(ctx, l.ID, []list.Address{r.Address})
	if err != nil {
		return list.List{}, Explain(err)
	}
	if len(held[r.Address.Key()]) == 0 {
		return list.List{}, none
	}
	return l, nil
}

// clearFunctions are what somebody may ask for whom nothing but clear mail proved (invariant 12).
var clearFunctions = map[scenario.Function]bool{scenario.Subscribe: true, scenario.Unsubscribe: true, scenario.Visibility: true, scenario.Info: true}

// ask lets a list's scenario for a function decide.
func (a *Admin) ask(ctx context.Context, f scenario.Function, l list.List, r Requester, email list.Address) (scenario.Decision, error) {
	s := l.Policy.Scenarios
	name := map[scenario.Function]string{
		scenario.Subscribe: s.Subscribe, scenario.Unsubscribe: s.Unsubscribe, scenario.Add: s.Add, scenario.Del: s.Del, scenario.Invite: s.Invite,
		scenario.Remind: s.Remind, scenario.Review: s.Review, scenario.Info: s.Info, scenario.Visibility: s.Visibility,
	}[f]
	if r.Clear && l.Policy.DemandsEncryption() && !clearFunctions[f] {
		return scenario.Decision{Action: scenario.Reject}, nil
	}
	sc, err := a.Scenarios.Load(f, name, l.Address)
	if errors.Is(err, scenario.ErrUnknown) {
		return scenario.Decision{Action: scenario.Reject, Reason: scenario.ReasonError, Err: err}, nil
	}
	if err != nil {
		return scenario.Decision{}, Explain(err)
	}
	d := sc.Evaluate(ctx, scenario.Request{List: l, Sender: r.Address, Email: email, Method: r.Method, Known: r.Known, Now: a.Clock()}, a.Facts)
	if err := d.Outage(); err != nil {
		return d, Explain(err)
	}
	return d, nil
}

// ErrRules is wrapped where the rules of a list, or of the server, do not let
// somebody do what he asked for.
var ErrRules = errors.New("the rules do not let you do this")

// errRules is a scenario's refusal, in words that name no rule.
func errRules(l list.List, what string) error {
	e := refused(l.Owner().String()+" answers for the list", "the rules of %s do not let you %s, or not in this way", l.Address, what)
	e.Err = ErrRules
	return e
}

// challenge sends a key to an address, to prove that whoever reads mail there
// wants an operation. It says no more than that (invariant 12).
func (a *Admin) challenge(ctx context.Context, l list.List, to list.Address, operation, object, what string) (Done, error) {
	// Coming, leaving and pausing stay possible by clear mail; a key to what others are on a list is worth more.
	sealed := l.Policy.DemandsEncryption() && operation != "subscribe" && operation != "unsubscribe" && (operation != "set" || !pausing(object))
	key, err := a.Tokens.Make(ctx, token.Challenge, token.Claim{List: l.ID, Sender: to, Operation: operation, Object: object}, challengeFor)
	if err != nil {
		return Done{}, Explain(err)
	}
	held, err := a.Store.Memberships(ctx, to)
	if err != nil {
		return Done{}, Explain(err)
	}
	limit := 1
	if len(held) > 0 {
		limit = 20
	}
	_, err = a.Store.QueueNotices(ctx, []store.Notice{{
		Template: notice.Challenge, List: l.ID, To: to, Sealed: sealed,
		Params: map[string]string{"operation": strings.ToUpper(operation), "what": what, "key": key, "robot": a.robotOf(l), "until": a.Clock().Add(challengeFor).UTC().Format("2006-01-02 15:04 UTC")},
		Key:    notice.Challenge + "/" + to.Key(), Every: day, Limit: limit, Stranger: len(held) == 0,
	}})
	if err != nil {
		return Done{}, Explain(err)
	}
	return Done{Text: "A message with a key was sent to " + to.String() + ": answer it, and it is done."}, nil
}

func (a *Admin) robotOf(l list.List) string { return a.Robot + "@" + l.Address.Domain() }

// Subscribe puts somebody on a list, or begins what has to come before. email is
// the requester's own if zero.
func (a *Admin) Subscribe(ctx context.Context, r Requester, l list.List, email list.Address, name string) (Done, error) {
	if email.IsZero() {
		email = r.Address
	}
	if err := personal(email, name); err != nil {
		return Done{}, err
	}
	d, err := a.ask(ctx, scenario.Subscribe, l, r, email)
	if err != nil {
		return Done{}, err
	}
	switch d.Action {
	case scenario.DoIt:
		return a.enter(ctx, l, email, name, "subscribe", d)
	case scenario.RequestAuth:
		to := r.Address
		if d.AskEmail {
			to = email
		}
		return a.challenge(ctx, l, to, "subscribe", email.String()+" "+name, fmt.Sprintf("to put %s on the list %s", email, l.Address))
	case scenario.Owner:
		return a.request(ctx, l, r, email, name, "subscribe")
	}
	return Done{}, errRules(l, "subscribe")
}

// personal refuses what cannot be somebody's address and name.
func personal(email list.Address, name string) error {
	if email.IsZero() {
		return usage("write from your own address", "it is not known who you are")
	}
	return singleLine("name", name)
}

// enter puts somebody on a list, and welcomes him.
func (a *Admin) enter(ctx context.Context, l list.List, email list.Address, name, action string, d scenario.Decision) (Done, error) {
	if email.Same(l.Address) {
		return Done{}, refused("", "%s cannot be a member of itself", l.Address)
	}
	n, err := a.Store.AddMembers(ctx, l.ID, []list.Member{{Address: email, Name: name}})
	if err != nil {
		return Done{}, Explain(err)
	}
	if n == 0 {
		return Done{Text: email.String() + " is on " + l.Address.String() + " already."}, nil
	}
	a.audit(ctx, action, l.ID, email.String(), nil)
	var notices []store.Notice
	if !d.Quiet {
		notices = append(notices, a.greeting(notice.Welcome, l, email))
	}
	if err := a.tell(ctx, l, d, notices, fmt.Sprintf("%s is on the list now (%s).", email, action)); err != nil {
		return Done{}, err
	}
	return Done{Text: email.String() + " is on " + l.Address.String() + " now.", Quiet: d.Quiet}, nil
}

func (a *Admin) greeting(template string, l list.List, to list.Address) store.Notice {
	return store.Notice{Template: template, List: l.ID, To: to,
		Params: map[string]string{"description": l.Description, "robot": a.robotOf(l)}}
}

// tell queues what follows from a change, and the word to the owners that a
// `,notify` asks for.
func (a *Admin) tell(ctx context.Context, l list.List, d scenario.Decision, notices []store.Notice, line string) error {
	if d.Notify {
		owners, err := a.Store.Members(ctx, l.ID, store.MemberFilter{Role: list.RoleOwner})
		if err != nil {
			return Explain(err)
		}
		for _, o := range owners {
			notices = append(notices, store.Notice{Template: notice.OwnersReport, List: l.ID, To: o.Address, Lines: []string{line}, Sealed: l.Policy.DemandsEncryption()})
		}
	}
	if _, err := a.Store.QueueNotices(ctx, notices); err != nil {
		return Explain(err)
	}
	return nil
}

// Unsubscribe takes somebody off a list, or begins what has to come before.
func (a *Admin) Unsubscribe(ctx context.Context, r Requester, l list.List, email list.Address) (Done, error) {
	if email.IsZero() {
		email = r.Address
	}
	if err := personal(email, ""); err != nil {
		return Done{}, err
	}
	d, err := a.ask(ctx, scenario.Unsubscribe, l, r, email)
	if err != nil {
		return Done{}, err
	}
	switch d.Action {
	case scenario.DoIt:
		return a.leave(ctx, l, email, "unsubscribe", d)
	case scenario.RequestAuth:
		to := r.Address
		if d.AskEmail {
			to = email
		}
		return a.challenge(ctx, l, to, "unsubscribe", email.String(), fmt.Sprintf("to take %s off the list %s", email, l.Address))
	case scenario.Owner:
		return a.request(ctx, l, r, email, "", "unsubscribe")
	}
	return Done{}, errRules(l, "leave")
}

// leave takes somebody off a list.
func (a *Admin) leave(ctx context.Context, l list.List, email list.Address, action string, d scenario.Decision) (Done, error) {
	n, err := a.Store.RemoveMembers(ctx, l.ID, list.RoleMember, []list.Address{email})
	if err != nil {
		return Done{}, Explain(err)
	}
	if n == 0 {
		return Done{}, refused("WHICH shows the lists that you are on; perhaps you are under another address", "%s is not on %s", email, l.Address)
	}
	a.audit(ctx, action, l.ID, email.String(), nil)
	var notices []store.Notice
	if !d.Quiet {
		notices = append(notices, a.greeting(notice.Farewell, l, email))
	}
	if err := a.tell(ctx, l, d, notices, fmt.Sprintf("%s is no longer on the list (%s).", email, action)); err != nil {
		return Done{}, err
	}
	return Done{Text: email.String() + " is no longer on " + l.Address.String() + ".", Quiet: d.Quiet}, nil
}

// request keeps a wish for the owners, and asks each of them. Their mail names
// somebody, and its key decides about the list: where the list demands
// encryption it leaves only sealed.
func (a *Admin) request(ctx context.Context, l list.List, r Requester, email list.Address, name, operation string) (Done, error) {
	id, err := a.Store.PutRequest(ctx, store.Request{List: l.ID, Operation: operation, Email: email, Name: name, Sender: r.Address, Expires: a.Clock().Add(requestFor)})
	if err != nil {
		return Done{}, Explain(err)
	}
	owners, err := a.Store.Members(ctx, l.ID, store.MemberFilter{Role: list.RoleOwner})
	if err != nil {
		return Done{}, Explain(err)
	}
	var notices []store.Notice
	for _, o := range owners {
		key, err := a.Tokens.Make(ctx, token.Moderation, token.Claim{List: l.ID, Sender: o.Address, Operation: operation, Object: fmt.Sprint("request ", id)}, requestFor)
		if err != nil {
			return Done{}, Explain(err)
		}
		notices = append(notices, store.Notice{
			Template: notice.MemberRequest, List: l.ID, To: o.Address, Sealed: l.Policy.DemandsEncryption(),
			Params: map[string]string{"operation": operation, "email": email.String(), "name": name, "key": key, "robot": a.robotOf(l)},
			Key:    fmt.Sprintf("%s/%d/%s/%s", notice.MemberRequest, l.ID, o.Address.Key(), email.Key()), Every: day,
		})
	}
	if _, err := a.Store.QueueNotices(ctx, notices); err != nil {
		return Done{}, Explain(err)
	}
	a.audit(ctx, "request "+operation, l.ID, email.String(), nil)
	return Done{Text: "The owners of " + l.Address.String() + " decide; you will hear from them."}, nil
}

// decideRequest does, or does not, what somebody asked the owners for.
func (a *Admin) decideRequest(ctx context.Context, l list.List, claim token.Claim, approve bool) (Done, error) {
	var id int64
	if _, err := fmt.Sscanf(claim.Object, "request %d", &id); err != nil {
		return Done{}, errKey(token.ErrToken)
	}
	q, err := a.Store.TakeRequest(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return Done{}, refused("", "this was decided on meanwhile, or is too old")
	}
	if err != nil {
		return Done{}, Explain(err)
	}
	if err := a.Store.DropTokens(ctx, claim.Object); err != nil {
		return Done{}, Explain(err)
	}
	if !approve {
		a.audit(ctx, "refuse "+q.Operation, l.ID, q.Email.String(), nil)
		return Done{Text: "Refused: " + q.Operation + " " + q.Email.String() + "."}, nil
	}
	if q.Operation == "unsubscribe" {
		return a.leave(ctx, l, q.Email, "approve unsubscribe", scenario.Decision{})
	}
	return a.enter(ctx, l, q.Email, q.Name, "approve subscribe", scenario.Decision{})
}

// Confirm does what a challenge was sent for. The scenario is asked again, for
// somebody who proved that he reads mail at his address.
func (a *Admin) Confirm(ctx context.Context, key string) (Done, error) {
	claim, err := a.Tokens.Use(ctx, token.Challenge, key)
	if err != nil {
		return Done{}, errKey(err)
	}
	l, err := a.Store.ListByID(ctx, claim.List)
	if err != nil {
		return Done{}, errKey(token.ErrToken)
	}
	by := *a
	by.Actor = claim.Sender.String()
	r := Requester{Address: claim.Sender, Method: scenario.MD5}
	first, rest, _ := strings.Cut(claim.Object, " ")
	if claim.Operation == "send" {
		item, err := by.heldPost(ctx, first)
		if err == nil {
			err = by.resume(ctx, item, claim.Sender, list.Address{}, "")
		}
		return Done{Text: "Your message to " + l.Address.String() + " goes on."}, err
	}
	if claim.Operation == "set" {
		return by.set(ctx, l, claim.Sender, first)
	}
	email, err := list.ParseAddress(first)
	if err != nil {
		return Done{}, errKey(token.ErrToken)
	}
	switch claim.Operation {
	case "address": // the member has confirmed
		return by.AddAddress(ctx, r, l, email)
	case "join": // so has the new address
		return by.joinAddress(ctx, l, claim.Sender, email)
	case "subscribe":
		return by.Subscribe(ctx, r, l, email, rest)
	case "unsubscribe":
		return by.Unsubscribe(ctx, r, l, email)
	case "add":
		return by.Add(ctx, r, l, email, rest)
	case "del":
		return by.Del(ctx, r, l, email)
	case "invite":
		return by.Invite(ctx, r, l, email)
	}
	return Done{}, errKey(token.ErrToken)
}

// manage asks a scenario about somebody else, and sends the requester a
// challenge if it wants one.
func (a *Admin) manage(ctx context.Context, f scenario.Function, r Requester, l list.List, email list.Address, name string) (scenario.Decision, Done, error) {
	if err := personal(email, name); err != nil {
		return scenario.Decision{}, Done{}, err
	}
	d, err := a.ask(ctx, f, l, r, email)
	switch {
	case err != nil:
		return d, Done{}, err
	case d.Action == scenario.DoIt:
		return d, Done{}, nil
	case d.Action == scenario.RequestAuth && !r.Address.IsZero():
		done, err := a.challenge(ctx, l, r.Address, string(f), strings.TrimSpace(email.String()+" "+name), fmt.Sprintf("to %s %s, on the list %s", f, email, l.Address))
		done.Secret = l.Policy.DemandsEncryption()
		return d, done, err
	}
	return d, Done{}, errRules(l, string(f)+" others")
}

// Add puts somebody else on a list.
func (a *Admin) Add(ctx context.Context, r Requester, l list.List, email list.Address, name string) (Done, error) {
	d, done, err := a.manage(ctx, scenario.Add, r, l, email, name)
	if err != nil || d.Action != scenario.DoIt {
		return done, err
	}
	done, err = a.enter(ctx, l, email, name, "add", d)
	done.Secret = l.Policy.DemandsEncryption()
	return done, err
}

// Del takes somebody else off a list.
func (a *Admin) Del(ctx context.Context, r Requester, l list.List, email list.Address) (Done, error) {
	d, done, err := a.manage(ctx, scenario.Del, r, l, email, "")
	if err != nil || d.Action != scenario.DoIt {
		return done, err
	}
	done, err = a.leave(ctx, l, email, "del", d)
	done.Secret = l.Policy.DemandsEncryption()
	return done, err
}

// Invite tells somebody how to subscribe.
func (a *Admin) Invite(ctx context.Context, r Requester, l list.List, email list.Address) (Done, error) {
	d, done, err := a.manage(ctx, scenario.Invite, r, l, email, "")
	if err != nil || d.Action != scenario.DoIt {
		return done, err
	}
	n := a.greeting(notice.Invitation, l, email)
	held, err := a.Store.Memberships(ctx, email)
	if err != nil {
		return Done{}, Explain(err)
	}
	n.Key, n.Every, n.Stranger = fmt.Sprintf("%s/%d/%s", notice.Invitation, l.ID, email.Key()), 7*day, len(held) == 0
	if _, err := a.Store.QueueNotices(ctx, []store.Notice{n}); err != nil {
		return Done{}, Explain(err)
	}
	a.audit(ctx, "invite", l.ID, email.String(), nil)
	return Done{Text: email.String() + " was invited to " + l.Address.String() + ".", Secret: l.Policy.DemandsEncryption()}, nil
}

// Set changes how a member receives posts, or whether others see him: mode is a
// mode of reception, conceal or noconceal. By unproven mail he is asked first.
func (a *Admin) Set(ctx context.Context, r Requester, l list.List, mode string) (Done, error) {
	if r.Method == scenario.SMTP {
		return a.challenge(ctx, l, r.Address, "set", mode, fmt.Sprintf("to set %s on the list %s", mode, l.Address))
	}
	if r.Clear && l.Policy.DemandsEncryption() && !pausing(mode) {
		return Done{}, errRules(l, "change this")
	}
	return a.set(ctx, l, r.Address, mode)
}

// pausing tells whether a mode pauses a subscription or ends the pause, which clear mail may do (invariant 12).
func pausing(mode string) bool {
	return mode == string(list.ReceiveNoMail) || mode == string(list.ReceiveMail)
}

func (a *Admin) set(ctx context.Context, l list.List, who list.Address, mode string) (Done, error) {
	var c store.MemberChange
	switch mode {
	case "conceal", "noconceal":
		conceal := mode == "conceal"
		c.Conceal = &conceal
	default:
		reception, err := list.ParseReception(mode)
		if err != nil {
			return Done{}, usage("", "%v", err)
		}
		c.Reception = &reception
	}
	n, err := a.Store.ChangeMembers(ctx, l.ID, list.RoleMember, []list.Address{who}, c)
	if err != nil {
		return Done{}, Explain(err)
	}
	if n == 0 {
		return Done{}, refused("WHICH shows the lists that you are on", "%s is not on %s", who, l.Address)
	}
	a.audit(ctx, "set", l.ID, who.String(), map[string]string{"mode": mode})
	return Done{Text: fmt.Sprintf("%s is %s on %s now.", who, mode, l.Address)}, nil
}
