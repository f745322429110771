package admin

import (
	"context"
	"time"

	"github.com/sealist/sealist/listd/store"
)

// States of a place of CRLs.
const (
	CRLGood    = "good"    // its list is in date, and the last attempt went well
	CRLFailing = "failing" // its list is in date, and the last attempt failed
	CRLStale   = "stale"   // its list is out of date
	CRLMissing = "missing" // there never was one
)

// CRL is a place of CRLs.
type CRL struct {
	store.CRLRow
	State string `json:"state"`
	Age   string `json:"age,omitempty"` // of the list, since its thisUpdate
	// GraceMembers and GraceSigners are until when certificates that depend on it are used all the same: to encrypt to,
	// and of those who sign. Zero: no grace runs.
	GraceMembers time.Time `json:"grace_until_recipients,omitzero"`
	GraceSigners time.Time `json:"grace_until_signers,omitzero"`
}

// Graces are how long certificates are used although nobody answers whether they have been revoked; less than 0: the
// policy has no grace.
type Graces struct{ Recipients, Signers time.Duration }

// CRLs returns the places of CRLs that are known, by issuer.
func (a *Admin) CRLs(ctx context.Context) ([]CRL, error) {
	rows, err := a.Store.CRLRows(ctx)
	if err != nil {
		return nil, Explain(err)
	}
	now := a.Clock()
	all := make([]CRL, len(rows))
	for i, r := range rows {
		all[i] = a.crl(r, now)
	}
	return all, nil
}

func (a *Admin) crl(r store.CRLRow, now time.Time) CRL {
	c := CRL{CRLRow: r, State: CRLGood}
	if !r.ThisUpdate.IsZero() {
		c.Age = now.Sub(r.ThisUpdate).Round(time.Second).String()
	}
	since := r.NextUpdate
	switch {
	case r.ThisUpdate.IsZero():
		c.State, since = CRLMissing, r.First
	case !r.NextUpdate.IsZero() && now.After(r.NextUpdate):
		c.State = CRLStale
	case r.Error != "":
		c.State = CRLFailing
	}
	if c.State == CRLStale || c.State == CRLMissing {
		if a.Graces.Recipients >= 0 {
			c.GraceMembers = since.Add(a.Graces.Recipients)
		}
		if a.Graces.Signers >= 0 {
			c.GraceSigners = since.Add(a.Graces.Signers)
		}
	}
	return c
}

// Fetcher fetches CRLs. *revocation.Checker is one.
type Fetcher interface {
	Fetch(ctx context.Context, url string) (int, error)
}

// FetchCRLs fetches the CRLs of a URL, or all that are known, now and in this process, and returns what is known then.
// Running servers take up what is new within a second.
func (a *Admin) FetchCRLs(ctx context.Context, url string) ([]CRL, error) {
	n, err := a.Fetcher.Fetch(ctx, url)
	if err != nil {
		return nil, Explain(err)
	}
	if n == 0 {
		return nil, refused("`listmaster crl ls` shows those there are; a CRL is known once a certificate was judged that names it, and is fetched here if its issuer is in trust.cafile, trust.anchors or trust.intermediates",
			"there is no CRL that could be fetched")
	}
	a.audit(ctx, "crl fetch", 0, url, nil)
	all, err := a.CRLs(ctx)
	if err != nil || url == "" {
		return all, err
	}
	var named []CRL
	for _, c := range all {
		if c.URL == url {
			named = append(named, c)
		}
	}
	return some(named), nil
}
