// Package trust holds the rules about certificates: which certification path counts, for what a key may be used, whose
// addresses a certificate names, how strong its algorithms are, and what CRLs and OCSP responses say about it. It is pure:
// octets, certificates and a moment in time go in, a Verdict comes out. There is one rule a file, and each names the clause
// it follows.
//
// crypto/x509 reads certificates and checks signatures. Paths are looked for and validated here, by RFC 5280 section 6.1,
// because Certificate.Verify was made for TLS: it compares names octet for octet, counts CAs that issued to themselves,
// refuses constraints on directoryNames, misreads the "host" form of an rfc822Name constraint, and takes no demands on
// policies. docs/standards.md says clause by clause what is done.
package trust
