package cms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"slices"
	"testing"
)

// forgery is a SignedData of which a test decides every part. What is left out is as a good signer
// would have it.
type forgery struct {
	who          string // p256
	id           []byte // issuer and serial number
	contentType  oid    // id-data: what the structure says
	content      []byte // "content": what stands there
	signedType   oid    // contentType: what the attribute says
	signed       []byte // content: what the digest is of
	detached     bool
	digest       []byte // SHA-256: an AlgorithmIdentifier
	hash         crypto.Hash
	signature    []byte   // of the key: an AlgorithmIdentifier
	more         [][]byte // attributes beside content-type and message-digest
	attributes   [][]byte // all of them, in order
	noAttributes bool
	encode       func(tag byte, attributes [][]byte) []byte // how attributes stand in the message
	sign         func(attributes [][]byte) []byte           // what of them is signed: the DER of the set
	change       func(signature []byte) []byte
	unsigned     []byte
	bag          [][]byte // the signer's certificate
}

func attr(o oid, values ...[]byte) []byte {
	return encode(tagSequence, o.der(), encode(tagSet, values...))
}

func (f forgery) fill(t testing.TB) forgery {
	t.Helper()
	set := func(v *[]byte, def []byte) {
		if *v == nil {
			*v = def
		}
	}
	if f.who == "" {
		f.who = "p256"
	}
	id := who(t, f.who)
	set(&f.id, issuerAndSerial(tagSequence, id.cert))
	if f.contentType == "" {
		f.contentType = oidData
	}
	if f.signedType == "" {
		f.signedType = f.contentType
	}
	set(&f.content, []byte("content"))
	set(&f.signed, f.content)
	set(&f.digest, encodeAlgorithm(oidSHA256, nil))
	if f.hash == 0 {
		f.hash = crypto.SHA256
	}
	switch id.key.(type) {
	case *rsa.PrivateKey:
		set(&f.signature, encodeAlgorithm(oidRSA, null))
	case ed25519.PrivateKey:
		set(&f.signature, encodeAlgorithm(oidEd25519, nil))
	case *ecdsa.PrivateKey:
		set(&f.signature, encodeAlgorithm(oidECDSAWithSHA256, nil))
	}
	if f.attributes == nil && !f.noAttributes {
		f.attributes = append([][]byte{
			attr(oidContentType, f.signedType.der()),
			attr(oidMessageDigest, encode(tagOctetString, sum(f.hash, f.signed))),
		}, f.more...)
		sortSet(f.attributes)
	}
	if f.encode == nil {
		f.encode = func(tag byte, a [][]byte) []byte { return encode(tag, a...) }
	}
	if f.sign == nil {
		f.sign = func(a [][]byte) []byte { return encode(tagSet, a...) }
	}
	if f.bag == nil {
		f.bag = [][]byte{id.cert.Raw}
	}
	return f
}

// signerInfo returns the SignerInfo.
func (f forgery) signerInfo(t testing.TB) []byte {
	t.Helper()
	f = f.fill(t)
	message := f.signed
	var attributes []byte
	if !f.noAttributes {
		message = f.sign(f.attributes)
		attributes = f.encode(explicit, f.attributes)
	}
	var options crypto.SignerOpts = f.hash
	signed := message
	switch s, _ := readScheme(parseAlgorithm(f.signature)); s.kind {
	case pss:
		options = &rsa.PSSOptions{SaltLength: s.salt, Hash: f.hash}
		message = sum(f.hash, message)
	case ed25519Scheme:
		options = crypto.Hash(0)
	default:
		message = sum(f.hash, message)
	}
	signer := who(t, f.who).signer()
	if _, isEd := signer.(ed25519.PrivateKey); isEd {
		options, message = crypto.Hash(0), signed
	}
	signature, err := signer.Sign(rand.Reader, message, options)
	if err != nil {
		t.Fatal(err)
	}
	if f.change != nil {
		signature = f.change(signature)
	}
	return encode(tagSequence, encode(tagInteger, []byte{1}), f.id, f.digest, attributes, f.signature,
		encode(tagOctetString, signature), f.unsigned)
}

// der returns the message; infos are further SignerInfos.
func (f forgery) der(t testing.TB, infos ...[]byte) []byte {
	t.Helper()
	f = f.fill(t)
	var content []byte
	if !f.detached {
		content = encode(explicit, encode(tagOctetString, f.content))
	}
	return contentInfo(oidSignedData, encode(tagSequence,
		encode(tagInteger, []byte{1}),
		encode(tagSet, f.digest),
		encode(tagSequence, f.contentType.der(), content),
		encode(explicit, f.bag...),
		encode(tagSet, append([][]byte{f.signerInfo(t)}, infos...)...)))
}

func contentInfo(o oid, body []byte) []byte {
	return encode(tagSequence, o.der(), encode(explicit, body))
}

// results verifies as an opaque message.
func (f forgery) results(t testing.TB, p VerifyPolicy) []SignerInfo {
	t.Helper()
	return read[*SignedData](t, f.der(t)).Verify(nil, nil, p, nil)
}

// openEnded is an element of indefinite length.
func openEnded(tag byte, parts ...[]byte) []byte {
	return slices.Concat([]byte{tag, 0x80}, slices.Concat(parts...), []byte{0, 0})
}

// longWinded is an element whose length has more octets than it needs.
func longWinded(tag byte, parts ...[]byte) []byte {
	c := slices.Concat(parts...)
	n := len(c)
	return slices.Concat([]byte{tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, c)
}

// element at the start of octets, for looking into messages.
func first(octets []byte) element {
	return newDocument(octets, NewBudget(Limits{})).root().next()
}
