package cms

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
)

// sealed is an EnvelopedData or AuthEnvelopedData of which a test decides every part.
type sealed struct {
	who         string // rsa2048
	contentType oid    // id-data
	key         []byte // 32 octets: the content key
	wrapped     []byte // what is wrapped: key
	iv          []byte
	cipher      []byte // AES-256-CBC: an AlgorithmIdentifier
	data        []byte // "the content" encrypted
	noData      bool
	infos       [][]byte // one for who
	chunks      func(data []byte) []byte
	// for AuthEnvelopedData
	auth       bool
	tag        func(tag []byte) []byte
	icv        int // as stated; 0: not stated, 12
	tagLen     int // as made; 0: icv
	split      int // octets of the tag that stand with the content
	attributes [][]byte
	aad        []byte // DER of the set of attributes
}

const clear1 = "the content, of more than one block"

func (s sealed) fill(t testing.TB) sealed {
	t.Helper()
	if s.who == "" {
		s.who = "rsa2048"
	}
	if s.contentType == "" {
		s.contentType = oidData
	}
	if s.key == nil {
		s.key = bytes.Repeat([]byte{7}, 32)
	}
	if s.wrapped == nil {
		s.wrapped = s.key
	}
	if s.iv == nil {
		s.iv = bytes.Repeat([]byte{9}, map[bool]int{false: 16, true: 12}[s.auth])
	}
	if s.infos == nil {
		s.infos = [][]byte{ktri(t, s.who, s.wrapped)}
	}
	if s.auth {
		return s.fillGCM(t)
	}
	if s.cipher == nil {
		s.cipher = encodeAlgorithm(oidAES256CBC, encode(tagOctetString, s.iv))
	}
	if s.data == nil && !s.noData {
		s.data = cbcEncrypted(t, s.key, s.iv, pad([]byte(clear1)))
	}
	return s
}

func (s sealed) fillGCM(t testing.TB) sealed {
	if s.tagLen == 0 {
		s.tagLen = max(s.icv, 12)
	}
	if s.cipher == nil {
		var icv []byte
		if s.icv != 0 {
			icv = encode(tagInteger, []byte{byte(s.icv)})
		}
		s.cipher = encodeAlgorithm(oidAES256GCM, encode(tagSequence, encode(tagOctetString, s.iv), icv))
	}
	if s.data == nil {
		c := contentCipher{keyLen: 32, iv: s.iv, tagLen: s.tagLen}
		if s.aad == nil && s.attributes != nil {
			s.aad = encodeSet(tagSet, s.attributes...)
		}
		s.data = c.aead(s.key).Seal(nil, s.iv, []byte(clear1), s.aad)
	}
	return s
}

func (s sealed) der(t testing.TB) []byte {
	t.Helper()
	s = s.fill(t)
	data := s.data
	var mac, attributes []byte
	if s.auth {
		at := len(data) - s.tagLen + s.split
		mac, data = data[at:], data[:at]
		if s.tag != nil {
			mac = s.tag(mac)
		}
		mac = encode(tagOctetString, mac)
		if s.attributes != nil {
			attributes = encode(explicit|1, s.attributes...)
		}
	}
	if s.chunks == nil {
		s.chunks = func(data []byte) []byte { return encode(implicit, data) }
	}
	data = s.chunks(data)
	if s.noData {
		data = nil
	}
	o := oidEnvelopedData
	if s.auth {
		o = oidAuthEnveloped
	}
	return contentInfo(o, encode(tagSequence, encode(tagInteger, []byte{0}), encode(tagSet, s.infos...),
		encode(tagSequence, s.contentType.der(), s.cipher, data), attributes, mac))
}

func pad(b []byte) []byte {
	n := 16 - len(b)%16
	return append(slices.Clone(b), bytes.Repeat([]byte{byte(n)}, n)...)
}

func cbcEncrypted(t testing.TB, key, iv, data []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, len(data))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, data)
	return out
}

// ktri is a KeyTransRecipientInfo under PKCS #1 v1.5 for an identity.
func ktri(t testing.TB, name string, key []byte) []byte {
	t.Helper()
	return ktriRaw(t, name, encodeAlgorithm(oidRSA, null), pkcs1Wrapped(t, who(t, name), key))
}

