package entity

import (
	"bytes"
	"mime/quotedprintable"
	"strings"
)

// PlainText returns the octets of a text/plain entity in UTF-8, canonical, whose lines end in LF or CRLF in text. Short lines of
// ASCII stand as they are, everything else as quoted-printable.
func PlainText(text string) []byte {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
	const fields = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
	if short(text) {
		return []byte(fields + "7bit\r\n\r\n" + text)
	}
	var b bytes.Buffer
	b.WriteString(fields + "quoted-printable\r\n\r\n")
	w := quotedprintable.NewWriter(&b)
	w.Write([]byte(text)) // a bytes.Buffer takes everything
	w.Close()
	return b.Bytes()
}

// short tells whether a text is printable ASCII in lines of at most 78 characters (RFC 5322 section 2.1.1).
func short(text string) bool {
	for line := range strings.Lines(text) {
		if len(line) > 80 {
			return false
		}
	}
	return strings.IndexFunc(text, func(r rune) bool { return r > 0x7e || r < ' ' && r != '\t' && r != '\r' && r != '\n' }) < 0
}
