// Package datasource keeps members of lists in line with what directories say: a group or a search in an LDAP directory
// is an include of a list.
//
// Fetch asks a directory and gives all that the include brings, or an error: an answer that is truncated, refers to
// other servers or breaks off brings nothing, and removes nobody. Syncer compares it with what is kept and has the store
// write the difference in one transaction.
package datasource
