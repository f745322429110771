package trust_test

import (
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"testing"

	"github.com/sealist/sealist/smime/smimetest"
	"github.com/sealist/sealist/smime/trust"
)

// rocaKey makes a modulus as the flawed library does: two factors k·M + (65537^a mod M). That they are no primes does not
// matter to who looks at the modulus.
func rocaKey(t *testing.T) *rsa.PublicKey {
	t.Helper()
	product := big.NewInt(1)
	for n, found := int64(2), 0; found < 126; n++ { // of the first 126 primes, for keys of 2048 bits
		if big.NewInt(n).ProbablyPrime(10) {
			product.Mul(product, big.NewInt(n))
			found++
		}
	}
	modulus := new(big.Int)
	for modulus.BitLen() != 2048 {
		modulus.SetInt64(1)
		for range 2 {
			a, errA := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 254))
			k, errK := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(1024-product.BitLen()+1)))
			if errA != nil || errK != nil {
				t.Fatal(errA, errK)
			}
			factor := new(big.Int).Exp(big.NewInt(65537), a, product)
			modulus.Mul(modulus, factor.Add(factor, k.Mul(k, product)))
		}
	}
	return &rsa.PublicKey{N: modulus, E: 65537}
}

func TestROCA(t *testing.T) {
	ca := smimetest.NewCA("CA")
	policy := anchored(ca)
	for range 4 {
		if v := policy.Judge(issue(t, ca, rocaKey(t), nil), trust.Encryption, now, nil); v.Reason != trust.WeakAlgorithm {
			t.Errorf("a key of a flawed card: %q (%s)", v.Reason, v.Detail)
		}
		if v := policy.Judge(issue(t, ca, rsaWith(t, 2048, 65537), nil), trust.Encryption, now, nil); !v.OK() {
			t.Errorf("another key: %q (%s)", v.Reason, v.Detail)
		}
	}
}