func pkcs1Wrapped(t testing.TB, id identity, key []byte) []byte {
	t.Helper()
	//lint:ignore SA1019 what is read here has to be made
	wrapped, err := rsa.EncryptPKCS1v15(rand.Reader, id.cert.PublicKey.(*rsa.PublicKey), key)
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

func ktriRaw(t testing.TB, name string, algorithm, wrapped []byte) []byte {
	t.Helper()
	return encode(tagSequence, encode(tagInteger, []byte{0}), issuerAndSerial(tagSequence, who(t, name).cert), algorithm,
		encode(tagOctetString, wrapped))
}

// agreement is a KeyAgreeRecipientInfo of which a test decides every part.
type agreement struct {
	who         string
	scheme      oid // sha256kdf
	wrap        oid // aes256-wrap
	wrapNull    bool
	ukm         []byte
	point       []byte // the ephemeral key
	key         []byte // the content key
	parameters  []byte // of the originator's algorithm
	wrapper     func(kek, key []byte) []byte
	change      func(wrapped []byte) []byte
	ski, static bool
}

func (a agreement) der(t testing.TB) []byte {
	t.Helper()
	id := who(t, a.who)
	if a.scheme == "" {
		a.scheme = oidStdSHA256KDF
	}
	if a.wrap == "" {
		a.wrap = oidAES256Wrap
	}
	if a.key == nil {
		a.key = bytes.Repeat([]byte{7}, 32)
	}
	own := exchanger(id.key)
	ephemeral, err := own.Curve().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := ephemeral.ECDH(own.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	if a.point == nil {
		a.point = ephemeral.PublicKey().Bytes()
	}
	var parameters []byte
	if a.wrapNull {
		parameters = null
	}
	wrap := encodeAlgorithm(a.wrap, parameters)
	k, ok := derivation(a.scheme)
	if !ok {
		k, _ = derivation(oidStdSHA256KDF)
	}
	n := wrapKeyLen(a.wrap)
	if n == 0 {
		n = 32
	}
	if a.wrapper == nil {
		a.wrapper = func(kek, key []byte) []byte { return wrapKey(nil, kek, key) }
	}
	wrapped := a.wrapper(k.derive(secret, wrap, a.ukm, n), a.key)
	if a.change != nil {
		wrapped = a.change(wrapped)
	}
	var ukm []byte
	if a.ukm != nil {
		ukm = encode(explicit|1, encode(tagOctetString, a.ukm))
	}
	rid := issuerAndSerial(tagSequence, id.cert)
	if a.ski {
		rid = encode(explicit, encode(tagOctetString, id.cert.SubjectKeyId), encode(tagGeneralizedTime, []byte("20260101000000Z")))
	}
	originator := encode(explicit|1, encodeAlgorithm(oidECPublicKey, a.parameters), encode(tagBitString, []byte{0}, a.point))
	if a.static {
		originator = issuerAndSerial(tagSequence, pool.ca)
	}
	return encode(explicit|1, encode(tagInteger, []byte{3}), encode(explicit, originator), ukm,
		encodeAlgorithm(a.scheme, wrap),
		encode(tagSequence, encode(tagSequence, rid, encode(tagOctetString, wrapped))))
}

// decrypt opens with the key of the named identity, or fails as Decrypt does.
func decrypt(t testing.TB, der []byte, p DecryptPolicy, keys ...Key) ([]byte, error) {
	t.Helper()
	c, err := Read(der, nil)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return c.(interface {
		Decrypt([]Key, *Budget, DecryptPolicy) ([]byte, error)
	}).Decrypt(keys, nil, p)
}

// TestDecryptRules is the table of what opens and what does not. Whatever fails, fails alike.
func TestDecryptRules(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	iv := bytes.Repeat([]byte{9}, 16)
	withPad := func(b ...byte) []byte { return cbcEncrypted(t, key, iv, append(make([]byte, 32-len(b)), b...)) }
	flip := func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
	typeData := attr(oidContentType, oidData.der())
	pkcs1 := func(key []byte) []byte {
		return pkcs1Wrapped(t, who(t, "rsa2048"), key)
	}
	oaep := func(parameters []byte, o *rsa.OAEPOptions) sealed {
		wrapped, err := rsa.EncryptOAEPWithOptions(rand.Reader, who(t, "rsa2048").key.(*rsa.PrivateKey).Public().(*rsa.PublicKey), key, o)
		if err != nil {
			t.Fatal(err)
		}
		return sealed{infos: [][]byte{ktriRaw(t, "rsa2048", encodeAlgorithm(oidOAEP, parameters), wrapped)}}
	}
	kari := func(a agreement) sealed {
		if a.who == "" {
			a.who = "p256"
		}
		return sealed{who: a.who, infos: [][]byte{a.der(t)}}
	}
	compressed := func() []byte {
		k, err := ecdh.P256().GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		p := k.PublicKey().Bytes()
		return append([]byte{2 + p[64]&1}, p[1:33]...)
	}
	tests := []struct {
		name string
		s    sealed
		ok   bool
	}{
		{"plain", sealed{}, true},
		{"chunked", sealed{chunks: func(d []byte) []byte {
			return openEnded(explicit, encode(tagOctetString, d[:5]), openEnded(chunked, encode(tagOctetString, d[5:6]), encode(tagOctetString)), encode(tagOctetString, d[6:]))
		}}, true},
		{"chunked, of definite length", sealed{chunks: func(d []byte) []byte { return encode(explicit, encode(tagOctetString, d)) }}, true},
		{"chunks that are none", sealed{chunks: func(d []byte) []byte { return encode(explicit, encode(tagInteger, d)) }}, false},
		{"another content type", sealed{contentType: oidSignedData}, true},

		// Content and padding
		{"no content", sealed{noData: true}, false},
		{"empty content", sealed{data: []byte{}}, false},
		{"not whole blocks", sealed{data: make([]byte, 33)}, false},
		{"padding of 0", sealed{data: withPad(0)}, false},
		{"padding of 17", sealed{data: withPad(bytes.Repeat([]byte{17}, 17)...)}, false},
		{"padding of 255", sealed{data: withPad(bytes.Repeat([]byte{255}, 32)...)}, false},
		{"padding not all alike", sealed{data: withPad(3, 4, 4, 4)}, false},
		{"padding whose first octet differs", sealed{data: withPad(append([]byte{15}, bytes.Repeat([]byte{16}, 15)...)...)}, false},
		{"short IV", sealed{cipher: encodeAlgorithm(oidAES256CBC, encode(tagOctetString, iv[:15]))}, false},
		{"no IV", sealed{cipher: encodeAlgorithm(oidAES256CBC, nil)}, false},
		{"IV that is no string", sealed{cipher: encodeAlgorithm(oidAES256CBC, encode(tagSequence, encode(tagOctetString, iv)))}, false},

		// Ciphers
		{"GCM in EnvelopedData", sealed{cipher: encodeAlgorithm(oidAES256GCM, encode(tagSequence, encode(tagOctetString, iv[:12])))}, false},
		{"GCM in EnvelopedData with an IV", sealed{cipher: encodeAlgorithm(oidAES256GCM, encode(tagOctetString, iv))}, false},
		{"CBC in AuthEnvelopedData", sealed{auth: true, cipher: encodeAlgorithm(oidAES256CBC, encode(tagOctetString, iv))}, false},
		{"RC2", sealed{cipher: encodeAlgorithm(oidRC2CBC, encode(tagOctetString, iv[:8]))}, false},
		{"DES", sealed{cipher: encodeAlgorithm(oidDESCBC, encode(tagOctetString, iv[:8]))}, false},
		{"unknown cipher", sealed{cipher: encodeAlgorithm(arcs(1, 2, 3), nil)}, false},

		// Key transport
		{"content key too short", sealed{wrapped: key[:16]}, false},
		{"content key too long", sealed{wrapped: append(key, 1)}, false},
		{"another content key", sealed{wrapped: bytes.Repeat([]byte{8}, 32)}, false},
		{"garbage for a wrapped key", sealed{infos: [][]byte{ktriRaw(t, "rsa2048", encodeAlgorithm(oidRSA, null), make([]byte, 256))}}, false},
		{"wrapped key over the modulus", sealed{infos: [][]byte{ktriRaw(t, "rsa2048", encodeAlgorithm(oidRSA, null), bytes.Repeat([]byte{255}, 256))}}, false},
		{"wrapped key too long", sealed{infos: [][]byte{ktriRaw(t, "rsa2048", encodeAlgorithm(oidRSA, null), bytes.Repeat([]byte{1}, 300))}}, false},
		{"empty wrapped key", sealed{infos: [][]byte{ktriRaw(t, "rsa2048", encodeAlgorithm(oidRSA, null), nil)}}, false},
		{"for another", sealed{infos: [][]byte{ktri(t, "rsa2048/b", key)}}, false},
		{"for nobody", sealed{infos: [][]byte{}}, false},
		{"twice, the second good", sealed{infos: [][]byte{ktri(t, "rsa2048", key[:16]), ktri(t, "rsa2048", key)}}, true},
		{"beside unknown kinds", sealed{infos: [][]byte{encode(explicit|2, null), encode(explicit | 3), encode(explicit|4, oidData.der()), encode(explicit | 9), encode(tagSequence), encode(explicit | 1), ktri(t, "rsa2048", key)}}, true},
		{"key transport and more", sealed{infos: [][]byte{encode(tagSequence, first(ktri(t, "rsa2048", key)).content(), null)}}, false},
		{"unknown key transport", sealed{infos: [][]byte{ktriRaw(t, "rsa2048", encodeAlgorithm(arcs(1, 2, 3), nil), make([]byte, 256))}}, false},
		{"RSA without NULL", sealed{infos: [][]byte{ktriRaw(t, "rsa2048", encodeAlgorithm(oidRSA, nil), pkcs1(key))}}, true},

		// OAEP
		{"OAEP of defaults", oaep(encode(tagSequence), &rsa.OAEPOptions{Hash: crypto.SHA1}), true},
		{"OAEP without parameters", oaep(nil, &rsa.OAEPOptions{Hash: crypto.SHA1}), true},
		{"OAEP with SHA-256", oaep(oaepSHA256(), &rsa.OAEPOptions{Hash: crypto.SHA256}), true},
		{"OAEP with a label", oaep(encode(tagSequence, encode(explicit|2, encodeAlgorithm(oidPSpecified, encode(tagOctetString, []byte("label"))))), &rsa.OAEPOptions{Hash: crypto.SHA1, Label: []byte("label")}), true},
		{"OAEP with another label", oaep(encode(tagSequence, encode(explicit|2, encodeAlgorithm(oidPSpecified, encode(tagOctetString, []byte("Label"))))), &rsa.OAEPOptions{Hash: crypto.SHA1, Label: []byte("label")}), false},
		{"OAEP with another hash", oaep(oaepSHA256(), &rsa.OAEPOptions{Hash: crypto.SHA1}), false},
		{"OAEP with another MGF hash", oaep(oaepSHA256(), &rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA1}), false},
		{"OAEP with MD5", oaep(encode(tagSequence, encode(explicit, encodeAlgorithm(oidMD5, null))), &rsa.OAEPOptions{Hash: crypto.SHA1}), false},
		{"OAEP with an unknown MGF", oaep(encode(tagSequence, encode(explicit|1, encodeAlgorithm(arcs(1, 2, 3), nil))), &rsa.OAEPOptions{Hash: crypto.SHA1}), false},
		{"OAEP with an unknown source", oaep(encode(tagSequence, encode(explicit|2, encodeAlgorithm(arcs(1, 2, 3), nil))), &rsa.OAEPOptions{Hash: crypto.SHA1}), false},
		{"OAEP with nonsense", oaep(encode(tagOctetString), &rsa.OAEPOptions{Hash: crypto.SHA1}), false},
		{"OAEP and more", oaep(encode(tagSequence, null), &rsa.OAEPOptions{Hash: crypto.SHA1}), false},

		// Key agreement
		{"ECDH", kari(agreement{}), true},
		{"ECDH by key identifier", kari(agreement{ski: true}), true},
		{"ECDH with ukm", kari(agreement{ukm: []byte("ukm")}), true},
		{"ECDH with empty ukm", kari(agreement{ukm: []byte{}}), true},
		{"ECDH with NULL in the wrap", kari(agreement{wrapNull: true}), true},
		{"ECDH with a named curve", kari(agreement{parameters: oidP256.der()}), true},
		{"ECDH with NULL for a curve", kari(agreement{parameters: null}), true},
		{"ECDH with a spelt-out curve", kari(agreement{parameters: encode(tagSequence)}), false},
		{"ECDH with a static key", kari(agreement{static: true}), false},
		{"ECDH, wrapped key altered", kari(agreement{change: flip}), false},
		{"ECDH, wrapped key cut", kari(agreement{change: func(b []byte) []byte { return b[:32] }}), false},
		{"ECDH, wrapped key of odd length", kari(agreement{change: func(b []byte) []byte { return b[:39] }}), false},
		{"ECDH, no wrapped key", kari(agreement{change: func(b []byte) []byte { return nil }}), false},
		{"ECDH, another point", kari(agreement{point: compressed()}), false},
		{"ECDH, no point", kari(agreement{point: make([]byte, 65)}), false},
		{"ECDH, point at infinity", kari(agreement{point: []byte{0}}), false},
		{"ECDH, hybrid point", kari(agreement{point: append([]byte{6}, make([]byte, 64)...)}), false},
		{"ECDH, point of another curve", kari(agreement{point: append([]byte{4}, make([]byte, 96)...)}), false},
		{"ECDH, unknown scheme", kari(agreement{scheme: arcs(1, 2, 3)}), false},
		{"ECDH, unknown wrap", kari(agreement{wrap: arcs(1, 2, 3)}), false},
		{"ECDH, 3DES wrap for AES", kari(agreement{wrap: oid3DESWrap}), false},
		{"ECDH, content key too short", kari(agreement{key: key[:16]}), false},
		{"X25519", kari(agreement{who: "x25519", scheme: oidHKDFSHA256}), true},
		{"X25519 with ukm", kari(agreement{who: "x25519", scheme: oidHKDFSHA512, ukm: []byte("ukm")}), true},
		{"X25519 with X9.63", kari(agreement{who: "x25519", scheme: oidStdSHA256KDF, ukm: []byte("ukm")}), true},
		{"X25519, all zeros", kari(agreement{who: "x25519", scheme: oidHKDFSHA256, point: make([]byte, 32)}), false},
		{"X25519, point of order 8", kari(agreement{who: "x25519", scheme: oidHKDFSHA256, point: unhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")}), false},
		{"P-384 with HKDF", kari(agreement{who: "p384", scheme: oidHKDFSHA384}), true},
		{"P-521", kari(agreement{who: "p521", scheme: oidStdSHA512KDF}), true},

		// AuthEnvelopedData: RFC 5083, RFC 5084
		{"GCM, length not stated", sealed{auth: true}, true},
		{"GCM, 12", sealed{auth: true, icv: 12}, true},
		{"GCM, 13", sealed{auth: true, icv: 13}, true},
		{"GCM, 16", sealed{auth: true, icv: 16}, true},
		{"GCM, 16 not stated", sealed{auth: true, tagLen: 16}, false},
		{"GCM, 16 stated, 12 there", sealed{auth: true, icv: 16, tag: func(b []byte) []byte { return b[:12] }}, false},
		{"GCM, 12 stated, 16 there", sealed{auth: true, icv: 12, tagLen: 16}, false},
		{"GCM, tag cut to 4", sealed{auth: true, icv: 16, tag: func(b []byte) []byte { return b[:4] }}, false},
		{"GCM, 4 stated and there", sealed{auth: true, icv: 4, tagLen: 12, tag: func(b []byte) []byte { return b[:4] }}, false},
		{"GCM, 11 stated and there", sealed{auth: true, icv: 11, tagLen: 12, tag: func(b []byte) []byte { return b[:11] }}, false},
		{"GCM, 17 stated", sealed{auth: true, icv: 17, tagLen: 16}, false},
		{"GCM, 4 octets there, the rest in the content", sealed{auth: true, icv: 16, split: 12}, false},
		{"GCM, tag of 16, the content's end too", sealed{auth: true, icv: 12, split: -4}, false},
		{"GCM, no tag", sealed{auth: true, tag: func([]byte) []byte { return nil }}, false},
		{"GCM, tag altered", sealed{auth: true, icv: 16, tag: flip}, false},
		{"GCM, nonce of 16", sealed{auth: true, icv: 16, iv: iv}, true},
		{"GCM, nonce of 16 and tag of 12", sealed{auth: true, iv: iv, data: make([]byte, 50)}, false},
		{"GCM, no nonce", sealed{auth: true, cipher: encodeAlgorithm(oidAES256GCM, encode(tagSequence, encode(tagOctetString)))}, false},
		{"GCM, no parameters", sealed{auth: true, cipher: encodeAlgorithm(oidAES256GCM, nil)}, false},
		{"GCM, chunked", sealed{auth: true, chunks: func(d []byte) []byte {
			return openEnded(explicit, encode(tagOctetString, d[:5]), encode(tagOctetString, d[5:]))
		}}, true},
		{"GCM, attributes", sealed{auth: true, attributes: [][]byte{typeData, attr(oidSigningTime, null)}}, true},
		{"GCM, attributes out of order", sealed{auth: true, attributes: [][]byte{attr(oidSigningTime, null), typeData}}, true},
		{"GCM, attributes in BER", sealed{auth: true, attributes: [][]byte{openEnded(tagSequence, first(typeData).content())}, aad: encode(tagSet, typeData)}, true},
		{"GCM, attributes altered", sealed{auth: true, attributes: [][]byte{typeData}, aad: encode(tagSet, attr(oidSigningTime, null))}, false},
		{"GCM, attributes taken away", sealed{auth: true, aad: encode(tagSet, typeData)}, false},
		{"GCM, another type", sealed{auth: true, contentType: oidSignedData}, false},
		{"GCM, another type with attributes", sealed{auth: true, contentType: oidSignedData, attributes: [][]byte{attr(oidContentType, oidSignedData.der())}}, true},
		{"GCM, attributes name another type", sealed{auth: true, contentType: oidSignedData, attributes: [][]byte{typeData}}, false},
		{"GCM, content key too short", sealed{auth: true, wrapped: key[:16]}, false},
		{"GCM, another content key", sealed{auth: true, wrapped: bytes.Repeat([]byte{8}, 32)}, false},
		{"GCM, twice, the second good", sealed{auth: true, infos: [][]byte{ktri(t, "rsa2048", key[:16]), ktri(t, "rsa2048", key)}}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			der := test.s.der(t)
			id := who(t, test.s.fill(t).who)
			for _, k := range []Key{id.recipientKey(), {Private: id.key}} {
				got, err := decrypt(t, der, DecryptPolicy{}, k)
				switch {
				case test.ok && (err != nil || string(got) != clear1):
					t.Errorf("%q, %v", got, err)
				case !test.ok && (err != ErrDecrypt || got != nil):
					t.Errorf("%q, %v", got, err)
				}
			}
		})
	}
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// TestKeyDerivation: values that the openssl program's X963KDF and HKDF made of the same input.
func TestKeyDerivation(t *testing.T) {
	secret := unhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	ukm := unhex("0102030405")
	for _, test := range []struct {
		scheme oid
		ukm    []byte
		want   string
	}{
		{oidStdSHA1KDF, ukm, "0519fe94bd57c74cdecb78de0b35a75c71cb1f2d1e2d6fa9290ee9ea6a3e5d29"},
		{oidCofSHA1KDF, ukm, "0519fe94bd57c74cdecb78de0b35a75c71cb1f2d1e2d6fa9290ee9ea6a3e5d29"},
		{oidStdSHA224KDF, ukm, "967c81e0aa26b75d3dbbf863997528830bd3a9e3766800073699a49eb8b18704"},
		{oidStdSHA256KDF, ukm, "944196fcd510fdad8f6ce5c46085985d3908894790496aacabde467936df3274"},
		{oidStdSHA384KDF, ukm, "950e9b9d891aa40465c26ae1e09386bd7f2ab6470e442f3782ea39535a12c0ad"},
		{oidStdSHA512KDF, ukm, "8f86e57a3aa98947a86bc867ee9d4e12d47ec9afd2f24d0dc2afe85d7819876e"},
		{oidHKDFSHA256, ukm, "3b2562db76614ce57adbff385183450f2a2e61c321e082b08e337343a41fa9d7"},
		{oidHKDFSHA384, ukm, "e8e6cc0c3fb25f9844d0618fefade11156b87f8cb6766b6be6b3b1f574093b75"},
		{oidHKDFSHA512, ukm, "a81b876f656a94438eccc179774932ca6d904552fa4a65223756bc5de2c3e70b"},
		{oidHKDFSHA256, nil, "ad876c55596d24628c2d82224f45e4c03e5879fc3a83ec4b0b500997fce37f66"},
	} {
		k, ok := derivation(test.scheme)
		got := k.derive(secret, encodeAlgorithm(oidAES256Wrap, nil), test.ukm, 32)
		if !ok || hex.EncodeToString(got) != test.want {
			t.Errorf("%s: %x", test.scheme.name(), got)
		}
	}
	// The short cut that sealing takes.
	r := &Recipient{keyType: EC}
	key := &contentKey{octets: make([]byte, 32), sharedInfo: sharedInfo(encodeAlgorithm(oidAES256Wrap, nil), nil, 32)}
	k, _ := derivation(oidStdSHA256KDF)
	got, err := r.wrappingKey(secret, key)
	if want := k.derive(secret, encodeAlgorithm(oidAES256Wrap, nil), nil, 32); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%x, %x", got, want)
	}
}

// exchangerOnly and decrypterOnly hide all but the interface, as a hardware module's key does.
type exchangerOnly struct{ ecdh.KeyExchanger }

// TestGarbageNeverOpens: padding that fits a random key by chance is not enough.
func TestGarbageNeverOpens(t *testing.T) {
	flip := func(b []byte) []byte { b[3] ^= 1; return b }
	for name, info := range map[string][]byte{
		"p256":    agreement{who: "p256", change: flip}.der(t),
		"rsa1024": ktriRaw(t, "rsa1024", encodeAlgorithm(oidRSA, null), bytes.Repeat([]byte{1}, 128)),
	} {
		ed := read[*EnvelopedData](t, sealed{who: name, infos: [][]byte{info}}.der(t))
		for range 3000 { // one in 256 random keys makes fitting padding
			if got, err := ed.Decrypt([]Key{who(t, name).recipientKey()}, nil, DecryptPolicy{}); err != ErrDecrypt || got != nil {
				t.Fatalf("%s: %q, %v", name, got, err)
			}
		}
	}
}

// TestFirstKeyCounts: a second RecipientInfo for the same key, with a content key that happens to make
// fitting padding, does not displace the first.
func TestFirstKeyCounts(t *testing.T) {
	s := sealed{}.fill(t)
	c := contentCipher{keyLen: 32, iv: s.iv}
	other := make([]byte, 32)
	for c.padded(other, s.data) == 0 {
		rand.Read(other)
	}
	s.infos = append(s.infos, ktri(t, "rsa2048", other))
	if got, err := decrypt(t, s.der(t), DecryptPolicy{}, who(t, "rsa2048").recipientKey()); err != nil || string(got) != clear1 {
		t.Errorf("%q, %v", got, err)
	}
}

// Test3DESWrap: Triple-DES key wrap is read for Triple-DES content and for nothing else.
func Test3DESWrap(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 24)
	a := agreement{who: "p256", wrap: oid3DESWrap, wrapNull: true, key: key, wrapper: wrap3DES}
	iv := bytes.Repeat([]byte{9}, 16)
	aes := sealed{key: key, infos: [][]byte{a.der(t)}, cipher: encodeAlgorithm(oidAES192CBC, encode(tagOctetString, iv))}
	block, err := des.NewTripleDESCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	data := []byte("16 octets of it.\x08\x08\x08\x08\x08\x08\x08\x08")
	cipher.NewCBCEncrypter(block, iv[:8]).CryptBlocks(data, data)
	tripled := sealed{infos: aes.infos, cipher: encodeAlgorithm(oid3DESCBC, encode(tagOctetString, iv[:8])), data: data}
	a.change = func(b []byte) []byte { b[5] ^= 1; return b }
	altered := tripled
	altered.infos = [][]byte{a.der(t)}
	k := who(t, "p256").recipientKey()
	if got, err := decrypt(t, tripled.der(t), DecryptPolicy{Allow3DES: true}, k); err != nil || string(got) != "16 octets of it." {
		t.Errorf("%q, %v", got, err)
	}
	for name, m := range map[string]sealed{"AES": aes, "altered": altered} {
		if _, err := decrypt(t, m.der(t), DecryptPolicy{Allow3DES: true}, k); err != ErrDecrypt {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := decrypt(t, tripled.der(t), DecryptPolicy{}, k); err != ErrDecrypt {
		t.Errorf("not allowed: %v", err)
	}
	wrapped := wrap3DES(key, key)
	if got, ok := unwrap3DES(key, wrapped); ok != 1 || !bytes.Equal(got, key) {
		t.Errorf("unwrapped %x, %d", got, ok)
	}
	for i := range wrapped {
		wrapped[i] ^= 1
		if _, ok := unwrap3DES(key, wrapped); ok != 0 {
			t.Errorf("octet %d altered, and it unwraps", i)
		}
		wrapped[i] ^= 1
	}
	if got := read[*EnvelopedData](t, tripled.der(t)).Recipients()[0].KeyEncryption; got != "ecdh-sha256kdf-3deswrap" {
		t.Error(got)
	}
}

// wrap3DES is RFC 3217 section 3.1.
func wrap3DES(kek, key []byte) []byte {
	block, err := des.NewTripleDESCipher(kek)
	if err != nil {
		panic(err)
	}
	iv := bytes.Repeat([]byte{3}, 8)
	data := append(slices.Clone(key), sum(crypto.SHA1, key)[:8]...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(data, data)
	data = append(iv, data...)
	slices.Reverse(data)
	cipher.NewCBCEncrypter(block, unhex("4adda22c79e82105")).CryptBlocks(data, data)
	return data
}

// TestOpaqueKeys: keys behind crypto.Decrypter and ecdh.KeyExchanger.
func TestOpaqueKeys(t *testing.T) {
	for _, c := range allCiphers {
		for _, r := range allRecipients {
			id := who(t, r.who)
			var private any
			switch k := id.key.(type) {
			case *rsa.PrivateKey:
				private = opaqueDecrypter{k}
			case *ecdsa.PrivateKey:
				e, err := k.ECDH()
				if err != nil {
					t.Fatal(err)
				}
				private = exchangerOnly{e}
			case *ecdh.PrivateKey:
				private = exchangerOnly{k}
			}
			s, err := NewSealer([]byte("opaque"), c)
			if err != nil {
				t.Fatal(err)
			}
			der, err := s.DER([]*Recipient{id.recipient(t, r.o)})
			if err != nil {
				t.Fatal(err)
			}
			if got := opened(t, der, Key{Certificate: id.cert, Private: private}); string(got) != "opaque" {
				t.Errorf("%s %s: %q", c, r.who, got)
			}
		}
	}
}

// TestUselessKeys: keys that cannot decrypt are passed over.
func TestUselessKeys(t *testing.T) {
	der := sealed{}.der(t)
	id := who(t, "rsa2048")
	for _, k := range []Key{{}, {Certificate: id.cert}, {Certificate: id.cert, Private: 1}, {Certificate: id.cert, Private: who(t, "p256").key},
		{Certificate: id.cert, Private: who(t, "ed25519").key}, {Private: who(t, "p224").key}} {
		if _, err := decrypt(t, der, DecryptPolicy{}, k); err != ErrDecrypt {
			t.Errorf("%v", err)
		}
		if got, err := decrypt(t, der, DecryptPolicy{}, k, id.recipientKey()); err != nil || string(got) != clear1 {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// TestPrivateKeyBudget: eight operations in all layers together, then a refusal by name.
func TestPrivateKeyBudget(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	var infos [][]byte
	for range 9 {
		infos = append(infos, ktri(t, "rsa2048", key[:16]))
	}
	id := who(t, "rsa2048")
	for _, auth := range []bool{false, true} {
		for _, k := range []Key{id.recipientKey(), {Private: id.key}} {
			b := NewBudget(Limits{})
			open := func(infos [][]byte) error {
				c, err := Read(sealed{auth: auth, infos: infos}.der(t), b)
				if err != nil {
					t.Fatal(err)
				}
				_, err = c.(interface {
					Decrypt([]Key, *Budget, DecryptPolicy) ([]byte, error)
				}).Decrypt([]Key{k}, b, DecryptPolicy{})
				return err
			}
			if err := open(infos[:4]); err != ErrDecrypt {
				t.Error(err)
			}
			wantErr(t, "the second layer", open(infos[:5]), ErrTooLarge)
			if b.keyOps != 8 {
				t.Errorf("%d operations", b.keyOps)
			}
		}
		b := NewBudget(Limits{})
		good := append(slices.Clone(infos[:7]), ktri(t, "rsa2048", key), infos[8])
		c, _ := Read(sealed{auth: auth, infos: good}.der(t), b)
		got, err := c.(interface {
			Decrypt([]Key, *Budget, DecryptPolicy) ([]byte, error)
		}).Decrypt([]Key{id.recipientKey()}, b, DecryptPolicy{})
		if err != nil || string(got) != clear1 {
			t.Errorf("the eighth: %q, %v", got, err)
		}
	}
}

// TestNamedKeyGoesFirst: a key whose certificate is named costs one operation, however many other
// recipients and keys there are.
func TestNamedKeyGoesFirst(t *testing.T) {
	var infos [][]byte
	for i := range 30 {
		infos = append(infos, ktri(t, fmt.Sprintf("rsa1024/%d", i%3), make([]byte, 32)))
	}
	infos = append(infos, ktri(t, "rsa2048", bytes.Repeat([]byte{7}, 32)))
	b := NewBudget(Limits{})
	c, err := Read(sealed{infos: infos}.der(t), b)
	if err != nil {
		t.Fatal(err)
	}
	keys := []Key{{Private: who(t, "rsa2048/b").key}, who(t, "rsa3072").recipientKey(), who(t, "rsa2048").recipientKey()}
	got, err := c.(*EnvelopedData).Decrypt(keys, b, DecryptPolicy{})
	if err != nil || string(got) != clear1 || b.keyOps != 1 {
		t.Errorf("%q, %v, %d operations", got, err, b.keyOps)
	}
}

// TestDecryptLeavesInput: the octets that were read are not written to.
func TestDecryptLeavesInput(t *testing.T) {
	for _, auth := range []bool{false, true} {
		der := sealed{auth: auth}.der(t)
		before := bytes.Clone(der)
		if _, err := decrypt(t, der, DecryptPolicy{}, who(t, "rsa2048").recipientKey()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(der, before) {
			t.Error("the message changed")
		}
	}
}

// TestOpen: the key and the ciphertext are there to be remembered, the same however the message is
// written, and another in another message.
func TestOpen(t *testing.T) {
	chunks := func(d []byte) []byte {
		return openEnded(explicit, encode(tagOctetString, d[:5]), encode(tagOctetString, d[5:]))
	}
	keys := []Key{who(t, "rsa2048").recipientKey()}
	for _, auth := range []bool{false, true} {
		var ciphertexts []string
		for _, s := range []sealed{{auth: auth}, {auth: auth, chunks: chunks}} {
			c, err := Read(s.der(t), nil)
			if err != nil {
				t.Fatal(err)
			}
			m := c.(interface {
				Open([]Key, *Budget, DecryptPolicy) (Opened, error)
				WriteCiphertext(io.Writer) error
			})
			o, err := m.Open(keys, nil, DecryptPolicy{})
			if err != nil || string(o.Content) != clear1 || !bytes.Equal(o.Key, bytes.Repeat([]byte{7}, 32)) {
				t.Errorf("%q, %v", o.Content, err)
			}
			var b bytes.Buffer
			if err := m.WriteCiphertext(&b); err != nil {
				t.Error(err)
			}
			ciphertexts = append(ciphertexts, b.String())
			if o, err := m.Open(nil, nil, DecryptPolicy{}); err != ErrDecrypt || o.Content != nil || o.Key != nil {
				t.Errorf("%v, %v", o, err)
			}
		}
		if ciphertexts[0] != ciphertexts[1] || ciphertexts[0] == "" {
			t.Errorf("%x and %x", ciphertexts[0], ciphertexts[1])
		}
	}
	if err := read[*EnvelopedData](t, sealed{noData: true}.der(t)).WriteCiphertext(io.Discard); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
}

func TestDecryptErrorSaysNothing(t *testing.T) {
	if errors.Unwrap(ErrDecrypt) != nil {
		t.Error("ErrDecrypt wraps something")
	}
}

// answering is a crypto.Decrypter that answers as it likes.
type answering struct {
	*rsa.PrivateKey
	answer func() ([]byte, error)
}

func (a answering) Decrypt(io.Reader, []byte, crypto.DecrypterOpts) ([]byte, error) {
	return a.answer()
}

// TestAnswersOfDecrypters: whatever a Decrypter answers to a wrapped key that it cannot open, an error
// or a key of any length, is the one error that a software key gives; only that it could not be asked
// at all is told, and another key that opens the message makes even that good.
func TestAnswersOfDecrypters(t *testing.T) {
	id := who(t, "rsa2048")
	private := id.key.(*rsa.PrivateKey)
	away := fmt.Errorf("%w: the token is not there", ErrKeyAway)
	answers := []struct {
		what string
		key  []byte
		err  error
		want error
	}{
		{"bad padding", nil, errors.New("CKR_ENCRYPTED_DATA_INVALID"), ErrDecrypt},
		{"a general error", nil, errors.New("CKR_GENERAL_ERROR"), ErrDecrypt},
		{"the standard library's", nil, rsa.ErrDecryption, ErrDecrypt},
		{"no key at all", nil, nil, ErrDecrypt},
		{"an empty key", []byte{}, nil, ErrDecrypt},
		{"a short key", make([]byte, 31), nil, ErrDecrypt},
		{"a long key", make([]byte, 33), nil, ErrDecrypt},
		{"a very long key", make([]byte, 200), nil, ErrDecrypt},
		{"a random key", bytes.Repeat([]byte{0x55}, 32), nil, ErrDecrypt},
		{"a short key and an error", make([]byte, 3), errors.New("both"), ErrDecrypt},
		{"away", nil, away, ErrKeyAway},
	}
	for _, auth := range []bool{false, true} {
		for _, oaep := range []bool{false, true} {
			cek, info := random(32), []byte(nil)
			if oaep {
				wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &private.PublicKey, cek, nil)
				if err != nil {
					t.Fatal(err)
				}
				info = ktriRaw(t, "rsa2048", encodeAlgorithm(oidOAEP, oaepSHA256()), wrapped)
			} else {
				info = ktri(t, "rsa2048", cek)
			}
			der := sealed{auth: auth, key: cek, infos: [][]byte{info}}.der(t)
			for _, a := range answers {
				key := Key{Certificate: id.cert, Private: answering{private, func() ([]byte, error) { return a.key, a.err }}}
				got, err := decrypt(t, der, DecryptPolicy{}, key)
				if a.want == ErrDecrypt && err != ErrDecrypt || !errors.Is(err, a.want) || got != nil {
					t.Errorf("%s: %q, %v", a.what, got, err)
				}
				if got, err := decrypt(t, der, DecryptPolicy{}, key, id.recipientKey()); err != nil || string(got) != clear1 {
					t.Errorf("%s, and a key that opens it: %q, %v", a.what, got, err)
				}
			}
		}
	}
	ec := who(t, "p256")
	k, err := ec.key.(*ecdsa.PrivateKey).ECDH()
	if err != nil {
		t.Fatal(err)
	}
	for want, answer := range map[error]error{ErrDecrypt: errors.New("no"), ErrKeyAway: away} {
		s, err := NewSealer([]byte("content"), AES256GCM)
		if err != nil {
			t.Fatal(err)
		}
		der, err := s.DER([]*Recipient{ec.recipient(t, RecipientOptions{})})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decrypt(t, der, DecryptPolicy{}, Key{Certificate: ec.cert, Private: failingExchanger{k, answer}}); !errors.Is(err, want) {
			t.Errorf("ECDH: %v, want %v", err, want)
		}
	}
}

// failingExchanger is an ecdh.KeyExchanger that has an error for everything.
type failingExchanger struct {
	*ecdh.PrivateKey
	err error
}

func (f failingExchanger) ECDH(*ecdh.PublicKey) ([]byte, error) { return nil, f.err }
