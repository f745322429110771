package cms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"slices"
)

const wrapIV = 0xa6a6a6a6a6a6a6a6

// wrapKey wraps cek with AES key wrap (RFC 3394 section 2.2.1). kek has an AES key's length, cek is
// a multiple of eight octets, at least sixteen.
func wrapKey(dst, kek, cek []byte) []byte {
	block, err := aes.NewCipher(kek)
	if err != nil || len(cek) < 16 || len(cek)%8 != 0 {
		panic("cms: key wrap with impossible lengths")
	}
	n := len(cek) / 8
	start := len(dst)
	dst = append(dst, make([]byte, 8)...)
	dst = append(dst, cek...)
	out := dst[start:]
	var buf [16]byte
	binary.BigEndian.PutUint64(buf[:8], wrapIV)
	for j := range 6 {
		for i := 1; i <= n; i++ {
			copy(buf[8:], out[8*i:])
			block.Encrypt(buf[:], buf[:])
			a := binary.BigEndian.Uint64(buf[:8]) ^ uint64(n*j+i)
			binary.BigEndian.PutUint64(buf[:8], a)
			copy(out[8*i:8*i+8], buf[8:])
		}
	}
	copy(out, buf[:8])
	return dst
}

// unwrapKey undoes wrapKey (RFC 3394 section 2.2.2). ok is 1 if the integrity check holds and else 0,
// and nothing before the caller's own branch depends on it.
func unwrapKey(kek, wrapped []byte) (cek []byte, ok int) {
	block, err := aes.NewCipher(kek)
	if err != nil || len(wrapped) < 24 || len(wrapped)%8 != 0 {
		return nil, 0 // lengths are no secret
	}
	n := len(wrapped)/8 - 1
	cek = append([]byte(nil), wrapped[8:]...)
	var buf [16]byte
	copy(buf[:8], wrapped)
	for j := 5; j >= 0; j-- {
		for i := n; i >= 1; i-- {
			a := binary.BigEndian.Uint64(buf[:8]) ^ uint64(n*j+i)
			binary.BigEndian.PutUint64(buf[:8], a)
			copy(buf[8:], cek[8*(i-1):])
			block.Decrypt(buf[:], buf[:])
			copy(cek[8*(i-1):8*i], buf[8:])
		}
	}
	var want [8]byte
	binary.BigEndian.PutUint64(want[:], wrapIV)
	return cek, subtle.ConstantTimeCompare(buf[:8], want[:])
}

// unwrap undoes the key wrap algorithm o.
func unwrap(o oid, kek, wrapped []byte) (cek []byte, ok int) {
	if o == oid3DESWrap {
		return unwrap3DES(kek, wrapped)
	}
	return unwrapKey(kek, wrapped)
}

// unwrap3DES undoes Triple-DES key wrap (RFC 3217 section 3.2), which writers choose for 3DES
// content with a key agreement. ok is as for unwrapKey.
func unwrap3DES(kek, wrapped []byte) (cek []byte, ok int) {
	block, err := des.NewTripleDESCipher(kek)
	if err != nil || len(wrapped) != 40 {
		return nil, 0
	}
	data := slices.Clone(wrapped)
	iv := []byte{0x4a, 0xdd, 0xa2, 0x2c, 0x79, 0xe8, 0x21, 0x05}
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(data, data)
	slices.Reverse(data)
	iv, data = data[:8], data[8:]
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(data, data)
	cek = data[:24]
	digest := sha1.Sum(cek)
	return cek, subtle.ConstantTimeCompare(digest[:8], data[24:])
}
