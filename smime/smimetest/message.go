package smimetest

import (
	"bytes"
	"compress/zlib"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	encodingasn1 "encoding/asn1"

	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
)

// Text returns a text/plain entity.
func Text(body string) *entity.Entity {
	return Entity("Content-Type: text/plain; charset=utf-8\r\n" + transferEncoding(body) + "\r\n" + body)
}

// HTML returns a text/html entity.
func HTML(body string) *entity.Entity {
	return Entity("Content-Type: text/html; charset=utf-8\r\n" + transferEncoding(body) + "\r\n" + body)
}

func transferEncoding(body string) string {
	for i := 0; i < len(body); i++ {
		if body[i] >= 0x80 {
			return "Content-Transfer-Encoding: 8bit\r\n"
		}
	}
	return ""
}

// Entity parses octets as they stand.
func Entity(octets string) *entity.Entity {
	e, err := entity.Parse([]byte(octets), entity.DefaultLimits())
	must(err)
	return e
}

// Multipart puts entities into a multipart of a subtype, such as mixed.
func Multipart(subtype string, parts ...*entity.Entity) *entity.Entity {
	boundary := "=_" + random()
	var b strings.Builder
	fmt.Fprintf(&b, "Content-Type: multipart/%s; boundary=\"%s\"\r\n\r\n", subtype, boundary)
	for _, p := range parts {
		fmt.Fprintf(&b, "--%s\r\n%s\r\n", boundary, p.Octets())
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return Entity(b.String())
}

// SignOption changes how Sign signs.
type SignOption func(*smime.SignOptions)

// OpaqueForm makes application/pkcs7-mime instead of multipart/signed.
func OpaqueForm(o *smime.SignOptions) { o.Detached = false }

// PSS makes an RSA key sign with PSS.
func PSS(o *smime.SignOptions) { o.PSS = true }

// SignedAt sets the signingTime.
func SignedAt(t time.Time) SignOption { return func(o *smime.SignOptions) { o.SigningTime = t } }

// Prefer names another certificate of the signer as the one to encrypt to.
func Prefer(id *Identity) SignOption {
	return func(o *smime.SignOptions) { o.EncryptionCertificate = id.Certificate }
}

// Sign signs an entity: multipart/signed with certificate and chain, signingTime now, capabilities.
func (id *Identity) Sign(e *entity.Entity, opts ...SignOption) *entity.Entity {
	o := id.SignOptions()
	for _, opt := range opts {
		opt(&o)
	}
	signed, err := smime.Sign(e, o)
	must(err)
	return signed
}

// contentIdentifier is a random attribute of that name (RFC 2634 section 2.7): two signatures of one second are two, too.
func contentIdentifier() []byte {
	id := make([]byte, 8)
	rand.Read(id)
	der, err := encodingasn1.Marshal(struct {
		Type   encodingasn1.ObjectIdentifier
		Values [][]byte `asn1:"set"`
	}{encodingasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 7}, [][]byte{id}})
	must(err)
	return der
}

// SignOptions returns what Sign signs with.
func (id *Identity) SignOptions() smime.SignOptions {
	return smime.SignOptions{
		Certificate: id.Certificate, Chain: id.Chain, Signer: id.Key, Detached: true,
		SigningTime: time.Now(), Capabilities: true, Attributes: [][]byte{contentIdentifier()},
	}
}

// SignDER signs octets that need not be MIME and returns the CMS object.
func (id *Identity) SignDER(content []byte, opts ...SignOption) []byte {
	o := id.SignOptions()
	for _, opt := range opts {
		opt(&o)
	}
	der, err := cms.Sign(content, o)
	must(err)
	return der
}

// DecryptKey is the identity's key as a decryption takes it.
func (id *Identity) DecryptKey() cms.Key {
	return cms.Key{Certificate: id.Certificate, Private: id.Private}
}

// Recipient is the identity as somebody who is encrypted to.
func (id *Identity) Recipient(o cms.RecipientOptions) *cms.Recipient {
	r, err := cms.NewRecipient(id.Certificate, o)
	must(err)
	return r
}

// Encrypt encrypts an entity for recipients: AES-256-CBC, RSA PKCS#1 v1.5 or ECDH.
func Encrypt(e *entity.Entity, recipients ...*Identity) *entity.Entity {
	return EncryptWith(cms.AES256CBC, cms.RecipientOptions{}, e, recipients...)
}

// EncryptWith encrypts an entity under a content cipher.
func EncryptWith(c cms.Cipher, o cms.RecipientOptions, e *entity.Entity, recipients ...*Identity) *entity.Entity {
	s, err := smime.NewSealer(e, c)
	must(err)
	var rcpts []*cms.Recipient
	for _, id := range recipients {
		rcpts = append(rcpts, id.Recipient(o))
	}
	sealed, err := s.Seal(nil, rcpts)
	must(err)
	return Entity(string(sealed.Octets()))
}

// Compress puts an entity into CompressedData (RFC 3274).
func Compress(e *entity.Entity) *entity.Entity {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	_, err := w.Write(entity.Canonical(e.Octets()))
	must(err)
	must(w.Close())
	return CMS(CompressedData(z.Bytes()), "compressed-data", "smime.p7z")
}

// CompressedData wraps a zlib stream into a CMS CompressedData object.
func CompressedData(zlibStream []byte) []byte {
	explicit := asn1.Tag(0).ContextSpecific().Constructed()
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(encodingasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 9})
		b.AddASN1(explicit, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(0)
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(encodingasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 3, 8})
				})
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(encodingasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1})
					b.AddASN1(explicit, func(b *cryptobyte.Builder) { b.AddASN1OctetString(zlibStream) })
				})
			})
		})
	})
	return b.BytesOrPanic()
}

// CMS wraps a CMS object into an application/pkcs7-mime entity; an empty smimeType leaves the parameter out.
func CMS(der []byte, smimeType, file string) *entity.Entity {
	if smimeType != "" {
		smimeType = "; smime-type=" + smimeType
	}
	return Entity("Content-Type: application/pkcs7-mime" + smimeType + "; name=" + file + "\r\n" +
		"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=" + file + "\r\n\r\n" + Base64(der))
}

// DER returns the CMS object of an application/pkcs7-mime entity.
func DER(e *entity.Entity) []byte {
	der, err := e.Decoded()
	must(err)
	return der
}

// Base64 returns base64 in lines of 76 characters with CRLF.
func Base64(octets []byte) string {
	var b strings.Builder
	for text := base64.StdEncoding.EncodeToString(octets); text != ""; {
		n := min(76, len(text))
		b.WriteString(text[:n] + "\r\n")
		text = text[n:]
	}
	return b.String()
}

// Mail puts From, To, Subject, Date and Message-ID in front of an entity: a whole message, canonical.
func Mail(from, to, subject string, e *entity.Entity) []byte {
	var b entity.Builder
	b.Add("From", from)
	b.Add("To", to)
	b.AddText("Subject", subject)
	b.Add("Date", time.Now().Format(time.RFC1123Z))
	b.Add("Message-ID", "<"+random()+"@smimetest.example>")
	if e.Header().Get("MIME-Version") == "" {
		b.Add("MIME-Version", "1.0")
	}
	header, err := b.Octets()
	must(err)
	return append(header, entity.Canonical(e.Octets())...)
}

func random() string {
	var b [12]byte
	_, err := rand.Read(b[:])
	must(err)
	return hex.EncodeToString(b[:])
}
