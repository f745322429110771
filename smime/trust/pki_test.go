package trust_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

var now = time.Now()

func anchored(cas ...*smimetest.CA) *trust.Policy {
	return trust.NewPolicy(trust.PolicyOptions{Anchors: certificates(cas...)})
}

func certificates(cas ...*smimetest.CA) []*x509.Certificate {
	var certs []*x509.Certificate
	for _, ca := range cas {
		certs = append(certs, ca.Certificate)
	}
	return certs
}

// issue makes what smimetest does not: a leaf for any public key, changed in any way.
func issue(t *testing.T, ca *smimetest.CA, public any, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Alice"}, EmailAddresses: []string{"alice@corp.example"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), AuthorityKeyId: ca.Certificate.SubjectKeyId,
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Certificate, public, ca.Key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// rsaWith makes an RSA public key of that size and exponent. Nobody has the private key, so the modulus need not be the
// product of two primes.
func rsaWith(t *testing.T, bits, exponent int) *rsa.PublicKey {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(bits-1)))
	if err != nil {
		t.Fatal(err)
	}
	n.SetBit(n, bits-1, 1)
	n.SetBit(n, 0, 1)
	return &rsa.PublicKey{N: n, E: exponent}
}

// smtpUTF8 is a subjectAltName with the given SmtpUTF8Mailboxes (RFC 9598).
func smtpUTF8(t *testing.T, critical bool, mailboxes ...string) pkix.Extension {
	t.Helper()
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, mailbox := range mailboxes {
			b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 9})
				b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(mailbox)) })
				})
			})
		}
	})
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: critical, Value: b.BytesOrPanic()}
}

// withPSSKey changes the identifier of a certificate's key from rsaEncryption to id-RSASSA-PSS and signs again.
func withPSSKey(t *testing.T, ca *smimetest.CA, cert *x509.Certificate) *x509.Certificate {
	t.Helper()
	var parts struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	plain := []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01}
	pss := append(bytes.Clone(plain[:8]), 0x0a)
	if _, err := asn1.Unmarshal(cert.Raw, &parts); err != nil || bytes.Count(cert.Raw, plain) != 1 {
		t.Fatal("not the certificate this can change", err)
	}
	parts.TBS.FullBytes = bytes.Replace(parts.TBS.FullBytes, plain, pss, 1)
	digest := sha256.Sum256(parts.TBS.FullBytes)
	signature, err := ca.Key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	parts.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	der, err := asn1.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	changed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}
