package compose

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/smime/entity"
)

// keptSealed are the outer fields that a sealed copy keeps. It is an
// allow-list: what is not named may hold what the sender did not mean to show.
var keptSealed = []string{"From", "To", "Cc", "Date", "Message-ID", "Subject", "In-Reply-To", "References", loopField}

// keptAnonymous are the fields of its author's that a copy of an anonymous list
// keeps as they are.
var keptAnonymous = []string{"Subject", loopField}

// droppedClear are the outer fields that a copy in clear does not keep. RFC
// 2369 section 3 and RFC 2919 section 3: List-* fields are this list's to set.
// A Bcc that the author's program left in is nobody's business. Receipts, which
// it asks for, would tell the author who is on the list.
var droppedClear = []string{"Return-Path", "Sender", "Precedence", "Bcc", "Errors-To",
	"Disposition-Notification-To", "Return-Receipt-To", "X-Confirm-Reading-To"}

// required are the fields that a copy has whatever remove_headers says.
var required = []string{"From", "Date", "Message-ID", loopField}

// loopField names every list that a message went through, one field each, also
// in sealed copies, which keep no other trace: two lists that are members of
// each other would never end.
const loopField = "X-Loop"

// header returns the outer fields of a copy. Of those that describe the content
// it has what about takes.
func (p Post) header(to Reader, sealed bool, about func(entity.Field) bool) ([]byte, error) {
	var b entity.Builder
	addOwn(&b, p.List, !p.OneClick)
	p.addMissing(&b)
	rewritten := p.rewrites(to)
	if rewritten {
		b.AddAddresses("From", p.viaList())
	}
	for _, f := range p.Message.Outer.Header() {
		switch {
		case !p.keeps(f, sealed, about):
		case f.Is("From") && rewritten:
		case f.Value() == "" && (f.Is("Message-ID") || f.Is("Date")): // it was added
		case f.Is("Subject"):
			p.addSubject(&b, f)
		default:
			b.AddField(f)
		}
	}
	if p.anonymous() {
		b.AddAddresses("From", mail.Address{Address: p.List.Policy.AnonymousSender.String()})
		b.AddAddresses("To", mail.Address{Address: p.List.Address.String()})
		for _, name := range []string{"In-Reply-To", "References"} {
			if ids := p.ownIDs(p.Message.Outer.Header().Get(name)); ids != "" {
				b.Add(name, ids)
			}
		}
	}
	p.addReplyTo(&b, sealed, rewritten)
	return b.Octets()
}

// rewrites tells whether the list stands in From. An author who protects his
// From stays there: readers see the protected one, and are warned where the
// outer differs (RFC 9788 section 4.4).
func (p Post) rewrites(to Reader) bool {
	return p.RewriteFrom && to == Person && !p.anonymous() && !p.protects("From")
}

// maxIDs bounds how many messages of a thread a copy names.
const maxIDs = 50

// ownIDs keeps the Message-IDs that an anonymous list made itself: the others
// have the names of their authors' machines in them.
func (p Post) ownIDs(value string) string {
	var own []string
	for id := range strings.FieldsSeq(value) {
		left, ok := strings.CutSuffix(id, "@"+p.List.Address.Domain()+">")
		if left, opens := strings.CutPrefix(left, "<"); ok && opens && len(own) < maxIDs && spoolID(left) {
			own = append(own, id)
		}
	}
	return strings.Join(own, " ")
}

// spoolID tells whether a word has the form of a spool item's ID.
func spoolID(s string) bool {
	return len(s) == 13 && !strings.ContainsFunc(s, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'v') })
}

// keeps tells whether a copy has an outer field of the post, changed or not.
func (p Post) keeps(f entity.Field, sealed bool, about func(entity.Field) bool) bool {
	policy := p.List.Policy
	switch {
	case f.Name == "" || f.Is("Reply-To"):
		return false
	case structural(f):
		return about(f)
	case p.anonymous():
		return slices.ContainsFunc(keptAnonymous, f.Is)
	case slices.ContainsFunc(policy.RemoveHeaders, f.Is) && !slices.ContainsFunc(required, f.Is):
		return false
	case sealed:
		return slices.ContainsFunc(keptSealed, f.Is)
	case f.Is("DKIM-Signature"):
		return !p.breaksDKIM()
	}
	return !slices.ContainsFunc(droppedClear, f.Is) && !strings.HasPrefix(strings.ToLower(f.Name), "list-")
}

// breaksDKIM tells whether the copy differs from the post in what a
// DKIM-Signature covers as a rule (RFC 6376 section 5.4.1).
func (p Post) breaksDKIM() bool {
	policy := p.List.Policy
	return p.RewriteFrom || p.frames() || policy.SubjectTag != "" || policy.ReplyTo.Mode != list.ReplyToSender || policy.ReplyToForced ||
		len(policy.RemoveHeaders) > 0 || p.List.Agent != list.NoAgent
}

