package admin_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/smime/smimetest"
)

func TestInspect(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, octets []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, octets, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca := smimetest.NewCA("CA")
	sub := ca.Sub("Sub")
	alice, bob := sub.Issue("alice@example.org"), ca.Issue("bob@example.org")
	message := smimetest.Mail("alice@example.org", "bob@example.org", "x", smimetest.Encrypt(alice.Sign(smimetest.Text("hello")), bob))

	der, err := x509.MarshalPKCS8PrivateKey(bob.Private)
	if err != nil {
		t.Fatal(err)
	}
	caFile, cert := write("ca.pem", ca.PEM()), write("bob.pem", bob.CertificatePEM())
	key, derKey := write("bob.key", bob.KeyPEM()), write("bob.der", der)
	locked := write("locked.key", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}))

	for name, c := range map[string]struct {
		in            admin.Inspection
		authenticated bool
		reason, err   string
	}{
		"key":                 {admin.Inspection{CA: []string{caFile}, Keys: []string{key}}, true, "", ""},
		"key and certificate": {admin.Inspection{CA: []string{caFile}, Keys: []string{derKey}, Certificates: []string{cert}}, true, "", ""},
		"PKCS#12":             {admin.Inspection{CA: []string{caFile}, P12: []admin.P12{{Name: "bob.p12", Octets: bob.PKCS12("pw"), Password: []byte("pw")}}}, true, "", ""},
		"no anchor":           {admin.Inspection{Keys: []string{key}}, false, "unknown_ca", ""},
		"expired":             {admin.Inspection{CA: []string{caFile}, Keys: []string{key}, At: "2090-01-01T00:00:00Z"}, false, "expired", ""},
		"no key":              {admin.Inspection{CA: []string{caFile}}, false, "", "decrypt_failed"},
	} {
		report, err := admin.Inspect(message, c.in)
		if err != nil || report.Authenticated != c.authenticated || (c.reason != "" && string(report.Reason) != c.reason) || report.Error != c.err {
			t.Errorf("%s: %+v %v", name, report, err)
		}
	}
	for _, c := range []struct {
		in   admin.Inspection
		kind admin.Kind
		what string
	}{
		{admin.Inspection{At: "yesterday"}, admin.Usage, "no time"},
		{admin.Inspection{Revocation: "maybe"}, admin.Usage, "maybe"},
		{admin.Inspection{Certificates: []string{cert}}, admin.Usage, "more --cert"},
		{admin.Inspection{Keys: []string{locked}}, admin.Environment, "under a password"},
		{admin.Inspection{Keys: []string{cert}}, admin.Environment, "no private key"},
		{admin.Inspection{CA: []string{key}}, admin.Environment, "bob.key"},
		{admin.Inspection{CA: []string{dir + "/gone"}}, admin.Environment, "gone"},
		{admin.Inspection{P12: []admin.P12{{Name: "bob.p12", Octets: bob.PKCS12("pw")}}}, admin.Environment, "bob.p12"},
	} {
		_, err := admin.Inspect(message, c.in)
		wantError(t, err, c.kind, c.what)
	}
	if report, err := admin.Inspect(nil, admin.Inspection{}); err != nil || report.Error == "" {
		t.Errorf("%+v %v", report, err)
	}
}
