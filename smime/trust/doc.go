// Package trust holds the rules about certificates: which certification path counts, for what a key may be used, whose
// addresses a certificate names, and how strong its algorithms are. It is pure: certificates and a moment in time go
// in, a Verdict comes out. There is one rule a file, and each names the clause it follows.
//
// The path itself is built by crypto/x509, which leaves out much that mail needs: the leaf's key usage, e-mail
// purposes, addresses in SmtpUTF8Mailbox and in the subject, and the "host" form of an rfc822Name constraint. The
// rules here fill that in. What crypto/x509 refuses although RFC 5280 allows it (names that differ only in case or
// string type, critical directoryName constraints) stays refused.
//
// Interim: nothing here knows of revocation, of anchors that speak for some domains only, of ROCA keys, or that
// "bücher.example" and "xn--bcher-kva.example" are one domain.
package trust