// addOwn writes the fields that say which list this is, and how to reach it
// (RFC 2919, RFC 2369); unless each copy has its own, also how to leave it.
func addOwn(b *entity.Builder, l list.List, leaving bool) {
	b.Add("List-Id", "<"+ListID(l)+">")
	b.Add("List-Post", "<mailto:"+l.Address.String()+">")
	function := func(suffix, more string) string {
		return "<mailto:" + l.Name() + suffix + "@" + l.Address.Domain() + more + ">"
	}
	b.Add("List-Help", function(list.RequestSuffix, "?subject=help"))
	b.Add("List-Subscribe", function(list.SubscribeSuffix, ""))
	if leaving {
		b.Add("List-Unsubscribe", unsubscribe(l))
	}
	b.Add("List-Owner", "<mailto:"+l.Owner().String()+">")
	b.AddAddresses("Sender", mail.Address{Address: l.Owner().String()})
	b.Add("Precedence", "list")
	b.Add(loopField, ListID(l))
}

// unsubscribe is the address to which a mail takes its sender off the list.
func unsubscribe(l list.List) string {
	return "<mailto:" + l.Name() + list.UnsubscribeSuffix + "@" + l.Address.Domain() + ">"
}

// Unsubscribe writes the fields of one-click unsubscription for one member's
// copy (RFC 8058 section 3.1). link is an https URI of his own.
func Unsubscribe(l list.List, link string) ([]byte, error) {
	var b entity.Builder
	b.Add("List-Unsubscribe", "<"+link+">, "+unsubscribe(l))
	b.Add("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
	return b.Octets()
}

// addMissing writes the fields that RFC 5322 section 3.6 asks for, and that a
// reader needs to tell copies from posts, where the author's program left them
// out or the list hides who that was.
func (p Post) addMissing(b *entity.Builder) {
	h := p.Message.Outer.Header()
	if MessageID(h) == "" || p.anonymous() {
		b.Add("Message-ID", fmt.Sprintf("<%s@%s>", p.Stamp.ID, p.List.Address.Domain()))
	}
	if h.Get("Date") == "" || p.anonymous() {
		b.Add("Date", p.Stamp.Received.UTC().Format(time.RFC1123Z))
	}
}

// viaList is the list in the place of the author, whose name it keeps.
func (p Post) viaList() mail.Address {
	name := p.List.Name()
	if author, ok := p.author(); ok {
		if name = displayName(decoded(author.Name)); name == "" {
			name, _, _ = strings.Cut(author.Address, "@")
		}
		name += " via " + p.List.Name()
	}
	return mail.Address{Name: name, Address: p.List.Address.String()}
}

// maxName bounds the name of an author, in octets.
const maxName = 100

// displayName makes a name that any header field can hold: what a stranger
// encoded into his must not stop the copies.
func displayName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	return strings.ToValidUTF8(s[:min(len(s), maxName)], "")
}

// author is the one address of the one outer From field.
func (p Post) author() (mail.Address, bool) {
	from := p.Message.Outer.Header().All("From")
	if len(from) != 1 {
		return mail.Address{}, false
	}
	addrs, err := entity.Addresses(from[0].Value())
	if err != nil || len(addrs) != 1 {
		return mail.Address{}, false
	}
	parsed, err := mail.ParseAddress(from[0].Value())
	if err != nil {
		return mail.Address{Address: addrs[0]}, true
	}
	return *parsed, true
}

// addReplyTo writes where answers go. A sealed copy has the author's own only
// where he protected the very same one: whoever changes it on the way gets the
// answers. Where he protects one, that is what his readers see.
func (p Post) addReplyTo(b *entity.Builder, sealed, rewritten bool) {
	policy := p.List.Policy
	own := p.Message.Outer.Header().All("Reply-To")
	if sealed && !p.repeats("Reply-To", own) {
		own = nil
	}
	switch {
	case p.anonymous():
		own = nil
	case p.protects("Reply-To") && len(own) == 0:
		return
	case len(own) > 0 && (p.protects("Reply-To") || !policy.ReplyToForced):
		b.AddField(own[0])
		return
	}
	var to []mail.Address
	if author, ok := p.author(); ok && !p.anonymous() && (policy.ReplyTo.Mode == list.ReplyToAll || policy.ReplyTo.Mode == list.ReplyToSender && rewritten) {
		to = append(to, mail.Address{Address: author.Address})
	}
	switch policy.ReplyTo.Mode {
	case list.ReplyToList, list.ReplyToAll:
		to = append(to, mail.Address{Address: p.List.Address.String()})
	case list.ReplyToOther:
		to = append(to, mail.Address{Address: policy.ReplyTo.Address.String()})
	}
	if len(to) > 0 {
		b.AddAddresses("Reply-To", to...)
	}
}

// repeats tells whether the one field of a name outside says what the one
// protected field of that name says.
func (p Post) repeats(name string, outside []entity.Field) bool {
	inside := p.Message.Protection.Fields(name)
	return len(inside) == 1 && len(outside) == 1 && inside[0].Value() == outside[0].Value()
}
