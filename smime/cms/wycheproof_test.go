package cms

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"testing"
)

// hexOctets is a hex string in the vectors.
type hexOctets []byte

func (h *hexOctets) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		*h = nil // an object, in fields that other vectors have as strings
		return nil
	}
	var err error
	*h, err = hex.DecodeString(s)
	if err != nil {
		*h = []byte(s)
	}
	return nil
}

type vectors struct {
	TestGroups []vectorGroup
}

type vectorGroup struct {
	PrivateKeyPkcs8, PublicKeyDer, PublicKeyAsn hexOctets
	Sha, MgfSha                                 string
	SLen                                        int
	Tests                                       []vector
}

type vector struct {
	TcID                                                       int
	Key, IV, Msg, Ct, Sig, Label, Public, Private, Shared, Tag hexOctets
	Comment, Result                                            string
	Flags                                                      []string
}

func wycheproof(t *testing.T, name string, f func(*testing.T, vectorGroup, vector)) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(corpora(t), "wycheproof", name))
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range v.TestGroups {
		for _, test := range g.Tests {
			f(t, g, test)
			n++
		}
	}
	if n == 0 {
		t.Fatal("no vectors")
	}
	t.Logf("%d vectors", n)
}

// verdict compares an outcome with the vector's. What is "acceptable" may go either way.
func (v vector) verdict(t *testing.T, ok bool) {
	t.Helper()
	if v.Result == "valid" && !ok || v.Result == "invalid" && ok {
		t.Errorf("vector %d (%s, %v): ok is %v, want %s", v.TcID, v.Comment, v.Flags, ok, v.Result)
	}
}

func TestWycheproofKeyWrap(t *testing.T) {
	wycheproof(t, "aes_wrap_test.json", func(t *testing.T, _ vectorGroup, v vector) {
		got, ok := unwrapKey(v.Key, v.Ct)
		v.verdict(t, ok == 1 && bytes.Equal(got, v.Msg))
		if v.Result == "valid" && len(v.Msg) >= 16 {
			if ct := wrapKey(nil, v.Key, v.Msg); !bytes.Equal(ct, v.Ct) {
				t.Errorf("vector %d: wrapped as %x", v.TcID, ct)
			}
		}
	})
}

func TestWycheproofCBC(t *testing.T) {
	wycheproof(t, "aes_cbc_pkcs5_test.json", func(t *testing.T, _ vectorGroup, v vector) {
		if len(v.Ct) == 0 || len(v.Ct)%aes.BlockSize != 0 {
			v.verdict(t, false) // Decrypt refuses these lengths before it looks further
			return
		}
		c := contentCipher{keyLen: len(v.Key), iv: v.IV}
		data := bytes.Clone(v.Ct)
		cipher.NewCBCDecrypter(c.block(v.Key), c.iv).CryptBlocks(data, data)
		n, ok := unpad(data, aes.BlockSize)
		v.verdict(t, ok == 1 && bytes.Equal(data[:n], v.Msg))
		if ok != c.padded(v.Key, v.Ct) {
			t.Errorf("vector %d: the last block says otherwise", v.TcID)
		}
	})
}

func TestWycheproofPKCS1(t *testing.T) {
	wycheproof(t, "rsa_pkcs1_2048_test.json", func(t *testing.T, g vectorGroup, v vector) {
		key, err := x509.ParsePKCS8PrivateKey(g.PrivateKeyPkcs8)
		if err != nil {
			t.Fatal(err)
		}
		if len(v.Msg) < 16 || len(v.Msg) > 64 {
			return // no content key
		}
		for _, private := range []any{key, opaqueDecrypter{key.(*rsa.PrivateKey)}} {
			a := attempt{&recipient{key: v.Ct}, private}
			got, _, _ := a.pkcs1(len(v.Msg))
			if v.Result != "acceptable" {
				v.verdict(t, bytes.Equal(got, v.Msg))
			}
			if len(got) != len(v.Msg) {
				t.Errorf("vector %d: no key at all", v.TcID)
			}
		}
	})
}

// opaqueDecrypter is a crypto.Decrypter that is none of the standard library's types.
type opaqueDecrypter struct{ crypto.Decrypter }

