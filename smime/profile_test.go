package smime_test

import (
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// TestProfiles: what a profile promises is what stands in the messages.
func TestProfiles(t *testing.T) {
	ca := smimetest.NewCA("CA", smimetest.RSA(3072))
	alice, short := ca.Issue("alice@corp.example", smimetest.RSA(3072)), ca.Issue("bob@corp.example")
	for name, want := range map[string]struct {
		content, key, signature string
		short                   trust.Reason
	}{
		"compatible": {"aes256-cbc", "rsa-pkcs1", "rsa-pkcs1", ""},
		"modern":     {"aes256-gcm", "rsa-oaep", "rsa-pss", ""},
		"bsi":        {"aes256-gcm", "rsa-oaep", "rsa-pss", trust.WeakAlgorithm},
	} {
		p, err := smime.ProfileNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		signed := alice.Sign(smimetest.Text("x\r\n"), func(o *smime.SignOptions) { o.PSS = p.PSS })
		mail := smimetest.Mail(alice.Address, alice.Address, "x", smimetest.EncryptWith(p.Cipher, p.Recipient, signed, alice))
		report := smime.Inspect(mail, smime.InspectOptions{CA: []*x509.Certificate{ca.Certificate}, Keys: []cms.Key{alice.DecryptKey()}})
		if len(report.Layers) == 0 || report.Layers[0].Algorithm != want.content || report.Layers[0].Recipients[0].KeyEncryption != want.key {
			t.Errorf("%s: %+v", name, report.Layers)
		}
		inner := smime.Inspect(smimetest.Mail(alice.Address, alice.Address, "x", signed), smime.InspectOptions{CA: []*x509.Certificate{ca.Certificate}})
		if len(inner.Layers) == 0 || inner.Layers[0].Signers[0].Signature != want.signature {
			t.Errorf("%s: %+v", name, inner.Layers)
		}
		policy := trust.NewPolicy(trust.PolicyOptions{Anchors: []*x509.Certificate{ca.Certificate}, RSAMinBits: p.RSAMinBits})
		if v := policy.Judge(alice.Certificate, trust.Encryption, time.Now(), nil); !v.OK() {
			t.Errorf("%s: RSA 3072: %q (%s)", name, v.Reason, v.Detail)
		}
		if v := policy.Judge(short.Certificate, trust.Encryption, time.Now(), nil); v.Reason != want.short {
			t.Errorf("%s: RSA 2048: %q (%s)", name, v.Reason, v.Detail)
		}
	}
	if _, err := smime.ProfileNamed("BSI"); !errors.Is(err, smime.ErrProfile) {
		t.Error(err)
	}
}
