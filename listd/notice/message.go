package notice

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/smime/entity"
)

// Message is service mail that is neither signed nor sealed yet.
type Message struct {
	Content []byte // an entity: the fields that describe it, an empty line, the text; canonical

	fields entity.Header // of the mail, without those that describe the content
	cover  string        // Subject of the outside if it is sealed
}

// Octets returns the whole message in clear, without a signature.
func (m Message) Octets() []byte {
	return slices.Concat(m.Header(), []byte("MIME-Version: 1.0\r\n"), m.Content)
}

// Header returns the fields of the mail, each ending in CRLF, as they stand outside where it leaves in clear.
func (m Message) Header() []byte { return m.fields.Octets() }

// covers is the Subject of what is sealed: the list's name at most.
var covers = map[list.Language][2]string{
	list.English: {"Message from the list %s", "Message from the mailing list server"},
	list.French:  {"Message de la liste %s", "Message du serveur de listes"},
	list.German:  {"Nachricht der Liste %s", "Nachricht des Listenservers"},
}

func cover(lang list.Language, l list.List) string {
	if l.Address.IsZero() {
		return covers[lang][1]
	}
	return fmt.Sprintf(covers[lang][0], l.Name())
}

// SealedHeader returns the fields that stand outside where the message is sealed: another Subject, all else as it is.
func (m Message) SealedHeader() ([]byte, error) {
	outer, err := m.outside()
	return outer.Octets(), err
}

func (m Message) outside() (entity.Header, error) {
	var b entity.Builder
	b.AddText("Subject", m.cover)
	covered, err := b.Header()
	if err != nil {
		return nil, fmt.Errorf("the Subject of what is sealed: %w", err)
	}
	outer := slices.Clone(m.fields)
	for i, f := range outer {
		if f.Is("Subject") {
			outer[i] = covered[0]
		}
	}
	return outer, nil
}

// Payload returns what is signed, or sealed, or both: the content with the fields of the mail in it, protected as RFC 9788
// sections 2.1 and 2.2 have it. What is sealed records the fields that it shows outside.
func (m Message) Payload(sealed bool) (*entity.Entity, error) {
	content, err := entity.Parse(m.Content, entity.DefaultLimits())
	if err != nil {
		return nil, fmt.Errorf("the content of service mail: %w", err)
	}
	hp := "clear"
	if sealed {
		hp = "cipher"
	}
	var out []byte
	for _, f := range content.Header() {
		raw := f.Raw
		if f.Is("Content-Type") {
			raw = fmt.Appendf(bytes.TrimRight(raw, "\r\n"), ";\r\n hp=\"%s\"\r\n", hp)
		}
		out = append(out, raw...)
	}
	out = append(out, m.fields.Octets()...)
	if sealed {
		outer, err := m.outside()
		if err != nil {
			return nil, err
		}
		var recorded entity.Builder
		for _, f := range outer {
			recorded.AddField(entity.Field{Name: "HP-Outer", Raw: append([]byte("HP-Outer: "), f.Raw...)})
		}
		shown, err := recorded.Octets()
		if err != nil {
			return nil, err
		}
		out = append(out, shown...)
	}
	return entity.Parse(slices.Concat(out, []byte("\r\n"), content.Body()), entity.DefaultLimits())
}
