package smime_test

import (
	"bytes"
	"compress/zlib"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// TestBombs has one message for each limit of invariant 9. Each is refused by name within a second and 64 MB.
func TestBombs(t *testing.T) {
	if testing.Short() {
		t.Skip("makes large messages")
	}
	w := theWorld()
	text := smimetest.Text("x")
	opaque := w.alice.SignDER(text.Octets(), smimetest.OpaqueForm)
	p7m := func(der []byte) []byte { return w.mail(smimetest.CMS(der, "", "smime.p7m")) }

	nested := text
	for range 9 {
		nested = w.alice.Sign(nested, smimetest.OpaqueForm)
	}
	detached := text
	for range 9 {
		detached = w.alice.Sign(detached)
	}
	compressed := text
	for range 9 {
		compressed = smimetest.Compress(compressed)
	}
	small := smimetest.NewCA("Bag CA", smimetest.ECP256)
	var bag []*x509.Certificate
	for i := range 64 {
		bag = append(bag, small.Issue(fmt.Sprintf("%d@corp.example", i), smimetest.ECP256).Certificate)
	}
	many := make([]*smimetest.Identity, 12)
	for i := range many {
		many[i] = w.mallory
	}

	for name, tc := range map[string]struct {
		octets []byte
		keys   []cms.Key
		error  error        // of the message
		reason trust.Reason // of the verdict
		tooBig bool         // refused by entity.Parse already
	}{
		"9 layers, opaque":          {octets: w.mail(nested), error: smime.ErrTooLarge, reason: trust.TooLarge},
		"9 layers, detached":        {octets: w.mail(detached), error: smime.ErrTooLarge, reason: trust.TooLarge},
		"9 layers, compressed":      {octets: w.mail(compressed), error: smime.ErrTooLarge, reason: trust.TooLarge},
		"17 SignerInfos":            {octets: p7m(repeatSigner(opaque, 17)), error: smime.ErrTooLarge, reason: trust.TooLarge},
		"10000 SignerInfos":         {octets: p7m(repeatSigner(opaque, 10_000)), error: smime.ErrTooLarge, reason: trust.TooLarge},
		"17 SignerInfos, detached":  {octets: w.mail(multipartSigned(text, repeatSigner(w.alice.SignDER(text.Octets()), 17))), error: smime.ErrTooLarge, reason: trust.TooLarge},
		"17 SignerInfos in layers":  {octets: w.mail(smimetest.CMS(repeatSigner(w.alice.SignDER(smimetest.CMS(repeatSigner(opaque, 9), "", "a.p7m").Octets(), smimetest.OpaqueForm), 8), "", "a.p7m")), error: smime.ErrTooLarge, reason: trust.TooLarge},
		"66 certificates":           {octets: w.mail(w.alice.Sign(text, smimetest.OpaqueForm, func(o *smime.SignOptions) { o.Chain = bag })), error: smime.ErrTooLarge, reason: trust.TooLarge},
		"12 private-key operations": {octets: w.mail(smimetest.Encrypt(text, many...)), keys: []cms.Key{{Private: w.list.Private}}, error: smime.ErrTooLarge, reason: trust.TooLarge},
		"RSA of 16384 bits":         {octets: p7m(hugeRSA(w)), error: smime.ErrTooLarge, reason: trust.TooLarge},
		"1001 parts":                {octets: w.mail(parts(1001)), error: smime.ErrTooLarge, reason: trust.TooLarge},
		"1001 parts, encrypted":     {octets: w.mail(w.encrypt(parts(1001))), error: smime.ErrTooLarge, reason: trust.TooLarge},
		"1001 parts in signed":      {octets: w.mail(w.alice.Sign(parts(1001))), error: smime.ErrTooLarge, reason: trust.TooLarge},
		"depth 40":                  {octets: w.mail(deep(40)), error: smime.ErrTooLarge, reason: trust.TooLarge},
		"depth 40 in rfc822":        {octets: w.mail(deepMail(40)), error: smime.ErrTooLarge, reason: trust.TooLarge},
		"depth 10000":               {octets: w.mail(deepText(10_000)), error: smime.ErrTooLarge, reason: trust.TooLarge},
		"header of 1 MB":            {octets: append([]byte("X: "+strings.Repeat("x", 1<<20)+"\r\n"), w.mail(text)...), tooBig: true},
		"header of 1 MB inside":     {octets: w.mail(w.encrypt(smimetest.Entity("A: b\r\n\r\n" + strings.Repeat("x", 1<<20)))), reason: trust.Unsigned},
		"header of 1 MB in a part":  {octets: w.mail(smimetest.Multipart("mixed", smimetest.Text("x"), bigHeader())), error: smime.ErrTooLarge, reason: trust.TooLarge},
		"zeros, compressed":         {octets: p7m(smimetest.CompressedData(zeros(200 << 20))), error: smime.ErrTooLarge, reason: trust.TooLarge},
		"zeros, signed, compressed": {octets: w.mail(w.alice.Sign(smimetest.CMS(smimetest.CompressedData(zeros(200<<20)), "", "a.p7z"))), error: smime.ErrTooLarge, reason: trust.TooLarge},
		"4 MB of nested 30 80":      {octets: p7m(bytes.Repeat([]byte{0x30, 0x80}, 2<<20)), error: smime.ErrTooLarge, reason: trust.TooLarge},
		"4 MB of nested 24 80":      {octets: p7m(chunks(2 << 20)), error: smime.ErrTooLarge, reason: trust.TooLarge},
		"length of 4 GB":            {octets: p7m([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x06, 0x01, 0x00}), error: smime.ErrMalformed, reason: trust.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			keys := tc.keys
			if keys == nil {
				keys = []cms.Key{w.list.DecryptKey()}
			}
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			e, err := entity.Parse(tc.octets, entity.DefaultLimits())
			if tc.tooBig {
				if !errors.Is(err, entity.ErrTooLarge) {
					t.Error(err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			m := smime.Open(e, smime.Options{Keys: keys})
			a := smime.Authenticate(m, w.policy, smime.Claim{Received: time.Now()})
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if tc.error == nil && m.Err != nil || !errors.Is(m.Err, tc.error) {
				t.Errorf("error %v", m.Err)
			}
			if a.Reason != tc.reason || a.Authenticated {
				t.Errorf("reason %q, want %q", a.Reason, tc.reason)
			}
			if m.Err != nil && (m.Content != nil || m.Payload != nil) {
				t.Error("something is handed out")
			}
			if took > second {
				t.Errorf("took %s", took)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
				t.Errorf("allocated %d MB", grown>>20)
			}
		})
	}
}

// A digest of many signed mails is legitimate: outside the run a spent budget is the layer's own matter.
func TestManySignedAttachments(t *testing.T) {
	w := theWorld()
	one := smimetest.Entity("Content-Type: message/rfc822\r\n\r\n" + string(w.mail(w.alice.Sign(smimetest.Text("x")))))
	var all []*entity.Entity
	for range 30 {
		all = append(all, one)
	}
	m, a := w.read(t, w.mail(w.alice.Sign(smimetest.Multipart("mixed", all...))))
	if m.Err != nil || !a.Authenticated {
		t.Errorf("%v %q", m.Err, a.Reason)
	}
}

func repeatSigner(der []byte, n int) []byte {
	root := readDER(der)
	infos := signerInfos(root)
	for len(infos.children) < n {
		infos.children = append(infos.children, infos.children[0])
	}
	return root.der()
}

// hugeRSA is a signature by a certificate whose key has 16384 bits; nobody could have made it, and nobody should check it.
func hugeRSA(w *world) []byte {
	modulus, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 16384))
	if err != nil {
		panic(err)
	}
	modulus.SetBit(modulus, 16383, 1).SetBit(modulus, 0, 1)
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		EmailAddresses: []string{w.alice.Address}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, w.ca.Certificate, &rsa.PublicKey{N: modulus, E: 65537}, w.ca.Key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	n := readDER(w.alice.SignDER([]byte("x"), smimetest.OpaqueForm))
	n.at(1, 0, 3).children = []*node{readDER(der)}
	info := signerInfos(n).at(0)
	info.children[1] = sequence(readDER(cert.RawIssuer), &node{tag: []byte{2}, value: []byte{1}})
	info.at(-1).value = modulus.Bytes()
	info.at(-1).value[0] = 0
	return n.der()
}

func parts(n int) *entity.Entity {
	return smimetest.Entity("Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", n) + "--b--\r\n")
}

