package cms

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.mozilla.org/pkcs7"
)

var benchSizes = []struct {
	name string
	n    int
}{{"10KB", 10_000}, {"1MB", 1 << 20}}

// BenchmarkSeal is one copy: the content is encrypted before.
func BenchmarkSeal(b *testing.B) {
	for _, name := range []string{"rsa2048", "p256", "x25519"} {
		for _, c := range []Cipher{AES256CBC, AES256GCM} {
			for _, size := range benchSizes {
				b.Run(fmt.Sprintf("%s/%s/%s", name, c, size.name), func(b *testing.B) {
					s, err := NewSealer(make([]byte, size.n), c)
					if err != nil {
						b.Fatal(err)
					}
					rcpts := []*Recipient{who(b, name).recipient(b, RecipientOptions{})}
					buf := make([]byte, 0, 4096)
					if _, _, err := s.Seal(buf, rcpts); err != nil {
						b.Fatal(err)
					}
					b.ReportAllocs()
					for b.Loop() {
						if _, _, err := s.Seal(buf, rcpts); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}

// BenchmarkBare is the public-key operation alone, which BenchmarkSeal is to be measured against.
func BenchmarkBare(b *testing.B) {
	key := make([]byte, 32)
	b.Run("rsa2048", func(b *testing.B) {
		public := who(b, "rsa2048").cert.PublicKey.(*rsa.PublicKey)
		b.ReportAllocs()
		for b.Loop() {
			//lint:ignore SA1019 it is what is measured
			if _, err := rsa.EncryptPKCS1v15(rand.Reader, public, key); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, curve := range map[string]ecdh.Curve{"p256": ecdh.P256(), "x25519": ecdh.X25519()} {
		b.Run(name, func(b *testing.B) {
			public := exchanger(who(b, name).key).PublicKey()
			b.ReportAllocs()
			for b.Loop() {
				ephemeral, err := curve.GenerateKey(rand.Reader)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := ephemeral.ECDH(public); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSealOverBare takes both in turn, so that what else the machine does falls on both alike, and
// reports the median of each and their ratio, which is to stay below 1.3.
func BenchmarkSealOverBare(b *testing.B) {
	for _, name := range []string{"rsa2048", "p256"} {
		for _, size := range benchSizes {
			b.Run(name+"/"+size.name, func(b *testing.B) {
				s, err := NewSealer(make([]byte, size.n), AES256CBC)
				if err != nil {
					b.Fatal(err)
				}
				id := who(b, name)
				rcpts := []*Recipient{id.recipient(b, RecipientOptions{})}
				buf := make([]byte, 0, 4096)
				seal := func() {
					if _, _, err := s.Seal(buf, rcpts); err != nil {
						b.Fatal(err)
					}
				}
				bare := func() {
					//lint:ignore SA1019 it is what is measured
					if _, err := rsa.EncryptPKCS1v15(rand.Reader, rcpts[0].rsaKey, s.key.octets); err != nil {
						b.Fatal(err)
					}
				}
				if name == "p256" {
					bare = func() {
						ephemeral, err := ecdh.P256().GenerateKey(rand.Reader)
						if err != nil {
							b.Fatal(err)
						}
						if _, err := ephemeral.ECDH(rcpts[0].ecdhKey); err != nil {
							b.Fatal(err)
						}
					}
				}
				seal()
				var sealing, baring []time.Duration
				for b.Loop() {
					began := time.Now()
					seal()
					between := time.Now()
					bare()
					sealing = append(sealing, between.Sub(began))
					baring = append(baring, time.Since(between))
				}
				slices.Sort(sealing)
				slices.Sort(baring)
				n := len(sealing) / 2
				b.ReportMetric(float64(sealing[n]), "ns/seal")
				b.ReportMetric(float64(baring[n]), "ns/bare")
				b.ReportMetric(float64(sealing[n])/float64(baring[n]), "ratio")
			})
		}
	}
}

// BenchmarkOnePerRecipient is what a library without Seal does for each member.
func BenchmarkOnePerRecipient(b *testing.B) {
	pkcs7.ContentEncryptionAlgorithm = pkcs7.EncryptionAlgorithmAES256CBC
	for _, size := range benchSizes {
		b.Run("rsa2048/"+size.name, func(b *testing.B) {
			content := make([]byte, size.n)
			certs := who(b, "rsa2048").certs()
			b.ReportAllocs()
			for b.Loop() {
				der, err := pkcs7.Encrypt(content, certs)
				if err != nil {
					b.Fatal(err)
				}
				_ = base64.StdEncoding.EncodeToString(der)
			}
		})
	}
}

// BenchmarkNewSealer is what a post costs once, and BenchmarkLines each alignment used.
func BenchmarkNewSealer(b *testing.B) {
	for _, c := range []Cipher{AES256CBC, AES256GCM} {
		for _, size := range benchSizes {
			b.Run(c.String()+"/"+size.name, func(b *testing.B) {
				content := make([]byte, size.n)
				b.SetBytes(int64(size.n))
				b.ReportAllocs()
				for b.Loop() {
					s, err := NewSealer(content, c)
					if err != nil {
						b.Fatal(err)
					}
					s.lines(0)
				}
			})
		}
	}
}

func BenchmarkNewRecipient(b *testing.B) {
	cert := who(b, "rsa2048").cert
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewRecipient(cert, RecipientOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRead reads, verifies and opens messages of 1 MB as they arrive in chunks.
func BenchmarkRead(b *testing.B) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	chunks := func(data []byte) []byte {
		var parts [][]byte
		for len(data) > 0 {
			n := min(1000, len(data))
			parts = append(parts, encode(tagOctetString, data[:n]))
			data = data[n:]
		}
		return openEnded(explicit, parts...)
	}
	id := who(b, "rsa2048")
	key := bytes.Repeat([]byte{7}, 32)
	enveloped := sealed{key: key, data: cbcEncrypted(b, key, bytes.Repeat([]byte{9}, 16), pad(content)), chunks: chunks}.der(b)
	signed, err := Sign(content, SignOptions{Certificate: id.cert, Signer: id.signer()})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("verify", func(b *testing.B) {
		b.SetBytes(int64(len(signed)))
		b.ReportAllocs()
		for b.Loop() {
			c, _ := Read(signed, nil)
			if err := c.(*SignedData).Verify(nil, nil, VerifyPolicy{}, nil)[0].Err; err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decrypt", func(b *testing.B) {
		b.SetBytes(int64(len(enveloped)))
		b.ReportAllocs()
		for b.Loop() {
			c, _ := Read(enveloped, nil)
			if _, err := c.(*EnvelopedData).Decrypt([]Key{id.recipientKey()}, nil, DecryptPolicy{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestSealAllocations: a copy allocates what the public-key operation does and little more, whatever
// the size of the content.
func TestSealAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	allocations := make(map[int]float64)
	for _, size := range benchSizes {
		s, err := NewSealer(make([]byte, size.n), AES256CBC)
		if err != nil {
			t.Fatal(err)
		}
		rcpts := []*Recipient{who(t, "rsa2048").recipient(t, RecipientOptions{})}
		buf := make([]byte, 0, 4096)
		s.Seal(buf, rcpts)
		allocations[size.n] = testing.AllocsPerRun(100, func() { s.Seal(buf, rcpts) })
		if allocations[size.n] > 12 {
			t.Errorf("%s: %v allocations", size.name, allocations[size.n])
		}
	}
	if allocations[benchSizes[0].n] != allocations[benchSizes[1].n] {
		t.Errorf("allocations grow with the content: %v", allocations)
	}
}
