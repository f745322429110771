package smtpd

import (
	"bufio"
	"errors"
	"io"
	"reflect"
)

// dataReader reads the octets of a message behind DATA up to the line that is a
// dot, takes the doubled dots away (RFC 5321 section 4.5.2), and changes nothing
// else. A line ends with CRLF and with nothing else, whatever stands before it.
//
// QUIRK: it stands in for the reader that go-smtp gives to Data, which loses a
// CR behind a dot that begins a line, and does not see the end of a message
// whose last line ends with CR CR LF. That one lies over the only buffer of the
// connection and has no way around it, so its two fields are taken by name. With
// a go-smtp that has others every message is put off.
type dataReader struct {
	r      *bufio.Reader
	theirs *int // go-smtp's state, to be told of the end
	rest   []byte
	last   byte // octet before the next one
	ends   bool // the next octet begins a line
	ended  error
}

// theirEnd is go-smtp's stateEOF.
const theirEnd = 5

var errGoSMTP = errors.New("this version of go-smtp reads messages in another way; see smtpd/data.go")

// newDataReader takes over from go-smtp's reader.
func newDataReader(r io.Reader) (*dataReader, error) {
	v := reflect.ValueOf(r)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil, errGoSMTP
	}
	buffer, state := v.Elem().FieldByName("r"), v.Elem().FieldByName("state")
	if !buffer.IsValid() || buffer.Type() != reflect.TypeFor[*bufio.Reader]() || !state.IsValid() || state.Type() != reflect.TypeFor[int]() {
		return nil, errGoSMTP
	}
	return &dataReader{r: (*bufio.Reader)(buffer.UnsafePointer()), theirs: (*int)(state.Addr().UnsafePointer()), ends: true}, nil
}

// Read implements io.Reader. io.EOF is the end of the message,
// io.ErrUnexpectedEOF that of the connection.
func (d *dataReader) Read(b []byte) (int, error) {
	for len(d.rest) == 0 {
		if d.ended != nil {
			return 0, d.ended
		}
		d.rest, d.ended = d.next()
	}
	n := copy(b, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// next returns a line, or a part of one that is longer than the buffer.
func (d *dataReader) next() ([]byte, error) {
	line, err := d.r.ReadSlice('\n')
	switch {
	case err == io.EOF:
		return nil, io.ErrUnexpectedEOF
	case err != nil && err != bufio.ErrBufferFull:
		return nil, err
	}
	begins := d.ends
	before := d.last
	if len(line) > 1 {
		before = line[len(line)-2]
	}
	d.last = line[len(line)-1]
	d.ends = before == '\r' && d.last == '\n'
	if !begins || line[0] != '.' {
		return line, nil
	}
	if string(line) == ".\r\n" {
		*d.theirs = theirEnd
		return nil, io.EOF
	}
	return line[1:], nil
}

// finish reads what is left, so that what follows is read as commands.
func (d *dataReader) finish() {
	for d.ended == nil {
		_, d.ended = d.next()
	}
}
