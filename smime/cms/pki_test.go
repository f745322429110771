package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"sync"
	"testing"
	"time"
)

// identity is a certificate and its key, issued when a test first asks for one of its kind.
type identity struct {
	cert *x509.Certificate
	key  any
}

func (id identity) signer() crypto.Signer { return id.key.(crypto.Signer) }

func (id identity) recipientKey() Key { return Key{Certificate: id.cert, Private: id.key} }

func (id identity) recipient(tb testing.TB, o RecipientOptions) *Recipient {
	tb.Helper()
	r, err := NewRecipient(id.cert, o)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// certPEM and keyPEM are for programs outside.
func (id identity) certPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.cert.Raw})
}

func (id identity) keyPEM(tb testing.TB) []byte {
	tb.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(id.key)
	if err != nil {
		tb.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

var pool struct {
	sync.Mutex
	ids    map[string]identity
	serial int64
	ca     *x509.Certificate
	caKey  *ecdsa.PrivateKey
}

// who returns the identity of a name, made on first use. The kind is rsa2048, rsa3072, rsa1024,
// p256, p384, p521, ed25519 or x25519; names of one kind differ behind a slash: "rsa2048/bob".
func who(tb testing.TB, name string) identity {
	tb.Helper()
	pool.Lock()
	defer pool.Unlock()
	if id, ok := pool.ids[name]; ok {
		return id
	}
	id := issue(tb, name, newKey(tb, name))
	if pool.ids == nil {
		pool.ids = make(map[string]identity)
	}
	pool.ids[name] = id
	return id
}

func newKey(tb testing.TB, name string) any {
	tb.Helper()
	var key any
	var err error
	for i := range len(name) {
		if name[i] == '/' {
			name = name[:i]
			break
		}
	}
	switch name {
	case "rsa1024":
		key, err = rsa.GenerateKey(rand.Reader, 1024)
	case "rsa2048":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "rsa3072":
		key, err = rsa.GenerateKey(rand.Reader, 3072)
	case "p224":
		key, err = ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	case "p256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "p384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "p521":
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case "x25519":
		key, err = ecdh.X25519().GenerateKey(rand.Reader)
	default:
		tb.Fatalf("no kind of key called %q", name)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// issue makes a certificate under the pool's CA, whose lock the caller holds or does not need.
func issue(tb testing.TB, name string, key any, change ...func(*x509.Certificate)) identity {
	tb.Helper()
	if pool.ca == nil {
		var err error
		if pool.caKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			tb.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CMS Test CA", Organization: []string{"Sealist"}},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, pool.caKey.Public(), pool.caKey)
		if err != nil {
			tb.Fatal(err)
		}
		if pool.ca, err = x509.ParseCertificate(der); err != nil {
			tb.Fatal(err)
		}
		pool.serial = 0x7f
	}
	pool.serial++
	var public any
	switch k := key.(type) {
	case crypto.Signer:
		public = k.Public()
	case *ecdh.PrivateKey:
		public = k.PublicKey()
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(pool.serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		EmailAddresses: []string{"someone@example.org"},
		KeyUsage:       x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement,
		ExtKeyUsage:    []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
		SubjectKeyId:   keyID(tb, public),
	}
	for _, f := range change {
		f(template)
	}
	der := certify(tb, template, public)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return identity{cert, key}
}

// certify signs the certificate. crypto/x509 cannot do so for X25519: a certificate for an Ed25519 key
// is made, its key replaced and the whole signed again.
func certify(tb testing.TB, template *x509.Certificate, public any) []byte {
	tb.Helper()
	exchange, isX25519 := public.(*ecdh.PublicKey)
	if isX25519 {
		public = ed25519.PublicKey(exchange.Bytes())
	}
	der, err := x509.CreateCertificate(rand.Reader, template, pool.ca, public, pool.caKey)
	if err != nil {
		tb.Fatal(err)
	}
	if !isX25519 {
		return der
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	tbs := bytes.Replace(cert.RawTBSCertificate, oidEd25519.der(), oidX25519.der(), 1)
	signature, err := pool.caKey.Sign(rand.Reader, sum(crypto.SHA256, tbs), crypto.SHA256)
	if err != nil {
		tb.Fatal(err)
	}
	return encode(tagSequence, tbs, encodeAlgorithm(oidECDSAWithSHA256, nil), encode(tagBitString, []byte{0}, signature))
}

func keyID(tb testing.TB, public any) []byte {
	tb.Helper()
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		tb.Fatal(err)
	}
	var parsed struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(spki, &parsed); err != nil {
		tb.Fatal(err)
	}
	digest := sha1.Sum(parsed.Key.Bytes)
	return digest[:]
}

// read reads what must be readable.
func read[T Content](tb testing.TB, ber []byte) T {
	tb.Helper()
	c, err := Read(ber, nil)
	if err != nil {
		tb.Fatalf("Read: %v", err)
	}
	t, ok := c.(T)
	if !ok {
		tb.Fatalf("Read: a %T", c)
	}
	return t
}
