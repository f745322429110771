package cms

import (
	"errors"
	"fmt"
	"math/big"
)

// Identifier octets of what is read here (X.690 section 8.1.2). Elements with tag numbers over 30
// exist in nothing this package looks into; they are only skipped.
const (
	tagBoolean         byte = 0x01
	tagInteger         byte = 0x02
	tagBitString       byte = 0x03
	tagOctetString     byte = 0x04
	tagNull            byte = 0x05
	tagOID             byte = 0x06
	tagUTCTime         byte = 0x17
	tagGeneralizedTime byte = 0x18
	tagSequence        byte = 0x30
	tagSet             byte = 0x31

	constructed byte = 0x20
	implicit    byte = 0x80                  // [0] IMPLICIT of a primitive type
	explicit    byte = 0x80 | constructed    // [0] EXPLICIT, or IMPLICIT of a constructed type
	numberMask  byte = 0x1f                  // the tag number, 0x1f where further octets hold it
	chunked     byte = tagOctetString | 0x20 // OCTET STRING in constructed form
)

// document is the input of one Read. Elements are positions in it: nothing is copied until somebody
// asks for octets that stand there in pieces.
//
// The first error sticks: readers of a failed document are empty, so that a parser can say what it
// expects, line after line, and ask once at the end.
type document struct {
	octets []byte
	ends   map[int]int // where the content of an indefinite-length element ends, by where it starts
	budget *Budget
	err    error
}

func newDocument(ber []byte, b *Budget) *document {
	return &document{octets: ber, ends: make(map[int]int), budget: b}
}

func (d *document) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *document) malformed(format string, args ...any) {
	d.fail(fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...)))
}

// root reads the document's top level.
func (d *document) root() *reader { return &reader{doc: d, end: len(d.octets)} }

const indefinite = -1

var errHeader = fmt.Errorf("%w: broken or truncated element", ErrMalformed)

// header reads identifier and length octets at off. body is where the content starts; length is
// indefinite or fits before limit.
func (d *document) header(off, limit int) (tag byte, body, length int, err error) {
	o := d.octets[:limit]
	if off+2 > len(o) {
		return 0, 0, 0, errHeader
	}
	tag = o[off]
	off++
	if tag&numberMask == numberMask {
		for i := 0; ; i++ { // tag number in base 128; five octets are more than anybody needs
			if off >= len(o) || i == 5 {
				return 0, 0, 0, errHeader
			}
			off++
			if o[off-1]&0x80 == 0 {
				break
			}
		}
		if off >= len(o) {
			return 0, 0, 0, errHeader
		}
	}
	first := o[off]
	off++
	switch {
	case first < 0x80:
		length = int(first)
	case first == 0x80:
		if tag&constructed == 0 {
			return 0, 0, 0, errHeader
		}
		return tag, off, indefinite, nil
	default:
		n := int(first & 0x7f)
		if n > 8 || off+n > len(o) { // BER allows leading zeros; eight octets hold any length
			return 0, 0, 0, errHeader
		}
		var v uint64
		for _, c := range o[off : off+n] {
			v = v<<8 | uint64(c)
		}
		off += n
		if v > uint64(len(o)-off) {
			return 0, 0, 0, errHeader
		}
		length = int(v)
	}
	if length > len(o)-off {
		return 0, 0, 0, errHeader
	}
	return tag, off, length, nil
}

// endOf finds the end-of-contents octets of the indefinite-length element whose content starts at
// body. Each such element is walked once: what is found about the ones inside is kept.
func (d *document) endOf(body, limit, depth int) (int, error) {
	if end, ok := d.ends[body]; ok {
		return end, nil
	}
	open := []int{body}
	for off := body; len(open) > 0; {
		if err := d.budget.element(); err != nil {
			return 0, err
		}
		tag, start, length, err := d.header(off, limit)
		switch {
		case err != nil:
			return 0, err
		case tag == 0:
			if length != 0 {
				return 0, errHeader
			}
			d.ends[open[len(open)-1]] = off
			open = open[:len(open)-1]
			off = start
		case length == indefinite:
			if depth+len(open) >= d.budget.limits.Depth {
				return 0, d.tooDeep()
			}
			if err := d.budget.indefinite(); err != nil {
				return 0, err
			}
			open = append(open, start)
			off = start
		default:
			off = start + length
		}
	}
	return d.ends[body], nil
}

func (d *document) tooDeep() error {
	return fmt.Errorf("%w: elements nested more than %d deep", ErrTooLarge, d.budget.limits.Depth)
}

// reader walks the elements of one level.
type reader struct {
	doc      *document
	pos, end int
	depth    int
}

// element is one ASN.1 element. The zero element is what a failed document gives.
type element struct {
	doc        *document
	tag        byte // identifier octet
	start      int  // of the identifier
	body       int  // of the content
	bodyEnd    int
	end        int // after the content and, where the length is indefinite, the end-of-contents octets
	depth      int
	indefinite bool
}

// empty tells whether the level is read, or the document failed.
func (r *reader) empty() bool { return r.doc.err != nil || r.pos >= r.end }

