package list

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sealist/sealist/config"
)

// ErrSetting is what every refusal of a setting's name or value wraps.
var ErrSetting = errors.New("list setting")

// Setting is one thing that people set of a list.
type Setting struct {
	Name string // as in `list set LIST NAME=VALUE`
	Help string // what it says, in one line
	Get  func(List) string
	set  func(*List, string) error
	own  bool // kept in a column of its own, not in the policy
}

// Settings are all settings of a list, in the order in which they are shown.
// Scenarios are not checked against those that exist.
func Settings() []Setting {
	return []Setting{
		{Name: "description", own: true, Help: "what the list is for, in one line",
			Get: func(l List) string { return l.Description }, set: func(l *List, s string) error { return line(&l.Description, s) }},
		{Name: "send", own: true, Help: "scenario that decides who may post",
			Get: func(l List) string { return l.Send }, set: func(l *List, s string) error { return line(&l.Send, s) }},
		{Name: "state", own: true, Help: "open: takes posts; closed: kept, but takes none",
			Get: func(l List) string { return string(l.State) }, set: func(l *List, s string) error { return word(&l.State, s, Open, Closed) }},
		{Name: "mail_list_agent", own: true, Help: "off; or sign every copy, and refuse or carry messages with a security label",
			Get: func(l List) string { return offOr(string(l.Agent)) },
			set: func(l *List, s string) error { return word(&l.Agent, onOr(s), NoAgent, RefuseLabels, CarryLabels) }},
		{Name: "allow_expired", own: true, Help: "yes: take an expired certificate where a member has no better one, if the site allows it, too",
			Get: func(l List) string { return yesNo(l.AllowExpired) }, set: func(l *List, s string) error { return boolean(&l.AllowExpired, s) }},

		{Name: "subscribe", Help: "scenario that decides who may subscribe",
			Get: func(l List) string { return l.Policy.Scenarios.Subscribe },
			set: func(l *List, s string) error { return line(&l.Policy.Scenarios.Subscribe, s) }},
		{Name: "unsubscribe", Help: "scenario that decides who may leave",
			Get: func(l List) string { return l.Policy.Scenarios.Unsubscribe },
			set: func(l *List, s string) error { return line(&l.Policy.Scenarios.Unsubscribe, s) }},
		{Name: "add", Help: "scenario that decides who may put others on the list",
			Get: func(l List) string { return l.Policy.Scenarios.Add },
			set: func(l *List, s string) error { return line(&l.Policy.Scenarios.Add, s) }},
		{Name: "del", Help: "scenario that decides who may take others off it",
			Get: func(l List) string { return l.Policy.Scenarios.Del },
			set: func(l *List, s string) error { return line(&l.Policy.Scenarios.Del, s) }},
		{Name: "invite", Help: "scenario that decides who may invite others",
			Get: func(l List) string { return l.Policy.Scenarios.Invite },
			set: func(l *List, s string) error { return line(&l.Policy.Scenarios.Invite, s) }},
		{Name: "remind", Help: "scenario that decides who may remind all members of their subscription",
			Get: func(l List) string { return l.Policy.Scenarios.Remind },
			set: func(l *List, s string) error { return line(&l.Policy.Scenarios.Remind, s) }},
		{Name: "review", Help: "scenario that decides who may see the members",
			Get: func(l List) string { return l.Policy.Scenarios.Review },
			set: func(l *List, s string) error { return line(&l.Policy.Scenarios.Review, s) }},
		{Name: "info", Help: "scenario that decides who may see what the list is for",
			Get: func(l List) string { return l.Policy.Scenarios.Info },
			set: func(l *List, s string) error { return line(&l.Policy.Scenarios.Info, s) }},
		{Name: "visibility", Help: "scenario that decides who may see that there is the list",
			Get: func(l List) string { return l.Policy.Scenarios.Visibility },
			set: func(l *List, s string) error { return line(&l.Policy.Scenarios.Visibility, s) }},

		{Name: "encryption", Help: "as-received; required: posts in clear are refused; always: they are encrypted, too",
			Get: func(l List) string { return string(l.Policy.Encryption) },
			set: func(l *List, s string) error {
				return word(&l.Policy.Encryption, s, EncryptAsReceived, EncryptRequired, EncryptAlways)
			}},
		{Name: "unsigned_encrypted", Help: "what becomes of encrypted posts whose author is not authenticated: refuse, hold, allow",
			Get: func(l List) string { return string(l.Policy.UnsignedEncrypted) },
			set: func(l *List, s string) error {
				return word(&l.Policy.UnsignedEncrypted, s, RefuseUnsigned, HoldUnsigned, AllowUnsigned)
			}},
		{Name: "smtp_requires", Help: "what a From field needs to count as smtp: none, dmarc",
			Get: func(l List) string { return string(l.Policy.SMTPRequires) },
			set: func(l *List, s string) error {
				return word(&l.Policy.SMTPRequires, s, SMTPRequiresNone, SMTPRequiresDMARC)
			}},
		{Name: "missing_certificate", Help: "notice: tell a member without certificate; report: tell the owners only; refuse-all: nobody gets the post",
			Get: func(l List) string { return string(l.Policy.MissingCertificate) },
			set: func(l *List, s string) error {
				return word(&l.Policy.MissingCertificate, s, MissingNotice, MissingReport, MissingRefuseAll)
			}},
		{Name: "withheld_for", Help: "how long a copy waits for a usable certificate",
			Get: func(l List) string { return l.Policy.WithheldFor.String() },
			set: func(l *List, s string) (err error) {
				l.Policy.WithheldFor, err = config.ParseDuration(s)
				return err
			}},
		{Name: "sender_report", Help: "when an author hears how many members were not reached: never, failures, always",
			Get: func(l List) string { return string(l.Policy.SenderReport) },
			set: func(l *List, s string) error {
				return word(&l.Policy.SenderReport, s, ReportNever, ReportFailures, ReportAlways)
			}},
		{Name: "auto_submitted", Help: "what becomes of mail that a machine wrote: reject, editor, accept",
			Get: func(l List) string { return string(l.Policy.AutoSubmitted) },
			set: func(l *List, s string) error {
				return word(&l.Policy.AutoSubmitted, s, AutoReject, AutoEditor, AutoAccept)
			}},
		{Name: "lang", Help: "what the list's own mail is written in: en, fr, de; empty: as the site's",
			Get: func(l List) string { return string(l.Policy.Lang) },
			set: func(l *List, s string) error { return word(&l.Policy.Lang, s, append(Languages(), "")...) }},

		{Name: "archive_for", Help: "how long posts are kept, as they came, for members to fetch; 0s: there is no archive",
			Get: func(l List) string { return l.Policy.ArchiveFor.String() },
			set: func(l *List, s string) (err error) {
				l.Policy.ArchiveFor, err = config.ParseDuration(s)
				return err
			}},
		{Name: "digest_every", Help: "how long a post waits at most for its digest",
			Get: func(l List) string { return l.Policy.DigestEvery.String() },
			set: func(l *List, s string) (err error) {
				l.Policy.DigestEvery, err = config.ParseDuration(s)
				return err
			}},
		{Name: "digest_posts", Help: "how many posts make a digest at once, 1 to 100",
			Get: func(l List) string { return strconv.Itoa(l.Policy.DigestPosts) },
			set: func(l *List, s string) error { return number(&l.Policy.DigestPosts, s, 1, 100) }},
		{Name: "digest_octets", Help: "how many octets of posts make a digest at once",
			Get: func(l List) string { return strconv.Itoa(l.Policy.DigestOctets) },
			set: func(l *List, s string) error { return number(&l.Policy.DigestOctets, s, 1000, 20<<20) }},
		{Name: "bounce_notify", Help: "points of bounces at which the owners are told of a member; 0: they are not",
			Get: func(l List) string { return strconv.Itoa(l.Policy.BounceNotify) },
			set: func(l *List, s string) error { return number(&l.Policy.BounceNotify, s, 0, maxPoints) }},
		{Name: "bounce_suspend", Help: "points of bounces at which a member is sent no more posts; 0: he goes on",
			Get: func(l List) string { return strconv.Itoa(l.Policy.BounceSuspend) },
			set: func(l *List, s string) error { return number(&l.Policy.BounceSuspend, s, 0, maxPoints) }},
		{Name: "bounce_remove", Help: "points of bounces at which a suspended member is taken off the list; 0: he stays",
			Get: func(l List) string { return strconv.Itoa(l.Policy.BounceRemove) },
			set: func(l *List, s string) error { return number(&l.Policy.BounceRemove, s, 0, maxPoints) }},
		{Name: "from_policy", Help: "when the list stands in From: keep: never; dmarc: where the author's domain asks for it; always",
			Get: func(l List) string { return string(l.Policy.FromPolicy) },
			set: func(l *List, s string) error { return word(&l.Policy.FromPolicy, s, FromKeep, FromDMARC, FromAlways) }},
		{Name: "reply_to", Help: "where answers go: sender, list, all, or an address",
			Get: func(l List) string { return l.Policy.ReplyTo.String() },
			set: func(l *List, s string) (err error) {
				l.Policy.ReplyTo, err = ParseReplyTo(s)
				return err
			}},
		{Name: "reply_to_forced", Help: "yes: the author's own Reply-To does not count",
			Get: func(l List) string { return yesNo(l.Policy.ReplyToForced) },
			set: func(l *List, s string) error { return boolean(&l.Policy.ReplyToForced, s) }},
		{Name: "subject_tag", Help: "what stands before the Subject, as [staff]; never on a protected one",
			Get: func(l List) string { return l.Policy.SubjectTag }, set: func(l *List, s string) error { return line(&l.Policy.SubjectTag, s) }},
		{Name: "anonymous_sender", Help: "address that stands for the author, whose identity is removed; empty: he is named",
			Get: func(l List) string { return l.Policy.AnonymousSender.String() },
			set: func(l *List, s string) (err error) {
				l.Policy.AnonymousSender = Address{}
				if s != "" {
					l.Policy.AnonymousSender, err = ParseAddress(s)
				}
				return err
			}},
		{Name: "remove_headers", Help: "header fields that copies do not keep, with commas between",
			Get: func(l List) string { return strings.Join(l.Policy.RemoveHeaders, ",") },
			set: func(l *List, s string) error { return fieldNames(&l.Policy.RemoveHeaders, s) }},
		{Name: "header", Help: "text before a post, where nothing signed is touched",
			Get: func(l List) string { return l.Policy.Header }, set: func(l *List, s string) error { return text(&l.Policy.Header, s) }},
		{Name: "footer", Help: "text behind a post, where nothing signed is touched",
			Get: func(l List) string { return l.Policy.Footer }, set: func(l *List, s string) error { return text(&l.Policy.Footer, s) }},
		{Name: "footer_type", Help: "how header and footer are joined to a post: mime, append",
			Get: func(l List) string { return string(l.Policy.FooterType) },
			set: func(l *List, s string) error { return word(&l.Policy.FooterType, s, FooterMIME, FooterAppend) }},
	}
}

