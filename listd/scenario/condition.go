package scenario

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"net/netip"
	"slices"
	"strings"

	"github.com/sealist/sealist/listd/list"
)

// evaluation is one request being judged.
type evaluation struct {
	Request
	facts Facts
}

// test is what a kind of condition needs and does.
type test struct {
	least, most int // arguments
	// check says what is wrong with the arguments; nil: nothing can be.
	check func(args []argument) error
	holds func(ctx context.Context, e evaluation, args []argument) (bool, error)
}

// tests are the conditions by name.
var tests = map[string]test{
	"true":           {0, 0, nil, always},
	"all":            {0, 0, nil, always},
	"is_subscriber":  {2, 2, checkRole, inRole(isSubscriber)},
	"is_owner":       {2, 2, checkRole, inRole(isOwner)},
	"is_editor":      {2, 2, checkRole, inRole(isEditor)},
	"is_listmaster":  {1, 1, nil, isListmaster},
	"equal":          {2, 2, nil, compare(strings.EqualFold)},
	"less_than":      {2, 2, nil, compare(lessThan)},
	"match":          {2, 2, checkMatch, match},
	"older":          {2, 2, checkDates, dates(func(a, b int64) bool { return a <= b })},
	"newer":          {2, 2, checkDates, dates(func(a, b int64) bool { return a > b })},
	"verify_netmask": {1, 1, checkNetmask, verifyNetmask},
	"search":         {1, 2, checkSearch, search},
}

// check finds the condition's test and says what is wrong with its arguments.
func (c *condition) check() error {
	t, ok := tests[c.name]
	if !ok {
		return fmt.Errorf("there is no condition %.40s", c.name)
	}
	if n := len(c.args); n < t.least || n > t.most {
		want := fmt.Sprint(t.least)
		if t.most > t.least {
			want = fmt.Sprintf("%d or %d", t.least, t.most)
		}
		return fmt.Errorf("%s takes %s arguments, and %d are given", c.name, want, n)
	}
	for i, a := range c.args {
		if a.pattern != nil && (c.name != "match" || i != 1) {
			return fmt.Errorf("%s takes no regular expression there", c.name)
		}
		if a.variable != nil && strings.HasPrefix(a.variable.name, "topic") {
			c.warnings = append(c.warnings, a.String()+" is always empty: there are no topics in Sealist")
		}
	}
	if c.name == "match" && c.args[1].pattern == nil && c.args[1].variable == nil {
		p, err := newPattern(c.args[1].literal)
		if err != nil {
			return err
		}
		c.args[1] = argument{pattern: p}
	}
	c.test = t
	if t.check == nil {
		return nil
	}
	return t.check(c.args)
}

// holds evaluates the condition.
func (c condition) holds(ctx context.Context, e evaluation) (bool, error) {
	ok, err := c.test.holds(ctx, e, c.args)
	return ok != c.not, err
}

func always(context.Context, evaluation, []argument) (bool, error) { return true, nil }

// permanent marks an error that asking again will not mend.
func permanent(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrPermanent, fmt.Errorf(format, args...))
}

// listAddress reads the name of a list: NAME on the list's own domain, or
// NAME@DOMAIN.
func listAddress(name, domain string) (list.Address, error) {
	if !strings.Contains(name, "@") {
		name += "@" + domain
	}
	return list.ParseAddress(name)
}

// ownList are the variables that name the list itself.
var ownList = []string{"[listname]", "[list->name]", "[list->address]"}

// checkRole wants a list that the rule names: a message must not choose it.
func checkRole(args []argument) error {
	a := args[0]
	if a.variable != nil {
		if !slices.Contains(ownList, a.variable.String()) {
			return fmt.Errorf("%s cannot name a list: write [listname] or the name of one", a)
		}
		return nil
	}
	if _, err := listAddress(a.literal, "example.org"); err != nil {
		return fmt.Errorf("%.60q is no name of a list", a.literal)
	}
	return nil
}

type roleTest func(ctx context.Context, e evaluation, l, a list.Address) (bool, error)

// inRole asks whether one of the addresses of the second argument is something
// on the list of the first.
func inRole(is roleTest) func(context.Context, evaluation, []argument) (bool, error) {
	return func(ctx context.Context, e evaluation, args []argument) (bool, error) {
		l := e.List.Address
		if args[0].variable == nil {
			var err error
			if l, err = listAddress(args[0].literal, l.Domain()); err != nil {
				return false, permanent("%s is no name of a list", args[0])
			}
		}
		return anyPerson(ctx, e, args[1], func(a list.Address) (bool, error) { return is(ctx, e, l, a) })
	}
}

