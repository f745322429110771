//go:build !pkcs11

package hsm

import (
	"crypto"
	"crypto/ecdh"
	"crypto/rsa"
)

// Built tells whether this program can use a security module.
const Built = false

type link struct{}

func (m *Module) ready(handle) error { return away(ErrNotBuilt) }

// Close does nothing.
func (m *Module) Close() error { return nil }

func (m *Module) signRSA(handle, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, away(ErrNotBuilt)
}

func (m *Module) signEC(handle, []byte) ([]byte, error) { return nil, away(ErrNotBuilt) }

func (m *Module) decryptPKCS1(handle, []byte) ([]byte, error) { return nil, away(ErrNotBuilt) }

func (m *Module) decryptOAEP(handle, []byte, *rsa.OAEPOptions) ([]byte, error) {
	return nil, away(ErrNotBuilt)
}

func (m *Module) derive(handle, *ecdh.PublicKey) ([]byte, error) { return nil, away(ErrNotBuilt) }
