package admin

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.mozilla.org/pkcs7"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/directory/files"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/trust"
)

// addressed is the address of a person.
type addressed = list.Address

// bundle is the certificates of one file.
type bundle struct {
	people  []*x509.Certificate
	helpers []*x509.Certificate // of authorities
	broken  string              // what in it cannot be read
}

// maxImportOctets bounds one file.
const maxImportOctets = 4 << 20

// readBundle reads a PEM, DER or p7c file. One with a private key in it is refused: it is in the wrong hands.
func readBundle(path string) (bundle, error) {
	info, err := os.Stat(path)
	if err != nil {
		return bundle{}, &Error{Kind: Usage, What: err.Error(), Err: err, Hint: "name a file with a certificate, or a fingerprint that `listmaster cert ls` shows"}
	}
	if !info.Mode().IsRegular() || info.Size() > maxImportOctets {
		return bundle{}, usage("", "%s is no file of at most 4 MB", path)
	}
	octets, err := os.ReadFile(path)
	if err != nil {
		return bundle{}, Explain(err)
	}
	return parseBundle(path, octets)
}

// parseBundle reads certificates, and refuses what a private key is in. name is
// the file's, for messages.
func parseBundle(name string, octets []byte) (bundle, error) {
	if holdsPrivateKey(octets) {
		return bundle{}, refused("nothing of it was kept; delete it here, and ask for the certificate alone. A list's own key pair is for `listmaster key import`",
			"%s holds a private key", name)
	}
	contents, err := files.Parse(octets)
	var p bundle
	if err != nil {
		p.broken = err.Error()
	}
	p.helpers = parseAll(contents.Helpers)
	for _, der := range contents.Certificates {
		cert, err := x509.ParseCertificate(der)
		switch {
		case err != nil:
			p.broken = err.Error()
		case cert.BasicConstraintsValid && cert.IsCA:
			p.helpers = append(p.helpers, cert)
		default:
			p.people = append(p.people, cert)
		}
	}
	if len(p.people)+len(p.helpers) == 0 {
		return p, refused("it should be PEM, DER or p7c", "%s holds no certificate: %s", name, p.broken)
	}
	return p, nil
}

// holdsPrivateKey tells whether octets hold a private key, with or without a
// password: PEM of any label, PKCS#8, PKCS#1, SEC 1 or PKCS#12.
func holdsPrivateKey(octets []byte) bool {
	if bytes.Contains(octets, []byte("PRIVATE KEY-----")) {
		return true
	}
	var whole, first, second asn1.RawValue
	if _, err := asn1.Unmarshal(octets, &whole); err != nil || whole.Tag != asn1.TagSequence {
		return false
	}
	rest, err := asn1.Unmarshal(whole.Bytes, &first)
	if err != nil {
		return false
	}
	if first.Tag == asn1.TagInteger && first.Class == asn1.ClassUniversal {
		return true // a version leads keys and PKCS#12 (RFC 7292 section 4); certificates and CMS begin with a SEQUENCE and an OID
	}
	_, err = asn1.Unmarshal(rest, &second)
	return err == nil && first.Tag == asn1.TagSequence && second.Tag == asn1.TagOctetString // EncryptedPrivateKeyInfo (RFC 5958 section 3)
}

