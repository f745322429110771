package distribute

import (
	"strings"

	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/entity"
)

// message is what a scenario may ask of a post.
type message struct{ Submission }

// ReadMessage makes what a scenario may ask of a message in clear, without
// opening or verifying anything: for trying a scenario out.
func ReadMessage(octets []byte) (scenario.Message, error) {
	outer, err := entity.Parse(octets, entity.DefaultLimits())
	if err != nil {
		return nil, err
	}
	s := Submission{Message: smime.Open(outer, smime.Options{})}
	s.Item.Size = int64(len(octets))
	return message{s}, nil
}

// Fields implements scenario.Message.
func (m message) Fields(name string) []string {
	if strings.HasPrefix(strings.ToLower(name), "content-") && m.Readable() {
		all := values(m.Message.Payload.Header(), name)
		if m.Message.Content != m.Message.Payload {
			all = append(all, values(m.Message.Content.Header(), name)...)
		}
		return all
	}
	if value, ok := m.Author.Vouched(name); ok {
		return []string{value}
	}
	return values(m.Message.Outer.Header(), name)
}

func values(h entity.Header, name string) []string {
	var all []string
	for _, f := range h.All(name) {
		all = append(all, f.Value())
	}
	return all
}

// Text implements scenario.Message.
func (m message) Text() string {
	if !m.Readable() {
		return ""
	}
	return textOf(m.Message.Content)
}

// Parts implements scenario.Message.
func (m message) Parts() []scenario.Part {
	if !m.Readable() || !m.Message.Content.IsMultipart() {
		return nil
	}
	multi, err := m.Message.Content.Parts()
	if err != nil {
		return nil
	}
	parts := make([]scenario.Part, len(multi.Parts))
	for i, p := range multi.Parts {
		parts[i].Type, _ = p.MediaType()
		parts[i].Text = textOf(p)
	}
	return parts
}

// textOf is the body of an entity that is text; "" if it is not, or cannot be
// decoded.
func textOf(e *entity.Entity) string {
	if typ, _ := e.MediaType(); !strings.HasPrefix(typ, "text/") {
		return ""
	}
	octets, err := e.Decoded()
	if err != nil {
		return ""
	}
	return string(octets)
}

// Encrypted implements scenario.Message.
func (m message) Encrypted() bool { return m.Message.Encrypted }

// Size implements scenario.Message.
func (m message) Size() int64 { return m.Item.Size }
