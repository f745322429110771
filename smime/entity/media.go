package entity

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net/url"
	"strings"
)

// MediaType returns the lower-case media type and the parameters by lower-case name (RFC 2045 section 5.1). It is lenient where real
// mail needs it: unquoted values with specials, missing semicolons' values, RFC 2231 continuations and charsets. Without a
// Content-Type it is the default of the place, text/plain or, in a digest, message/rfc822.
//
// Two Content-Type fields that differ, or a boundary given twice, mean different things to different readers. That is no multipart
// and no S/MIME to us: the answer is application/octet-stream without parameters.
func (e *Entity) MediaType() (typ string, params map[string]string) {
	fields := e.header.All("Content-Type")
	if len(fields) == 0 {
		return e.defaultType, map[string]string{}
	}
	value := fields[0].Value()
	for _, f := range fields[1:] {
		if f.Value() != value {
			return "application/octet-stream", map[string]string{}
		}
	}
	head, rest := cutUnquoted(value, ';')
	typ = strings.ToLower(strings.TrimSpace(stripComments(head)))
	major, minor, ok := strings.Cut(typ, "/")
	major, minor = strings.TrimSpace(major), strings.TrimSpace(minor)
	if !ok || major == "" || minor == "" || strings.ContainsAny(major+minor, " \t/") {
		return "text/plain", map[string]string{} // RFC 2045 section 5.2: what cannot be read is text/plain
	}
	params, ambiguous := parameters(rest)
	if ambiguous {
		return "application/octet-stream", map[string]string{}
	}
	return major + "/" + minor, params
}

// Disposition returns the lower-case Content-Disposition and its parameters (RFC 2183); "" if there is none.
func (e *Entity) Disposition() (typ string, params map[string]string) {
	head, rest := cutUnquoted(e.header.Get("Content-Disposition"), ';')
	params, _ = parameters(rest)
	return strings.ToLower(strings.TrimSpace(stripComments(head))), params
}

// FileName returns the name that Content-Disposition or, failing that, Content-Type gives the entity; "" if neither does.
func (e *Entity) FileName() string {
	if _, p := e.Disposition(); p["filename"] != "" {
		return p["filename"]
	}
	_, p := e.MediaType()
	return p["name"]
}

// parameters reads "; name=value" pairs. ambiguous reports a boundary given twice with different values; of any other doublet the
// first counts.
func parameters(s string) (params map[string]string, ambiguous bool) {
	params = map[string]string{}
	sections := map[string]map[int]string{} // RFC 2231 continuations: name*0=, name*1*=
	for s != "" {
		var one string
		one, s = cutUnquoted(s, ';')
		name, value, ok := strings.Cut(one, "=")
		name = strings.ToLower(strings.TrimSpace(stripComments(name)))
		if !ok || name == "" {
			continue
		}
		value = parameterValue(value)
		base, star, extended := strings.Cut(name, "*")
		if !extended {
			if old, twice := params[name]; !twice {
				params[name] = value
			} else if name == "boundary" && old != value {
				ambiguous = true
			}
			continue
		}
		index := 0
		encoded := star == "" || strings.HasSuffix(star, "*")
		if n := strings.TrimSuffix(star, "*"); n != "" {
			if _, err := fmt.Sscanf(n, "%d", &index); err != nil || index < 0 || index > 999 {
				continue
			}
		}
		if encoded {
			value = decodeExtended(value, index == 0)
		}
		if sections[base] == nil {
			sections[base] = map[int]string{}
		}
		if _, twice := sections[base][index]; twice && base == "boundary" {
			ambiguous = true
		} else if !twice {
			sections[base][index] = value
		}
	}
	for base, byIndex := range sections {
		var value strings.Builder
		for i := 0; ; i++ {
			v, ok := byIndex[i]
			if !ok {
				break
			}
			value.WriteString(v)
		}
		if plain, twice := params[base]; twice {
			ambiguous = ambiguous || base == "boundary" && plain != value.String()
			continue
		}
		params[base] = value.String()
	}
	return params, ambiguous
}

// parameterValue reads a quoted-string or, leniently, everything up to the end with white space trimmed.
func parameterValue(s string) string {
	s = strings.TrimSpace(s)
	if !strings.HasPrefix(s, `"`) {
		return strings.TrimSpace(stripComments(s))
	}
	var out strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i+1 < len(s) {
				i++
				out.WriteByte(s[i])
			}
		case '"':
			return out.String()
		default:
			out.WriteByte(s[i])
		}
	}
	return out.String()
}

