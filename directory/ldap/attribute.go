package ldap

import (
	"context"
	"strings"

	ldap "github.com/go-ldap/ldap/v3"

	"github.com/sealist/sealist/directory"
)

// Values reads one attribute of one entry: the values under its bare name, with or without ";binary". An entry that is
// not there or has none is directory.ErrNotFound; any other error is an outage.
func (c *Client) Values(ctx context.Context, dn, attribute string) ([][]byte, error) {
	reply, err := c.Search(ctx, Request{BaseDN: dn, Scope: BaseObject, Filter: "(objectClass=*)", Attributes: []string{attribute}, SizeLimit: 1})
	if err != nil {
		return nil, err
	}
	for _, e := range reply.Entries {
		if values := e.Values(attribute); len(values) > 0 {
			return values, nil
		}
	}
	return nil, directory.ErrNotFound
}

// Values reads one attribute of one entry, as Client.Values does.
func (d *Directory) Values(ctx context.Context, dn, attribute string) ([][]byte, error) {
	return d.client.Values(ctx, dn, attribute)
}

// Holds tells whether a directory that is searched below base has the entry dn: it lies below base, or below the domain
// components (RFC 2247) at the end of base, for people may be looked for in one corner of a directory whose
// configuration stands in another, as in Active Directory.
func Holds(base, dn string) bool {
	b, err := ldap.ParseDN(base)
	if err != nil || len(b.RDNs) == 0 {
		return false
	}
	d, err := ldap.ParseDN(dn)
	if err != nil {
		return false
	}
	first := len(b.RDNs)
	for first > 0 && domainComponent(b.RDNs[first-1]) {
		first--
	}
	if first < len(b.RDNs) {
		b.RDNs = b.RDNs[first:]
	}
	return b.EqualFold(d) || b.AncestorOfFold(d)
}

func domainComponent(rdn *ldap.RelativeDN) bool {
	return len(rdn.Attributes) == 1 && strings.EqualFold(rdn.Attributes[0].Type, "dc")
}
