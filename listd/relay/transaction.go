package relay

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Transaction is one message to one recipient.
type Transaction struct {
	ReversePath string    // without angle brackets; "" is the null reverse-path
	ForwardPath string    // the recipient, without angle brackets
	Body        []Segment // the message, header and all, its segments one behind the other
	EnvelopeID  string    // ENVID, for hops that offer DSN (RFC 3461 section 4.4); at most 100 octets of printable ASCII; "" is none
	Tag         any       // the caller's own; comes back with the report
}

// Size returns the message's octets as SIZE= counts them (RFC 1870 section 5).
func (t *Transaction) Size() int64 {
	var n int64
	for _, s := range t.Body {
		n += int64(s.size)
	}
	return n
}

func (t *Transaction) eightBit() bool {
	for _, s := range t.Body {
		if s.eightBit {
			return true
		}
	}
	return false
}

func (t *Transaction) utf8() bool { return !isASCII(t.ReversePath) || !isASCII(t.ForwardPath) }

// check refuses what must never be written into a command (invariant 6).
func (t *Transaction) check() error {
	if t.ForwardPath == "" {
		return fmt.Errorf("%w: no recipient", ErrTransaction)
	}
	for _, path := range []string{t.ReversePath, t.ForwardPath} {
		if err := checkPath(path); err != nil {
			return fmt.Errorf("%w: %w", ErrTransaction, err)
		}
	}
	if len(t.EnvelopeID) > maxEnvelopeID || strings.ContainsFunc(t.EnvelopeID, func(r rune) bool { return r < ' ' || r > '~' }) {
		return fmt.Errorf("%w: envelope identifier %.120q", ErrTransaction, t.EnvelopeID)
	}
	return nil
}

// maxEnvelopeID is RFC 3461 section 4.4.
const maxEnvelopeID = 100

// maxPath is RFC 5321 section 4.5.3.1.3: 256 octets with the angle brackets.
const maxPath = 254

// checkPath refuses what could end the angle brackets or the command. Whether
// it is a mailbox at all is the next hop's to say.
func checkPath(path string) error {
	if len(path) > maxPath {
		return fmt.Errorf("address of %d octets", len(path))
	}
	for i := range len(path) {
		if c := path[i]; c <= ' ' || c == 0x7f || c == '<' || c == '>' {
			return fmt.Errorf("address with octet %#02x", c)
		}
	}
	if !utf8.ValidString(path) {
		return fmt.Errorf("address that is not UTF-8")
	}
	return nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Class is what a result means for the delivery.
type Class int

// The classes.
const (
	Temporary Class = iota // try again later: 4xx, or trouble with the connection
	Relayed                // 2xx: the next hop answers for it from now on
	Permanent              // 5xx, or not sendable at all
)

// String returns "temporary", "relayed" or "permanent".
func (c Class) String() string {
	return [...]string{"temporary", "relayed", "permanent"}[c]
}

// Stage is how far a transaction had come when its fate was decided.
type Stage string

// The stages.
const (
	StageConnect Stage = "connect" // nothing of it was offered
	StageMail    Stage = "mail"    // MAIL FROM
	StageRcpt    Stage = "rcpt"    // RCPT TO
	StageData    Stage = "data"    // DATA
	StageMessage Stage = "message" // the message was being sent
	StageFinal   Stage = "final"   // the final dot was sent
)

// Result is what became of one transaction.
type Result struct {
	Class    Class
	Stage    Stage
	Code     int    // of the decisive reply; 0 if there was none
	Enhanced string // such as "2.0.0" (RFC 3463); "" if the reply had none
	Text     string // the rest of the reply, its lines joined by LF; at most 1 KiB, other controls escaped as \x1b
	Err      error  // what went wrong on this side or with the connection; nil if the reply says it all
	TLS      bool   // the next hop decided over TLS
}

// String returns the result on one line without controls, as "550 5.1.1 no
// such user" or what Err says.
func (r Result) String() string {
	if r.Code == 0 {
		if r.Err == nil {
			return r.Class.String()
		}
		return escape(r.Err.Error())
	}
	parts := []string{strconv.Itoa(r.Code)}
	if r.Enhanced != "" {
		parts = append(parts, r.Enhanced)
	}
	if r.Text != "" {
		parts = append(parts, strings.ReplaceAll(r.Text, "\n", " / "))
	}
	return strings.Join(parts, " ")
}
