package smimetest

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"sync"
)

type keyType int

const (
	keyRSA keyType = iota
	keyP256
	keyP384
	keyP521
	keyEd25519
	keyX25519
)

// KeySpec says which key pair a certificate gets.
type KeySpec struct {
	type_ keyType
	bits  int
	fresh bool
	given crypto.PrivateKey
}

// WithKey takes a key pair that exists.
func WithKey(key crypto.PrivateKey) Option { return func(t *Template) { t.Key.given = key } }

func (k KeySpec) make() crypto.PrivateKey {
	if k.given != nil {
		return k.given
	}
	switch k.type_ {
	case keyP256:
		return ecKey(elliptic.P256())
	case keyP384:
		return ecKey(elliptic.P384())
	case keyP521:
		return ecKey(elliptic.P521())
	case keyEd25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		must(err)
		return key
	case keyX25519:
		key, err := ecdh.X25519().GenerateKey(rand.Reader)
		must(err)
		return key
	}
	if (k.bits == 0 || k.bits == 2048) && !k.fresh {
		return pool.next()
	}
	return rsaKey(k.bits)
}

func ecKey(curve elliptic.Curve) crypto.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	must(err)
	return key
}

func rsaKey(bits int) crypto.PrivateKey {
	if bits == 0 {
		bits = 2048
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	must(err)
	return key
}

// pool hands out RSA 2048 keys: making one costs about a tenth of a second, and a test of a list with a thousand members needs a
// thousand certificates, not a thousand keys. The first poolSize users of a process have distinct keys; then they come round again.
var pool rsaPool

const poolSize = 24

type rsaPool struct {
	mu   sync.Mutex
	keys []crypto.PrivateKey
	n    int
}

func (p *rsaPool) next() crypto.PrivateKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.keys) < poolSize {
		p.keys = append(p.keys, rsaKey(2048))
		return p.keys[len(p.keys)-1]
	}
	p.n++
	return p.keys[p.n%poolSize]
}

// usageOf is the key usage that belongs to a key type (RFC 8550 section 4.4.2, RFC 5753).
func usageOf(public crypto.PublicKey) x509.KeyUsage {
	switch public.(type) {
	case *rsa.PublicKey:
		return x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	case *ecdsa.PublicKey:
		return x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement
	case *ecdh.PublicKey:
		return x509.KeyUsageKeyAgreement
	}
	return x509.KeyUsageDigitalSignature
}
