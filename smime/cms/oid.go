package cms

import (
	"encoding/asn1"
	"math/big"
	"strings"
)

// oid is the content of an OBJECT IDENTIFIER's encoding. Compared as octets, arcs of any size do.
type oid string

// valid tells whether the octets are whole base-128 numbers without leading zeros.
func (o oid) valid() bool {
	if o == "" || o[len(o)-1]&0x80 != 0 {
		return false
	}
	first := true
	for i := range len(o) {
		if first && o[i] == 0x80 {
			return false
		}
		first = o[i]&0x80 == 0
	}
	return true
}

// String returns the dotted form.
func (o oid) String() string {
	var s strings.Builder
	arc := new(big.Int)
	first := true
	for i := range len(o) {
		arc.Lsh(arc, 7).Or(arc, big.NewInt(int64(o[i]&0x7f)))
		if o[i]&0x80 != 0 {
			continue
		}
		if first {
			top := min(new(big.Int).Div(arc, big.NewInt(40)).Int64(), 2)
			if arc.BitLen() > 60 {
				top = 2
			}
			s.WriteByte('0' + byte(top))
			arc.Sub(arc, big.NewInt(40*top))
			first = false
		}
		s.WriteByte('.')
		s.WriteString(arc.String())
		arc = new(big.Int)
	}
	return s.String()
}

// public returns the type that the standard library uses, nil where an arc does not fit it.
func (o oid) public() asn1.ObjectIdentifier {
	var id asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(o.der(), &id); err != nil || len(rest) > 0 {
		return nil
	}
	return id
}

func (o oid) der() []byte { return encode(tagOID, []byte(o)) }

// arcs makes an oid of its arcs.
func arcs(first, second int, rest ...int) oid {
	b := []byte{byte(40*first + second)}
	for _, n := range rest {
		var tmp []byte
		for {
			tmp = append([]byte{byte(n&0x7f) | 0x80}, tmp...)
			if n >>= 7; n == 0 {
				break
			}
		}
		tmp[len(tmp)-1] &= 0x7f
		b = append(b, tmp...)
	}
	return oid(b)
}

// with appends an arc below 128.
func (o oid) with(arc byte) oid { return o + oid([]byte{arc}) }

