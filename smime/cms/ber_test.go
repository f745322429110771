package cms

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
)

// TestBERForms: one message in every form that BER has for it reads the same.
func TestBERForms(t *testing.T) {
	f := forgery{}.fill(t)
	content := []byte("content")
	chunks := map[string][]byte{
		"primitive":          encode(tagOctetString, content),
		"chunked":            openEnded(chunked, encode(tagOctetString, content[:3]), encode(tagOctetString, content[3:])),
		"chunked, definite":  encode(chunked, encode(tagOctetString, content[:3]), encode(tagOctetString, content[3:])),
		"one chunk":          openEnded(chunked, encode(tagOctetString, content)),
		"empty chunks":       openEnded(chunked, encode(tagOctetString), encode(tagOctetString, content), encode(tagOctetString)),
		"chunks in chunks":   openEnded(chunked, openEnded(chunked, encode(tagOctetString, content[:1])), encode(chunked, encode(tagOctetString, content[1:]))),
		"long lengths":       longWinded(tagOctetString, content),
		"eight length bytes": slices.Concat([]byte{tagOctetString, 0x88, 0, 0, 0, 0, 0, 0, 0, 7}, content),
	}
	wraps := map[string]func(tag byte, parts ...[]byte) []byte{"definite": encode, "indefinite": openEnded, "long": longWinded}
	for chunk, octets := range chunks {
		for wrap, enc := range wraps {
			der := enc(tagSequence, oidSignedData.der(), enc(explicit, enc(tagSequence,
				encode(tagInteger, []byte{1}),
				enc(tagSet, f.digest),
				enc(tagSequence, oidData.der(), enc(explicit, octets)),
				enc(explicit, f.bag...),
				enc(tagSet, f.signerInfo(t)))))
			sd := read[*SignedData](t, der)
			if string(sd.Content) != "content" || len(sd.Certificates) != 1 {
				t.Errorf("%s, %s: %q, %d certificates", chunk, wrap, sd.Content, len(sd.Certificates))
			}
			if err := sd.Verify(nil, nil, VerifyPolicy{}, nil)[0].Err; err != nil {
				t.Errorf("%s, %s: %v", chunk, wrap, err)
			}
		}
	}
}

// TestBERIsReadOnce: elements of indefinite length inside each other are not walked again and again.
func TestBERIsReadOnce(t *testing.T) {
	content := openEnded(chunked, bytes.Repeat(encode(tagOctetString, []byte("chunk")), 10_000))
	der := openEnded(tagSequence, oidSignedData.der(), openEnded(explicit, openEnded(tagSequence, encode(tagInteger, []byte{1}), encode(tagSet),
		openEnded(tagSequence, oidData.der(), openEnded(explicit, openEnded(chunked, openEnded(chunked, openEnded(chunked, content))))), encode(tagSet))))
	b := NewBudget(Limits{})
	c, err := Read(der, b)
	if err != nil || len(c.(*SignedData).Content) != 50_000 {
		t.Fatal(err)
	}
	if b.elements > 3*10_000+200 {
		t.Errorf("%d elements looked at", b.elements)
	}
}

// TestReadMalformed: no prefix of a message reads, and no octet of it can be changed into a panic.
func TestReadMalformed(t *testing.T) {
	messages := map[string][]byte{
		"signed":    forgery{}.der(t),
		"enveloped": sealed{}.der(t),
		"auth":      sealed{auth: true, icv: 16, attributes: [][]byte{attr(oidContentType, oidData.der())}}.der(t),
		"agreed":    sealed{infos: [][]byte{agreement{who: "p256", ukm: []byte("u")}.der(t)}}.der(t),
		"BER": openEnded(tagSequence, oidEnvelopedData.der(), openEnded(explicit,
			first(first(sealed{}.der(t)).children().child(1).content()).raw())),
		"compressed": compressedMessage(t, []byte("text")),
	}
	for name, der := range messages {
		if _, err := Read(der, nil); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for n := range der {
			if _, err := Read(der[:n], nil); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s, %d of %d octets: %v", name, n, len(der), err)
			}
		}
		keys := []Key{who(t, "p256").recipientKey()}
		for i := range der {
			for _, change := range []byte{0x01, 0x20, 0x80, 0xff} {
				bad := bytes.Clone(der)
				bad[i] ^= change
				exercise(bad, keys, nil)
			}
		}
	}
}

