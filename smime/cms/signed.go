package cms

import (
	"crypto/x509"
	"encoding/asn1"
)

// SignedData is RFC 5652 section 5, read and not yet verified.
type SignedData struct {
	// ContentTypeOID is the eContentType: id-data for S/MIME.
	ContentTypeOID asn1.ObjectIdentifier
	// Content is the eContent, nil where there is none. It is signed only as far as Verify says so.
	Content []byte
	// Detached says that there is no eContent.
	Detached bool
	// Certificates is the bag, in its order, without what could not be read. Nothing vouches for it.
	Certificates []*x509.Certificate
	// Unreadable counts the certificates of the bag that crypto/x509 refuses, or that are over
	// 64 KiB. Attribute certificates and the like count neither here nor there.
	Unreadable int
	// CRLs are the octets of the CertificateLists as they stand in the message, unread.
	CRLs [][]byte

	eContentType oid
	signers      []signer
}

// ContentType returns id-signedData.
func (sd *SignedData) ContentType() asn1.ObjectIdentifier { return oidSignedData.public() }

// CertsOnly tells whether there is no SignerInfo at all: nothing is signed, the object only carries
// certificates or CRLs.
func (sd *SignedData) CertsOnly() bool { return len(sd.signers) == 0 }

func readSignedData(r *reader) Content {
	sd := &SignedData{}
	r.version()
	r.take(tagSet, "digestAlgorithms") // hints for one-pass readers, and no more
	encap := r.take(tagSequence, "encapContentInfo").children()
	sd.eContentType, sd.Content = encap.encapsulated()
	sd.ContentTypeOID = sd.eContentType.public()
	sd.Detached = sd.Content == nil
	if r.is(explicit) {
		sd.readCertificates(r.next().children())
	}
	if r.is(explicit | 1) {
		sd.readCRLs(r.next().children())
	}
	infos := r.take(tagSet, "signerInfos").children()
	for !infos.empty() {
		if err := r.doc.budget.signerInfo(); err != nil {
			r.doc.fail(err)
			break
		}
		s := readSigner(infos.take(tagSequence, "SignerInfo").apart())
		if tooLarge(s.err) {
			r.doc.fail(s.err)
		}
		sd.signers = append(sd.signers, s)
	}
	return sd
}

// encapsulated reads an EncapsulatedContentInfo: the type, and the content, nil where it is absent.
func (r *reader) encapsulated() (oid, []byte) {
	contentType := r.take(tagOID, "eContentType").oid()
	if r.empty() {
		return contentType, nil
	}
	wrapper := r.take(explicit, "eContent").children()
	content := wrapper.take(tagOctetString, "eContent").octets()
	wrapper.done("eContent")
	r.done("an EncapsulatedContentInfo")
	if content == nil {
		content = []byte{}
	}
	return contentType, content
}

// readCertificates reads a CertificateSet. A certificate that cannot be read loses nothing but itself.
func (sd *SignedData) readCertificates(r *reader) {
	for !r.empty() {
		e := r.next()
		if r.doc.err != nil || e.tag != tagSequence {
			continue // attribute certificates and other formats
		}
		if err := r.doc.budget.certificate(min(e.size(), maxCertificate)); err != nil {
			r.doc.fail(err)
			return
		}
		if cert := e.apart().certificate(); cert != nil {
			sd.Certificates = append(sd.Certificates, cert)
		} else {
			sd.Unreadable++
		}
	}
}

func (e element) certificate() *x509.Certificate {
	if e.size() > maxCertificate {
		return nil
	}
	cert, err := x509.ParseCertificate(e.raw())
	if err != nil { // crypto/x509 reads DER alone; in BER mail the certificate may be BER too
		cert, err = x509.ParseCertificate(e.der())
	}
	if err != nil {
		return nil
	}
	return cert
}

func (sd *SignedData) readCRLs(r *reader) {
	for !r.empty() {
		e := r.next()
		if e.tag != tagSequence {
			continue
		}
		if err := r.doc.budget.crl(); err != nil {
			r.doc.fail(err)
			return
		}
		sd.CRLs = append(sd.CRLs, e.raw())
	}
}
