package trust

import (
	"crypto/x509"
	"encoding/asn1"
	"slices"
)

// processed are the extensions that a rule looks at, or that ask nothing of whoever validates a path.
var processed = []asn1.ObjectIdentifier{
	oidSubjectAltName, oidKeyUsage, oidExtKeyUsage, oidBasicConstraints, oidNameConstraints,
	oidCertificatePolicies, oidPolicyMappings, oidPolicyConstraints, oidInhibitAnyPolicy,
	oidCRLDistributionPoints,
	{2, 5, 29, 14}, {2, 5, 29, 35}, // subjectKeyIdentifier and authorityKeyIdentifier: hints for finding a path
}

// criticalExtensions refuses a path with a critical extension that is not processed, in any certificate on it (RFC 5280
// section 4.2: MUST reject; 6.1.4 (o), 6.1.5 (f)).
func criticalExtensions(path []*x509.Certificate) Verdict {
	for _, cert := range path {
		for i := range cert.Extensions {
			e := &cert.Extensions[i]
			if e.Critical && !slices.ContainsFunc(processed, e.Id.Equal) {
				return refuse(BadPath, "%s has the critical extension %v, which is not supported", describe(cert), e.Id)
			}
		}
	}
	return Verdict{}
}
