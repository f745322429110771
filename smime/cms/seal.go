package cms

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Cipher is a content-encryption algorithm that a Sealer writes.
type Cipher int

// The ciphers of RFC 8551 section 2.7. CBC makes an EnvelopedData, GCM an AuthEnvelopedData.
const (
	AES256CBC Cipher = iota // the default: what all clients read
	AES128CBC
	AES256GCM
	AES128GCM
)

// String returns aes256-cbc, aes128-cbc, aes256-gcm or aes128-gcm.
func (c Cipher) String() string {
	if c < AES256CBC || c > AES128GCM {
		return fmt.Sprintf("Cipher(%d)", int(c))
	}
	return c.oid().name()
}

// ParseCipher is the inverse of String.
func ParseCipher(name string) (Cipher, error) {
	for c := AES256CBC; c <= AES128GCM; c++ {
		if c.String() == name {
			return c, nil
		}
	}
	return 0, fmt.Errorf("unknown cipher %q: aes256-cbc, aes128-cbc, aes256-gcm and aes128-gcm are known", name)
}

func (c Cipher) oid() oid {
	return [...]oid{oidAES256CBC, oidAES128CBC, oidAES256GCM, oidAES128GCM}[c]
}

func (c Cipher) keyLen() int {
	if c == AES256CBC || c == AES256GCM {
		return 32
	}
	return 16
}

// Authenticated tells whether the cipher notices altered content.
func (c Cipher) Authenticated() bool { return c == AES256GCM || c == AES128GCM }

// contentKey is a content-encryption key and what wrapping it needs.
type contentKey struct {
	octets        []byte
	wrapAlgorithm []byte // DER of the AES key wrap of the same length
	sharedInfo    []byte // for key agreement
}

// Sealer is one content, encrypted once under a key and an IV made for it and for nothing else. Key
// and ciphertext live in memory only. It may be used by many goroutines; String and its like show
// nothing of it.
type Sealer struct {
	cipher  Cipher
	key     contentKey
	suffix  []byte // the DER behind the RecipientInfos, the same in every copy
	encoded [3]struct {
		once  sync.Once
		lines []byte
	}
}

const tagLen = 16

// NewSealer encrypts content, which is not kept.
func NewSealer(content []byte, c Cipher) (*Sealer, error) {
	if c < AES256CBC || c > AES128GCM {
		return nil, fmt.Errorf("cms: unknown cipher %d", int(c))
	}
	s := &Sealer{cipher: c}
	s.key.octets = random(c.keyLen())
	wrap := oidAES128Wrap
	if c.keyLen() == 32 {
		wrap = oidAES256Wrap
	}
	s.key.wrapAlgorithm = encodeAlgorithm(wrap, nil)
	s.key.sharedInfo = sharedInfo(s.key.wrapAlgorithm, nil, c.keyLen())
	block, err := aes.NewCipher(s.key.octets)
	if err != nil {
		return nil, err
	}
	if c.Authenticated() {
		err = s.sealGCM(block, content)
	} else {
		s.sealCBC(block, content)
	}
	return s, err
}

// sealCBC encrypts with the padding of RFC 5652 section 6.3.
func (s *Sealer) sealCBC(block cipher.Block, content []byte) {
	iv := random(aes.BlockSize)
	pad := aes.BlockSize - len(content)%aes.BlockSize
	n := len(content) + pad
	s.begin(encode(tagOctetString, iv), n, 0)
	start := len(s.suffix)
	s.suffix = append(s.suffix, content...)
	for range pad {
		s.suffix = append(s.suffix, byte(pad))
	}
	data := s.suffix[start:]
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(data, data)
}

// sealGCM encrypts with a tag of 16 octets, which stands behind the content as mac.
func (s *Sealer) sealGCM(block cipher.Block, content []byte) error {
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return err
	}
	nonce := random(aead.NonceSize())
	parameters := encode(tagSequence, encode(tagOctetString, nonce), []byte{tagInteger, 1, tagLen})
	s.begin(parameters, len(content), 2+tagLen)
	s.suffix = aead.Seal(s.suffix, nonce, content, nil)
	end := len(s.suffix) - tagLen
	tag := [tagLen]byte(s.suffix[end:])
	s.suffix = append(appendHeader(s.suffix[:end], tagOctetString, tagLen), tag[:]...)
	return nil
}

// begin writes the EncryptedContentInfo up to n octets of encrypted content, with room for them and
// for what follows.
func (s *Sealer) begin(parameters []byte, n, follows int) {
	head := append(oidData.der(), encodeAlgorithm(s.cipher.oid(), parameters)...)
	size := len(head) + elementLen(n)
	s.suffix = make([]byte, 0, elementLen(size)+follows+tagLen)
	s.suffix = appendHeader(s.suffix, tagSequence, size)
	s.suffix = append(s.suffix, head...)
	s.suffix = appendHeader(s.suffix, implicit, n)
}

