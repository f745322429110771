package cms

import (
	"bytes"
	"compress/zlib"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"testing"
)

func compressedMessage(t testing.TB, content []byte) []byte {
	t.Helper()
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	w.Write(content)
	w.Close()
	return compressedOctets(oidZlib, z.Bytes())
}

func compressedOctets(algorithm oid, z []byte) []byte {
	return contentInfo(oidCompressedData, encode(tagSequence, encode(tagInteger, []byte{0}), encodeAlgorithm(algorithm, nil),
		encode(tagSequence, oidData.der(), encode(explicit, encode(tagOctetString, z)))))
}

// TestBombs: each limit of invariant 9 has a message that asks for more, and is refused within a
// second and 64 MB. The messages are made before the clock starts.
func TestBombs(t *testing.T) {
	v := encode(tagInteger, []byte{1})
	signed := func(content, bag, infos []byte) []byte {
		return contentInfo(oidSignedData, encode(tagSequence, v, encode(tagSet), encode(tagSequence, oidData.der(), content), bag, encode(tagSet, infos)))
	}
	enveloped := func(infos []byte) []byte {
		return contentInfo(oidEnvelopedData, encode(tagSequence, v, encode(tagSet, infos),
			encode(tagSequence, oidData.der(), encodeAlgorithm(oidAES256CBC, encode(tagOctetString, make([]byte, 16))), encode(implicit, make([]byte, 32)))))
	}
	const mb = 1 << 20
	signer := forgery{}.signerInfo(t)
	cert := who(t, "p256").cert.Raw
	rcpt := ktri(t, "rsa2048", make([]byte, 32))
	manyRids := func() []byte {
		rek := encode(tagSequence, issuerAndSerial(tagSequence, who(t, "p256").cert), encode(tagOctetString, make([]byte, 40)))
		return encode(explicit|1, v, encode(explicit, encode(explicit|1, encodeAlgorithm(oidECPublicKey, nil), encode(tagBitString, make([]byte, 66)))),
			encodeAlgorithm(oidStdSHA256KDF, encodeAlgorithm(oidAES256Wrap, nil)), encode(tagSequence, bytes.Repeat(rek, 100_000)))
	}
	bombs := map[string]struct {
		octets []byte
		want   error // nil: read, within the limits of time and memory
	}{
		"nested, indefinite":              {bytes.Repeat([]byte{tagSequence, 0x80}, 2*mb), ErrTooLarge},
		"nested, indefinite, constructed": {bytes.Repeat([]byte{chunked, 0x80}, 2*mb), ErrMalformed},
		"nested in the content":           {signed(encode(explicit, bytes.Repeat([]byte{chunked, 0x80}, 2*mb)), nil, nil), ErrTooLarge},
		"nested, definite":                {contentInfo(oidSignedData, nested(tagSequence, 20_000)), ErrMalformed},
		"nested chunks, definite":         {signed(encode(explicit, nested(chunked, 20_000)), nil, nil), ErrTooLarge},
		"nested in attributes":            {signed(nil, nil, encode(tagSequence, v, issuerAndSerial(tagSequence, who(t, "p256").cert), encodeAlgorithm(oidSHA256, nil), encode(explicit, nested(tagSequence, 500)))), ErrTooLarge},
		"nested in an algorithm":          {signed(nil, nil, encode(tagSequence, v, issuerAndSerial(tagSequence, who(t, "p256").cert), encodeAlgorithm(oidSHA256, nested(tagSequence, 20_000)))), ErrTooLarge},
		"open, in a row":                  {slices.Concat([]byte{tagSequence, 0x80, 6, 1, 1}, bytes.Repeat([]byte{tagSequence, 0x80, 0, 0}, mb)), ErrTooLarge},
		"open, in a row, as content":      {signed(encode(explicit, openEnded(chunked, bytes.Repeat([]byte{chunked, 0x80, 0, 0}, mb))), nil, nil), ErrTooLarge},
		"open, one in the other, in a row": {signed(encode(explicit, openEnded(chunked, bytes.Repeat(openEnded(chunked, openEnded(chunked, openEnded(chunked))), mb/4))),
			nil, nil), ErrTooLarge},
		"tiny chunks":               {signed(encode(explicit, openEnded(chunked, bytes.Repeat([]byte{tagOctetString, 1, 'x'}, 8*mb))), nil, nil), ErrTooLarge},
		"empty chunks":              {signed(encode(explicit, openEnded(chunked, bytes.Repeat([]byte{tagOctetString, 0}, 8*mb))), nil, nil), ErrTooLarge},
		"tiny elements":             {slices.Concat([]byte{tagSequence, 0x80}, bytes.Repeat([]byte{5, 0}, 8*mb), []byte{0, 0}), ErrTooLarge},
		"a length of 4 GB":          {append([]byte{tagSequence, 0x84, 0xff, 0xff, 0xff, 0xff}, make([]byte, 100)...), ErrMalformed},
		"a length of 2^63":          {append([]byte{tagSequence, 0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, make([]byte, 100)...), ErrMalformed},
		"a content of 4 GB":         {signed([]byte{explicit, 6, tagOctetString, 0x84, 0xff, 0xff, 0xff, 0xff}, nil, nil), ErrMalformed},
		"over 25 MB":                {make([]byte, 25*mb+1), ErrTooLarge},
		"17 signers":                {signed(nil, nil, bytes.Repeat(signer, 17)), ErrTooLarge},
		"50,000 signers":            {signed(nil, nil, bytes.Repeat(signer, 50_000)), ErrTooLarge},
		"empty signers":             {signed(nil, nil, bytes.Repeat([]byte{tagSequence, 0}, 8*mb)), ErrTooLarge},
		"65 certificates":           {signed(nil, encode(explicit, bytes.Repeat(cert, 65)), nil), ErrTooLarge},
		"30,000 certificates":       {signed(nil, encode(explicit, bytes.Repeat(cert, 30_000)), nil), ErrTooLarge},
		"broken certificates":       {signed(nil, encode(explicit, bytes.Repeat([]byte{tagSequence, 0}, 8*mb)), nil), ErrTooLarge},
		"attribute certificates":    {signed(nil, encode(explicit, bytes.Repeat([]byte{explicit | 2, 0}, 8*mb)), nil), ErrTooLarge},
		"one certificate of 20 MB":  {signed(nil, encode(explicit, encode(tagSequence, make([]byte, 20*mb))), nil), nil},
		"certificates with names":   {signed(nil, encode(explicit, bytes.Repeat(manyNames(t), 64)), nil), ErrTooLarge},
		"CRLs":                      {signed(nil, encode(explicit|1, bytes.Repeat([]byte{tagSequence, 0}, 8*mb)), nil), ErrTooLarge},
		"digestAlgorithms":          {contentInfo(oidSignedData, encode(tagSequence, v, encode(tagSet, bytes.Repeat(encodeAlgorithm(oidSHA256, nil), mb)), encode(tagSequence, oidData.der()), encode(tagSet))), nil},
		"10,001 recipients":         {enveloped(bytes.Repeat(rcpt, 10_001)), ErrTooLarge},
		"70,000 recipients":         {enveloped(bytes.Repeat(rcpt, 70_000)), ErrTooLarge},
		"100,000 in one agreement":  {enveloped(manyRids()), ErrTooLarge},
		"recipients of other kinds": {enveloped(bytes.Repeat([]byte{explicit | 4, 0}, 8*mb)), ErrTooLarge},
		"broken recipients":         {enveloped(bytes.Repeat([]byte{tagSequence, 0}, 8*mb)), ErrTooLarge},
		"attributes of 10 MB":       {forgery{more: [][]byte{attr(oidSigningTime, encode(tagOctetString, make([]byte, 10*mb)))}}.der(t), ErrTooLarge},
		"many attributes":           {forgery{more: slices.Repeat([][]byte{attr(arcs(1, 2, 3), null)}, 100_000)}.der(t), ErrTooLarge},
		"authAttrs of 10 MB":        {sealed{auth: true, attributes: [][]byte{attr(oidSigningTime, encode(tagOctetString, make([]byte, 10*mb)))}}.der(t), ErrTooLarge},
		"serial number of 10 MB":    {forgery{id: encode(tagSequence, encode(tagSequence), encode(tagInteger, make([]byte, 10*mb)))}.der(t), nil},
		"issuer of 10 MB":           {forgery{id: encode(tagSequence, encode(tagSequence, bytes.Repeat([]byte{tagSet, 0}, 5*mb)), encode(tagInteger, []byte{1}))}.der(t), ErrTooLarge},
		"signature of 10 MB":        {forgery{change: func([]byte) []byte { return make([]byte, 10*mb) }}.der(t), nil},
		"identifier of 10 MB":       {contentInfo(oid(bytes.Repeat([]byte{0x81}, 10*mb))+"\x01", null), ErrMalformed},
	}
	keys := []Key{who(t, "rsa2048").recipientKey(), {Private: who(t, "rsa2048").key}, {Private: who(t, "p256").key}}
	for name, bomb := range bombs {
		t.Run(name, func(t *testing.T) {
			within(t, name, func() {
				_, err := Read(bomb.octets, nil)
				if bomb.want == nil && err != nil || !errors.Is(err, bomb.want) {
					t.Errorf("%v, want %v", err, bomb.want)
				}
			})
			within(t, name, func() { exercise(bomb.octets, keys, nil) })
			within(t, name, func() { CertificatesOnly(bomb.octets, nil) })
		})
	}
}

// nested is an element in an element, n deep, each with a length.
func nested(tag byte, n int) []byte {
	sizes := make([]int, n+1)
	for i := 1; i <= n; i++ {
		sizes[i] = elementLen(sizes[i-1])
	}
	var out []byte
	for i := n; i > 0; i-- {
		out = appendHeader(out, tag, sizes[i-1])
	}
	return out
}

// manyNames is a certificate of almost 64 KiB whose names take far more when parsed.
func manyNames(t testing.TB) []byte {
	t.Helper()
	pool.Lock()
	defer pool.Unlock()
	id := issue(t, "many names", newKey(t, "p256"), func(c *x509.Certificate) {
		c.DNSNames = slices.Repeat([]string{"a.example"}, 5800)
	})
	if len(id.cert.Raw) > maxCertificate || len(id.cert.Raw) < maxCertificate/2 {
		t.Fatalf("a certificate of %d octets", len(id.cert.Raw))
	}
	return id.cert.Raw
}

// TestSharedBudget: the layers of one message draw on one budget.
func TestSharedBudget(t *testing.T) {
	signed := forgery{bag: slices.Repeat([][]byte{who(t, "p256").cert.Raw}, 10)}.der(t)
	enveloped := sealed{infos: slices.Repeat([][]byte{ktri(t, "rsa2048", make([]byte, 32))}, 4)}.der(t)
	tests := []struct {
		name   string
		limits Limits
		octets []byte
		reads  int // that are fine
	}{
		{"layers", Limits{Certificates: 1000}, signed, 8},
		{"certificates", Limits{Layers: 100}, signed, 6},
		{"signers", Limits{Layers: 100, Certificates: 1000}, signed, 16},
		{"recipients", Limits{Layers: 100, Recipients: 10}, enveloped, 2},
	}
	for _, test := range tests {
		b := NewBudget(test.limits)
		for i := range test.reads {
			if _, err := Read(test.octets, b); err != nil {
				t.Fatalf("%s, read %d: %v", test.name, i, err)
			}
		}
		_, err := Read(test.octets, b)
		wantErr(t, test.name, err, ErrTooLarge)
	}
	if NewBudget(Limits{}).Limits() != DefaultLimits() {
		t.Error("the zero value is not the default")
	}
}

// TestHashBudget: hashing large content again and again ends.
func TestHashBudget(t *testing.T) {
	content := make([]byte, 1<<20)
	b := NewBudget(Limits{Octets: 1 << 20, Layers: 100})
	sd := read[*SignedData](t, forgery{detached: true}.der(t))
	var err error
	n := 0
	for ; n < 100 && err == nil; n++ {
		if e := sd.Verify(content, nil, VerifyPolicy{}, b)[0].Err; errors.Is(e, ErrTooLarge) {
			err = e
		}
	}
	if n != hashedContents+1 {
		t.Errorf("hashed %d times", n)
	}
}

func TestCompressedData(t *testing.T) {
	content := bytes.Repeat([]byte("compressible "), 10_000)
	cd := read[*CompressedData](t, compressedMessage(t, content))
	b := NewBudget(Limits{Octets: int64(3 * len(content))})
	for range 3 {
		got, err := cd.Decompress(b)
		if err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%d octets, %v", len(got), err)
		}
	}
	_, err := cd.Decompress(b)
	wantErr(t, "the fourth", err, ErrTooLarge)
	if cd.ContentTypeOID.String() != oidData.String() || cd.Algorithm != "zlib" {
		t.Errorf("%+v", cd)
	}
	for name, test := range map[string]struct {
		der  []byte
		want error
	}{
		"not zlib":     {compressedOctets(oidZlib, []byte("nonsense")), ErrMalformed},
		"cut":          {compressedOctets(oidZlib, cd.content[:len(cd.content)-8]), ErrMalformed},
		"bad checksum": {compressedOctets(oidZlib, append(cd.content[:len(cd.content)-1:len(cd.content)-1], 0xaa)), ErrMalformed},
		"empty":        {compressedOctets(oidZlib, nil), ErrMalformed},
		"unknown":      {compressedOctets(arcs(1, 2, 3), cd.content), ErrUnsupportedAlgorithm},
	} {
		_, err := read[*CompressedData](t, test.der).Decompress(nil)
		wantErr(t, name, err, test.want)
	}
}

