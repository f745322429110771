package entity

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
)

// Field is one header field with its octets.
type Field struct {
	// Name is the field name as it was written; empty for a line within a header section that is no field (an mbox "From " line, a
	// line without a colon, a continuation of nothing).
	Name string
	// Raw is the whole field: name, colon, value, its folded lines and the last line end.
	Raw []byte
}

// Is tells whether the field has that name, ASCII case aside.
func (f Field) Is(name string) bool { return f.Name != "" && strings.EqualFold(f.Name, name) }

// Value returns the field's value, unfolded (RFC 5322 section 2.2.3: the line ends are removed, the white space behind them stays)
// and without white space at both ends.
func (f Field) Value() string {
	raw := f.Raw
	if f.Name != "" {
		if i := bytes.IndexByte(raw, ':'); i >= 0 {
			raw = raw[i+1:]
		}
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] == '\n' || raw[i] == '\r' && i+1 < len(raw) && raw[i+1] == '\n' {
			continue
		}
		out = append(out, raw[i])
	}
	return strings.Trim(string(out), " \t")
}

// String says which field it is and how large, not what is in it.
func (f Field) String() string {
	if f.Name == "" {
		return fmt.Sprintf("line of %d octets", len(f.Raw))
	}
	return fmt.Sprintf("field of %d octets", len(f.Raw))
}

// Format writes [Field.String] whatever the verb is.
func (f Field) Format(s fmt.State, _ rune) { fmt.Fprint(s, f.String()) }

// LogValue is [Field.String].
func (f Field) LogValue() slog.Value { return slog.StringValue(f.String()) }

// Header is a header section: fields in their order.
type Header []Field

// Get returns the value of the first field of that name, ASCII case aside, or "".
func (h Header) Get(name string) string {
	for _, f := range h {
		if f.Is(name) {
			return f.Value()
		}
	}
	return ""
}

// All returns the fields of that name, ASCII case aside, in their order.
func (h Header) All(name string) []Field {
	var all []Field
	for _, f := range h {
		if f.Is(name) {
			all = append(all, f)
		}
	}
	return all
}

// Octets returns the fields one behind the other, without the empty line that ends a header section.
func (h Header) Octets() []byte {
	n := 0
	for _, f := range h {
		n += len(f.Raw)
	}
	out := make([]byte, 0, n)
	for _, f := range h {
		out = append(out, f.Raw...)
	}
	return out
}

// String says how many fields there are.
func (h Header) String() string { return fmt.Sprintf("header of %d fields", len(h)) }

// Format writes [Header.String] whatever the verb is.
func (h Header) Format(s fmt.State, _ rune) { fmt.Fprint(s, h.String()) }

// LogValue is [Header.String].
func (h Header) LogValue() slog.Value { return slog.StringValue(h.String()) }

// splitHeader cuts octets into header fields and body. Every octet in front of the empty line belongs to exactly one field.
func splitHeader(octets []byte, limit int) (Header, []byte, error) {
	if !startsWithField(octets) {
		return splitHeaderless(octets)
	}
	var h Header
	for at := 0; at < len(octets); {
		end := lineEnd(octets, at)
		if isEmptyLine(octets[at:end]) {
			return h, octets[end:], nil
		}
		if end > limit {
			return nil, nil, fmt.Errorf("%w: header section over %d octets", ErrTooLarge, limit)
		}
		line := octets[at:end]
		if last := len(h) - 1; last >= 0 && (line[0] == ' ' || line[0] == '\t') {
			// The raw octets of the field above and of this line are adjacent.
			start := at - len(h[last].Raw)
			h[last].Raw = octets[start:end:end]
		} else {
			h = append(h, Field{Name: fieldName(line), Raw: line[:len(line):len(line)]})
		}
		at = end
	}
	return h, nil, nil
}

// splitHeaderless splits octets that do not begin with a header field: an empty line at once, or a body that lost its header.
func splitHeaderless(octets []byte) (Header, []byte, error) {
	end := lineEnd(octets, 0)
	if isEmptyLine(octets[:end]) {
		return nil, octets[end:], nil
	}
	return nil, octets, nil
}

// startsWithField tells whether a header section begins here. An mbox separator in front of the first field is let through.
func startsWithField(octets []byte) bool {
	end := lineEnd(octets, 0)
	if fieldName(octets[:end]) != "" {
		return true
	}
	mbox := bytes.HasPrefix(octets, []byte("From ")) || bytes.HasPrefix(octets, []byte(">From "))
	return mbox && fieldName(octets[end:lineEnd(octets, end)]) != ""
}

// fieldName returns the name of the field that a line begins, or "" if it begins none.
// RFC 5322 section 2.2: printable ASCII but the colon; section 4.5.8 allows white space in front of the colon.
func fieldName(line []byte) string {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return ""
	}
	name := bytes.TrimRight(line[:colon], " \t")
	if len(name) == 0 {
		return ""
	}
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return ""
		}
	}
	return string(name)
}

// lineEnd returns the offset behind the line that begins at start, its LF included.
func lineEnd(octets []byte, start int) int {
	if i := bytes.IndexByte(octets[start:], '\n'); i >= 0 {
		return start + i + 1
	}
	return len(octets)
}

func isEmptyLine(line []byte) bool {
	return len(line) == 1 && line[0] == '\n' || len(line) == 2 && line[0] == '\r' && line[1] == '\n'
}
