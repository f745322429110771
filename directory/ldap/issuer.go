package ldap

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	ldap "github.com/go-ldap/ldap/v3"

	"github.com/sealist/sealist/directory"
)

// Bounds of what is looked for about issuers.
const (
	maxIssuers = 256       // remembered
	issuerFor  = time.Hour // before it is asked for again
	maxAbove   = 3         // steps upwards from a person's certificate
)

// issuers remembers the certificates of authorities that stand in the directory under their own names, as Active
// Directory's certificate services publish them. They help to build a path and are never trusted by themselves.
type issuers struct {
	mu    sync.Mutex
	known map[string]issuerEntry // by DN
}

type issuerEntry struct {
	certificates [][]byte
	at           time.Time
}

// helpers looks for the issuers of certificates, and of those, where the directory may have them. That it cannot be asked
// for one is no outage: the resolver says whether a path is missing.
func (d *Directory) helpers(ctx context.Context, ders [][]byte) [][]byte {
	var found [][]byte
	asked := map[string]bool{}
	for range maxAbove {
		var above [][]byte
		for _, der := range ders {
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				continue
			}
			dn := d.issuerEntry(cert)
			if base, err := d.base(ctx); err != nil || dn == "" || asked[dn] || !Holds(base, dn) {
				continue
			}
			asked[dn] = true
			above = append(above, d.issuer(ctx, dn)...)
		}
		if len(above) == 0 {
			break
		}
		found, ders = append(found, above...), above
	}
	return found
}

// noSuchEntry says that a server has no entry of that name. Of a search's base that is a mistake of the configuration, and
// an outage; of an issuer it is an answer.
func noSuchEntry(err error) bool {
	var failed Errors
	return errors.As(err, &failed) && len(failed) > 0 && failed[len(failed)-1].Code == ldap.LDAPResultNoSuchObject
}

// issuerEntry is where the directory has the certificates of a certificate's issuer, if it has: the entry with the
// issuer's name; in Active Directory one of that common name among the authorities of the forest. Empty: nowhere.
func (d *Directory) issuerEntry(cert *x509.Certificate) string {
	if bytes.Equal(cert.RawIssuer, cert.RawSubject) {
		return ""
	}
	var names pkix.RDNSequence
	if rest, err := asn1.Unmarshal(cert.RawIssuer, &names); err != nil || len(rest) > 0 {
		return ""
	}
	var rdns, domain []string
	for _, rdn := range slices.Backward(names) {
		if len(rdn) != 1 {
			return ""
		}
		name, known := attributeTypes[rdn[0].Type.String()]
		value, text := rdn[0].Value.(string)
		if !known || !text {
			return ""
		}
		part := name + "=" + ldap.EscapeDN(value)
		if rdns = append(rdns, part); name == "DC" {
			domain = append(domain, part)
		}
	}
	if d.o.Preset == "active-directory" && len(rdns) > 0 && strings.HasPrefix(rdns[0], "CN=") && len(domain) > 0 {
		return rdns[0] + ",CN=AIA,CN=Public Key Services,CN=Services,CN=Configuration," + strings.Join(domain, ",")
	}
	return strings.Join(rdns, ",")
}

// attributeTypes are those of names of authorities (RFC 4519), by OID.
var attributeTypes = map[string]string{
	"2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O", "2.5.4.11": "OU", "0.9.2342.19200300.100.1.25": "DC",
}

func (d *Directory) issuer(ctx context.Context, dn string) [][]byte {
	now := d.client.o.Clock()
	d.issuers.mu.Lock()
	e, ok := d.issuers.known[dn]
	d.issuers.mu.Unlock()
	if ok && now.Sub(e.at).Abs() < issuerFor {
		return e.certificates
	}
	values, err := d.client.Values(ctx, dn, attributeCA)
	if err != nil && !errors.Is(err, directory.ErrNotFound) && !noSuchEntry(err) {
		return e.certificates // what was known before, if anything
	}
	e = issuerEntry{at: now}
	for _, value := range values[:min(len(values), directory.MaxContents)] {
		if len(value) <= maxValueOctets {
			e.certificates = append(e.certificates, value)
		}
	}
	d.issuers.mu.Lock()
	defer d.issuers.mu.Unlock()
	if d.issuers.known == nil || len(d.issuers.known) >= maxIssuers {
		d.issuers.known = map[string]issuerEntry{}
	}
	d.issuers.known[dn] = e
	return e.certificates
}
