package cms

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"testing"
	"time"
)

func (id identity) certs() []*x509.Certificate { return []*x509.Certificate{id.cert} }

func wantErr(tb testing.TB, what string, err, want error) {
	tb.Helper()
	if !errors.Is(err, want) {
		tb.Errorf("%s: %v, want %v", what, err, want)
	}
}

// opaque is a crypto.Signer that is none of the standard library's types, as a module's key is.
type opaqueSigner struct{ s crypto.Signer }

func (o opaqueSigner) Public() crypto.PublicKey { return o.s.Public() }
func (o opaqueSigner) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return o.s.Sign(r, digest, opts)
}

// TestSignRoundTrip is the property that what is signed verifies, for every key, form and option.
func TestSignRoundTrip(t *testing.T) {
	when := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	digests := map[string]string{"rsa2048": "sha256", "p256": "sha256", "p384": "sha384", "p521": "sha512", "ed25519": "sha512"}
	for name, digest := range digests {
		for _, detached := range []bool{false, true} {
			for _, pss := range []bool{false, true} {
				for _, size := range []int{0, 1, 127, 128, 70_000} {
					id := who(t, name)
					content := bytes.Repeat([]byte{'x'}, size)
					encryption := who(t, "rsa2048/encryption").cert
					options := SignOptions{
						Certificate: id.cert, Signer: opaqueSigner{id.signer()}, Chain: []*x509.Certificate{pool.ca, id.cert},
						PSS: pss, Detached: detached, SigningTime: when, Capabilities: true,
						EncryptionCertificate: encryption, SigningCertificate: true,
					}
					der, err := Sign(content, options)
					if err != nil {
						t.Fatal(err)
					}
					checkDER(t, der)
					sd := read[*SignedData](t, der)
					if sd.Detached != detached || len(sd.Certificates) != 3 || sd.CertsOnly() {
						t.Errorf("%s: %+v", name, sd)
					}
					given := content
					if !detached {
						given = sd.Content
					}
					infos := sd.Verify(given, nil, VerifyPolicy{}, nil)
					if len(infos) != 1 || infos[0].Err != nil {
						t.Fatalf("%s, detached %v, %d octets: %+v", name, detached, size, infos)
					}
					info := infos[0]
					if !info.Certificate.Equal(id.cert) || info.Digest != digest || !info.SigningTime.Equal(when) ||
						!info.EncryptionKeyPreference.Matches(encryption) {
						t.Errorf("%s: %+v", name, info)
					}
					if mic := options.MICAlgorithm(); mic != digest[:3]+"-"+digest[3:] {
						t.Errorf("%s: micalg %s", name, mic)
					}
					c, err := ParseCapabilities(info.Capabilities)
					if err != nil || !c.Supports(AES256GCM) || !c.Supports(AES128CBC) {
						t.Errorf("%s: %v %v", name, c, err)
					}
					if size > 0 {
						content[size/2] ^= 1
						for _, info := range sd.Verify(content, nil, VerifyPolicy{}, nil) {
							if detached {
								wantErr(t, name, info.Err, ErrAltered)
							} else {
								wantErr(t, name, info.Err, ErrSignerMalformed) // other content beside the eContent
							}
						}
					}
				}
			}
		}
	}
}

func TestSignRefuses(t *testing.T) {
	a, b := who(t, "rsa2048"), who(t, "rsa2048/b")
	if _, err := Sign(nil, SignOptions{Certificate: a.cert, Signer: b.signer()}); err == nil {
		t.Error("signed with another's key")
	}
	if _, err := Sign(nil, SignOptions{Certificate: a.cert}); err == nil {
		t.Error("signed without a key")
	}
	p224 := who(t, "p224")
	if _, err := Sign(nil, SignOptions{Certificate: p224.cert, Signer: p224.signer()}); !errors.Is(err, ErrUnsupportedAlgorithm) {
		t.Errorf("P-224: %v", err)
	}
}

// TestEncodeTime: UTCTime through 2049 (RFC 5652 section 11.3).
func TestEncodeTime(t *testing.T) {
	for when, tag := range map[time.Time]byte{
		time.Date(1949, 12, 31, 23, 59, 59, 0, time.UTC): tagGeneralizedTime,
		time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC):      tagUTCTime,
		time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC): tagUTCTime,
		time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC):      tagGeneralizedTime,
	} {
		der := encodeTime(when)
		got, err := newDocument(der, NewBudget(Limits{})).root().next().time()
		if der[0] != tag || err != nil || !got.Equal(when) {
			t.Errorf("%v: %x %v %v", when, der, got, err)
		}
	}
}
