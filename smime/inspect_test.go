package smime_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// TestInspectJSON holds the report to the letter: keys, their order, no null.
func TestInspectJSON(t *testing.T) {
	w := theWorld()
	text := smimetest.Text("Grüße\r\n")
	at := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	alice := w.ca.Issue("alice@corp.example", smimetest.Validity(at.AddDate(0, -1, 0), at.AddDate(0, 1, 0)), smimetest.CommonName("Alice"))
	octets := smimetest.Mail(alice.Address, w.list.Address, "x",
		smimetest.Encrypt(alice.Sign(text, smimetest.SignedAt(at)), w.list))
	report := smime.Inspect(octets, smime.InspectOptions{CA: []*x509.Certificate{alice.Certificate}, Keys: []cms.Key{w.list.DecryptKey()}, At: at})
	got, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text.Octets())
	want := fmt.Sprintf(`{"layers":[{"type":"enveloped","form":"","path":"1","counts":true,"algorithm":"aes256-cbc","recipients":[{"id":"issuer=CN=Corp Mail CA,O=Sealist tests;serial=%x","key_encryption":"rsa-pkcs1"}],"signers":[],"error":""},`+
		`{"type":"signed","form":"detached","path":"1.1","counts":true,"algorithm":"","recipients":[],"signers":[{"subject":"CN=Alice,O=Sealist tests","issuer":"CN=Corp CA,O=Sealist tests","addresses":["alice@corp.example"],"serial":"%x","fingerprint":"%s","digest":"sha256","signature":"rsa-pkcs1","signing_time":"2026-05-04T03:02:01Z","valid":true,"trusted":true,"revocation":"unchecked","reason":""}],"error":""}],`+
		`"header_protection":"none","from":["alice@corp.example"],"from_source":"outer","authenticated":true,"reason":"","error":"","content_sha256":"%s","protected":[],"hidden":[]}`,
		w.list.Certificate.SerialNumber, alice.Certificate.SerialNumber, trust.Fingerprint(alice.Certificate), hex.EncodeToString(sum[:]))
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestInspectVerdicts(t *testing.T) {
	w := theWorld()
	text := smimetest.Text("x\r\n")
	signed := w.alice.Sign(text, smimetest.OpaqueForm)
	der := smimetest.DER(signed)
	anchors := []*x509.Certificate{w.ca.Certificate}
	for name, tc := range map[string]struct {
		octets []byte
		o      smime.InspectOptions
		want   string
	}{
		"plain":              {w.mail(text), smime.InspectOptions{}, "false unsigned -"},
		"no anchors":         {w.mail(signed), smime.InspectOptions{}, "false unknown_ca -"},
		"anchored":           {w.mail(signed), smime.InspectOptions{CA: anchors}, "true - -"},
		"later":              {w.mail(signed), smime.InspectOptions{CA: anchors, At: time.Now().AddDate(2, 0, 0)}, "false expired -"},
		"before":             {w.mail(signed), smime.InspectOptions{CA: anchors, At: time.Now().AddDate(-2, 0, 0)}, "false not_yet_valid -"},
		"revocation":         {w.mail(signed), smime.InspectOptions{CA: anchors, Revocation: "require"}, "false revocation_unknown -"},
		"no key":             {w.mail(w.encrypt(signed)), smime.InspectOptions{CA: anchors}, "false unsigned decrypt_failed"},
		"wrong key":          {w.mail(w.encrypt(signed)), smime.InspectOptions{CA: anchors, Keys: []cms.Key{w.mallory.DecryptKey()}}, "false unsigned decrypt_failed"},
		"key alone":          {w.mail(w.encrypt(signed)), smime.InspectOptions{CA: anchors, Keys: []cms.Key{{Private: w.list.Private}}}, "true - -"},
		"EC key alone":       {w.mail(smimetest.Encrypt(signed, w.bob)), smime.InspectOptions{CA: anchors, Keys: []cms.Key{{Private: w.bob.Private}}}, "true - -"},
		"DER":                {der, smime.InspectOptions{CA: anchors}, "false from_ambiguous -"},
		"PEM":                {pem.EncodeToMemory(&pem.Block{Type: "CMS", Bytes: der}), smime.InspectOptions{CA: anchors}, "false from_ambiguous -"},
		"empty":              {nil, smime.InspectOptions{}, "false malformed malformed"},
		"header too large":   {[]byte("A: " + strings.Repeat("x", 1<<20)), smime.InspectOptions{}, "false too_large too_large"},
		"broken CMS":         {w.mail(smimetest.CMS([]byte("0\x03abc"), "", "smime.p7m")), smime.InspectOptions{}, "false malformed malformed"},
		"octets of any kind": {[]byte("\x00\xff\x30\x80"), smime.InspectOptions{}, "false unsigned -"},
	} {
		r := smime.Inspect(tc.octets, tc.o)
		dash := func(s string) string {
			if s == "" {
				return "-"
			}
			return s
		}
		if got := fmt.Sprint(r.Authenticated, " ", dash(string(r.Reason)), " ", dash(r.Error)); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
		if r.Authenticated != (r.Reason == "") {
			t.Errorf("%s: a verdict without a reason", name)
		}
	}
}
