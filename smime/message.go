package smime

import (
	"crypto/x509"
	"fmt"
	"log/slog"

	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/trust"
)

// Message is what [Open] found.
type Message struct {
	// Outer is the message as it arrived.
	Outer *entity.Entity
	// Layers are the CMS layers from the outside in: first those of the unbroken run, then, in the order of their paths, those
	// found beside or below other MIME parts.
	Layers []Layer
	// Encrypted tells that the message arrived encrypted: an (auth)enveloped layer stands in the unbroken run, opened or not.
	Encrypted bool
	// Payload is what the encryption held, the entity to be sealed anew; Outer if the message did not arrive encrypted. Nil if Err
	// is set.
	Payload *entity.Entity
	// Content is the innermost entity of the unbroken run. Nil if Err is set.
	Content *entity.Entity
	// Protection says which header fields Content protects. None if Err is set.
	Protection Protection
	// ContentKey is the content-encryption key of the encryption that was opened, and Ciphertext the SHA-256 of what it encrypted.
	// Nil if none was.
	ContentKey cms.ContentKey
	Ciphertext [32]byte
	// Err is nil, [ErrDecrypt] itself, or wraps [ErrMalformed] (a layer of the run cannot be read, so what it holds is unknown),
	// [ErrTooLarge] or [ErrKeyAway]. A signature that fails is no Err: it stands in its layer.
	Err error
}

// String says what was found and nothing of the content.
func (m *Message) String() string {
	if m == nil {
		return "no message"
	}
	return fmt.Sprintf("message of %d layers, encrypted=%t, error=%v", len(m.Layers), m.Encrypted, m.Err)
}

// Format writes [Message.String] whatever the verb is.
func (m *Message) Format(f fmt.State, _ rune) { fmt.Fprint(f, m.String()) }

// LogValue is [Message.String].
func (m *Message) LogValue() slog.Value { return slog.StringValue(m.String()) }

// LayerType is the CMS content type of a layer, in the words that message inspect prints.
type LayerType string

// The types of layers. Other is everything that CMS or a media type announces and this package does not open, broken CMS included.
const (
	Enveloped     LayerType = "enveloped"
	AuthEnveloped LayerType = "authEnveloped"
	Signed        LayerType = "signed"
	Compressed    LayerType = "compressed"
	CertsOnly     LayerType = "certsOnly"
	Other         LayerType = "other"
)

// Form tells how a signed layer carries its content: within the CMS or beside it (multipart/signed). It is empty for other layers.
type Form string

// The forms of a signed layer.
const (
	Opaque   Form = "opaque"
	Detached Form = "detached"
)

// Layer is one CMS layer of a message.
type Layer struct {
	Type LayerType
	Form Form
	// Path names the entity that is the layer: "1" is the message, "1.2" its second body part; what a CMS layer holds is its ".1".
	Path string
	// Counts tells that the layer belongs to the unbroken run from the outside.
	Counts bool
	// Algorithm is the content encryption, e.g. "aes256-cbc", for encrypted layers.
	Algorithm string
	// Recipients are the RecipientInfos of an encrypted layer.
	Recipients []cms.RecipientInfo
	// Signers are the SignerInfos of a signed layer, each with its own result.
	Signers []Signer
	// Certificates are those in the layer's bag. Nobody vouches for them. Unreadable counts those that could not be parsed.
	Certificates []*x509.Certificate
	Unreadable   int
	// CRLs are the DER certificate revocation lists in the layer's bag.
	CRLs [][]byte
	// Err is why the layer could not be opened: nil, [ErrDecrypt] itself, or wrapping [ErrMalformed], [ErrTooLarge] or [ErrKeyAway].
	Err error

	inner *entity.Entity // what the layer holds
}

// encrypted tells whether the layer hides its content.
func (l Layer) encrypted() bool { return l.Type == Enveloped || l.Type == AuthEnveloped }

// Signer is a SignerInfo and what is thought of its certificate.
type Signer struct {
	// SignerInfo's Err is nil if the mathematics hold and policy takes the algorithms.
	cms.SignerInfo
	// Intact tells that the mathematics hold, whatever policy thinks of the digest.
	Intact bool
	// Verdict is what a [Judge] said of the certificate; [Authenticate] fills it in for every signer whose certificate is known.
	Verdict trust.Verdict
	// Judged tells that Verdict has been filled in.
	Judged bool
}

// Reason says in one word why the signer is not to be believed: the mathematics first, then the certificate. Empty if he is.
func (s Signer) Reason() trust.Reason {
	if s.Err != nil {
		return reasonOf(s.Err)
	}
	return s.Verdict.Reason
}
