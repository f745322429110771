// Package compose makes the message that a list distributes out of the post it
// received: which fields of the outer header a copy keeps, which the list adds
// or changes, and what stands before and behind the text. It never touches
// signed octets (invariant 6): what would have to is left undone, and said.
package compose

import (
	"fmt"
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

// Post is what copies are made from. The list's policy says how.
type Post struct {
	List    list.List
	Message *smime.Message
	Stamp   Stamp

	// RewriteFrom puts the list into From: from_policy says always, or dmarc and the author's domain asks for it.
	RewriteFrom bool

	// OneClick leaves List-Unsubscribe out: each copy gets its own (Unsubscribe).
	OneClick bool
}

// Reader is what is told apart of those who get copies.
type Reader int

// The readers.
const (
	Person Reader = iota
	AList         // a list, which judges the author anew: From stays
)

// ErrIdentity says that an anonymous list cannot hide who wrote a post.
var ErrIdentity = fmt.Errorf("the post names its author where it cannot be removed")

// Check says whether copies can be made of a post at all. ErrIdentity.
func (p Post) Check() error {
	if p.anonymous() && p.identified() {
		return ErrIdentity
	}
	return nil
}

// Undone says which wishes of the list's policy the post does not allow, a line
// each, for the record: the setting, and why. It quotes nothing of the post.
func (p Post) Undone() []string {
	var undone []string
	policy := p.List.Policy
	if why := p.untouchable(); why != "" && (policy.Header != "" || policy.Footer != "") {
		undone = append(undone, "footer: "+why)
	}
	if policy.SubjectTag != "" && p.protects("Subject") {
		undone = append(undone, "subject_tag: the author protects the Subject")
	}
	if policy.ReplyTo.Mode != list.ReplyToSender || policy.ReplyToForced {
		switch {
		case p.protects("Reply-To"):
			undone = append(undone, "reply_to: the author protects Reply-To")
		case p.Message.Protection.Kind() != smime.NoHeaderProtection: // RFC 9788 section 6.2; older readers follow the outer one
			undone = append(undone, "reply_to: the author protects the header, and readers may answer to what stands there")
		}
	}
	if policy.FromPolicy != list.FromKeep && p.protects("From") {
		undone = append(undone, "from_policy: the author protects From")
	}
	return undone
}

// protects tells whether a field stands among the protected ones.
func (p Post) protects(name string) bool { return len(p.Message.Protection.Fields(name)) > 0 }

// Content returns what the members get: the entity to be sealed, or to be sent
// in clear, with the list's header and footer where they may stand.
func (p Post) Content() (*entity.Entity, error) {
	content := p.Message.Payload
	var err error
	switch {
	case p.anonymous():
		content, err = bare(content, nameless)
	case !p.Message.Encrypted:
		content, err = bare(content, structural)
	}
	if err != nil {
		return nil, err
	}
	return p.framed(content)
}

// bare is the entity that a message is, without the fields that are not about
// its content.
func bare(e *entity.Entity, about func(entity.Field) bool) (*entity.Entity, error) {
	var fields entity.Header
	for _, f := range e.Header() {
		if about(f) && !f.Is("MIME-Version") {
			fields = append(fields, f)
		}
	}
	octets := slices.Concat(entity.Canonical(fields.Octets()), []byte("\r\n"), e.Body())
	return entity.Parse(octets, entity.DefaultLimits())
}

// structural tells whether a field describes the content and nothing else.
func structural(f entity.Field) bool {
	return f.Is("MIME-Version") || strings.HasPrefix(strings.ToLower(f.Name), "content-")
}

// nameless tells whether a field says how the content is to be read, and nothing else.
func nameless(f entity.Field) bool {
	return slices.ContainsFunc([]string{"Content-Type", "Content-Transfer-Encoding", "Content-Disposition"}, f.Is)
}

// SealedHeader returns the outer fields of a sealed copy, without those that
// describe its content: the sealer adds them. Each is as it stood outside the
// post, or the list's own: a protected field never comes from within, so that a
// Subject which the author hid stays hidden (RFC 9788 section 6.1).
func (p Post) SealedHeader(to Reader) ([]byte, error) {
	return p.header(to, true, func(entity.Field) bool { return false })
}

// Clear returns a whole copy of a post that arrived in clear. Unless the list
// adds text, its body and the fields that describe it are those of the post,
// octet for octet.
func (p Post) Clear(to Reader) ([]byte, error) {
	content, err := p.Content()
	if err != nil {
		return nil, err
	}
	if p.anonymous() || p.frames() {
		return p.Signed(content, to)
	}
	header, err := p.header(to, false, structural)
	if err != nil {
		return nil, err
	}
	return slices.Concat(header, []byte("\r\n"), p.Message.Outer.Body()), nil
}

// Signed returns a whole copy in clear whose content was made anew, as by the
// list's signature: content brings the fields that describe it.
func (p Post) Signed(content *entity.Entity, to Reader) ([]byte, error) {
	header, err := p.header(to, false, func(entity.Field) bool { return false })
	if err != nil {
		return nil, err
	}
	version := "MIME-Version: 1.0\r\n"
	if content.Header().Get("MIME-Version") != "" {
		version = ""
	}
	return slices.Concat(header, []byte(version), content.Octets()), nil
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
