package cms

import (
	"crypto"
	"crypto/ecdh"
	"crypto/elliptic"
	"crypto/hkdf"
	"encoding/binary"
	"math/big"
)

// keyDerivation is a key agreement scheme: ECDH and what makes a key of the shared secret.
type keyDerivation struct {
	hash crypto.Hash
	hkdf bool // RFC 8418 section 2.2; else ANSI X9.63, RFC 5753 section 7.1.4
}

// derivation returns the scheme of a keyEncryptionAlgorithm. With the cofactor means without it on
// the NIST curves, whose cofactor is one.
func derivation(o oid) (keyDerivation, bool) {
	switch o {
	case oidStdSHA1KDF, oidCofSHA1KDF:
		return keyDerivation{hash: crypto.SHA1}, true
	case oidStdSHA224KDF, oidCofSHA224KDF:
		return keyDerivation{hash: crypto.SHA224}, true
	case oidStdSHA256KDF, oidCofSHA256KDF:
		return keyDerivation{hash: crypto.SHA256}, true
	case oidStdSHA384KDF, oidCofSHA384KDF:
		return keyDerivation{hash: crypto.SHA384}, true
	case oidStdSHA512KDF, oidCofSHA512KDF:
		return keyDerivation{hash: crypto.SHA512}, true
	case oidHKDFSHA256:
		return keyDerivation{hash: crypto.SHA256, hkdf: true}, true
	case oidHKDFSHA384:
		return keyDerivation{hash: crypto.SHA384, hkdf: true}, true
	case oidHKDFSHA512:
		return keyDerivation{hash: crypto.SHA512, hkdf: true}, true
	}
	return keyDerivation{}, false
}

// wrapKeyLen is the length of the key-encryption key of a key wrap algorithm, 0 if unsupported.
func wrapKeyLen(o oid) int {
	switch o {
	case oidAES128Wrap:
		return 16
	case oidAES192Wrap, oid3DESWrap:
		return 24
	case oidAES256Wrap:
		return 32
	}
	return 0
}

// derive makes a key of n octets. wrap is the DER of the key wrap algorithm.
func (k keyDerivation) derive(secret, wrap, ukm []byte, n int) []byte {
	info := sharedInfo(wrap, ukm, n)
	if k.hkdf {
		key, err := hkdf.Key(k.hash.New, secret, ukm, string(info), n)
		if err != nil {
			panic(err) // n is 32 at most
		}
		return key
	}
	var key []byte
	for counter := uint32(1); len(key) < n; counter++ {
		h := k.hash.New()
		h.Write(secret)
		h.Write(binary.BigEndian.AppendUint32(nil, counter))
		h.Write(info)
		key = h.Sum(key)
	}
	return key[:n]
}

// sharedInfo is the DER of ECC-CMS-SharedInfo (RFC 5753 section 7.2).
func sharedInfo(wrap, ukm []byte, n int) []byte {
	var party []byte
	if ukm != nil {
		party = encode(explicit, encode(tagOctetString, ukm))
	}
	bits := binary.BigEndian.AppendUint32(nil, uint32(8*n))
	return encode(tagSequence, wrap, party, encode(explicit|2, encode(tagOctetString, bits)))
}

// parsePoint reads an originator's public key for the recipient's curve, which also checks that it is
// on the curve. RFC 5753 section 7.2: uncompressed, perhaps compressed, never hybrid.
func parsePoint(curve ecdh.Curve, octets []byte) (*ecdh.PublicKey, error) {
	if len(octets) > 0 && (octets[0] == 2 || octets[0] == 3) {
		if c := nistCurve(curve); c != nil {
			if x, y := elliptic.UnmarshalCompressed(c, octets); x != nil {
				octets = uncompressed(c, x, y)
			}
		}
	}
	return curve.NewPublicKey(octets)
}

func nistCurve(curve ecdh.Curve) elliptic.Curve {
	switch curve {
	case ecdh.P256():
		return elliptic.P256()
	case ecdh.P384():
		return elliptic.P384()
	case ecdh.P521():
		return elliptic.P521()
	}
	return nil
}

func uncompressed(c elliptic.Curve, x, y *big.Int) []byte {
	n := (c.Params().BitSize + 7) / 8
	out := make([]byte, 1+2*n)
	out[0] = 4
	x.FillBytes(out[1 : 1+n])
	y.FillBytes(out[1+n:])
	return out
}

// pointLen is the length of an uncompressed public key of the curve, 0 for an unknown curve.
func pointLen(curve ecdh.Curve) int {
	switch curve {
	case ecdh.P256():
		return 65
	case ecdh.P384():
		return 97
	case ecdh.P521():
		return 133
	case ecdh.X25519():
		return 32
	}
	return 0
}