// TestZipBomb: a message of 16 MB that inflates to 16 GB, and a smaller one in layers.
func TestZipBomb(t *testing.T) {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	w.Flush()
	begin := z.Len()
	w.Write(make([]byte, 16<<20))
	w.Flush()
	stream := slices.Concat(z.Bytes(), bytes.Repeat(z.Bytes()[begin:], 1000))
	cd := read[*CompressedData](t, compressedOctets(oidZlib, stream))
	within(t, "16 GB", func() {
		_, err := cd.Decompress(nil)
		wantErr(t, "16 GB", err, ErrTooLarge)
	})
	b := NewBudget(Limits{})
	part := read[*CompressedData](t, compressedMessage(t, make([]byte, 10<<20)))
	within(t, "three of 10 MB", func() {
		for i := range 3 {
			_, err := part.Decompress(b)
			if (err != nil) != (i == 2) {
				t.Errorf("layer %d: %v", i, err)
			}
		}
	})
}

// TestNamesQuadratic: many recipients with our serial number and names that have to be parsed.
func TestNamesQuadratic(t *testing.T) {
	cert := who(t, "rsa2048").cert
	long := encode(tagSequence, bytes.Repeat(encode(tagSet, encode(tagSequence, arcs(2, 5, 4, 3).der(), encode(0x0c, []byte("some name")))), 15))
	var infos [][]byte
	for range 9_000 {
		infos = append(infos, encode(tagSequence, encode(tagInteger, []byte{0}),
			encode(tagSequence, long, encode(tagInteger, serialOctets(cert))), encodeAlgorithm(oidRSA, null), encode(tagOctetString, make([]byte, 256))))
	}
	der := sealed{infos: infos}.der(t)
	ed := read[*EnvelopedData](t, der)
	within(t, fmt.Sprintf("%d MB", len(der)>>20), func() {
		if _, err := ed.Decrypt([]Key{who(t, "rsa2048").recipientKey()}, nil, DecryptPolicy{}); err != ErrDecrypt {
			t.Error(err)
		}
	})
	if ed.recipients[0].id.Serial.Cmp(new(big.Int).SetBytes(serialOctets(cert))) != 0 {
		t.Error("the test does not test what it says")
	}
}
