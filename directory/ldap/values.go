package ldap

import (
	"crypto/x509"
	"fmt"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/smime/cms"
)

// Limits on what one entry holds.
const (
	maxValueOctets = 256 << 10
	maxValues      = 500
)

// read adds the certificates of one entry to an answer. An unreadable value harms only itself.
func (d *Directory) read(e Entry, address string, f finding, a *directory.Answer) {
	left := maxValues
	reason, detail := unfit(e, d.client.o.Clock())
	aliases, note := d.aliases(e, address, f)
	if note != "" {
		a.Notes = append(a.Notes, note)
	}
	for _, value := range e.Values(attributeCA) {
		if len(value) <= maxValueOctets && len(a.Helpers) < directory.MaxContents {
			a.Helpers = append(a.Helpers, value)
		}
	}
	for _, name := range d.o.Attributes {
		origin := directory.Origin{Source: d.o.Name, Server: f.server, Entry: e.DN, Attribute: name,
			BoundByEntry: d.o.EntryBinds && f.trusted && len(f.entries) == 1}
		unreadable := func(reason, detail string) {
			a.Unreadable = append(a.Unreadable, directory.Unreadable{Origin: origin, Reason: reason, Detail: detail})
		}
		for _, value := range e.Values(name) {
			if left--; left < 0 {
				unreadable("too_large", fmt.Sprintf("the entry has more than %d values; the rest is ignored", maxValues))
				return
			}
			if len(value) > maxValueOctets {
				unreadable("too_large", fmt.Sprintf("the value has %d octets, the most is %d", len(value), maxValueOctets))
				continue
			}
			contents, err := directory.ReadContents(value, open)
			if err != nil {
				unreadable("malformed", err.Error())
			}
			for _, der := range contents.Certificates {
				if reason != "" {
					a.Unreadable = append(a.Unreadable, directory.Unreadable{Origin: origin, Certificate: der, Reason: reason, Detail: detail})
					continue
				}
				a.Candidates = append(a.Candidates, directory.Candidate{Certificate: der, Origin: origin, Aliases: aliases})
			}
			a.Helpers = append(a.Helpers, contents.Helpers...)
		}
	}
}

// open reads userSMIMECertificate, a SignedData (RFC 2798 section 2.8).
func open(signedData []byte) ([]*x509.Certificate, int, error) {
	return cms.CertificatesOnly(signedData, cms.NewBudget(cms.Limits{}))
}
