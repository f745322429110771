// Package notice writes service mail: what the server has to tell people
// itself. A notice is a template's name and a few short strings, never content
// of a post; its octets are made when it is sent.
//
// A notice that leaves in clear carries nothing that a stranger may not read; one
// with store.Notice.Sealed leaves only encrypted to its addressee, and its
// Subject, which stays outside, says nothing either (invariants 1 and 12).
//
// Interim: English only, and unsigned; the keys issue adds languages and
// signatures.
package notice

import (
	"embed"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/entity"
)

// The notices that exist.
const (
	NoCertificate       = "no_certificate"       // to a member: a copy was withheld, there is nothing to seal it to
	NotAccepted         = "not_accepted"         // to a sender: the same words for all that can go wrong with an encrypted post
	Refused             = "refused"              // to a sender: the scenario refused a post that arrived in clear, or whose author is known
	InClear             = "in_clear"             // to a sender: the list takes encrypted posts only, and how to send one
	CertificateAdded    = "certificate_added"    // to a person: a new certificate will be used for him
	CertificateAssigned = "certificate_assigned" // to a person: a listmaster added a certificate for him; of no list
	NewPost             = "new_post"             // to a member who gets no posts but a word that there is one
	NotAnonymous        = "not_anonymous"        // to a sender: the list hides authors, and the post names its own
	Challenge           = "challenge"            // to a sender: answer, if the post is yours
	Moderate            = "moderate"             // to an editor: a post waits for your decision, and is attached
	ModerationSummary   = "moderation_summary"   // to an editor: how many wait
	ArchivedPost        = "archived_post"        // to a member who asked for a post of the archive, which is attached
	Forwarded           = "forwarded"            // to an owner or editor: mail to LIST-owner or -editor, which is attached
	Welcome             = "welcome"              // to a new member
	AddressAdded        = "address_added"        // to each address of a member: one more gets his posts
	Farewell            = "farewell"             // to who was one
	Invitation          = "invitation"           // to somebody: how to subscribe
	Reminder            = "reminder"             // to a member: that he is one
	MemberRequest       = "member_request"       // to an owner: somebody wants to come or to go
	CommandReport       = "command_report"       // to a sender: what became of his commands
	Rejected            = "rejected"             // to an author: an editor decided against his post
	SenderReport        = "sender_report"        // to an author: whom his post reached
	NotAll              = "not_all"              // to an author: somebody has no certificate, and the list sends to all or none
	OwnersReport        = "owners_report"        // to an owner: what needs him
	BounceSuspended     = "bounce_suspended"     // to a member: his mail came back, how to get posts again
	BounceOwners        = "bounce_owners"        // to an owner: what was done about members whose mail comes back
	ListmasterReport    = "listmaster_report"    // to the listmasters: what needs them; of no list
)

// answers are the notices that answer a message; RFC 3834 section 5 wants them
// told apart from those that come by themselves.
var answers = map[string]bool{NotAccepted: true, Refused: true, InClear: true, NotAnonymous: true, NotAll: true, Challenge: true, Rejected: true, CommandReport: true, ArchivedPost: true}

//go:embed templates/en/*.txt
var files embed.FS

// maxParam bounds each string that goes into a template, in octets.
const maxParam = 1000

// maxLines bounds what one notice lists.
const maxLines = 1200

// Notices renders notices. It is safe for concurrent use.
type Notices struct {
	templates *template.Template
	site      list.Address
}

// New reads the templates. What is no list's comes from the address site, or, if that is zero, from its addressee.
func New(site list.Address) (*Notices, error) {
	t, err := template.New("").Option("missingkey=error").ParseFS(files, "templates/en/*.txt")
	if err != nil {
		return nil, fmt.Errorf("reading the templates of service mail: %w", err)
	}
	return &Notices{templates: t, site: site}, nil
}

// Message is service mail in its two halves.
type Message struct {
	Header  []byte // outer fields, each ending in CRLF, without those that describe the content
	Content []byte // an entity: the fields that describe it, an empty line, the text; canonical
}

