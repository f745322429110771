package store

import (
	"context"
	"errors"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// Certificate is one person's certificate kept here.
type Certificate struct {
	ID           int64        `json:"id"`
	Address      list.Address `json:"address"`
	Fingerprint  string       `json:"fingerprint"` // SHA-256, lower-case hex; filled by the store
	DER          []byte       `json:"der"`
	Chain        [][]byte     `json:"-"`                    // intermediate certificates that lead to its anchor, DER
	Source       string       `json:"source"`               // harvest, import
	MessageID    string       `json:"message_id,omitempty"` // harvest: the newest mail it was in
	Signer       string       `json:"signer,omitempty"`     // harvest: fingerprint of the certificate that signed it
	Capabilities []byte       `json:"-"`                    // DER SMIMECapabilities of that mail, nil: none
	Seen         time.Time    `json:"seen"`                 // when that mail was received; zero: now
	Added        time.Time    `json:"added"`                // when it came first; filled by the store

	CapabilitiesAt time.Time `json:"-"` // when the mail with the Capabilities was signed
}

// PutCertificate keeps a certificate and reports whether it is new for that
// address and source. One that is there already gets the later Seen with what
// belongs to it; an earlier mail changes nothing.
func (s *Store) PutCertificate(ctx context.Context, c Certificate) (added bool, err error) {
	err = s.write(ctx, "put certificate of "+c.Address.String(), func(h handle) error {
		added, err = putCertificate(ctx, h, c, s.now())
		return err
	})
	return added, err
}

func putCertificate(ctx context.Context, h handle, c Certificate, now int64) (added bool, err error) {
	if c.Address.IsZero() || len(c.DER) == 0 || c.Source == "" {
		return false, errors.New("a certificate without address, octets or source")
	}
	seen := micros(c.Seen)
	if seen == 0 {
		seen = now
	}
	print := fingerprint(c.DER)
	if c.Source != "harvest" {
		if err := unforget(ctx, h, c.Address.Key(), print); err != nil {
			return false, err
		}
	}
	capable := micros(c.CapabilitiesAt)
	if c.Capabilities == nil {
		capable = 0
	}
	n, err := h.exec(ctx, `INSERT INTO certificate (address, address_key, fingerprint, der, chain, source, message_id, signer, capabilities, seen, added, capabilities_at)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (address_key, fingerprint, source) DO NOTHING`,
		c.Address.String(), c.Address.Key(), print, c.DER, join(c.Chain), c.Source, c.MessageID, c.Signer, c.Capabilities, seen, now, capable)
	if err != nil {
		return false, err
	}
	if n == 1 {
		return true, bumpCertificates(ctx, h)
	}
	if c.Capabilities != nil {
		if _, err := h.exec(ctx, `UPDATE certificate SET capabilities = ?, capabilities_at = ?
			WHERE address_key = ? AND fingerprint = ? AND source = ? AND capabilities_at < ?`, c.Capabilities, capable, c.Address.Key(), print, c.Source, capable); err != nil {
			return false, err
		}
	}
	_, err = h.exec(ctx, `UPDATE certificate SET chain = ?, message_id = ?, signer = ?, seen = ?
		WHERE address_key = ? AND fingerprint = ? AND source = ? AND seen < ?`,
		join(c.Chain), c.MessageID, c.Signer, seen, c.Address.Key(), print, c.Source, seen)
	return false, err
}

// CertificateFilter chooses certificates. The zero value is all of them.
type CertificateFilter struct {
	Addresses []list.Address // nil is everybody; at most 500
	Source    string         // "" is every source
	After     int64          // ID of the last one of the page before
	Limit     int            // 0: no limit
}

// Certificates returns kept certificates in the order they came.
func (s *Store) Certificates(ctx context.Context, f CertificateFilter) ([]Certificate, error) {
	var c conditions
	c.add(`id > ?`, f.After)
	if f.Source != "" {
		c.add(`source = ?`, f.Source)
	}
	if len(f.Addresses) > 0 {
		keys := make([]any, len(f.Addresses))
		for i, a := range f.Addresses {
			keys[i] = a.Key()
		}
		c.add(`address_key IN `+inList(len(keys)), keys...)
	}
	rows, err := s.read().query(ctx, `SELECT id, address, fingerprint, der, chain, source, message_id, signer, capabilities, seen, added, capabilities_at
		FROM certificate`+c.where()+` ORDER BY id LIMIT ?`, append(c.args, limit(f.Limit))...)
	all, err := collect(rows, err, func(row scanner) (c Certificate, err error) {
		var address string
		var chain []byte
		var seen, added, capable int64
		if err := row.Scan(&c.ID, &address, &c.Fingerprint, &c.DER, &chain, &c.Source, &c.MessageID, &c.Signer, &c.Capabilities, &seen, &added, &capable); err != nil {
			return c, err
		}
		c.Seen, c.Added, c.CapabilitiesAt = fromMicros(seen), fromMicros(added), fromMicros(capable)
		if c.Chain, err = split(chain); err != nil {
			return c, err
		}
		return c, c.Address.UnmarshalText([]byte(address))
	})
	return all, s.wrap("certificates", err)
}
