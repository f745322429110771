package scenario

import (
	"context"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sealist/sealist/listd/list"
)

// variable is what stands in brackets: [sender], [list->total],
// [msg_header->Subject][0].
type variable struct {
	name  string
	key   string
	index *int
	value func(context.Context, evaluation, string) ([]string, error)
}

// String writes the variable as a rule has it.
func (v *variable) String() string {
	s := "[" + v.name
	if v.key != "" {
		s += "->" + v.key
	}
	s += "]"
	if v.index != nil {
		s += fmt.Sprintf("[%d]", *v.index)
	}
	return s
}

// header tells whether the value is a field of the message's header.
func (v *variable) header() bool { return v.name == "msg_header" }

// aliases of names and keys that older files have.
var aliases = map[string]string{
	"host": "domain", "header": "msg_header", "date": "current_date", "execution_date": "current_date",
	"list->host": "list->domain", "conf->host": "conf->domain", "list->description": "list->subject",
}

// withoutSource are variables of Sympa that nothing in Sealist could fill. To
// take them for empty would make their negations true: they are refused.
var withoutSource = []string{"env", "user", "user_attributes", "subscriber", "custom_vars", "family", "previous_email", "current_email"}

// newVariable finds a variable, or says that there is none.
func newVariable(name, key, number string) (*variable, error) {
	v := &variable{name: strings.ToLower(name), key: strings.ToLower(key), index: index(number)}
	if a, ok := aliases[v.name]; ok {
		v.name = a
	}
	full := v.name
	if v.key != "" {
		full += "->" + v.key
	}
	if a, ok := aliases[full]; ok {
		full = a
		v.name, v.key, _ = strings.Cut(full, "->")
	}
	if v.header() && v.key != "" {
		v.value = headerField
		return v, nil
	}
	known, ok := variables[full]
	switch {
	case !ok && slices.Contains(withoutSource, v.name):
		return v, fmt.Errorf("nothing in Sealist could be the variable [%s]", full)
	case !ok:
		return v, fmt.Errorf("there is no variable [%s]", full)
	case v.index != nil:
		return v, fmt.Errorf("the variable [%s] has no values to be numbered", full)
	}
	v.value = func(ctx context.Context, e evaluation, _ string) ([]string, error) { return known(ctx, e) }
	return v, nil
}

// values returns the values of an argument that is no regular expression.
func (a argument) values(ctx context.Context, e evaluation) ([]string, error) {
	if a.variable == nil {
		return []string{a.literal}, nil
	}
	all, err := a.variable.value(ctx, e, a.variable.key)
	if err != nil || a.variable.index == nil {
		return all, err
	}
	i := *a.variable.index
	if i < 0 {
		i += len(all)
	}
	if i < 0 || i >= len(all) {
		return []string{""}, nil
	}
	return all[i : i+1], nil
}

// first returns the first value of an argument.
func (a argument) first(ctx context.Context, e evaluation) (string, error) {
	all, err := a.values(ctx, e)
	if err != nil || len(all) == 0 {
		return "", err
	}
	return all[0], nil
}

// nobody is the sender of a request without one.
const nobody = "nobody"

func personOrNobody(a list.Address) string {
	if a.IsZero() {
		return nobody
	}
	return a.String()
}

