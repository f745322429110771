// Package smimetest makes a certification authority, people and S/MIME messages in memory, as net/http/httptest makes a server:
//
//	ca := smimetest.NewCA("Example CA")
//	alice := ca.Issue("alice@example.org")
//	bob := ca.Issue("bob@example.org", smimetest.ECP256)
//	octets := smimetest.Mail(alice.Address, bob.Address, "Hello", smimetest.Encrypt(alice.Sign(smimetest.Text("hello\r\n")), bob))
//
// Certificates are made at the time of the call, with the extensions that real software asks for: subject and authority key
// identifiers, basic constraints, key usage by key type, the EKUs emailProtection and clientAuth. It is for tests and for the
// demonstration; whatever cannot be made panics, because then the test is wrong.
package smimetest

import (
	"crypto"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 5280 section 4.2.1.2 (1) derives key identifiers with it
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// Template is a certificate about to be issued. Options change it.
type Template struct {
	// X509 is what crypto/x509 will sign.
	X509 x509.Certificate
	// Key is how the key pair is made or which one is taken.
	Key KeySpec

	usageSet bool
}

// Option changes a certificate about to be issued. The constructors in this package cover what tests usually need; a function
// literal over [Template] covers the rest.
type Option func(*Template)

// CA is a certification authority.
type CA struct {
	Name        string
	Certificate *x509.Certificate
	Key         crypto.Signer
	// Chain is what stands between this CA and its root: this CA's own certificate first, the root left out. Empty for a root.
	Chain []*x509.Certificate
	// Root is the self-signed CA at the top, this one if it is the root.
	Root *CA
}

// Identity is a person, a list or a gateway with a key pair and a certificate.
type Identity struct {
	// Address is the first address of the certificate; it stays set where NoSAN left it out of the certificate.
	Address     string
	Certificate *x509.Certificate
	// Key signs. It is nil for X25519, which cannot.
	Key crypto.Signer
	// Private is the private key of any type, as x509.MarshalPKCS8PrivateKey takes it.
	Private crypto.PrivateKey
	// Chain holds the intermediate certificates above the certificate, lowest first, the root left out.
	Chain []*x509.Certificate
	// Issuer is who signed the certificate.
	Issuer *CA
}

// NewCA makes a self-signed root. RSA 2048 unless an option says otherwise.
func NewCA(name string, opts ...Option) *CA {
	t := caTemplate(name, opts)
	key := t.Key.make()
	cert := issue(&t, key, nil, nil)
	ca := &CA{Name: name, Certificate: cert, Key: key.(crypto.Signer)}
	ca.Root = ca
	return ca
}

// Sub makes an intermediate CA below ca.
func (ca *CA) Sub(name string, opts ...Option) *CA {
	t := caTemplate(name, opts)
	key := t.Key.make()
	cert := issue(&t, key, ca.Certificate, ca.Key)
	return &CA{
		Name: name, Certificate: cert, Key: key.(crypto.Signer),
		Chain: append([]*x509.Certificate{cert}, ca.Chain...), Root: ca.Root,
	}
}

// Issue makes a key pair and a certificate for an address: RSA 2048, valid from an hour ago for a year.
func (ca *CA) Issue(address string, opts ...Option) *Identity {
	t := leafTemplate(address, opts)
	key := t.Key.make()
	return ca.identity(address, &t, key)
}

// Renew issues another certificate for the same key pair and address.
func (ca *CA) Renew(id *Identity, opts ...Option) *Identity {
	t := leafTemplate(id.Address, opts)
	return ca.identity(id.Address, &t, id.Private)
}

func (ca *CA) identity(address string, t *Template, key crypto.PrivateKey) *Identity {
	cert := issue(t, key, ca.Certificate, ca.Key)
	signer, _ := key.(crypto.Signer)
	return &Identity{Address: address, Certificate: cert, Key: signer, Private: key, Chain: ca.Chain, Issuer: ca}
}

// SelfSigned makes an identity that signed its own certificate, which no CA vouches for.
func SelfSigned(address string, opts ...Option) *Identity {
	t := leafTemplate(address, opts)
	key := t.Key.make()
	cert := issue(&t, key, nil, nil)
	signer, _ := key.(crypto.Signer)
	return &Identity{Address: address, Certificate: cert, Key: signer, Private: key}
}

// CRL returns a DER certificate revocation list of ca that lists the given certificates as revoked at thisUpdate. A zero nextUpdate
// leaves the field at an hour after thisUpdate.
func (ca *CA) CRL(thisUpdate, nextUpdate time.Time, revoked ...*x509.Certificate) []byte {
	if nextUpdate.IsZero() {
		nextUpdate = thisUpdate.Add(time.Hour)
	}
	list := &x509.RevocationList{Number: big.NewInt(thisUpdate.Unix()), ThisUpdate: thisUpdate, NextUpdate: nextUpdate}
	for _, c := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: thisUpdate})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, ca.Certificate, ca.Key)
	must(err)
	return der
}