// child returns the nth child.
func (r *reader) child(n int) element {
	for range n {
		r.next()
	}
	return r.next()
}

// TestReadRefuses is the table of what is not CMS.
func TestReadRefuses(t *testing.T) {
	seq := func(parts ...[]byte) []byte { return encode(tagSequence, parts...) }
	set := func(parts ...[]byte) []byte { return encode(tagSet, parts...) }
	v := encode(tagInteger, []byte{1})
	for name, der := range map[string][]byte{
		"nothing":                   nil,
		"zeros":                     make([]byte, 20),
		"text":                      []byte("MIAGCSqGSIb3DQEHAqCA"),
		"not a sequence":            set(),
		"empty sequence":            seq(),
		"no content":                seq(oidSignedData.der()),
		"no content type":           seq(encode(explicit, null)),
		"primitive of no length":    {tagOctetString, 0x80, 0, 0},
		"length beyond the end":     {tagSequence, 0x84, 0xff, 0xff, 0xff, 0xff},
		"length of nine octets":     {tagSequence, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"negative length":           {tagSequence, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"length of minus one":       slices.Concat([]byte{tagSequence, 0x88}, bytes.Repeat([]byte{0xff}, 8), oidData.der(), []byte{0, 0}),
		"tag without end":           {0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"end without begin":         {tagSequence, 2, 0, 0},
		"end of contents with some": {tagSequence, 0x80, 0, 1, 0, 0},
		"no end of contents":        {tagSequence, 0x80, 6, 1, 1},
		"child beyond its parent":   contentInfo(oidSignedData, []byte{tagSequence, 3, 2, 5, 1, 0, 0, 0}),
		"identifier without end":    seq([]byte{tagOID, 1, 0x80}, encode(explicit, null)),
		"identifier of nothing":     seq([]byte{tagOID, 0}, encode(explicit, null)),
		"identifier in long":        seq([]byte{tagOID, 3, 42, 0x80, 1}, encode(explicit, null)),
		"no version":                contentInfo(oidSignedData, seq(set(), seq(oidData.der()), set())),
		"version of many octets":    contentInfo(oidSignedData, seq(encode(tagInteger, make([]byte, 65)), set(), seq(oidData.der()), set())),
		"empty version":             contentInfo(oidSignedData, seq(encode(tagInteger), set(), seq(oidData.der()), set())),
		"no signerInfos":            contentInfo(oidSignedData, seq(v, set(), seq(oidData.der()))),
		"signerInfo not a sequence": contentInfo(oidSignedData, seq(v, set(), seq(oidData.der()), set(null))),
		"content not octets":        contentInfo(oidSignedData, seq(v, set(), seq(oidData.der(), encode(explicit, null)), set())),
		"chunks not octets":         contentInfo(oidSignedData, seq(v, set(), seq(oidData.der(), encode(explicit, encode(chunked, null))), set())),
		"no mac":                    contentInfo(oidAuthEnveloped, seq(v, set(), seq(oidData.der(), encodeAlgorithm(oidAES256GCM, nil)))),
		"no recipientInfos":         contentInfo(oidEnvelopedData, seq(v, seq(oidData.der(), encodeAlgorithm(oidAES256CBC, nil)))),
		"signed data and more":      contentInfo(oidSignedData, seq(v, set(), seq(oidData.der()), set(), null)),
		"two contents":              seq(oidSignedData.der(), encode(explicit, seq(v, set(), seq(oidData.der()), set()), null)),
		"content info and more":     seq(oidSignedData.der(), encode(explicit, seq(v, set(), seq(oidData.der()), set())), null),
		"content and more":          contentInfo(oidSignedData, seq(v, set(), seq(oidData.der(), encode(explicit, encode(tagOctetString), null)), set())),
		"encrypted and more":        contentInfo(oidEnvelopedData, seq(v, set(), seq(oidData.der(), encodeAlgorithm(oidAES256CBC, nil), encode(implicit), null))),
		"algorithm and more":        contentInfo(oidEnvelopedData, seq(v, set(), seq(oidData.der(), seq(oidData.der(), null, null)))),
	} {
		if c, err := Read(der, nil); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}

// TestReadIgnoresWhatFollows: octets behind the ContentInfo change nothing.
func TestReadIgnoresWhatFollows(t *testing.T) {
	der := append(forgery{}.der(t), "\r\n\x00\xff garbage"...)
	if err := read[*SignedData](t, der).Verify(nil, nil, VerifyPolicy{}, nil)[0].Err; err != nil {
		t.Error(err)
	}
}

func TestOtherData(t *testing.T) {
	for _, o := range []oid{oidData, oidPKCS7.with(5), oidPKCS7.with(6), arcs(1, 2, 3)} {
		c := read[*OtherData](t, contentInfo(o, null))
		if !c.ContentType().Equal(o.public()) || c.ContentType().String() != o.String() {
			t.Errorf("%v", c.ContentType())
		}
	}
}

// TestBrokenCertificate: one certificate that cannot be read does not lose the others.
func TestBrokenCertificate(t *testing.T) {
	good := who(t, "p256").cert.Raw
	huge := encode(tagSequence, make([]byte, maxCertificate))
	bag := [][]byte{encode(tagSequence, []byte("nonsense")), encode(explicit|2, null), huge, good, good[:0], encode(tagSequence), openEnded(tagSequence, first(good).content())}
	f := forgery{bag: bag}
	sd := read[*SignedData](t, f.der(t))
	if len(sd.Certificates) != 2 || sd.Unreadable != 3 {
		t.Errorf("%d certificates, %d unreadable", len(sd.Certificates), sd.Unreadable)
	}
	if err := sd.Verify(nil, nil, VerifyPolicy{}, nil)[0].Err; err != nil {
		t.Error(err)
	}
}

// TestCertificatesOnly: the forms that directories keep certificates in.
func TestCertificatesOnly(t *testing.T) {
	a, b := who(t, "p256").cert, who(t, "rsa2048").cert
	bundle := contentInfo(oidSignedData, encode(tagSequence, encode(tagInteger, []byte{1}), encode(tagSet),
		encode(tagSequence, oidData.der()), encode(explicit, a.Raw, encode(tagSequence), b.Raw), encode(explicit|1, encode(tagSequence)), encode(tagSet)))
	signed, err := Sign(nil, SignOptions{Certificate: a, Signer: who(t, "p256").signer(), Detached: true, Capabilities: true, EncryptionCertificate: b})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		der        []byte
		certs, bad int
	}{
		"bare": {a.Raw, 1, 0}, "bundle": {bundle, 2, 1}, "signed": {signed, 2, 0},
	} {
		certs, bad, err := CertificatesOnly(test.der, nil)
		if err != nil || len(certs) != test.certs || bad != test.bad {
			t.Errorf("%s: %d, %d, %v", name, len(certs), bad, err)
		}
	}
	if sd := read[*SignedData](t, bundle); !sd.CertsOnly() || !sd.Detached || len(sd.CRLs) != 1 {
		t.Errorf("%+v", sd)
	}
	for name, der := range map[string][]byte{"nothing": nil, "text": []byte("certificate"), "sealed": sealed{}.der(t)} {
		if _, _, err := CertificatesOnly(der, nil); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOID: the printed form, and what the standard library makes of it.
func TestOID(t *testing.T) {
	for _, s := range []string{"1.2.840.113549.1.7.2", "2.16.840.1.101.3.4.1.46", "0.9.2342.19200300.100.1.25", "2.5.4.3", "2.999", "1.39", "0.0"} {
		var id asn1.ObjectIdentifier
		for part := range strings.SplitSeq(s, ".") {
			n, _ := new(big.Int).SetString(part, 10)
			id = append(id, int(n.Int64()))
		}
		der, err := asn1.Marshal(id)
		if err != nil {
			t.Fatal(err)
		}
		o := oid(der[2:])
		if !o.valid() || o.String() != s || !o.public().Equal(id) || !bytes.Equal(o.der(), der) {
			t.Errorf("%s: %s, %v", s, o, o.public())
		}
	}
	uuid := oid("\x69\x84\xfe\xf6\xd5\xb3\xc1\x9a\xa2\xe8\xf1\xe7\x9e\xaf\xd9\xdb\xc9\xe7\x5b")
	if !strings.HasPrefix(uuid.String(), "2.25.") || uuid.public() != nil {
		t.Errorf("%s, %v", uuid, uuid.public())
	}
}

// TestCertificateID: the printed form and the comparison.
func TestCertificateID(t *testing.T) {
	cert := who(t, "p256").cert
	id := CertificateID{Issuer: cert.RawIssuer, Serial: cert.SerialNumber}
	if got, want := id.String(), "issuer=CN=CMS Test CA,O=Sealist;serial="+cert.SerialNumber.Text(16); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	ski := CertificateID{SubjectKeyID: []byte{0xde, 0xad}}
	if ski.String() != "ski=dead" {
		t.Error(ski)
	}
	bare := *cert
	bare.SubjectKeyId = nil
	for _, test := range []struct {
		id   CertificateID
		want bool
	}{
		{id, true},
		{CertificateID{Issuer: cert.RawIssuer, Serial: big.NewInt(1)}, false},
		{CertificateID{Issuer: cert.RawSubject, Serial: cert.SerialNumber}, false},
		{CertificateID{Issuer: cert.RawIssuer}, false},
		{CertificateID{SubjectKeyID: cert.SubjectKeyId}, true},
		{ski, false},
		{CertificateID{}, false},
	} {
		if test.id.Matches(cert) != test.want {
			t.Errorf("%v: %v", test.id, !test.want)
		}
	}
	if !(CertificateID{SubjectKeyID: cert.SubjectKeyId}).Matches(&bare) || id.Matches(nil) {
		t.Error("a certificate without key identifier is known by the hash of its key")
	}
}

// TestDER: what DER is already stays as it is, everything else is encoded anew.
func TestDER(t *testing.T) {
	octets := encode(tagOctetString, []byte("abc"))
	high := []byte{0x9f, 0x82, 0x01, 1, 'x'}
	for name, test := range map[string]struct{ in, want []byte }{
		"DER":           {encode(tagSequence, octets, high), encode(tagSequence, octets, high)},
		"set in order":  {encode(tagSet, null, octets), encode(tagSet, null, octets)},
		"indefinite":    {openEnded(tagSequence, octets, high), encode(tagSequence, octets, high)},
		"long":          {longWinded(tagSequence, octets, high), encode(tagSequence, octets, high)},
		"long inside":   {encode(tagSequence, longWinded(tagOctetString, []byte("abc"))), encode(tagSequence, octets)},
		"chunks":        {openEnded(chunked, encode(tagOctetString, []byte("a")), encode(tagOctetString, []byte("bc"))), octets},
		"set to sort":   {openEnded(tagSet, null, octets), encode(tagSet, octets, null)},
		"high tag":      {[]byte{0xbf, 0x82, 0x01, 0x80, 5, 0, 0, 0}, []byte{0xbf, 0x82, 0x01, 2, 5, 0}},
		"200 octets":    {openEnded(tagSequence, encode(tagOctetString, make([]byte, 200))), encode(tagSequence, encode(tagOctetString, make([]byte, 200)))},
		"70,000 octets": {openEnded(tagSequence, encode(tagOctetString, make([]byte, 70_000))), encode(tagSequence, encode(tagOctetString, make([]byte, 70_000)))},
	} {
		if got := first(test.in).der(); !bytes.Equal(got, test.want) {
			t.Errorf("%s: %x", name, got)
		}
	}
}
