package config

import (
	"fmt"
	"net/url"
	"slices"
)

// revocation checks the addresses; the words are checked by their types.
func (k *checker) revocation(r Revocation) {
	for i, m := range r.URLMap {
		key := fmt.Sprintf("trust.revocation.url_map[%d]", i)
		if !askable(m.From) {
			k.mistake(key+".from", fmt.Sprintf("%q is no beginning of an address that a certificate can name", m.From), "write as much of the URL as is to be replaced, with its scheme, as http://pki.corp.example")
		}
		if !askable(m.To) {
			k.mistake(key+".to", fmt.Sprintf("%q cannot be asked", m.To), "write a URL that begins with http://, https://, ldap:// or ldaps://")
		}
	}
	if r.Proxy != "" {
		u, err := url.Parse(r.Proxy)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			k.mistake("trust.revocation.proxy", fmt.Sprintf("%q is no HTTP proxy", r.Proxy), "write it as http://proxy.example:3128")
		}
	}
	if len(r.Check) == 0 {
		k.warn("trust.revocation.check", "is empty: no certificate is ever found to be revoked", "write [crl, ocsp]")
	}
}

func askable(text string) bool {
	u, err := url.Parse(text)
	return err == nil && slices.Contains([]string{"http", "https", "ldap", "ldaps"}, u.Scheme) && u.User == nil
}
