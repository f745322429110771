package cms

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
)

// KeyType says how a content key is wrapped for a certificate.
type KeyType int

// The key types of recipients.
const (
	RSA    KeyType = iota + 1 // key transport
	EC                        // ephemeral-static ECDH on P-256, P-384 or P-521 (RFC 5753)
	X25519                    // ephemeral-static X25519 (RFC 8418)
)

// String returns rsa, ec or x25519.
func (t KeyType) String() string {
	switch t {
	case RSA:
		return "rsa"
	case EC:
		return "ec"
	case X25519:
		return "x25519"
	default:
		return fmt.Sprintf("KeyType(%d)", int(t))
	}
}

// ErrUnusableKey says that nothing can be encrypted to a certificate's key: it only signs, its
// curve is not supported, or it is RSA under 1024 or over 8192 bits.
var ErrUnusableKey = errors.New("cms: key cannot be encrypted to")

// RecipientOptions say how to wrap for one certificate. The zero value is what all clients read.
type RecipientOptions struct {
	// OAEP uses RSAES-OAEP with SHA-256 (RFC 3560) in place of PKCS #1 v1.5.
	OAEP bool
	// SubjectKeyID names the certificate by its key identifier in place of issuer and serial number.
	SubjectKeyID bool
}

// Recipient is one certificate prepared for wrapping. It is a few hundred octets, does not hold the
// certificate, and may be kept and used by many goroutines.
type Recipient struct {
	keyType KeyType
	// rsa: the KeyTransRecipientInfo up to its encryptedKey's octets.
	// ec, x25519: the RecipientEncryptedKey's identifier.
	encoded   []byte
	version   byte // of the RecipientInfo
	oaep      bool
	rsaKey    *rsa.PublicKey
	ecdhKey   *ecdh.PublicKey
	agreement algorithmSuite
}

// algorithmSuite is what of a KeyAgreeRecipientInfo depends on the curve and not on the recipient.
type algorithmSuite struct {
	scheme oid // key agreement scheme
	key    oid // of the originator's public key
}

// NewRecipient prepares cert. Whether it may be encrypted to is the caller's to judge: neither dates
// nor key usage are looked at. The error wraps ErrUnusableKey.
func NewRecipient(cert *x509.Certificate, o RecipientOptions) (*Recipient, error) {
	r := &Recipient{oaep: o.OAEP}
	switch key := publicKey(cert).(type) {
	case *rsa.PublicKey:
		if pssOnly(cert) {
			return nil, fmt.Errorf("%w: RSA for signing only", ErrUnusableKey)
		}
		if bits := key.N.BitLen(); bits < 1024 || bits > 8192 {
			return nil, fmt.Errorf("%w: RSA with %d bits", ErrUnusableKey, bits)
		}
		r.keyType, r.rsaKey = RSA, key
	case *ecdsa.PublicKey:
		k, err := key.ECDH()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnusableKey, err)
		}
		r.keyType, r.ecdhKey = EC, k
		r.agreement = algorithmSuite{scheme: oidStdSHA256KDF, key: oidECPublicKey}
	case *ecdh.PublicKey:
		if key.Curve() != ecdh.X25519() {
			return nil, fmt.Errorf("%w: curve %v", ErrUnusableKey, key.Curve())
		}
		r.keyType, r.ecdhKey = X25519, key
		r.agreement = algorithmSuite{scheme: oidHKDFSHA256, key: oidX25519}
	default:
		return nil, fmt.Errorf("%w: neither RSA nor a curve for key agreement", ErrUnusableKey)
	}
	id, err := r.identifier(cert, o)
	if err != nil {
		return nil, err
	}
	if r.keyType != RSA {
		r.version = 3
		r.encoded = id
		return r, nil
	}
	algorithm := encodeAlgorithm(oidRSA, null)
	if o.OAEP {
		algorithm = encodeAlgorithm(oidOAEP, oaepSHA256())
	}
	k := r.rsaKey.Size()
	body := append(encode(tagInteger, []byte{r.version}), id...)
	body = append(body, algorithm...)
	body = appendHeader(body, tagOctetString, k)
	r.encoded = append(appendHeader(nil, tagSequence, len(body)+k), body...)
	return r, nil
}

// identifier encodes the RecipientIdentifier or KeyAgreeRecipientIdentifier, and sets the version
// that goes with it (RFC 5652 section 6.2.1).
func (r *Recipient) identifier(cert *x509.Certificate, o RecipientOptions) ([]byte, error) {
	if !o.SubjectKeyID {
		return issuerAndSerial(tagSequence, cert), nil
	}
	if len(cert.SubjectKeyId) == 0 {
		return nil, errors.New("cms: certificate without key identifier")
	}
	if r.keyType == RSA {
		r.version = 2
		return encode(implicit, cert.SubjectKeyId), nil
	}
	return encode(explicit, encode(tagOctetString, cert.SubjectKeyId)), nil
}

// issuerAndSerial encodes an IssuerAndSerialNumber. The serial number is copied from the
// certificate: some have forms that would not come out the same.
func issuerAndSerial(tag byte, cert *x509.Certificate) []byte {
	return encode(tag, cert.RawIssuer, encode(tagInteger, serialOctets(cert)))
}

// serialOctets returns the content of the certificate's serial number as it stands there.
func serialOctets(cert *x509.Certificate) []byte {
	d := newDocument(cert.Raw, NewBudget(Limits{}))
	tbs := d.root().take(tagSequence, "certificate").children().take(tagSequence, "tbsCertificate").children()
	tbs.skip(explicit)
	return tbs.take(tagInteger, "serial number").content()
}

