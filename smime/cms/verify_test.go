package cms

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"
	"time"
)

// TestVerifyRules is the table of what makes a SignerInfo good or bad. nil: it verifies.
func TestVerifyRules(t *testing.T) {
	digestOf := func(s string) []byte { return encode(tagOctetString, sum(crypto.SHA256, []byte(s))) }
	good := digestOf("content")
	typeData := attr(oidContentType, oidData.der())
	p256 := who(t, "p256")
	certHash := func(h crypto.Hash, cert *x509.Certificate) []byte {
		return encode(tagSequence, encode(tagOctetString, sum(h, cert.Raw)))
	}
	v2 := func(id ...[]byte) []byte {
		return attr(oidSigningCertV2, encode(tagSequence, encode(tagSequence, id...)))
	}
	v1 := func(id ...[]byte) []byte {
		return attr(oidSigningCertificate, encode(tagSequence, encode(tagSequence, id...)))
	}
	protection := func(digest, signature []byte) []byte {
		return attr(oidAlgorithmProtection, encode(tagSequence, digest, retag(signature, explicit|1)))
	}
	sha256Alg, ecdsaAlg := encodeAlgorithm(oidSHA256, nil), encodeAlgorithm(oidECDSAWithSHA256, nil)
	pssAlg := func(hash, mgf oid, salt int, more ...[]byte) []byte {
		return encodeAlgorithm(oidPSS, encode(tagSequence, append([][]byte{
			encode(explicit, encodeAlgorithm(hash, nil)),
			encode(explicit|1, encodeAlgorithm(oidMGF1, encodeAlgorithm(mgf, nil))),
			encode(explicit|2, encode(tagInteger, []byte{byte(salt)})),
		}, more...)...))
	}
	now := encodeTime(time.Now())
	pref := issuerAndSerial(explicit, p256.cert)
	unordered := func(a [][]byte) [][]byte {
		a = slices.Clone(a)
		slices.Reverse(a)
		return a
	}
	tests := []struct {
		name   string
		f      forgery
		policy VerifyPolicy
		want   error
	}{
		{name: "plain", f: forgery{}},
		{name: "RSA", f: forgery{who: "rsa2048"}},
		{name: "RSA named with its digest", f: forgery{who: "rsa2048", signature: encodeAlgorithm(oidSHA256WithRSA, null)}},
		{name: "RSA, parameters absent", f: forgery{who: "rsa2048", signature: encodeAlgorithm(oidRSA, nil)}},
		{name: "digest with NULL", f: forgery{digest: encodeAlgorithm(oidSHA256, null)}},
		{name: "digest with parameters", f: forgery{digest: encodeAlgorithm(oidSHA256, good)}, want: ErrSignerMalformed},
		{name: "empty content", f: forgery{content: []byte{}}},

		// content-type: RFC 5652 section 11.1
		{name: "no content-type", f: forgery{attributes: [][]byte{attr(oidMessageDigest, good)}}, want: ErrSignerMalformed},
		{name: "content-type twice", f: forgery{more: [][]byte{typeData}}, want: ErrSignerMalformed},
		{name: "content-type with two values", f: forgery{attributes: [][]byte{attr(oidContentType, oidData.der(), oidData.der()), attr(oidMessageDigest, good)}}, want: ErrSignerMalformed},
		{name: "content-type without value", f: forgery{attributes: [][]byte{attr(oidContentType), attr(oidMessageDigest, good)}}, want: ErrSignerMalformed},
		{name: "content-type not an identifier", f: forgery{attributes: [][]byte{attr(oidContentType, good), attr(oidMessageDigest, good)}}, want: ErrSignerMalformed},
		{name: "content-type of something else", f: forgery{signedType: oidSignedData}, want: ErrAltered},
		{name: "content type changed after signing", f: forgery{contentType: oidEnvelopedData, signedType: oidData}, want: ErrAltered},
		{name: "another content type, properly signed", f: forgery{contentType: oidEnvelopedData}},

		// message-digest: RFC 5652 section 11.2
		{name: "no message-digest", f: forgery{attributes: [][]byte{typeData}}, want: ErrSignerMalformed},
		{name: "message-digest twice", f: forgery{more: [][]byte{attr(oidMessageDigest, good)}}, want: ErrSignerMalformed},
		{name: "message-digest with two values", f: forgery{attributes: [][]byte{typeData, attr(oidMessageDigest, good, digestOf("other"))}}, want: ErrSignerMalformed},
		{name: "message-digest not octets", f: forgery{attributes: [][]byte{typeData, attr(oidMessageDigest, now)}}, want: ErrSignerMalformed},
		{name: "message-digest of something else", f: forgery{signed: []byte("Content")}, want: ErrAltered},
		{name: "message-digest cut short", f: forgery{attributes: [][]byte{typeData, attr(oidMessageDigest, encode(tagOctetString, sum(crypto.SHA256, []byte("content"))[:31]))}}, want: ErrAltered},
		{name: "empty set of attributes", f: forgery{attributes: [][]byte{}}, want: ErrSignerMalformed},

		// Attributes of one value: RFC 5652 section 11.3, RFC 8551 section 2.5
		{name: "signing-time", f: forgery{more: [][]byte{attr(oidSigningTime, now)}}},
		{name: "signing-time twice", f: forgery{more: [][]byte{attr(oidSigningTime, now), attr(oidSigningTime, encodeTime(time.Unix(0, 0)))}}, want: ErrSignerMalformed},
		{name: "signing-time with two values", f: forgery{more: [][]byte{attr(oidSigningTime, now, now)}}, want: ErrSignerMalformed},
		{name: "signing-time not a time", f: forgery{more: [][]byte{attr(oidSigningTime, good)}}, want: ErrSignerMalformed},
		{name: "signing-time of nonsense", f: forgery{more: [][]byte{attr(oidSigningTime, encode(tagUTCTime, []byte("999999999999Z")))}}, want: ErrSignerMalformed},
		{name: "capabilities twice", f: forgery{more: [][]byte{attr(oidSMIMECapabilities, ownCapabilities()), attr(oidSMIMECapabilities, ownCapabilities())}}, want: ErrSignerMalformed},
		{name: "capabilities with two values", f: forgery{more: [][]byte{attr(oidSMIMECapabilities, ownCapabilities(), ownCapabilities())}}, want: ErrSignerMalformed},
		{name: "key preference", f: forgery{more: [][]byte{attr(oidEncryptionKeyPref, pref)}}},
		{name: "key preference twice", f: forgery{more: [][]byte{attr(oidEncryptionKeyPref, pref), attr(oidEncryptionKeyPref, pref)}}, want: ErrSignerMalformed},
		{name: "key preference of nonsense", f: forgery{more: [][]byte{attr(oidEncryptionKeyPref, good)}}, want: ErrSignerMalformed},
		{name: "other attributes may repeat", f: forgery{more: [][]byte{attr(arcs(1, 2, 3), now, good), attr(arcs(1, 2, 3), good)}}},
		{name: "attribute with arcs beyond 64 bits", f: forgery{more: [][]byte{attr(oid("\x69\x84\xfe\xf6\xd5\xb3\xc1\x9a\xa2\xe8\xf1\xe7\x9e\xaf\xd9\xdb\xc9\xe7\x5b"), now)}}},

		// No signed attributes: RFC 5652 section 5.3
		{name: "bare", f: forgery{noAttributes: true}},
		{name: "bare, not id-data", f: forgery{noAttributes: true, contentType: oidEnvelopedData}, want: ErrSignerMalformed},
		{name: "bare, content altered", f: forgery{noAttributes: true, signed: []byte("Content")}, want: ErrAltered},
		{name: "bare, content of attributes", f: forgery{noAttributes: true, content: encode(tagSet, typeData, attr(oidMessageDigest, good))}, want: ErrSignerMalformed},
		{name: "bare, content of attributes in BER", f: forgery{noAttributes: true, content: openEnded(tagSet, typeData, attr(oidMessageDigest, good))}, want: ErrSignerMalformed},
		{name: "bare, text that begins like a set", f: forgery{noAttributes: true, content: []byte("1\n2\n3\n")}},
		{name: "bare, attributes and more", f: forgery{noAttributes: true, content: append(encode(tagSet, attr(oidMessageDigest, good)), '\n')}},
		{name: "bare, bomb", f: forgery{noAttributes: true, content: bytes.Repeat([]byte{tagSet, 0x80}, 1000)}, want: ErrSignerMalformed},

		// One hash function: RFC 8933
		{name: "RSA signs with another hash", f: forgery{who: "rsa2048", signature: encodeAlgorithm(oidSHA512WithRSA, null)}, want: ErrSignerMalformed},
		{name: "ECDSA signs with another hash", f: forgery{signature: encodeAlgorithm(oidECDSAWithSHA512, nil)}, want: ErrSignerMalformed},
		{name: "PSS signs with another hash", f: forgery{who: "rsa2048", signature: pssAlg(oidSHA512, oidSHA512, 32)}, want: ErrSignerMalformed},
		{name: "Ed25519", f: forgery{who: "ed25519", digest: encodeAlgorithm(oidSHA512, nil), hash: crypto.SHA512}},
		{name: "Ed25519, bare", f: forgery{who: "ed25519", digest: encodeAlgorithm(oidSHA512, nil), noAttributes: true}},
		{name: "RSA's name for an Ed25519 key", f: forgery{who: "ed25519", digest: encodeAlgorithm(oidSHA512, nil), hash: crypto.SHA512, signature: encodeAlgorithm(oidRSA, null)}, want: ErrAltered},
		{name: "Ed25519 with SHA-256", f: forgery{who: "ed25519"}, want: ErrSignerMalformed},

		// CMSAlgorithmProtection: RFC 6211
		{name: "protected", f: forgery{more: [][]byte{protection(sha256Alg, ecdsaAlg)}}},
		{name: "protected, NULL for absent", f: forgery{more: [][]byte{protection(encodeAlgorithm(oidSHA256, null), ecdsaAlg)}}},
		{name: "protects another digest", f: forgery{more: [][]byte{protection(encodeAlgorithm(oidSHA384, nil), ecdsaAlg)}}, want: ErrAltered},
		{name: "protects another signature", f: forgery{more: [][]byte{protection(sha256Alg, encodeAlgorithm(oidECDSAWithSHA384, nil))}}, want: ErrAltered},
		{name: "protects other parameters", f: forgery{who: "rsa2048", signature: pssAlg(oidSHA256, oidSHA256, 20),
			more: [][]byte{protection(sha256Alg, pssAlg(oidSHA256, oidSHA256, 32))}}, want: ErrAltered},
		{name: "protection of nonsense", f: forgery{more: [][]byte{attr(oidAlgorithmProtection, good)}}, want: ErrSignerMalformed},
		{name: "protection without signature", f: forgery{more: [][]byte{attr(oidAlgorithmProtection, encode(tagSequence, sha256Alg))}}, want: ErrSignerMalformed},
		{name: "protection twice", f: forgery{more: [][]byte{protection(sha256Alg, ecdsaAlg), protection(sha256Alg, ecdsaAlg)}}, want: ErrSignerMalformed},

		// signingCertificate and V2: RFC 5035
		{name: "signing certificate", f: forgery{more: [][]byte{v1(certHash(crypto.SHA1, p256.cert))}}},
		{name: "signing certificate, another", f: forgery{more: [][]byte{v1(certHash(crypto.SHA1, pool.ca))}}, want: ErrAltered},
		{name: "V2", f: forgery{more: [][]byte{v2(certHash(crypto.SHA256, p256.cert), certHash(crypto.SHA256, pool.ca))}}},
		{name: "V2 in SHA-512", f: forgery{more: [][]byte{v2(encode(tagSequence, encodeAlgorithm(oidSHA512, nil), encode(tagOctetString, sum(crypto.SHA512, p256.cert.Raw))))}}},
		{name: "V2, another", f: forgery{more: [][]byte{v2(certHash(crypto.SHA256, pool.ca), certHash(crypto.SHA256, p256.cert))}}, want: ErrAltered},
		{name: "V2 in MD5", f: forgery{more: [][]byte{v2(encode(tagSequence, encodeAlgorithm(oidMD5, nil), encode(tagOctetString, sum(crypto.MD5, p256.cert.Raw))))}}, want: ErrUnsupportedAlgorithm},
		{name: "V2 and V1 that differ", f: forgery{more: [][]byte{v2(certHash(crypto.SHA256, p256.cert)), v1(certHash(crypto.SHA1, pool.ca))}}, want: ErrAltered},
		{name: "V2 twice", f: forgery{more: [][]byte{v2(certHash(crypto.SHA256, p256.cert)), v2(certHash(crypto.SHA256, pool.ca))}}, want: ErrSignerMalformed},
		{name: "V2 empty", f: forgery{more: [][]byte{v2()}}, want: ErrSignerMalformed},

		// Weak and unknown algorithms
		{name: "SHA-1", f: forgery{who: "rsa2048", digest: encodeAlgorithm(oidSHA1, null), hash: crypto.SHA1}, want: ErrWeakAlgorithm},
		{name: "SHA-1 allowed", f: forgery{who: "rsa2048", digest: encodeAlgorithm(oidSHA1, null), hash: crypto.SHA1}, policy: VerifyPolicy{AllowSHA1: true}},
		{name: "SHA-1 with ECDSA", f: forgery{digest: encodeAlgorithm(oidSHA1, nil), hash: crypto.SHA1, signature: encodeAlgorithm(oidECDSAWithSHA1, nil)}, want: ErrWeakAlgorithm},
		{name: "MD5", f: forgery{who: "rsa2048", digest: encodeAlgorithm(oidMD5, null), hash: crypto.MD5}, policy: VerifyPolicy{AllowSHA1: true}, want: ErrWeakAlgorithm},
		{name: "MD5 by name", f: forgery{who: "rsa2048", digest: encodeAlgorithm(oidMD5, null), hash: crypto.MD5, signature: encodeAlgorithm(oidMD5WithRSA, null)}, want: ErrWeakAlgorithm},
		{name: "MD4", f: forgery{who: "rsa2048", digest: encodeAlgorithm(oidMD4, null)}, want: ErrWeakAlgorithm},
		{name: "SHA-224", f: forgery{digest: encodeAlgorithm(oidSHA224, nil)}, want: ErrUnsupportedAlgorithm},
		{name: "SHA-224 with ECDSA", f: forgery{digest: encodeAlgorithm(oidSHA224, nil), signature: encodeAlgorithm(oidECDSAWithSHA224, nil)}, want: ErrUnsupportedAlgorithm},
		{name: "SHA3-256", f: forgery{digest: encodeAlgorithm(oidSHA3_256, nil)}, want: ErrUnsupportedAlgorithm},
		{name: "DSA", f: forgery{signature: encodeAlgorithm(oidDSAWithSHA1, nil)}, want: ErrUnsupportedAlgorithm},
		{name: "P-224", f: forgery{who: "p224"}, want: ErrUnsupportedAlgorithm},

		// Names of signature algorithms
		{name: "id-ecPublicKey", f: forgery{signature: encodeAlgorithm(oidECPublicKey, nil)}},
		{name: "id-ecPublicKey, SHA-384", f: forgery{who: "p384", digest: encodeAlgorithm(oidSHA384, nil), hash: crypto.SHA384, signature: encodeAlgorithm(oidECPublicKey, oidP384.der())}},
		{name: "RSA's name for an EC key", f: forgery{signature: encodeAlgorithm(oidRSA, null)}, want: ErrAltered},
		{name: "EC's name for an RSA key", f: forgery{who: "rsa2048", signature: encodeAlgorithm(oidECDSAWithSHA256, nil)}, want: ErrAltered},
		{name: "Ed25519's name for an EC key", f: forgery{digest: encodeAlgorithm(oidSHA512, nil), hash: crypto.SHA512, signature: encodeAlgorithm(oidEd25519, nil)}, want: ErrAltered},

		// RSASSA-PSS: RFC 4056
		{name: "PSS", f: forgery{who: "rsa2048", signature: pssAlg(oidSHA256, oidSHA256, 32)}},
		{name: "PSS, other salt", f: forgery{who: "rsa2048", signature: pssAlg(oidSHA256, oidSHA256, 7)}},
		{name: "PSS, trailer", f: forgery{who: "rsa2048", signature: pssAlg(oidSHA256, oidSHA256, 32, encode(explicit|3, encode(tagInteger, []byte{1})))}},
		{name: "PSS, other trailer", f: forgery{who: "rsa2048", signature: pssAlg(oidSHA256, oidSHA256, 32, encode(explicit|3, encode(tagInteger, []byte{2})))}, want: ErrSignerMalformed},
		{name: "PSS without parameters", f: forgery{who: "rsa2048", signature: encodeAlgorithm(oidPSS, nil)}, want: ErrSignerMalformed},
		{name: "PSS with NULL", f: forgery{who: "rsa2048", signature: encodeAlgorithm(oidPSS, null)}, want: ErrSignerMalformed},
		{name: "PSS with other MGF", f: forgery{who: "rsa2048", signature: pssAlg(oidSHA256, oidSHA1, 32)}, want: ErrUnsupportedAlgorithm},
		{name: "PSS of defaults", f: forgery{who: "rsa2048", digest: encodeAlgorithm(oidSHA1, nil), hash: crypto.SHA1, signature: encodeAlgorithm(oidPSS, encode(tagSequence))}, policy: VerifyPolicy{AllowSHA1: true}},
		{name: "PSS of defaults, SHA-1 refused", f: forgery{who: "rsa2048", digest: encodeAlgorithm(oidSHA1, nil), hash: crypto.SHA1, signature: encodeAlgorithm(oidPSS, encode(tagSequence))}, want: ErrWeakAlgorithm},
		{name: "PSS signed, PKCS #1 said", f: forgery{who: "rsa2048", change: func([]byte) []byte { return make([]byte, 256) }}, want: ErrAltered},

		// Encodings of the attributes: RFC 5652 section 5.4
		{name: "out of order", f: forgery{more: [][]byte{attr(oidSigningTime, now)},
			encode: func(tag byte, a [][]byte) []byte { return encode(tag, unordered(a)...) },
			sign:   func(a [][]byte) []byte { return encode(tagSet, unordered(a)...) }}},
		{name: "out of order, signed in order", f: forgery{more: [][]byte{attr(oidSigningTime, now)},
			encode: func(tag byte, a [][]byte) []byte { return encode(tag, unordered(a)...) }}},
		{name: "indefinite length, DER signed", f: forgery{
			encode: func(tag byte, a [][]byte) []byte { return openEnded(tag, a...) }}},
		{name: "indefinite length inside, DER signed", f: forgery{
			encode: func(tag byte, a [][]byte) []byte {
				return openEnded(tag, openEnded(tagSequence, first(a[0]).content()), a[1])
			}}},
		{name: "long lengths, DER signed", f: forgery{
			encode: func(tag byte, a [][]byte) []byte { return longWinded(tag, a...) }}},
		{name: "chunked digest, DER signed", f: forgery{
			encode: func(tag byte, a [][]byte) []byte {
				return encode(tag, a[0], encode(tagSequence, oidMessageDigest.der(),
					encode(tagSet, openEnded(chunked, encode(tagOctetString, good[2:10]), encode(tagOctetString, good[10:])))))
			}}},
		{name: "indefinite length signed as it stands", f: forgery{
			encode: func(tag byte, a [][]byte) []byte { return openEnded(tag, a...) },
			sign:   func(a [][]byte) []byte { return openEnded(tagSet, a...) }}, want: ErrAltered},
		{name: "signed with the tag it has in the message", f: forgery{sign: func(a [][]byte) []byte { return encode(explicit, a...) }}, want: ErrAltered},
		{name: "attributes exchanged", f: forgery{sign: func(a [][]byte) []byte { return encode(tagSet, a[0], a[0]) }}, want: ErrAltered},

		// The signature's octets
		{name: "ECDSA, the other s", f: forgery{change: otherS}},
		{name: "ECDSA not DER", f: forgery{change: func(s []byte) []byte { return longWinded(tagSequence, first(s).content()) }}, want: ErrAltered},
		{name: "ECDSA and more", f: forgery{change: func(s []byte) []byte { return append(s, 0) }}, want: ErrAltered},
		{name: "RSA with a zero in front", f: forgery{who: "rsa2048", change: func(s []byte) []byte { return append([]byte{0}, s...) }}, want: ErrAltered},
		{name: "RSA of another", f: forgery{who: "rsa2048", bag: [][]byte{who(t, "rsa2048/b").cert.Raw}, id: issuerAndSerial(tagSequence, who(t, "rsa2048/b").cert)}, want: ErrAltered},
		{name: "empty signature", f: forgery{change: func([]byte) []byte { return nil }}, want: ErrAltered},

		// The certificate
		{name: "none in the bag", f: forgery{bag: [][]byte{}}, want: ErrNoCertificate},
		{name: "another in the bag", f: forgery{bag: [][]byte{pool.ca.Raw}}, want: ErrNoCertificate},
		{name: "by key identifier", f: forgery{id: encode(implicit, p256.cert.SubjectKeyId)}},
		{name: "by key identifier in constructed form", f: forgery{id: encode(explicit, encode(tagOctetString, p256.cert.SubjectKeyId))}},
		{name: "by an empty key identifier", f: forgery{id: encode(implicit)}, want: ErrNoCertificate},
		{name: "issuer in other strings", f: forgery{id: encode(tagSequence,
			encode(tagSequence, encode(tagSet, encode(tagSequence, arcs(2, 5, 4, 10).der(), encode(0x0c, []byte("SEALIST")))),
				encode(tagSet, encode(tagSequence, arcs(2, 5, 4, 3).der(), encode(0x1e, utf16be("CMS  Test CA "))))),
			encode(tagInteger, serialOctets(p256.cert)))}},
		{name: "issuer with another name", f: forgery{id: encode(tagSequence,
			encode(tagSequence, encode(tagSet, encode(tagSequence, arcs(2, 5, 4, 10).der(), encode(0x0c, []byte("Sealist")))),
				encode(tagSet, encode(tagSequence, arcs(2, 5, 4, 3).der(), encode(0x0c, []byte("CMS Test"))))),
			encode(tagInteger, serialOctets(p256.cert)))}, want: ErrNoCertificate},
		{name: "unsigned attributes", f: forgery{unsigned: encode(explicit|1, typeData, attr(oidMessageDigest, digestOf("other")))}},
		{name: "more than a SignerInfo", f: forgery{unsigned: null}, want: ErrSignerMalformed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			infos := test.f.results(t, test.policy)
			if len(infos) != 1 {
				t.Fatalf("%d results", len(infos))
			}
			info := infos[0]
			if test.want == nil {
				if info.Err != nil {
					t.Fatal(info.Err)
				}
				if info.Certificate == nil {
					t.Error("verified without a certificate")
				}
				return
			}
			wantErr(t, test.name, info.Err, test.want)
		})
	}
}

