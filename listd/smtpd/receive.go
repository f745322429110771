package smtpd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/emersion/go-smtp"
)

// Sizes of the memory in which a message is gathered.
const (
	readOctets  = 8 << 10
	firstOctets = 64 << 10
	trustOctets = 1 << 20 // an announced size is believed up to here
)

// read gathers a message. Whatever is wrong with it, it is read to its end, so
// that the answer comes where the client expects it. free gives its memory
// back and is never nil.
func (ses *session) read(r io.Reader, announced int64) (octets []byte, free func(), err error) {
	held := int64(0)
	free = func() { ses.s.memory.Release(held) }
	hold := func(n int64) error { // n in all
		n = max(held, min(n, ses.s.c.Memory)) // what it needs beyond the budget it has alone
		ctx, cancel := context.WithTimeout(context.Background(), ses.s.c.MemoryWait)
		defer cancel()
		if ses.s.memory.Acquire(ctx, n-held) != nil {
			return errMemory
		}
		held = n
		return nil
	}
	octets = []byte{}
	var wrong error // what is wrong with the message, told at its end
	var check octetCheck
	total := int64(0)
	buf := make([]byte, readOctets)
	for {
		n, err := r.Read(buf)
		ses.conn.grew()
		if total += int64(n); wrong == nil && total > ses.s.c.MaxMessageBytes {
			octets, wrong = nil, errTooLarge
		}
		if wrong == nil && n > 0 {
			check.write(buf[:n])
			if size := int64(len(octets) + n); size > int64(cap(octets)) {
				share, room := ses.s.room(size, int64(cap(octets)), announced)
				if wrong = hold(share); wrong == nil {
					octets = append(make([]byte, 0, room), octets...)
				}
			}
			if wrong == nil {
				octets = append(octets, buf[:n]...)
				wrong = check.err()
			}
			if wrong != nil {
				octets = nil
			}
		}
		switch {
		case err == io.EOF:
			if wrong == nil {
				wrong = check.atEnd()
			}
			return octets, free, wrong
		case err != nil:
			if said := (*smtp.SMTPError)(nil); errors.As(err, &said) {
				return nil, free, err
			}
			return nil, free, fmt.Errorf("%w: %w", errBrokeOff, err)
		}
	}
}

// room is how much of the budget a message of size octets so far is to hold, and
// in how much memory it is gathered. A small message grows. One that turns out
// to be large takes its whole share at once: two that grew side by side could
// each wait for what the other holds.
func (s *Server) room(size, has, announced int64) (share, room int64) {
	most := s.c.MaxMessageBytes
	room = max(size, min(most, max(firstOctets, 2*has, min(announced+1, trustOctets))))
	switch {
	case size <= trustOctets:
		return room, room
	case size <= announced:
		room = min(most, announced+1)
		return room, room
	}
	return most, room // it did not say
}

// octetCheck looks for what must not be in a message (invariant 6). It is fed
// the message in pieces.
type octetCheck struct {
	last byte
	any  bool
	bad  bool
}

func (c *octetCheck) write(octets []byte) {
	last := c.last
	for _, b := range octets {
		if b == 0 || (last == '\r') != (b == '\n') {
			c.bad = true
		}
		last = b
	}
	c.last, c.any = last, true
}

func (c *octetCheck) err() error {
	if c.bad {
		return errOctets
	}
	return nil
}

// atEnd is the verdict on the whole. A last line without an end can only come
// by BDAT; it could not be relayed as it is, and may be what is left of a
// message that broke off.
func (c *octetCheck) atEnd() error {
	switch {
	case c.bad || c.last == '\r':
		return errOctets
	case c.any && c.last != '\n':
		return errUnended
	}
	return nil
}

// countReceived counts the Received fields of a message's header.
func countReceived(octets []byte) int {
	const name = "received:"
	n := 0
	for len(octets) > 0 && octets[0] != '\r' {
		if len(octets) >= len(name) && bytes.EqualFold(octets[:len(name)], []byte(name)) {
			n++
		}
		end := bytes.IndexByte(octets, '\n')
		if end < 0 {
			break
		}
		octets = octets[end+1:]
	}
	return n
}
