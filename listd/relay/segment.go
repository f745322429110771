package relay

import (
	"bytes"
	"fmt"
)

// Segment is a run of a message's octets that was checked once and may be sent
// any number of times, by several goroutines at a time: what all copies of a
// message share is one Segment. The zero Segment is empty.
//
// The octets belong to the Segment from then on: nobody may change them.
type Segment struct {
	wire     []byte // as sent: lines within that begin with a dot have two (RFC 5321 section 4.5.2)
	size     int    // octets before dots were stuffed
	dotFirst bool   // begins with a dot, to be stuffed if it stands at a line's start
	endsLine bool   // ends with CRLF
	eightBit bool   // holds octets above 127
}

// NewSegment checks octets. It refuses, with an error that wraps
// ErrTransaction, a NUL, a CR without LF and an LF without CR (invariant 6); so
// a line's end cannot be spread over two segments. Lines may be. The octets
// are copied only if dots have to be stuffed within them.
func NewSegment(octets []byte) (Segment, error) {
	s := Segment{wire: octets, size: len(octets)}
	if len(octets) == 0 {
		return s, nil
	}
	if i := bytes.IndexByte(octets, 0); i >= 0 {
		return Segment{}, fmt.Errorf("%w: NUL at octet %d", ErrTransaction, i)
	}
	dots := 0 // at the start of a line, the first line apart
	for at := 0; at < len(octets); {
		line := octets[at:]
		end := bytes.IndexByte(line, '\n')
		if end >= 0 {
			line = line[:end]
			if end == 0 || line[end-1] != '\r' {
				return Segment{}, fmt.Errorf("%w: bare LF at octet %d", ErrTransaction, at+end)
			}
			line = line[:end-1]
		}
		if i := bytes.IndexByte(line, '\r'); i >= 0 {
			return Segment{}, fmt.Errorf("%w: bare CR at octet %d", ErrTransaction, at+i)
		}
		if at > 0 && len(line) > 0 && line[0] == '.' {
			dots++
		}
		if end < 0 {
			break
		}
		at += end + 1
	}
	s.dotFirst = octets[0] == '.'
	s.endsLine = octets[len(octets)-1] == '\n'
	s.eightBit = hasEightBit(octets)
	if dots > 0 {
		s.wire = stuffed(octets, dots)
	}
	return s, nil
}

// Size returns how many octets the segment adds to a message, stuffed dots not
// counted.
func (s Segment) Size() int { return s.size }

// stuffed doubles the dots that begin a line, the first line apart.
func stuffed(octets []byte, dots int) []byte {
	out := make([]byte, 0, len(octets)+dots)
	for {
		i := bytes.Index(octets, []byte("\n."))
		if i < 0 {
			return append(out, octets...)
		}
		out = append(append(out, octets[:i+2]...), '.')
		octets = octets[i+2:]
	}
}

func hasEightBit(octets []byte) bool {
	for len(octets) >= 8 {
		if (octets[0]|octets[1]|octets[2]|octets[3]|octets[4]|octets[5]|octets[6]|octets[7])&0x80 != 0 {
			return true
		}
		octets = octets[8:]
	}
	for _, b := range octets {
		if b&0x80 != 0 {
			return true
		}
	}
	return false
}
