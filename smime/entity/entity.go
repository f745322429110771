// Package entity reads MIME entities by offset and keeps their octets.
//
// A signature covers octets, not meaning. So an [Entity] is the octets as they arrived with views on them: header fields in order
// with their folding, the body, and the parts of a multipart as sub-slices. Nothing is re-encoded, re-folded or normalised unless
// somebody calls a function that says so ([Canonical], [Entity.Decoded]).
//
// Untrusted octets are read in linear time and within [Limits], which one message shares with everything nested in it
// (invariant 9). String, Format and LogValue of every type that holds octets redact them, because an entity may be decrypted
// content (invariant 1).
//
// New header fields are made by [Builder], which refuses CR, LF and NUL (invariant 6).
package entity

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
)

var (
	// ErrTooLarge is wrapped by the error of everything that exceeds [Limits].
	ErrTooLarge = errors.New("entity too large")
	// ErrMalformed is wrapped by the error of everything that cannot be read as MIME at all.
	ErrMalformed = errors.New("malformed entity")
)

// Limits bounds what one message may cost, counted over the message and all entities nested in it. The zero value of a field means
// its default.
type Limits struct {
	// HeaderOctets is the largest header section of one entity, in octets. Default 64 KiB.
	HeaderOctets int
	// Parts is the largest number of body parts and nested entities in one message. Default 1000.
	Parts int
	// Depth is how deep entities may be nested, the message itself being depth 0. Default 32.
	Depth int
	// Scan is how many octets may be looked through for boundaries: each level of multiparts reads its octets once more. Default
	// 256 MiB, which is ten levels of 25 MiB each.
	Scan int64
}

// DefaultLimits returns the limits of invariant 9.
func DefaultLimits() Limits {
	return Limits{HeaderOctets: 64 << 10, Parts: 1000, Depth: 32, Scan: 256 << 20}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	if l.HeaderOctets <= 0 {
		l.HeaderOctets = d.HeaderOctets
	}
	if l.Parts <= 0 {
		l.Parts = d.Parts
	}
	if l.Depth <= 0 {
		l.Depth = d.Depth
	}
	if l.Scan <= 0 {
		l.Scan = d.Scan
	}
	return l
}

// Entity is one MIME entity (RFC 2045 section 2.4): a header section and a body, as octets. It is immutable and safe for concurrent
// use. The octets are those given to Parse, not a copy: who changes them changes the entity.
type Entity struct {
	octets      []byte
	header      Header
	body        []byte
	defaultType string
	depth       int
	tree        *tree

	once  sync.Once
	multi *Multipart
	err   error
}

// tree is what all entities of one message share.
type tree struct {
	limits  Limits
	parts   atomic.Int64
	scanned atomic.Int64
}

// Parse reads the header section of octets, which are a whole message or entity. Any octets are an entity of some kind, so the only
// error is one that wraps [ErrTooLarge].
//
// Line ends are CRLF or LF; a bare CR is an ordinary octet. A header section ends at the first empty line. Octets whose first line
// is no header field are all body, as real mail that lost its header is.
func Parse(octets []byte, l Limits) (*Entity, error) {
	return parse(octets, &tree{limits: l.withDefaults()}, 0)
}

func parse(octets []byte, t *tree, depth int) (*Entity, error) {
	if depth > t.limits.Depth {
		return nil, fmt.Errorf("%w: nested deeper than %d", ErrTooLarge, t.limits.Depth)
	}
	header, body, err := splitHeader(octets, t.limits.HeaderOctets)
	if err != nil {
		return nil, err
	}
	return &Entity{octets: octets, header: header, body: body, defaultType: "text/plain", depth: depth, tree: t}, nil
}

// Nested reads octets that came out of e (a decrypted, signed or decompressed content) as an entity one level below e, within the
// limits of the same message.
func (e *Entity) Nested(octets []byte) (*Entity, error) {
	if err := e.tree.count(1); err != nil {
		return nil, err
	}
	return parse(octets, e.tree, e.depth+1)
}

func (t *tree) count(n int) error {
	if t.parts.Add(int64(n)) > int64(t.limits.Parts) {
		return fmt.Errorf("%w: more than %d parts", ErrTooLarge, t.limits.Parts)
	}
	return nil
}

func (t *tree) scan(octets int) error {
	if t.scanned.Add(int64(octets)) > t.limits.Scan {
		return fmt.Errorf("%w: multiparts of more than %d octets in all", ErrTooLarge, t.limits.Scan)
	}
	return nil
}

// Octets returns the entity as it stood in the message: header section, empty line and body. The caller must not change it.
func (e *Entity) Octets() []byte { return e.octets }

// Header returns the header fields in the order in which they stood.
func (e *Entity) Header() Header { return e.header }

// Body returns the octets behind the empty line, transfer encoding untouched; nil if there is no empty line.
func (e *Entity) Body() []byte { return e.body }

// String says how large the entity is and nothing of what it says.
func (e *Entity) String() string {
	if e == nil {
		return "no entity"
	}
	return fmt.Sprintf("entity of %d octets", len(e.octets))
}

// Format writes [Entity.String] whatever the verb is, so that no format directive prints content.
func (e *Entity) Format(f fmt.State, _ rune) { fmt.Fprint(f, e.String()) }

// LogValue is [Entity.String].
func (e *Entity) LogValue() slog.Value { return slog.StringValue(e.String()) }
