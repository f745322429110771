// Package ldap finds certificates in LDAP directories.
//
// A Client talks to the servers of one directory: it fails over from one to the next and comes back, keeps one
// multiplexed connection to each, and has a limit on every wait. A Directory is the certificate source on it: it asks
// for many addresses at a time, tells whose entry is whose, and reads the values.
//
// An outage is never an absence (invariant 2): directory.ErrNotFound is returned only where a server gave a clean,
// complete and empty answer. Everything else, a size limit, a missing search base, a refused bind, is an outage.
//
// GSSAPI is not here: go-ldap's is built on gokrb5, which had no release since 2023, and SASL EXTERNAL or a service account
// over TLS serves the same directories.
package ldap