func utf16be(s string) []byte {
	var out []byte
	for _, r := range s {
		out = append(out, byte(r>>8), byte(r))
	}
	return out
}

// otherS returns the other signature that verifies: (r, n-s).
func otherS(signature []byte) []byte {
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &rs); err != nil {
		panic(err)
	}
	n, _ := new(big.Int).SetString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
	rs.S.Sub(n, rs.S)
	out, err := asn1.Marshal(rs)
	if err != nil {
		panic(err)
	}
	return out
}

// TestSignedAttributesIdentify: however attributes and signature are written anew on the way, what
// SignedAttributes holds stays the same.
func TestSignedAttributesIdentify(t *testing.T) {
	f := forgery{more: [][]byte{attr(oidSigningTime, encodeTime(time.Now()))}}
	f = f.fill(t)
	want := encode(tagSet, f.attributes...)
	for name, change := range map[string]func(*forgery){
		"as signed":   func(*forgery) {},
		"other s":     func(f *forgery) { f.change = otherS },
		"open ended":  func(f *forgery) { f.encode = func(tag byte, a [][]byte) []byte { return openEnded(tag, a...) } },
		"long winded": func(f *forgery) { f.encode = func(tag byte, a [][]byte) []byte { return longWinded(tag, a...) } },
		"another order": func(f *forgery) {
			f.encode = func(tag byte, a [][]byte) []byte { return encode(tag, a[2], a[0], a[1]) }
		},
	} {
		f := f
		change(&f)
		info := f.results(t, VerifyPolicy{})[0]
		if info.Err != nil || !bytes.Equal(info.SignedAttributes, want) {
			t.Errorf("%s: %v, %x", name, info.Err, info.SignedAttributes)
		}
	}
}

