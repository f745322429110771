package admin

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"

	"go.mozilla.org/pkcs7"

	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
)

// KeyExport says in which form a list's certificate is wanted.
type KeyExport struct {
	Form   string // pem, der, p7c, ldif
	DN     string // ldif: the list's entry in the directory
	Preset string // ldif: as in directories; openldap if empty
}

// FormLDIF is a change record of RFC 2849 that puts the certificate into a
// directory, in both attributes that mail clients look at.
const FormLDIF = "ldif"

// ExportKey returns the certificate that people are to encrypt to, of a list or
// a robot: with its chain in PEM and p7c (RFC 8551 section 3.8), alone in DER.
func (a *Admin) ExportKey(ctx context.Context, listText string, e KeyExport) ([]byte, error) {
	l, err := a.keyHolder(ctx, listText)
	if err != nil {
		return nil, err
	}
	certs, err := a.published(ctx, l)
	if err != nil {
		return nil, err
	}
	switch e.Form {
	case FormDER:
		return certs[0].Raw, nil
	case FormPEM:
		var out bytes.Buffer
		for _, c := range certs {
			if err := pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}); err != nil {
				return nil, Explain(err)
			}
		}
		return out.Bytes(), nil
	case FormP7C:
		return certsOnly(certs)
	case FormLDIF:
		return ldif(certs, e)
	}
	return nil, usage("write pem, der, p7c or ldif", "%q is no form of a certificate", e.Form)
}

// published are the certificate that people are to encrypt to, and its chain.
func (a *Admin) published(ctx context.Context, l list.List) ([]*x509.Certificate, error) {
	rows, err := a.Store.Keys(ctx, l.ID)
	if err != nil {
		return nil, Explain(err)
	}
	row, ok := keyring.Published(rows)
	if !ok {
		return nil, refused("`listmaster key ls "+l.Address.String()+"` shows its keys", "%s has no certificate to encrypt to", l.Address)
	}
	var certs []*x509.Certificate
	for _, der := range append([][]byte{row.Certificate}, row.Chain...) {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, Explain(fmt.Errorf("reading the certificate of %s: %w", l.Address, err))
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

// certsOnly is a SignedData with nothing but certificates.
func certsOnly(certs []*x509.Certificate) ([]byte, error) {
	bundle, err := pkcs7.DegenerateCertificate(bytes.Join(raw(certs), nil))
	if err != nil {
		return nil, Explain(err)
	}
	return bundle, nil
}

// ldif writes userCertificate (RFC 4523 section 4.1) and userSMIMECertificate
// (RFC 2798 section 2.8), in place of what the entry has there.
//
// QUIRK: OpenLDAP and 389 DS take userCertificate with the option ;binary only,
// as the RFC says, and userSMIMECertificate without; Active Directory knows no
// ;binary.
func ldif(certs []*x509.Certificate, e KeyExport) ([]byte, error) {
	if e.DN == "" || strings.ContainsAny(e.DN, "\r\n\x00") {
		return nil, usage("name it with --dn, as --dn 'cn=board,ou=lists,dc=example,dc=org'", "the LDIF needs the name of the list's entry in the directory")
	}
	bundle, err := certsOnly(certs)
	if err != nil {
		return nil, err
	}
	userCertificate := "userCertificate;binary"
	switch e.Preset {
	case "", "openldap", "389ds":
	case "active-directory":
		userCertificate = "userCertificate"
	default:
		return nil, usage("write openldap, 389ds or active-directory", "%q is no kind of directory", e.Preset)
	}
	var out bytes.Buffer
	fold(&out, "dn:: "+base64.StdEncoding.EncodeToString([]byte(e.DN)))
	out.WriteString("changetype: modify\n")
	out.WriteString("replace: " + userCertificate + "\n")
	fold(&out, userCertificate+":: "+base64.StdEncoding.EncodeToString(certs[0].Raw))
	out.WriteString("-\nreplace: userSMIMECertificate\n")
	fold(&out, "userSMIMECertificate:: "+base64.StdEncoding.EncodeToString(bundle))
	out.WriteString("-\n\n")
	return out.Bytes(), nil
}

// fold writes one line of LDIF, in pieces of 76 octets (RFC 2849 note 2).
func fold(out *bytes.Buffer, line string) {
	for indent := ""; line != ""; indent = " " {
		n := min(76-len(indent), len(line))
		out.WriteString(indent + line[:n] + "\n")
		line = line[n:]
	}
}

// RobotCertificate is CertificateOf the robot of a domain, which everybody may
// know of.
func (a *Admin) RobotCertificate(ctx context.Context, domain string) (Done, error) {
	address, err := list.ParseAddress(a.Robot + "@" + domain)
	if err != nil {
		return Done{}, refused("", "there is no address for commands at %s", Printable(domain))
	}
	l, err := a.Store.List(ctx, address)
	if err != nil {
		return Done{}, a.storeError(err, "there is no list "+address.String(), "")
	}
	return a.CertificateOf(ctx, l)
}

// CertificateOf sends the certificate that people are to encrypt to to whoever
// may know of the list.
func (a *Admin) CertificateOf(ctx context.Context, l list.List) (Done, error) {
	certs, err := a.published(ctx, l)
	if err != nil {
		return Done{}, refused("", "%s has no certificate to encrypt to", l.Address)
	}
	d := describe(certs[0])
	return Done{
		Text:         "The certificate of " + l.Address.String() + " is attached, alone (.cer) and with its chain (.p7c).",
		Lines:        []string{"subject: " + d.Subject, "issued by: " + d.Issuer, "valid until: " + d.NotAfter.Format("2006-01-02"), "SHA-256 fingerprint: " + InPairs(d.Fingerprint)},
		Certificates: []string{d.Fingerprint},
	}, nil
}
