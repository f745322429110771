package admin

import (
	"context"
	"crypto/x509"
	"slices"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/trust"
)

// KeptCertificate is a person's certificate in the database.
type KeptCertificate struct {
	CertificateDetails
	Address   list.Address `json:"address"`
	Domain    string       `json:"assigned_to,omitempty"` // pin, domain: the address, or "@" and the domain
	Source    string       `json:"source"`                // harvest, import, pin, domain, block
	MessageID string       `json:"message_id,omitempty"`  // harvest: of the newest mail it was in
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

// States of a kept certificate.
const (
	StateUsable   = "usable"   // may be encrypted to now
	StateUnusable = "unusable" // may not, for any reason
	StateExpired  = "expired"
	StateBlocked  = "blocked"
	StatePinned   = "pinned"
)

// CertificateQuery chooses kept certificates. The zero value is all of them.
type CertificateQuery struct {
	Address  string
	Source   string        // harvest, import, pin, domain
	State    string        // usable, unusable, expired, blocked, pinned
	Expiring time.Duration // only those that end within this time and have not ended
}

// Certificates returns the certificates kept in the database: those learnt and imported in the order they came, then
// those pinned or given to domains.
func (a *Admin) Certificates(ctx context.Context, q CertificateQuery) ([]KeptCertificate, error) {
	if q.Source != "" && !slices.Contains([]string{"harvest", "import", "pin", "domain"}, q.Source) {
		return nil, usage("write harvest, import, pin or domain", "%q is no source of certificates in the database", q.Source)
	}
	if q.State != "" && !slices.Contains([]string{StateUsable, StateUnusable, StateExpired, StateBlocked, StatePinned}, q.State) {
		return nil, usage("write usable, unusable, expired, blocked or pinned", "%q is no state of a certificate", q.State)
	}
	var filter store.CertificateFilter
	marks := store.MarkFilter{}
	if q.Address != "" {
		address, err := parseAddress(q.Address)
		if err != nil {
			return nil, err
		}
		filter.Addresses, marks.Addresses = []list.Address{address}, []string{address.Key()}
	}
	rows, err := a.Store.Certificates(ctx, filter)
	if err != nil {
		return nil, Explain(err)
	}
	assigned, err := a.Store.Marks(ctx, marks)
	if err != nil {
		return nil, Explain(err)
	}
	kept := []KeptCertificate{}
	for _, row := range rows {
		kept = append(kept, a.kept(row))
	}
	for _, m := range assigned {
		if m.Kind == store.MarkForget || m.Kind == store.MarkBlock && len(m.DER) == 0 && q.State != StateBlocked {
			continue
		}
		k := a.kept(store.Certificate{Fingerprint: m.Fingerprint, DER: m.DER, Chain: m.Chain, Source: string(m.Kind), Seen: m.At, Added: m.At})
		k.Domain = m.Address
		kept = append(kept, k)
	}
	now := a.Clock()
	return slices.DeleteFunc(kept, func(k KeptCertificate) bool { return !q.takes(k, now) }), nil
}

// takes tells whether a certificate is asked for.
func (q CertificateQuery) takes(k KeptCertificate, now time.Time) bool {
	if q.Source != "" && k.Source != q.Source {
		return false
	}
	if q.Expiring > 0 && (k.NotAfter.Before(now) || k.NotAfter.After(now.Add(q.Expiring))) {
		return false
	}
	usable, reason := false, trust.Reason("")
	for _, v := range k.Verdicts {
		if v.Use == trust.Encryption.String() {
			usable, reason = v.OK, v.Reason
		}
	}
	switch q.State {
	case StateUsable:
		return usable
	case StateUnusable:
		return !usable
	case StateExpired:
		return reason == trust.Expired
	case StateBlocked:
		return reason == trust.Blocked || k.Source == string(store.MarkBlock)
	case StatePinned:
		return k.Source == string(store.MarkPin)
	}
	return k.Source != string(store.MarkBlock)
}

// ShowCertificate returns the certificates in the database that have this
// fingerprint, or a fingerprint beginning with it (eight digits at least), or
// that belong to this address.
func (a *Admin) ShowCertificate(ctx context.Context, text string) ([]KeptCertificate, error) {
	if !isFingerprint(text) {
		kept, err := a.Certificates(ctx, CertificateQuery{Address: text})
		if err == nil && len(kept) == 0 {
			return nil, refused("`listmaster cert explain "+text+"` asks every source", "the database has no certificate for %s", text)
		}
		return kept, err
	}
	all, err := a.Certificates(ctx, CertificateQuery{})
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
