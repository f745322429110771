package keyring

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
)

// Object identifiers of RFC 8018 and of AES in CBC mode.
var (
	oidPBES2      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidHMACSHA256 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	oidAES256CBC  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

// encryptedPrivateKeyInfo is RFC 5958 section 3; the rest is RFC 8018 appendix A.
type encryptedPrivateKeyInfo struct {
	Algorithm algorithm[pbes2]
	Encrypted []byte
}

type algorithm[P any] struct {
	OID        asn1.ObjectIdentifier
	Parameters P
}

type pbes2 struct {
	Derivation algorithm[pbkdf2Parameters]
	Encryption algorithm[[]byte] // the IV
}

type pbkdf2Parameters struct {
	Salt       []byte
	Iterations int
	PRF        pkix.AlgorithmIdentifier
}

func (p pbes2) derivation() derivation {
	return derivation{Salt: p.Derivation.Parameters.Salt, Iterations: p.Derivation.Parameters.Iterations}
}

// foreign tells whether a stored key is under another derivation than the
// keyring's.
func foreign(der []byte, o *opened) bool {
	var info encryptedPrivateKeyInfo
	_, err := asn1.Unmarshal(der, &info)
	return err == nil && !info.Algorithm.Parameters.derivation().equal(o.d)
}

// errPKCS8 says that a stored key is not what this package writes.
var errPKCS8 = errors.New("the stored private key is damaged")

// encryptPKCS8 encrypts a private key under the keyring's derivation, with a
// fresh IV. `openssl pkcs8` opens the result with the key password.
func encryptPKCS8(private crypto.PrivateKey, o *opened) ([]byte, error) {
	clear, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(o.kek)
	if err != nil {
		return nil, err
	}
	iv := random(aes.BlockSize)
	pad := aes.BlockSize - len(clear)%aes.BlockSize
	clear = append(clear, bytes.Repeat([]byte{byte(pad)}, pad)...)
	encrypted := make([]byte, len(clear))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(encrypted, clear)
	return asn1.Marshal(encryptedPrivateKeyInfo{
		Algorithm: algorithm[pbes2]{OID: oidPBES2, Parameters: pbes2{
			Derivation: algorithm[pbkdf2Parameters]{OID: oidPBKDF2, Parameters: pbkdf2Parameters{
				Salt: o.d.Salt, Iterations: o.d.Iterations,
				PRF: pkix.AlgorithmIdentifier{Algorithm: oidHMACSHA256, Parameters: asn1.NullRawValue},
			}},
			Encryption: algorithm[[]byte]{OID: oidAES256CBC, Parameters: iv},
		}},
		Encrypted: encrypted,
	})
}

// decryptPKCS8 is the inverse. A key under another derivation than the
// keyring's costs one of its own.
func decryptPKCS8(der []byte, o *opened, password []byte) (crypto.PrivateKey, error) {
	var info encryptedPrivateKeyInfo
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) > 0 {
		return nil, errPKCS8
	}
	p := info.Algorithm.Parameters
	if !info.Algorithm.OID.Equal(oidPBES2) || !p.Derivation.OID.Equal(oidPBKDF2) || !p.Encryption.OID.Equal(oidAES256CBC) ||
		!p.Derivation.Parameters.PRF.Algorithm.Equal(oidHMACSHA256) || len(p.Encryption.Parameters) != aes.BlockSize ||
		len(info.Encrypted) == 0 || len(info.Encrypted)%aes.BlockSize != 0 {
		return nil, errPKCS8
	}
	kek := o.kek
	if d := p.derivation(); !d.equal(o.d) {
		var err error
		if kek, err = d.key(password); err != nil {
			return nil, err
		}
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	clear := make([]byte, len(info.Encrypted))
	cipher.NewCBCDecrypter(block, p.Encryption.Parameters).CryptBlocks(clear, info.Encrypted)
	pad := int(clear[len(clear)-1])
	if pad == 0 || pad > aes.BlockSize {
		return nil, fmt.Errorf("%w, or stored under another password", errPKCS8)
	}
	private, err := x509.ParsePKCS8PrivateKey(clear[:len(clear)-pad])
	if err != nil {
		return nil, fmt.Errorf("%w, or stored under another password", errPKCS8) // the library's error may quote the key
	}
	return private, nil
}