// SMIMEType returns the smime-type parameter: enveloped-data or authEnveloped-data (RFC 8551
// section 3.2.2).
func (s *Sealer) SMIMEType() string {
	if s.cipher.Authenticated() {
		return "authEnveloped-data"
	}
	return "enveloped-data"
}

// Cipher returns the content cipher.
func (s *Sealer) Cipher() Cipher { return s.cipher }

var errNoRecipients = errors.New("cms: sealing for nobody")

// Seal makes one copy: a CMS message for these recipients and no other, in base64 with CRLF lines of
// at most 76 characters. The copy is head followed by tail. head is dst with the lines of what is
// this copy's own; tail is shared by copies and must not be changed. The cost is that of wrapping
// the key, whatever the size of the content.
func (s *Sealer) Seal(dst []byte, rcpts []*Recipient) (head, tail []byte, err error) {
	var scratch [2048]byte
	own, err := s.appendPrefix(scratch[:0], rcpts)
	if err != nil {
		return nil, nil, err
	}
	joint := (3 - len(own)%3) % 3 // octets of the shared part that fill the last group of four characters
	own = append(own, s.suffix[:joint]...)
	return appendBase64(dst, own), s.lines(joint), nil
}

// DER makes one copy as octets.
func (s *Sealer) DER(rcpts []*Recipient) ([]byte, error) {
	own, err := s.appendPrefix(nil, rcpts)
	if err != nil {
		return nil, err
	}
	return slices.Concat(own, s.suffix), nil
}

// appendPrefix appends what stands before the shared part.
func (s *Sealer) appendPrefix(dst []byte, rcpts []*Recipient) ([]byte, error) {
	if len(rcpts) == 0 {
		return nil, errNoRecipients
	}
	infos := 0
	for _, r := range rcpts {
		infos += r.size(len(s.key.octets))
	}
	contentType, version := oidEnvelopedData, s.version(rcpts)
	if s.cipher.Authenticated() {
		contentType = oidAuthEnveloped
	}
	enveloped := 3 + elementLen(infos) + len(s.suffix)
	dst = appendHeader(dst, tagSequence, elementLen(len(contentType))+elementLen(elementLen(enveloped)))
	dst = append(appendHeader(dst, tagOID, len(contentType)), contentType...)
	dst = appendHeader(dst, explicit, elementLen(enveloped))
	dst = appendHeader(dst, tagSequence, enveloped)
	dst = append(dst, tagInteger, 1, version)
	dst = appendHeader(dst, tagSet, infos)
	start := len(dst)
	var err error
	for _, r := range rcpts {
		if dst, err = r.appendInfo(dst, &s.key); err != nil {
			return nil, err
		}
	}
	if len(rcpts) > 1 {
		s.sortInfos(dst[start:], rcpts)
	}
	return dst, nil
}

// version is the CMSVersion: for EnvelopedData 0 if every RecipientInfo has version 0, else 2
// (RFC 5652 section 6.1); for AuthEnvelopedData always 0 (RFC 5083 section 2.1).
func (s *Sealer) version(rcpts []*Recipient) byte {
	if s.cipher.Authenticated() {
		return 0
	}
	for _, r := range rcpts {
		if r.version != 0 {
			return 2
		}
	}
	return 0
}

// sortInfos puts the SET OF RecipientInfo in DER's order.
func (s *Sealer) sortInfos(infos []byte, rcpts []*Recipient) {
	var parts [][]byte
	for rest, i := slices.Clone(infos), 0; i < len(rcpts); i++ {
		n := rcpts[i].size(len(s.key.octets))
		parts = append(parts, rest[:n])
		rest = rest[n:]
	}
	sortSet(parts)
	copy(infos, slices.Concat(parts...))
}

// lines returns the shared part from octet skip on, encoded when first asked for. All copies
// together need three of these at most.
func (s *Sealer) lines(skip int) []byte {
	e := &s.encoded[skip]
	e.once.Do(func() { e.lines = appendBase64(nil, s.suffix[skip:]) })
	return e.lines
}

const (
	lineOctets = 57 // that make a line of 76 characters
	lineLen    = 78 // with its CRLF
)

// appendBase64 appends base64 lines of at most 76 characters, each ending in CRLF.
func appendBase64(dst, data []byte) []byte {
	whole, rest := len(data)/lineOctets, len(data)%lineOctets
	dst = slices.Grow(dst, whole*lineLen+base64.StdEncoding.EncodedLen(rest)+2)
	for len(data) > 0 {
		n := min(lineOctets, len(data))
		dst = base64.StdEncoding.AppendEncode(dst, data[:n])
		dst = append(dst, '\r', '\n')
		data = data[n:]
	}
	return dst
}