func deepText(n int) *entity.Entity {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	return smimetest.Entity(b.String())
}

func deep(n int) *entity.Entity {
	e := smimetest.Text("x")
	for range n {
		e = smimetest.Multipart("mixed", e)
	}
	return e
}

func deepMail(n int) *entity.Entity {
	return smimetest.Entity(strings.Repeat("Content-Type: message/rfc822\r\n\r\n", n))
}

func bigHeader() *entity.Entity {
	e, err := entity.Parse([]byte("X: "+strings.Repeat("x", 1<<20)+"\r\n\r\nx"), entity.Limits{HeaderOctets: 4 << 20})
	if err != nil {
		panic(err)
	}
	return e
}

func zeros(n int) []byte {
	var z bytes.Buffer
	w, err := zlib.NewWriterLevel(&z, zlib.BestCompression)
	if err != nil {
		panic(err)
	}
	block := make([]byte, 1<<20)
	for range n >> 20 {
		if _, err := w.Write(block); err != nil {
			panic(err)
		}
	}
	w.Close()
	return z.Bytes()
}

// chunks is a SignedData whose eContent is OCTET STRINGs in OCTET STRINGs.
func chunks(n int) []byte {
	head := []byte{
		0x30, 0x80, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02, 0xa0, 0x80,
		0x30, 0x80, 0x02, 0x01, 0x01, 0x31, 0x00, 0x30, 0x80, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01, 0xa0, 0x80,
	}
	return append(head, bytes.Repeat([]byte{0x24, 0x80}, n)...)
}
