package keyring

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// ErrNoRequest: a certificate came without private key, and no key that is kept
// here for the list is its own.
var ErrNoRequest = errors.New("no key that is kept for the list belongs to the certificate")

// KeyType is a kind of key that can be made here.
type KeyType string

// KeyTypes are all of them. The first is the default: strong enough for years,
// and every mail client can use it.
var KeyTypes = []KeyType{"rsa-3072", "rsa-2048", "rsa-4096", "p256", "p384", "p521"}

func (t KeyType) make() (crypto.Signer, error) {
	switch t {
	case "rsa-2048":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "rsa-3072":
		return rsa.GenerateKey(rand.Reader, 3072)
	case "rsa-4096":
		return rsa.GenerateKey(rand.Reader, 4096)
	case "p256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "p384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "p521":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	}
	return nil, fmt.Errorf("there is no type of key %q", string(t))
}

// Request makes a key pair for a list, keeps it until its certificate comes,
// and returns the request for that certificate (RFC 2986) in PEM. It names the
// list's address as rfc822Name and asks for the key usage of use.
//
// Errors: ErrLocked, ErrNoPassword.
func (k *Keyring) Request(ctx context.Context, id list.ID, t KeyType, use Use) (store.KeyRow, []byte, error) {
	l, err := k.store.ListByID(ctx, id)
	if err != nil {
		return store.KeyRow{}, nil, fmt.Errorf("reading the list: %w", err)
	}
	private, err := t.make()
	if err != nil {
		return store.KeyRow{}, nil, err
	}
	csr, err := request(private, l.Address, use)
	if err != nil {
		return store.KeyRow{}, nil, fmt.Errorf("making the request: %w", err)
	}
	spki, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return store.KeyRow{}, nil, err
	}
	public := fmt.Sprintf("%x", sha256.Sum256(spki))
	row := store.KeyRow{List: id, Fingerprint: public, PublicKey: public, State: store.KeyRequested, Use: string(use), Since: k.o.Clock()}
	k.mu.Lock()
	defer k.mu.Unlock()
	err = k.change(ctx, func(o *opened) (store.KeyChange, error) {
		row.PKCS8, err = encryptPKCS8(private, o)
		return store.KeyChange{Add: []store.KeyRow{row}}, err
	})
	if err != nil {
		return store.KeyRow{}, nil, fmt.Errorf("storing the key: %w", err)
	}
	return row, csr, nil
}

var oidKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 15}
var oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
var oidEmailProtection = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 4}

// request writes a CertificationRequest with what RFC 8550 section 4.4 wants in
// the certificate.
func request(private crypto.Signer, address list.Address, use Use) ([]byte, error) {
	usage, err := asn1.Marshal(keyUsageBits(private, use))
	if err != nil {
		return nil, err
	}
	purposes, err := asn1.Marshal([]asn1.ObjectIdentifier{oidEmailProtection})
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject:         pkix.Name{CommonName: address.String()},
		EmailAddresses:  []string{address.String()},
		ExtraExtensions: []pkix.Extension{{Id: oidKeyUsage, Critical: true, Value: usage}, {Id: oidExtKeyUsage, Value: purposes}},
	}, private)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

// keyUsageBits is RFC 5280 section 4.2.1.3: bit 0 digitalSignature, 2
// keyEncipherment, 4 keyAgreement.
func keyUsageBits(private crypto.Signer, use Use) asn1.BitString {
	var bits byte
	length := 1
	if use.Signs() {
		bits |= 0x80
	}
	if _, ec := private.(*ecdsa.PrivateKey); use.Encrypts() && ec {
		bits, length = bits|0x08, 5
	} else if use.Encrypts() {
		bits, length = bits|0x20, 3
	}
	return asn1.BitString{Bytes: []byte{bits}, BitLength: length}
}

// requested finds the key that one of the certificates of b belongs to, and
// completes b with it: one that waits for it, or one whose certificate is renewed.
func (k *Keyring) requested(o *opened, rows []store.KeyRow, b *Bundle) (row *store.KeyRow, err error) {
	row = b.answers(rows)
	if row == nil {
		return nil, ErrNoRequest
	}
	if b.Private, err = k.private(*row, b.Certificate, o); err != nil {
		return nil, err
	}
	return row, nil
}

// Answers tells whether one of the certificates belongs to a key that is kept,
// and makes it the bundle's own: files have the chain in any order.
func (b *Bundle) Answers(rows []store.KeyRow) bool { return b.answers(rows) != nil }

func (b *Bundle) answers(rows []store.KeyRow) *store.KeyRow {
	all := append([]*x509.Certificate{b.Certificate}, b.Chain...)
	for i, cert := range all {
		for _, row := range rows {
			if len(row.PKCS8) > 0 && row.PublicKey == publicKey(cert) {
				b.Certificate, b.Chain = cert, slices.Concat(all[:i], all[i+1:])
				return &row
			}
		}
	}
	return nil
}
