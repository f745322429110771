// Package revocation finds out whether certificates have been revoked. It fetches CRLs and OCSP responses from where
// certificates say they are, keeps them, and puts what they say on top of the verdict about a path. The rules, octets
// in and verdict out, are those of package trust.
//
// Nothing is fetched for a certificate whose path does not end in a trust anchor: a stranger's mail makes Sealist ask
// nobody. What is fetched goes without credentials to no address of this machine or link (see Guard), follows no
// redirect to another host, and has limits on size, time and number.
//
// A place that cannot be asked harms only the certificates that name it. It is asked once at a time, however many wait
// for it, and after a failure not again before a while. What one place gave is kept for one issuer only, and is never
// replaced by something older or something that the issuer did not sign.
//
// CRLs, and the moment from which a grace period runs where no answer was ever had, are kept on a [Shelf] and so survive
// a restart. OCSP responses are kept in memory only: they are short-lived, and asked for again.
package revocation