// oaepSHA256 is RSAES-OAEP-params with SHA-256 for both hashes and no label (RFC 4055 section 4.1).
func oaepSHA256() []byte {
	hash := encodeAlgorithm(oidSHA256, null)
	return encode(tagSequence, encode(explicit, hash), encode(explicit|1, encodeAlgorithm(oidMGF1, hash)))
}

// KeyType tells how content keys are wrapped for the recipient.
func (r *Recipient) KeyType() KeyType { return r.keyType }

// Size is about the number of octets the recipient takes in memory, for caches.
func (r *Recipient) Size() int {
	n := 200 + cap(r.encoded)
	if r.rsaKey != nil {
		return n + 100 + r.rsaKey.Size()
	}
	return n + 100 + pointLen(r.ecdhKey.Curve())
}

// size is the length of the RecipientInfo for a content key of n octets.
func (r *Recipient) size(n int) int {
	if r.keyType == RSA {
		return len(r.encoded) + r.rsaKey.Size()
	}
	return elementLen(r.agreementLens(n).body)
}

// appendInfo appends the RecipientInfo that wraps the content key.
func (r *Recipient) appendInfo(dst []byte, key *contentKey) ([]byte, error) {
	if r.keyType != RSA {
		return r.appendAgreement(dst, key)
	}
	var wrapped []byte
	var err error
	if r.oaep {
		wrapped, err = rsa.EncryptOAEPWithOptions(rand.Reader, r.rsaKey, key.octets, &rsa.OAEPOptions{Hash: crypto.SHA256})
	} else {
		//lint:ignore SA1019 what all clients read; OAEP is for those who say so
		wrapped, err = rsa.EncryptPKCS1v15(rand.Reader, r.rsaKey, key.octets)
	}
	if err != nil {
		return dst, fmt.Errorf("wrapping the content key: %w", err)
	}
	return append(append(dst, r.encoded...), wrapped...), nil
}

// agreementLens are the content lengths of a KeyAgreeRecipientInfo's elements, inside out.
type agreementLens struct {
	bits, keyAlgorithm, originatorKey int
	wrapAlgorithm, scheme             int
	recipientKey, recipientKeys       int
	body                              int
}

func (r *Recipient) agreementLens(n int) agreementLens {
	var l agreementLens
	l.bits = 1 + pointLen(r.ecdhKey.Curve())
	l.keyAlgorithm = elementLen(len(r.agreement.key))
	l.originatorKey = elementLen(l.keyAlgorithm) + elementLen(l.bits)
	l.wrapAlgorithm = elementLen(len(oidAES256Wrap))
	l.scheme = elementLen(len(r.agreement.scheme)) + elementLen(l.wrapAlgorithm)
	l.recipientKey = len(r.encoded) + elementLen(n+8)
	l.recipientKeys = elementLen(l.recipientKey)
	l.body = 3 + elementLen(elementLen(l.originatorKey)) + elementLen(l.scheme) + elementLen(l.recipientKeys)
	return l
}

// appendAgreement appends a KeyAgreeRecipientInfo with a fresh ephemeral key (RFC 5753 section 3.1.1,
// RFC 8418 section 3.2). The wrapping key is as long as the content key (RFC 8551 section 2.3).
func (r *Recipient) appendAgreement(dst []byte, key *contentKey) ([]byte, error) {
	ephemeral, err := r.ecdhKey.Curve().GenerateKey(rand.Reader)
	if err != nil {
		return dst, fmt.Errorf("making an ephemeral key: %w", err)
	}
	secret, err := ephemeral.ECDH(r.ecdhKey)
	if err != nil {
		return dst, fmt.Errorf("agreeing on a key: %w", err)
	}
	kek, err := r.wrappingKey(secret, key)
	if err != nil {
		return dst, fmt.Errorf("deriving a key: %w", err)
	}
	l := r.agreementLens(len(key.octets))
	dst = appendHeader(dst, explicit|1, l.body)
	dst = append(dst, tagInteger, 1, r.version)
	dst = appendHeader(dst, explicit, elementLen(l.originatorKey))
	dst = appendHeader(dst, explicit|1, l.originatorKey)
	dst = appendHeader(dst, tagSequence, l.keyAlgorithm)
	dst = append(appendHeader(dst, tagOID, len(r.agreement.key)), r.agreement.key...)
	dst = append(appendHeader(dst, tagBitString, l.bits), 0)
	dst = append(dst, ephemeral.PublicKey().Bytes()...)
	dst = appendHeader(dst, tagSequence, l.scheme)
	dst = append(appendHeader(dst, tagOID, len(r.agreement.scheme)), r.agreement.scheme...)
	dst = append(dst, key.wrapAlgorithm...)
	dst = appendHeader(dst, tagSequence, l.recipientKeys)
	dst = appendHeader(dst, tagSequence, l.recipientKey)
	dst = append(dst, r.encoded...)
	dst = appendHeader(dst, tagOctetString, len(key.octets)+8)
	return wrapKey(dst, kek, key.octets), nil
}

// wrappingKey derives the key-encryption key.
func (r *Recipient) wrappingKey(secret []byte, key *contentKey) ([]byte, error) {
	n := len(key.octets)
	if r.keyType == X25519 {
		return hkdf.Key(sha256.New, secret, nil, string(key.sharedInfo), n)
	}
	// One block of the X9.63 function, without the allocations of keyDerivation.derive.
	var buf [128]byte
	input := append(buf[:0], secret...)
	input = binary.BigEndian.AppendUint32(input, 1)
	input = append(input, key.sharedInfo...)
	kek := sha256.Sum256(input)
	return kek[:n], nil
}
