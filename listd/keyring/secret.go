package keyring

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
)

// secretName is where the store keeps the key password's check.
const secretName = "keyring"

// maxIterations bounds what a tampered database can make us compute.
const maxIterations = 20_000_000

// derivation is how a key is derived from the password (RFC 8018 section 5.2).
type derivation struct {
	Salt       []byte `json:"salt"`
	Iterations int    `json:"iterations"`
}

func (d derivation) equal(e derivation) bool {
	return d.Iterations == e.Iterations && bytes.Equal(d.Salt, e.Salt)
}

// key derives 32 octets.
func (d derivation) key(password []byte) ([]byte, error) {
	if d.Iterations < 1 || d.Iterations > maxIterations || len(d.Salt) < 8 {
		return nil, fmt.Errorf("unusable key derivation: %d iterations, %d octets of salt", d.Iterations, len(d.Salt))
	}
	return pbkdf2.Key(sha256.New, string(password), d.Salt, d.Iterations, 32)
}

// check is what the store keeps: the derivation, and the HMAC secret sealed
// with AES-256-GCM. That it opens shows that the password is right.
type check struct {
	derivation
	Nonce  []byte `json:"nonce"`
	Sealed []byte `json:"sealed"`
}

// newSecret makes a random secret and seals it under the password.
func newSecret(password []byte, iterations int) ([]byte, error) {
	return sealSecret(random(32), password, iterations)
}

// sealSecret seals a secret under a password, with a derivation of its own.
func sealSecret(secret, password []byte, iterations int) ([]byte, error) {
	c := check{derivation: derivation{Salt: random(16), Iterations: iterations}, Nonce: random(12)}
	kek, err := c.key(password)
	if err != nil {
		return nil, err
	}
	aead, err := sealing(kek)
	if err != nil {
		return nil, err
	}
	c.Sealed = aead.Seal(nil, c.Nonce, secret, []byte(secretName))
	return json.Marshal(c)
}

// openSecret opens it. ErrPassword if the password is another.
func openSecret(stored, password []byte) (*opened, error) {
	var c check
	if err := json.Unmarshal(stored, &c); err != nil {
		return nil, fmt.Errorf("reading the key password's check: %w", err)
	}
	kek, err := c.key(password)
	if err != nil {
		return nil, err
	}
	aead, err := sealing(kek)
	if err != nil {
		return nil, err
	}
	if len(c.Nonce) != aead.NonceSize() {
		return nil, fmt.Errorf("the key password's check is damaged")
	}
	secret, err := aead.Open(nil, c.Nonce, c.Sealed, []byte(secretName))
	if err != nil {
		return nil, ErrPassword
	}
	return &opened{stored: stored, d: c.derivation, kek: kek, secret: secret}, nil
}

// sealing returns the cipher of the check. Its key is not the one that encrypts
// private keys.
func sealing(kek []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(mac(kek, []byte("sealist: key password check")))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}
