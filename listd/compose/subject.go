package compose

import (
	"io"
	"mime"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"

	"github.com/sealist/sealist/smime/entity"
)

// addSubject writes the Subject, with the list's tag where it has one. A
// Subject that the author protects stays as it is, and so does one that cannot
// be read.
func (p Post) addSubject(b *entity.Builder, f entity.Field) {
	tag := p.List.Policy.SubjectTag
	if tag == "" || p.protects("Subject") {
		b.AddField(f)
		return
	}
	subject := decoded(f.Value())
	if !utf8.ValidString(subject) || strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		b.AddField(f)
		return
	}
	subject = tagged(tag, subject)
	var try entity.Builder
	if try.AddText("Subject", subject); failed(&try) {
		b.AddField(f) // a word of it is longer than a line may be
		return
	}
	b.AddText("Subject", subject)
}

func failed(b *entity.Builder) bool {
	_, err := b.Octets()
	return err != nil
}

// reply is what programs write before the Subject that is answered.
var reply = regexp.MustCompile(`^(?i:(?:re|aw|antw|sv|vs|tr|fwd?|wg)(?:\[\d+\])?:\s*)+`)

// tagged puts the tag in front of a Subject, behind what says that it is an
// answer, and once.
func tagged(tag, subject string) string {
	subject = strings.TrimSpace(subject)
	before := reply.FindString(subject)
	rest := strings.TrimSpace(strings.Replace(subject[len(before):], tag, "", 1))
	for again := reply.FindString(rest); again != ""; again = reply.FindString(rest) {
		rest = rest[len(again):] // "Re: [tag] Re: x" grows with each answer
		if before == "" {
			before = again
		}
	}
	return strings.TrimSpace(strings.TrimSpace(before) + " " + tag + " " + rest)
}

// decoded reads the encoded-words of a value (RFC 2047). What it cannot read it
// returns as it stands.
func decoded(value string) string {
	words := mime.WordDecoder{CharsetReader: func(charset string, in io.Reader) (io.Reader, error) {
		enc, err := htmlindex.Get(charset)
		if err != nil {
			return nil, err
		}
		return enc.NewDecoder().Reader(in), nil
	}}
	text, err := words.DecodeHeader(value)
	if err != nil {
		return value
	}
	return text
}
