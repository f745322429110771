package cms

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// openssl runs the openssl program in a folder of the test's own.
type openssl struct {
	path, dir string
}

func needOpenSSL(t *testing.T) openssl {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("SEALIST_REQUIRE_PEERS") == "1" {
			t.Fatal("the openssl program is required and not installed")
		}
		t.Skip("the openssl program is not installed")
	}
	return openssl{path, t.TempDir()}
}

func (o openssl) file(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(o.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// identity writes certificate and key of an identity and returns the paths.
func (o openssl) identity(t *testing.T, name string) (cert, key string) {
	t.Helper()
	id := who(t, name)
	name = strings.ReplaceAll(name, "/", "-")
	return o.file(t, name+".crt", id.certPEM()), o.file(t, name+".key", id.keyPEM(t))
}

func (o openssl) run(args ...string) ([]byte, error) {
	cmd := exec.Command(o.path, args...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("openssl %s: %w\n%s", strings.Join(args, " "), err, complaint.String())
	}
	return out.Bytes(), nil
}

// TestOpenSSLDecryptsOurs: openssl opens what is sealed here, with the recipients it can have.
func TestOpenSSLDecryptsOurs(t *testing.T) {
	o := needOpenSSL(t)
	for _, c := range allCiphers {
		for _, r := range allRecipients {
			if r.who == "x25519" {
				continue // openssl 3.0 and 3.5 have no X25519 in cms
			}
			for _, size := range []int{1, 5000, 5001, 5002} {
				content := bytes.Repeat([]byte("From openssl\r\n"), size/14+1)[:size]
				s, err := NewSealer(content, c)
				if err != nil {
					t.Fatal(err)
				}
				head, tail, err := s.Seal(nil, []*Recipient{who(t, r.who).recipient(t, r.o)})
				if err != nil {
					t.Fatal(err)
				}
				cert, key := o.identity(t, r.who)
				in := o.file(t, "sealed.der", unarmoured(t, head, tail))
				got, err := o.run("cms", "-decrypt", "-binary", "-inform", "DER", "-in", in, "-recip", cert, "-inkey", key)
				if err != nil || !bytes.Equal(got, content) {
					t.Errorf("%s to %s %+v, %d octets: %v", c, r.who, r.o, size, err)
				}
			}
		}
	}
}

func TestOpenSSLDecryptsOursForSeveral(t *testing.T) {
	o := needOpenSSL(t)
	names := []string{"rsa2048", "rsa2048/b", "p256", "x25519"}
	var rcpts []*Recipient
	for _, name := range names {
		rcpts = append(rcpts, who(t, name).recipient(t, RecipientOptions{}))
	}
	s, _ := NewSealer([]byte("for several"), AES256CBC)
	der, err := s.DER(rcpts)
	if err != nil {
		t.Fatal(err)
	}
	in := o.file(t, "sealed.der", der)
	for _, name := range names[:3] {
		cert, key := o.identity(t, name)
		if got, err := o.run("cms", "-decrypt", "-inform", "DER", "-in", in, "-recip", cert, "-inkey", key); err != nil || string(got) != "for several" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestDecryptOpenSSL: what openssl encrypts is opened here.
func TestDecryptOpenSSL(t *testing.T) {
	o := needOpenSSL(t)
	oaep := func(md, mgf string) []string {
		return []string{"-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:" + md, "-keyopt", "rsa_mgf1_md:" + mgf}
	}
	kdf := func(md, scheme string) []string {
		return []string{"-keyopt", "ecdh_kdf_md:" + md, "-keyopt", "ecdh_cofactor_mode:" + scheme}
	}
	recipients := []struct {
		who  string
		args []string
		name string
	}{
		{"rsa2048", nil, "rsa-pkcs1"},
		{"rsa3072", nil, "rsa-pkcs1"},
		{"rsa2048", []string{"-keyid"}, "rsa-pkcs1"},
		{"rsa2048", oaep("sha1", "sha1"), "rsa-oaep"},
		{"rsa2048", oaep("sha256", "sha256"), "rsa-oaep"},
		{"rsa2048", oaep("sha256", "sha1"), "rsa-oaep"},
		{"rsa2048", oaep("sha1", "sha256"), "rsa-oaep"},
		{"rsa2048", oaep("sha384", "sha512"), "rsa-oaep"},
		{"rsa2048", append(oaep("sha224", "sha224"), "-keyopt", "rsa_oaep_label:6c6162656c"), "rsa-oaep"},
		{"p256", nil, "ecdh-sha1kdf-aes256wrap"},
		{"p256", []string{"-keyid"}, "ecdh-sha1kdf-aes256wrap"},
		{"p256", kdf("sha224", "0"), "ecdh-sha224kdf-aes256wrap"},
		{"p256", kdf("sha256", "0"), "ecdh-sha256kdf-aes256wrap"},
		{"p256", append(kdf("sha256", "0"), "-aes128-wrap"), "ecdh-sha256kdf-aes128wrap"},
		{"p256", append(kdf("sha256", "0"), "-aes192-wrap"), "ecdh-sha256kdf-aes192wrap"},
		{"p384", kdf("sha384", "1"), "ecdh-cofactor-sha384kdf-aes256wrap"},
		{"p521", kdf("sha512", "0"), "ecdh-sha512kdf-aes256wrap"},
	}
	for _, r := range recipients {
		for _, cipher := range []string{"aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "aes-128-gcm", "aes-192-gcm", "aes-256-gcm", "des3"} {
			for _, stream := range []string{"-nosmimecap", "-stream"} { // the first means nothing here
				content := bytes.Repeat([]byte("To Sealist\r\n"), 1000)
				cert, _ := o.identity(t, r.who)
				args := []string{"cms", "-encrypt", "-binary", "-outform", "DER", "-in", o.file(t, "plain", content), "-" + cipher, stream, "-recip", cert}
				der, err := o.run(append(args, r.args...)...)
				if err != nil {
					t.Fatal(err)
				}
				c, err := Read(der, nil)
				if err != nil {
					t.Errorf("%s %v %s %s: %v", r.who, r.args, cipher, stream, err)
					continue
				}
				m := c.(interface {
					Decrypt([]Key, *Budget, DecryptPolicy) ([]byte, error)
					Recipients() []RecipientInfo
				})
				for _, key := range []Key{who(t, r.who).recipientKey(), {Private: who(t, r.who).key}} {
					got, err := m.Decrypt([]Key{key}, nil, DecryptPolicy{Allow3DES: true})
					if err != nil || !bytes.Equal(got, content) {
						t.Errorf("%s %v %s %s: %v", r.who, r.args, cipher, stream, err)
					}
				}
				info := m.Recipients()
				want := r.name
				if r.args == nil && r.who == "p256" || len(r.args) == 1 {
					want = info[0].KeyEncryption // openssl chooses the wrap by the cipher
				}
				if len(r.args) == 4 && r.name != "rsa-oaep" {
					want = strings.TrimSuffix(want, "-aes256wrap")
				}
				if len(info) != 1 || !strings.HasPrefix(info[0].KeyEncryption, want) || !info[0].ID.Matches(who(t, r.who).cert) {
					t.Errorf("%s %v: recipients %v, want %s", r.who, r.args, info, want)
				}
			}
		}
	}
}

// TestDecryptOpenSSLMixed: recipients of kinds that are not ours stand beside us.
func TestDecryptOpenSSLMixed(t *testing.T) {
	o := needOpenSSL(t)
	rsaCert, _ := o.identity(t, "rsa2048")
	ecCert, _ := o.identity(t, "p256")
	der, err := o.run("cms", "-encrypt", "-outform", "DER", "-in", o.file(t, "plain", []byte("mixed")), "-aes256",
		"-secretkey", "000102030405060708090a0b0c0d0e0f", "-secretkeyid", "c0ffee", "-pwri_password", "secret",
		"-recip", ecCert, "-recip", rsaCert)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"rsa2048", "p256"} {
		if got := opened(t, der, who(t, name).recipientKey()); string(got) != "mixed" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if n := len(read[*EnvelopedData](t, der).Recipients()); n != 2 {
		t.Errorf("%d recipients, 2 of a known kind", n)
	}
}

// TestVerifyOpenSSL: signatures that openssl makes, in all forms it has.
func TestVerifyOpenSSL(t *testing.T) {
	o := needOpenSSL(t)
	signers := []struct {
		who, md   string
		args      []string
		signature string
	}{
		{"rsa2048", "sha256", nil, "rsa-pkcs1"},
		{"rsa2048", "sha384", nil, "rsa-pkcs1"},
		{"rsa2048", "sha512", nil, "rsa-pkcs1"},
		{"rsa3072", "sha256", []string{"-keyid"}, "rsa-pkcs1"},
		{"rsa2048", "sha256", []string{"-cades"}, "rsa-pkcs1"},
		{"rsa2048", "sha256", []string{"-keyopt", "rsa_padding_mode:pss"}, "rsa-pss"},
		{"rsa2048", "sha384", []string{"-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:17"}, "rsa-pss"},
		{"rsa2048", "sha512", []string{"-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:0"}, "rsa-pss"},
		{"p256", "sha256", nil, "ecdsa"},
		{"p256", "sha512", nil, "ecdsa"},
		{"p384", "sha384", []string{"-keyid"}, "ecdsa"},
		{"p521", "sha512", []string{"-cades"}, "ecdsa"},
	}
	content := bytes.Repeat([]byte("Signed by openssl\r\n"), 1000)
	plain := o.file(t, "plain", content)
	for _, s := range signers {
		for _, form := range []string{"-nodetach", "-nodetach -stream", "-binary", "-nodetach -noattr", "-nodetach -nocerts", "-nodetach -nosmimecap"} {
			switch {
			case strings.Contains(form, "-noattr") && slices.Contains(s.args, "-cades"):
				continue // contradictory
			case strings.Contains(form, "-stream") && slices.Contains(s.args, "-keyopt"):
				continue // openssl 3.0 fails to write it
			}
			cert, key := o.identity(t, s.who)
			args := []string{"cms", "-sign", "-binary", "-outform", "DER", "-in", plain, "-signer", cert, "-inkey", key, "-md", s.md}
			args = append(append(args, s.args...), strings.Fields(form)...)
			der, err := o.run(args...)
			if err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprintf("%s %s %v %s", s.who, s.md, s.args, form)
			sd := read[*SignedData](t, der)
			opaque := strings.Contains(form, "-nodetach")
			if sd.Detached == opaque || opaque && !bytes.Equal(sd.Content, content) {
				t.Errorf("%s: detached %v", name, sd.Detached)
			}
			given := content
			if opaque {
				given = nil
			}
			infos := sd.Verify(given, nil, VerifyPolicy{}, nil)
			if len(infos) != 1 {
				t.Fatalf("%s: %d results", name, len(infos))
			}
			if strings.Contains(form, "-nocerts") {
				wantErr(t, name, infos[0].Err, ErrNoCertificate)
				infos = sd.Verify(given, who(t, s.who).certs(), VerifyPolicy{}, nil)
			}
			info := infos[0]
			attrs := !strings.Contains(form, "-noattr")
			switch {
			case info.Err != nil:
				t.Errorf("%s: %v", name, info.Err)
			case !info.Certificate.Equal(who(t, s.who).cert), info.Digest != s.md, info.Signature != s.signature:
				t.Errorf("%s: %s %s", name, info.Digest, info.Signature)
			case attrs != (info.SignedAttributes != nil), attrs != (time.Since(info.SigningTime) < time.Hour):
				t.Errorf("%s: attributes %d, at %v", name, len(info.SignedAttributes), info.SigningTime)
			case (attrs && !strings.Contains(form, "-nosmimecap")) != (info.Capabilities != nil):
				t.Errorf("%s: capabilities %x", name, info.Capabilities)
			}
			if info.Capabilities != nil {
				if c, err := ParseCapabilities(info.Capabilities); err != nil || !c.Supports(AES256CBC) || c.OAEP {
					t.Errorf("%s: capabilities %v %v", name, c, err)
				}
			}
		}
	}
}

// TestOpenSSLVerifiesOurs: openssl verifies what is signed here.
func TestOpenSSLVerifiesOurs(t *testing.T) {
	o := needOpenSSL(t)
	content := []byte("Signed by Sealist\r\n")
	plain := o.file(t, "plain", content)
	ca := who(t, "p256") // issues the CA
	_ = ca
	root := o.file(t, "ca.pem", identity{cert: pool.ca}.certPEM())
	for _, name := range []string{"rsa2048", "rsa3072", "p256", "p384", "p521"} {
		for _, change := range []func(*SignOptions){
			func(*SignOptions) {},
			func(s *SignOptions) { s.Detached = true },
			func(s *SignOptions) { s.PSS = true },
			func(s *SignOptions) {
				s.Capabilities, s.SigningCertificate, s.SigningTime = true, true, time.Now()
				s.EncryptionCertificate = who(t, "rsa2048/encryption").cert
			},
		} {
			id := who(t, name)
			options := SignOptions{Certificate: id.cert, Signer: id.signer()}
			change(&options)
			der, err := Sign(content, options)
			if err != nil {
				t.Fatal(err)
			}
			args := []string{"cms", "-verify", "-binary", "-inform", "DER", "-in", o.file(t, "signed.der", der), "-CAfile", root, "-purpose", "smimesign"}
			if options.SigningCertificate {
				args = append(args, "-cades")
			}
			if options.Detached {
				args = append(args, "-content", plain)
			}
			got, err := o.run(args...)
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s %+v: %v", name, options, err)
			}
		}
	}
}
