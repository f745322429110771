package keyring

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"strings"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/sealist/sealist/smime/cms"
)

// Parse reads a key pair from a PKCS#12 file, or from one or several files in
// PEM or DER that together hold certificates and at most one private key, in
// the forms of OpenSSL and of Sympa (cert.pem and private_key). Without a
// private key the Bundle has none, and the first certificate is its own.
//
// Errors: those that Reason has a word for.
func Parse(files [][]byte, password string) (Bundle, error) {
	if len(files) == 1 && isPKCS12(files[0]) {
		return ParsePKCS12(files[0], password)
	}
	var p parts
	for _, f := range files {
		if err := p.file(f); err != nil {
			return Bundle{}, err
		}
	}
	switch {
	case len(p.keys) > 1:
		return Bundle{}, ErrTwoKeys
	case len(p.certs) == 0:
		return Bundle{}, ErrNoCertificate
	case len(p.keys) == 0:
		return Bundle{Certificate: p.certs[0], Chain: p.certs[1:]}, nil
	}
	key, err := p.keys[0].open(password, p.certs[0])
	if err != nil {
		return Bundle{}, err
	}
	return pair(key, p.certs)
}

// parts is what was found in files.
type parts struct {
	certs []*x509.Certificate
	keys  []keyBlock
}

// file takes a file apart.
func (p *parts) file(octets []byte) error {
	if !bytes.Contains(octets, []byte("-----BEGIN ")) {
		return p.der(octets)
	}
	for block, rest := pem.Decode(octets); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			p.keys = append(p.keys, keyBlock{block})
		case strings.HasSuffix(block.Type, "CERTIFICATE"), block.Type == "PKCS7", block.Type == "CMS":
			if err := p.der(block.Bytes); err != nil {
				return err
			}
		}
	}
	return nil
}

// der takes a certificate, a SignedData with certificates, or a private key.
func (p *parts) der(octets []byte) error {
	certs, _, err := cms.CertificatesOnly(octets, nil)
	switch {
	case err == nil:
		p.certs = append(p.certs, certs...)
	case clearKey(octets) != nil:
		p.keys = append(p.keys, keyBlock{&pem.Block{Type: "PRIVATE KEY", Bytes: octets}})
	case isEncryptedPKCS8(octets):
		p.keys = append(p.keys, keyBlock{&pem.Block{Type: encryptedPKCS8, Bytes: octets}})
	default:
		return ErrMalformed
	}
	return nil
}

// encryptedPKCS8 is the label of RFC 7468 section 11.
const encryptedPKCS8 = "ENCRYPTED PRIVATE KEY"

// keyBlock is a private key, encrypted or not.
type keyBlock struct{ *pem.Block }

// open decrypts it. cert is any certificate.
func (k keyBlock) open(password string, cert *x509.Certificate) (crypto.PrivateKey, error) {
	der := k.Bytes
	//lint:ignore SA1019 it is what OpenSSL wrote for decades, and Sympa keeps; nothing here writes it
	traditional := x509.IsEncryptedPEMBlock(k.Block)
	switch {
	case k.Type == encryptedPKCS8:
		return openPKCS8(der, password, cert)
	case traditional:
		var err error
		//lint:ignore SA1019 likewise
		der, err = x509.DecryptPEMBlock(k.Block, []byte(password))
		if errors.Is(err, x509.IncorrectPasswordError) {
			return nil, ErrBundlePassword
		}
		if err != nil {
			return nil, ErrUnsupported
		}
	}
	key := clearKey(der)
	switch {
	case key == nil && traditional: // one wrong password of 256 yields good padding
		return nil, ErrBundlePassword
	case key == nil:
		return nil, ErrKeyType
	}
	return key, nil
}

// clearKey reads a private key in DER: PKCS#8, PKCS#1 or RFC 5915; nil if it is
// none that Go knows.
func clearKey(der []byte) crypto.PrivateKey {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key
	}
	return nil
}

// Object identifiers of RFC 7292 appendix D.
var (
	oidData            = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidShroudedKeyBag  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
	oidCertBag         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 3}
	oidX509Certificate = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1}
)

// bag is a SafeBag without attributes, RFC 7292 section 4.2.
type bag struct {
	ID    asn1.ObjectIdentifier
	Value asn1.RawValue // explicit [0]
}

func newBag(id asn1.ObjectIdentifier, value []byte) bag {
	return bag{id, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: value}}
}

type certBag struct {
	ID   asn1.ObjectIdentifier
	Data []byte `asn1:"explicit,tag:0"`
}

// openPKCS8 decrypts an EncryptedPrivateKeyInfo in all the ways that the library
// knows for PKCS#12: a shrouded key bag is nothing else, so the key is put into
// a file that never leaves the process, with cert, which it needs.
func openPKCS8(der []byte, password string, cert *x509.Certificate) (crypto.PrivateKey, error) {
	if err := checkIterations(der); err != nil {
		return nil, err
	}
	certificate, err := asn1.Marshal(certBag{oidX509Certificate, cert.Raw})
	if err != nil {
		return nil, err
	}
	bags, err := asn1.Marshal([]bag{newBag(oidShroudedKeyBag, der), newBag(oidCertBag, certificate)})
	if err != nil {
		return nil, ErrMalformed
	}
	content, err := asn1.Marshal([]authSafe{{oidData, bags}})
	if err != nil {
		return nil, err
	}
	mac, err := newMAC(content, password)
	if err != nil {
		return nil, err
	}
	file, err := asn1.Marshal(pfx{Version: 3, AuthSafe: authSafe{oidData, content}, MacData: mac})
	if err != nil {
		return nil, err
	}
	key, _, _, err := pkcs12.DecodeChain(file, password)
	switch {
	case err == nil:
		return key, nil
	case isBER(err): // one wrong password of 256 yields good padding
		return nil, ErrBundlePassword
	}
	return nil, named(err)
}

// isPKCS12 tells a PFX, which begins with its version, from what else is DER:
// RFC 7292 section 4.
func isPKCS12(octets []byte) bool {
	e, _, err := readElement(octets, maxBERDepth)
	return err == nil && len(e.children) >= 2 && e.children[0].tag == 0x02 && len(e.children[0].value) == 1 && e.children[0].value[0] == 3 &&
		len(e.children[1].children) > 0 && e.children[1].children[0].tag == 0x06
}

// isEncryptedPKCS8 tells an EncryptedPrivateKeyInfo, RFC 5958 section 3.
func isEncryptedPKCS8(octets []byte) bool {
	e, _, err := readElement(octets, maxBERDepth)
	return err == nil && len(e.children) == 2 && len(e.children[0].children) > 0 && e.children[0].children[0].tag == 0x06 && e.children[1].tag == 0x04
}
