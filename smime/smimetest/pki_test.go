package smimetest_test

import (
	"crypto/rsa"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealist/sealist/smime/smimetest"
)

func TestIssuedCertificatesVerify(t *testing.T) {
	root := smimetest.NewCA("Root")
	sub := root.Sub("Sub")
	ecRoot := smimetest.NewCA("EC Root", smimetest.ECP384)
	for name, tc := range map[string]struct {
		ca  *smimetest.CA
		opt smimetest.Option
	}{
		"rsa":        {root, smimetest.RSA(2048)},
		"below sub":  {sub, smimetest.RSA(3072)},
		"p256":       {sub, smimetest.ECP256},
		"p384":       {ecRoot, smimetest.ECP384},
		"p521":       {ecRoot, smimetest.ECP521},
		"ed25519":    {ecRoot, smimetest.Ed25519},
		"x25519":     {root, smimetest.X25519},
		"no address": {root, smimetest.NoSAN},
	} {
		t.Run(name, func(t *testing.T) {
			id := tc.ca.Issue("alice@example.org", tc.opt)
			roots, inter := x509.NewCertPool(), x509.NewCertPool()
			roots.AddCert(tc.ca.Root.Certificate)
			for _, c := range id.Chain {
				inter.AddCert(c)
			}
			_, err := id.Certificate.Verify(x509.VerifyOptions{Roots: roots, Intermediates: inter,
				KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}})
			if err != nil {
				t.Fatal(err)
			}
			if len(id.Certificate.SubjectKeyId) == 0 || len(id.Certificate.AuthorityKeyId) == 0 || id.Certificate.SerialNumber.Sign() <= 0 {
				t.Error("key identifiers or serial missing")
			}
			if len(id.PKCS12("secret")) == 0 || len(id.KeyPEM()) == 0 {
				t.Error("not exportable")
			}
		})
	}
}

// OpenSSL is the judge of what the others would take: it asks for key identifiers, basic constraints and the smimesign purpose.
func TestOpenSSLAccepts(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("SEALIST_REQUIRE_PEERS") == "1" {
			t.Fatal("openssl is required")
		}
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	write := func(name string, octets []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, octets, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	root := smimetest.NewCA("Root")
	sub := root.Sub("Sub")
	for name, opt := range map[string]smimetest.Option{"rsa": smimetest.RSA(2048), "ec": smimetest.ECP256, "ed": smimetest.Ed25519} {
		id := sub.Issue(name+"@example.org", opt)
		for _, purpose := range []string{"smimesign", "sslclient"} {
			out, err := exec.Command(openssl, "verify", "-x509_strict", "-purpose", purpose, "-CAfile", write("ca.pem", root.PEM()),
				"-untrusted", write("sub.pem", sub.PEM()), write(name+".pem", id.CertificatePEM())).CombinedOutput()
			if err != nil {
				t.Errorf("%s for %s: %v\n%s", name, purpose, err, out)
			}
		}
		out, err := exec.Command(openssl, "pkcs12", "-in", write("x.p12", id.PKCS12("secret")), "-passin", "pass:secret", "-nokeys").CombinedOutput()
		if err != nil {
			t.Errorf("%s: pkcs12: %v\n%s", name, err, out)
		}
	}
	crl := sub.CRL(time.Now(), time.Time{}, sub.Issue("gone@example.org").Certificate)
	out, err := exec.Command(openssl, "crl", "-inform", "DER", "-noout", "-CAfile", write("sub.pem", sub.PEM()), "-in", write("c.crl", crl)).CombinedOutput()
	if err != nil {
		t.Errorf("crl: %v\n%s", err, out)
	}
}

// Two people must not be able to read each other's mail just because the pool gave them one key.
func TestFirstKeysAreDistinct(t *testing.T) {
	ca := smimetest.NewCA("Root", smimetest.ECP256)
	a, b := ca.Issue("a@example.org", smimetest.FreshKey), ca.Issue("b@example.org")
	if a.Private.(*rsa.PrivateKey).Equal(b.Private) {
		t.Error("fresh key is from the pool")
	}
}
