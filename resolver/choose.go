package resolver

import (
	"cmp"
	"fmt"

	"github.com/sealist/sealist/smime/cms"
)

// choose picks what a copy is encrypted to from usable certificates that are sorted newest first. For each of the others
// passed has, by fingerprint, why it is not used.
func (r *Resolver) choose(usable []Usable) (chosen []Usable, passed map[string]string) {
	kind := r.kind(usable)
	most := r.o.MaxCertificates
	if r.o.Select == Newest {
		most = 1
	}
	passed = map[string]string{}
	for _, u := range usable {
		switch {
		case u.KeyType != kind:
			passed[u.Fingerprint] = fmt.Sprintf("usable, but one copy is encrypted to one kind of key, here %s", keyTypeName(kind))
		case len(chosen) == most:
			passed[u.Fingerprint] = fmt.Sprintf("usable, but only the newest %d are used", most)
		default:
			chosen = append(chosen, u)
		}
	}
	return chosen, passed
}

// kind is the first kind of key, in the order that Select gives, of which there is one.
func (r *Resolver) kind(usable []Usable) cms.KeyType {
	order := []cms.KeyType{cms.RSA, cms.EC, cms.X25519}
	if r.o.Select == PreferEC {
		order = []cms.KeyType{cms.EC, cms.X25519, cms.RSA}
	}
	for _, kind := range order {
		for _, u := range usable {
			if u.KeyType == kind {
				return kind
			}
		}
	}
	return 0
}

// newestFirst orders by notBefore; of those issued in the same second by what lives longer, and then by fingerprint, so
// that the order is always the same.
func newestFirst(a, b judged) int {
	return cmp.Or(
		b.NotBefore.Compare(a.NotBefore),
		b.NotAfter.Compare(a.NotAfter),
		cmp.Compare(a.Fingerprint, b.Fingerprint))
}

func keyTypeName(t cms.KeyType) string {
	switch t {
	case cms.RSA:
		return "RSA"
	case cms.EC:
		return "EC"
	case cms.X25519:
		return "X25519"
	}
	return fmt.Sprintf("type %d", int(t))
}
