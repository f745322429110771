// Package files finds certificates in a folder of PEM files named as Sympa names them (X509-user-certs): "user@domain"
// for every use, "user@domain@enc" to encrypt to, "user@domain@sign" to verify with. The address is in lower case, and
// every octet outside [-+.0-9@A-Za-z] is written _xx in hexadecimal.
//
// Files are read when they are asked for, so what changes in the folder counts from the next lookup on.
//
// What is an outage: a folder that cannot be opened (it may be a share that is not mounted), and a file that cannot be
// read (its access rights, a broken disk). The latter concerns that one address, and is also told as an unreadable
// value. What is not: a file that is read and holds no certificate. It is told as malformed, and asking again would not
// help.
package files
