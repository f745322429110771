// Package list holds the values everything else speaks of: addresses, lists,
// their members and the roles of members. It does no I/O.
package list

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ID is the number under which the database keeps a list; 0 is no list.
type ID int64

// String returns the number in decimal.
func (id ID) String() string { return strconv.FormatInt(int64(id), 10) }

// Role is what a person is on a list. One person may have several.
type Role string

// The roles.
const (
	RoleMember Role = "member" // receives posts (a subscriber)
	RoleOwner  Role = "owner"  // answers for the list
	RoleEditor Role = "editor" // decides on held posts
)

// ParseRole reads one of the three words; "" is RoleMember.
func ParseRole(s string) (Role, error) {
	switch r := Role(s); r {
	case "":
		return RoleMember, nil
	case RoleMember, RoleOwner, RoleEditor:
		return r, nil
	}
	return "", fmt.Errorf("%.40q is not a role: write member, owner or editor", s)
}

// Reception is how a member receives posts, in Sympa's words.
type Reception string

// The modes of reception.
const (
	ReceiveMail   Reception = "mail"   // every post
	ReceiveNotMe  Reception = "not_me" // every post but his own
	ReceiveNoMail Reception = "nomail" // none
	ReceiveDigest Reception = "digest" // several posts in one mail
	ReceiveNotice Reception = "notice" // for each post a mail that says no more than that it is there
)

// String returns the word; "mail" for the zero value.
func (r Reception) String() string {
	if r == "" {
		return string(ReceiveMail)
	}
	return string(r)
}

// ParseReception reads one of the words; "" is ReceiveMail.
func ParseReception(s string) (Reception, error) {
	r := ReceiveMail
	if s == "" {
		return r, nil
	}
	return r, word(&r, s, ReceiveMail, ReceiveNotMe, ReceiveNoMail, ReceiveDigest, ReceiveNotice)
}

// State says whether a list takes posts.
type State string

// The states of a list.
const (
	Open   State = "open"   // takes posts
	Closed State = "closed" // kept, but takes no posts
)

// ParseState reads "open" or "closed"; "" is Open.
func ParseState(s string) (State, error) {
	switch st := State(s); st {
	case "":
		return Open, nil
	case Open, Closed:
		return st, nil
	}
	return "", fmt.Errorf("%.40q is not a list state: write open or closed", s)
}

// DefaultSend is the scenario of a list that names none: members may post, and
// their post must be signed.
const DefaultSend = "private_smime"

// List is one mailing list.
type List struct {
	ID          ID        `json:"id"`
	Address     Address   `json:"address"`
	Description string    `json:"description,omitempty"`
	Send        string    `json:"send"`    // name of the scenario that decides on posts
	State       State     `json:"state"`   // open or closed
	Created     time.Time `json:"created"` // UTC
	Agent       Agent     `json:"mail_list_agent,omitempty"`

	// AllowExpired takes a member's certificate that has expired where he has no better one, if the site allows it, too.
	AllowExpired bool `json:"allow_expired,omitempty"`

	Policy Policy `json:"policy"`

	// Robot is set for what is no mailing list but the address of a domain that takes commands by mail: it has keys, and
	// no members.
	Robot bool `json:"robot,omitempty"`

	HasKey bool `json:"has_key"` // a key pair is installed; read-only: kept with the keys
}

// Name returns the local part of the list's address.
func (l List) Name() string { return l.Address.Local() }

// Owner returns LIST-owner@domain, where people reach its owners.
func (l List) Owner() Address {
	// CheckListAddress left room for the suffix.
	owner, _ := ParseAddress(l.Address.Local() + OwnerSuffix + "@" + l.Address.Domain())
	return owner
}

// Request returns LIST-request@domain, which takes commands about the list.
func (l List) Request() Address {
	request, _ := ParseAddress(l.Address.Local() + RequestSuffix + "@" + l.Address.Domain())
	return request
}