// PEM returns the CA's certificate.
func (ca *CA) PEM() []byte { return certificatePEM(ca.Certificate) }

func caTemplate(name string, opts []Option) Template {
	t := baseTemplate()
	t.X509.Subject = pkix.Name{Organization: []string{"Sealist tests"}, CommonName: name}
	t.X509.IsCA = true
	t.X509.BasicConstraintsValid = true
	t.X509.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	t.usageSet = true
	t.X509.NotAfter = t.X509.NotBefore.AddDate(10, 0, 0)
	for _, o := range opts {
		o(&t)
	}
	return t
}

func leafTemplate(address string, opts []Option) Template {
	t := baseTemplate()
	t.X509.Subject = pkix.Name{Organization: []string{"Sealist tests"}, CommonName: address}
	t.X509.EmailAddresses = []string{address}
	t.X509.BasicConstraintsValid = true
	t.X509.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection, x509.ExtKeyUsageClientAuth}
	for _, o := range opts {
		o(&t)
	}
	return t
}

func baseTemplate() Template {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	must(err)
	from := time.Now().Add(-time.Hour).Truncate(time.Second).UTC()
	return Template{X509: x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)),
		NotBefore:    from,
		NotAfter:     from.AddDate(1, 0, 0),
	}}
}

// issue signs the template; without an issuer it is self-signed.
func issue(t *Template, key crypto.PrivateKey, parent *x509.Certificate, parentKey crypto.Signer) *x509.Certificate {
	public := publicKey(key)
	if !t.usageSet {
		t.X509.KeyUsage = usageOf(public)
	}
	if t.X509.SubjectKeyId == nil {
		t.X509.SubjectKeyId = keyIdentifier(public)
	}
	if parent == nil {
		parent, parentKey = &t.X509, key.(crypto.Signer)
		t.X509.AuthorityKeyId = t.X509.SubjectKeyId
	}
	var der []byte
	var err error
	if _, agreement := public.(*ecdh.PublicKey); agreement {
		der = createX25519(&t.X509, parent, public, parentKey)
	} else {
		der, err = x509.CreateCertificate(rand.Reader, &t.X509, parent, public, parentKey)
		must(err)
	}
	cert, err := x509.ParseCertificate(der)
	must(err)
	return cert
}

// keyIdentifier is method (1) of RFC 5280 section 4.2.1.2.
func keyIdentifier(public crypto.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(public)
	must(err)
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	_, err = asn1.Unmarshal(der, &spki)
	must(err)
	sum := sha1.Sum(spki.Key.RightAlign())
	return sum[:]
}

func publicKey(private crypto.PrivateKey) crypto.PublicKey {
	if k, ok := private.(*ecdh.PrivateKey); ok {
		return k.PublicKey()
	}
	return private.(crypto.Signer).Public()
}

func certificatePEM(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("smimetest: %v", err))
	}
}
