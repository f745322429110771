package peer_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/peer"
)

// authority is a CA for the tests of this package, which may not use Sealist's own.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{certificate, key}
}

func (a authority) issue(t *testing.T, address string, key crypto.Signer) peer.Credential {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	usage := x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement
	if _, ok := key.(*rsa.PrivateKey); ok {
		usage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: address}, EmailAddresses: []string{address},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: usage, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return peer.Credential{Certificate: der, Key: pkcs8, Chain: [][]byte{a.certificate.Raw}}
}

// tool is what the three S/MIME tools have in common.
type tool struct {
	name    string
	decrypt func(message []byte) ([]byte, error)
	verify  func(message []byte) ([]byte, error)
}

func TestToolsOpenAndVerify(t *testing.T) {
	ca := newAuthority(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	openssl, gpgsm, nss := peer.NewOpenSSL(t), peer.NewGPGSM(t, ca.certificate.Raw), peer.NewNSS(t, ca.certificate.Raw)
	content := []byte("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n Wörter \r\n.\r\n" + strings.Repeat("z", 900) + "\r\nFrom here\r\n\r\n")

	for name, key := range map[string]crypto.Signer{"rsa": rsaKey, "ec": ecKey} {
		c := ca.issue(t, name+"@example.org", key)
		tools := []tool{
			{"openssl", func(m []byte) ([]byte, error) { return openssl.Decrypt(m, c) },
				func(m []byte) ([]byte, error) { return openssl.Verify(m, [][]byte{ca.certificate.Raw}) }},
			{"nss", nss.Decrypt, nss.Verify},
		}
		if err := nss.Import(c); err != nil {
			t.Errorf("%s: nss: %v", name, err)
		}
		// gpgsm before 2.4 and NSS before 3.110 do not do EC: see the tools' own words.
		switch err := gpgsm.Import(c); {
		case err == nil:
			tools = append(tools, tool{"gpgsm", gpgsm.Decrypt, gpgsm.Verify})
		case !errors.Is(err, peer.ErrUnsupported) || name == "rsa":
			t.Errorf("%s: gpgsm: %v", name, err)
		}

		clear, opaque := openssl.Sign(content, c), openssl.Sign(content, c, "-nodetach")
		header := []byte("From: " + name + "@example.org\r\nSubject: x\r\n")
		sealed := append(header, openssl.Encrypt(clear, [][]byte{c.Certificate})...)
		if bytes.Contains(clear, []byte("\r\r")) || bytes.Count(sealed, []byte("\n")) != bytes.Count(sealed, []byte("\r\n")) {
			t.Error("the line ends are not CRLF")
		}
		for _, tool := range tools {
			for form, message := range map[string][]byte{"multipart": clear, "opaque": opaque} {
				if got, err := tool.verify(message); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%s, %s verifies %s: %q, %v", name, tool.name, form, got, err)
				}
			}
			if _, err := tool.verify(bytes.Replace(clear, []byte("From here"), []byte("From thEre"), 1)); err == nil {
				t.Errorf("%s, %s verifies altered content", name, tool.name)
			}
			if name == "ec" && tool.name == "nss" {
				continue // NSS 3.87 knows no ECDH in CMS
			}
			if got, err := tool.decrypt(sealed); err != nil || !bytes.Equal(got, clear) {
				t.Errorf("%s, %s decrypts: %d octets of %d, %v", name, tool.name, len(got), len(clear), err)
			}
		}
		stranger := ca.issue(t, "stranger@example.org", ecKey)
		if name == "rsa" {
			if _, err := openssl.Decrypt(sealed, stranger); err == nil {
				t.Error("openssl opens it with another's key")
			}
		}
	}
}

func TestOpenSSLRefusesAnUntrustedSigner(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca, other := newAuthority(t), newAuthority(t)
	openssl := peer.NewOpenSSL(t)
	signed := openssl.Sign([]byte("\r\nx\r\n"), ca.issue(t, "a@example.org", key))
	if _, err := openssl.Verify(signed, [][]byte{other.certificate.Raw}); err == nil {
		t.Error("verified against a CA that did not issue it")
	}
	if got := openssl.Print(signed); got == "" {
		t.Error("nothing printed")
	}
}
