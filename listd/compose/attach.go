package compose

import (
	"bytes"
	"slices"

	"github.com/sealist/sealist/smime/entity"
)

// Attached is a message/rfc822 with a post as it came: the outer fields that a
// sealed copy keeps, and the content with the author's signature. It is for
// those who decide on it, and as secret as the post.
func (p Post) Attached() ([]byte, error) {
	var b entity.Builder
	for _, f := range p.Message.Outer.Header() {
		if slices.ContainsFunc(keptSealed, f.Is) || f.Is("Reply-To") {
			b.AddField(f)
		}
	}
	fields, err := b.Octets()
	if err != nil {
		return nil, err
	}
	content := p.Message.Payload
	if !p.Message.Encrypted {
		if content, err = bare(p.Message.Outer, structural); err != nil {
			return nil, err
		}
	}
	return attached(fields, content), nil
}

// Shown is a message/rfc822 with a post as it stands in members' sealed copies:
// for who reads it in a digest, or later. ErrIdentity.
func (p Post) Shown() ([]byte, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	fields, err := p.SealedHeader(Person)
	if err != nil {
		return nil, err
	}
	content, err := p.Content()
	if err != nil {
		return nil, err
	}
	return attached(fields, content), nil
}

func attached(fields []byte, content *entity.Entity) []byte {
	octets := withoutField(content, "MIME-Version")
	return slices.Concat([]byte("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: "+widest([][]byte{fields, octets})+
		"\r\nContent-Disposition: attachment; filename=\"message.eml\"\r\n\r\n"), fields, []byte("MIME-Version: 1.0\r\n"), octets)
}

// withoutField returns an entity's octets without a field of its header.
func withoutField(e *entity.Entity, name string) []byte {
	if e.Header().Get(name) == "" {
		return e.Octets()
	}
	var kept entity.Header
	for _, f := range e.Header() {
		if !f.Is(name) {
			kept = append(kept, f)
		}
	}
	return bytes.Join([][]byte{kept.Octets(), []byte("\r\n"), e.Body()}, nil)
}

// Joined is a multipart/mixed of parts, whose boundary is made of a name.
func Joined(name string, parts ...[]byte) []byte { return multipart(name, parts) }
