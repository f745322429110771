package smime

import (
	"bytes"
	"errors"
	"regexp"

	"github.com/sealist/sealist/smime/entity"
)

// WithoutLegacyDisplay returns the text of a main body part, its transfer encoding removed, without the Legacy Display Element: the
// copy of hidden header fields that an author puts in front of the text for readers without header protection. Who reads commands
// must not read that copy (RFC 9788 section 4.8.2). Only hp-legacy-display="1" on a text/plain or text/html part announces one;
// every other part is returned whole.
//
// The element of text/plain is everything up to and including the first blank line; that of text/html the first element of the
// body, a div of class header-protection-legacy-display. Text that announces one and has none gives an error that wraps
// [ErrMalformed].
func WithoutLegacyDisplay(part *entity.Entity) ([]byte, error) {
	text, err := part.Decoded()
	if err != nil {
		return nil, named("transfer encoding", err)
	}
	typ, params := part.MediaType()
	if params["hp-legacy-display"] != "1" {
		return text, nil
	}
	var rest []byte
	var found bool
	switch typ {
	case "text/plain":
		rest, found = afterBlankLine(text)
	case "text/html":
		rest, found = withoutFirstDiv(text)
	default:
		return text, nil
	}
	if !found {
		return nil, named("legacy display", errors.New("announced, and not there"))
	}
	return rest, nil
}

// afterBlankLine returns what stands behind the first line that holds nothing but white space.
func afterBlankLine(text []byte) ([]byte, bool) {
	for len(text) > 0 {
		line, rest, ended := bytes.Cut(text, []byte("\n"))
		if len(bytes.TrimSpace(line)) == 0 {
			return rest, ended
		}
		text = rest
	}
	return nil, false
}

var (
	bodyTag   = regexp.MustCompile(`(?is)<body(?:\s[^>]*)?>`)
	legacyDiv = regexp.MustCompile(`(?is)^\s*<div\s[^>]*\bclass\s*=\s*(?:"(?:[^"]*\s)?header-protection-legacy-display(?:\s[^"]*)?"|'(?:[^']*\s)?header-protection-legacy-display(?:\s[^']*)?'|header-protection-legacy-display(?:\s[^>]*)?)\s*>`)
	divTag    = regexp.MustCompile(`(?i)<(/?)div(?:\s[^>]*)?>`)
)

// withoutFirstDiv cuts the legacy div out of an HTML text. Nothing but white space may stand in front of it in the body.
func withoutFirstDiv(html []byte) ([]byte, bool) {
	start := 0
	if body := bodyTag.FindIndex(html); body != nil {
		start = body[1]
	}
	open := legacyDiv.FindIndex(html[start:])
	if open == nil {
		return nil, false
	}
	depth, at := 1, start+open[1]
	for depth > 0 {
		tag := divTag.FindSubmatchIndex(html[at:])
		if tag == nil {
			return nil, false
		}
		if tag[2] < tag[3] {
			depth--
		} else {
			depth++
		}
		at += tag[1]
	}
	return append(html[:start:start], html[at:]...), true
}
