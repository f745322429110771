package trust

import (
	"crypto/x509"
	"slices"
	"time"
)

// extKeyUsage wants emailProtection or anyExtendedKeyUsage where the extension is present (RFC 8550 section 4.4.4).
func extKeyUsage(cert *x509.Certificate, _ Use, _ time.Time) Verdict {
	if !hasExtension(cert, oidExtKeyUsage) || forMail(cert) {
		return Verdict{}
	}
	return refuse(WrongUsage, "%s is not for e-mail: its extendedKeyUsage has neither emailProtection nor anyExtendedKeyUsage", describe(cert))
}

func forMail(cert *x509.Certificate) bool {
	return slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageEmailProtection) || slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny)
}
