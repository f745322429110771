package keyring

import (
	"crypto"
	"crypto/x509"
	"fmt"

	"github.com/sealist/sealist/listd/hsm"
	"github.com/sealist/sealist/listd/store"
)

// Reference is where the private key of a row is, if that is a security module:
// a URI of RFC 7512, which stands in the place of the PKCS#8; else empty.
func Reference(row store.KeyRow) string {
	if text := string(row.PKCS8); hsm.IsURI(text) { // DER begins with 0x30, and this with a letter
		return text
	}
	return ""
}

// InModule completes a Bundle of certificates alone with the private key of the
// first, which is in a security module. That it is the certificate's own shows
// by using it: to sign and to open, as the certificate has it.
//
// Errors: ErrTwoKeys, ErrKeyType, and those of hsm.ParseURI and hsm.Key.Probe.
func (k *Keyring) InModule(b Bundle, uri string) (Bundle, error) {
	if b.Private != nil {
		return Bundle{}, ErrTwoKeys
	}
	u, err := hsm.ParseURI(uri)
	if err != nil {
		return Bundle{}, err
	}
	key, err := k.o.HSM.Key(u, b.Certificate.PublicKey)
	if err != nil {
		return Bundle{}, ErrKeyType
	}
	use := UseOf(b.Certificate)
	if err := key.Probe(use.Signs(), use.Encrypts()); err != nil {
		return Bundle{}, err
	}
	b.Private = key
	return b, nil
}

// private returns the private key of a row: decrypted, or where it is.
func (k *Keyring) private(row store.KeyRow, cert *x509.Certificate, o *opened) (crypto.PrivateKey, error) {
	uri := Reference(row)
	if uri == "" {
		return decryptPKCS8(row.PKCS8, o, k.password)
	}
	u, err := hsm.ParseURI(uri)
	if err != nil {
		return nil, err
	}
	return k.o.HSM.Key(u, cert.PublicKey)
}

// kept is how a private key is kept.
func kept(private crypto.PrivateKey, o *opened) ([]byte, error) {
	if key, ok := private.(hsm.Key); ok {
		return []byte(key.URI().String()), nil
	}
	return encryptPKCS8(private, o)
}

// Ready says why the key cannot be used now: the security module that it is in
// cannot be reached, or this program was built without. Nil for keys that are in
// memory. The error wraps ErrLocked.
func (k Key) Ready() error {
	if key, ok := k.Private.(hsm.Key); ok {
		if err := key.Ready(); err != nil {
			return fmt.Errorf("%w: the key %s: %w", ErrLocked, key.URI(), err)
		}
	}
	return nil
}