// Suffixes of the addresses that a list has beside its own, in Sympa's words.
// RFC 2142 section 6 has the idea. The list's own mail comes from OwnerSuffix.
const (
	OwnerSuffix       = "-owner"       // reaches its owners
	EditorSuffix      = "-editor"      // reaches its editors
	RequestSuffix     = "-request"     // takes commands about the list
	SubscribeSuffix   = "-subscribe"   // asks to be put on it
	UnsubscribeSuffix = "-unsubscribe" // asks to be taken off it
)

// ReturnPrefix begins the addresses that copies leave from, to which bounces
// come back; what stands behind it is made by listd/bounce.
const ReturnPrefix = "bounce+"

// Suffixes that address a function of a list and so cannot end a list's name.
// Those without a function in this version are reserved for it.
var reservedSuffixes = []string{
	OwnerSuffix, RequestSuffix, EditorSuffix, SubscribeSuffix, UnsubscribeSuffix, "-bounce", "-bounces", "-return", "-confirm",
}

// Names that a mail domain has for itself (RFC 2142, RFC 5321 section 4.5.1), or
// that the server will have.
var reservedNames = []string{"postmaster", "mailer-daemon", "abuse", "listmaster", "sympa", "sealist"}

// MaxNameOctets is the longest name of a list: with the longest suffix behind
// it the local part still has at most 64 octets.
const MaxNameOctets = 50

// ErrListAddress is what every refusal of [CheckListAddress] wraps.
var ErrListAddress = errors.New("not usable as a list's address")

// CheckListAddress says whether a new list can have this address. The name is
// lower-case ASCII letters, digits, ".", "_", "-" and "+", at most 50 octets,
// begins with a letter or digit, and does not end with a suffix that addresses
// a function of another list (such as "-owner" or "-request").
func CheckListAddress(a Address) error {
	name := a.Local()
	refuse := func(reason string) error {
		return fmt.Errorf("%w: %s: %s", ErrListAddress, a, reason)
	}
	switch {
	case a.IsZero():
		return fmt.Errorf("%w: it is empty; write NAME@DOMAIN", ErrListAddress)
	case !a.IsASCII():
		return refuse("use ASCII letters only")
	case len(name) > MaxNameOctets:
		return refuse(fmt.Sprintf("the name is longer than %d characters", MaxNameOctets))
	case len(a.text)+MaxLocalPartOctets-MaxNameOctets > MaxAddressOctets:
		return refuse("name and domain together are too long")
	case strings.ContainsFunc(name, func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789._-+", r) }):
		return refuse("use lower-case letters, digits and . _ - + in the name")
	case strings.IndexByte("._-+", name[0]) >= 0:
		return refuse("begin the name with a letter or a digit")
	}
	if slices.Contains(reservedNames, name) {
		return refuse("the name is reserved for the domain itself")
	}
	if strings.HasPrefix(name, ReturnPrefix) {
		return refuse(fmt.Sprintf("names that begin with %s are those of return addresses", ReturnPrefix))
	}
	for _, suffix := range reservedSuffixes {
		if strings.HasSuffix(name, suffix) {
			return refuse(fmt.Sprintf("a name that ends with %s addresses a function of another list", suffix))
		}
	}
	return nil
}

// Member is one person in one role on one list.
type Member struct {
	List      ID        `json:"list"`
	Address   Address   `json:"address"`
	Role      Role      `json:"role"`
	Name      string    `json:"name,omitempty"`
	Reception Reception `json:"reception,omitempty"`
	Suspended bool      `json:"suspended,omitempty"` // receives no posts for now
	Conceal   bool      `json:"conceal,omitempty"`   // other members do not see him
	Person    string    `json:"person,omitempty"`    // key of the address whose further address this is; "": it is nobody's
	Included  bool      `json:"included,omitempty"`  // put here by an include alone, and not by hand
	Added     time.Time `json:"added"`               // UTC
}
