package trust

import "crypto/x509"

// basicConstraints wants every certificate above the leaf to be a CA's, which may sign certificates, and no more CAs below
// it than it allows (RFC 5280 sections 4.2.1.9, 4.2.1.3 and 6.1.4 (k) to (n)).
//
// A CA that issues to itself, when it renews its key, takes no place in that count (6.1.4 (l)). An anchor is believed for
// being configured, and may be of version 1 (6.1.1 (d)); what it does say about itself holds (RFC 5937).
func basicConstraints(path []*x509.Certificate) Verdict {
	anchor := len(path) - 1
	allowed := -1 // any number
	for i := anchor; i > 0; i-- {
		ca := path[i]
		extended := ca.Version >= 3
		switch {
		case i < anchor && !isCA(ca):
			return refuse(BadPath, "%s is signed by %s, which is no CA", describe(path[i-1]), describe(ca))
		case extended && hasExtension(ca, oidBasicConstraints) && !ca.IsCA:
			return refuse(BadPath, "%s is signed by %s, which is no CA", describe(path[i-1]), describe(ca))
		case extended && hasKeyUsage(ca) && ca.KeyUsage&x509.KeyUsageCertSign == 0:
			return refuse(BadPath, "%s is signed by %s, which may not sign certificates", describe(path[i-1]), describe(ca))
		}
		if i < anchor && !selfIssued(ca) {
			if allowed == 0 {
				return refuse(BadPath, "%s stands below a CA that allows fewer CAs below it", describe(ca))
			}
			allowed = max(allowed-1, -1)
		}
		if limit := ca.MaxPathLen; ca.BasicConstraintsValid && limit >= 0 && (limit > 0 || ca.MaxPathLenZero) && (allowed < 0 || limit < allowed) {
			allowed = limit
		}
	}
	return Verdict{}
}

// isCA tells whether a certificate says that it is a CA's (RFC 5280 section 4.2.1.9).
func isCA(cert *x509.Certificate) bool { return cert.BasicConstraintsValid && cert.IsCA }
