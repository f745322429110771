package smime_test

import (
	"testing"

	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
)

// FuzzInspect gives any octets to the whole walk: no crash, no author without an anchor, no verdict without a reason.
func FuzzInspect(f *testing.F) {
	ca := smimetest.NewCA("CA", smimetest.ECP256)
	alice := ca.Issue("alice@corp.example", smimetest.ECP256)
	mail := func(e *entity.Entity) []byte { return smimetest.Mail(alice.Address, alice.Address, "x", e) }
	text := smimetest.Text("x\r\n")
	f.Add(mail(alice.Sign(text)))
	f.Add(mail(alice.Sign(text, smimetest.OpaqueForm)))
	f.Add(mail(smimetest.Encrypt(text, alice)))
	f.Add(mail(smimetest.Multipart("mixed", text, smimetest.Compress(alice.Sign(text)))))
	f.Add(smimetest.DER(smimetest.EncryptWith(cms.AES256GCM, cms.RecipientOptions{}, text, alice)))
	f.Add([]byte("-----BEGIN CMS-----\nMIAGCSqGSIb3DQEHAqCAAAAA\n-----END CMS-----\n"))
	f.Add([]byte("-----BEGIN "))
	f.Add(mail(alice.Sign(payload("clear", "From: alice@corp.example", "HP-Outer: Subject: x"))))
	f.Add(mail(smimetest.Compress(alice.Sign(wrapped("From: alice@corp.example", "To: x@y.example")))))
	f.Fuzz(func(t *testing.T, octets []byte) {
		r := smime.Inspect(octets, smime.InspectOptions{})
		if r.Authenticated || r.Reason == "" || r.Layers == nil || r.From == nil || r.Protected == nil || r.Hidden == nil {
			t.Fatalf("%+v", r)
		}
	})
}
