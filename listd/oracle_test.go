package listd_test

import (
	"crypto/rand"
	"encoding/asn1"
	"testing"

	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/entity"
	"github.com/sealist/sealist/smime/smimetest"
)

// TestNoPaddingOracle is Vaudenay's attack on a captured post: blocks are
// appended to its ciphertext, and whether the last of them ends in valid
// padding must not be seen from outside (invariant 3). The author's signature
// would still verify over what he signed.
func TestNoPaddingOracle(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice, secret := w.people["alice"], w.keys[secretList]
	for form, opts := range map[string][]smimetest.SignOption{"detached": nil, "opaque": {smimetest.OpaqueForm}} {
		captured := smimetest.Encrypt(alice.Sign(text, opts...), secret)
		for _, valid := range []bool{true, false} {
			e := withCiphertext(t, captured, func(c []byte) []byte {
				chosen, target := append([]byte(nil), c[len(c)-32:len(c)-16]...), c[len(c)-16:]
				if !valid {
					chosen[15] ^= 0x55 // the last octet of what will be the padding
				}
				garbage := make([]byte, 16)
				rand.Read(garbage)
				return append(append(append(append([]byte(nil), c...), garbage...), chosen...), target...)
			})
			before := len(w.sink.To(alice.Address))
			item, deliveries := w.settled(w.send(alice.Address, secretList, mail(alice.Address, secretList, e)))
			if item.State != store.ItemRejected {
				t.Errorf("%s, valid padding %t: %s", form, valid, item.State)
			}
			for _, d := range deliveries {
				if d.Kind != store.KindNotice || d.Notice.Template != "not_accepted" {
					t.Errorf("%s, valid padding %t: a delivery of kind %s", form, valid, d.Kind)
				}
			}
			if n := len(w.sink.To(alice.Address)) - before; n != 1 {
				t.Errorf("%s, valid padding %t: %d answers", form, valid, n)
			}
		}
	}
}

// withCiphertext gives an EnvelopedData other ciphertext octets.
func withCiphertext(t *testing.T, e *entity.Entity, change func([]byte) []byte) *entity.Entity {
	t.Helper()
	var info struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue
	}
	var enveloped struct {
		Version    int
		Recipients asn1.RawValue
		Content    struct {
			Type      asn1.ObjectIdentifier
			Algorithm asn1.RawValue
			Encrypted asn1.RawValue
		}
	}
	if _, err := asn1.Unmarshal(smimetest.DER(e), &info); err != nil {
		t.Fatal(err)
	}
	if _, err := asn1.Unmarshal(info.Content.Bytes, &enveloped); err != nil {
		t.Fatal(err)
	}
	enveloped.Content.Encrypted.Bytes, enveloped.Content.Encrypted.FullBytes = change(enveloped.Content.Encrypted.Bytes), nil
	var err error
	if info.Content.Bytes, err = asn1.Marshal(enveloped); err != nil {
		t.Fatal(err)
	}
	info.Content.FullBytes = nil
	der, err := asn1.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	return smimetest.CMS(der, "enveloped-data", "smime.p7m")
}
