// Package directory holds what the sources of certificates share: LDAP directories, certificates kept in the database,
// and a folder of PEM files. A source is asked for addresses and gives an Answer for each; whether what it found is any
// good is not for the source to say but for the resolver.
package directory

import (
	"errors"
	"strings"
	"time"
)

// Errors of an Answer that are not outages.
var (
	// ErrNotFound says that the source was asked, answered, and has nothing for the address. Only a clean and complete
	// answer may say so: an outage is not an absence (invariant 2).
	ErrNotFound = errors.New("no entry for this address")

	// ErrNotSource says that the source does not serve the address's domain and was not asked.
	ErrNotSource = errors.New("the source does not serve this domain")
)

// Origin says where a certificate was found.
type Origin struct {
	Source string `json:"source"`           // the configured name of the source
	Server string `json:"server,omitempty"` // LDAP: the URL of the server that answered
	Entry  string `json:"entry,omitempty"`  // DN, name of the file, or Message-ID

	// Attribute is the LDAP attribute, by its bare name.
	Attribute string `json:"attribute,omitempty"`

	// Seen is when the source learnt of the certificate; zero if it is read where it is kept.
	Seen time.Time `json:"seen,omitzero"`

	// BoundByEntry says that the entry itself binds the certificate to the address: one that names no address at all
	// belongs to the person of the entry (address_match: entry, over a connection that cannot be tampered with).
	BoundByEntry bool `json:"bound_by_entry,omitempty"`
}

// String names the origin in one line, for a log or an explanation.
func (o Origin) String() string {
	var b strings.Builder
	b.WriteString(o.Source)
	for _, part := range []string{o.Entry, o.Attribute} {
		if part != "" {
			b.WriteString(" ")
			b.WriteString(part)
		}
	}
	return b.String()
}

// Candidate is one certificate found for an address, unjudged.
type Candidate struct {
	Certificate  []byte // DER
	Origin       Origin
	Capabilities []byte // DER of SMIMECapabilities from a signature that verified; nil: none known
	Pinned       bool   // a listmaster tied it to this address: it need not name one
	// Aliases are other addresses of the person whose entry it was found in: it may name one of them in the place of the
	// one asked about. The source vouches for that.
	Aliases   []string
	ForDomain bool // a listmaster gave it to the address's whole domain, as that of a gateway: it may name others
}

// Unreadable is something found for an address that the source itself could not take for a certificate to encrypt to.
type Unreadable struct {
	Origin      Origin
	Certificate []byte // DER, if it is one
	Reason      string // a word of trust.Reason, as "malformed" or "wrong_usage"
	Detail      string // for the administrator
}

// Answer is what a source says about one address.
type Answer struct {
	Address    string // as asked
	Candidates []Candidate
	Helpers    [][]byte // DER of CA certificates found beside: they help to build a path
	Unreadable []Unreadable

	Server    string        // that answered, or was asked last
	Filter    string        // as sent to it
	Referrals []string      // to other servers; reported, never followed
	Took      time.Duration // to get this answer, which others may share

	// Fetched is when a cache took the answer from the source, and Until the end of its time there; both are zero for an
	// answer that comes from the source now. Stale is the outage for which an answer whose time has ended stands in.
	Fetched, Until time.Time
	Stale          error

	Notes []string // what the administrator should know: several entries for one address, aliases that do not count

	// Err is nil if something was found, be it unreadable; ErrNotFound or ErrNotSource; anything else is an outage.
	Err error
}

// Outage returns the error if it is one: the source could not be asked, or its answer is not complete.
func (a Answer) Outage() error {
	if errors.Is(a.Err, ErrNotFound) || errors.Is(a.Err, ErrNotSource) {
		return nil
	}
	return a.Err
}

// Fail gives the same error as the answer for each address.
func Fail(addresses []string, err error) []Answer {
	answers := make([]Answer, len(addresses))
	for i, a := range addresses {
		answers[i] = Answer{Address: a, Err: err}
	}
	return answers
}

// Normalise gives the form of an address under which sources look it up: without surrounding space, ASCII letters in
// lower case. Other letters stay: Unicode folding would make one address of two.
func Normalise(address string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, strings.TrimSpace(address))
}

// Split cuts an address at its last "@". ok is false where one side would be empty, or where the address holds control
// characters: no source has anything for such a thing.
func Split(address string) (local, domain string, ok bool) {
	at := strings.LastIndexByte(address, '@')
	control := func(r rune) bool { return r < ' ' || r == 0x7f }
	if at <= 0 || at == len(address)-1 || strings.ContainsFunc(address, control) {
		return "", "", false
	}
	return address[:at], address[at+1:], true
}

// Serves says whether a source limited to some domains serves an address. Without domains it serves all. A domain does
// not stand for those below it.
func Serves(domains []string, address string) bool {
	if len(domains) == 0 {
		return true
	}
	_, domain, _ := Split(Normalise(address))
	for _, d := range domains {
		if Normalise(d) == domain {
			return true
		}
	}
	return false
}
