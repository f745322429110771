package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sealist/sealist/directory"
)

// MarkKind is what a listmaster said about a certificate.
type MarkKind string

// The kinds of marks.
const (
	MarkPin    MarkKind = "pin"    // use it for this address before whatever a source has
	MarkDomain MarkKind = "domain" // use it for addresses of this domain that have none
	MarkBlock  MarkKind = "block"  // use it for nobody and nothing
	MarkForget MarkKind = "forget" // do not learn it again from mail of this address
)

// Mark is one word about one certificate.
type Mark struct {
	Kind        MarkKind  `json:"kind"`
	Address     string    `json:"address,omitempty"` // pin, forget: whose; domain: "@" and the domain
	Fingerprint string    `json:"fingerprint"`       // SHA-256, hex
	DER         []byte    `json:"-"`                 // pin, domain: the certificate; block: if it was at hand
	Chain       [][]byte  `json:"-"`                 // its intermediates
	Reason      string    `json:"reason,omitempty"`
	Actor       string    `json:"actor"`
	At          time.Time `json:"at"` // zero: now
}

// PutMark keeps a mark and reports whether it is new. A pin takes back that the certificate was to be forgotten.
func (s *Store) PutMark(ctx context.Context, m Mark) (added bool, err error) {
	if m.Fingerprint == "" || m.Kind != MarkBlock && m.Address == "" || (m.Kind == MarkPin || m.Kind == MarkDomain) && len(m.DER) == 0 {
		return false, errors.New("a mark without fingerprint, address or certificate")
	}
	at := micros(m.At)
	if at == 0 {
		at = s.now()
	}
	err = s.write(ctx, "mark a certificate", func(h handle) error {
		n, err := h.exec(ctx, `INSERT INTO certificate_mark (kind, address_key, fingerprint, der, chain, reason, actor, at) VALUES (?,?,?,?,?,?,?,?)
			ON CONFLICT (kind, address_key, fingerprint) DO NOTHING`,
			m.Kind, directory.Normalise(m.Address), m.Fingerprint, m.DER, join(m.Chain), m.Reason, m.Actor, at)
		if added = n == 1; err != nil || !added {
			return err
		}
		if m.Kind == MarkPin {
			if err := unforget(ctx, h, m.Address, m.Fingerprint); err != nil {
				return err
			}
		}
		return bumpCertificates(ctx, h)
	})
	return added && err == nil, err
}

// unforget lets a certificate be learnt again.
func unforget(ctx context.Context, h handle, address, fingerprint string) error {
	_, err := h.exec(ctx, `DELETE FROM certificate_mark WHERE kind = ? AND address_key = ? AND fingerprint = ?`, MarkForget, directory.Normalise(address), fingerprint)
	return err
}

// MarkFilter chooses marks. The zero value is all of them.
type MarkFilter struct {
	Kind        MarkKind
	Addresses   []string // at most 500
	Fingerprint string
}

func (f MarkFilter) conditions() (c conditions) {
	if f.Kind != "" {
		c.add(`kind = ?`, f.Kind)
	}
	if len(f.Addresses) > 0 {
		keys := make([]any, len(f.Addresses))
		for i, a := range f.Addresses {
			keys[i] = directory.Normalise(a)
		}
		c.add(`address_key IN `+inList(len(keys)), keys...)
	}
	if f.Fingerprint != "" {
		c.add(`fingerprint = ?`, f.Fingerprint)
	}
	return c
}

// Marks returns marks in the order they were made.
func (s *Store) Marks(ctx context.Context, f MarkFilter) ([]Mark, error) {
	c := f.conditions()
	rows, err := s.read().query(ctx, `SELECT kind, address_key, fingerprint, der, chain, reason, actor, at FROM certificate_mark`+c.where()+
		` ORDER BY at, kind, address_key, fingerprint`, c.args...)
	all, err := collect(rows, err, func(row scanner) (m Mark, err error) {
		var chain []byte
		var at int64
		if err := row.Scan(&m.Kind, &m.Address, &m.Fingerprint, &m.DER, &chain, &m.Reason, &m.Actor, &at); err != nil {
			return m, err
		}
		m.At = fromMicros(at)
		m.Chain, err = split(chain)
		return m, err
	})
	return all, s.wrap("marks of certificates", err)
}

