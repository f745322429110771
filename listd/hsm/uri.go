// Package hsm lets private keys stay in a hardware security module and be used
// there, by PKCS#11 (OASIS, version 2.40). It is built in with `-tags pkcs11`,
// which needs cgo; without, every use of such a key fails with ErrNotBuilt.
//
// An error that says nothing of what was asked, because the module could not be
// asked, wraps cms.ErrKeyAway: trying again later helps.
package hsm

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// ErrURI is wrapped where a text is no URI that names one key.
var ErrURI = errors.New("this names no key in a security module")

// scheme begins every such URI.
const scheme = "pkcs11:"

// URI names a private key on a token, RFC 7512: by the attributes of the token
// token, serial, model and manufacturer, and by object (the label) and id of the
// key. It holds no PIN.
type URI struct {
	text       string
	attributes map[string]string
}

// IsURI tells whether a text is meant to be a URI of PKCS#11.
func IsURI(text string) bool { return strings.HasPrefix(text, scheme) }

var known = []string{"token", "serial", "model", "manufacturer", "object", "id", "type"}

// ParseURI reads one. ErrURI: it names no token or no key, has an attribute that
// is not known here, a PIN, or the path of a module.
func ParseURI(text string) (URI, error) {
	if !IsURI(text) {
		return URI{}, fmt.Errorf("%w: it does not begin with %q", ErrURI, scheme)
	}
	path, query, _ := strings.Cut(strings.TrimPrefix(text, scheme), "?")
	if query != "" {
		return URI{}, fmt.Errorf("%w: PIN and module belong into the configuration (pkcs11), leave out what stands from the question mark on", ErrURI)
	}
	u := URI{text: text, attributes: map[string]string{}}
	for _, pair := range strings.Split(path, ";") {
		name, escaped, _ := strings.Cut(pair, "=")
		value, err := url.PathUnescape(escaped)
		if err != nil || value == "" || !slices.Contains(known, name) {
			return URI{}, fmt.Errorf("%w: %q is none of %s, with a value", ErrURI, pair, strings.Join(known, ", "))
		}
		if _, twice := u.attributes[name]; twice {
			return URI{}, fmt.Errorf("%w: %s stands there twice", ErrURI, name)
		}
		u.attributes[name] = value
	}
	switch {
	case u.attributes["type"] != "" && u.attributes["type"] != "private":
		return URI{}, fmt.Errorf("%w: its type is not private", ErrURI)
	case u.attributes["token"] == "" && u.attributes["serial"] == "":
		return URI{}, fmt.Errorf("%w: name the token (token= or serial=)", ErrURI)
	case u.attributes["object"] == "" && u.attributes["id"] == "":
		return URI{}, fmt.Errorf("%w: name the key (object= or id=)", ErrURI)
	}
	return u, nil
}

// String is the URI as it was written.
func (u URI) String() string { return u.text }
