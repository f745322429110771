package keyring_test

import (
	"bytes"
	"crypto"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime/smimetest"
)

// Private keys in files of their own, as the program openssl writes them and as
// Sympa keeps them.
func TestParsePEM(t *testing.T) {
	openssl := peer.NewOpenSSL(t)
	ca := smimetest.NewCA("Root").Sub("Issuing")
	dir := t.TempDir()
	path := filepath.Join(dir, "key.pem")
	for kind, id := range map[string]*smimetest.Identity{"rsa": ca.Issue(address), "ec": ca.Issue(address, smimetest.ECP256)} {
		if err := os.WriteFile(path, id.KeyPEM(), 0o600); err != nil {
			t.Fatal(err)
		}
		chain := slices.Concat(id.CertificatePEM(), smimetest.SelfSigned("x@example.org").CertificatePEM())
		traditional := []string{"rsa", "-traditional"}
		if kind == "ec" {
			traditional = []string{"ec"} // it writes no other
		}
		for name, c := range map[string]struct {
			arguments []string
			password  string
			want      error
		}{
			"clear PKCS#8":                         {[]string{"pkcs8", "-topk8", "-nocrypt", "-in", path}, "", nil},
			"clear PKCS#8 in DER":                  {[]string{"pkcs8", "-topk8", "-nocrypt", "-outform", "DER", "-in", path}, "", nil},
			"clear, traditional":                   {append(traditional[:len(traditional):len(traditional)], "-in", path), "", nil},
			"clear, traditional, DER":              {append(traditional[:len(traditional):len(traditional)], "-outform", "DER", "-in", path), "", nil},
			"3DES, traditional (Sympa)":            {append(traditional[:len(traditional):len(traditional)], "-des3", "-passout", "pass:pw", "-in", path), "pw", nil},
			"AES-256, traditional":                 {append(traditional[:len(traditional):len(traditional)], "-aes256", "-passout", "pass:pw", "-in", path), "pw", nil},
			"3DES, traditional, wrong":             {append(traditional[:len(traditional):len(traditional)], "-des3", "-passout", "pass:pw", "-in", path), "PW", keyring.ErrBundlePassword},
			"PBES2, AES-256":                       {[]string{"pkcs8", "-topk8", "-passout", "pass:pw", "-in", path}, "pw", nil},
			"PBES2, AES-128, SHA-512":              {[]string{"pkcs8", "-topk8", "-v2", "aes128", "-v2prf", "hmacWithSHA512", "-passout", "pass:pw", "-in", path}, "pw", nil},
			"PBES2 in DER":                         {[]string{"pkcs8", "-topk8", "-outform", "DER", "-passout", "pass:pw", "-in", path}, "pw", nil},
			"PBES1, 3DES":                          {[]string{"pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES", "-passout", "pass:pw", "-in", path}, "pw", nil},
			"PBES2, password beyond ASCII":         {[]string{"pkcs8", "-topk8", "-passout", "pass:Paßwort", "-in", path}, "Paßwort", nil},
			"PBES2, wrong":                         {[]string{"pkcs8", "-topk8", "-passout", "pass:pw", "-in", path}, "", keyring.ErrBundlePassword},
			"PBES2, 3DES":                          {[]string{"pkcs8", "-topk8", "-v2", "des3", "-passout", "pass:pw", "-in", path}, "pw", keyring.ErrUnsupported},
			"scrypt":                               {[]string{"pkcs8", "-topk8", "-scrypt", "-passout", "pass:pw", "-in", path}, "pw", keyring.ErrUnsupported},
			"3,000,000 iterations, more than real": {[]string{"pkcs8", "-topk8", "-iter", "3000000", "-passout", "pass:pw", "-in", path}, "pw", keyring.ErrIterations},
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				key, err := openssl.Run(c.arguments...)
				if err != nil {
					t.Fatal(err)
				}
				b, err := keyring.Parse([][]byte{chain, key}, c.password)
				if !errors.Is(err, c.want) {
					t.Fatalf("%v, want %v", err, c.want)
				}
				if c.want != nil {
					if keyring.Reason(err) == "" {
						t.Errorf("no word for %v", err)
					}
					return
				}
				if !b.Certificate.Equal(id.Certificate) || len(b.Chain) != 1 || b.Check(list.MustParseAddress(address), time.Now(), 0) != nil {
					t.Errorf("%v, %d others", b.Certificate.Subject, len(b.Chain))
				}
				if one, err := keyring.Parse([][]byte{slices.Concat(key, []byte("\n"), chain)}, c.password); pemOnly(key) && (err != nil || !one.Certificate.Equal(id.Certificate)) {
					t.Errorf("all in one file: %v", err)
				}
			})
		}
	}
}

func pemOnly(octets []byte) bool { return bytes.Contains(octets, []byte("-----BEGIN ")) }

