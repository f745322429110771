package cms

import (
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"strings"
	"unicode/utf16"
)

// CertificateID names a certificate, by issuer and serial number or by subject key identifier:
// SignerIdentifier, RecipientIdentifier and KeyAgreeRecipientIdentifier of RFC 5652.
type CertificateID struct {
	Issuer       []byte // DER of the issuer's Name; nil where SubjectKeyID names the certificate
	Serial       *big.Int
	SubjectKeyID []byte
}

// SignerID is the sid of a SignerInfo.
type SignerID = CertificateID

// String returns "issuer=…;serial=hex" or "ski=hex".
func (id CertificateID) String() string {
	if id.Issuer == nil {
		return "ski=" + hex.EncodeToString(id.SubjectKeyID)
	}
	var rdn pkix.RDNSequence
	issuer := hex.EncodeToString(id.Issuer)
	if rest, err := asn1.Unmarshal(id.Issuer, &rdn); err == nil && len(rest) == 0 {
		issuer = rdn.String()
	}
	return "issuer=" + issuer + ";serial=" + id.Serial.Text(16)
}

// Matches tells whether cert is the certificate named. Issuers are compared as RFC 5280 section 7.1
// has it; a certificate without key identifier is known by the SHA-1 of its key (section 4.2.1.2).
func (id CertificateID) Matches(cert *x509.Certificate) bool {
	switch {
	case cert == nil:
		return false
	case id.Issuer != nil:
		return id.Serial != nil && cert.SerialNumber.Cmp(id.Serial) == 0 && sameName(cert.RawIssuer, id.Issuer)
	case len(id.SubjectKeyID) == 0:
		return false
	case len(cert.SubjectKeyId) > 0:
		return bytes.Equal(cert.SubjectKeyId, id.SubjectKeyID)
	default:
		key := publicKeyBits(cert)
		digest := sha1.Sum(key)
		return key != nil && bytes.Equal(digest[:], id.SubjectKeyID)
	}
}

func publicKeyBits(cert *x509.Certificate) []byte {
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(cert.RawSubjectPublicKeyInfo, &spki); err != nil {
		return nil
	}
	return spki.Key.Bytes
}

// sameName compares two Names in DER. QUIRK: some clients write the issuer anew when they name a
// certificate, with other string types than the certificate has.
func sameName(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, okX := canonicalName(a)
	y, okY := canonicalName(b)
	return okX && okY && x == y
}

// canonicalName returns a Name with its strings in lower case and their white space collapsed.
func canonicalName(der []byte) (string, bool) {
	var rdns []asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &rdns); err != nil || len(rest) > 0 {
		return "", false
	}
	var s strings.Builder
	for _, rdn := range rdns {
		s.WriteByte('/')
		for rest := rdn.Bytes; len(rest) > 0; {
			var pair struct {
				Type  asn1.ObjectIdentifier
				Value asn1.RawValue
			}
			var err error
			if rest, err = asn1.Unmarshal(rest, &pair); err != nil {
				return "", false
			}
			s.WriteString("+" + pair.Type.String() + "=" + canonicalString(pair.Value))
		}
	}
	return s.String(), true
}

func canonicalString(v asn1.RawValue) string {
	text := string(v.Bytes)
	switch v.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, asn1.TagT61String:
	case asn1.TagBMPString:
		units := make([]uint16, 0, len(v.Bytes)/2)
		for i := 0; i+1 < len(v.Bytes); i += 2 {
			units = append(units, uint16(v.Bytes[i])<<8|uint16(v.Bytes[i+1]))
		}
		text = string(utf16.Decode(units))
	default:
		return hex.EncodeToString(v.FullBytes)
	}
	// Quoted, so that no value can look like the start of the next attribute.
	return "\"" + strings.ReplaceAll(strings.ToLower(strings.Join(strings.Fields(text), " ")), "\"", "\"\"") + "\""
}

// issuerAndSerial reads a SEQUENCE { Name, INTEGER }, whatever its tag.
func (e element) issuerAndSerial() CertificateID {
	r := e.children()
	id := CertificateID{Issuer: r.take(tagSequence, "issuer").der(), Serial: r.take(tagInteger, "serial number").integer()}
	r.done("an issuer and serial number")
	return id
}