// Imported is what became of one certificate of a file.
type Imported struct {
	File        string `json:"file"`
	Address     string `json:"address,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	Taken       bool   `json:"taken"`
	Reason      string `json:"reason,omitempty"` // why not, or that it was there already
}

// ImportOptions say for whom certificates are.
type ImportOptions struct {
	Address string // only for this address
	Domain  string // "@" and a domain: for its addresses that have none of their own
}

// Import takes certificates from files and folders; a folder may be one of Sympa's (X509-user-certs). Each is kept for
// every address that it names. What cannot be used is left, with the reason.
func (a *Admin) Import(ctx context.Context, paths []string, o ImportOptions) ([]Imported, error) {
	domain, err := parseDomain(o.Domain)
	if err != nil {
		return nil, err
	}
	if o.Address != "" {
		if o.Domain != "" {
			return nil, usage("give one of them", "--address and --domain exclude each other")
		}
		if _, err := parseAddress(o.Address); err != nil {
			return nil, err
		}
	}
	all := []Imported{}
	for _, path := range paths {
		names, err := filesOf(path)
		if err != nil {
			return all, err
		}
		for _, name := range names {
			all = append(all, a.importFile(ctx, name, o.Address, domain, len(names) > 1)...)
		}
	}
	taken := 0
	for _, i := range all {
		if i.Taken {
			taken++
		}
	}
	a.audit(ctx, "cert import", 0, strings.Join(paths, " "), map[string]string{"taken": fmt.Sprint(taken), "of": fmt.Sprint(len(all)), "domain": o.Domain})
	return all, nil
}

// parseDomain reads "@partner.example".
func parseDomain(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if _, err := list.ParseAddress("x" + text); err != nil || !strings.HasPrefix(text, "@") {
		return "", usage("write it as @partner.example", "%q is no domain", text)
	}
	return directory.Normalise(text), nil
}

// filesOf are the plain files of a folder, or the file itself.
func filesOf(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, &Error{Kind: Usage, What: err.Error(), Err: err, Hint: "name files or folders with certificates"}
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, Explain(err)
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, filepath.Join(path, e.Name()))
		}
	}
	return names, nil
}

func (a *Admin) importFile(ctx context.Context, path, address, domain string, folder bool) []Imported {
	no := func(err error) []Imported { return []Imported{{File: path, Reason: err.Error()}} }
	named, signing := files.AddressOf(filepath.Base(path))
	if signing && address == "" && domain == "" {
		return no(errors.New("the name says that it is for verifying only"))
	}
	if folder && address == "" && domain == "" && named != "" {
		address = named // as Sympa names them
	}
	found, err := readBundle(path)
	if err != nil {
		return no(err)
	}
	var all []Imported
	for _, cert := range found.people {
		all = append(all, a.importOne(ctx, path, cert, found.helpers, address, domain)...)
	}
	if found.broken != "" {
		all = append(all, Imported{File: path, Reason: found.broken})
	}
	if len(all) == 0 {
		return no(errors.New("it holds certificates of authorities only; those belong in trust.cafile or trust.intermediates"))
	}
	return all
}

// importOne keeps one certificate for its addresses, for one of them, or for a domain.
func (a *Admin) importOne(ctx context.Context, path string, cert *x509.Certificate, helpers []*x509.Certificate, address, domain string) []Imported {
	report := Imported{File: path, Address: address, Fingerprint: trust.Fingerprint(cert)}
	fail := func(reason string) []Imported { report.Reason = reason; return []Imported{report} }
	if err := a.mayBeUsed(cert, helpers); err != nil {
		return fail(err.Error())
	}
	if domain != "" {
		report.Address = domain
		marked, err := a.mark(ctx, store.Mark{Kind: store.MarkDomain, Address: domain, Fingerprint: report.Fingerprint, DER: cert.Raw, Chain: raw(helpers), Actor: a.Actor}, cert, "cert import", nil)
		if err != nil {
			return fail(err.Error())
		}
		if report.Taken = marked.New; !marked.New {
			report.Reason = "it was there already"
		}
		return []Imported{report}
	}
	addresses := trust.Addresses(cert)
	switch {
	case address != "" && !trust.Names(cert, address):
		return fail("it does not name the address; `listmaster cert pin` ties one without any address to a person")
	case address != "":
		addresses = []string{address}
	case len(addresses) == 0:
		return fail("it names no address; `listmaster cert pin` ties it to one")
	}
	var all []Imported
	for _, text := range addresses {
		one := report
		one.Address = text
		person, err := list.ParseAddress(text)
		if err == nil {
			one.Taken, err = a.Store.PutCertificate(ctx, store.Certificate{Address: person, DER: cert.Raw, Chain: raw(helpers), Source: "import", Seen: a.Clock()})
		}
		switch {
		case err != nil:
			one.Reason = err.Error()
		case !one.Taken:
			one.Reason = "it was there already"
		default:
			if _, err := a.Store.QueueNotices(ctx, []store.Notice{assignedNotice(person, cert)}); err != nil {
				a.Log.Error("the person cannot be told", "err", err)
			}
		}
		all = append(all, one)
	}
	return all
}

// Forms of an export.
const (
	FormPEM   = "pem"
	FormDER   = "der"
	FormP7C   = "p7c"
	FormSympa = "sympa" // a folder of PEM files, named as Sympa names them
)

// Export returns the usable certificates that a copy to these addresses would be encrypted to, or to all members of a
// list, as one PEM text or one p7c (RFC 8551 section 3.8), or one certificate in DER.
func (a *Admin) Export(ctx context.Context, addresses []string, listText, form string) ([]byte, error) {
	certs, err := a.exported(ctx, addresses, listText)
	if err != nil {
		return nil, err
	}
	var all []*x509.Certificate
	seen := map[string]bool{}
	for _, e := range certs {
		if fp := trust.Fingerprint(e.cert); !seen[fp] {
			seen[fp] = true
			all = append(all, e.cert)
		}
	}
	switch form {
	case FormDER:
		if len(all) != 1 {
			return nil, usage("take pem or p7c", "DER holds one certificate, and there are %d", len(all))
		}
		return all[0].Raw, nil
	case FormP7C:
		bundle, err := pkcs7.DegenerateCertificate(bytes.Join(raw(all), nil))
		if err != nil {
			return nil, Explain(err)
		}
		return bundle, nil
	case FormPEM:
		var out bytes.Buffer
		for _, c := range all {
			if err := pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}); err != nil {
				return nil, Explain(err)
			}
		}
		return out.Bytes(), nil
	}
	return nil, usage("write pem, der, p7c or sympa", "%q is no form of certificates", form)
}

// ExportFolder writes the same certificates into a folder as Sympa has it, and returns how many files it wrote. A file
// that is there is left as it is.
func (a *Admin) ExportFolder(ctx context.Context, addresses []string, listText, dir string) (int, error) {
	certs, err := a.exported(ctx, addresses, listText)
	if err != nil {
		return 0, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, Explain(err)
	}
	written := 0
	for _, e := range certs {
		name, ok := files.FileName(e.address)
		if !ok {
			continue
		}
		f, err := os.OpenFile(filepath.Join(dir, name+"@enc"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			continue // the newest came first
		}
		if err == nil {
			err = errors.Join(pem.Encode(f, &pem.Block{Type: "CERTIFICATE", Bytes: e.cert.Raw}), f.Close())
		}
		if err != nil {
			return written, Explain(err)
		}
		written++
	}
	return written, nil
}

type exported struct {
	address string
	cert    *x509.Certificate
}

// exported are the certificates that would be used, newest first for each address.
func (a *Admin) exported(ctx context.Context, addresses []string, listText string) ([]exported, error) {
	if (len(addresses) > 0) == (listText != "") {
		return nil, usage("give addresses, or --list LIST", "whose certificates?")
	}
	if listText != "" {
		members, err := a.Members(ctx, listText, string(list.RoleMember))
		if err != nil {
			return nil, err
		}
		for _, m := range members {
			addresses = append(addresses, m.Address.String())
		}
	}
	var all []exported
	for _, text := range addresses {
		e, err := a.Explain(ctx, text, false)
		if err != nil {
			return nil, err
		}
		for _, s := range e.Sources {
			for _, c := range s.Certificates {
				if cert, err := x509.ParseCertificate(c.DER); err == nil && c.Used {
					all = append(all, exported{text, cert})
				}
			}
		}
	}
	if len(all) == 0 {
		return nil, refused("`listmaster cert explain` tells why", "nobody of them has a usable certificate")
	}
	return all, nil
}
