package admin

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sealist/sealist/smime/trust"
)

// CertificateDetails is a certificate in a person's words.
type CertificateDetails struct {
	Fingerprint string    `json:"fingerprint"` // SHA-256, lower-case hex
	Subject     string    `json:"subject"`
	Issuer      string    `json:"issuer"`
	Serial      string    `json:"serial"` // hex
	Addresses   []string  `json:"addresses"`
	Key         string    `json:"key"`    // "RSA 2048", "EC P-256", "X25519"
	Usages      []string  `json:"usages"` // key usage and extended key usage, as OpenSSL names them; empty: unlimited
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	PEM         string    `json:"pem,omitempty"`
}

// describe takes a certificate apart.
func describe(cert *x509.Certificate) CertificateDetails {
	d := CertificateDetails{
		Fingerprint: trust.Fingerprint(cert),
		Subject:     cert.Subject.String(),
		Issuer:      cert.Issuer.String(),
		Addresses:   append([]string{}, trust.Addresses(cert)...),
		Key:         keyName(cert.PublicKey),
		Usages:      usages(cert),
		NotBefore:   cert.NotBefore.UTC(),
		NotAfter:    cert.NotAfter.UTC(),
		PEM:         string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})),
	}
	if cert.SerialNumber != nil {
		d.Serial = fmt.Sprintf("%x", cert.SerialNumber)
	}
	return d
}

// keyName names kind and size of a public key.
func keyName(public any) string {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "EC " + key.Curve.Params().Name
	case *ecdh.PublicKey:
		return fmt.Sprint(key.Curve())
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "unknown"
}

// usages lists what a certificate says its key is for.
func usages(cert *x509.Certificate) []string {
	names := []string{}
	for i, name := range []string{
		"digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement",
		"keyCertSign", "cRLSign", "encipherOnly", "decipherOnly",
	} {
		if cert.KeyUsage&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	for _, usage := range cert.ExtKeyUsage {
		switch usage {
		case x509.ExtKeyUsageAny:
			names = append(names, "anyExtendedKeyUsage")
		case x509.ExtKeyUsageEmailProtection:
			names = append(names, "emailProtection")
		case x509.ExtKeyUsageClientAuth:
			names = append(names, "clientAuth")
		case x509.ExtKeyUsageServerAuth:
			names = append(names, "serverAuth")
		default:
			names = append(names, fmt.Sprintf("extended key usage %d", usage))
		}
	}
	for _, oid := range cert.UnknownExtKeyUsage {
		names = append(names, oid.String())
	}
	return slices.Compact(names)
}

// sameFingerprint tells whether what a person wrote is the fingerprint, or its
// beginning of at least eight digits, colons and case aside.
func sameFingerprint(text, fingerprint string) bool {
	given := strings.ToLower(strings.ReplaceAll(text, ":", ""))
	return len(given) >= 8 && strings.HasPrefix(fingerprint, given)
}

// isFingerprint tells whether a text can be meant as a fingerprint.
func isFingerprint(text string) bool {
	digits := strings.ReplaceAll(text, ":", "")
	return digits != "" && strings.Trim(digits, "0123456789abcdefABCDEF") == ""
}
