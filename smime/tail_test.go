package smime_test

import (
	"bytes"
	"crypto/x509"
	"testing"
	"time"

	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// TestNothingUnsignedBehindASignature encrypts signed content with octets
// behind it that nobody signed. Beneath CBC, which anybody can lengthen, they
// cost the signature; beneath GCM, and without encryption, they do not.
func TestNothingUnsignedBehindASignature(t *testing.T) {
	ca := smimetest.NewCA("CA")
	alice, list := ca.Issue("alice@example.org"), ca.Issue("list@example.org")
	detached, opaque := alice.Sign(smimetest.Text("x\r\n")), alice.Sign(smimetest.Text("x\r\n"), smimetest.OpaqueForm)
	der, err := opaque.Decoded()
	if err != nil {
		t.Fatal(err)
	}
	const binary = "Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: binary\r\n\r\n"
	closing := bytes.LastIndex(detached.Octets(), []byte("\r\n--"))
	for name, c := range map[string]struct {
		signed string
		good   bool
	}{
		"detached":                       {string(detached.Octets()), true},
		"detached, blank lines behind":   {string(detached.Octets()) + "\r\n \t\r\n", true},
		"detached, an epilogue":          {string(detached.Octets()) + "garbage", false},
		"detached, not closed":           {string(detached.Octets()[:closing]) + "\r\n", false},
		"detached, not closed, and more": {string(detached.Octets()[:closing]) + "\x01\x02", false},
		"opaque":                         {string(opaque.Octets()), true},
		"opaque, blank lines behind":     {string(opaque.Octets()) + "\r\n\r\n", true},
		"opaque, garbage behind":         {string(opaque.Octets()) + "=\x01\x02", false},
		"binary":                         {binary + string(der), true},
		"binary, a line end behind":      {binary + string(der) + "\r\n", true},
		"binary, garbage behind":         {binary + string(der) + "\x01\x02", false},
	} {
		for _, cipher := range []cms.Cipher{cms.AES256CBC, cms.AES256GCM} {
			post := smimetest.EncryptWith(cipher, cms.RecipientOptions{}, smimetest.Entity(c.signed), list)
			e, err := entity.Parse(smimetest.Mail(alice.Address, list.Address, "x", post), entity.DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			m := smime.Open(e, smime.Options{Keys: []cms.Key{list.DecryptKey()}})
			a := smime.Authenticate(m, trust.NewPolicy(trust.PolicyOptions{Anchors: []*x509.Certificate{ca.Certificate}}), smime.Claim{Received: time.Now()})
			if want := c.good || cipher.Authenticated(); a.Authenticated != want {
				t.Errorf("%s, %s: authenticated %t (%s), want %t", name, cipher, a.Authenticated, a.Reason, want)
			}
		}
	}
}
