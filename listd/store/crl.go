package store

import (
	"context"
	"time"
)

// CRLRow is a place of CRLs: one issuer's, at one URL.
type CRLRow struct {
	Issuer     string    `json:"issuer"` // hash of name, key and anchor, hex
	URL        string    `json:"url"`
	Octets     []byte    `json:"-"`           // DER of the last one that counted; nil: there was none
	IssuerName string    `json:"issuer_name"` // for people
	Number     string    `json:"number,omitempty"`
	Entries    int       `json:"entries"`
	ThisUpdate time.Time `json:"this_update,omitzero"`
	NextUpdate time.Time `json:"next_update,omitzero"`
	Fetched    time.Time `json:"fetched,omitzero"` // when it came, or was found unchanged
	First      time.Time `json:"first"`            // when it was first asked for
	Attempted  time.Time `json:"attempted"`        // when last
	Error      string    `json:"error,omitempty"`  // of the last attempt
}

// KeepCRL notes how asking for a CRL went. Octets, with what describes them, take the place of what is kept unless that is
// newer; without Octets they stay.
func (s *Store) KeepCRL(ctx context.Context, r CRLRow) error {
	return s.write(ctx, "keep the CRL of "+r.URL, func(h handle) error {
		if _, err := h.exec(ctx, `INSERT INTO crl (issuer, url, issuer_name, number, entries, this_update, next_update, fetched, first, attempted, error)
			VALUES (?,?,?,'',0,0,0,0,?,?,?) ON CONFLICT (issuer, url) DO UPDATE SET attempted = excluded.attempted, error = excluded.error,
			first = CASE WHEN crl.first = 0 THEN excluded.first ELSE crl.first END`,
			r.Issuer, r.URL, r.IssuerName, micros(r.First), micros(r.Attempted), r.Error); err != nil {
			return err
		}
		if !r.Fetched.IsZero() {
			if _, err := h.exec(ctx, `UPDATE crl SET fetched = ? WHERE issuer = ? AND url = ?`, micros(r.Fetched), r.Issuer, r.URL); err != nil {
				return err
			}
		}
		if r.Octets == nil {
			return nil
		}
		n, err := h.exec(ctx, `UPDATE crl SET octets = ?, issuer_name = ?, number = ?, entries = ?, this_update = ?, next_update = ?
			WHERE issuer = ? AND url = ? AND (octets IS NULL OR this_update <= ?)`,
			r.Octets, r.IssuerName, r.Number, r.Entries, micros(r.ThisUpdate), micros(r.NextUpdate), r.Issuer, r.URL, micros(r.ThisUpdate))
		if err != nil || n == 0 {
			return err
		}
		_, err = h.exec(ctx, `UPDATE meta SET value = value + 1 WHERE name = 'crls'`)
		return err
	})
}

// CRLRows returns the places of CRLs, without octets, by issuer's name and URL.
func (s *Store) CRLRows(ctx context.Context) ([]CRLRow, error) {
	rows, err := s.read().query(ctx, `SELECT issuer, url, issuer_name, number, entries, this_update, next_update, fetched, first, attempted, error
		FROM crl ORDER BY issuer_name, url, issuer`)
	all, err := collect(rows, err, func(row scanner) (r CRLRow, err error) {
		var this, next, fetched, first, attempted int64
		err = row.Scan(&r.Issuer, &r.URL, &r.IssuerName, &r.Number, &r.Entries, &this, &next, &fetched, &first, &attempted, &r.Error)
		r.ThisUpdate, r.NextUpdate, r.Fetched = fromMicros(this), fromMicros(next), fromMicros(fetched)
		r.First, r.Attempted = fromMicros(first), fromMicros(attempted)
		return r, err
	})
	return all, s.wrap("CRLs", err)
}

// CRLOctets returns the CRL of a place. ErrNotFound.
func (s *Store) CRLOctets(ctx context.Context, issuer, url string) ([]byte, error) {
	var octets []byte
	err := s.read().row(ctx, `SELECT octets FROM crl WHERE issuer = ? AND url = ? AND octets IS NOT NULL`, issuer, url).Scan(&octets)
	return octets, s.wrap("the CRL of "+url, err)
}

// PruneCRLs removes places that nobody asked before a moment, and returns how many.
func (s *Store) PruneCRLs(ctx context.Context, before time.Time) (dropped int, err error) {
	err = s.write(ctx, "prune CRLs", func(h handle) error {
		n, err := h.exec(ctx, `DELETE FROM crl WHERE attempted < ?`, micros(before))
		dropped = int(n)
		return err
	})
	return dropped, err
}
