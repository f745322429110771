package smime

import (
	"bytes"
	"encoding/asn1"

	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
)

// A ciphertext in CBC mode can be made longer without its key: whoever appends blocks appends garbage to the content, and learns from
// how the message fares whether the last of these ended in valid padding (Vaudenay). So beneath such an encryption a signature must
// leave no room behind it where garbage would not matter: octets that nobody signed at the end of a message make it altered, as a
// padding that is wrong makes it undecryptable, and both are answered alike (invariant 3).

// whole tells whether nothing but white space follows what a CMS layer consists of.
func whole(e *entity.Entity) bool {
	if shapeOf(e) != signedParts {
		return onlyCMS(e)
	}
	parts, err := e.Parts()
	return err == nil && parts.Closed && isBlank(parts.Epilogue) && len(parts.Parts) == 2 && onlyCMS(parts.Parts[1])
}

// onlyCMS tells whether an entity's body is one CMS object and nothing else.
func onlyCMS(e *entity.Entity) bool {
	encoding, err := e.TransferEncoding()
	if err != nil {
		return false
	}
	switch body := e.Body(); {
	case encoding == "base64":
		return strictBase64(body)
	case encoding == "quoted-printable":
		return false // no mailer writes CMS so, and its decoder forgives too much
	case len(body) > 0 && body[0] == 0x30:
		// The CMS reader stops at the object's end. One of indefinite length in binary could end anywhere; nobody writes it here.
		var object asn1.RawValue
		rest, err := asn1.Unmarshal(body, &object)
		return err == nil && isBlank(rest)
	default:
		return strictBase64(body)
	}
}

// strictBase64 tells whether text holds base64 and white space only, with nothing but white space behind the padding.
func strictBase64(text []byte) bool {
	text = bytes.TrimRight(text, " \t\r\n")
	text = bytes.TrimRight(text, "=")
	for _, c := range text {
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/', isBlank([]byte{c}):
		default:
			return false
		}
	}
	return true
}

func isBlank(b []byte) bool { return len(bytes.Trim(b, " \t\r\n")) == 0 }

// mistrustTail marks a layer beneath a malleable encryption as altered unless it is whole.
func (w *walker) mistrustTail(e *entity.Entity, layer *Layer) error {
	if !w.malleable || !layer.Counts || whole(e) {
		return nil
	}
	switch layer.Type {
	case Signed:
		for i := range layer.Signers {
			if s := &layer.Signers[i]; s.Err == nil {
				s.Intact, s.Err = false, cms.ErrAltered
			}
		}
	case Compressed:
		return ErrDecrypt
	}
	return nil
}