func TestWycheproofOAEP(t *testing.T) {
	for _, name := range []string{"rsa_oaep_2048_sha1_mgf1sha1_test.json", "rsa_oaep_2048_sha256_mgf1sha1_test.json", "rsa_oaep_2048_sha256_mgf1sha256_test.json"} {
		wycheproof(t, name, func(t *testing.T, g vectorGroup, v vector) {
			key, err := x509.ParsePKCS8PrivateKey(g.PrivateKeyPkcs8)
			if err != nil {
				t.Fatal(err)
			}
			hash := map[string]oid{"SHA-1": oidSHA1, "SHA-256": oidSHA256}
			parameters := encode(tagSequence,
				encode(explicit, encodeAlgorithm(hash[g.Sha], null)),
				encode(explicit|1, encodeAlgorithm(oidMGF1, encodeAlgorithm(hash[g.MgfSha], nil))),
				encode(explicit|2, encodeAlgorithm(oidPSpecified, encode(tagOctetString, v.Label))))
			r := &recipient{algorithm: parseAlgorithm(encodeAlgorithm(oidOAEP, parameters)), key: v.Ct}
			if !r.fits(key, oidAES256CBC) {
				t.Fatalf("vector %d: parameters not understood", v.TcID)
			}
			got, ok, _ := attempt{r, key}.oaep(len(v.Msg))
			v.verdict(t, ok == 1 && bytes.Equal(got, v.Msg))
		})
	}
}

func parseAlgorithm(der []byte) algorithm {
	return newDocument(der, NewBudget(Limits{})).root().algorithm("algorithm")
}

func TestWycheproofECDH(t *testing.T) {
	for name, curve := range map[string]ecdh.Curve{"ecdh_secp256r1_test.json": ecdh.P256(), "ecdh_secp384r1_test.json": ecdh.P384()} {
		wycheproof(t, name, func(t *testing.T, _ vectorGroup, v vector) {
			n := len(v.Shared)
			if n == 0 {
				n = map[ecdh.Curve]int{ecdh.P256(): 32, ecdh.P384(): 48}[curve]
			}
			key, err := curve.NewPrivateKey(new(big.Int).SetBytes(v.Private).FillBytes(make([]byte, n)))
			if err != nil {
				t.Fatal(err)
			}
			d := newDocument(v.Public, NewBudget(Limits{}))
			r := d.root().take(tagSequence, "spki").children()
			point := r.originatorKey()
			if d.err != nil {
				v.verdict(t, false)
				return
			}
			got, ok, _ := sharedSecret(key, point)
			if subtle.ConstantTimeCompare(v.Shared, make([]byte, len(v.Shared))) == 1 && v.Result == "valid" {
				v.Result = "invalid" // sound on these curves; this package refuses all zeros on every curve
			}
			v.verdict(t, ok == 1 && bytes.Equal(got, v.Shared))
		})
	}
}

func TestWycheproofX25519(t *testing.T) {
	wycheproof(t, "x25519_test.json", func(t *testing.T, _ vectorGroup, v vector) {
		key, err := ecdh.X25519().NewPrivateKey(v.Private)
		if err != nil {
			t.Fatal(err)
		}
		got, ok, _ := sharedSecret(key, v.Public)
		zero := subtle.ConstantTimeCompare(v.Shared, make([]byte, 32)) == 1
		if zero == (ok == 1) || !zero && !bytes.Equal(got, v.Shared) {
			t.Errorf("vector %d (%s): %d, %x", v.TcID, v.Comment, ok, got)
		}
	})
}

// verifies runs the package's own check of a signature.
func (g vectorGroup) verifies(t *testing.T, algorithm []byte, h crypto.Hash, v vector) bool {
	t.Helper()
	cert := &x509.Certificate{RawSubjectPublicKeyInfo: g.PublicKeyDer}
	if key, err := x509.ParsePKIXPublicKey(g.PublicKeyDer); err == nil {
		cert.PublicKey = key
	}
	s, err := readScheme(parseAlgorithm(algorithm))
	if err != nil {
		t.Fatal(err)
	}
	return s.verify(cert, h, sum(h, v.Msg), v.Msg, v.Sig) == nil
}

func TestWycheproofSignatures(t *testing.T) {
	tests := []struct {
		file      string
		algorithm []byte
		hash      crypto.Hash
	}{
		{"rsa_signature_2048_sha256_test.json", encodeAlgorithm(oidRSA, null), crypto.SHA256},
		{"rsa_pss_2048_sha256_mgf1_32_params_test.json", encodeAlgorithm(oidPSS, pssParameters(crypto.SHA256)), crypto.SHA256},
		{"ecdsa_secp256r1_sha256_test.json", encodeAlgorithm(oidECDSAWithSHA256, nil), crypto.SHA256},
		{"ed25519_test.json", encodeAlgorithm(oidEd25519, nil), crypto.SHA512},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			wycheproof(t, test.file, func(t *testing.T, g vectorGroup, v vector) {
				if len(g.PublicKeyDer) == 0 {
					t.Fatal("a group without a key")
				}
				v.verdict(t, g.verifies(t, test.algorithm, test.hash, v))
			})
		})
	}
}