// next reads one element of any tag.
func (r *reader) next() element {
	if r.doc.err != nil {
		return element{}
	}
	if err := r.doc.budget.element(); err != nil {
		r.doc.fail(err)
		return element{}
	}
	tag, body, length, err := r.doc.header(r.pos, r.end)
	if err != nil {
		r.doc.fail(err)
		return element{}
	}
	e := element{doc: r.doc, tag: tag, start: r.pos, body: body, depth: r.depth}
	if length == indefinite {
		e.indefinite = true
		if e.bodyEnd, err = r.doc.endOf(body, r.end, r.depth); err != nil {
			r.doc.fail(err)
			return element{}
		}
		e.end = e.bodyEnd + 2
	} else {
		e.bodyEnd = body + length
		e.end = e.bodyEnd
	}
	r.pos = e.end
	return e
}

// is tells whether the next element has this tag. An OCTET STRING may come in constructed form.
func (r *reader) is(tag byte) bool {
	if r.empty() {
		return false
	}
	got := r.doc.octets[r.pos]
	return got == tag || tag == tagOctetString && got == chunked
}

// take reads the next element, which must have this tag.
func (r *reader) take(tag byte, what string) element {
	if !r.is(tag) {
		r.doc.malformed("%s expected", what)
		return element{}
	}
	return r.next()
}

// skip reads over an optional element.
func (r *reader) skip(tag byte) {
	if r.is(tag) {
		r.next()
	}
}

// done says that the level must be read to its end.
func (r *reader) done(what string) {
	if !r.empty() {
		r.doc.malformed("more than %s holds", what)
	}
}

// children reads the element's content.
func (e element) children() *reader {
	if e.doc == nil {
		return &reader{doc: &document{err: errHeader}}
	}
	if e.depth+1 >= e.doc.budget.limits.Depth {
		e.doc.fail(e.doc.tooDeep())
	}
	return &reader{doc: e.doc, pos: e.body, end: e.bodyEnd, depth: e.depth + 1}
}

// apart returns the element in a document of its own: what fails in it does not fail the rest.
// The octets, what is known about them and the budget are shared.
func (e element) apart() element {
	if e.doc == nil {
		return e
	}
	d := *e.doc
	e.doc = &d
	return e
}

// raw returns the element as received.
func (e element) raw() []byte {
	if e.doc == nil {
		return nil
	}
	return e.doc.octets[e.start:e.end:e.end]
}

// content returns the content octets as received.
func (e element) content() []byte {
	if e.doc == nil {
		return nil
	}
	return e.doc.octets[e.body:e.bodyEnd:e.bodyEnd]
}

// size is the number of octets of the element as received.
func (e element) size() int { return e.end - e.start }

// octets returns the value of an OCTET STRING of any tag: the received octets where they stand in
// one piece, else a new slice that joins the chunks (X.690 section 8.7).
func (e element) octets() []byte {
	if e.doc == nil {
		return nil
	}
	if e.tag&constructed == 0 {
		return e.content()
	}
	total, pieces := 0, 0
	var only []byte
	e.chunks(func(piece []byte) {
		total += len(piece)
		pieces++
		only = piece
	})
	if e.doc.err != nil {
		return nil
	}
	if pieces == 1 {
		return only
	}
	return e.appendOctets(make([]byte, 0, total))
}

// octetsLen is the length of what octets returns.
func (e element) octetsLen() int {
	n := 0
	e.chunks(func(piece []byte) { n += len(piece) })
	return n
}

// appendOctets appends what octets returns to dst.
func (e element) appendOctets(dst []byte) []byte {
	e.chunks(func(piece []byte) { dst = append(dst, piece...) })
	return dst
}

// chunks calls f with each piece of an OCTET STRING. Its recursion is bounded by Limits.Depth.
func (e element) chunks(f func([]byte)) {
	if e.doc == nil {
		return
	}
	if e.tag&constructed == 0 {
		f(e.content())
		return
	}
	for r := e.children(); !r.empty(); {
		r.take(tagOctetString, "OCTET STRING").chunks(f)
	}
}

// oid returns the value of an OBJECT IDENTIFIER of at most maxOID octets.
func (e element) oid() oid {
	if e.doc == nil {
		return ""
	}
	if e.bodyEnd-e.body > maxOID {
		e.doc.malformed("OBJECT IDENTIFIER of %d octets", e.bodyEnd-e.body)
		return ""
	}
	o := oid(e.content())
	if !o.valid() {
		e.doc.malformed("OBJECT IDENTIFIER")
	}
	return o
}

// integer returns the value of an INTEGER of at most 64 octets: serial numbers have 20 (RFC 5280
// section 4.1.2.2), and old certificates a few more.
func (e element) integer() *big.Int {
	if e.doc == nil {
		return new(big.Int)
	}
	c := e.content()
	if len(c) == 0 || len(c) > 64 {
		e.doc.malformed("INTEGER of %d octets", len(c))
		return new(big.Int)
	}
	n := new(big.Int).SetBytes(c)
	if c[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(c))*8))
	}
	return n
}

// small returns the value of an INTEGER between 0 and 65,535.
func (e element) small() int {
	n := e.integer()
	if n.Sign() < 0 || n.BitLen() > 16 {
		e.doc.malformed("INTEGER out of range")
		return 0
	}
	return int(n.Int64())
}

// tooLarge tells a refusal of the budget from octets that make no sense.
func tooLarge(err error) bool { return errors.Is(err, ErrTooLarge) }
