package directory

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// MaxContents bounds the certificates taken from one value or file.
const MaxContents = 64

// Contents is what one attribute value or one file holds.
type Contents struct {
	Certificates [][]byte // DER
	Helpers      [][]byte // DER of CA certificates beside them
}

// Opener reads the certificates of a SignedData, and how many in it cannot be read. cms.CertificatesOnly does it.
type Opener func(signedData []byte) (certs []*x509.Certificate, unreadable int, err error)

// ReadContents reads a value: a certificate or a SignedData with certificates, in DER, or PEM blocks of both. What cannot be read
// is named in the error and harms nothing else, so both results may be there.
//
// What has a certificate's shape is taken without further look: why it is no good is for the resolver to say. CA
// certificates are helpers, unless there is nothing else: then the value is about them.
func ReadContents(value []byte, open Opener) (Contents, error) {
	blocks, err := decode(value)
	if err != nil {
		return Contents{}, err
	}
	var r contentsReader
	for _, block := range blocks {
		r.block(block, open)
	}
	if len(r.own)+len(r.cas) == 0 && len(r.errs) == 0 {
		r.errs = append(r.errs, errors.New("it holds no certificate"))
	}
	if len(r.own) == 0 {
		r.own, r.cas = r.cas, nil
	}
	return Contents{Certificates: r.own, Helpers: r.cas}, errors.Join(r.errs...)
}

type contentsReader struct {
	own, cas [][]byte
	errs     []error
	full     bool
}

func (r *contentsReader) block(der []byte, open Opener) {
	if !isContentInfo(der) {
		cert, err := x509.ParseCertificate(der)
		r.add(der, err == nil && isCA(cert))
		return
	}
	certs, unreadable, err := open(der)
	if err == nil && unreadable > 0 {
		err = fmt.Errorf("%d of the certificates in it cannot be read", unreadable)
	}
	if err != nil {
		r.errs = append(r.errs, err)
	}
	for _, cert := range certs {
		r.add(cert.Raw, isCA(cert))
	}
}

func (r *contentsReader) add(der []byte, ca bool) {
	switch {
	case r.full:
	case len(r.own)+len(r.cas) == MaxContents:
		r.full = true
		r.errs = append(r.errs, fmt.Errorf("it holds more than %d certificates; the rest is ignored", MaxContents))
	case ca:
		r.cas = append(r.cas, der)
	default:
		r.own = append(r.own, der)
	}
}

func isCA(cert *x509.Certificate) bool { return cert.BasicConstraintsValid && cert.IsCA }

// decode returns the PEM blocks of a value that may hold certificates, or the value itself if it is not PEM.
func decode(value []byte) ([][]byte, error) {
	switch {
	case strings.Contains(string(value), "-----BEGIN "):
	case len(value) < 2 || value[0] != 0x30: // SEQUENCE
		return nil, errors.New("it is neither DER nor PEM")
	default:
		return [][]byte{value}, nil
	}
	var blocks [][]byte
	for block, rest := pem.Decode(value); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "CERTIFICATE", "X509 CERTIFICATE", "PKCS7", "CMS":
			blocks = append(blocks, block.Bytes)
		}
	}
	return blocks, nil
}

// isContentInfo tells a ContentInfo, a SEQUENCE that begins with an object identifier (RFC 5652 section 3), from a
// Certificate, which begins with another SEQUENCE.
func isContentInfo(ber []byte) bool {
	if len(ber) < 2 || ber[0] != 0x30 {
		return false
	}
	first := 2
	if long := int(ber[1]); long > 0x80 {
		first += long & 0x7f
	}
	return first < len(ber) && ber[first] == 0x06
}
