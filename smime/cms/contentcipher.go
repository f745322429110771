package cms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/subtle"
)

// contentCipher is a content-encryption algorithm with its parameters, as a message names it.
type contentCipher struct {
	keyLen  int
	tripled bool   // 3DES
	iv      []byte // CBC: the IV; GCM: the nonce
	tagLen  int    // GCM
}

// cbc reads the content cipher of an EnvelopedData. A GCM identifier is none: in EnvelopedData there
// is no place for its tag, and who ignores that has turned an authenticated cipher into a plain one.
func (e *encrypted) cbc(p DecryptPolicy) (contentCipher, bool) {
	var c contentCipher
	blockLen := aes.BlockSize
	switch e.cipher.oid {
	case oidAES128CBC:
		c.keyLen = 16
	case oidAES192CBC:
		c.keyLen = 24
	case oidAES256CBC:
		c.keyLen = 32
	case oid3DESCBC:
		if !p.Allow3DES {
			return c, false
		}
		c.keyLen, c.tripled, blockLen = 24, true, des.BlockSize
	default:
		return c, false
	}
	iv := e.cipher.parameters
	if iv.doc == nil || iv.tag != tagOctetString {
		return c, false
	}
	c.iv = iv.octets()
	return c, len(c.iv) == blockLen
}

// gcm reads the content cipher of an AuthEnvelopedData (RFC 5084 section 3.2).
func (e *encrypted) gcm() (contentCipher, bool) {
	var c contentCipher
	switch e.cipher.oid {
	case oidAES128GCM:
		c.keyLen = 16
	case oidAES192GCM:
		c.keyLen = 24
	case oidAES256GCM:
		c.keyLen = 32
	default:
		return c, false
	}
	p := e.cipher.parameters.apart()
	if p.doc == nil || p.tag != tagSequence {
		return c, false
	}
	r := p.children()
	c.iv = r.take(tagOctetString, "aes-nonce").octets()
	c.tagLen = 12
	if r.is(tagInteger) {
		c.tagLen = r.next().small()
	}
	if p.doc.err != nil || !r.empty() || c.tagLen < 12 || c.tagLen > 16 {
		return c, false
	}
	// crypto/cipher has odd nonces and short tags, but not both at once.
	return c, len(c.iv) == 12 || len(c.iv) >= 8 && len(c.iv) <= 64 && c.tagLen == 16
}

func (c contentCipher) block(key []byte) cipher.Block {
	var b cipher.Block
	var err error
	if c.tripled {
		b, err = des.NewTripleDESCipher(key)
	} else {
		b, err = aes.NewCipher(key)
	}
	if err != nil {
		panic(err) // the key has keyLen octets
	}
	return b
}

func (c contentCipher) aead(key []byte) cipher.AEAD {
	var a cipher.AEAD
	var err error
	if len(c.iv) == 12 {
		a, err = cipher.NewGCMWithTagSize(c.block(key), c.tagLen)
	} else {
		a, err = cipher.NewGCMWithNonceSize(c.block(key), len(c.iv))
	}
	if err != nil {
		panic(err) // gcm has checked the lengths
	}
	return a
}

// padded tells, as 1 or 0, whether key makes well-formed padding of the last block of ciphertext,
// which is not empty and whole blocks long.
func (c contentCipher) padded(key, ciphertext []byte) int {
	b := c.block(key)
	n := b.BlockSize()
	last := make([]byte, n)
	b.Decrypt(last, ciphertext[len(ciphertext)-n:])
	before := c.iv
	if len(ciphertext) > n {
		before = ciphertext[len(ciphertext)-2*n : len(ciphertext)-n]
	}
	subtle.XORBytes(last, last, before)
	_, ok := unpad(last, n)
	return ok
}

// unpad returns the length of the content before the padding of RFC 5652 section 6.3, and 1 if the
// padding is whole and 0 if not, in time that depends on neither. data is whole blocks, not empty.
func unpad(data []byte, block int) (n, ok int) {
	last := int(data[len(data)-1])
	ok = subtle.ConstantTimeLessOrEq(1, last) & subtle.ConstantTimeLessOrEq(last, block)
	for i := range block {
		inside := subtle.ConstantTimeLessOrEq(i+1, last)
		same := subtle.ConstantTimeByteEq(data[len(data)-1-i], byte(last))
		ok &= subtle.ConstantTimeSelect(inside, same, 1)
	}
	return len(data) - subtle.ConstantTimeSelect(ok, last, 0), ok
}
