// Package notice writes service mail: what the server has to tell people
// itself. A notice is a template's name and a few short strings, never content
// of a post; its octets are made when it is sent, in the language of its list,
// from a template that the site may have put in the place of the shipped one.
//
// A notice that leaves in clear carries nothing that a stranger may not read; one
// with store.Notice.Sealed leaves only encrypted to its addressee. What stands
// outside then says nothing, and the Subject goes within (invariants 1 and 12).
// Signing and sealing are listd/distribute's.
package notice

import (
	"fmt"
	"log/slog"
	"net/mail"
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
	NewListCertificate  = "new_list_certificate" // to who is on a list: the certificate to encrypt to is another, and attached
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
	SigningFailed       = "signing_failed"       // to the listmasters: a list's service mail waits, for it cannot be signed; of no list

	LoginLink = "login_link" // to a person: a link that logs in on the pages; of no list

	CertExpiration            = "cert_expiration"             // to a person: his certificate ends; of no list (Sympa's certif_warning, daily_cert_expiration)
	CertExpirationOwners      = "cert_expiration_owners"      // to an owner: certificates on his list end
	CertExpirationListmasters = "cert_expiration_listmasters" // to the listmasters: certificates end; of no list
)

// Certificates is the parameter of a notice with the fingerprints of lists'
// certificates that are attached to it, with spaces between them.
const Certificates = "certificates"

// answers are the notices that answer a message: auto-replied in RFC 3834 section
// 5, the others are auto-generated.
var answers = map[string]bool{NotAccepted: true, Refused: true, InClear: true, NotAnonymous: true, NotAll: true, Challenge: true, Rejected: true, CommandReport: true, ArchivedPost: true}

// asking are the notices that are answered to the address for commands: their
// text says so.
var asking = map[string]bool{Challenge: true, Moderate: true, MemberRequest: true}

// OfSite tells whether a template is of no list, but of the whole server.
func OfSite(template string) bool {
	return template == ListmasterReport || template == CertificateAssigned || template == SigningFailed || template == LoginLink || template == CertExpiration || template == CertExpirationListmasters
}

// Site is what the whole server's notices have in common.
type Site struct {
	Address list.Address  // who is written to about what is no list's; zero: it comes from its addressee
	Lang    list.Language // of lists that name none, and of what is no list's; "": English
	Dir     string        // folder of templates that stand in for the shipped ones; "": none
	Log     *slog.Logger  // discards if nil
}

// Notices renders notices. It is safe for concurrent use.
type Notices struct {
	site    Site
	shipped map[list.Language]map[string]compiled // by name
}

// New reads the shipped templates. Those of the site's folder are read when they are used.
func New(site Site) (*Notices, error) {
	if site.Log == nil {
		site.Log = slog.New(slog.DiscardHandler)
	}
	if site.Lang == "" {
		site.Lang = list.English
	}
	shipped, err := readShipped()
	return &Notices{site: site, shipped: shipped}, err
}

// Stamp is what a notice gets when it is sent. All but Signer are those of its delivery, so that a repeated attempt sends the
// same message.
type Stamp struct {
	MessageID string // with its angle brackets
	Date      time.Time
	Signer    list.Address // the address that the certificate of its signature names: it comes from there; zero: it is not signed
}

// Render makes the message of a notice of list l; the zero list is none.
func (n *Notices) Render(l list.List, nt store.Notice, s Stamp) (Message, error) {
	lang := n.language(l)
	subject, body, err := n.text(l, lang, nt)
	if err != nil {
		return Message{}, err
	}
	auto := "auto-generated"
	if answers[nt.Template] {
		auto = "auto-replied"
	}
	var b entity.Builder
	from, replyTo := n.sender(l, nt, s.Signer)
	b.AddAddresses("From", mail.Address{Address: from.String()})
	if !replyTo.Same(from) {
		b.AddAddresses("Reply-To", mail.Address{Address: replyTo.String()})
	}
	b.AddAddresses("To", mail.Address{Address: nt.To.String()})
	b.AddText("Subject", subject)
	b.Add("Date", s.Date.UTC().Format(time.RFC1123Z))
	b.Add("Message-ID", s.MessageID)
	if id := nt.Params["message_id"]; answers[nt.Template] && quotedID(id) == id { // RFC 3834 section 3.1.6
		b.Add("In-Reply-To", id)
		b.Add("References", id)
	}
	b.Add("Auto-Submitted", auto)
	b.Add("X-Auto-Response-Suppress", "All") // QUIRK: Exchange answers automatic mail unless told so in its own words
	fields, err := b.Header()
	if err != nil {
		return Message{}, fmt.Errorf("notice %s: %w", nt.Template, err)
	}
	return Message{fields: fields, cover: cover(lang, l), Content: entity.PlainText(body)}, nil
}

// sender is where a notice comes from, and where answers go.
//
// What is signed comes from the address that the certificate names, for that is what mail clients compare; but answers to
// LIST would be posts. RFC 3834 section 3.1.1 wants them to reach a person, or what takes commands.
func (n *Notices) sender(l list.List, nt store.Notice, signer list.Address) (from, replyTo list.Address) {
	switch {
	case !l.Address.IsZero():
		replyTo = l.Owner()
	case !n.site.Address.IsZero():
		replyTo = n.site.Address
	default:
		replyTo = nt.To
	}
	if from = signer; from.IsZero() {
		from = replyTo
	}
	if robot, err := list.ParseAddress(nt.Params["robot"]); err == nil && asking[nt.Template] {
		replyTo = robot
	}
	return from, replyTo
}

// language is what a list's notices are written in.
func (n *Notices) language(l list.List) list.Language {
	if l.Policy.Lang != "" {
		return l.Policy.Lang
	}
	return n.site.Lang
}

// text executes the template. One of the site's that fails is left aside: people are told in any case.
func (n *Notices) text(l list.List, lang list.Language, nt store.Notice) (subject, body string, err error) {
	data := variables(l, nt)
	own, path, err := n.override(l.Address, lang, nt.Template)
	if err == nil && path != "" {
		if subject, body, err = own.execute(data); err == nil {
			return subject, body, nil
		}
	}
	if err != nil {
		n.site.Log.Error("a template of the site cannot be used; the shipped one stands in for it", "room", "notice", "file", path, "err", err,
			"next", "mend it, `listd config check` tells whether it is good")
	}
	t, ok := n.shippedTemplate(lang, nt.Template)
	if !ok {
		return "", "", fmt.Errorf("%w: there is none of the name %.80q", ErrTemplate, nt.Template)
	}
	if subject, body, err = t.execute(data); err != nil {
		return "", "", fmt.Errorf("notice %s: %w", nt.Template, err)
	}
	return subject, body, nil
}

// variables are what a template is told: strings of one line each, and lines.
func variables(l list.List, nt store.Notice) map[string]any {
	data := map[string]any{"to": nt.To.String(), lineList: cleanLines(nt.Lines)}
	if !l.Address.IsZero() {
		data["list"], data["owner"] = l.Address.String(), l.Owner().String()
	}
	for k, v := range nt.Params {
		if k == "message_id" {
			v = quotedID(v)
		}
		data[k] = clean(v)
	}
	return data
}
