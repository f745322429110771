package keyring

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/sealist/sealist/listd/hsm"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/trust"
)

// Why a key pair is not taken. Reason has a word for each.
var (
	ErrPEM            = errors.New("this is a PEM file, not PKCS#12")
	ErrBundlePassword = errors.New("the password of the key file is wrong")
	ErrNoKey          = errors.New("there is no private key in the file")
	ErrTwoKeys        = errors.New("there is more than one private key in the file")
	ErrNoCertificate  = errors.New("there is no certificate in the file")
	ErrMismatch       = errors.New("no certificate in the file belongs to the private key")
	ErrKeyType        = errors.New("the private key is neither RSA nor of an elliptic curve P-256, P-384 or P-521")
	ErrUnusable       = errors.New("the certificate cannot be used for mail of the list")
	ErrAddress        = errors.New("the certificate does not name the list's address")
	ErrIterations     = errors.New("the file wants its password to be tried with more iterations than any real one")
	ErrUnsupported    = errors.New("the file is encrypted in a way that is not supported")
	ErrMalformed      = errors.New("the file is damaged, or of no kind that is known")
)

// unusable is ErrUnusable with what speaks against the certificate.
type unusable struct{ trust.Verdict }

func (u unusable) Error() string        { return fmt.Sprintf("%s: %s: %s", ErrUnusable, u.Reason, u.Detail) }
func (u unusable) Is(target error) bool { return target == ErrUnusable }

// Reason is the one word that says why a key pair was not taken, of those that
// certificates have and a few about files; empty for other errors.
func Reason(err error) string {
	var u unusable
	if errors.As(err, &u) {
		return string(u.Reason)
	}
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.word
		}
	}
	return ""
}

var reasons = []struct {
	err  error
	word string
}{
	{ErrPEM, "not_pkcs12"},
	{ErrBundlePassword, "wrong_password"},
	{ErrNoKey, "no_key"},
	{ErrTwoKeys, "two_keys"},
	{ErrNoCertificate, "no_certificate"},
	{ErrMismatch, "key_mismatch"},
	{ErrKeyType, string(trust.UnsupportedAlgorithm)},
	{ErrUnsupported, string(trust.UnsupportedAlgorithm)},
	{ErrAddress, string(trust.AddressMismatch)},
	{ErrIterations, "iterations"},
	{ErrNoRequest, "no_request"},
	{store.ErrKeyTaken, "key_taken"},
	{store.ErrExists, "key_exists"},
	{hsm.ErrNoObject, "no_key"},
	{hsm.ErrTwoObjects, "two_keys"},
	{hsm.ErrOther, "key_mismatch"},
	{hsm.ErrForbidden, string(trust.WrongUsage)},
	{hsm.ErrPIN, "wrong_password"},
	{hsm.ErrURI, string(trust.Malformed)},
	{ErrMalformed, string(trust.Malformed)},
}

// Bundle is a key pair with its certificate, as files bring it.
type Bundle struct {
	Certificate *x509.Certificate
	Chain       []*x509.Certificate // the other certificates in the files
	Private     crypto.PrivateKey   // nil: the files had certificates only; hsm.Key: see Keyring.InModule
}

// String shows nothing of the key.
func (b Bundle) String() string { return "key pair" }

// GoString is String.
func (b Bundle) GoString() string { return b.String() }

// Format writes String whatever the verb is.
func (b Bundle) Format(f fmt.State, _ rune) { fmt.Fprint(f, b.String()) }

// LogValue is String.
func (b Bundle) LogValue() slog.Value { return slog.StringValue(b.String()) }

// MarshalText is String, so that encoders do not walk into the key.
func (b Bundle) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// asn1Sequence is the first octet of every PKCS#12 file.
const asn1Sequence = 0x30

// ParsePKCS12 reads a PKCS#12 file (RFC 7292), in the forms of OpenSSL 1 and 3
// of Windows, and of NSS and Bouncy Castle (BER). The certificate that belongs
// to the key is the list's, wherever in the file it stands; the others are its
// chain.
func ParsePKCS12(octets []byte, password string) (Bundle, error) {
	if block, _ := pem.Decode(octets); block != nil && octets[0] != asn1Sequence {
		return Bundle{}, ErrPEM
	}
	if err := checkIterations(octets); err != nil {
		return Bundle{}, err
	}
	key, first, others, err := pkcs12.DecodeChain(octets, password)
	if err != nil {
		if der, berErr := pkcs12DER(octets, password); berErr == nil && isBER(err) {
			if err := checkIterations(der); err != nil { // what was in pieces is whole now
				return Bundle{}, err
			}
			key, first, others, err = pkcs12.DecodeChain(der, password)
		}
	}
	if err != nil {
		return Bundle{}, named(err)
	}
	return pair(key, append([]*x509.Certificate{first}, others...))
}

