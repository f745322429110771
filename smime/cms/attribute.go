package cms

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"time"
)

// signer is a SignerInfo as read (RFC 5652 section 5.3).
type signer struct {
	id        SignerID
	digest    algorithm
	signature algorithm
	value     []byte
	// signed are the encodings of signedAttrs that the signature may cover, likeliest first; none
	// where there are no signed attributes.
	signed     [][]byte
	attributes []attribute
	err        error // the SignerInfo could not be read
}

// attribute is one signed attribute.
type attribute struct {
	oid    oid
	values []element
}

// singleValued are the attributes that may stand in a SignerInfo once, with one value: those of
// RFC 5652 section 11, RFC 8551 section 2.5, RFC 5035 section 5.4, RFC 6211 section 2 and
// RFC 2634 section 4.
var singleValued = map[oid]bool{
	oidContentType: true, oidMessageDigest: true, oidSigningTime: true,
	oidSMIMECapabilities: true, oidEncryptionKeyPref: true,
	oidSigningCertificate: true, oidSigningCertV2: true,
	oidAlgorithmProtection: true, oidMLExpansionHistory: true,
}

// readSigner reads a SignerInfo. What is wrong with it is its own result and not the message's.
func readSigner(e element) signer {
	var s signer
	r := e.children()
	r.version()
	if r.is(tagSequence) {
		s.id = r.next().issuerAndSerial()
	} else {
		s.id.SubjectKeyID = r.keyIdentifier()
	}
	s.digest = r.algorithm("digestAlgorithm")
	if r.is(explicit) {
		s.readAttributes(r.next())
	}
	s.signature = r.algorithm("signatureAlgorithm")
	s.value = r.take(tagOctetString, "signature").octets()
	r.skip(explicit | 1) // unsignedAttrs: whoever forwards the message writes them
	r.done("a SignerInfo")
	if e.doc == nil {
		return s
	}
	switch err := e.doc.err; {
	case tooLarge(err):
		s.err = err
	case err != nil:
		s.err = fmt.Errorf("%w: %w", ErrSignerMalformed, err)
	}
	return s
}

// keyIdentifier reads a [0] IMPLICIT SubjectKeyIdentifier.
func (r *reader) keyIdentifier() []byte {
	if r.is(explicit) {
		return r.next().octets()
	}
	return r.take(implicit, "subjectKeyIdentifier").octets()
}

// readAttributes reads the [0] IMPLICIT SignedAttributes.
//
// What is signed is the DER of the SET OF (RFC 5652 section 5.4). Attributes that arrive in DER are
// taken octet for octet, with the tag of a SET OF in place of [0], even if the set is not in order:
// the signer hashed something, and that is what it sent. QUIRK: signers that do not sort the set.
// If that does not verify, or where the attributes arrive in BER, the receiver's own DER is what
// counts. No other reading is tried, and what verified is what SignerInfo.SignedAttributes holds, so
// that a signature whose attributes were encoded anew on the way is known as the same signature.
func (s *signer) readAttributes(e element) {
	if e.doc == nil {
		return
	}
	if e.size() > maxAttributes {
		e.doc.fail(fmt.Errorf("%w: more than %d octets of signed attributes", ErrTooLarge, maxAttributes))
		return
	}
	var sorted [][]byte
	for r := e.children(); !r.empty(); {
		a := r.take(tagSequence, "attribute")
		sorted = append(sorted, a.appendDER(nil))
		s.attributes = append(s.attributes, a.attribute())
	}
	own := encodeSet(tagSet, sorted...)
	if e.isDER() {
		received := bytes.Clone(e.raw())
		received[0] = tagSet
		s.signed = append(s.signed, received)
		if bytes.Equal(received, own) {
			return
		}
	}
	s.signed = append(s.signed, own)
}

func (e element) attribute() attribute {
	r := e.children()
	a := attribute{oid: r.take(tagOID, "attribute type").oid()}
	values := r.take(tagSet, "attribute values").children()
	for !values.empty() {
		a.values = append(a.values, values.next())
	}
	return a
}

// attribute returns the value of a single-valued attribute, false where it is absent.
func (s *signer) attribute(o oid) (element, bool) {
	for _, a := range s.attributes {
		if a.oid == o && len(a.values) > 0 {
			return a.values[0], true
		}
	}
	return element{}, false
}

