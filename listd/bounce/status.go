package bounce

import (
	"regexp"
	"strings"
)

// Status is an enhanced status code (RFC 3463), as "5.1.1"; "" is unknown.
type Status string

// Class says whether trying again may help.
type Class int

// The classes.
const (
	Unknown   Class = iota
	Success         // 2.X.X
	Temporary       // 4.X.X
	Permanent       // 5.X.X
)

// Class returns what the first digit says (RFC 3463 section 2).
func (s Status) Class() Class {
	switch {
	case strings.HasPrefix(string(s), "2."):
		return Success
	case strings.HasPrefix(string(s), "4."):
		return Temporary
	case strings.HasPrefix(string(s), "5."):
		return Permanent
	}
	return Unknown
}

// specific tells whether the code says more than its class.
func (s Status) specific() bool { return s != "" && !strings.HasSuffix(string(s), ".0.0") }

var (
	// enhancedCode is a code that is no part of an address or a version.
	enhancedCode = regexp.MustCompile(`(?:^|[^0-9.\-])([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:$|[^0-9.\-]|\.(?:$|[^0-9]))`)
	// replyCode is an SMTP reply (RFC 5321 section 4.2), not any number of three digits.
	replyCode = regexp.MustCompile(`(?:^|[\s:=<"'(\[#])([45][0-9][0-9])(?:$|[\s\-:,>."')\]])`)
	wholeCode = regexp.MustCompile(`^[245]\.[0-9]{1,3}\.[0-9]{1,3}$`)
)

// ParseStatus reads what stands in a Status field, or in a reply: the first
// enhanced code, else the class of the first reply code. "" if there is neither.
func ParseStatus(text string) Status {
	if m := enhancedCode.FindStringSubmatch(text); m != nil {
		return Status(m[1])
	}
	if m := replyCode.FindStringSubmatch(text); m != nil {
		return Status(m[1][:1] + ".0.0")
	}
	return ""
}

// refusal is the first status in a text that is no success.
func refusal(text string) Status {
	for _, m := range enhancedCode.FindAllStringSubmatch(text, 20) {
		if m[1][0] != '2' {
			return Status(m[1])
		}
	}
	if m := replyCode.FindStringSubmatch(text); m != nil {
		return Status(m[1][:1] + ".0.0")
	}
	return ""
}

// FromReply is the status of an SMTP reply: the enhanced code where it is one of
// the reply's class, else the class alone. A code of 0, no reply, is a failure to
// reach anybody.
func FromReply(code int, enhanced string) Status {
	switch class := code / 100; {
	case class != 2 && class != 4 && class != 5:
		return "4.4.0"
	case wholeCode.MatchString(enhanced) && int(enhanced[0]-'0') == class:
		return Status(enhanced)
	default:
		return Status(string(rune('0'+class)) + ".0.0")
	}
}

// better returns the one of two codes that says more; the class is that of a.
func better(a, b Status) Status {
	if a == "" || !a.specific() && b.specific() && a.Class() == b.Class() {
		return b
	}
	return a
}
