package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mozilla.org/pkcs7"

	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// TestAListmastersWord is the life of certificates that a listmaster speaks about: each word is seen in cert explain.
func TestAListmastersWord(t *testing.T) {
	w := newWorld(t)
	alice := w.ca.Issue("alice@example.org")
	newer := w.ca.Issue("alice@example.org", smimetest.Validity(time.Now().Add(-time.Minute), time.Now().AddDate(1, 0, 0)))
	nameless := w.ca.Issue("carol@example.org", smimetest.NoSAN)
	mallory := w.ca.Issue("mallory@example.org")
	w.keep(newer)
	file := func(name string, id *smimetest.Identity) string { return w.put(name, string(id.CertificatePEM())) }
	used := func(address string, id *smimetest.Identity) {
		t.Helper()
		_, got, _ := w.try("cert", "explain", address)
		_, after, _ := strings.Cut(got, "\n  used\n")
		if id == nil && after != "" || id != nil && !strings.Contains(strings.SplitN(after, "subject", 2)[0], trust.Fingerprint(id.Certificate)) {
			t.Errorf("%s: not %v\n%s", address, id != nil, got)
		}
	}
	refused := func(want string, args ...string) {
		t.Helper()
		if status, out, errOut := w.try(args...); status != 1 || !strings.Contains(errOut+out, want) {
			t.Errorf("%v: status %d, no %q in\n%s%s", args, status, want, out, errOut)
		}
	}

	used("alice@example.org", newer)
	w.good("cert", "pin", "alice@example.org", file("alice.pem", alice))
	used("alice@example.org", alice)
	if got := w.good("cert", "ls", "--state", "pinned"); !strings.Contains(got, "alice@example.org") || strings.Count(got, "\n") != 2 {
		t.Error(got)
	}
	w.good("cert", "block", trust.Fingerprint(alice.Certificate), "--reason", "laptop stolen")
	used("alice@example.org", newer)
	if _, got, _ := w.try("cert", "explain", "alice@example.org"); !strings.Contains(got, "\n  blocked\n") || !strings.Contains(got, "laptop stolen") {
		t.Error(got)
	}
	refused("cert unblock", "cert", "pin", "alice@example.org", w.path("alice.pem"))
	w.good("cert", "unblock", trust.Fingerprint(alice.Certificate)[:12])
	used("alice@example.org", alice)
	w.good("cert", "unpin", "alice@example.org")
	refused("nothing is pinned", "cert", "unpin", "alice@example.org")
	used("alice@example.org", newer)

	refused("is for mallory@example.org", "cert", "pin", "alice@example.org", file("mallory.pem", mallory))
	refused("unknown_ca", "cert", "pin", "alice@example.org", file("self.pem", smimetest.SelfSigned("alice@example.org")))
	refused("private key", "cert", "pin", "alice@example.org", w.put("key.pem", string(alice.CertificatePEM())+string(alice.KeyPEM())))
	used("carol@example.org", nil)
	w.good("cert", "pin", "carol@example.org", file("nameless.pem", nameless))
	used("carol@example.org", nameless)

	w.good("cert", "forget", "alice@example.org")
	used("alice@example.org", nil)
	refused("has no certificate", "cert", "forget", "alice@example.org")
	w.good("cert", "import", w.path("alice.pem"))
	used("alice@example.org", alice)

	gateway := w.ca.Issue("gateway@partner.example")
	w.good("cert", "import", "--domain", "@partner.example", file("gateway.pem", gateway))
	used("anybody@partner.example", gateway)
	own := w.ca.Issue("somebody@partner.example")
	w.good("cert", "import", file("own.pem", own))
	used("somebody@partner.example", own)
	used("anybody@sub.partner.example", nil)
	if got := w.good("audit", "ls"); strings.Count(got, "cert ") < 8 {
		t.Error(got)
	}
}

// TestImportAndExport takes a folder of Sympa's and gives it back, and the same as PEM, p7c and DER.
func TestImportAndExport(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.ca.Issue("alice@example.org"), w.ca.Issue("bob.o'neil@example.org", smimetest.ECP256)
	w.put("sympa/alice@example.org", string(alice.CertificatePEM()))
	w.put("sympa/bob.o_27neil@example.org@enc", string(bob.CertificatePEM()))
	w.put("sympa/carol@example.org@sign", string(w.ca.Issue("carol@example.org").CertificatePEM()))
	w.put("sympa/dora@example.org", string(alice.CertificatePEM()))
	w.put("sympa/eve@example.org", string(w.ca.Issue("eve@example.org", smimetest.Validity(time.Now().Add(-2*time.Hour), time.Now().Add(-time.Minute))).CertificatePEM()))
	w.put("sympa/cert.pem", string(w.ca.PEM()))
	w.put("sympa/README", "hello")
	status, got, errOut := w.try("cert", "import", w.path("sympa"))
	if status != 1 || errOut != "" || strings.Count(got, " taken\n") != 2 {
		t.Errorf("status %d\n%s%s", status, got, errOut)
	}
	for _, reason := range []string{"for verifying only", "does not name the address", "expired", "authorities only", "no certificate"} {
		if !strings.Contains(got, reason) {
			t.Errorf("no %q in\n%s", reason, got)
		}
	}
	w.good("cert", "export", "alice@example.org", "bob.o'neil@example.org", "--form", "sympa", "--out", w.path("out"))
	for name, id := range map[string]*smimetest.Identity{"alice@example.org@enc": alice, "bob.o_27neil@example.org@enc": bob} {
		if octets, err := os.ReadFile(filepath.Join(w.path("out"), name)); err != nil || string(octets) != string(id.CertificatePEM()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := w.good("cert", "export", "alice@example.org"); got != string(alice.CertificatePEM()) {
		t.Error(got)
	}
	if got := w.good("cert", "export", "alice@example.org", "--form", "der"); got != string(alice.Certificate.Raw) {
		t.Errorf("%d octets", len(got))
	}
	bundle, err := pkcs7.Parse([]byte(w.good("cert", "export", "alice@example.org", "bob.o'neil@example.org", "--form", "p7c")))
	if err != nil || len(bundle.Certificates) != 2 {
		t.Errorf("%v", err)
	}
	if status, _, errOut := w.try("cert", "export", "nobody@example.org"); status != 1 || !strings.Contains(errOut, "cert explain") {
		t.Errorf("status %d: %s", status, errOut)
	}
}