// variables are those with one meaning each, by name and key.
var variables = map[string]func(context.Context, evaluation) ([]string, error){
	"sender":       text(func(e evaluation) string { return personOrNobody(e.Sender) }),
	"email":        text(func(e evaluation) string { return personOrNobody(e.email()) }),
	"user->email":  text(func(e evaluation) string { return personOrNobody(e.Sender) }),
	"listname":     text(listName),
	"list->name":   text(listName),
	"domain":       text(func(e evaluation) string { return e.List.Address.Domain() }),
	"conf->domain": text(func(e evaluation) string { return e.List.Address.Domain() }),
	"list->domain": text(func(e evaluation) string { return e.List.Address.Domain() }),
	"list->address": text(func(e evaluation) string {
		return e.List.Address.String()
	}),
	"list->subject": text(func(e evaluation) string { return e.List.Description }),
	"list->status": text(func(e evaluation) string {
		if e.List.State == list.Closed {
			return "closed"
		}
		return "open"
	}),
	"list->total": func(ctx context.Context, e evaluation) ([]string, error) {
		n, err := e.facts.Count(ctx, e.List.Address, list.RoleMember)
		return []string{strconv.Itoa(n)}, err
	},
	"current_date": text(func(e evaluation) string { return strconv.FormatInt(e.Now.Unix(), 10) }),
	"remote_host": text(func(e evaluation) string {
		if e.Host == "" {
			return "unknown_host"
		}
		return e.Host
	}),
	"remote_addr": text(func(e evaluation) string {
		if !e.Addr.IsValid() {
			return ""
		}
		return e.Addr.Unmap().String()
	}),
	// Sealist has no topics: a message has none, as in a list of Sympa without.
	"topic": text(empty), "topic_auto": text(empty), "topic_sender": text(empty), "topic_editor": text(empty), "topic_needed": text(empty),

	"msg_encrypted":      ofMessage(func(_ evaluation, m Message) string { return flag(m.Encrypted(), "smime") }),
	"msg->smime_crypted": ofMessage(func(_ evaluation, m Message) string { return flag(m.Encrypted(), "smime") }),
	"msg->smime_signed":  ofMessage(func(e evaluation, _ Message) string { return flag(e.Method == SMIME, "1") }),
	"msg->size":          ofMessage(func(_ evaluation, m Message) string { return strconv.FormatInt(m.Size(), 10) }),
	"msg->spam_status":   ofMessage(spamStatus),
	"msg_body":           ofMessage(func(_ evaluation, m Message) string { return m.Text() }),
	"is_bcc":             ofMessage(isBcc),
	"msg_part->type": func(_ context.Context, e evaluation) ([]string, error) {
		return parts(e, func(p Part) (string, bool) { return p.Type, true }), nil
	},
	"msg_part->body": func(_ context.Context, e evaluation) ([]string, error) {
		return parts(e, func(p Part) (string, bool) { return p.Text, p.Text != "" }), nil
	},
}

// text is a variable with one value that needs no looking up.
func text(of func(evaluation) string) func(context.Context, evaluation) ([]string, error) {
	return func(_ context.Context, e evaluation) ([]string, error) { return []string{of(e)}, nil }
}

// ofMessage is a variable that is empty where there is no message.
func ofMessage(of func(evaluation, Message) string) func(context.Context, evaluation) ([]string, error) {
	return text(func(e evaluation) string {
		if e.Message == nil {
			return ""
		}
		return of(e, e.Message)
	})
}

func listName(e evaluation) string {
	if e.List.Address.IsZero() {
		return ""
	}
	return e.List.Name()
}

func empty(evaluation) string { return "" }

func flag(set bool, word string) string {
	if set {
		return word
	}
	return ""
}

func parts(e evaluation, of func(Part) (string, bool)) []string {
	var all []string
	if e.Message != nil {
		for _, p := range e.Message.Parts() {
			if s, ok := of(p); ok {
				all = append(all, s)
			}
		}
	}
	return all
}

// headerField returns the values of a field; one that is missing is empty.
func headerField(_ context.Context, e evaluation, name string) ([]string, error) {
	if e.Message != nil {
		if all := e.Message.Fields(name); len(all) > 0 {
			return all, nil
		}
	}
	return []string{""}, nil
}

var (
	spamYes  = regexp.MustCompile(`(?i)^\s*yes`)
	spamHigh = regexp.MustCompile(`(?i)Spam Hi`)
	spamLow  = regexp.MustCompile(`(?i)Spam Low`)
)

// spamStatus is what Sympa's own spam_status scenario makes of the fields that
// filters add.
func spamStatus(_ evaluation, m Message) string {
	last := func(name string) string {
		if all := m.Fields(name); len(all) > 0 {
			return all[len(all)-1]
		}
		return ""
	}
	switch j := last("X-j-chkmail-Status"); {
	case spamYes.MatchString(last("X-Spam-Status")), spamHigh.MatchString(j):
		return "spam"
	case spamLow.MatchString(j):
		return "unsure"
	}
	return "ham"
}

// isBcc is 1 where neither To nor Cc names the list, else 0. A field that is
// no list of addresses names it where its address stands in it.
func isBcc(e evaluation, m Message) string {
	for _, value := range append(m.Fields("To"), m.Fields("Cc")...) {
		people, err := mail.ParseAddressList(value)
		if err != nil && strings.Contains(strings.ToLower(value), e.List.Address.Key()) {
			return "0"
		}
		for _, p := range people {
			if strings.EqualFold(p.Address, e.List.Address.String()) {
				return "0"
			}
		}
	}
	return "1"
}
