package hsm

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/sealist/sealist/smime/cms"
)

// Key is a private key in a security module: an *RSA, which is a
// crypto.Decrypter, too, or an *EC, which is an ecdh.KeyExchanger.
type Key interface {
	crypto.Signer
	// URI is where it is.
	URI() URI
	// Ready says why the key cannot be asked now, or nil.
	Ready() error
	// Probe uses the key, to sign, to open, or both, and checks the result with the public key.
	// Errors: ErrOther, ErrForbidden, or what Ready has.
	Probe(sign, open bool) error
}

// handle is what both kinds have.
type handle struct {
	module *Module
	uri    URI
	public crypto.PublicKey // of the certificate: a token need not know it
}

// Public returns the key that stands in the certificate.
func (h handle) Public() crypto.PublicKey { return h.public }

// URI is where the key is.
func (h handle) URI() URI { return h.uri }

// Ready says why the key cannot be asked now, or nil.
func (h handle) Ready() error { return h.module.ready(h) }

// String names the key.
func (h handle) String() string { return h.uri.String() }

// Key returns the private key at a URI whose public half is known. It asks the
// module nothing. Errors: one about a public key that is neither RSA nor of a
// curve for ECDH.
func (m *Module) Key(uri URI, public crypto.PublicKey) (Key, error) {
	h := handle{m, uri, public}
	switch public := public.(type) {
	case *rsa.PublicKey:
		return &RSA{h}, nil
	case *ecdsa.PublicKey:
		exchange, err := public.ECDH()
		if err != nil {
			return nil, fmt.Errorf("reading the public key: %w", err)
		}
		return &EC{h, exchange}, nil
	}
	return nil, errors.New("the key is neither RSA nor of an elliptic curve")
}

// RSA is an RSA key in a security module.
type RSA struct{ handle }

// Sign signs a digest by PKCS #1 v1.5, or by PSS for *rsa.PSSOptions.
func (k *RSA) Sign(_ io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	return k.module.signRSA(k.handle, digest, o)
}

// Decrypt opens RSAES-PKCS1-v1_5, or RSAES-OAEP for *rsa.OAEPOptions. What does
// not open is an error, also where *rsa.PKCS1v15DecryptOptions ask for a random
// key: smime/cms puts one there.
func (k *RSA) Decrypt(_ io.Reader, wrapped []byte, o crypto.DecrypterOpts) ([]byte, error) {
	if oaep, ok := o.(*rsa.OAEPOptions); ok {
		return k.module.decryptOAEP(k.handle, wrapped, oaep)
	}
	return k.module.decryptPKCS1(k.handle, wrapped)
}

// Probe uses the key and checks the result.
func (k *RSA) Probe(sign, open bool) error {
	if err := k.Ready(); err != nil {
		return err
	}
	public := k.public.(*rsa.PublicKey)
	if sign {
		digest := sha256.Sum256([]byte("sealist: is this the certificate's key?"))
		signature, err := k.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			return probed(err)
		}
		if rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) != nil {
			return ErrOther
		}
	}
	if open {
		secret := make([]byte, 32)
		rand.Read(secret) // never fails
		//lint:ignore SA1019 what most mail is wrapped with
		wrapped, err := rsa.EncryptPKCS1v15(rand.Reader, public, secret)
		if err != nil {
			return err
		}
		got, err := k.Decrypt(rand.Reader, wrapped, nil)
		if err != nil {
			return probed(err)
		}
		if !bytes.Equal(got, secret) {
			return ErrOther
		}
	}
	return nil
}

// probed is what an error means of an operation that the certificate's key would
// have done.
func probed(err error) error {
	if errors.Is(err, cms.ErrKeyAway) || errors.Is(err, ErrForbidden) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrOther, err)
}

// EC is a key of an elliptic curve in a security module.
type EC struct {
	handle
	exchange *ecdh.PublicKey
}

// Sign signs a digest by ECDSA, in the form of RFC 3279 section 2.2.3.
func (k *EC) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	return k.module.signEC(k.handle, digest)
}

// PublicKey is Public, for key agreement.
func (k *EC) PublicKey() *ecdh.PublicKey { return k.exchange }

// Curve returns the curve.
func (k *EC) Curve() ecdh.Curve { return k.exchange.Curve() }

// ECDH agrees on a secret, which leaves the module: what is derived from it is
// derived here.
func (k *EC) ECDH(remote *ecdh.PublicKey) ([]byte, error) {
	if remote.Curve() != k.Curve() {
		return nil, errors.New("the other key is of another curve")
	}
	return k.module.derive(k.handle, remote)
}

// Probe uses the key and checks the result.
func (k *EC) Probe(sign, open bool) error {
	if err := k.Ready(); err != nil {
		return err
	}
	if sign {
		digest := sha256.Sum256([]byte("sealist: is this the certificate's key?"))
		signature, err := k.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			return probed(err)
		}
		if !ecdsa.VerifyASN1(k.public.(*ecdsa.PublicKey), digest[:], signature) {
			return ErrOther
		}
	}
	if open {
		ephemeral, err := k.Curve().GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		want, err := ephemeral.ECDH(k.exchange)
		if err != nil {
			return err
		}
		got, err := k.ECDH(ephemeral.PublicKey())
		if err != nil {
			return probed(err)
		}
		if !bytes.Equal(got, want) {
			return ErrOther
		}
	}
	return nil
}
