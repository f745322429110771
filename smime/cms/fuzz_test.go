package cms

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// seeds are messages of every kind.
func seeds(t testing.TB) [][]byte {
	now := attr(oidSigningTime, encodeTime(time.Unix(1_700_000_000, 0)))
	out := [][]byte{
		forgery{more: [][]byte{now}}.der(t),
		forgery{who: "rsa2048", detached: true, signature: encodeAlgorithm(oidPSS, pssParameters(5))}.der(t),
		forgery{noAttributes: true, content: encode(tagSet, attr(oidMessageDigest, null))}.der(t),
		forgery{encode: func(tag byte, a [][]byte) []byte { return openEnded(tag, a...) }}.der(t),
		sealed{}.der(t),
		sealed{auth: true, icv: 16, attributes: [][]byte{now}}.der(t),
		sealed{infos: [][]byte{agreement{who: "p256", ukm: []byte("ukm")}.der(t), agreement{who: "x25519", scheme: oidHKDFSHA256, ski: true}.der(t)}}.der(t),
		sealed{chunks: func(d []byte) []byte {
			return openEnded(explicit, encode(tagOctetString, d[:5]), openEnded(chunked, encode(tagOctetString, d[5:])))
		}}.der(t),
		compressedMessage(t, []byte("compressed")),
		contentInfo(oidData, null),
		bytes.Repeat([]byte{tagSequence, 0x80}, 100),
	}
	id := who(t, "p256")
	der, err := Sign([]byte("text"), SignOptions{Certificate: id.cert, Signer: id.signer(), SigningTime: time.Unix(0, 0), Capabilities: true,
		EncryptionCertificate: id.cert, SigningCertificate: true})
	if err != nil {
		t.Fatal(err)
	}
	return append(out, der)
}

// FuzzRead: whatever arrives, Read and all that can be done with what it returns end without panic,
// with the errors that are promised, and leave the input alone.
func FuzzRead(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	if dir := os.Getenv("SEALIST_CORPORA"); dir != "" {
		files, _ := filepath.Glob(filepath.Join(dir, "openssl-fuzz", "cms", "*"))
		for _, name := range files {
			if data, err := os.ReadFile(name); err == nil {
				f.Add(data)
			}
		}
	}
	var keys []Key
	for _, name := range []string{"rsa2048", "p256", "x25519"} {
		keys = append(keys, who(f, name).recipientKey(), Key{Private: who(f, name).key})
	}
	f.Fuzz(func(t *testing.T, octets []byte) {
		before := bytes.Clone(octets)
		c, err := Read(octets, nil)
		if (c == nil) == (err == nil) {
			t.Fatalf("%v and %v", c, err)
		}
		if err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) {
			t.Fatal(err)
		}
		exercise(octets, keys, who(t, "p256").certs())
		CertificatesOnly(octets, nil)
		if !bytes.Equal(octets, before) {
			t.Fatal("the input changed")
		}
		if sd, ok := c.(*SignedData); ok {
			for _, info := range sd.Verify(nil, nil, VerifyPolicy{}, nil) {
				if info.Err == nil && (info.Certificate == nil || sd.Detached) {
					t.Fatalf("verified: %+v", info)
				}
				if info.Err == nil && info.SignedAttributes != nil {
					checkDER(t, info.SignedAttributes)
				}
			}
		}
	})
}

// FuzzDER: encoding anew comes to rest, and keeps DER as it is.
func FuzzDER(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, octets []byte) {
		e := newDocument(octets, NewBudget(Limits{})).root().next()
		der := e.der()
		if e.doc == nil || e.doc.err != nil {
			return
		}
		again := newDocument(der, NewBudget(Limits{})).root().next()
		if again.doc == nil || !again.isDER() || !bytes.Equal(again.der(), der) {
			t.Fatalf("%x became %x and then something else", octets, der)
		}
	})
}
