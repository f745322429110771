package list

import (
	"time"

	"github.com/sealist/sealist/config"
)

// Policy is how a list treats what is posted to it, as its owners set it. The
// zero value is none: begin with [DefaultPolicy].
type Policy struct {
	Encryption         Encryption
	UnsignedEncrypted  UnsignedEncrypted
	SMTPRequires       SMTPRequires
	MissingCertificate MissingCertificate
	WithheldFor        config.Duration // how long a copy waits for a usable certificate
	SenderReport       SenderReport
	AutoSubmitted      AutoSubmitted
	Lang               Language // of its service mail; "": the site's

	Scenarios Scenarios

	ArchiveFor config.Duration // how long posts are kept for members to fetch; 0: they are not

	DigestEvery  config.Duration // the longest that a post waits for its digest
	DigestPosts  int             // so many make a digest at once
	DigestOctets int             // as many octets of posts, as they arrived

	BounceNotify  int // points of bounces at which the owners are told of a member; 0: they are not
	BounceSuspend int // at which he gets no posts any more; 0: he does
	BounceRemove  int // at which somebody who is suspended is taken off the list; 0: he stays

	FromPolicy      FromPolicy
	ReplyTo         ReplyTo
	ReplyToForced   bool    // the author's own Reply-To does not count
	SubjectTag      string  // stands before the outer Subject; "": none
	AnonymousSender Address // stands for the author, whose identity is removed; zero: he is named
	RemoveHeaders   []string
	Header          string // text before the post; "": none
	Footer          string // text behind it
	FooterType      FooterType
}

// DefaultPolicy is the policy of a list that says nothing of its own.
func DefaultPolicy() Policy {
	return Policy{
		Encryption: EncryptAsReceived, UnsignedEncrypted: HoldUnsigned, SMTPRequires: SMTPRequiresNone,
		MissingCertificate: MissingNotice, WithheldFor: config.Duration(7 * 24 * time.Hour), SenderReport: ReportFailures,
		AutoSubmitted: AutoReject, Scenarios: DefaultScenarios(),
		DigestEvery: config.Duration(24 * time.Hour), DigestPosts: 25, DigestOctets: 1 << 20,
		BounceNotify: 2, BounceSuspend: 5, BounceRemove: 8, FromPolicy: FromKeep, ReplyTo: ReplyTo{Mode: ReplyToSender}, FooterType: FooterMIME,
	}
}

// Scenarios are the names of the scenarios that decide who may do what with the
// list, beside List.Send.
type Scenarios struct {
	Subscribe, Unsubscribe, Add, Del, Invite, Remind, Review, Info, Visibility string
}

// DefaultScenarios are those of a list that names none: nobody comes or goes, or
// is put on or off by an owner, by an unproven address; members may invite.
func DefaultScenarios() Scenarios {
	return Scenarios{Subscribe: "auth", Unsubscribe: "auth", Add: "auth", Del: "auth", Invite: "private", Remind: "owner", Review: "owner",
		Info: "open", Visibility: "conceal"}
}

// DemandsEncryption tells whether nothing is posted to the list in clear, or
// leaves it so.
func (p Policy) DemandsEncryption() bool {
	return p.Encryption == EncryptRequired || p.Encryption == EncryptAlways
}

// Language is what service mail is written in, as an ISO 639 code.
type Language string

// The languages that there are.
const (
	English Language = "en"
	French  Language = "fr"
	German  Language = "de"
)

// Languages returns all of them, English first.
func Languages() []Language { return []Language{English, French, German} }

// Encryption says which posts are distributed encrypted.
type Encryption string

// The kinds of encryption policy.
const (
	EncryptAsReceived Encryption = "as-received" // a post that arrived encrypted leaves so, one in clear in clear
	EncryptRequired   Encryption = "required"    // posts in clear are refused
	EncryptAlways     Encryption = "always"      // posts in clear are encrypted, too
)

// UnsignedEncrypted says what happens to a post that arrived encrypted and
// whose author is not authenticated, where the scenario would let it pass.
type UnsignedEncrypted string

// What may happen to it.
const (
	RefuseUnsigned UnsignedEncrypted = "refuse"
	HoldUnsigned   UnsignedEncrypted = "hold"  // the editors decide
	AllowUnsigned  UnsignedEncrypted = "allow" // the scenario's word counts
)

// SMTPRequires says what a From field needs before it counts as smtp.
type SMTPRequires string

// What it may need.
const (
	SMTPRequiresNone  SMTPRequires = "none"
	SMTPRequiresDMARC SMTPRequires = "dmarc" // dmarc=pass in an Authentication-Results of our own MTA (RFC 8601)
)

// MissingCertificate says what happens when a member has no usable certificate.
type MissingCertificate string

// What may happen.
const (
	MissingNotice    MissingCertificate = "notice"     // the member is told, and gets his copy once he has one
	MissingReport    MissingCertificate = "report"     // only the owners are told
	MissingRefuseAll MissingCertificate = "refuse-all" // nobody gets the post
)

// SenderReport says when an author hears how many members were not reached.
type SenderReport string

// When he may.
const (
	ReportNever    SenderReport = "never"
	ReportFailures SenderReport = "failures"
	ReportAlways   SenderReport = "always"
)

// AutoSubmitted says what happens to mail that a machine wrote (RFC 3834).
type AutoSubmitted string

// What may happen to it.
const (
	AutoReject AutoSubmitted = "reject"
	AutoEditor AutoSubmitted = "editor" // the editors decide
	AutoAccept AutoSubmitted = "accept" // as with any other post
)

// FromPolicy says when the list stands in the From field of a copy.
type FromPolicy string

// When it may.
const (
	FromKeep   FromPolicy = "keep"   // never
	FromDMARC  FromPolicy = "dmarc"  // where the author's domain publishes p=quarantine or p=reject (RFC 7489)
	FromAlways FromPolicy = "always" // in every copy
)

// FooterType says how header and footer are joined to a post.
type FooterType string

// How they may be.
const (
	FooterMIME   FooterType = "mime"   // as parts of their own
	FooterAppend FooterType = "append" // written into a text/plain
)

// ReplyToMode says where answers go.
type ReplyToMode string

// Where they may go.
const (
	ReplyToSender ReplyToMode = "sender"
	ReplyToList   ReplyToMode = "list"
	ReplyToAll    ReplyToMode = "all" // to both
	ReplyToOther  ReplyToMode = "other"
)

// ReplyTo is where answers go; Address is set for ReplyToOther only.
type ReplyTo struct {
	Mode    ReplyToMode
	Address Address
}

// String returns sender, list, all or the address.
func (r ReplyTo) String() string {
	if r.Mode == ReplyToOther {
		return r.Address.String()
	}
	return string(r.Mode)
}

// ParseReplyTo reads what String writes.
func ParseReplyTo(s string) (ReplyTo, error) {
	switch m := ReplyToMode(s); m {
	case ReplyToSender, ReplyToList, ReplyToAll:
		return ReplyTo{Mode: m}, nil
	}
	a, err := ParseAddress(s)
	return ReplyTo{ReplyToOther, a}, err
}
