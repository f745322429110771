package command

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"

	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/entity"
)

// ErrNoText says that a message has no plain text in which commands could stand.
var ErrNoText = errors.New("there is no plain text in this message")

// maxText bounds the text in which commands are looked for, in octets.
const maxText = 64 << 10

// Text returns the main text of a message, in UTF-8: that of a text/plain, or of the first text/plain in a
// multipart/alternative or at the front of another multipart. What is attached, forwarded or HTML is no text. The legacy
// display of protected fields is taken away (RFC 9788 section 4.8.2). ErrNoText.
func Text(e *entity.Entity) (string, error) {
	part, err := textPart(e, 8)
	if err != nil {
		return "", err
	}
	octets, err := smime.WithoutLegacyDisplay(part)
	if err != nil {
		return "", fmt.Errorf("reading the text: %w", err)
	}
	if len(octets) > maxText {
		octets = octets[:maxText]
	}
	_, params := part.MediaType()
	if utf8.Valid(octets) {
		return string(octets), nil // whatever it says: no charset in use reads as UTF-8 by chance and means other commands
	}
	enc, err := htmlindex.Get(params["charset"])
	if err != nil {
		return "", fmt.Errorf("reading the text: charset %.40q: %w", params["charset"], ErrNoText)
	}
	decoded, err := enc.NewDecoder().Bytes(octets)
	return string(decoded), err
}

func textPart(e *entity.Entity, depth int) (*entity.Entity, error) {
	typ, _ := e.MediaType()
	disposition, _ := e.Disposition()
	switch {
	case depth == 0 || disposition == "attachment":
		return nil, ErrNoText
	case typ == "text/plain":
		return e, nil
	case !e.IsMultipart():
		return nil, ErrNoText
	}
	parts, err := e.Parts()
	if err != nil || len(parts.Parts) == 0 {
		return nil, ErrNoText
	}
	if typ != "multipart/alternative" {
		return textPart(parts.Parts[0], depth-1)
	}
	for _, p := range parts.Parts {
		if found, err := textPart(p, depth-1); err == nil {
			return found, nil
		}
	}
	return nil, ErrNoText
}
