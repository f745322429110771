package entity

import (
	"errors"
	"fmt"
	"mime"
	"net/mail"
	"strings"
	"unicode/utf8"
)

// ErrUnsafeField is wrapped by [Builder]'s error for a field that must not be written.
var ErrUnsafeField = errors.New("unsafe header field")

const (
	foldAt  = 76  // columns of a folded line where it can be folded at all
	maxLine = 998 // RFC 5322 section 2.1.1, line end aside
)

// Builder makes header fields. Every value that carries CR, LF, NUL or another control character is refused, so nothing that
// somebody else wrote can begin a field of its own (invariant 6). The first error sticks and is returned by Octets and Header. The
// zero value is ready for use.
type Builder struct {
	fields Header
	err    error
}

// Add writes a field whose value is ASCII as it stands: identifiers, dates, media types, angle-bracketed URIs. Lines are folded at
// white space so that they stay within 76 columns where the value allows it. Non-ASCII is refused: use AddText or AddAddresses.
func (b *Builder) Add(name, value string) {
	for i := 0; i < len(value); i++ {
		if value[i] >= 0x80 {
			b.fail("%s is not ASCII", name)
			return
		}
	}
	b.write(name, value)
}

// AddText writes an unstructured field (Subject, Comments) and encodes what is not ASCII as RFC 2047 encoded-words of UTF-8. Text
// that already looks like an encoded-word is encoded too, so that it is read as it was given.
func (b *Builder) AddText(name, text string) {
	if b.unsafe(name, text) {
		return
	}
	if !utf8.ValidString(text) {
		b.fail("%s is not UTF-8", name)
		return
	}
	b.write(name, encodeText(text))
}

// AddAddresses writes an address field; display names are quoted or encoded as they need.
func (b *Builder) AddAddresses(name string, addrs ...mail.Address) {
	var list []string
	for _, a := range addrs {
		if b.unsafe(name, a.Name) || b.unsafe(name, a.Address) {
			return
		}
		if !plainAddress(a.Address) || !utf8.ValidString(a.Address) {
			b.fail("%s has no plain address", name)
			return
		}
		if a.Name == "" {
			list = append(list, "<"+a.Address+">")
		} else {
			list = append(list, a.String())
		}
	}
	if len(list) == 0 {
		b.fail("%s without an address", name)
		return
	}
	b.write(name, strings.Join(list, ", "))
}

// AddField copies a field that was read, octet for octet but for its line ends, which become CRLF. A field with a bare CR, a NUL or
// no name is refused.
func (b *Builder) AddField(f Field) {
	raw := Canonical(f.Raw)
	if f.Name == "" || fieldName(raw) != f.Name {
		b.fail("a line without a field name")
		return
	}
	lines := strings.Split(strings.TrimSuffix(string(raw), "\r\n"), "\r\n")
	for i, line := range lines {
		if strings.ContainsAny(line, "\r\n\x00") || i > 0 && (line == "" || line[0] != ' ' && line[0] != '\t') {
			b.fail("%s holds a line end of its own", f.Name)
			return
		}
	}
	b.fields = append(b.fields, Field{Name: f.Name, Raw: []byte(strings.Join(lines, "\r\n") + "\r\n")})
}

// Octets returns the fields, each ending in CRLF, without the empty line behind them.
func (b *Builder) Octets() ([]byte, error) {
	if b.err != nil {
		return nil, b.err
	}
	return b.fields.Octets(), nil
}

// Header returns the fields made so far.
func (b *Builder) Header() (Header, error) {
	if b.err != nil {
		return nil, b.err
	}
	return b.fields, nil
}

func (b *Builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf("%w: %s", ErrUnsafeField, fmt.Sprintf(format, args...))
	}
}

// unsafe refuses control characters; the error names the field and never quotes the value.
func (b *Builder) unsafe(name, value string) bool {
	for i := 0; i < len(value); i++ {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			b.fail("%s with a control character", name)
			return true
		}
	}
	return false
}

func (b *Builder) write(name, value string) {
	if name == "" || fieldName([]byte(name+":")) != name || strings.ContainsAny(name, ": \t") {
		b.fail("a field name with other than printable ASCII")
		return
	}
	if b.unsafe(name, value) {
		return
	}
	folded, ok := fold(name, strings.Trim(value, " \t"))
	if !ok {
		b.fail("%s has a line over %d octets", name, maxLine)
		return
	}
	b.fields = append(b.fields, Field{Name: name, Raw: []byte(folded)})
}

// fold writes "name: value" with CRLF, broken in front of white space where a line would pass 76 columns. A broken line never
// consists of white space alone.
func fold(name, value string) (string, bool) {
	var out strings.Builder
	line := name + ":"
	if value == "" {
		return line + "\r\n", true
	}
	ok := true
	flush := func() {
		ok = ok && len(line) <= maxLine
		out.WriteString(line)
		out.WriteString("\r\n")
	}
	for rest := " " + value; rest != ""; {
		n := nextToken(rest)
		token := rest[:n]
		rest = rest[n:]
		onlyName := line == name+":"
		if len(line)+len(token) > foldAt && line != "" && (!onlyName || len(token) <= foldAt) {
			flush()
			line = ""
		}
		line += token
	}
	flush()
	return out.String(), ok
}

// nextToken returns the length of the white space and the word that follows it.
func nextToken(s string) int {
	i := 0
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	for i < len(s) && s[i] != ' ' && s[i] != '\t' {
		i++
	}
	return i
}

func encodeText(text string) string {
	if encoded := mime.QEncoding.Encode("utf-8", text); encoded != text {
		return encoded
	}
	if !strings.Contains(text, "=?") {
		return text
	}
	// mime leaves printable ASCII alone, even where it would be read as an encoded-word. Encode it by forcing one character.
	return "=?utf-8?q?" + quoteAll(text) + "?="
}

// quoteAll is the Q encoding of a short ASCII text with nothing left that could end the encoded-word early; longer text is cut into
// several words of at most 75 characters.
func quoteAll(text string) string {
	const room = 75 - len("=?utf-8?q??=")
	var out strings.Builder
	n := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		piece := string(c)
		if c == ' ' {
			piece = "_"
		} else if !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z') {
			piece = fmt.Sprintf("=%02X", c)
		}
		if n+len(piece) > room {
			out.WriteString("?= =?utf-8?q?")
			n = 0
		}
		out.WriteString(piece)
		n += len(piece)
	}
	return out.String()
}