// Octets returns the whole message, in clear.
func (m Message) Octets() []byte {
	return slices.Concat(m.Header, []byte("MIME-Version: 1.0\r\n"), m.Content)
}

// Render returns the message of a notice of list l. messageID, with its angle brackets, and date are those of the
// notice's delivery, so that a repeated attempt sends the same message.
func (n *Notices) Render(l list.List, nt store.Notice, messageID string, date time.Time) (Message, error) {
	text, err := n.text(l, nt)
	if err != nil {
		return Message{}, err
	}
	subject, body, ok := strings.Cut(text, "\n\n")
	subject, isSubject := strings.CutPrefix(subject, "Subject: ")
	if !ok || !isSubject {
		return Message{}, fmt.Errorf("template %s does not begin with a Subject and an empty line", nt.Template)
	}
	auto := "auto-generated"
	if answers[nt.Template] {
		auto = "auto-replied"
	}
	var b entity.Builder
	from := nt.To
	switch {
	case !l.Address.IsZero():
		from = l.Owner()
	case !n.site.IsZero():
		from = n.site
	}
	b.AddAddresses("From", mail.Address{Address: from.String()})
	b.AddAddresses("To", mail.Address{Address: nt.To.String()})
	b.AddText("Subject", subject)
	b.Add("Date", date.UTC().Format(time.RFC1123Z))
	b.Add("Message-ID", messageID)
	if id := nt.Params["message_id"]; answers[nt.Template] && quotedID(id) == id {
		b.Add("In-Reply-To", id)
	}
	b.Add("Auto-Submitted", auto)
	b.Add("X-Auto-Response-Suppress", "All") // QUIRK: Exchange answers automatic mail unless told so in its own words
	header, err := b.Octets()
	if err != nil {
		return Message{}, fmt.Errorf("notice %s: %w", nt.Template, err)
	}
	return Message{Header: header, Content: entity.PlainText(body)}, nil
}

// text executes the template.
func (n *Notices) text(l list.List, nt store.Notice) (string, error) {
	data := map[string]any{"to": nt.To.String()}
	if !l.Address.IsZero() {
		data["list"], data["owner"] = l.Address.String(), l.Owner().String()
	}
	var lines []string
	for _, line := range nt.Lines[:min(len(nt.Lines), maxLines)] {
		lines = append(lines, clean(line))
	}
	data["lines"] = lines
	for k, v := range nt.Params {
		if k == "message_id" {
			v = quotedID(v)
		}
		data[k] = clean(v)
	}
	var out strings.Builder
	if err := n.templates.ExecuteTemplate(&out, nt.Template+".txt", data); err != nil {
		return "", fmt.Errorf("notice %s: %w", nt.Template, err)
	}
	return out.String(), nil
}

// clean makes a string fit for one line of text.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > maxParam {
		s = strings.ToValidUTF8(s[:maxParam], "") + "…"
	}
	return s
}

// notGiven stands in an answer where the post has nothing that may be quoted.
const notGiven = "not given"

// quotedID returns a Message-ID that is one by RFC 5322 section 3.6.4. Anything
// else would let a stranger write a line of his own into mail of the list's,
// to whichever member he names in his reverse-path (invariant 13).
func quotedID(id string) string {
	inner, opens := strings.CutPrefix(id, "<")
	inner, closes := strings.CutSuffix(inner, ">")
	left, right, ok := strings.Cut(inner, "@")
	literal := len(right) > 2 && right[0] == '[' && right[len(right)-1] == ']'
	if literal {
		right = strings.ReplaceAll(right[1:len(right)-1], ":", ".") // the colons of IPv6
	}
	if !opens || !closes || !ok || len(id) > 200 || !dotAtom(left) || !dotAtom(right) {
		return notGiven
	}
	return id
}

// dotAtom tells whether s is a dot-atom-text of ASCII. Dots may stand anywhere:
// real Message-IDs have them so.
func dotAtom(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", r)
	})
}
