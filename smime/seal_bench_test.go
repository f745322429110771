package smime_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sealist/sealist/smime"
	"github.com/sealist/sealist/smime/cms"
	"github.com/sealist/sealist/smime/smimetest"
)

// BenchmarkSeal makes one RSA-2048 copy with its outer header. Its cost does not depend on the content.
func BenchmarkSeal(b *testing.B) {
	w := theWorld()
	header := []byte("From: a@corp.example\r\nTo: list@lists.example\r\nSubject: x\r\nMessage-ID: <1@lists.example>\r\n")
	rcpts := []*cms.Recipient{w.list.Recipient(cms.RecipientOptions{})}
	for name, size := range map[string]int{"10KB": 10 << 10, "1MB": 1 << 20} {
		s, err := smime.NewSealer(smimetest.Text(strings.Repeat("0123456789abcde\n", size/16)), cms.AES256CBC)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Seal(header, rcpts); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpen decrypts, verifies and judges a signed and encrypted post.
func BenchmarkOpen(b *testing.B) {
	w := theWorld()
	for name, size := range map[string]int{"10KB": 10 << 10, "1MB": 1 << 20} {
		octets := w.mail(w.encrypt(w.alice.Sign(smimetest.Text(strings.Repeat("0123456789abcd\r\n", size/16)))))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(octets)))
			b.ReportAllocs()
			for b.Loop() {
				if _, a := w.read(b, octets); !a.Authenticated {
					b.Fatal(a.Reason)
				}
			}
		})
	}
}

// BenchmarkSignedCopy is what a mail list agent does for one copy: to seal it, and to sign it.
func BenchmarkSignedCopy(b *testing.B) {
	ca := smimetest.NewCA("CA")
	id := ca.Issue("bob@corp.example")
	list := ca.Issue("list@corp.example").SignOptions()
	for _, size := range []int{10 << 10, 1 << 20} {
		s, err := smime.NewSealer(smimetest.Text(string(make([]byte, size))), cms.AES256CBC)
		if err != nil {
			b.Fatal(err)
		}
		to := []*cms.Recipient{id.Recipient(cms.RecipientOptions{})}
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			for b.Loop() {
				sealed, err := s.Seal(nil, to)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := smime.SignSealed([]byte("From: x@y.example\r\n"), sealed, list); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