// checkAttributes judges what the attributes say by themselves and about the SignerInfo, and fills
// in what a caller may want to know of them.
func (s *signer) checkAttributes(info *SignerInfo, contentType oid) error {
	seen := make(map[oid]bool)
	for _, a := range s.attributes {
		if !singleValued[a.oid] {
			continue
		}
		if seen[a.oid] || len(a.values) != 1 {
			return fmt.Errorf("%w: attribute %s has not one value", ErrSignerMalformed, a.oid)
		}
		seen[a.oid] = true
	}
	value, ok := s.attribute(oidContentType)
	switch {
	case !ok || value.tag != tagOID:
		return fmt.Errorf("%w: no content-type attribute", ErrSignerMalformed)
	case oid(value.content()) != contentType:
		return fmt.Errorf("%w: signed as content type %s", ErrAltered, oid(value.content()))
	}
	if value, ok = s.attribute(oidMessageDigest); !ok || value.tag != tagOctetString && value.tag != chunked {
		return fmt.Errorf("%w: no message-digest attribute", ErrSignerMalformed)
	}
	if value, ok = s.attribute(oidSigningTime); ok {
		t, err := value.time()
		if err != nil {
			return err
		}
		info.SigningTime = t
	}
	if value, ok = s.attribute(oidSMIMECapabilities); ok {
		info.Capabilities = value.der()
	}
	if value, ok = s.attribute(oidEncryptionKeyPref); ok {
		id, err := value.encryptionKeyPreference()
		if err != nil {
			return err
		}
		info.EncryptionKeyPreference = &id
	}
	if value, ok = s.attribute(oidAlgorithmProtection); ok {
		return s.checkProtection(value)
	}
	return nil
}

// time reads a Time (RFC 5652 section 11.3).
func (e element) time() (time.Time, error) {
	var t time.Time
	if e.tag == tagUTCTime || e.tag == tagGeneralizedTime {
		if rest, err := asn1.Unmarshal(e.raw(), &t); err == nil && len(rest) == 0 {
			return t.UTC(), nil
		}
	}
	return t, fmt.Errorf("%w: signing-time", ErrSignerMalformed)
}

// encryptionKeyPreference reads the value of SMIMEEncryptionKeyPreference (RFC 8551 section 2.5.3).
func (e element) encryptionKeyPreference() (CertificateID, error) {
	e = e.apart()
	var id CertificateID
	switch e.tag {
	case explicit:
		id = e.issuerAndSerial()
	case explicit | 1:
		id.SubjectKeyID = e.children().take(tagOctetString, "subjectKeyIdentifier").octets()
	case implicit | 2, explicit | 2:
		id.SubjectKeyID = e.octets()
	default:
		e.doc.malformed("unknown choice")
	}
	if e.doc.err != nil {
		return id, fmt.Errorf("%w: encryption-key-preference: %w", ErrSignerMalformed, e.doc.err)
	}
	return id, nil
}

// checkProtection compares CMSAlgorithmProtection with the SignerInfo (RFC 6211 section 2).
func (s *signer) checkProtection(value element) error {
	value = value.apart()
	r := value.children()
	digest := r.algorithm("digestAlgorithm")
	signature := r.take(explicit|1, "signatureAlgorithm").algorithm()
	if value.tag != tagSequence || value.doc.err != nil {
		return fmt.Errorf("%w: algorithm protection", ErrSignerMalformed)
	}
	if !digest.same(s.digest) || !signature.same(s.signature) {
		return fmt.Errorf("%w: algorithms are not those that were signed", ErrAltered)
	}
	return nil
}

// checkCertificate compares signingCertificate and signingCertificateV2 with the certificate whose
// key is to verify (RFC 5035 section 5.4). Only the first ESSCertID names the signer's; the others
// limit the path, which is not judged here.
func (s *signer) checkCertificate(cert *x509.Certificate) error {
	for _, o := range []oid{oidSigningCertificate, oidSigningCertV2} {
		value, ok := s.attribute(o)
		if !ok {
			continue
		}
		value = value.apart()
		certs := value.children().take(tagSequence, "certs").children()
		first := certs.take(tagSequence, "ESSCertID").children()
		hash := digest(oidSHA1)
		if o == oidSigningCertV2 {
			hash = digest(oidSHA256)
			if first.is(tagSequence) {
				hash = digest(first.next().algorithm().oid)
			}
		}
		want := first.take(tagOctetString, "certHash").octets()
		switch {
		case value.doc.err != nil:
			return fmt.Errorf("%w: signing certificate: %w", ErrSignerMalformed, value.doc.err)
		case hash == 0, hash == crypto.MD5:
			return fmt.Errorf("%w: hash of the signing certificate", ErrUnsupportedAlgorithm)
		case !bytes.Equal(want, sum(hash, cert.Raw)):
			return fmt.Errorf("%w: signed with another certificate", ErrAltered)
		}
	}
	return nil
}