// anyPerson tells whether something is true of one of the addresses in an
// argument's values. Nobody, and what is no address, is no one.
func anyPerson(ctx context.Context, e evaluation, arg argument, is func(list.Address) (bool, error)) (bool, error) {
	values, err := arg.values(ctx, e)
	if err != nil {
		return false, err
	}
	for _, a := range people(values) {
		if ok, err := is(a); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// maxPeople is how many addresses of a header field are looked up at most.
const maxPeople = 100

func people(values []string) []list.Address {
	var all []list.Address
	for _, value := range values {
		if a, err := list.ParseAddress(value); err == nil && len(all) < maxPeople {
			all = append(all, a)
			continue
		}
		boxes, _ := mail.ParseAddressList(value)
		for _, b := range boxes {
			if a, err := list.ParseAddress(b.Address); err == nil && len(all) < maxPeople {
				all = append(all, a)
			}
		}
	}
	return all
}

// isSubscriber is true of the sender where another address of his is subscribed.
func isSubscriber(ctx context.Context, e evaluation, l, a list.Address) (bool, error) {
	ok, err := e.facts.HasRole(ctx, l, a, list.RoleMember)
	if ok || err != nil || !a.Same(e.Sender) {
		return ok, err
	}
	for _, known := range e.Known[:min(len(e.Known), maxKnown)] {
		if ok, err := e.facts.HasRole(ctx, l, known, list.RoleMember); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// maxKnown is how many other addresses of a sender are looked up.
const maxKnown = 20

// isOwner is true of listmasters, too.
func isOwner(ctx context.Context, e evaluation, l, a list.Address) (bool, error) {
	if ok, err := e.facts.HasRole(ctx, l, a, list.RoleOwner); ok || err != nil {
		return ok, err
	}
	return e.facts.IsListmaster(ctx, a)
}

// isEditor is true of the owners of a list that has no editor.
func isEditor(ctx context.Context, e evaluation, l, a list.Address) (bool, error) {
	if ok, err := e.facts.HasRole(ctx, l, a, list.RoleEditor); ok || err != nil {
		return ok, err
	}
	if n, err := e.facts.Count(ctx, l, list.RoleEditor); n > 0 || err != nil {
		return false, err
	}
	return e.facts.HasRole(ctx, l, a, list.RoleOwner)
}

func isListmaster(ctx context.Context, e evaluation, args []argument) (bool, error) {
	return anyPerson(ctx, e, args[0], func(a list.Address) (bool, error) { return e.facts.IsListmaster(ctx, a) })
}

// compare tells whether one of the values of the first argument stands so to
// the second.
func compare(holds func(a, b string) bool) func(context.Context, evaluation, []argument) (bool, error) {
	return func(ctx context.Context, e evaluation, args []argument) (bool, error) {
		left, err := args[0].values(ctx, e)
		if err != nil {
			return false, err
		}
		right, err := args[1].first(ctx, e)
		if err != nil {
			return false, err
		}
		for _, one := range left {
			if holds(one, right) {
				return true, nil
			}
		}
		return false, nil
	}
}

func checkMatch(args []argument) error {
	if args[0].pattern != nil || args[1].pattern == nil {
		return errors.New("match takes a value and a regular expression, as match([sender],/@example\\.org$/)")
	}
	return nil
}

func match(ctx context.Context, e evaluation, args []argument) (bool, error) {
	if args[1].pattern.source == "" {
		return false, nil // as in Sympa: nothing matches it
	}
	re, err := args[1].pattern.of(e.List.Address.Domain())
	if err != nil {
		return false, permanent("%s cannot be matched for the domain %s", args[1], e.List.Address.Domain())
	}
	values, err := args[0].values(ctx, e)
	if err != nil {
		return false, err
	}
	for _, v := range values {
		if re.MatchString(v) {
			return true, nil
		}
	}
	return false, nil
}

// netmask reads 192.0.2.0/24, 192.0.2.1, a range written with - or :, or any.
func netmask(s string) (func(netip.Addr) bool, error) {
	if s == "any" || s == "default" {
		return func(netip.Addr) bool { return true }, nil
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Contains, nil
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return func(b netip.Addr) bool { return a == b }, nil
	}
	for _, between := range []string{"-", ":"} {
		from, to, _ := strings.Cut(s, between)
		a, err := netip.ParseAddr(strings.TrimSpace(from))
		b, err2 := netip.ParseAddr(strings.TrimSpace(to))
		if err == nil && err2 == nil && a.Is4() == b.Is4() {
			return func(c netip.Addr) bool { return c.Is4() == a.Is4() && !c.Less(a) && !b.Less(c) }, nil
		}
	}
	return nil, fmt.Errorf("%.60q is no network: write 192.0.2.0/24", s)
}

func checkNetmask(args []argument) error {
	if args[0].variable != nil {
		return nil
	}
	_, err := netmask(args[0].literal)
	return err
}

// verifyNetmask is never true of mail, whose client is a mail server and not
// the sender's.
func verifyNetmask(ctx context.Context, e evaluation, args []argument) (bool, error) {
	if !e.Addr.IsValid() {
		return false, nil
	}
	text, err := args[0].first(ctx, e)
	if err != nil {
		return false, err
	}
	in, err := netmask(text)
	if err != nil {
		return false, permanent("%s is no network", args[0])
	}
	return in(e.Addr.Unmap()), nil
}

// searchKinds are the endings of search files.
var searchKinds = []string{".txt", ".ldap", ".sql"}

func checkSearch(args []argument) error {
	name := args[0].literal
	for _, kind := range searchKinds {
		if base, ok := strings.CutSuffix(name, kind); ok && plainName(base) {
			return nil
		}
	}
	return fmt.Errorf("%s is no search file: write the name of one that ends with .txt, .ldap or .sql", args[0])
}

// search looks for the second argument, or the sender.
func search(ctx context.Context, e evaluation, args []argument) (bool, error) {
	q := Query{List: e.List.Address, File: args[0].literal, Value: personOrNobody(e.Sender), Variables: map[string]string{
		"sender": personOrNobody(e.Sender), "email": personOrNobody(e.email()), "user->email": personOrNobody(e.Sender),
		"listname": listName(e), "list->name": listName(e), "domain": e.List.Address.Domain(), "host": e.List.Address.Domain(),
		"list->address": e.List.Address.String(),
	}}
	if len(args) == 2 {
		var err error
		if q.Value, err = args[1].first(ctx, e); err != nil {
			return false, err
		}
	}
	return e.facts.Search(ctx, q)
}
