package distribute

import (
	"context"
	"net/mail"
	"slices"
	"strings"

	"github.com/sealist/sealist/listd/compose"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/entity"
)

// answerTo makes the notice that a refused post is answered with, if somebody
// may be answered at all (invariant 13): never a null reverse-path, automatic
// or list mail, or an address of our own; and only an address that is known here
// by a role on some list.
func (d *Distributor) answerTo(ctx context.Context, s Submission, v verdict) (store.Notice, bool) {
	var template string
	switch v.answer {
	case neutral:
		template = notice.NotAccepted
	case refusal:
		template = notice.Refused
	case inClear:
		template = notice.InClear
	case notAll:
		template = notice.NotAll
	case notAnonymous:
		template = notice.NotAnonymous
	default:
		return store.Notice{}, false
	}
	to, ok := d.answerable(s)
	if !ok {
		return store.Notice{}, false
	}
	held, err := d.Store.Memberships(ctx, to)
	if err != nil || len(held) == 0 {
		return store.Notice{}, false
	}
	h := s.Message.Outer.Header()
	return store.Notice{
		Template: template, List: s.List.ID, To: to,
		Params: map[string]string{
			"message_id": compose.MessageID(h),
			"date":       quotedDate(h.Get("Date")),
		},
		Key: "answer/" + to.Key(), Every: noticeEvery, Limit: maxAnswers,
	}, true
}

// answerable returns the address that an automatic answer would go to: the
// authenticated author, else the reverse-path.
func (d *Distributor) answerable(s Submission) (list.Address, bool) {
	h := s.Message.Outer.Header()
	if bounced(s.Item) || automatic(h) || listMail(h) {
		return list.Address{}, false
	}
	claimed := s.Item.ReversePath
	if s.proven() {
		claimed = s.Author.Author
	}
	to, err := list.ParseAddress(claimed)
	if err != nil || d.ours(to) || strings.EqualFold(to.Domain(), s.List.Address.Domain()) || machineAddress(to) {
		return list.Address{}, false
	}
	return to, true
}

// ours tells whether an address is in a domain of this server.
func (d *Distributor) ours(a list.Address) bool {
	return slices.ContainsFunc(d.Domains, func(domain string) bool { return strings.EqualFold(domain, a.Domain()) })
}

// listMail tells whether a message came through a list or was sent in bulk:
// RFC 3834 section 2 answers neither.
func listMail(h entity.Header) bool {
	switch strings.ToLower(strings.TrimSpace(h.Get("Precedence"))) {
	case "bulk", "junk", "list":
		return true
	}
	return slices.ContainsFunc(h, func(f entity.Field) bool { return strings.HasPrefix(strings.ToLower(f.Name), "list-") })
}

// machineAddress tells whether an address is one that RFC 3834 section 2 says
// not to answer.
func machineAddress(a list.Address) bool {
	local := strings.ToLower(a.Local())
	return local == "mailer-daemon" || local == "postmaster" || strings.HasPrefix(local, "owner-") || strings.HasPrefix(local, list.ReturnPrefix) ||
		strings.HasSuffix(local, "-owner") || strings.HasSuffix(local, "-request") || strings.HasSuffix(local, "-bounces")
}

// notGiven stands in an answer where the post has nothing that may be quoted.
const notGiven = "not given"

// quotedDate returns a date in the server's own writing, which leaves no room
// for comments.
func quotedDate(date string) string {
	t, err := mail.ParseDate(date)
	if err != nil {
		return notGiven
	}
	return t.Format("Mon, 2 Jan 2006 15:04:05 -0700")
}

// oneLine makes a header value fit to be quoted: no controls, at most 200 octets.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}
