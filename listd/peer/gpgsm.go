package peer

import (
	"bytes"
	"crypto/sha1"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// ErrUnsupported means that a tool of this version is known not to be able to do what was asked.
var ErrUnsupported = errors.New("this version of the tool cannot do that")

// GPGSM is GnuPG's S/MIME tool with a home folder, keys and trust list of its own. KMail, Claws and mutt use it through
// gpgme.
type GPGSM struct {
	tb      testing.TB
	home    string
	openssl *OpenSSL
	minor   int // of version 2.minor
}

const gpgsmPassphrase = "passphrase"

// NewGPGSM sets up a home folder that trusts the anchors (PEM or DER).
func NewGPGSM(tb testing.TB, anchors ...[]byte) *GPGSM {
	tb.Helper()
	Program(tb, "gpgsm")
	Program(tb, "gpg-agent")
	g := &GPGSM{tb: tb, home: Folder(tb), openssl: NewOpenSSL(tb)}
	if err := os.Chmod(g.home, 0o700); err != nil {
		tb.Fatal(err)
	}
	write(tb, g.home, "gpgsm.conf", []byte("disable-crl-checks\ndisable-dirmngr\nbatch\npinentry-mode loopback\n"))
	write(tb, g.home, "gpg-agent.conf", []byte("allow-loopback-pinentry\n"))
	write(tb, g.home, "trustlist.txt", trustList(anchors))
	// gpgsm starts an agent for this home; it is told to end through its socket.
	tb.Cleanup(func() {
		if _, err := run(exec.Command(Program(tb, "gpgconf"), "--homedir", g.home, "--kill", "gpg-agent")); err != nil {
			tb.Errorf("stop gpg-agent: %v", err)
		}
	})
	version, err := g.run(nil, "--version")
	if err != nil {
		tb.Fatal(err)
	}
	if m := regexp.MustCompile(`GnuPG\) 2\.(\d+)`).FindSubmatch(version); m != nil {
		g.minor, _ = strconv.Atoi(string(m[1]))
	}
	for _, anchor := range anchors {
		if _, err := g.run(certificatePEM(anchor), "--import"); err != nil {
			tb.Fatalf("import the anchor: %v", err)
		}
	}
	return g
}

// Import takes a person's certificate, chain and key. gpgsm before 2.4 crashes on the import of EC keys: it is not
// tried, the error is ErrUnsupported.
func (g *GPGSM) Import(c Credential) error {
	g.tb.Helper()
	if g.minor < 4 && !isRSA(c.Key) {
		return fmt.Errorf("import an EC key into gpgsm 2.%d: %w", g.minor, ErrUnsupported)
	}
	// QUIRK gpgsm 2.2.40: it cannot parse about one in a hundred of openssl's bundles (3 of 300 measured), always the same
	// ones. A new bundle of the same key has another salt.
	var err error
	for range 3 {
		bundle := write(g.tb, Folder(g.tb), "key.p12", g.openssl.PKCS12(c, gpgsmPassphrase, LegacyPKCS12...))
		if _, err = g.run([]byte(gpgsmPassphrase+"\n"), "--passphrase-fd", "0", "--import", bundle); err == nil {
			return nil
		}
	}
	return err
}

// Decrypt opens an enveloped message and returns what was encrypted. Its verdict is the status line DECRYPTION_OKAY, as
// for gpgme: the exit status is 2 if the message is encrypted to another certificate too, which gpgsm does not know.
func (g *GPGSM) Decrypt(message []byte) ([]byte, error) {
	der, err := Body(message)
	if err != nil {
		return nil, err
	}
	dir := Folder(g.tb)
	out := filepath.Join(dir, "out")
	status, err := g.run([]byte(gpgsmPassphrase+"\n"), "--passphrase-fd", "0", "--status-fd", "1", "--output", out,
		"--decrypt", write(g.tb, dir, "in", der))
	if !bytes.Contains(status, []byte("[GNUPG:] DECRYPTION_OKAY")) {
		return nil, fmt.Errorf("gpgsm does not decrypt: %s: %w", status, err)
	}
	return os.ReadFile(out)
}

// Verify checks a multipart/signed or opaque signed message and returns the signed octets.
func (g *GPGSM) Verify(message []byte) ([]byte, error) {
	dir := Folder(g.tb)
	if content, signature, err := Signed(message); err == nil {
		status, err := g.run(nil, "--status-fd", "1", "--verify", write(g.tb, dir, "sig", signature), write(g.tb, dir, "content", content))
		return content, goodSignature(status, err)
	}
	der, err := Body(message)
	if err != nil {
		return nil, err
	}
	out := filepath.Join(dir, "out")
	status, err := g.run(nil, "--status-fd", "1", "--output", out, "--verify", write(g.tb, dir, "sig", der))
	if err := goodSignature(status, err); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

func goodSignature(status []byte, err error) error {
	if err == nil && !bytes.Contains(status, []byte("[GNUPG:] GOODSIG")) {
		err = fmt.Errorf("gpgsm: no good signature: %s", status)
	}
	return err
}

func (g *GPGSM) run(stdin []byte, arguments ...string) ([]byte, error) {
	cmd := exec.Command(Program(g.tb, "gpgsm"), append([]string{"--homedir", g.home}, arguments...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	return run(cmd)
}

// trustList names the anchors by the SHA-1 of their DER, gpgsm's "S" for S/MIME.
func trustList(anchors [][]byte) []byte {
	var list strings.Builder
	for _, anchor := range anchors {
		block, _ := pem.Decode(asPEM(anchor, "CERTIFICATE"))
		fmt.Fprintf(&list, "%X S relax\n", sha1.Sum(block.Bytes))
	}
	return []byte(list.String())
}
