package trust

import "golang.org/x/crypto/cryptobyte"

// issuerName is a distinguished name in the form in which names are compared: equal names have equal keys (RFC 5280
// section 7.1). The key of a name and that of a further RDN, end to end, are the key of the longer name.
type issuerName string

func keyOfName(name []byte) (issuerName, bool) {
	n, err := parseName(name)
	return issuerName(n.key()), err == nil
}

// keyOfRDN makes the part of one RDN from the content of its SET.
func keyOfRDN(set cryptobyte.String) (string, bool) {
	rdn, err := relativeName(set)
	return counted(rdn), err == nil
}
