package relay

import "bytes"

// Wire returns what a message's octets look like on the wire, final dot and
// all.
func Wire(body []Segment) string {
	var c conn
	c.body(&Transaction{Body: body})
	return string(bytes.Join(c.out, nil))
}
