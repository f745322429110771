//go:build !pkcs11

package hsm_test

import (
	"crypto"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/sealist/sealist/listd/hsm"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/smimetest"
)

// TestNotBuilt: without the build tag every use says what is missing, and that
// what needs the key may wait.
func TestNotBuilt(t *testing.T) {
	u, err := hsm.ParseURI("pkcs11:token=lists;object=board")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range [][]smimetest.Option{nil, {smimetest.ECP256}} {
		id := smimetest.NewCA("Root").Issue("board@lists.example.org", o...)
		key, err := hsm.Open(hsm.Options{Path: "/usr/lib/softhsm/libsofthsm2.so"}).Key(u, id.Certificate.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		digest := sha256.Sum256(nil)
		_, signing := key.Sign(nil, digest[:], crypto.SHA256)
		for _, err := range []error{key.Ready(), key.Probe(true, true), signing} {
			if !errors.Is(err, cms.ErrKeyAway) || !errors.Is(err, hsm.ErrNotBuilt) {
				t.Errorf("%v", err)
			}
		}
	}
}
