package cms

import (
	"encoding/asn1"
	"fmt"
)

// EnvelopedData is RFC 5652 section 6: encrypted content without integrity. Nothing in it says who
// wrote it.
type EnvelopedData struct {
	// ContentTypeOID is the type that the encrypted content is said to have: id-data for S/MIME.
	ContentTypeOID asn1.ObjectIdentifier
	encrypted
}

// AuthEnvelopedData is RFC 5083: encrypted content under an authenticated cipher. The tag proves
// that the content is whole, and not who wrote it: anybody can encrypt to a certificate.
type AuthEnvelopedData struct {
	// ContentTypeOID is the type that the encrypted content is said to have: id-data for S/MIME.
	ContentTypeOID asn1.ObjectIdentifier
	encrypted
	attributes []byte // DER of authAttrs as SET OF, the additional data; nil: none
	attributed oid    // the content type that authAttrs name, "" where they do not
	mac        []byte
}

// encrypted is what both kinds have in common.
type encrypted struct {
	recipients  []recipient
	unknown     int
	contentType oid
	cipher      algorithm
	content     element // the zero element where absent
}

// ContentType returns id-envelopedData.
func (ed *EnvelopedData) ContentType() asn1.ObjectIdentifier { return oidEnvelopedData.public() }

// ContentType returns id-ct-authEnvelopedData.
func (ed *AuthEnvelopedData) ContentType() asn1.ObjectIdentifier { return oidAuthEnveloped.public() }

// Recipients names the certificates the content key is wrapped for, as the message says: nobody
// vouches for them. RecipientInfos of other kinds than key transport and key agreement (key
// encryption keys, passwords, post-quantum) are left out.
func (e *encrypted) Recipients() []RecipientInfo {
	infos := make([]RecipientInfo, len(e.recipients))
	for i, r := range e.recipients {
		infos[i] = RecipientInfo{ID: r.id, KeyEncryption: r.name()}
	}
	return infos
}

// ContentAlgorithm is the name of the content cipher: aes256-cbc, aes128-gcm, 3des-cbc and so on, or
// a dotted object identifier.
func (e *encrypted) ContentAlgorithm() string { return e.cipher.oid.name() }

func readEnvelopedData(r *reader) Content {
	ed := &EnvelopedData{}
	ed.read(r)
	ed.ContentTypeOID = ed.contentType.public()
	r.skip(explicit | 1) // unprotectedAttrs: nobody answers for them
	return ed
}

func readAuthEnvelopedData(r *reader) Content {
	ed := &AuthEnvelopedData{}
	ed.read(r)
	ed.ContentTypeOID = ed.contentType.public()
	if r.is(explicit | 1) {
		ed.readAttributes(r.next())
	}
	ed.mac = r.take(tagOctetString, "mac").octets()
	r.skip(explicit | 2) // unauthAttrs
	return ed
}

// read reads what EnvelopedData and AuthEnvelopedData begin with.
func (e *encrypted) read(r *reader) {
	r.version()
	r.skip(explicit) // originatorInfo
	infos := r.take(tagSet, "recipientInfos").children()
	for !infos.empty() {
		e.readRecipientInfo(infos.next())
	}
	info := r.take(tagSequence, "encryptedContentInfo").children()
	e.contentType = info.take(tagOID, "content type").oid()
	e.cipher = info.algorithm("contentEncryptionAlgorithm")
	if info.is(implicit) || info.is(explicit) {
		e.content = info.next()
	}
	info.done("an EncryptedContentInfo")
}

// readAttributes reads the [1] IMPLICIT AuthAttributes. What is authenticated is their DER with the
// tag of a SET OF (RFC 5083 section 2.2).
func (ed *AuthEnvelopedData) readAttributes(e element) {
	if e.doc == nil {
		return
	}
	if e.size() > maxAttributes {
		e.doc.fail(fmt.Errorf("%w: more than %d octets of authenticated attributes", ErrTooLarge, maxAttributes))
		return
	}
	var sorted [][]byte
	for r := e.children(); !r.empty(); {
		a := r.take(tagSequence, "attribute")
		sorted = append(sorted, a.appendDER(nil))
		if a := a.attribute(); a.oid == oidContentType && len(a.values) == 1 {
			ed.attributed = oid(a.values[0].content())
		}
	}
	ed.attributes = encodeSet(tagSet, sorted...)
}
