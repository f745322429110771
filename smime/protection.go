package smime

import (
	"errors"
	"slices"
	"strings"

	"github.com/sealist/sealist/smime/entity"
)

// HeaderProtection is the way in which a message protects its header fields, in the words that message inspect prints.
type HeaderProtection string

// The ways of header protection.
const (
	NoHeaderProtection HeaderProtection = "none"
	// HeadersClear is hp="clear" on the root of the payload: the fields beside it are signed (RFC 9788 section 2.1.1).
	HeadersClear HeaderProtection = "clear"
	// HeadersCipher is hp="cipher": the fields beside it are signed, and those that HP-Outer does not record as shown are hidden.
	HeadersCipher HeaderProtection = "cipher"
	// HeadersWrapped is a payload that is a message/rfc822 (RFC 8551 section 3.1): the fields of that message are protected.
	HeadersWrapped HeaderProtection = "rfc8551"
)

// Protection is what a message says about its header protection: facts. Whether somebody vouches for the fields is for
// [Authenticate] to say. The zero value is none.
type Protection struct {
	// Err is why the protection is not understood; it wraps [ErrMalformed] or [ErrTooLarge] and quotes nothing. Such a message
	// authenticates nobody.
	Err error

	kind   HeaderProtection
	fields entity.Header // the protected fields, structural ones and HP-Outer left out
	shown  entity.Header // what stood outside when the author sent the message
	hides  bool          // what is not shown is hidden
}

// Kind is the way of protection; [NoHeaderProtection] for the zero value.
func (p Protection) Kind() HeaderProtection {
	if p.kind == "" {
		return NoHeaderProtection
	}
	return p.kind
}

// Fields returns the protected fields of a name, ASCII case aside, in their order. They may be secret: they never go to a log, a
// notice, the database or an outer header (invariant 1).
func (p Protection) Fields(name string) []entity.Field { return p.fields.All(name) }

// Names returns the names of the protected fields as they were written, each once.
func (p Protection) Names() []string { return p.names(func(string) bool { return true }) }

// Hidden returns the names of those protected fields that the author did not show outside with the same value: RFC 9788 calls them
// signed and encrypted.
func (p Protection) Hidden() []string { return p.names(p.hidden) }

func (p Protection) names(take func(string) bool) []string {
	names := []string{}
	for _, f := range p.fields {
		known := slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, f.Name) })
		if !known && take(f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

func (p Protection) hidden(name string) bool {
	inside, outside := p.fields.All(name), p.shown.All(name)
	return p.hides && !slices.EqualFunc(inside, outside, func(a, b entity.Field) bool { return a.Value() == b.Value() })
}

// hpOuter is the field that records one field of the outer header as the author sent it (RFC 9788).
const hpOuter = "HP-Outer"

// structural tells whether a field describes the MIME entity that it stands on, and protects nothing.
func structural(f entity.Field) bool {
	return f.Name == "" || f.Is("MIME-Version") || strings.HasPrefix(strings.ToLower(f.Name), "content-")
}

// protection reads the header protection of a message whose unbroken run ends in w.Content. Only the root of what CMS layers hold
// has any: the same parameter on a message without layers, or on a part of it, says nothing.
func (w *walker) protection() Protection {
	if w.Content == nil || !slices.ContainsFunc(w.Layers, func(l Layer) bool {
		return l.Counts && l.Err == nil && (l.Type == Signed || l.encrypted())
	}) {
		return Protection{}
	}
	typ, params := w.Content.MediaType()
	switch hp, given := params["hp"]; {
	case given:
		return declared(w.Content.Header(), strings.ToLower(hp), w.Encrypted)
	case typ == "message/rfc822" || typ == "message/global":
		return w.wrapped()
	case len(w.Content.Header().All(hpOuter)) > 0:
		return Protection{Err: named("header protection", errors.New("HP-Outer without hp"))}
	}
	return Protection{}
}

// declared reads the protection that an hp parameter announces.
func declared(h entity.Header, hp string, encrypted bool) Protection {
	p := Protection{kind: HeaderProtection(hp)}
	switch {
	case hp != "clear" && hp != "cipher":
		// Whoever wrote it meant to protect something; to go on without would be to guess.
		return Protection{Err: named("header protection", errors.New("unknown value of hp"))}
	case hp == "cipher" && !encrypted:
		// The author encrypted it; somebody else took that away and sent it on.
		p.Err = named("header protection", errors.New("hp says cipher, and nothing is encrypted"))
	}
	for _, f := range h {
		switch {
		case structural(f):
		case f.Is(hpOuter):
			if shown, ok := recorded(f); ok {
				p.shown = append(p.shown, shown)
			} else {
				p.Err = named("header protection", errors.New("HP-Outer that records no field"))
			}
		default:
			p.fields = append(p.fields, f)
		}
	}
	switch {
	case hp == "cipher":
		p.hides = true
	case len(p.shown) > 0:
		p.Err = named("header protection", errors.New("HP-Outer beside hp=clear"))
	}
	return p
}

// recorded reads the field that an HP-Outer field records.
func recorded(f entity.Field) (entity.Field, bool) {
	e, err := entity.Parse([]byte(f.Value()+"\r\n"), entity.DefaultLimits())
	if err != nil || len(e.Header()) != 1 || e.Header()[0].Name == "" {
		return entity.Field{}, false
	}
	return e.Header()[0], true
}

// wrapped reads the message that the payload consists of (RFC 8551 section 3.1: the intent to protect its header is assumed).
func (w *walker) wrapped() Protection {
	p := Protection{kind: HeadersWrapped, hides: w.Encrypted, shown: w.Outer.Header()}
	octets, err := w.Content.Decoded()
	if err == nil {
		var inner *entity.Entity
		if inner, err = w.Content.Nested(octets); err == nil {
			for _, f := range inner.Header() {
				if !structural(f) {
					p.fields = append(p.fields, f)
				}
			}
		}
	}
	p.Err = named("the wrapped message", err)
	return p
}