// Set sets one setting by its name. ErrSetting.
func (l *List) Set(name, value string) error {
	for _, s := range Settings() {
		if s.Name == name {
			if err := s.set(l, value); err != nil {
				return fmt.Errorf("%w: %s: %w", ErrSetting, name, err)
			}
			return nil
		}
	}
	return fmt.Errorf("%w: there is no %.40q", ErrSetting, name)
}

// MarshalJSON writes an object of strings, one for every setting that is kept
// in the policy.
func (p Policy) MarshalJSON() ([]byte, error) {
	all := map[string]string{}
	for _, s := range Settings() {
		if !s.own {
			all[s.Name] = s.Get(List{Policy: p})
		}
	}
	return json.Marshal(all)
}

// UnmarshalJSON reads what MarshalJSON writes. What is not named is as in
// [DefaultPolicy]. A name that does not exist is an error.
func (p *Policy) UnmarshalJSON(octets []byte) error {
	var all map[string]string
	if err := json.Unmarshal(octets, &all); err != nil {
		return err
	}
	l := List{Policy: DefaultPolicy()}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := l.Set(name, all[name]); err != nil {
			return err
		}
	}
	*p = l.Policy
	return nil
}

// word sets one of some words.
func word[T ~string](to *T, s string, words ...T) error {
	if !slices.Contains(words, T(s)) {
		var some []string
		for _, w := range words {
			if w != "" {
				some = append(some, string(w))
			}
		}
		return fmt.Errorf("%.40q is none of %s", s, strings.Join(some, ", "))
	}
	*to = T(s)
	return nil
}

