package hsm_test

import (
	"errors"
	"testing"

	"github.com/sealist/sealist/listd/hsm"
)

func TestURI(t *testing.T) {
	for _, good := range []string{
		"pkcs11:token=lists;object=board",
		"pkcs11:token=lists;object=board;id=%01;type=private",
		"pkcs11:serial=0123abc;model=SoftHSM%20v2;manufacturer=SoftHSM%20project;id=%01%ff",
	} {
		if u, err := hsm.ParseURI(good); err != nil || u.String() != good {
			t.Errorf("%s: %v, %v", good, u, err)
		}
	}
	for _, bad := range []string{
		"", "board", "http://lists", "pkcs11:", "pkcs11:token=lists", "pkcs11:object=board", "pkcs11:token=;object=board",
		"pkcs11:token=lists;object=board;type=cert", "pkcs11:token=lists;object=board;object=other", "pkcs11:token=lists;object=bo%4",
		"pkcs11:token=lists;object=board;slot-id=3", "pkcs11:token=lists;object=board?pin-value=1234",
		"pkcs11:token=lists;object=board?module-path=/tmp/evil.so", "pkcs11:token=lists;object=board?pin-source=file:/etc/shadow",
	} {
		if _, err := hsm.ParseURI(bad); !errors.Is(err, hsm.ErrURI) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
