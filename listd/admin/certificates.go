package admin

import (
	"context"
	"crypto/x509"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/trust"
)

// KeptCertificate is a person's certificate in the database.
type KeptCertificate struct {
	CertificateDetails
	Address   list.Address `json:"address"`
	Source    string       `json:"source"`               // harvest or import
	MessageID string       `json:"message_id,omitempty"` // harvest: of the newest mail it was in
	Seen      time.Time    `json:"seen"`
	Added     time.Time    `json:"added"`
	Verdicts  []Verdict    `json:"verdicts"`
}

// Verdict is what the site's trust says of one use of a certificate.
type Verdict struct {
	Use    string       `json:"use"` // encryption, signing
	OK     bool         `json:"ok"`
	Reason trust.Reason `json:"reason,omitempty"`
	Detail string       `json:"detail,omitempty"`
}

// Certificates returns the certificates kept in the database, in the order they
// came: those of one address, or all for an empty text; of one source (harvest
// or import), or all.
func (a *Admin) Certificates(ctx context.Context, addressText, source string) ([]KeptCertificate, error) {
	filter := store.CertificateFilter{Source: source}
	if source != "" && source != "harvest" && source != "import" {
		return nil, usage("write harvest or import", "%q is no source of certificates in the database", source)
	}
	if addressText != "" {
		address, err := parseAddress(addressText)
		if err != nil {
			return nil, err
		}
		filter.Addresses = []list.Address{address}
	}
	rows, err := a.Store.Certificates(ctx, filter)
	if err != nil {
		return nil, Explain(err)
	}
	kept := make([]KeptCertificate, len(rows))
	for i, row := range rows {
		kept[i] = a.kept(row)
	}
	return kept, nil
}

// ShowCertificate returns the certificates in the database that have this
// fingerprint, or a fingerprint beginning with it (eight digits at least), or
// that belong to this address.
func (a *Admin) ShowCertificate(ctx context.Context, text string) ([]KeptCertificate, error) {
	if !isFingerprint(text) {
		kept, err := a.Certificates(ctx, text, "")
		if err == nil && len(kept) == 0 {
			return nil, refused("`listmaster cert explain "+text+"` asks every source", "the database has no certificate for %s", text)
		}
		return kept, err
	}
	all, err := a.Certificates(ctx, "", "")
	if err != nil {
		return nil, err
	}
	var found []KeptCertificate
	for _, k := range all {
		if sameFingerprint(text, k.Fingerprint) {
			found = append(found, k)
		}
	}
	if len(found) == 0 {
		return nil, refused("`listmaster cert ls` shows those there are; at least eight digits are needed", "the database has no certificate with the fingerprint %s", text)
	}
	return found, nil
}

// kept describes and judges one row.
func (a *Admin) kept(row store.Certificate) KeptCertificate {
	k := KeptCertificate{Address: row.Address, Source: row.Source, MessageID: row.MessageID, Seen: row.Seen, Added: row.Added, Verdicts: []Verdict{}}
	cert, err := x509.ParseCertificate(row.DER)
	if err != nil {
		k.Fingerprint, k.Subject = row.Fingerprint, "cannot be read: "+err.Error()
		return k
	}
	k.CertificateDetails = describe(cert)
	var helpers []*x509.Certificate
	for _, der := range row.Chain {
		if helper, err := x509.ParseCertificate(der); err == nil {
			helpers = append(helpers, helper)
		}
	}
	for _, use := range []trust.Use{trust.Encryption, trust.Signing} {
		v := a.Trust.Judge(cert, use, a.Clock(), helpers)
		k.Verdicts = append(k.Verdicts, Verdict{Use: use.String(), OK: v.OK(), Reason: v.Reason, Detail: v.Detail})
	}
	return k
}

// parseAddress reads the address of a person.
func parseAddress(text string) (list.Address, error) {
	address, err := list.ParseAddress(text)
	if err != nil {
		return list.Address{}, &Error{Kind: Usage, What: err.Error(), Hint: "write it as user@example.org", Err: err}
	}
	return address, nil
}
