package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/sealist/sealist/smime/smimetest"
)

// keys are what `key ls` says of a list.
func (w *world) keys(of string) (all []struct{ Fingerprint, State, Use string }) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(w.good("key", "ls", of, "--json")), &all); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// A rollover, as it is typed.
func TestKeyLife(t *testing.T) {
	w := newWorld(t)
	w.good("list", "create", board)
	w.good("member", "add", board, "anna@example.org", "ben@example.org")
	want(t, w.good("key", "import", board, w.path("board.p12"), "--password-file", w.path("p12.pass")), `
key          RSA 2048, active
fingerprint  FINGERPRINT
subject      CN=The Board,O=Sealist tests
issuer       CN=CA,O=Sealist tests
serial       HEX
addresses    board@lists.example.org
usages       digitalSignature, keyEncipherment, emailProtection, clientAuth
valid        DATE to DATE
chain        1 certificate
`)
	// The next one comes in Sympa's two files.
	next := w.ca.Issue(board, smimetest.FreshKey, smimetest.CommonName("The Board"))
	cert, key := w.put("cert.pem", string(next.CertificatePEM())), w.put("private_key", string(next.KeyPEM()))
	w.good("key", "import", board, cert, key, "--staged")
	fingerprint := w.keys(board)[0].Fingerprint
	status, _, errOut := w.try("key", "activate", board, fingerprint, "--until", "2099-01-31")
	if status != 0 || !strings.Contains(errOut, "2 people of the list are told of it") {
		t.Fatal(status, errOut)
	}
	want(t, w.good("key", "ls"), `
LIST  STATE  USE  KEY  UNTIL  RETIRED ON  FINGERPRINT  SUBJECT
board@lists.example.org  active  both  RSA 2048  DATE  -  HEX  CN=The Board,O=Sealist tests
board@lists.example.org  decrypt-only  both  RSA 2048  DATE  DATE  HEX  CN=The Board,O=Sealist tests
`)
	old := w.keys(board)[1].Fingerprint
	status, out, errOut := w.try("key", "retire", board, old)
	if status != 0 || !strings.Contains(out, "retired") || !strings.Contains(errOut, "backups") {
		t.Errorf("%d: %s%s", status, out, errOut)
	}
	if status, _, errOut = w.try("key", "retire", board, fingerprint); status != 1 || !strings.Contains(errOut, "is active") || !strings.Contains(errOut, "hint: ") {
		t.Errorf("%d: %s", status, errOut)
	}
	if out := w.good("key", "export", board); !strings.HasPrefix(out, string(next.CertificatePEM())) {
		t.Errorf("exported: %s", out)
	}
	if out := w.good("key", "export", board, "--ldif", "--dn", "cn=board,dc=example", "--preset", "active-directory"); !strings.Contains(out, "\nuserCertificate:: ") {
		t.Errorf("%s", out)
	}
	if status, _, errOut = w.try("key", "activate", board, fingerprint, "--until", "tomorrow"); status != 2 || !strings.Contains(errOut, "2027-01-31") {
		t.Errorf("%d: %s", status, errOut)
	}
}

func TestKeyRequest(t *testing.T) {
	w := newWorld(t)
	w.good("list", "create", board)
	csr := w.good("key", "request", board, "--type", "p256", "--use", "encrypt")
	if !strings.HasPrefix(csr, "-----BEGIN CERTIFICATE REQUEST-----\n") {
		t.Errorf("%s", csr)
	}
	out := w.good("key", "request", "--robot", "lists.example.org", "--type", "p256", "--out", w.path("robot.csr"))
	want(t, out, "key         requested\npublic key  FINGERPRINT\n")
	if k := w.keys(board); len(k) != 1 || k[0].State != "requested" || k[0].Use != "encrypt" {
		t.Errorf("%+v", k)
	}
	want(t, w.good("key", "ls", "sealist@lists.example.org"), `
LIST  STATE  USE  KEY  UNTIL  RETIRED ON  FINGERPRINT  SUBJECT
sealist@lists.example.org  requested  both  -  -  -  HEX  -
`)
}

// The key password changes as it is typed: the file with the new one is refused
// while others may read it, and a weak one is.
func TestKeyRekey(t *testing.T) {
	w := newWorld(t)
	w.good("list", "create", board, "--p12", w.path("board.p12"), "--password-file", w.path("p12.pass"))
	file := w.put("new_password", "a new key password\n")
	for mode, want := range map[os.FileMode]int{0o644: 3, 0o604: 3} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if status, _, errOut := w.try("key", "rekey", "--new-password-file", file); status != want || !strings.Contains(errOut, "can be read by others") || !strings.Contains(errOut, "hint: chmod 600 "+file) {
			t.Errorf("mode %o: %d, %s", mode, status, errOut)
		}
	}
	if status, _, errOut := w.try("key", "rekey", "--new-password-file", w.put("weak", "passwort")); status != 1 || !strings.Contains(errOut, "weak") || strings.Contains(errOut, "passwort") {
		t.Errorf("%d, %s", status, errOut)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	out := w.good("key", "rekey", "--new-password-file", file)
	if !strings.HasPrefix(out, "1 key under the new key password") {
		t.Errorf("%s", out)
	}
	// The configuration names the old one still: keys are locked, and it says so.
	id := w.ca.Issue(board, smimetest.FreshKey)
	w.put("next.p12", string(id.PKCS12("pw")))
	status, _, errOut := w.try("key", "import", board, w.path("next.p12"), "--password-file", w.path("p12.pass"))
	if status != 3 || !strings.Contains(errOut, "the key password is wrong") {
		t.Errorf("%d, %s", status, errOut)
	}
	w.put("key_password", "a new key password\n")
	w.good("key", "import", board, w.path("next.p12"), "--password-file", w.path("p12.pass"))
	// A key password that others may read keeps everything from starting.
	if err := os.Chmod(w.path("key_password"), 0o644); err != nil {
		t.Fatal(err)
	}
	if status, _, errOut := w.try("key", "ls"); status != 3 || !strings.Contains(errOut, "can be read by others") || !strings.Contains(errOut, "chmod 600") {
		t.Errorf("%d, %s", status, errOut)
	}
}

// A key in a security module that cannot be asked is not imported, and why is
// said.
func TestKeyInAModule(t *testing.T) {
	w := newWorld(t)
	w.good("list", "create", board)
	id := w.ca.Issue(board, smimetest.FreshKey)
	cert := w.put("cert.pem", string(id.CertificatePEM()))
	status, _, errOut := w.try("key", "import", board, cert, "--pkcs11", "pkcs11:token=lists;object=board")
	if status != 3 || !strings.Contains(errOut, "pkcs11:token=lists;object=board: ") || !strings.Contains(errOut, "hint: see that pkcs11.module") {
		t.Errorf("%d %s", status, errOut)
	}
	status, _, errOut = w.try("key", "import", board, cert, "--pkcs11", "pkcs11:token=lists;object=board?pin-value=1234")
	if status != 1 || !strings.Contains(errOut, "malformed: ") || !strings.Contains(errOut, "hint: write it as pkcs11:token=NAME") {
		t.Errorf("%d %s", status, errOut)
	}
	status, _, errOut = w.try("key", "import", board, cert, w.put("key.pem", string(id.KeyPEM())), "--pkcs11", "pkcs11:token=lists;object=board")
	if status != 1 || !strings.Contains(errOut, "two_keys: ") || !strings.Contains(errOut, "hint: the private key stays where it is") {
		t.Errorf("%d %s", status, errOut)
	}
}