// decodeExtended decodes RFC 2231 section 4 values: charset'language'percent-encoded in the first section, percent-encoded in the others.
func decodeExtended(s string, first bool) string {
	if first {
		if _, after, ok := strings.Cut(s, "'"); ok {
			if _, text, ok := strings.Cut(after, "'"); ok {
				s = text
			}
		}
	}
	if d, err := url.PathUnescape(s); err == nil {
		return d
	}
	return s
}

// cutUnquoted cuts s at the first sep outside quoted-strings and comments.
func cutUnquoted(s string, sep byte) (before, after string) {
	quoted, depth := false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			if quoted || depth > 0 {
				i++
			}
		case quoted:
			quoted = c != '"'
		case c == '"' && depth == 0:
			quoted = true
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == sep && depth == 0:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// stripComments removes RFC 822 comments outside quoted-strings.
func stripComments(s string) string {
	if !strings.ContainsRune(s, '(') {
		return s
	}
	var out strings.Builder
	quoted, depth := false, 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && (quoted || depth > 0) && i+1 < len(s):
			if depth == 0 {
				out.WriteByte(c)
				out.WriteByte(s[i+1])
			}
			i++
			continue
		case c == '"' && depth == 0:
			quoted = !quoted
		case !quoted && c == '(':
			depth++
			continue
		case !quoted && c == ')' && depth > 0:
			depth--
			continue
		}
		if depth == 0 {
			out.WriteByte(c)
		}
	}
	return out.String()
}

// TransferEncoding returns the lower-case Content-Transfer-Encoding, "7bit" by default. Two fields that differ give an error that
// wraps [ErrMalformed].
func (e *Entity) TransferEncoding() (string, error) {
	fields := e.header.All("Content-Transfer-Encoding")
	if len(fields) == 0 {
		return "7bit", nil
	}
	value := fields[0].Value()
	for _, f := range fields[1:] {
		if f.Value() != value {
			return "", fmt.Errorf("%w: two transfer encodings", ErrMalformed)
		}
	}
	value = strings.ToLower(strings.TrimSpace(stripComments(value)))
	value = strings.TrimSpace(strings.TrimRight(value, ";")) // QUIRK: "base64;" of some old gateways
	if value == "" {
		return "7bit", nil
	}
	return strings.Trim(value, `"`), nil
}

// Decoded returns the body with its transfer encoding removed (RFC 2045 section 6); for 7bit, 8bit and binary it is the body itself,
// not a copy. The error wraps [ErrMalformed] for an encoding that is unknown or broken.
func (e *Entity) Decoded() ([]byte, error) {
	encoding, err := e.TransferEncoding()
	if err != nil {
		return nil, err
	}
	switch encoding {
	case "7bit", "8bit", "binary":
		return e.body, nil
	case "base64":
		return DecodeBase64(e.body)
	case "quoted-printable":
		out, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(e.body)))
		if err != nil {
			return nil, fmt.Errorf("%w: broken quoted-printable", ErrMalformed)
		}
		return out, nil
	}
	return nil, fmt.Errorf("%w: unknown transfer encoding", ErrMalformed)
}

// DecodeBase64 decodes base64 as RFC 2045 section 6.8 asks: line ends and every other octet outside the alphabet are passed over, and
// padding ends the data. Missing padding is forgiven. The error wraps [ErrMalformed].
func DecodeBase64(text []byte) ([]byte, error) {
	clean := make([]byte, 0, len(text))
scan:
	for _, c := range text {
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/':
			clean = append(clean, c)
		case c == '=':
			break scan
		}
	}
	n, err := base64.RawStdEncoding.Decode(clean, clean)
	if err != nil {
		return nil, errors.Join(ErrMalformed, errors.New("broken base64"))
	}
	return clean[:n], nil
}

// Canonical returns octets in canonical text form, every line ending in CRLF (RFC 8551 section 3.1.1): each LF without a CR in front
// gets one. Octets that are canonical already are returned as they are, not copied.
func Canonical(octets []byte) []byte {
	bare := 0
	for i := 0; i < len(octets); {
		j := bytes.IndexByte(octets[i:], '\n')
		if j < 0 {
			break
		}
		if i+j == 0 || octets[i+j-1] != '\r' {
			bare++
		}
		i += j + 1
	}
	if bare == 0 {
		return octets
	}
	out := make([]byte, 0, len(octets)+bare)
	for i, c := range octets {
		if c == '\n' && (i == 0 || octets[i-1] != '\r') {
			out = append(out, '\r')
		}
		out = append(out, c)
	}
	return out
}
