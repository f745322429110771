package trust

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidKeyUsage       = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidExtKeyUsage    = asn1.ObjectIdentifier{2, 5, 29, 37}

	oidBasicConstraints      = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidNameConstraints       = asn1.ObjectIdentifier{2, 5, 29, 30}
	oidCRLDistributionPoints = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidCertificatePolicies   = asn1.ObjectIdentifier{2, 5, 29, 32}
	oidPolicyMappings        = asn1.ObjectIdentifier{2, 5, 29, 33}
	oidPolicyConstraints     = asn1.ObjectIdentifier{2, 5, 29, 36}
	oidInhibitAnyPolicy      = asn1.ObjectIdentifier{2, 5, 29, 54}

	oidEmailAddress = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
)

// ErrNoCertificate says that octets hold no certificate at all.
var ErrNoCertificate = errors.New("no certificate found")

// ParseCertificates reads certificates from PEM (any number of CERTIFICATE blocks, anything between and beside them
// ignored) or from DER (one or several, end to end). One that cannot be read harms only itself: the others come back
// together with an error that names each that could not be read by its position. Octets without any certificate are an
// error that wraps ErrNoCertificate.
func ParseCertificates(pemOrDER []byte) ([]*x509.Certificate, error) {
	if !bytes.Contains(pemOrDER, []byte("-----BEGIN ")) {
		certs, err := x509.ParseCertificates(pemOrDER)
		if err != nil || len(certs) == 0 {
			return nil, errors.Join(ErrNoCertificate, err)
		}
		return certs, nil
	}
	var certs []*x509.Certificate
	var errs []error
	position := 0
	for block, rest := pem.Decode(pemOrDER); block != nil; block, rest = pem.Decode(rest) {
		if !strings.HasSuffix(block.Type, "CERTIFICATE") { // CERTIFICATE, X509 CERTIFICATE
			continue
		}
		position++
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			errs = append(errs, fmt.Errorf("certificate %d: %w", position, err))
			continue
		}
		certs = append(certs, cert)
	}
	if position == 0 {
		return nil, ErrNoCertificate
	}
	return certs, errors.Join(errs...)
}

// Fingerprint is the SHA-256 of the certificate's DER in lower-case hexadecimal, the name under which Sealist shows and
// stores a certificate.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}

// describe names a certificate in a detail: whose it is and its serial number.
func describe(cert *x509.Certificate) string {
	what := "the certificate"
	if isCA(cert) {
		what = "the CA certificate"
	}
	name := cert.Subject.String()
	if name == "" {
		name = strings.Join(Addresses(cert), ", ")
	}
	return fmt.Sprintf("%s of %q (serial %x)", what, name, cert.SerialNumber)
}

func hasExtension(cert *x509.Certificate, oid asn1.ObjectIdentifier) bool {
	return extension(cert, oid) != nil
}

func extension(cert *x509.Certificate, oid asn1.ObjectIdentifier) []byte {
	for i := range cert.Extensions {
		if cert.Extensions[i].Id.Equal(oid) {
			return cert.Extensions[i].Value
		}
	}
	return nil
}

// ReasonUnparsed is the reason for a certificate that crypto/x509 cannot read: unsupported_algorithm if that is because
// of its key's curve (Brainpool, secp256k1), else malformed.
func ReasonUnparsed(err error) Reason {
	if strings.Contains(err.Error(), "unsupported elliptic curve") {
		return UnsupportedAlgorithm
	}
	return Malformed
}
