package trust

import (
	"crypto/rsa"
	"math/big"
	"math/bits"
)

// rocaPrimes are the primes by which a key of Infineon's library is known.
var rocaPrimes = [...]uint{3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
	107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167}

// roca tells a key that was made by Infineon's library before 2017 (CVE-2017-15361, Nemec et al., "The Return of
// Coppersmith's Attack"), as smart cards and tokens did: its primes have the form k·M + (65537^a mod M) for a product M of
// the first primes, so that the modulus is a power of 65537 modulo each of them. Such a key of 2048 bits can be factored.
// Of other keys about one in 2^27 looks so by chance.
func roca(key *rsa.PublicKey) bool {
	for _, p := range rocaPrimes {
		if !powerOf65537(mod(key.N, p), p) {
			return false
		}
	}
	return true
}

func powerOf65537(n, p uint) bool {
	generator := 65537 % p
	for power := uint(1); ; {
		if power == n {
			return true
		}
		if power = power * generator % p; power == 1 {
			return false
		}
	}
}

// mod is n mod p without an allocation.
func mod(n *big.Int, p uint) uint {
	words := n.Bits()
	var rest uint
	for i := len(words) - 1; i >= 0; i-- {
		rest = bits.Rem(rest, uint(words[i]), p)
	}
	return rest
}
