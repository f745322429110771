package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/sealist/sealist/listd/store"
)

// ErrSamePassword: the new key password is the one that counts already.
var ErrSamePassword = errors.New("the new key password is the old one")

// Rekey encrypts every private key, and the secret of HMACs, anew under another
// key password, in one transaction. What HMACs were made stays good. Servers
// that run with the old password go on with the keys they have open and change
// none; they cannot open others before they have the new one. damaged are the
// fingerprints of keys that nothing opens any more: they stay as they are.
//
// Errors: ErrLocked, ErrNoPassword, ErrSamePassword.
func (k *Keyring) Rekey(ctx context.Context, password []byte) (changed int, damaged []string, err error) {
	if bytes.Equal(password, k.password) {
		return 0, nil, ErrSamePassword
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var stored []byte
	err = k.change(ctx, func(o *opened) (store.KeyChange, error) {
		if stored, err = sealSecret(o.secret, password, o.d.Iterations); err != nil {
			return store.KeyChange{}, err
		}
		renewed, err := openSecret(stored, password)
		if err != nil {
			return store.KeyChange{}, err
		}
		rows, err := k.store.AllKeys(ctx)
		if err != nil {
			return store.KeyChange{}, err
		}
		c := store.KeyChange{Secret: stored, All: true}
		changed, damaged = 0, nil
		for _, row := range rows {
			if len(row.PKCS8) == 0 {
				continue
			}
			if err := reencrypt(&row, o, k.password, renewed); err != nil {
				damaged = append(damaged, row.Fingerprint)
			} else {
				changed++
			}
			c.Replace = append(c.Replace, store.KeyReplacement{KeyRow: row, Was: row.State})
		}
		return c, nil
	})
	if err != nil {
		return 0, nil, fmt.Errorf("changing the key password: %w", err)
	}
	k.password, k.opened, k.wrong = bytes.Clone(password), nil, nil
	_, err = k.unlock(ctx)
	return changed, damaged, err
}

// reencrypt puts the private key of row under another derivation. A reference
// stays as it is.
func reencrypt(row *store.KeyRow, o *opened, password []byte, renewed *opened) error {
	if Reference(*row) != "" {
		return nil
	}
	private, err := decryptPKCS8(row.PKCS8, o, password)
	if err != nil {
		return err
	}
	encrypted, err := encryptPKCS8(private, renewed)
	if err == nil {
		row.PKCS8 = encrypted
	}
	return err
}

// MinPassword is how many characters a key password has at least.
const MinPassword = 12

// minVariety is how many of them differ at least.
const minVariety = 6

// Weak says what is the matter with a key password that can be guessed; empty
// if it does not show. Whoever has a copy of the database may try as many as he
// likes, each for the price of a derivation.
func Weak(password []byte) string {
	characters := bytes.Runes(password)
	different := map[rune]bool{}
	for _, c := range characters {
		different[c] = true
	}
	switch {
	case len(characters) < MinPassword:
		return fmt.Sprintf("it has %d characters, the least is %d", len(characters), MinPassword)
	case len(different) < minVariety:
		return fmt.Sprintf("it has only %d different characters, the least is %d", len(different), minVariety)
	}
	return ""
}