// pair finds the certificate that belongs to a key.
func pair(key crypto.PrivateKey, certs []*x509.Certificate) (Bundle, error) {
	b := Bundle{Private: key}
	for _, cert := range certs {
		if b.Certificate == nil && matches(cert, key) {
			b.Certificate = cert
		} else {
			b.Chain = append(b.Chain, cert)
		}
	}
	if b.Certificate == nil {
		return Bundle{}, ErrMismatch
	}
	return b, nil
}

// isBER tells the library's errors about an encoding it does not read.
func isBER(err error) bool {
	return strings.Contains(err.Error(), "asn1:")
}

// named gives the library's errors the names of this package. It has sentinels
// for the password only.
func named(err error) error {
	text := err.Error()
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword), errors.Is(err, pkcs12.ErrDecryption), strings.Contains(text, "incorrect padding"):
		return ErrBundlePassword
	case strings.Contains(text, "exactly one key bag"):
		return ErrTwoKeys
	case strings.Contains(text, "private key missing"):
		return ErrNoKey
	case strings.Contains(text, "certificate missing"):
		return ErrNoCertificate
	case strings.Contains(text, "error parsing PKCS#8 private key"): // decrypted, and of a kind or curve Go does not know
		return ErrKeyType
	}
	if _, unknown := err.(pkcs12.NotImplementedError); unknown || strings.Contains(text, "is not supported") {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}

// Check says whether a key pair can serve a list: decrypt mail to it, sign its
// mail, or both, as the certificate's key usage has it. rsaMinBits is the
// shortest RSA key, 0 for trust.DefaultRSAMinBits. A certificate that names no
// address at all is taken; one that names others is not. Whether a trust anchor
// vouches for it is for those who write to the list.
func (b Bundle) Check(l list.Address, now time.Time, rsaMinBits int) error {
	switch b.Private.(type) {
	case nil:
		return ErrNoKey
	case *rsa.PrivateKey, *ecdsa.PrivateKey, hsm.Key:
	default:
		return ErrKeyType
	}
	if !matches(b.Certificate, b.Private) {
		return ErrMismatch
	}
	// The certificate as its own anchor: this judges everything but the path.
	alone := trust.NewPolicy(trust.PolicyOptions{Anchors: []*x509.Certificate{b.Certificate}, CacheSize: -1, RSAMinBits: rsaMinBits})
	for _, use := range b.uses() {
		if v := alone.Judge(b.Certificate, use, now, nil); !v.OK() {
			return unusable{v}
		}
	}
	if addresses := trust.Addresses(b.Certificate); len(addresses) > 0 && !trust.Names(b.Certificate, l.String()) {
		return fmt.Errorf("%w %s: it names %s", ErrAddress, l, strings.Join(addresses, ", "))
	}
	return nil
}

// uses are what the certificate is to be judged for.
func (b Bundle) uses() []trust.Use {
	switch UseOf(b.Certificate) {
	case Both:
		return []trust.Use{trust.Encryption, trust.Signing}
	case Sign:
		return []trust.Use{trust.Signing}
	}
	return []trust.Use{trust.Encryption}
}

// Vouched asks a judge who knows the site's trust anchors about the certificate
// and returns what speaks against it, or a verdict that is OK.
func (b Bundle) Vouched(judge interface {
	Judge(*x509.Certificate, trust.Use, time.Time, []*x509.Certificate) trust.Verdict
}, now time.Time) (v trust.Verdict) {
	for _, use := range b.uses() {
		if v = judge.Judge(b.Certificate, use, now, b.Chain); !v.OK() {
			break
		}
	}
	return v
}

// matches tells whether a certificate and a private key are a pair.
func matches(cert *x509.Certificate, private crypto.PrivateKey) bool {
	signer, ok := private.(crypto.Signer)
	if !ok {
		return false
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(cert.PublicKey)
}