// maxPoints is more than a bounce every day can add up to.
const maxPoints = 100

// Words for a setting that is off.
const off = "off"

func offOr(s string) string {
	if s == "" {
		return off
	}
	return s
}

func onOr(s string) string {
	if s == off {
		return ""
	}
	return s
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func boolean(to *bool, s string) error {
	switch s {
	case "yes", "true", "on":
		*to = true
	case "no", "false", off:
		*to = false
	default:
		return fmt.Errorf("%.40q is neither yes nor no", s)
	}
	return nil
}

// number sets a whole number within bounds.
func number(to *int, s string, least, most int) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		return fmt.Errorf("%.40q is no number from %d to %d", s, least, most)
	}
	*to = n
	return nil
}

// Bounds of what people write.
const (
	maxLine = 400
	maxText = 16 << 10
)

// line sets text that fits into a header field.
func line(to *string, s string) error {
	switch {
	case !utf8.ValidString(s):
		return errors.New("it is not UTF-8")
	case len(s) > maxLine:
		return fmt.Errorf("it is longer than %d octets", maxLine)
	case strings.ContainsFunc(s, control):
		return errors.New("it holds a control character; write it in one line")
	}
	*to = s
	return nil
}

func control(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }

// text sets lines of text. Their ends become LF.
func text(to *string, s string) error {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	switch {
	case !utf8.ValidString(s):
		return errors.New("it is not UTF-8")
	case len(s) > maxText:
		return fmt.Errorf("it is longer than %d octets", maxText)
	case strings.ContainsFunc(s, func(r rune) bool { return control(r) && r != '\n' && r != '\t' }):
		return errors.New("it holds a control character")
	}
	*to = s
	return nil
}

// fieldNames sets names of header fields (RFC 5322 section 2.2).
func fieldNames(to *[]string, s string) error {
	var names []string
	for name := range strings.SplitSeq(s, ",") {
		name = strings.Trim(name, " ")
		if name == "" {
			continue
		}
		if len(name) > 100 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }) {
			return fmt.Errorf("%.40q is no name of a header field", name)
		}
		names = append(names, name)
	}
	*to = names
	return nil
}
