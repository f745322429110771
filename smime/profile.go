package smime

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sealist/sealist/smime/cms"
)

// Profile is a choice of algorithms under one name: what is written, and how long an RSA key has to be. What is read does not
// depend on it.
//
// Interim: lists have no setting for it yet, so the server writes Compatible.
type Profile struct {
	Name       string
	Cipher     cms.Cipher           // for content
	Recipient  cms.RecipientOptions // for the content-encryption key
	PSS        bool                 // RSASSA-PSS in place of PKCS #1 v1.5 for signatures (RFC 4056)
	RSAMinBits int                  // for trust.PolicyOptions
}

// ErrProfile says that there is no profile of a name.
var ErrProfile = errors.New("smime: no such profile")

// Profiles returns all profiles:
//
//   - compatible: what every mail client reads;
//   - modern: RFC 8551 sections 2.3 and 2.7 as recommended, AES-256-GCM and OAEP;
//   - bsi: the same, RSA keys having at least 3072 bits, after BSI TR-02102-1, which asks for 3000 and counts PKCS #1 v1.5 as
//     legacy. NIST curves are within it; Brainpool curves, which it names beside them, cannot be used (docs/standards.md).
func Profiles() []Profile {
	oaep := cms.RecipientOptions{OAEP: true}
	return []Profile{
		{Name: "compatible", Cipher: cms.AES256CBC, RSAMinBits: 2048},
		{Name: "modern", Cipher: cms.AES256GCM, Recipient: oaep, PSS: true, RSAMinBits: 2048},
		{Name: "bsi", Cipher: cms.AES256GCM, Recipient: oaep, PSS: true, RSAMinBits: 3072},
	}
}

// ProfileNamed returns the profile of a name; an unknown one is an error that wraps ErrProfile.
func ProfileNamed(name string) (Profile, error) {
	all := Profiles()
	i := slices.IndexFunc(all, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		return Profile{}, fmt.Errorf("%w: %q", ErrProfile, name)
	}
	return all[i], nil
}
