package revocation_test

import (
	"testing"
	"time"

	"github.com/sealist/sealist/smime/trust"
)

// BenchmarkJudge is a further question about a certificate whose CRL is at hand, and the same without revocation.
func BenchmarkJudge(b *testing.B) {
	w := newWorld(b, strict, nil)
	w.publish(0, 24*time.Hour)
	at := w.clock.now()
	if v := w.judge.Judge(w.alice.Certificate, trust.Encryption, at, nil); !v.OK() {
		b.Fatal(v.Detail)
	}
	b.Run("with revocation", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.judge.Judge(w.alice.Certificate, trust.Encryption, at, nil)
		}
	})
	b.Run("path alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.paths.Judge(w.alice.Certificate, trust.Encryption, at, nil)
		}
	})
}
