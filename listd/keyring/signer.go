package keyring

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// ErrNotNow is wrapped where a list has keys that may sign, and none that is valid at the time.
var ErrNotNow = errors.New("no signing certificate is valid now")

// SigningKey returns the key a list signs with at a time; false if the list has none that may sign. Whether it has one is
// known while the keyring is locked, too. The error wraps ErrLocked or ErrNotNow where there is one and it cannot be used.
func (k *Keyring) SigningKey(ctx context.Context, id list.ID, now time.Time) (Key, bool, error) {
	rows, err := k.store.Keys(ctx, id)
	if err != nil {
		return Key{}, false, fmt.Errorf("reading the keys: %w", err)
	}
	if !slices.ContainsFunc(rows, signs) {
		return Key{}, false, nil
	}
	keys, err := k.Keys(ctx, id)
	if err != nil {
		return Key{}, false, err
	}
	key, ok := Signing(keys, now)
	if !ok {
		return Key{}, false, ErrNotNow
	}
	if err := key.Ready(); err != nil {
		return Key{}, false, err
	}
	return key, true, nil
}

// signs tells whether a key is kept to sign with.
func signs(row store.KeyRow) bool {
	cert, err := x509.ParseCertificate(row.Certificate)
	return err == nil && row.State == store.KeyActive && MaySign(cert)
}

// Encrypting returns the key people are to encrypt to at a time: of the active ones that are valid then and may be encrypted
// to the one that was activated last. False if there is none.
func Encrypting(keys []Key, now time.Time) (Key, bool) {
	var newest Key
	for _, k := range keys {
		if k.State == store.KeyActive && mayEncrypt(k.Certificate) && validAt(k.Certificate, now) && (newest.Certificate == nil || k.Since.After(newest.Since)) {
			newest = k
		}
	}
	return newest, newest.Certificate != nil
}
