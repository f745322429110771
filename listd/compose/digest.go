package compose

import (
	"bytes"
	"fmt"
	"net/mail"
	"slices"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/smime/entity"
)

// Digest is several posts in one mail (RFC 2046 section 5.1.5): whole messages,
// as [Post.Shown] makes them, with their authors' signatures.
type Digest struct {
	List  list.List
	Posts [][]byte
	Stamp Stamp // of the last of them
}

// Missing stands in a digest for a post that cannot be shown any more: its key
// is gone, or the list hides its authors now.
func Missing(received time.Time) []byte {
	text := entity.PlainText("A message that the list received on " + received.UTC().Format(time.RFC1123Z) + " cannot be shown any more.\n")
	return slices.Concat([]byte("Content-Type: message/rfc822\r\n\r\nSubject: A message that cannot be shown\r\nMIME-Version: 1.0\r\n"), text)
}

// Content returns the entity that is sealed, or sent in clear.
func (d Digest) Content() (*entity.Entity, error) {
	octets := multipart(d.Stamp.ID+".digest", d.Posts)
	octets = bytes.Replace(octets, []byte("multipart/mixed"), []byte("multipart/digest"), 1)
	return entity.Parse(octets, entity.DefaultLimits())
}

// Header returns the outer fields, without those that describe the content. They
// say how many posts there are, and nothing of them.
func (d Digest) Header() ([]byte, error) {
	var b entity.Builder
	addOwn(&b, d.List, true)
	b.AddAddresses("From", mail.Address{Name: d.List.Name() + " digest", Address: d.List.Owner().String()})
	b.AddAddresses("To", mail.Address{Address: d.List.Address.String()})
	b.AddText("Subject", fmt.Sprintf("%s digest, %d messages", d.List.Name(), len(d.Posts)))
	b.Add("Date", d.Stamp.Received.UTC().Format(time.RFC1123Z))
	b.Add("Message-ID", fmt.Sprintf("<%s.%d.digest@%s>", d.Stamp.ID, len(d.Posts), d.List.Address.Domain()))
	return b.Octets()
}
