//go:build pkcs11

package hsm

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"github.com/miekg/pkcs11"
)

// errLost: an operation could not even be begun, for reasons that are not its own.
var errLost = errors.New("the security module does not begin")

// begun is what the error of a beginning means. What is asked of the key is not
// known to the module yet, only by which mechanism.
func begun(err error) error {
	switch {
	case err == nil:
		return nil
	case is(err, pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED, pkcs11.CKR_KEY_TYPE_INCONSISTENT):
		return fmt.Errorf("%w: %w", ErrForbidden, err)
	case is(err, pkcs11.CKR_MECHANISM_INVALID, pkcs11.CKR_MECHANISM_PARAM_INVALID, pkcs11.CKR_ARGUMENTS_BAD,
		pkcs11.CKR_FUNCTION_NOT_SUPPORTED, pkcs11.CKR_KEY_SIZE_RANGE):
		return fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	return fmt.Errorf("%w: %w", errLost, err)
}

// mechanisms of a hash: its own, and that of MGF1 with it.
var hashes = map[crypto.Hash]struct{ hash, mgf uint }{
	crypto.SHA1:   {pkcs11.CKM_SHA_1, pkcs11.CKG_MGF1_SHA1},
	crypto.SHA224: {pkcs11.CKM_SHA224, pkcs11.CKG_MGF1_SHA224},
	crypto.SHA256: {pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256},
	crypto.SHA384: {pkcs11.CKM_SHA384, pkcs11.CKG_MGF1_SHA384},
	crypto.SHA512: {pkcs11.CKM_SHA512, pkcs11.CKG_MGF1_SHA512},
}

// digestInfo is what stands before a digest in RFC 8017 section 9.2, note 1.
var digestInfo = map[crypto.Hash][]byte{
	crypto.SHA256: {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20},
	crypto.SHA384: {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30},
	crypto.SHA512: {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40},
}

func (m *Module) sign(h handle, mechanism *pkcs11.Mechanism, data []byte) ([]byte, error) {
	return m.use(h, func(s *session, o pkcs11.ObjectHandle) ([]byte, error) {
		if err := begun(s.lib.SignInit(s.SessionHandle, []*pkcs11.Mechanism{mechanism}, o)); err != nil {
			return nil, err
		}
		return s.lib.Sign(s.SessionHandle, data)
	})
}

// signRSA signs a digest. The module does the padding.
func (m *Module) signRSA(h handle, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	hash := o.HashFunc()
	prefix, ok := digestInfo[hash]
	if !ok || len(digest) != hash.Size() {
		return nil, fmt.Errorf("signing in a security module: hash %v is not supported", hash)
	}
	if pss, ok := o.(*rsa.PSSOptions); ok {
		salt := pss.SaltLength
		if salt == rsa.PSSSaltLengthEqualsHash || salt == rsa.PSSSaltLengthAuto {
			salt = hash.Size()
		}
		parameters := pkcs11.NewPSSParams(hashes[hash].hash, hashes[hash].mgf, uint(salt))
		return m.sign(h, pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS_PSS, parameters), digest)
	}
	return m.sign(h, pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS, nil), append(bytes.Clone(prefix), digest...))
}

// signEC signs a digest. Modules return the two numbers side by side.
func (m *Module) signEC(h handle, digest []byte) ([]byte, error) {
	raw, err := m.sign(h, pkcs11.NewMechanism(pkcs11.CKM_ECDSA, nil), digest)
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 || len(raw)%2 != 0 {
		return nil, fmt.Errorf("signing in a security module: a signature of %d octets", len(raw))
	}
	n := len(raw) / 2
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:n]), new(big.Int).SetBytes(raw[n:])})
}

func (m *Module) decrypt(h handle, mechanism *pkcs11.Mechanism, wrapped []byte) ([]byte, error) {
	return m.use(h, func(s *session, o pkcs11.ObjectHandle) ([]byte, error) {
		if err := begun(s.lib.DecryptInit(s.SessionHandle, []*pkcs11.Mechanism{mechanism}, o)); err != nil {
			return nil, err
		}
		return s.lib.Decrypt(s.SessionHandle, wrapped)
	})
}

func (m *Module) decryptPKCS1(h handle, wrapped []byte) ([]byte, error) {
	return m.decrypt(h, pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS, nil), wrapped)
}

func (m *Module) decryptOAEP(h handle, wrapped []byte, o *rsa.OAEPOptions) ([]byte, error) {
	mgf := o.MGFHash
	if mgf == 0 {
		mgf = o.Hash
	}
	if hashes[o.Hash].hash == 0 || hashes[mgf].mgf == 0 {
		return nil, fmt.Errorf("%w: OAEP with %v", ErrForbidden, o.Hash)
	}
	parameters := pkcs11.NewOAEPParams(hashes[o.Hash].hash, hashes[mgf].mgf, pkcs11.CKZ_DATA_SPECIFIED, o.Label)
	return m.decrypt(h, pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS_OAEP, parameters), wrapped)
}

// derive does ECDH (section 2.3.10 of the mechanisms) without a derivation: the
// secret is made as an object of the session, read, and destroyed. The point was
// checked to be on the curve when it was parsed.
func (m *Module) derive(h handle, remote *ecdh.PublicKey) ([]byte, error) {
	length := (len(remote.Bytes()) - 1) / 2
	template := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_GENERIC_SECRET),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, false),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, true),
		pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, length),
	}
	parameters := pkcs11.NewECDH1DeriveParams(pkcs11.CKD_NULL, nil, remote.Bytes())
	mechanism := []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_ECDH1_DERIVE, parameters)}
	return m.use(h, func(s *session, o pkcs11.ObjectHandle) ([]byte, error) {
		derived, err := s.lib.DeriveKey(s.SessionHandle, mechanism, o, template)
		if is(err, pkcs11.CKR_KEY_HANDLE_INVALID, pkcs11.CKR_OBJECT_HANDLE_INVALID, pkcs11.CKR_USER_NOT_LOGGED_IN) {
			return nil, fmt.Errorf("%w: %w", errLost, err)
		}
		if is(err, pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED, pkcs11.CKR_KEY_TYPE_INCONSISTENT, pkcs11.CKR_MECHANISM_INVALID) {
			return nil, fmt.Errorf("%w: %w", ErrForbidden, err)
		}
		if err != nil {
			return nil, fmt.Errorf("agreeing on a secret: %w", err)
		}
		defer func() { _ = s.lib.DestroyObject(s.SessionHandle, derived) }()
		values, err := s.lib.GetAttributeValue(s.SessionHandle, derived, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_VALUE, nil)})
		if err != nil {
			return nil, fmt.Errorf("reading the agreed secret: %w", err)
		}
		value := values[0].Value
		if len(value) > length {
			return nil, fmt.Errorf("reading the agreed secret: %d octets", len(value))
		}
		secret := make([]byte, length) // QUIRK: some drop leading zeros
		copy(secret[length-len(value):], value)
		return secret, nil
	})
}
