// Package compose makes the message that a list distributes out of the post it
// received: which fields of the outer header a copy keeps, and which the list
// adds. It never touches signed octets (invariant 6).
package compose

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/entity"
)

// Stamp is what a copy gets where the post has none of its own: the same for
// every copy of a post, whenever it is made (invariant 8).
type Stamp struct {
	ID       string    // of the spool item
	Received time.Time // when the post was accepted
}

// keptSealed are the outer fields that a sealed copy keeps. It is an
// allow-list: what is not named may hold what the sender did not mean to show.
var keptSealed = []string{"From", "To", "Cc", "Date", "Message-ID", "Subject", "In-Reply-To", "References", loopField}

// droppedClear are the outer fields that a copy in clear does not keep. RFC
// 2369 section 3 and RFC 2919 section 3: List-* fields are this list's to set.
// A Bcc that the author's program left in is nobody's business.
var droppedClear = []string{"Return-Path", "Sender", "Precedence", "Bcc"}

// loopField names every list that a message went through, one field each, also
// in sealed copies, which keep no other trace: two lists that are members of
// each other would never end.
const loopField = "X-Loop"

// SealedHeader returns the outer fields of a sealed copy, without those that
// describe its content: the sealer adds them.
//
// Each is as it stood outside the post: a protected field never comes from
// within, so that a Subject which the author hid stays hidden (RFC 9788 section
// 6.1). A Reply-To is kept only where the author protected the very same one:
// whoever changes it on the way gets the answers.
func SealedHeader(l list.List, outer entity.Header, p smime.Protection, s Stamp) ([]byte, error) {
	var b entity.Builder
	addOwn(&b, l)
	addMissing(&b, l, outer, s)
	for _, f := range outer {
		if slices.ContainsFunc(keptSealed, f.Is) || f.Is("Reply-To") && protects(p, outer, "Reply-To") {
			b.AddField(f)
		}
	}
	return b.Octets()
}

// protects tells whether the one field of a name outside says what the one
// protected field of that name says.
func protects(p smime.Protection, outer entity.Header, name string) bool {
	inside, outside := p.Fields(name), outer.All(name)
	return len(inside) == 1 && len(outside) == 1 && inside[0].Value() == outside[0].Value()
}

// Clear returns a whole copy of a post that arrived in clear. Its body and the
// fields that describe it are those of the post, octet for octet.
func Clear(l list.List, post *entity.Entity, s Stamp) ([]byte, error) {
	header, err := clearHeader(l, post.Header(), s, func(entity.Field) bool { return true })
	if err != nil {
		return nil, err
	}
	return slices.Concat(header, []byte("\r\n"), post.Body()), nil
}

// Signed returns a whole copy of a post that arrived in clear, whose content the
// list has signed: signed brings the fields that describe it.
func Signed(l list.List, outer entity.Header, signed *entity.Entity, s Stamp) ([]byte, error) {
	header, err := clearHeader(l, outer, s, func(f entity.Field) bool {
		return !f.Is("MIME-Version") && !strings.HasPrefix(strings.ToLower(f.Name), "content-")
	})
	if err != nil {
		return nil, err
	}
	return slices.Concat(header, signed.Octets()), nil
}

// clearHeader returns the outer fields of a copy in clear: the list's own, and
// those of the post that are kept.
func clearHeader(l list.List, outer entity.Header, s Stamp, keep func(entity.Field) bool) ([]byte, error) {
	var b entity.Builder
	addOwn(&b, l)
	addMissing(&b, l, outer, s)
	for _, f := range outer {
		if slices.ContainsFunc(droppedClear, f.Is) || strings.HasPrefix(strings.ToLower(f.Name), "list-") || f.Name == "" || !keep(f) {
			continue
		}
		b.AddField(f)
	}
	return b.Octets()
}

// addOwn writes the fields that say which list this is.
func addOwn(b *entity.Builder, l list.List) {
	b.Add("List-Id", "<"+ListID(l)+">")
	b.AddAddresses("Sender", mail.Address{Address: l.Owner().String()})
	b.Add("Precedence", "list")
	b.Add(loopField, ListID(l))
}

// addMissing writes the fields that RFC 5322 section 3.6 asks for, and that a
// reader needs to tell copies from posts, where the author's program left them out.
func addMissing(b *entity.Builder, l list.List, h entity.Header, s Stamp) {
	if MessageID(h) == "" {
		b.Add("Message-ID", fmt.Sprintf("<%s@%s>", s.ID, l.Address.Domain()))
	}
	if h.Get("Date") == "" {
		b.Add("Date", s.Received.UTC().Format(time.RFC1123Z))
	}
}

// ListID returns the list's identifier without its angle brackets: the list's
// address with a dot for the @ (RFC 2919 section 3).
func ListID(l list.List) string { return l.Name() + "." + l.Address.Domain() }

// FromList tells whether a message was distributed by this list before.
func FromList(l list.List, h entity.Header) bool {
	id := ListID(l)
	return slices.ContainsFunc(h, func(f entity.Field) bool {
		switch {
		case f.Is("List-Id"):
			return strings.HasSuffix(strings.ToLower(f.Value()), strings.ToLower("<"+id+">"))
		case f.Is(loopField):
			return strings.EqualFold(f.Value(), id)
		}
		return false
	})
}

// MessageID returns the Message-ID with its angle brackets, or "".
func MessageID(h entity.Header) string { return h.Get("Message-ID") }
