package keyring_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime/smimetest"
)

const address = "news@lists.example.org"

func encode(t *testing.T, e *pkcs12.Encoder, private crypto.PrivateKey, leaf *x509.Certificate, chain []*x509.Certificate, password string) []byte {
	t.Helper()
	out, err := e.Encode(private, leaf, chain, password)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// twoKeys doubles the key bag of a file without password.
func twoKeys(t *testing.T, file []byte) []byte {
	t.Helper()
	type contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"tag:0,explicit,optional"`
	}
	type pfx struct {
		Version int
		Safe    contentInfo
	}
	unmarshal := func(der []byte, into any) {
		t.Helper()
		if _, err := asn1.Unmarshal(der, into); err != nil {
			t.Fatal(err)
		}
	}
	marshal := func(from any) []byte {
		t.Helper()
		der, err := asn1.Marshal(from)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	octets := func(content []byte) asn1.RawValue { // [0] EXPLICIT OCTET STRING
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: marshal(content)}
	}
	var p pfx
	unmarshal(file, &p)
	var inner []byte
	unmarshal(p.Safe.Content.Bytes, &inner)
	var safes []contentInfo
	unmarshal(inner, &safes)
	doubled := 0
	for i := range safes {
		var content []byte
		unmarshal(safes[i].Content.Bytes, &content)
		var bags []asn1.RawValue
		unmarshal(content, &bags)
		var all []asn1.RawValue
		for _, bag := range bags {
			all = append(all, bag)
			var id asn1.ObjectIdentifier
			unmarshal(bag.Bytes, &id)
			if id.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1}) || id.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}) {
				all, doubled = append(all, bag), doubled+1
			}
		}
		safes[i].Content = octets(marshal(all))
	}
	if doubled != 1 {
		t.Fatalf("doubled %d key bags", doubled)
	}
	p.Safe.Content = octets(marshal(safes))
	return marshal(p)
}

func TestParsePKCS12(t *testing.T) {
	ca := smimetest.NewCA("Root").Sub("Issuing")
	id, other := ca.Issue(address), ca.Issue("other@lists.example.org", smimetest.FreshKey)
	ec := ca.Issue(address, smimetest.ECP256)
	chain := id.Chain
	trustStore, err := pkcs12.Modern.EncodeTrustStore([]*x509.Certificate{id.Certificate}, "pw")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		file     []byte
		password string
		want     error
		leaf     *x509.Certificate
		chain    int
	}{
		{"AES and SHA-256", encode(t, pkcs12.Modern2026, id.Private, id.Certificate, chain, "pw"), "pw", nil, id.Certificate, 1},
		{"AES, as OpenSSL 3", id.PKCS12("pw"), "pw", nil, id.Certificate, 2},
		{"3DES", id.PKCS12Legacy("pw"), "pw", nil, id.Certificate, 2},
		{"3DES and RC2-40, as OpenSSL 1 and old Windows", encode(t, pkcs12.LegacyRC2, id.Private, id.Certificate, chain, "pw"), "pw", nil, id.Certificate, 1},
		{"EC", ec.PKCS12("pw"), "pw", nil, ec.Certificate, 2},
		{"password beyond ASCII", id.PKCS12("Paßwort ü"), "Paßwort ü", nil, id.Certificate, 2},
		{"empty password", id.PKCS12(""), "", nil, id.Certificate, 2},
		{"no password at all", encode(t, pkcs12.Passwordless, id.Private, id.Certificate, chain, ""), "", nil, id.Certificate, 1},
		{"the leaf stands last", encode(t, pkcs12.Modern, id.Private, chain[0], []*x509.Certificate{other.Certificate, id.Certificate}, "pw"), "pw", nil, id.Certificate, 2},
		{"PEM", append([]byte("Bag Attributes\n"), id.CertificatePEM()...), "pw", keyring.ErrPEM, nil, 0},
		{"wrong password", id.PKCS12("pw"), "PW", keyring.ErrBundlePassword, nil, 0},
		{"wrong password, 3DES", id.PKCS12Legacy("pw"), "", keyring.ErrBundlePassword, nil, 0},
		{"another's certificate", encode(t, pkcs12.Modern, id.Private, other.Certificate, nil, "pw"), "pw", keyring.ErrMismatch, nil, 0},
		{"certificate only", trustStore, "pw", keyring.ErrNoKey, nil, 0},
		{"two keys", twoKeys(t, encode(t, pkcs12.Passwordless, id.Private, id.Certificate, nil, "")), "", keyring.ErrTwoKeys, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := keyring.ParsePKCS12(c.file, c.password)
			if !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if c.want != nil {
				return
			}
			if err != nil || !b.Certificate.Equal(c.leaf) || len(b.Chain) != c.chain {
				t.Fatalf("%v: leaf %v, %d others", err, b.Certificate.Subject, len(b.Chain))
			}
			if err := b.Check(list.MustParseAddress(address), time.Now(), 0); err != nil {
				t.Error(err)
			}
		})
	}
	for _, junk := range [][]byte{nil, []byte("junk"), id.Certificate.Raw, bytes.Repeat([]byte{0x30, 0x80}, 1000), id.PKCS12("pw")[:500]} {
		if b, err := keyring.ParsePKCS12(junk, "pw"); err == nil {
			t.Errorf("%d octets of junk became %v", len(junk), b)
		}
	}
}

func TestCheck(t *testing.T) {
	ca := smimetest.NewCA("Root")
	now := time.Now()
	hour := func(n int) time.Time { return now.Add(time.Duration(n) * time.Hour) }
	issue := func(opts ...smimetest.Option) keyring.Bundle {
		id := ca.Issue(address, opts...)
		return keyring.Bundle{Certificate: id.Certificate, Private: id.Private}
	}
	mismatch := issue()
	mismatch.Private = ca.Issue(address, smimetest.FreshKey).Private
	for _, c := range []struct {
		name   string
		bundle keyring.Bundle
		want   error
		word   string
	}{
		{"RSA", issue(), nil, ""},
		{"RSA that only encrypts", issue(smimetest.EncryptOnly), nil, ""},
		{"EC P-256", issue(smimetest.ECP256), nil, ""},
		{"EC P-521", issue(smimetest.ECP521), nil, ""},
		{"no key usage at all", issue(smimetest.KeyUsage()), nil, ""},
		{"one address of several", issue(smimetest.Addresses("News-Team@lists.example.org", "NEWS@lists.example.org")), nil, ""},
		{"the address in the subject only", issue(smimetest.NoSAN, smimetest.DNEmail(address)), nil, ""},
		{"no address at all", issue(smimetest.NoSAN), nil, ""},
		{"another address", issue(smimetest.Addresses("other@lists.example.org")), keyring.ErrAddress, "other@lists.example.org"},
		{"signs only", issue(smimetest.SignOnly), nil, ""},
		{"EC that signs only", issue(smimetest.ECP256, smimetest.KeyUsage(x509.KeyUsageDigitalSignature)), nil, ""},
		{"signs certificates only", issue(smimetest.KeyUsage(x509.KeyUsageCertSign)), keyring.ErrUnusable, "wrong_usage"},
		{"for TLS servers", issue(smimetest.ExtKeyUsage(x509.ExtKeyUsageServerAuth)), keyring.ErrUnusable, "wrong_usage"},
		{"expired", issue(smimetest.Validity(hour(-48), hour(-24))), keyring.ErrUnusable, "expired"},
		{"not yet valid", issue(smimetest.Validity(hour(24), hour(48))), keyring.ErrUnusable, "not_yet_valid"},
		{"RSA 1024", issue(smimetest.RSA(1024)), keyring.ErrUnusable, "weak_algorithm"},
		{"Ed25519", issue(smimetest.Ed25519), keyring.ErrKeyType, ""},
		{"another's key", mismatch, keyring.ErrMismatch, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.bundle.Check(list.MustParseAddress(address), now, 0)
			if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.word) {
				t.Errorf("%v, want %v with %q in it", err, c.want, c.word)
			}
		})
	}
}

// What the program openssl writes, in its forms of today and of yesterday.
func TestOpenSSLPKCS12(t *testing.T) {
	openssl := peer.NewOpenSSL(t)
	id := smimetest.NewCA("Root").Sub("Issuing").Issue(address)
	credential := peer.Credential{Certificate: id.Certificate.Raw, Key: id.KeyPEM(), Chain: chainDER(id)}
	for name, arguments := range map[string][]string{
		"default":        nil,
		"legacy":         {"-legacy"},
		"SHA-512 MAC":    {"-macalg", "sha512"},
		"no MAC":         {"-nomac"},
		"AES-128":        {"-keypbe", "AES-128-CBC", "-certpbe", "AES-128-CBC"},
		"3DES both":      {"-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"},
		"RC2-128":        {"-legacy", "-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-RC2-128"},
		"open certs":     {"-certpbe", "NONE"},
		"1 iteration":    {"-iter", "1"},
		"friendly names": {"-name", "Liste für alle", "-caname", "CA"},
	} {
		t.Run(name, func(t *testing.T) {
			file := openssl.PKCS12(credential, "pw", arguments...)
			b, err := keyring.ParsePKCS12(file, "pw")
			if name == "no MAC" { // nothing shows that it is whole
				if err == nil {
					t.Error("a file without MAC was taken")
				}
				return
			}
			if err != nil || !b.Certificate.Equal(id.Certificate) || len(b.Chain) != 1 {
				t.Errorf("%v, %d others", err, len(b.Chain))
			}
		})
	}
}

func TestOpenSSLIncompletePKCS12(t *testing.T) {
	openssl := peer.NewOpenSSL(t)
	id := smimetest.NewCA("Root").Issue(address)
	credential := peer.Credential{Certificate: id.Certificate.Raw, Key: id.KeyPEM()}
	for argument, want := range map[string]error{"-nokeys": keyring.ErrNoKey, "-nocerts": keyring.ErrNoCertificate} {
		if _, err := keyring.ParsePKCS12(openssl.PKCS12(credential, "pw", argument), "pw"); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", argument, err, want)
		}
	}
}

// Files of other programs: each becomes a pair, or is refused by name.
func TestCorpora(t *testing.T) {
	dir := os.Getenv("SEALIST_CORPORA")
	if dir == "" {
		t.Skip("SEALIST_CORPORA names no folder of files written by others")
	}
	passwords := []string{"", "password", "cryptography", "nss", "no.secret", "nss123", "changeit", "secret", "testpw", "\x61\xCC\x8A"}
	taken, refused := 0, map[string]int{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".p12") && !strings.HasSuffix(path, ".pfx") {
			return err
		}
		octets, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var last error
		for _, password := range passwords {
			b, err := keyring.ParsePKCS12(octets, password)
			if err == nil {
				if _, ok := b.Private.(crypto.Signer); !ok || b.Certificate == nil {
					t.Errorf("%s: %T with certificate %v", path, b.Private, b.Certificate != nil)
				}
				taken++
				return nil
			}
			if last == nil || !errors.Is(err, keyring.ErrBundlePassword) {
				last = err
			}
		}
		if word := keyring.Reason(last); word != "" {
			refused[word]++
			return nil
		}
		t.Errorf("%s: refused without a name: %v", path, last)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d taken, refused: %v", taken, refused)
	if taken < 20 {
		t.Errorf("only %d files were taken", taken)
	}
}

func chainDER(id *smimetest.Identity) (chain [][]byte) {
	for _, c := range id.Chain {
		chain = append(chain, c.Raw)
	}
	return chain
}
