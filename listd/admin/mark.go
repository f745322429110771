package admin

import (
	"context"
	"crypto/x509"
	"os"
	"strings"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/trust"
)

// Marked is a word about a certificate, with the certificate where it is known.
type Marked struct {
	store.Mark
	Certificate *CertificateDetails `json:"certificate,omitempty"`
	New         bool                `json:"new"` // it was not there before
}

// Pin ties a certificate to an address: a file, or the fingerprint of one in the database. It is used before whatever a
// source has, as long as it is good. A certificate that names other addresses only is refused.
func (a *Admin) Pin(ctx context.Context, addressText, what string) (Marked, error) {
	address, err := parseAddress(addressText)
	if err != nil {
		return Marked{}, err
	}
	cert, chain, err := a.certificateOf(ctx, what)
	if err != nil {
		return Marked{}, err
	}
	return a.pin(ctx, address, cert, chain)
}

func (a *Admin) pin(ctx context.Context, address list.Address, cert *x509.Certificate, chain []*x509.Certificate) (Marked, error) {
	named := trust.Addresses(cert)
	if len(named) > 0 && !trust.Names(cert, address.String()) {
		return Marked{}, refused("pin it to one of those; a gateway's certificate for a whole domain is imported with `cert import --domain @"+address.Domain()+"`",
			"the certificate is for %s, not for %s", strings.Join(named, ", "), address)
	}
	if err := a.mayBeUsed(cert, chain); err != nil {
		return Marked{}, err
	}
	m := store.Mark{Kind: store.MarkPin, Address: address.Key(), Fingerprint: trust.Fingerprint(cert), DER: cert.Raw, Chain: raw(chain), Actor: a.Actor}
	return a.mark(ctx, m, cert, "cert pin", func() []store.Notice {
		return []store.Notice{assignedNotice(address, cert)}
	})
}

// mayBeUsed refuses a certificate that could never be encrypted to as things stand.
func (a *Admin) mayBeUsed(cert *x509.Certificate, chain []*x509.Certificate) error {
	v := a.Trust.Judge(cert, trust.Encryption, a.Clock(), chain)
	if v.OK() || v.Reason == trust.RevocationUnknown {
		return nil
	}
	hint := "`listmaster cert show` and `openssl x509 -text` show what it is for"
	switch v.Reason {
	case trust.UnknownCA:
		hint = "name its authority in trust.cafile, or in trust.anchors for its domain alone; give intermediates in the same file"
	case trust.Expired, trust.NotYetValid:
		hint = "ask for a current one"
	case trust.Blocked:
		hint = "`listmaster cert unblock` takes that back"
	}
	return refused(hint, "the certificate cannot be used: %s: %s", v.Reason, v.Detail)
}

// mark keeps a mark, audits it and tells whom it concerns.
func (a *Admin) mark(ctx context.Context, m store.Mark, cert *x509.Certificate, action string, tell func() []store.Notice) (Marked, error) {
	added, err := a.Store.PutMark(ctx, m)
	if err != nil {
		return Marked{}, Explain(err)
	}
	marked := Marked{Mark: m, New: added}
	if cert != nil {
		d := describe(cert)
		marked.Certificate = &d
	}
	if !added {
		return marked, nil
	}
	a.audit(ctx, action, 0, m.Fingerprint, map[string]string{"address": m.Address, "reason": m.Reason})
	if tell != nil {
		if _, err := a.Store.QueueNotices(ctx, tell()); err != nil {
			a.Log.Error("the person cannot be told", "action", action, "err", err)
		}
	}
	return marked, nil
}

// Unpin takes back what Pin said about an address, and returns of how many certificates.
func (a *Admin) Unpin(ctx context.Context, addressText string) (int, error) {
	address, err := parseAddress(addressText)
	if err != nil {
		return 0, err
	}
	return a.unmark(ctx, store.MarkFilter{Kind: store.MarkPin, Addresses: []string{address.Key()}}, "cert unpin", address.String(), "nothing is pinned to "+address.String())
}

// Block has a certificate, given as a file or fingerprint, used for nobody and nothing, whatever source has it.
func (a *Admin) Block(ctx context.Context, what, reason string) (Marked, error) {
	if err := singleLine("reason", reason); err != nil {
		return Marked{}, err
	}
	m := store.Mark{Kind: store.MarkBlock, Reason: reason, Actor: a.Actor}
	if digits := strings.ToLower(strings.ReplaceAll(what, ":", "")); isFingerprint(what) && len(digits) == 64 {
		m.Fingerprint = digits // it need not be at hand
		return a.mark(ctx, m, nil, "cert block", nil)
	}
	cert, _, err := a.certificateOf(ctx, what)
	if err != nil {
		return Marked{}, err
	}
	m.Fingerprint, m.DER = trust.Fingerprint(cert), cert.Raw
	return a.mark(ctx, m, cert, "cert block", nil)
}

