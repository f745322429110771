package cms

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"math/big"
	"time"
)

var errInterim = errors.New("cms: not written yet")

// Content is a CMS object: *SignedData, *EnvelopedData, *AuthEnvelopedData, *CompressedData or *OtherData.
type Content interface {
	// ContentType is the object identifier of the ContentInfo.
	ContentType() asn1.ObjectIdentifier
}

// Read reads a BER or DER ContentInfo.
func Read(ber []byte, b *Budget) (Content, error) { return nil, errInterim }

type OtherData struct{ Type asn1.ObjectIdentifier }

func (o *OtherData) ContentType() asn1.ObjectIdentifier { return o.Type }

type SignedData struct {
	ContentTypeOID asn1.ObjectIdentifier
	Content        []byte
	Detached       bool
	Certificates   []*x509.Certificate
	Unreadable     int
	CRLs           [][]byte
}

func (sd *SignedData) ContentType() asn1.ObjectIdentifier { return nil }
func (sd *SignedData) CertsOnly() bool                    { return false }
func (sd *SignedData) Verify(content []byte, extra []*x509.Certificate, p VerifyPolicy, b *Budget) []SignerInfo {
	return nil
}

type VerifyPolicy struct{ AllowSHA1 bool }

type SignerInfo struct {
	ID                      SignerID
	Digest, Signature       string
	SigningTime             time.Time
	Certificate             *x509.Certificate
	SignedAttributes        []byte
	Capabilities            []byte
	EncryptionKeyPreference *CertificateID
	Err                     error
}

type CertificateID struct {
	Issuer       []byte
	Serial       *big.Int
	SubjectKeyID []byte
}
type SignerID = CertificateID

func (id CertificateID) String() string                      { return "" }
func (id CertificateID) Matches(cert *x509.Certificate) bool { return false }

type Key struct {
	Certificate *x509.Certificate
	Private     any
}
type DecryptPolicy struct{ Allow3DES bool }
type RecipientInfo struct {
	ID            CertificateID
	KeyEncryption string
}

type EnvelopedData struct{ ContentTypeOID asn1.ObjectIdentifier }

func (ed *EnvelopedData) ContentType() asn1.ObjectIdentifier { return nil }
func (ed *EnvelopedData) Recipients() []RecipientInfo        { return nil }
func (ed *EnvelopedData) ContentAlgorithm() string           { return "" }
func (ed *EnvelopedData) Decrypt(keys []Key, b *Budget, p DecryptPolicy) ([]byte, error) {
	return nil, errInterim
}

type AuthEnvelopedData struct{ ContentTypeOID asn1.ObjectIdentifier }

func (ed *AuthEnvelopedData) ContentType() asn1.ObjectIdentifier { return nil }
func (ed *AuthEnvelopedData) Recipients() []RecipientInfo        { return nil }
func (ed *AuthEnvelopedData) ContentAlgorithm() string           { return "" }
func (ed *AuthEnvelopedData) Decrypt(keys []Key, b *Budget, p DecryptPolicy) ([]byte, error) {
	return nil, errInterim
}

type CompressedData struct{ ContentTypeOID asn1.ObjectIdentifier }

func (cd *CompressedData) ContentType() asn1.ObjectIdentifier   { return nil }
func (cd *CompressedData) Decompress(b *Budget) ([]byte, error) { return nil, errInterim }

// Cipher is a content-encryption algorithm that a Sealer writes.
type Cipher int

const (
	AES256CBC Cipher = iota
	AES128CBC
	AES256GCM
	AES128GCM
)

func (c Cipher) String() string { return "" }

type KeyType int

const (
	RSA KeyType = iota + 1
	EC
	X25519
)

type Recipient struct{}
type RecipientOptions struct{ OAEP bool }

func NewRecipient(cert *x509.Certificate, o RecipientOptions) (*Recipient, error) {
	return nil, errInterim
}
func (r *Recipient) KeyType() KeyType { return 0 }

type Sealer struct{}

func NewSealer(content []byte, c Cipher) (*Sealer, error) { return nil, errInterim }
func (s *Sealer) Seal(dst []byte, rcpts []*Recipient) (head, tail []byte, err error) {
	return nil, nil, errInterim
}
func (s *Sealer) SMIMEType() string                      { return "" }
func (s *Sealer) DER(rcpts []*Recipient) ([]byte, error) { return nil, errInterim }

type SignOptions struct {
	Certificate           *x509.Certificate
	Chain                 []*x509.Certificate
	Signer                crypto.Signer
	PSS                   bool
	Detached              bool
	SigningTime           time.Time
	Capabilities          bool
	EncryptionCertificate *x509.Certificate
}

func Sign(content []byte, o SignOptions) ([]byte, error) { return nil, errInterim }
func CertificatesOnly(der []byte, b *Budget) ([]*x509.Certificate, int, error) {
	return nil, 0, errInterim
}
