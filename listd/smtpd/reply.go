package smtpd

import (
	"errors"
	"fmt"

	"github.com/emersion/go-smtp"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// What the server itself finds wrong.
var (
	errReversePath  = errors.New("reverse-path cannot be used")
	errUTF8         = errors.New("address beyond ASCII without SMTPUTF8")
	errRelaying     = errors.New("not one of our domains")
	errNoList       = errors.New("no such list")
	errNoReturn     = errors.New("no return address of ours")
	errClosed       = errors.New("the list is closed")
	errTooLarge     = errors.New("message too large")
	errOctets       = errors.New("bare CR, bare LF or NUL")
	errUnended      = errors.New("last line without an end")
	errLoop         = errors.New("too many Received fields")
	errNested       = errors.New("MAIL within a transaction")
	errChunks       = errors.New("MAIL behind chunks that were broken off")
	errConnections  = errors.New("too many connections")
	errNetwork      = errors.New("too many connections of one network")
	errLimit        = errors.New("limit reached") // wrapped by the next three
	errMessages     = fmt.Errorf("%w: messages a minute", errLimit)
	errTransactions = fmt.Errorf("%w: messages at a time", errLimit)
	errRecipients   = fmt.Errorf("%w: recipients a minute", errLimit)
	errNoRoom       = errors.New("no room")
	errMemory       = errors.New("too many messages being received")
	errTooSlow      = errors.New("message came in too slowly")
	errBrokeOff     = errors.New("connection ended within the message")
)

// Refusals are the words under which refusals of clients are counted.
func Refusals() []string {
	return []string{"reverse_path", "utf8", "address", "relaying", "no_list", "no_return", "closed", "too_large", "octets", "loop", "protocol",
		"connections", "connections_network", "rate", "memory", "too_slow", "broke_off", "busy", "full", "unreachable", trouble}
}

// trouble is counted for every error that has no word of its own.
const trouble = "trouble"

// refusal is the one place that decides what a client hears of an error, and
// under which word it is counted. No error's own text leaves the server; what a
// line says is for whoever reads the sender's log or bounce.
func refusal(err error) (word string, r *smtp.SMTPError) {
	answer := func(word string, code int, enhanced smtp.EnhancedCode, text string) (string, *smtp.SMTPError) {
		return word, &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
	}
	switch {
	case errors.Is(err, errReversePath):
		return answer("reverse_path", 553, smtp.EnhancedCode{5, 1, 7}, "this reverse-path cannot be used")
	case errors.Is(err, errUTF8):
		return answer("utf8", 553, smtp.EnhancedCode{5, 6, 7}, "an address beyond ASCII needs SMTPUTF8")
	case errors.Is(err, list.ErrAddress):
		return answer("address", 553, smtp.EnhancedCode{5, 1, 3}, "this is not an address that can exist here")
	case errors.Is(err, errRelaying):
		return answer("relaying", 550, smtp.EnhancedCode{5, 7, 1}, "relaying denied: this server takes mail for its own lists only")
	case errors.Is(err, errNoList), errors.Is(err, store.ErrNotFound):
		return answer("no_list", 550, smtp.EnhancedCode{5, 1, 1}, "there is no list of this name")
	case errors.Is(err, errNoReturn):
		return answer("no_return", 550, smtp.EnhancedCode{5, 1, 1}, "this return address is not known here")
	case errors.Is(err, errClosed):
		return answer("closed", 550, smtp.EnhancedCode{5, 7, 1}, "this list is closed")
	case errors.Is(err, errTooLarge), errors.Is(err, smtp.ErrDataTooLarge):
		return answer("too_large", 552, smtp.EnhancedCode{5, 3, 4}, "the message is larger than this server takes")
	case errors.Is(err, errOctets):
		return answer("octets", 554, smtp.EnhancedCode{5, 6, 0}, "the message holds a NUL, or a CR or LF by itself: lines end with CRLF")
	case errors.Is(err, errUnended):
		return answer("octets", 554, smtp.EnhancedCode{5, 6, 0}, "the last line of the message does not end with CRLF")
	case errors.Is(err, errLoop):
		return answer("loop", 554, smtp.EnhancedCode{5, 4, 6}, "mail loop: the message has been through too many servers")
	case errors.Is(err, errNested):
		return answer("protocol", 503, smtp.EnhancedCode{5, 5, 1}, "there is a transaction already: end it, or RSET")
	case errors.Is(err, errChunks):
		return answer("protocol", 421, smtp.EnhancedCode{4, 3, 2}, "the message in chunks was broken off: come again on another connection")
	case errors.Is(err, errConnections):
		return answer("connections", 421, smtp.EnhancedCode{4, 3, 2}, "too many connections, try again later")
	case errors.Is(err, errNetwork):
		return answer("connections_network", 421, smtp.EnhancedCode{4, 7, 0}, "too many connections from your network, try again later")
	case errors.Is(err, errMessages), errors.Is(err, errTransactions):
		return answer("rate", 450, smtp.EnhancedCode{4, 7, 1}, "too many messages from you for now, try again later")
	case errors.Is(err, errRecipients):
		return answer("rate", 450, smtp.EnhancedCode{4, 7, 1}, "too many recipients from you for now, try again later")
	case errors.Is(err, errMemory):
		return answer("memory", 451, smtp.EnhancedCode{4, 3, 2}, "too many messages at a time, try again later")
	case errors.Is(err, errTooSlow):
		return answer("too_slow", 451, smtp.EnhancedCode{4, 4, 2}, "the message came in too slowly, try again later")
	case errors.Is(err, errBrokeOff):
		return answer("broke_off", 451, smtp.EnhancedCode{4, 4, 2}, "the connection ended within the message")
	case errors.Is(err, store.ErrBusy):
		return answer("busy", 451, smtp.EnhancedCode{4, 3, 2}, "the spool is busy, try again later")
	case errors.Is(err, store.ErrFull):
		return answer("full", 452, smtp.EnhancedCode{4, 3, 1}, "no room left in the spool, try again later")
	case errors.Is(err, store.ErrUnreachable):
		return answer("unreachable", 451, smtp.EnhancedCode{4, 3, 0}, "the spool cannot be reached now, try again later")
	}
	return answer(trouble, 451, smtp.EnhancedCode{4, 3, 0}, "this server is in trouble, try again later")
}

// queued is the reply to a message that is durable.
func queued(ids string) *smtp.SMTPError {
	return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: "queued as " + ids}
}
