package smime_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/peer"
	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// clients are the programs of other people that these tests exchange messages with.
type clients struct {
	ca      *smimetest.CA
	rsa, ec *smimetest.Identity
	openssl *peer.OpenSSL
	gpgsm   *peer.GPGSM
	nss     *peer.NSS
	policy  *trust.Policy
}

func credential(id *smimetest.Identity) peer.Credential {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(id.Private)
	if err != nil {
		panic(err)
	}
	c := peer.Credential{Certificate: id.Certificate.Raw, Key: pkcs8}
	for _, ca := range id.Chain {
		c.Chain = append(c.Chain, ca.Raw)
	}
	return c
}

func newClients(t *testing.T) *clients {
	ca := smimetest.NewCA("Interop CA")
	c := &clients{
		ca:      ca,
		rsa:     ca.Issue("rsa@corp.example"),
		ec:      ca.Issue("ec@corp.example", smimetest.ECP256),
		openssl: peer.NewOpenSSL(t),
		gpgsm:   peer.NewGPGSM(t, ca.Certificate.Raw),
		nss:     peer.NewNSS(t, ca.Certificate.Raw),
		policy:  trust.NewPolicy(trust.PolicyOptions{Anchors: []*x509.Certificate{ca.Certificate}}),
	}
	if err := c.gpgsm.Import(credential(c.rsa)); err != nil {
		t.Fatal(err)
	}
	if err := c.gpgsm.Import(credential(c.ec)); err != nil && !errors.Is(err, peer.ErrUnsupported) {
		t.Fatal(err)
	}
	for _, id := range []*smimetest.Identity{c.rsa, c.ec} {
		if err := c.nss.Import(credential(id)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// matrix is the table of client × case that goes into docs/interoperability.md.
type matrix struct {
	columns []string
	rows    []string
	cells   map[string]map[string]string
	missing []string
}

func (m *matrix) set(row, column string, err error, must bool) {
	if m.cells == nil {
		m.cells = map[string]map[string]string{}
	}
	if m.cells[row] == nil {
		m.cells[row] = map[string]string{}
		m.rows = append(m.rows, row)
	}
	cell := "ok"
	if err != nil {
		cell = "**no**"
		if must {
			line, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
			m.missing = append(m.missing, fmt.Sprintf("%s with %s: %s", row, column, line))
		}
	}
	m.cells[row][column] = cell
}

func (m *matrix) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| case | %s |\n|---|%s\n", strings.Join(m.columns, " | "), strings.Repeat("---|", len(m.columns)))
	for _, row := range m.rows {
		fmt.Fprintf(&b, "| %s |", row)
		for _, c := range m.columns {
			cell := m.cells[row][c]
			if cell == "" {
				cell = "·"
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// TestTheyReadOurs gives what Sign and Sealer make to OpenSSL, gpgsm and NSS. What an old version of a client cannot do is printed;
// what a list sends by default must work everywhere, and everything must work with OpenSSL but what its version does not know.
func TestTheyReadOurs(t *testing.T) {
	c := newClients(t)
	table := &matrix{columns: []string{"openssl", "gpgsm", "nss"}}
	text := smimetest.Text("Wörter, from us to them\r\n")
	p384 := c.ca.Issue("p384@corp.example", smimetest.ECP384)
	p521 := c.ca.Issue("p521@corp.example", smimetest.ECP521)
	ed := c.ca.Issue("ed@corp.example", smimetest.Ed25519)
	x := c.ca.Issue("x@corp.example", smimetest.X25519)

	oaep := cms.RecipientOptions{OAEP: true}
	for _, tc := range []struct {
		name   string
		cipher cms.Cipher
		o      cms.RecipientOptions
		in     *entity.Entity
		to     []*smimetest.Identity
		must   string // clients that must read it
	}{
		{"aes256-cbc rsa-pkcs1", cms.AES256CBC, cms.RecipientOptions{}, text, []*smimetest.Identity{c.rsa}, "openssl gpgsm nss"},
		{"aes128-cbc rsa-pkcs1", cms.AES128CBC, cms.RecipientOptions{}, text, []*smimetest.Identity{c.rsa}, "openssl gpgsm nss"},
		{"aes256-cbc rsa-pkcs1, signed inside", cms.AES256CBC, cms.RecipientOptions{}, c.rsa.Sign(text), []*smimetest.Identity{c.rsa}, "openssl gpgsm nss"},
		{"aes256-cbc rsa-pkcs1, two certificates", cms.AES256CBC, cms.RecipientOptions{}, text, []*smimetest.Identity{c.rsa, c.ca.Issue(c.rsa.Address, smimetest.FreshKey)}, "openssl gpgsm nss"},
		{"aes256-cbc rsa-oaep", cms.AES256CBC, oaep, text, []*smimetest.Identity{c.rsa}, "openssl"},
		{"aes256-cbc ecdh P-256", cms.AES256CBC, cms.RecipientOptions{}, text, []*smimetest.Identity{c.ec}, "openssl"},
		{"aes128-cbc ecdh P-256", cms.AES128CBC, cms.RecipientOptions{}, text, []*smimetest.Identity{c.ec}, "openssl"},
		{"aes256-cbc ecdh P-384", cms.AES256CBC, cms.RecipientOptions{}, text, []*smimetest.Identity{p384}, "openssl"},
		{"aes256-cbc ecdh P-521", cms.AES256CBC, cms.RecipientOptions{}, text, []*smimetest.Identity{p521}, "openssl"},
		{"aes256-cbc x25519", cms.AES256CBC, cms.RecipientOptions{}, text, []*smimetest.Identity{x}, ""},
		{"aes256-cbc mixed, RSA's view", cms.AES256CBC, cms.RecipientOptions{}, text, []*smimetest.Identity{c.rsa, c.ec}, "openssl gpgsm"},
		{"aes256-gcm rsa-pkcs1", cms.AES256GCM, cms.RecipientOptions{}, text, []*smimetest.Identity{c.rsa}, "openssl"},
		{"aes128-gcm rsa-oaep", cms.AES128GCM, oaep, text, []*smimetest.Identity{c.rsa}, "openssl"},
		{"aes256-gcm ecdh P-256", cms.AES256GCM, cms.RecipientOptions{}, text, []*smimetest.Identity{c.ec}, "openssl"},
	} {
		message := smimetest.Mail(c.rsa.Address, c.rsa.Address, "x", smimetest.EncryptWith(tc.cipher, tc.o, tc.in, tc.to...))
		want := tc.in.Octets()
		for client, decrypt := range map[string]func([]byte) ([]byte, error){
			"openssl": func(m []byte) ([]byte, error) { return c.openssl.Decrypt(m, credential(tc.to[0])) },
			"gpgsm":   c.gpgsm.Decrypt,
			"nss":     c.nss.Decrypt,
		} {
			if to := tc.to[0]; client != "openssl" && to != c.rsa && to != c.ec {
				continue // no key imported
			}
			got, err := decrypt(message)
			if err == nil && !bytes.Equal(got, want) {
				err = fmt.Errorf("other octets: %q", got)
			}
			table.set(tc.name, client, err, slices.Contains(strings.Fields(tc.must), client))
		}
	}

	for _, tc := range []struct {
		name string
		who  *smimetest.Identity
		opts []smimetest.SignOption
		must string
	}{
		{"rsa-pkcs1 sha256", c.rsa, nil, "openssl gpgsm nss"},
		{"rsa-pkcs1 sha256 opaque", c.rsa, []smimetest.SignOption{smimetest.OpaqueForm}, "openssl gpgsm nss"},
		{"rsa-pss sha256", c.rsa, []smimetest.SignOption{smimetest.PSS}, "openssl"},
		{"ecdsa P-256 sha256", c.ec, nil, "openssl gpgsm nss"},
		{"ecdsa P-256 opaque", c.ec, []smimetest.SignOption{smimetest.OpaqueForm}, "openssl gpgsm nss"},
		{"ecdsa P-384", p384, nil, "openssl gpgsm nss"},
		{"ecdsa P-521", p521, nil, "openssl"},
		{"ed25519", ed, nil, ""},
	} {
		message := smimetest.Mail(tc.who.Address, c.rsa.Address, "x", tc.who.Sign(text, tc.opts...))
		for client, verify := range map[string]func([]byte) ([]byte, error){
			"openssl": func(m []byte) ([]byte, error) { return c.openssl.Verify(m, [][]byte{c.ca.Certificate.Raw}) },
			"gpgsm":   c.gpgsm.Verify,
			"nss":     c.nss.Verify,
		} {
			got, err := verify(message)
			if err == nil && !bytes.Equal(got, text.Octets()) {
				err = fmt.Errorf("other octets: %q", got)
			}
			table.set("sign "+tc.name, client, err, slices.Contains(strings.Fields(tc.must), client))
		}
	}
	t.Logf("what Sealist makes, read by others:\n%s", table)
	for _, m := range table.missing {
		t.Error(m)
	}
}

// TestWeReadTheirs opens and verifies what OpenSSL, gpgsm and NSS make.
func TestWeReadTheirs(t *testing.T) {
	c := newClients(t)
	table := &matrix{columns: []string{"openssl", "gpgsm", "nss"}}
	text := smimetest.Text("Wörter, from them to us\r\n")
	rsaTo, ecTo := [][]byte{c.rsa.Certificate.Raw}, [][]byte{c.ec.Certificate.Raw}
	content := text.Octets()

	encrypted := map[string]func() []byte{}
	var order []string
	add := func(name string, make func() []byte) { order = append(order, name); encrypted[name] = make }
	for _, cipher := range []string{"aes-256-cbc", "aes-192-cbc", "aes-128-cbc", "aes-256-gcm", "aes-128-gcm", "des3"} {
		add("openssl/"+cipher+" rsa-pkcs1", func() []byte { return c.openssl.Encrypt(content, rsaTo, "-"+cipher) })
	}
	add("openssl/rsa-oaep sha1", func() []byte {
		return c.openssl.Encrypt(content, nil, "-recip", pemFile(t, rsaTo[0]), "-keyopt", "rsa_padding_mode:oaep")
	})
	add("openssl/rsa-oaep sha256", func() []byte {
		return c.openssl.Encrypt(content, nil, "-recip", pemFile(t, rsaTo[0]), "-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256")
	})
	add("openssl/subject key identifier", func() []byte { return c.openssl.Encrypt(content, rsaTo, "-keyid") })
	for _, md := range []string{"sha1", "sha256", "sha384", "sha512"} {
		add("openssl/ecdh P-256 "+md+"kdf", func() []byte {
			return c.openssl.Encrypt(content, nil, "-recip", pemFile(t, ecTo[0]), "-keyopt", "ecdh_kdf_md:"+md)
		})
	}
	add("openssl/ecdh P-256 aes256-gcm", func() []byte { return c.openssl.Encrypt(content, ecTo, "-aes-256-gcm") })
	add("openssl/mixed RSA and EC", func() []byte { return c.openssl.Encrypt(content, append(rsaTo[:1:1], ecTo...)) })
	add("openssl/streamed BER", func() []byte { return c.openssl.Encrypt(content, rsaTo, "-stream") })
	home := gpgsmHome(t, c)
	add("gpgsm/default cipher rsa-pkcs1", func() []byte { return asMessage(gpgsm(t, home, content, "--encrypt", "--recipient", c.rsa.Address)) })
	add("gpgsm/AES256 rsa-pkcs1", func() []byte {
		return asMessage(gpgsm(t, home, content, "--encrypt", "--cipher-algo", "AES256", "--recipient", c.rsa.Address))
	})
	db := nssDB(t, c)
	add("nss/default cipher rsa-pkcs1", func() []byte { return asMessage(cmsutil(t, db, content, "-E", "-r", "rsa@corp.example")) })
	for _, name := range order {
		client, label, _ := strings.Cut(name, "/")
		table.set("decrypt "+label, client, c.opens(encrypted[name](), content), true)
	}

	signed := []struct {
		name string
		from *smimetest.Identity
		make func() []byte
	}{
		{"openssl/multipart rsa-pkcs1 sha256", c.rsa, func() []byte { return c.openssl.Sign(content, credential(c.rsa)) }},
		{"openssl/opaque rsa-pkcs1 sha256", c.rsa, func() []byte { return c.openssl.Sign(content, credential(c.rsa), "-nodetach") }},
		{"openssl/opaque streamed BER", c.rsa, func() []byte { return c.openssl.Sign(content, credential(c.rsa), "-nodetach", "-stream") }},
		{"openssl/sha512", c.rsa, func() []byte { return c.openssl.Sign(content, credential(c.rsa), "-md", "sha512") }},
		{"openssl/rsa-pss", c.rsa, func() []byte { return c.openssl.Sign(content, credential(c.rsa), "-keyopt", "rsa_padding_mode:pss") }},
		{"openssl/no signed attributes", c.rsa, func() []byte { return c.openssl.Sign(content, credential(c.rsa), "-noattr") }},
		{"openssl/subject key identifier", c.rsa, func() []byte { return c.openssl.Sign(content, credential(c.rsa), "-keyid") }},
		{"openssl/ecdsa P-256", c.ec, func() []byte { return c.openssl.Sign(content, credential(c.ec)) }},
		{"openssl/ecdsa P-256 opaque", c.ec, func() []byte { return c.openssl.Sign(content, credential(c.ec), "-nodetach") }},
		{"gpgsm/multipart rsa-pkcs1", c.rsa, func() []byte {
			return multipartSigned(text, gpgsm(t, home, content, "--detach-sign", "--local-user", c.rsa.Address)).Octets()
		}},
		{"gpgsm/opaque rsa-pkcs1", c.rsa, func() []byte { return asMessage(gpgsm(t, home, content, "--sign", "--local-user", c.rsa.Address)) }},
		{"nss/multipart rsa-pkcs1", c.rsa, func() []byte {
			return multipartSigned(text, cmsutil(t, db, content, "-S", "-T", "-G", "-P", "-N", "rsa")).Octets()
		}},
		{"nss/opaque rsa-pkcs1", c.rsa, func() []byte { return asMessage(cmsutil(t, db, content, "-S", "-G", "-N", "rsa")) }},
		{"nss/opaque ecdsa P-256", c.ec, func() []byte { return asMessage(cmsutil(t, db, content, "-S", "-G", "-N", "ec")) }},
	}
	for _, s := range signed {
		client, label, _ := strings.Cut(s.name, "/")
		table.set("verify "+label, client, c.authenticates(s.make(), s.from.Address, content), true)
	}
	t.Logf("what others make, read by Sealist:\n%s", table)
	for _, m := range table.missing {
		t.Error(m)
	}
}

// opens decrypts with the keys of both people and compares octets.
func (c *clients) opens(message, want []byte) error {
	e, err := entity.Parse(message, entity.DefaultLimits())
	if err != nil {
		return err
	}
	m := smime.Open(e, smime.Options{Keys: []cms.Key{c.rsa.DecryptKey(), c.ec.DecryptKey()}, Decrypt: cms.DecryptPolicy{Allow3DES: true}})
	if m.Err == nil && !bytes.Equal(m.Payload.Octets(), want) {
		return fmt.Errorf("other octets: %q", m.Payload.Octets())
	}
	return m.Err
}

func (c *clients) authenticates(message []byte, from string, want []byte) error {
	e, err := entity.Parse(append([]byte("From: "+from+"\r\n"), message...), entity.DefaultLimits())
	if err != nil {
		return err
	}
	m := smime.Open(e, smime.Options{Extra: []*x509.Certificate{c.rsa.Certificate, c.ec.Certificate}})
	if a := smime.Authenticate(m, c.policy, smime.Claim{Received: time.Now(), MaxSigningAge: time.Hour}); !a.Authenticated {
		return fmt.Errorf("%s, %v, %s", a.Reason, m.Err, layers(m))
	}
	if !bytes.Equal(m.Content.Octets(), want) {
		return fmt.Errorf("other octets: %q", m.Content.Octets())
	}
	return nil
}

func asMessage(der []byte) []byte { return smimetest.CMS(der, "", "smime.p7m").Octets() }

func pemFile(t *testing.T, der []byte) string {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(name, (&smimetest.Identity{Certificate: cert}).CertificatePEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// gpgsmHome is a home folder that can sign and encrypt for the RSA person.
func gpgsmHome(t *testing.T, c *clients) string {
	home := peer.Folder(t)
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name string, octets []byte) {
		if err := os.WriteFile(filepath.Join(home, name), octets, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("gpgsm.conf", []byte("disable-crl-checks\ndisable-dirmngr\nbatch\npinentry-mode loopback\n"))
	write("gpg-agent.conf", []byte("allow-loopback-pinentry\n"))
	write("ca.pem", c.ca.PEM())
	der, err := c.openssl.Run("x509", "-in", filepath.Join(home, "ca.pem"), "-noout", "-fingerprint", "-sha1")
	if err != nil {
		t.Fatal(err)
	}
	_, print, _ := strings.Cut(strings.TrimSpace(string(der)), "=")
	write("trustlist.txt", []byte(print+" S relax\n"))
	t.Cleanup(func() {
		if out, err := exec.Command(peer.Program(t, "gpgconf"), "--homedir", home, "--kill", "gpg-agent").CombinedOutput(); err != nil {
			t.Errorf("stop gpg-agent: %v %s", err, out)
		}
	})
	gpgsm(t, home, c.ca.PEM(), "--import")
	// QUIRK gpgsm 2.2: about one bundle in a hundred does not parse; another salt helps.
	for try := 0; ; try++ {
		write("key.p12", c.openssl.PKCS12(credential(c.rsa), "p", peer.LegacyPKCS12...))
		cmd := exec.Command(peer.Program(t, "gpgsm"), "--homedir", home, "--passphrase-fd", "0", "--import", filepath.Join(home, "key.p12"))
		cmd.Stdin = strings.NewReader("p\n")
		if out, err := cmd.CombinedOutput(); err == nil {
			return home
		} else if try == 3 {
			t.Fatalf("gpgsm --import: %v\n%s", err, out)
		}
	}
}

// gpgsm makes something of content.
func gpgsm(t *testing.T, home string, content []byte, args ...string) []byte {
	in := filepath.Join(home, "in")
	if err := os.WriteFile(in, content, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(peer.Program(t, "gpgsm"), append(append([]string{"--homedir", home, "--passphrase-fd", "0"}, args...), in)...)
	cmd.Stdin = strings.NewReader("p\n")
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("gpgsm %v: %v\n%s", args, err, problems.String())
	}
	return out
}

// nssDB is a database with both people's keys under the nicknames rsa and ec.
func nssDB(t *testing.T, c *clients) string {
	dir := peer.Folder(t)
	db := "sql:" + dir
	run := func(program string, args ...string) {
		if out, err := exec.Command(peer.Program(t, program), args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", program, args, err, out)
		}
	}
	write := func(name string, octets []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, octets, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	run("certutil", "-N", "-d", db, "--empty-password")
	run("certutil", "-A", "-d", db, "-n", "ca", "-t", "CT,C,C", "-a", "-i", write("ca.pem", c.ca.PEM()))
	for nick, id := range map[string]*smimetest.Identity{"rsa": c.rsa, "ec": c.ec} {
		run("pk12util", "-d", db, "-i", write("key.p12", c.openssl.PKCS12(credential(id), "p", "-name", nick)), "-W", "p")
	}
	return db
}

// cmsutil makes something of content.
func cmsutil(t *testing.T, db string, content []byte, args ...string) []byte {
	dir := peer.Folder(t)
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command(peer.Program(t, "cmsutil"), append(args, "-d", db, "-i", in, "-o", out)...).CombinedOutput(); err != nil {
		t.Fatalf("cmsutil %v: %v\n%s", args, err, text)
	}
	der, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