var (
	oidPKCS1      = arcs(1, 2, 840, 113549, 1, 1)
	oidPKCS7      = arcs(1, 2, 840, 113549, 1, 7)
	oidPKCS9      = arcs(1, 2, 840, 113549, 1, 9)
	oidRSADigest  = arcs(1, 2, 840, 113549, 2)
	oidRSACipher  = arcs(1, 2, 840, 113549, 3)
	oidSMIME      = oidPKCS9.with(16)
	oidSMIMECT    = oidSMIME.with(1)
	oidSMIMEAttr  = oidSMIME.with(2)
	oidSMIMEAlg   = oidSMIME.with(3)
	oidNISTHash   = arcs(2, 16, 840, 1, 101, 3, 4, 2)
	oidAES        = arcs(2, 16, 840, 1, 101, 3, 4, 1)
	oidECDSA2     = arcs(1, 2, 840, 10045, 4, 3)
	oidX963Std    = arcs(1, 3, 132, 1, 11)
	oidX963Cof    = arcs(1, 3, 132, 1, 14)
	oidX963SHA1   = arcs(1, 3, 133, 16, 840, 63, 0)
	oidNamedCurve = arcs(1, 3, 132, 0)

	// Content types.
	oidData           = oidPKCS7.with(1)
	oidSignedData     = oidPKCS7.with(2)
	oidEnvelopedData  = oidPKCS7.with(3)
	oidAuthEnveloped  = oidSMIMECT.with(23)
	oidCompressedData = oidSMIMECT.with(9)
	oidZlib           = oidSMIMEAlg.with(8)

	// Digests.
	oidMD2      = oidRSADigest.with(2)
	oidMD4      = oidRSADigest.with(4)
	oidMD5      = oidRSADigest.with(5)
	oidSHA1     = arcs(1, 3, 14, 3, 2, 26)
	oidSHA256   = oidNISTHash.with(1)
	oidSHA384   = oidNISTHash.with(2)
	oidSHA512   = oidNISTHash.with(3)
	oidSHA224   = oidNISTHash.with(4)
	oidSHA3_224 = oidNISTHash.with(7)
	oidSHA3_256 = oidNISTHash.with(8)
	oidSHA3_384 = oidNISTHash.with(9)
	oidSHA3_512 = oidNISTHash.with(10)

	// Signatures and public keys.
	oidRSA             = oidPKCS1.with(1)
	oidMD5WithRSA      = oidPKCS1.with(4)
	oidSHA1WithRSA     = oidPKCS1.with(5)
	oidOAEP            = oidPKCS1.with(7)
	oidMGF1            = oidPKCS1.with(8)
	oidPSpecified      = oidPKCS1.with(9)
	oidPSS             = oidPKCS1.with(10)
	oidSHA256WithRSA   = oidPKCS1.with(11)
	oidSHA384WithRSA   = oidPKCS1.with(12)
	oidSHA512WithRSA   = oidPKCS1.with(13)
	oidSHA224WithRSA   = oidPKCS1.with(14)
	oidECPublicKey     = arcs(1, 2, 840, 10045, 2, 1)
	oidECDSAWithSHA1   = arcs(1, 2, 840, 10045, 4, 1)
	oidECDSAWithSHA224 = oidECDSA2.with(1)
	oidECDSAWithSHA256 = oidECDSA2.with(2)
	oidECDSAWithSHA384 = oidECDSA2.with(3)
	oidECDSAWithSHA512 = oidECDSA2.with(4)
	oidEd25519         = arcs(1, 3, 101, 112)
	oidX25519          = arcs(1, 3, 101, 110)
	oidP256            = arcs(1, 2, 840, 10045, 3, 1, 7)
	oidP384            = oidNamedCurve.with(34)
	oidDSAWithSHA1     = arcs(1, 2, 840, 10040, 4, 3)

	// Content encryption.
	oidAES128CBC = oidAES.with(2)
	oidAES192CBC = oidAES.with(22)
	oidAES256CBC = oidAES.with(42)
	oidAES128GCM = oidAES.with(6)
	oidAES192GCM = oidAES.with(26)
	oidAES256GCM = oidAES.with(46)
	oid3DESCBC   = oidRSACipher.with(7)
	oidRC2CBC    = oidRSACipher.with(2)
	oidDESCBC    = arcs(1, 3, 14, 3, 2, 7)

	// Key agreement (RFC 5753 section 7.1.4, RFC 8418 section 2.3) and key wrap (RFC 3565).
	oidStdSHA1KDF   = oidX963SHA1.with(2)
	oidStdSHA224KDF = oidX963Std.with(0)
	oidStdSHA256KDF = oidX963Std.with(1)
	oidStdSHA384KDF = oidX963Std.with(2)
	oidStdSHA512KDF = oidX963Std.with(3)
	oidCofSHA1KDF   = oidX963SHA1.with(3)
	oidCofSHA224KDF = oidX963Cof.with(0)
	oidCofSHA256KDF = oidX963Cof.with(1)
	oidCofSHA384KDF = oidX963Cof.with(2)
	oidCofSHA512KDF = oidX963Cof.with(3)
	oidHKDFSHA256   = oidSMIMEAlg.with(19)
	oidHKDFSHA384   = oidSMIMEAlg.with(20)
	oidHKDFSHA512   = oidSMIMEAlg.with(21)
	oidAES128Wrap   = oidAES.with(5)
	oidAES192Wrap   = oidAES.with(25)
	oidAES256Wrap   = oidAES.with(45)
	oid3DESWrap     = oidSMIMEAlg.with(6)

	// Attributes.
	oidContentType         = oidPKCS9.with(3)
	oidMessageDigest       = oidPKCS9.with(4)
	oidSigningTime         = oidPKCS9.with(5)
	oidSMIMECapabilities   = oidPKCS9.with(15)
	oidAlgorithmProtection = oidPKCS9.with(52)
	oidMLExpansionHistory  = oidSMIMEAttr.with(3)
	oidEncryptionKeyPref   = oidSMIMEAttr.with(11)
	oidSigningCertificate  = oidSMIMEAttr.with(12)
	oidSigningCertV2       = oidSMIMEAttr.with(47)
)

// algorithmNames are the names that reports print. What is not here is printed as dotted oid.
var algorithmNames = map[oid]string{
	oidMD2: "md2", oidMD4: "md4", oidMD5: "md5", oidSHA1: "sha1", oidSHA224: "sha224",
	oidSHA256: "sha256", oidSHA384: "sha384", oidSHA512: "sha512",
	oidSHA3_224: "sha3-224", oidSHA3_256: "sha3-256", oidSHA3_384: "sha3-384", oidSHA3_512: "sha3-512",
	oidAES128CBC: "aes128-cbc", oidAES192CBC: "aes192-cbc", oidAES256CBC: "aes256-cbc",
	oidAES128GCM: "aes128-gcm", oidAES192GCM: "aes192-gcm", oidAES256GCM: "aes256-gcm",
	oid3DESCBC: "3des-cbc", oidZlib: "zlib", oidRC2CBC: "rc2-cbc", oidDESCBC: "des-cbc",
	oidAES128Wrap: "aes128wrap", oidAES192Wrap: "aes192wrap", oidAES256Wrap: "aes256wrap", oid3DESWrap: "3deswrap",
	oidStdSHA1KDF: "sha1kdf", oidStdSHA224KDF: "sha224kdf", oidStdSHA256KDF: "sha256kdf",
	oidStdSHA384KDF: "sha384kdf", oidStdSHA512KDF: "sha512kdf",
	oidCofSHA1KDF: "cofactor-sha1kdf", oidCofSHA224KDF: "cofactor-sha224kdf", oidCofSHA256KDF: "cofactor-sha256kdf",
	oidCofSHA384KDF: "cofactor-sha384kdf", oidCofSHA512KDF: "cofactor-sha512kdf",
	oidHKDFSHA256: "hkdf-sha256", oidHKDFSHA384: "hkdf-sha384", oidHKDFSHA512: "hkdf-sha512",
}

// name returns the name that reports print.
func (o oid) name() string {
	if n, ok := algorithmNames[o]; ok {
		return n
	}
	return o.String()
}
