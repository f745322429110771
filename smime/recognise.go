package smime

import (
	"bytes"
	"errors"
	"strings"

	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
)

// shape is how an entity may carry CMS.
type shape int

const (
	plain       shape = iota // an ordinary entity
	wholeCMS                 // the body is a CMS object: application/pkcs7-mime
	perhapsCMS               // the file name says CMS, the media type does not
	signedParts              // multipart/signed with a pkcs7 signature
)

// shapeOf recognises S/MIME by RFC 8551 section 3.10. The smime-type parameter is not asked: the CMS content type decides.
func shapeOf(e *entity.Entity) shape {
	typ, params := e.MediaType()
	switch typ {
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		return wholeCMS
	case "application/pkcs7-signature", "application/x-pkcs7-signature":
		// QUIRK: an opaque signature under the media type of a detached one, seen from old gateways.
		return perhapsCMS
	case "multipart/signed":
		if isSignatureType(strings.ToLower(params["protocol"])) {
			return signedParts
		}
		if m, err := e.Parts(); err == nil && len(m.Parts) == 2 && isSignaturePart(m.Parts[1]) {
			return signedParts // QUIRK: no protocol parameter, or a wrong one
		}
		return plain
	}
	if typ == "application/octet-stream" {
		if _, ok := cmsSuffix(e); ok {
			return perhapsCMS
		}
	}
	return plain
}

func isSignatureType(typ string) bool {
	return typ == "application/pkcs7-signature" || typ == "application/x-pkcs7-signature"
}

func isSignaturePart(e *entity.Entity) bool {
	typ, _ := e.MediaType()
	suffix, _ := cmsSuffix(e)
	return isSignatureType(typ) || typ == "application/octet-stream" && suffix == ".p7s"
}

// cmsSuffix returns the file suffix if it is one of RFC 8551 section 3.10.
func cmsSuffix(e *entity.Entity) (string, bool) {
	name := strings.ToLower(strings.TrimSpace(e.FileName()))
	for _, s := range []string{".p7m", ".p7s", ".p7c", ".p7z"} {
		if strings.HasSuffix(name, s) {
			return s, true
		}
	}
	return "", false
}

// readCMS decodes an entity's body and reads it as CMS.
func readCMS(e *entity.Entity, b *cms.Budget) (cms.Content, error) {
	octets, err := e.Decoded()
	if err != nil {
		return nil, named("transfer encoding", err)
	}
	octets = unarmoured(octets)
	if len(octets) == 0 || octets[0] != 0x30 {
		return nil, named("reading CMS", errors.New("not a CMS object"))
	}
	c, err := cms.Read(octets, b)
	return c, named("reading CMS", err)
}

// unarmoured takes base64 off octets that are no BER yet.
// QUIRK: Content-Transfer-Encoding is missing or wrong although the body is base64, or the body is PEM (some web mailers and scripts).
func unarmoured(octets []byte) []byte {
	text := bytes.TrimLeft(octets, " \t\r\n")
	if len(text) == 0 || octets[0] == 0x30 {
		return octets
	}
	if rest, ok := bytes.CutPrefix(text, []byte("-----BEGIN ")); ok {
		_, body, _ := bytes.Cut(rest, []byte("\n"))
		body, _, _ = bytes.Cut(body, []byte("-----END "))
		text = body
	}
	if len(text) == 0 || text[0] != 'M' { // 0x30, the SEQUENCE every CMS object is, begins with M in base64
		return octets
	}
	if der, err := entity.DecodeBase64(text); err == nil && len(der) > 0 && der[0] == 0x30 {
		return der
	}
	return octets
}
