package entity

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
)

// Multipart is the body of a multipart entity, cut at its boundaries (RFC 2046 section 5.1.1). The line end in front of a boundary
// line belongs to the boundary, not to the part.
type Multipart struct {
	// Boundary is the boundary parameter, without the two leading hyphens.
	Boundary string
	// Preamble and Epilogue are what stands before the first and behind the last boundary line.
	Preamble, Epilogue []byte
	// Parts are the body parts in their order; their octets are sub-slices of the entity's.
	Parts []*Entity
	// Closed tells that the closing boundary line is there. Without it the last part reaches to the end.
	Closed bool
}

// String says how many parts there are.
func (m *Multipart) String() string { return fmt.Sprintf("multipart of %d parts", len(m.Parts)) }

// Format writes [Multipart.String] whatever the verb is.
func (m *Multipart) Format(s fmt.State, _ rune) { fmt.Fprint(s, m.String()) }

// LogValue is [Multipart.String].
func (m *Multipart) LogValue() slog.Value { return slog.StringValue(m.String()) }

// IsMultipart tells whether the media type is multipart/something.
func (e *Entity) IsMultipart() bool {
	typ, _ := e.MediaType()
	return strings.HasPrefix(typ, "multipart/")
}

// Parts cuts a multipart entity into its parts. The error wraps [ErrMalformed] if the entity is no multipart, has no boundary
// parameter, or holds no boundary line, and [ErrTooLarge] if the message has too many parts or is nested too deeply. The result is
// made once.
func (e *Entity) Parts() (*Multipart, error) {
	e.once.Do(func() { e.multi, e.err = e.split() })
	return e.multi, e.err
}

func (e *Entity) split() (*Multipart, error) {
	typ, params := e.MediaType()
	if !strings.HasPrefix(typ, "multipart/") {
		return nil, fmt.Errorf("%w: not a multipart", ErrMalformed)
	}
	boundary := strings.TrimRight(params["boundary"], " ")
	if boundary == "" || len(boundary) > maxBoundary {
		return nil, fmt.Errorf("%w: multipart without a usable boundary", ErrMalformed)
	}
	m := &Multipart{Boundary: boundary}
	var parts [][]byte
	room := e.tree.limits.Parts
	delimiter := append([]byte("\n--"), boundary...)

	if err := e.tree.scan(len(e.body)); err != nil {
		return nil, err
	}
	start := -1 // where the current part begins; -1 in the preamble
	for at := 0; at < len(e.body) && !m.Closed; {
		if at = nextLine(e.body, at, delimiter); at < 0 {
			break
		}
		end := lineEnd(e.body, at)
		kind := delimiterKind(e.body[at:end], delimiter[1:])
		if kind == noDelimiter {
			at = end
			continue
		}
		before := withoutLineEnd(e.body, max(start, 0), at)
		if start < 0 {
			m.Preamble = before
		} else {
			parts = append(parts, before)
		}
		if len(parts) > room {
			return nil, fmt.Errorf("%w: more than %d parts", ErrTooLarge, room)
		}
		start, at = end, end
		m.Closed = kind == closeDelimiter
	}
	switch {
	case start < 0:
		return nil, fmt.Errorf("%w: multipart without a boundary line", ErrMalformed)
	case m.Closed:
		m.Epilogue = e.body[start:]
	default:
		parts = append(parts, e.body[start:])
	}
	if err := e.tree.count(len(parts)); err != nil {
		return nil, err
	}
	for _, octets := range parts {
		p, err := parse(octets[:len(octets):len(octets)], e.tree, e.depth+1)
		if err != nil {
			return nil, err
		}
		if typ == "multipart/digest" {
			p.defaultType = "message/rfc822" // RFC 2046 section 5.1.5
		}
		m.Parts = append(m.Parts, p)
	}
	return m, nil
}

// maxBoundary is generous: RFC 2046 allows 70 characters, real mailers have gone beyond.
const maxBoundary = 250

type delimiterType int

const (
	noDelimiter delimiterType = iota
	partDelimiter
	closeDelimiter
)

// nextLine returns the offset of the next line, the one that starts at at or one behind it, that begins with a delimiter, which is
// given with an LF in front; -1 if there is none.
func nextLine(b []byte, at int, delimiter []byte) int {
	if bytes.HasPrefix(b[at:], delimiter[1:]) {
		return at
	}
	i := bytes.Index(b[at:], delimiter)
	if i < 0 {
		return -1
	}
	return at + i + 1
}

// delimiterKind says what a line is: delimiter and, behind it, nothing but white space (transport-padding) or the two hyphens of
// the closing delimiter. A line that only begins like the delimiter is content, or the inner boundary "ab" would end at the outer "a".
func delimiterKind(line, delimiter []byte) delimiterType {
	rest, ok := bytes.CutPrefix(line, delimiter)
	if !ok {
		return noDelimiter
	}
	rest, closing := bytes.CutPrefix(rest, []byte("--"))
	if len(bytes.TrimRight(rest, " \t\r\n")) > 0 {
		return noDelimiter
	}
	if closing {
		return closeDelimiter
	}
	return partDelimiter
}

// withoutLineEnd returns b[start:end] without the line end in front of end, which belongs to the boundary.
func withoutLineEnd(b []byte, start, end int) []byte {
	if end > start && b[end-1] == '\n' {
		end--
		if end > start && b[end-1] == '\r' {
			end--
		}
	}
	return b[start:end]
}