// DropMarks removes marks and returns how many.
func (s *Store) DropMarks(ctx context.Context, f MarkFilter) (dropped int, err error) {
	c := f.conditions()
	err = s.write(ctx, "drop marks of certificates", func(h handle) error {
		n, err := h.exec(ctx, `DELETE FROM certificate_mark`+c.where(), c.args...)
		if dropped = int(n); err != nil || n == 0 {
			return err
		}
		return bumpCertificates(ctx, h)
	})
	return dropped, err
}

// Forget removes what was learnt or imported about an address, or the one certificate of it with that fingerprint, and
// leaves marks, so that mail does not teach the same again. It returns the fingerprints.
func (s *Store) Forget(ctx context.Context, address, fingerprint, actor string) (forgotten []string, err error) {
	key := directory.Normalise(address)
	err = s.write(ctx, "forget certificates", func(h handle) error {
		rows, err := h.query(ctx, `SELECT DISTINCT fingerprint FROM certificate WHERE address_key = ? AND (? = '' OR fingerprint = ?)`, key, fingerprint, fingerprint)
		forgotten, err = collect(rows, err, func(row scanner) (f string, err error) { return f, row.Scan(&f) })
		if err != nil || len(forgotten) == 0 {
			return err
		}
		for _, f := range forgotten {
			if _, err := h.exec(ctx, `INSERT INTO certificate_mark (kind, address_key, fingerprint, chain, reason, actor, at) VALUES (?,?,?,?,'',?,?)
				ON CONFLICT (kind, address_key, fingerprint) DO NOTHING`, MarkForget, key, f, join(nil), actor, s.now()); err != nil {
				return err
			}
			if _, err := h.exec(ctx, `DELETE FROM certificate WHERE address_key = ? AND fingerprint = ?`, key, f); err != nil {
				return err
			}
		}
		return bumpCertificates(ctx, h)
	})
	return forgotten, err
}

// Forgotten returns the fingerprints of certificates that mail of an address is not to teach again.
func (s *Store) Forgotten(ctx context.Context, address string) ([]string, error) {
	marks, err := s.Marks(ctx, MarkFilter{Kind: MarkForget, Addresses: []string{address}})
	var all []string
	for _, m := range marks {
		all = append(all, m.Fingerprint)
	}
	return all, err
}

// Assigned returns the certificates that a listmaster pinned to addresses, or gave to domains ("@" and the domain).
func (s *Store) Assigned(ctx context.Context, kind MarkKind, addresses []string) ([]directory.Kept, error) {
	var all []directory.Kept
	for some := range slices.Chunk(addresses, maxInList) {
		marks, err := s.Marks(ctx, MarkFilter{Kind: kind, Addresses: some})
		if err != nil {
			return nil, err
		}
		for _, m := range marks {
			all = append(all, directory.Kept{Address: m.Address, Certificate: m.DER, Chain: m.Chain, Source: string(kind), Seen: m.At})
		}
	}
	return all, nil
}

// ExpireHarvest removes harvested certificates that were not seen since a moment, and of those of people who are members
// of no list the oldest beyond a number. It returns how many went.
func (s *Store) ExpireHarvest(ctx context.Context, before time.Time, strangers int) (dropped int, err error) {
	err = s.write(ctx, "expire harvested certificates", func(h handle) error {
		n, err := h.exec(ctx, `DELETE FROM certificate WHERE source = 'harvest' AND (seen < ? OR id IN (
			SELECT id FROM certificate WHERE source = 'harvest' AND NOT EXISTS (SELECT 1 FROM member WHERE member.address_key = certificate.address_key)
			ORDER BY seen DESC, id DESC LIMIT 1000000 OFFSET ?))`, micros(before), strangers)
		if dropped = int(n); err != nil || n == 0 {
			return err
		}
		return bumpCertificates(ctx, h)
	})
	return dropped, err
}