// Every way in which files are refused has a word of its own.
func TestReasons(t *testing.T) {
	openssl := peer.NewOpenSSL(t)
	ca := smimetest.NewCA("Root").Sub("Issuing")
	id, other := ca.Issue(address), ca.Issue("other@lists.example.org", smimetest.FreshKey)
	now := time.Now()
	credential := func(id *smimetest.Identity) peer.Credential {
		return peer.Credential{Certificate: id.Certificate.Raw, Key: id.KeyPEM(), Chain: chainDER(id)}
	}
	p12 := func(id *smimetest.Identity, arguments ...string) [][]byte {
		return [][]byte{openssl.PKCS12(credential(id), "pw", arguments...)}
	}
	many := encode(t, pkcs12.Modern.WithIterations(70_000), id.Private, id.Certificate, nil, "pw")
	absurd := func(n int) [][]byte { // the n-th iteration count of the file
		at := -1
		for range n {
			at += 1 + bytes.Index(many[at+1:], []byte{2, 3, 1, 0x11, 0x70})
		}
		file := bytes.Clone(many)
		copy(file[at:], []byte{2, 3, 0x7f, 0xff, 0xff})
		return [][]byte{file}
	}
	disguised := append(absurd(3)[0], 0x1f, 0x80, 0) // behind what the library reads stands what is no element at all
	binary.BigEndian.PutUint16(disguised[2:], binary.BigEndian.Uint16(disguised[2:])+3)
	if _, err := keyring.ParsePKCS12(disguised, "pw"); !errors.Is(err, keyring.ErrIterations) {
		t.Errorf("absurd iterations, disguised: %v", err)
	}
	for _, c := range []struct {
		name     string
		files    [][]byte
		password string
		want     string
	}{
		{"OpenSSL 1.1", p12(id, "-legacy", "-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-RC2-40", "-macalg", "sha1"), "pw", ""},
		{"OpenSSL 3", p12(id), "pw", ""},
		{"OpenSSL 3 -legacy", p12(id, "-legacy"), "pw", ""},
		{"SHA-512 MAC", p12(id, "-macalg", "sha512"), "pw", ""},
		{"empty password", [][]byte{openssl.PKCS12(credential(id), "")}, "", ""},
		{"600,000 iterations", p12(id, "-iter", "600000"), "pw", ""},
		{"wrong password", p12(id), "PW", "wrong_password"},
		{"two keys", [][]byte{twoKeys(t, encode(t, pkcs12.Passwordless, id.Private, id.Certificate, nil, ""))}, "", "two_keys"},
		{"two keys in PEM", [][]byte{id.CertificatePEM(), id.KeyPEM(), other.KeyPEM()}, "", "two_keys"},
		{"certificate only", p12(id, "-nokeys"), "pw", "no_key"},
		{"certificate only, in PEM", [][]byte{id.CertificatePEM()}, "", "no_key"},
		{"key only", [][]byte{openssl.PKCS12(peer.Credential{Certificate: id.Certificate.Raw, Key: id.KeyPEM()}, "pw", "-nocerts")}, "pw", "no_certificate"},
		{"key only, in PEM", [][]byte{id.KeyPEM()}, "", "no_certificate"},
		{"expired", p12(ca.Issue(address, smimetest.Validity(now.Add(-48*time.Hour), now.Add(-time.Hour)))), "pw", "expired"},
		{"not yet valid", p12(ca.Issue(address, smimetest.Validity(now.Add(48*time.Hour), now.Add(72*time.Hour)))), "pw", "not_yet_valid"},
		{"wrong address", p12(other), "pw", "address_mismatch"},
		{"wrong EKU", p12(ca.Issue(address, smimetest.ExtKeyUsage(1))), "pw", "wrong_usage"},
		{"weak", p12(ca.Issue(address, smimetest.RSA(1024))), "pw", "weak_algorithm"},
		{"Ed25519", p12(ca.Issue(address, smimetest.Ed25519)), "pw", "unsupported_algorithm"},
		{"another's certificate", [][]byte{other.CertificatePEM(), id.KeyPEM()}, "", "key_mismatch"},
		{"absurd iterations of the certificates", absurd(1), "pw", "iterations"},
		{"absurd iterations of the key", absurd(2), "pw", "iterations"},
		{"absurd iterations of the MAC", absurd(3), "pw", "iterations"},
		{"junk", [][]byte{[]byte("junk")}, "", "malformed"},
		{"cut off", [][]byte{p12(id)[0][:900]}, "pw", "malformed"},
		{"nothing", [][]byte{nil}, "", "malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			begun := time.Now()
			b, err := keyring.Parse(c.files, c.password)
			if err == nil {
				err = b.Check(list.MustParseAddress(address), now, 0)
			}
			if got := keyring.Reason(err); got != c.want || err != nil && got == "" {
				t.Errorf("%q (%v), want %q", got, err, c.want)
			}
			if took := time.Since(begun); c.want == "iterations" && took > time.Second {
				t.Errorf("it took %v to refuse", took)
			}
		})
	}
}

// PEM files of other programs, with a private key in them: each becomes a pair
// or is refused with a word.
func TestCorporaPEM(t *testing.T) {
	dir := os.Getenv("SEALIST_CORPORA")
	if dir == "" {
		t.Skip("SEALIST_CORPORA names no folder of files written by others")
	}
	outcomes := map[string]int{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".pem") {
			return err
		}
		octets, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(octets, []byte("PRIVATE KEY-----")) {
			return err
		}
		b, err := keyring.Parse([][]byte{octets}, "")
		if err == nil {
			if _, ok := b.Private.(crypto.Signer); !ok {
				t.Errorf("%s: %T", path, b.Private)
			}
			outcomes["taken"]++
			return nil
		}
		word := keyring.Reason(err)
		if word == "" {
			t.Errorf("%s: refused without a word: %v", path, err)
		}
		outcomes[word]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v", outcomes)
	if outcomes["taken"] < 8 {
		t.Errorf("only %d files were taken", outcomes["taken"])
	}
}

// FuzzParse: files of a stranger make no harm.
func FuzzParse(f *testing.F) {
	id := smimetest.NewCA("Root").Issue(address)
	f.Add(id.PKCS12("pw"), "pw")
	f.Add(append(id.CertificatePEM(), id.KeyPEM()...), "")
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{0x30, 0x80}}), "")
	f.Fuzz(func(t *testing.T, file []byte, password string) {
		b, err := keyring.Parse([][]byte{file}, password)
		if err == nil && b.Certificate == nil {
			t.Error("no certificate and no error")
		}
		if err != nil && keyring.Reason(err) == "" {
			t.Errorf("no word for %v", err)
		}
	})
}