// Unblock takes back what Block said, for the fingerprint or the beginning of it.
func (a *Admin) Unblock(ctx context.Context, what string) (int, error) {
	marks, err := a.Store.Marks(ctx, store.MarkFilter{Kind: store.MarkBlock})
	if err != nil {
		return 0, Explain(err)
	}
	for _, m := range marks {
		if sameFingerprint(what, m.Fingerprint) {
			return a.unmark(ctx, store.MarkFilter{Kind: store.MarkBlock, Fingerprint: m.Fingerprint}, "cert unblock", m.Fingerprint, "")
		}
	}
	return 0, refused("`listmaster cert ls --state blocked` shows those there are", "no certificate with the fingerprint %s is blocked", what)
}

func (a *Admin) unmark(ctx context.Context, f store.MarkFilter, action, object, nothing string) (int, error) {
	n, err := a.Store.DropMarks(ctx, f)
	if err != nil {
		return 0, Explain(err)
	}
	if n == 0 {
		return 0, refused("`listmaster cert ls` shows what there is", "%s", nothing)
	}
	a.audit(ctx, action, 0, object, nil)
	return n, nil
}

// Forget removes what was learnt or imported about an address, or the one with that fingerprint. Mail does not teach the
// same again; a listmaster's import or pin does.
func (a *Admin) Forget(ctx context.Context, addressText, fingerprint string) ([]string, error) {
	address, err := parseAddress(addressText)
	if err != nil {
		return nil, err
	}
	full := ""
	if fingerprint != "" {
		kept, err := a.Certificates(ctx, CertificateQuery{Address: addressText})
		if err != nil {
			return nil, err
		}
		for _, k := range kept {
			if sameFingerprint(fingerprint, k.Fingerprint) {
				full = k.Fingerprint
			}
		}
		if full == "" {
			return nil, refused("`listmaster cert ls "+addressText+"` shows those there are", "the database has no certificate with the fingerprint %s for %s", fingerprint, address)
		}
	}
	forgotten, err := a.Store.Forget(ctx, address.Key(), full, a.Actor)
	if err != nil {
		return nil, Explain(err)
	}
	if len(forgotten) == 0 {
		return nil, refused("`listmaster cert explain "+addressText+"` shows which source has what", "the database has no certificate for %s", address)
	}
	a.audit(ctx, "cert forget", 0, address.String(), map[string]string{"fingerprints": strings.Join(forgotten, " ")})
	return forgotten, nil
}

// onePerson is the only certificate of a person that a file holds, and those of
// authorities beside it.
func (b bundle) onePerson(name string) (*x509.Certificate, []*x509.Certificate, error) {
	if len(b.people) != 1 {
		return nil, nil, usage("give a file with the one that is meant; those of authorities may stand beside it", "%s holds %d certificates of people", name, len(b.people))
	}
	return b.people[0], b.helpers, nil
}

// certificateOf reads a certificate that a person names: a file, or the fingerprint, or the beginning of it, of one in the
// database.
func (a *Admin) certificateOf(ctx context.Context, what string) (*x509.Certificate, []*x509.Certificate, error) {
	if _, err := os.Stat(what); err == nil || !isFingerprint(what) {
		found, err := readBundle(what)
		if err != nil {
			return nil, nil, err
		}
		return found.onePerson(what)
	}
	kept, err := a.ShowCertificate(ctx, what)
	if err != nil {
		return nil, nil, err
	}
	rows, err := a.Store.Certificates(ctx, store.CertificateFilter{})
	if err != nil {
		return nil, nil, Explain(err)
	}
	for _, row := range rows {
		if row.Fingerprint != kept[0].Fingerprint {
			continue
		}
		cert, err := x509.ParseCertificate(row.DER)
		if err != nil {
			return nil, nil, refused("", "the certificate cannot be read: %v", err)
		}
		return cert, parseAll(row.Chain), nil
	}
	return nil, nil, refused("", "the certificate is gone")
}

func raw(certs []*x509.Certificate) [][]byte {
	var all [][]byte
	for _, c := range certs {
		all = append(all, c.Raw)
	}
	return all
}

func parseAll(ders [][]byte) []*x509.Certificate {
	var all []*x509.Certificate
	for _, der := range ders {
		if c, err := x509.ParseCertificate(der); err == nil {
			all = append(all, c)
		}
	}
	return all
}

// assignedNotice tells a person of a certificate that a listmaster has used for him.
func assignedNotice(to addressed, cert *x509.Certificate) store.Notice {
	fingerprint := trust.Fingerprint(cert)
	return store.Notice{Template: notice.CertificateAssigned, To: to, Params: map[string]string{
		"subject": cert.Subject.String(), "issuer": cert.Issuer.String(), "expires": cert.NotAfter.UTC().Format("2006-01-02"), "fingerprint": fingerprint,
	}, Key: notice.CertificateAssigned + "/" + to.Key() + "/" + fingerprint}
}
