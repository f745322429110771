package cms

import (
	"bytes"
	"crypto"
	_ "crypto/md5" // for nothing but a name: MD5 is always refused
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha512"
)

// algorithm is an AlgorithmIdentifier.
type algorithm struct {
	oid        oid
	parameters element // the zero element where absent
	encoded    []byte  // DER of the whole
}

func (r *reader) algorithm(what string) algorithm {
	return r.take(tagSequence, what).algorithm()
}

// algorithm reads the element as SEQUENCE { OBJECT IDENTIFIER, ANY OPTIONAL }.
func (e element) algorithm() algorithm {
	r := e.children()
	a := algorithm{oid: r.take(tagOID, "algorithm").oid()}
	if !r.empty() {
		a.parameters = r.next()
	}
	r.done("an AlgorithmIdentifier")
	a.encoded = e.der()
	return a
}

// bare tells whether the parameters are absent or NULL: writers disagree about which
// (RFC 5754 section 2), and readers take both.
func (a algorithm) bare() bool { return a.parameters.doc == nil || a.parameters.tag == tagNull }

// same compares two algorithms, absent parameters being equal to NULL.
func (a algorithm) same(b algorithm) bool {
	if a.oid != b.oid || a.bare() != b.bare() {
		return false
	}
	return a.bare() || bytes.Equal(a.parameters.der(), b.parameters.der())
}

// encodeAlgorithm returns an AlgorithmIdentifier; parameters nil: absent.
func encodeAlgorithm(o oid, parameters []byte) []byte {
	return encode(tagSequence, o.der(), parameters)
}

var null = []byte{tagNull, 0}

// digest returns the hash function of a digest algorithm, 0 for one that is not supported.
// MD5 is among the hash functions so that it can be refused by name.
func digest(o oid) crypto.Hash {
	switch o {
	case oidMD5:
		return crypto.MD5
	case oidSHA1:
		return crypto.SHA1
	case oidSHA256:
		return crypto.SHA256
	case oidSHA384:
		return crypto.SHA384
	case oidSHA512:
		return crypto.SHA512
	}
	return 0
}

func digestOID(h crypto.Hash) oid {
	switch h {
	case crypto.SHA1:
		return oidSHA1
	case crypto.SHA384:
		return oidSHA384
	case crypto.SHA512:
		return oidSHA512
	default:
		return oidSHA256
	}
}

func sum(h crypto.Hash, data []byte) []byte {
	w := h.New()
	w.Write(data)
	return w.Sum(nil)
}
