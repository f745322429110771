package cms

import (
	"bytes"
	"slices"
)

// der returns the element in DER: as received where lengths are definite and minimal and OCTET STRINGs
// in one piece, else encoded anew, with sets in order. What primitive elements hold is not judged, and
// other strings in pieces, which nobody writes, stay so.
func (e element) der() []byte {
	if e.doc == nil {
		return nil
	}
	if e.isDER() {
		return e.raw()
	}
	return e.appendDER(nil)
}

// isDER tells whether the element is DER but for the order of its sets and for primitive values.
// The recursion of isDER and appendDER is bounded by Limits.Depth.
func (e element) isDER() bool {
	if e.indefinite || e.body-e.start != headerLen(e.bodyEnd-e.body)+e.tagLen()-1 {
		return false
	}
	if e.tag&constructed == 0 {
		return true
	}
	if e.tag == chunked {
		return false
	}
	for r := e.children(); !r.empty(); {
		if !r.next().isDER() {
			return false
		}
	}
	return e.doc.err == nil
}

func (e element) tagLen() int {
	n := 1
	if e.tag&numberMask == numberMask {
		for o := e.doc.octets[e.start+1:]; o[n-1]&0x80 != 0; n++ {
		}
		n++
	}
	return n
}

func (e element) appendDER(dst []byte) []byte {
	if e.doc == nil || e.doc.err != nil {
		return dst
	}
	tag := e.doc.octets[e.start : e.start+e.tagLen()]
	if e.tag&constructed == 0 {
		return append(appendLength(append(dst, tag...), e.bodyEnd-e.body), e.content()...)
	}
	if e.tag == chunked {
		o := e.octets()
		return append(appendLength(append(dst, tagOctetString), len(o)), o...)
	}
	var parts [][]byte
	n := 0
	for r := e.children(); !r.empty(); {
		p := r.next().appendDER(nil)
		parts = append(parts, p)
		n += len(p)
	}
	if e.tag == tagSet {
		sortSet(parts)
	}
	dst = appendLength(append(dst, tag...), n)
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return dst
}

// sortSet puts the encodings of a SET OF in DER's order (X.690 section 11.6).
func sortSet(parts [][]byte) { slices.SortFunc(parts, bytes.Compare) }

// headerLen is the number of octets of a DER header with a one-octet tag before n octets.
func headerLen(n int) int {
	l := 2
	if n >= 0x80 {
		for ; n > 0; n >>= 8 {
			l++
		}
	}
	return l
}

// elementLen is the number of octets of a DER element with n octets of content.
func elementLen(n int) int { return headerLen(n) + n }

// appendHeader appends a DER header.
func appendHeader(dst []byte, tag byte, n int) []byte { return appendLength(append(dst, tag), n) }

func appendLength(dst []byte, n int) []byte {
	if n < 0x80 {
		return append(dst, byte(n))
	}
	octets := headerLen(n) - 2
	dst = append(dst, 0x80|byte(octets))
	for i := octets - 1; i >= 0; i-- {
		dst = append(dst, byte(n>>(8*i)))
	}
	return dst
}

// encode returns one DER element of the parts.
func encode(tag byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	out := appendHeader(make([]byte, 0, elementLen(n)), tag, n)
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// encodeSet returns a DER SET OF.
func encodeSet(tag byte, parts ...[]byte) []byte {
	parts = slices.Clone(parts)
	sortSet(parts)
	return encode(tag, parts...)
}
