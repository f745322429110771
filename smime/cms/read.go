package cms

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
)

// Content is a CMS object: *SignedData, *EnvelopedData, *AuthEnvelopedData, *CompressedData or
// *OtherData.
type Content interface {
	// ContentType is the object identifier that the ContentInfo names.
	ContentType() asn1.ObjectIdentifier
}

// OtherData is a CMS object of a type this package does not look into: data, digested-data,
// encrypted-data and whatever else.
type OtherData struct {
	Type asn1.ObjectIdentifier
}

// ContentType returns Type.
func (o *OtherData) ContentType() asn1.ObjectIdentifier { return o.Type }

// Read reads a ContentInfo (RFC 5652 section 3), BER or DER, and spends one layer of b and what the
// object holds; a nil b is a fresh budget with the default limits. What is returned refers to ber,
// which must not be changed afterwards, and is used by one goroutine at a time. Octets behind the ContentInfo are ignored: some gateways
// pad, and nothing they say is used.
//
// Errors wrap ErrMalformed or ErrTooLarge.
func Read(ber []byte, b *Budget) (Content, error) {
	b = orDefault(b)
	if int64(len(ber)) > b.limits.Octets {
		return nil, fmt.Errorf("reading CMS: %w: %d octets", ErrTooLarge, len(ber))
	}
	if err := b.Layer(); err != nil {
		return nil, fmt.Errorf("reading CMS: %w", err)
	}
	d := newDocument(ber, b)
	info := d.root().take(tagSequence, "ContentInfo").children()
	c := info.content()
	if d.err != nil {
		return nil, fmt.Errorf("reading CMS: %w", d.err)
	}
	return c, nil
}

func orDefault(b *Budget) *Budget {
	if b == nil {
		return NewBudget(Limits{})
	}
	return b
}

// content reads what stands in a ContentInfo.
func (r *reader) content() Content {
	contentType := r.take(tagOID, "content type").oid()
	var known func(*reader) Content
	switch contentType {
	case oidSignedData:
		known = readSignedData
	case oidEnvelopedData:
		known = readEnvelopedData
	case oidAuthEnveloped:
		known = readAuthEnvelopedData
	case oidCompressedData:
		known = readCompressedData
	default:
		return &OtherData{Type: contentType.public()}
	}
	wrapper := r.take(explicit, "content").children()
	body := wrapper.take(tagSequence, contentType.String()).children()
	c := known(body)
	body.done("content type " + contentType.String())
	wrapper.done("content")
	r.done("a ContentInfo")
	return c
}

// version reads a CMSVersion. What the number says is visible in the structure itself, and writers
// get it wrong, so nothing depends on it.
func (r *reader) version() { r.take(tagInteger, "version").small() }

// CertificatesOnly returns the certificates of a SignedData, or the one certificate that der is, and
// the number of certificates in it that could not be read. This is how userSMIMECertificate
// (RFC 2798 section 2.8), userCertificate and .p7c files hold them. What is signed is not looked at.
func CertificatesOnly(der []byte, b *Budget) ([]*x509.Certificate, int, error) {
	b = orDefault(b)
	if len(der) <= maxCertificate {
		if cert, err := x509.ParseCertificate(der); err == nil {
			if err := b.certificate(len(der)); err != nil {
				return nil, 0, err
			}
			return []*x509.Certificate{cert}, 0, nil
		}
	}
	c, err := Read(der, b)
	if err != nil {
		return nil, 0, fmt.Errorf("neither a certificate nor a SignedData: %w", err)
	}
	sd, ok := c.(*SignedData)
	if !ok {
		return nil, 0, fmt.Errorf("%w: a certificate or a SignedData expected", ErrMalformed)
	}
	return sd.Certificates, sd.Unreadable, nil
}
