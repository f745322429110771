// Package bounce reads what comes back to the addresses that copies leave from,
// makes these addresses, and says what bounces count for. It does no I/O.
//
// A report is a stranger's mail: it is read within bounds, nothing of the message
// that it returns is kept, and of its words no more than [MaxText] octets a
// recipient.
package bounce

import (
	"bytes"
	"strings"

	"golang.org/x/text/encoding/htmlindex"

	"github.com/sealist/sealist/smime/entity"
)

// Bounds of what is read of one report (invariant 9).
const (
	MaxRecipients = 100       // that a report names; the others are passed over
	MaxText       = 1024      // octets of a recipient's text
	maxOctets     = 1 << 20   // of a report; what it returns may be cut off
	maxTextOctets = 128 << 10 // of text that is looked through for words
)

// Kind is what a message to a return address is.
type Kind string

// The kinds.
const (
	None      Kind = ""          // nothing that is known; it counts nothing
	DSN       Kind = "dsn"       // a delivery status notification (RFC 3464)
	ARF       Kind = "arf"       // a complaint: feedback of type abuse (RFC 5965), or one of before it
	Text      Kind = "text"      // a bounce in a mail system's own words
	AutoReply Kind = "autoreply" // a vacation notice, a read receipt (RFC 3834, RFC 8098); it counts nothing
)

// Action is what a mail system did with a message (RFC 3464 section 2.3.3).
type Action string

// The actions.
const (
	Failed    Action = "failed"    // it gave up
	Delayed   Action = "delayed"   // it goes on trying
	Delivered Action = "delivered" // it is there
	Relayed   Action = "relayed"   // it was handed to somebody who reports nothing
	Expanded  Action = "expanded"  // it went to several others
)

// Report is a message to a return address, as far as it is kept.
type Report struct {
	Kind       Kind
	Recipients []Recipient // of a DSN, Text or ARF; at most MaxRecipients
}

// Recipient is what a report says of one recipient.
type Recipient struct {
	Address  string // local@domain as the report has it; "": it names nobody
	Original string // the address that was mailed to, where the report tells it from Address
	Action   Action // of an ARF: ""
	Status   Status // "": unknown
	Text     string // why, at most MaxText octets of UTF-8 in one line
}

// Recognise reads a message. Whatever octets these are, it returns: what cannot
// be read is of kind None.
func Recognise(octets []byte) Report {
	if line, rest, ok := bytes.Cut(octets, []byte("\n")); ok && bytes.HasPrefix(line, []byte("From ")) {
		octets = rest // QUIRK: a line of the mbox format before the header
	}
	octets = octets[:min(len(octets), maxOctets)]
	outer, err := entity.Parse(octets, entity.Limits{Parts: 100, Depth: 10, Scan: 16 << 20})
	if err != nil {
		return Report{}
	}
	m := dismantle(outer)
	if r, ok := m.complaint(); ok {
		return r
	}
	if r := m.status(); len(r.Recipients) > 0 {
		return r
	}
	if r := m.text(); len(r.Recipients) > 0 {
		return r
	}
	if m.autoReply() {
		return Report{Kind: AutoReply}
	}
	return Report{}
}

// message is a report taken apart.
type message struct {
	header   entity.Header
	statuses [][]byte      // message/delivery-status, decoded
	feedback []byte        // message/feedback-report; nil: there is none
	receipt  bool          // a message/disposition-notification
	words    []string      // lines of text before anything that was returned
	rest     string        // text behind them
	returned entity.Header // of the returned message; nil: there is none
}

// dismantle walks the parts of a report in their order.
func dismantle(outer *entity.Entity) *message {
	m := &message{header: outer.Header()}
	left := maxTextOctets
	html := []string{}
	var walk func(e *entity.Entity)
	walk = func(e *entity.Entity) {
		typ, _ := e.MediaType()
		switch {
		case strings.HasPrefix(typ, "multipart/"):
			if multi, err := e.Parts(); err == nil {
				for _, p := range multi.Parts {
					walk(p)
				}
				return
			}
			m.addText(decoded(e), &left) // QUIRK: its boundary is wrong
		case typ == "message/delivery-status", typ == "message/global-delivery-status":
			m.statuses = append(m.statuses, decoded(e))
		case typ == "message/feedback-report":
			if m.feedback == nil {
				m.feedback = decoded(e)
			}
		case typ == "message/disposition-notification":
			m.receipt = true
		case typ == "message/rfc822", typ == "message/global", typ == "text/rfc822-headers", typ == "text/rfc822-header", typ == "message/global-headers", typ == "message/partial":
			m.setReturned(decoded(e), e)
		case typ == "text/html":
			html = append(html, string(withoutTags(inUTF8(e, limit(decoded(e), maxTextOctets)))))
		case typ == "text/plain" && m.returned == nil:
			m.addText(inUTF8(e, decoded(e)), &left)
		}
	}
	walk(outer)
	if len(m.words) == 0 {
		for _, h := range html {
			m.addText([]byte(h), &left)
		}
	}
	return m
}

// decoded is a body without its transfer encoding, or as it is where that is broken.
func decoded(e *entity.Entity) []byte {
	if octets, err := e.Decoded(); err == nil {
		return octets
	}
	return e.Body()
}

// inUTF8 is text out of its charset; out of one that is not known as it is.
func inUTF8(e *entity.Entity, octets []byte) []byte {
	_, params := e.MediaType()
	charset, err := htmlindex.Get(params["charset"])
	if err != nil {
		return octets
	}
	text, err := charset.NewDecoder().Bytes(limit(octets, maxTextOctets))
	if err != nil {
		return octets
	}
	return text
}

func limit(octets []byte, n int) []byte { return octets[:min(len(octets), n)] }

// setReturned takes the header of the first message that was returned.
func (m *message) setReturned(octets []byte, e *entity.Entity) {
	if m.returned != nil {
		return
	}
	if inner, err := e.Nested(limit(octets, 64<<10)); err == nil {
		m.returned = inner.Header()
	}
}

// addText takes lines up to where a returned message begins in them.
func (m *message) addText(octets []byte, left *int) {
	octets = limit(octets, *left)
	*left -= len(octets)
	lines := strings.Split(strings.ReplaceAll(strings.ToValidUTF8(string(octets), "?"), "\r\n", "\n"), "\n")
	n, from := returnedAt(lines)
	m.words = append(m.words, lines[:n]...)
	if from < len(lines) && m.returned == nil {
		m.rest = strings.Join(lines[from:], "\n")
		m.returned = headerOf(m.rest)
	}
}

// headerOf reads a header out of text.
func headerOf(text string) entity.Header {
	e, err := entity.Parse([]byte(limit([]byte(text), 64<<10)), entity.DefaultLimits())
	if err != nil {
		return nil
	}
	return e.Header()
}
