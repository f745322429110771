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

// limitedToMail wants the same of the CAs between leaf and anchor. RFC 5280 gives extendedKeyUsage in a CA certificate no
// meaning; the Mozilla and Microsoft root programmes, NSS and crypto/x509 read it as a limit on what lies below, and CAs
// set it so.
func limitedToMail(path []*x509.Certificate, use Use, at time.Time) Verdict {
	for _, ca := range path[1:max(len(path)-1, 1)] {
		if v := extKeyUsage(ca, use, at); v.Reason != "" {
			return v
		}
	}
	return Verdict{}
}
