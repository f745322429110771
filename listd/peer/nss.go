package peer

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// NSS is Mozilla's library, of which Thunderbird and Evolution are made, through its tool cmsutil and a certificate
// database of its own.
type NSS struct {
	tb      testing.TB
	dir     string
	openssl *OpenSSL
	people  int
}

// NewNSS makes a database that trusts the anchors (PEM or DER) for e-mail.
func NewNSS(tb testing.TB, anchors ...[]byte) *NSS {
	tb.Helper()
	n := &NSS{tb: tb, dir: Folder(tb), openssl: NewOpenSSL(tb)}
	Program(tb, "cmsutil")
	n.must(Program(tb, "certutil"), "-N", "-d", n.db(), "--empty-password")
	for i, anchor := range anchors {
		n.must(Program(tb, "certutil"), "-A", "-d", n.db(), "-n", fmt.Sprintf("anchor %d", i), "-t", "CT,C,C",
			"-i", write(tb, n.dir, "anchor.crt", certificatePEM(anchor)), "-a")
	}
	return n
}

// Import takes a person's certificate, chain and key.
func (n *NSS) Import(c Credential) error {
	n.tb.Helper()
	n.people++
	name := fmt.Sprintf("person %d", n.people)
	bundle := write(n.tb, n.dir, "key.p12", n.openssl.PKCS12(c, "password", "-name", name))
	_, err := run(exec.Command(Program(n.tb, "pk12util"), "-d", n.db(), "-i", bundle, "-W", "password"))
	return err
}

// Decrypt opens an enveloped message and returns what was encrypted.
func (n *NSS) Decrypt(message []byte) ([]byte, error) {
	der, err := Body(message)
	if err != nil {
		return nil, err
	}
	return n.decode(der)
}

// Verify checks a multipart/signed or opaque signed message and returns the signed octets.
func (n *NSS) Verify(message []byte) ([]byte, error) {
	if content, signature, err := Signed(message); err == nil {
		return content, n.signature(signature, "-c", write(n.tb, Folder(n.tb), "content", content))
	}
	der, err := Body(message)
	if err != nil {
		return nil, err
	}
	if err := n.signature(der); err != nil {
		return nil, err
	}
	return n.decode(der)
}

func (n *NSS) decode(der []byte) ([]byte, error) {
	dir := Folder(n.tb)
	out := filepath.Join(dir, "out")
	if _, err := run(exec.Command(Program(n.tb, "cmsutil"), "-D", "-d", n.db(), "-i", write(n.tb, dir, "in", der), "-o", out)); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

func (n *NSS) signature(der []byte, arguments ...string) error {
	args := append([]string{"-D", "-d", n.db(), "-n", "-h", "0", "-i", write(n.tb, Folder(n.tb), "in", der)}, arguments...)
	out, err := run(exec.Command(Program(n.tb, "cmsutil"), args...))
	if err == nil && !bytes.Contains(out, []byte("status=GoodSignature")) {
		err = fmt.Errorf("cmsutil: no good signature: %s", out)
	}
	return err
}

func (n *NSS) db() string { return "sql:" + n.dir }

func (n *NSS) must(program string, arguments ...string) {
	n.tb.Helper()
	if _, err := run(exec.Command(program, arguments...)); err != nil {
		n.tb.Fatal(err)
	}
}