// TestSignatureConfusion is the known forgery: the signed attributes of a genuine message as the
// content of another, whose signature without attributes is the genuine one.
func TestSignatureConfusion(t *testing.T) {
	for _, name := range []string{"rsa2048", "p256", "ed25519"} {
		id := who(t, name)
		der, err := Sign([]byte("genuine"), SignOptions{Certificate: id.cert, Signer: id.signer(), SigningTime: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		genuine := read[*SignedData](t, der)
		s := genuine.signers[0]
		forged := contentInfo(oidSignedData, encode(tagSequence, encode(tagInteger, []byte{1}), encode(tagSet),
			encode(tagSequence, oidData.der(), encode(explicit, encode(tagOctetString, s.signed[0]))),
			encode(explicit, id.cert.Raw),
			encode(tagSet, encode(tagSequence, encode(tagInteger, []byte{1}), issuerAndSerial(tagSequence, id.cert),
				s.digest.encoded, s.signature.encoded, encode(tagOctetString, s.value)))))
		sd := read[*SignedData](t, forged)
		info := sd.Verify(nil, nil, VerifyPolicy{}, nil)[0]
		wantErr(t, name, info.Err, ErrSignerMalformed)
		// The same as a detached signature.
		sd.Detached, sd.Content = true, nil
		wantErr(t, name, sd.Verify(s.signed[0], nil, VerifyPolicy{}, nil)[0].Err, ErrSignerMalformed)
	}
}

// TestDetachedWithContent: a detached signature that brings content of its own fails, even if it is
// the same content ("Johnny, you are fired", USENIX Security 2019).
func TestDetachedWithContent(t *testing.T) {
	id := who(t, "p256")
	der, err := Sign([]byte("inner"), SignOptions{Certificate: id.cert, Signer: id.signer()})
	if err != nil {
		t.Fatal(err)
	}
	sd := read[*SignedData](t, der)
	for _, outside := range []string{"outer", "inner", ""} {
		wantErr(t, outside, sd.Verify([]byte(outside), nil, VerifyPolicy{}, nil)[0].Err, ErrSignerMalformed)
	}
	if err := sd.Verify(sd.Content, nil, VerifyPolicy{}, nil)[0].Err; err != nil {
		t.Errorf("its own content: %v", err)
	}
	detached := read[*SignedData](t, forgery{detached: true}.der(t))
	wantErr(t, "no content", detached.Verify(nil, nil, VerifyPolicy{}, nil)[0].Err, ErrAltered)
	if err := detached.Verify([]byte("content"), nil, VerifyPolicy{}, nil)[0].Err; err != nil {
		t.Error(err)
	}
}

// TestSignersApart: each SignerInfo has its own result, and a broken one breaks no other.
func TestSignersApart(t *testing.T) {
	good := forgery{who: "p256"}
	infos := [][]byte{
		forgery{who: "rsa2048"}.signerInfo(t),
		forgery{who: "p384", digest: encodeAlgorithm(oidSHA384, nil), hash: crypto.SHA384, signature: encodeAlgorithm(oidECDSAWithSHA384, nil)}.signerInfo(t),
		forgery{who: "p256", signed: []byte("other")}.signerInfo(t),
		encode(tagSequence, encode(tagInteger, []byte{1})),
		encode(tagSequence, encode(tagInteger, []byte{1}), issuerAndSerial(tagSequence, who(t, "p256").cert), encode(tagSequence, []byte{6, 1, 0x80})),
	}
	good.bag = [][]byte{who(t, "p256").cert.Raw, who(t, "rsa2048").cert.Raw}
	results := read[*SignedData](t, good.der(t, infos...)).Verify(nil, who(t, "p384").certs(), VerifyPolicy{}, nil)
	want := []error{nil, nil, nil, ErrAltered, ErrSignerMalformed, ErrSignerMalformed}
	if len(results) != len(want) {
		t.Fatalf("%d results", len(results))
	}
	for i, info := range results {
		if want[i] == nil && info.Err != nil || want[i] != nil {
			wantErr(t, info.ID.String(), info.Err, want[i])
		}
	}
}

// TestNoSigners: zero signatures are no signature.
func TestNoSigners(t *testing.T) {
	der := contentInfo(oidSignedData, encode(tagSequence, encode(tagInteger, []byte{1}), encode(tagSet),
		encode(tagSequence, oidData.der(), encode(explicit, encode(tagOctetString, []byte("content")))), encode(tagSet)))
	sd := read[*SignedData](t, der)
	if !sd.CertsOnly() || len(sd.Verify(nil, nil, VerifyPolicy{}, nil)) != 0 || sd.Detached || string(sd.Content) != "content" {
		t.Errorf("%+v", sd)
	}
}

// TestEqualKeyIdentifiers: of certificates with one key identifier each is tried (RFC 8551 section 2.6).
func TestEqualKeyIdentifiers(t *testing.T) {
	same := func(c *x509.Certificate) { c.SubjectKeyId = []byte("the same") }
	pool.Lock()
	a := issue(t, "a", newKey(t, "p256"), same)
	b := issue(t, "b", newKey(t, "p256"), same)
	pool.Unlock()
	f := forgery{id: encode(implicit, []byte("the same")), bag: [][]byte{a.cert.Raw, b.cert.Raw}}
	for _, signer := range []identity{a, b} {
		pool.Lock()
		pool.ids["p256/twin"] = signer
		pool.Unlock()
		f.who = "p256/twin"
		info := f.results(t, VerifyPolicy{})[0]
		if info.Err != nil || !info.Certificate.Equal(signer.cert) {
			t.Errorf("%v, %v", info.Err, info.Certificate.Subject)
		}
	}
}

// TestKeySizes: an RSA key of any size is refused by name before it costs anything.
func TestKeySizes(t *testing.T) {
	sd := read[*SignedData](t, forgery{who: "rsa2048"}.der(t))
	cert := *who(t, "rsa2048").cert
	for bits, want := range map[uint]error{512: ErrWeakAlgorithm, 1023: ErrWeakAlgorithm, 8193: ErrTooLarge, 1 << 20: ErrTooLarge} {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		cert.PublicKey = &rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 65537}
		sd.Certificates = []*x509.Certificate{&cert}
		wantErr(t, n.Text(16)[:1], sd.Verify(nil, nil, VerifyPolicy{}, nil)[0].Err, want)
	}
	cert.PublicKey = nil
	cert.RawSubjectPublicKeyInfo = nil
	wantErr(t, "no key", sd.Verify(nil, nil, VerifyPolicy{}, nil)[0].Err, ErrUnsupportedAlgorithm)
}

// TestPSSKey: a key that is for RSASSA-PSS alone verifies PSS, and nothing else.
func TestPSSKey(t *testing.T) {
	id := who(t, "rsa2048")
	cert := *id.cert
	d := first(cert.RawSubjectPublicKeyInfo).children()
	d.next()
	cert.PublicKey = nil
	cert.RawSubjectPublicKeyInfo = encode(tagSequence, encodeAlgorithm(oidPSS, nil), d.next().raw())
	for signature, want := range map[string]error{
		string(encodeAlgorithm(oidPSS, pssParameters(crypto.SHA256))): nil,
		string(encodeAlgorithm(oidRSA, null)):                         ErrAltered,
	} {
		sd := read[*SignedData](t, forgery{who: "rsa2048", signature: []byte(signature)}.der(t))
		sd.Certificates = []*x509.Certificate{&cert}
		if err := sd.Verify(nil, nil, VerifyPolicy{}, nil)[0].Err; want == nil && err != nil {
			t.Error(err)
		} else if want != nil {
			wantErr(t, "PKCS #1 v1.5", err, want)
		}
	}
	if _, err := NewRecipient(&cert, RecipientOptions{}); err == nil {
		t.Error("encrypted to a key that only signs")
	}
}

// TestCandidatesAreBounded: a bag of certificates that all could be the signer's costs a bounded
// number of verifications.
func TestCandidatesAreBounded(t *testing.T) {
	f := forgery{who: "rsa2048", change: func(s []byte) []byte { s[9] ^= 1; return s }}
	sd := read[*SignedData](t, f.der(t))
	var many []*x509.Certificate
	for i := range 60 {
		cert := *who(t, "rsa2048").cert
		cert.Raw = append(slices.Clone(cert.Raw), byte(i))
		many = append(many, &cert)
	}
	b := NewBudget(Limits{})
	sd.signers = slices.Repeat(sd.signers, 16)
	sd.Verify(nil, many, VerifyPolicy{}, b)
	if b.verifies > maxKeyAttempts {
		t.Errorf("%d verifications", b.verifies)
	}
	last := sd.Verify(nil, many, VerifyPolicy{}, b)[15]
	wantErr(t, "spent", last.Err, ErrTooLarge)
}
