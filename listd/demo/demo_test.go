package demo_test

import (
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/demo"
)

// The demo is a promise of the README: it must hold whenever the tests do.
func TestDemoHolds(t *testing.T) {
	var out strings.Builder
	if err := demo.Run(t.Context(), demo.Options{Out: &out, Dir: t.TempDir()}); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	t.Log(out.String())
	for _, want := range []string{"openssl cms -decrypt", "opened, signature good", "withheld: no usable certificate: expired"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not say %q:\n%s", want, &out)
		}
	}
}
