package smime

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"

	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
)

// Sealer holds one entity encrypted once; [Sealer.Seal] makes any number of copies of it. It is safe for concurrent use.
type Sealer struct {
	cms    *cms.Sealer
	fields []byte
}

// NewSealer encrypts an entity under a content-encryption key made for it. The key lives in memory only. The octets are sealed as they
// are: what came out of an encryption goes into the next one unchanged (invariant 6), a binary body or a line that ends in LF alone
// included. Who makes new content makes it canonical first (RFC 8551 section 3.1.1, [entity.Canonical]).
func NewSealer(payload *entity.Entity, c cms.Cipher) (*Sealer, error) {
	s, err := cms.NewSealer(payload.Octets(), c)
	if err != nil {
		return nil, fmt.Errorf("encrypting the content: %w", err)
	}
	return &Sealer{cms: s, fields: cmsFields(s.SMIMEType(), "smime.p7m")}, nil
}

// Sealed is one copy: the message is Head followed by Tail. Tail is shared between copies and must not be changed.
type Sealed struct {
	Head, Tail []byte
}

// Octets joins the two; who writes to a socket need not.
func (s Sealed) Octets() []byte { return append(s.Head[:len(s.Head):len(s.Head)], s.Tail...) }

// Size is the length of the message in octets.
func (s Sealed) Size() int { return len(s.Head) + len(s.Tail) }

// ErrHeader says that the header fields given to Seal are not whole lines ending in CRLF, or hold an empty line.
var ErrHeader = errors.New("header fields are not whole lines")

// perRecipient is about what one RecipientInfo of RSA 4096 takes in base64.
const perRecipient = 1100

// Seal makes one copy for recipients, who are one person's certificates. header holds the outer fields, each ending in CRLF; Seal adds
// MIME-Version, Content-Type with the right smime-type, Content-Transfer-Encoding and Content-Disposition, so header must not.
func (s *Sealer) Seal(header []byte, recipients []*cms.Recipient) (Sealed, error) {
	if len(header) > 0 && (!bytes.HasSuffix(header, crlf) || bytes.HasPrefix(header, crlf) || bytes.Contains(header, emptyLine)) {
		return Sealed{}, ErrHeader
	}
	dst := make([]byte, 0, len(header)+len(s.fields)+perRecipient*(1+len(recipients)))
	dst = append(dst, header...)
	dst = append(dst, s.fields...)
	head, tail, err := s.cms.Seal(dst, recipients)
	if err != nil {
		return Sealed{}, fmt.Errorf("sealing a copy: %w", err)
	}
	return Sealed{Head: head, Tail: tail}, nil
}

// String says nothing about the content.
func (s *Sealer) String() string { return "sealer" }

// Format writes [Sealer.String] whatever the verb is.
func (s *Sealer) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// LogValue is [Sealer.String].
func (s *Sealer) LogValue() slog.Value { return slog.StringValue(s.String()) }

var (
	crlf      = []byte("\r\n")
	emptyLine = []byte("\r\n\r\n")
)

// cmsFields are the MIME fields of an entity that is a CMS object, with the empty line behind them (RFC 8551 section 3.2).
func cmsFields(smimeType, file string) []byte {
	return []byte("MIME-Version: 1.0\r\n" +
		"Content-Type: application/pkcs7-mime; smime-type=" + smimeType + ";\r\n name=\"" + file + "\"\r\n" +
		"Content-Transfer-Encoding: base64\r\n" +
		"Content-Disposition: attachment; filename=\"" + file + "\"\r\n\r\n")
}
