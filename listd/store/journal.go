package store

import "context"

// Changes are counters that grow with every change that a server may have in
// memory, whoever made it; a server that sees one grow drops what it holds.
type Changes struct {
	All          int64 // lists, members, keys, people's certificates
	Certificates int64 // people's certificates, and what directories answered
	CRLs         int64
}

// Changes returns the change counters.
func (s *Store) Changes(ctx context.Context) (Changes, error) {
	rows, err := s.read().query(ctx, `SELECT name, value FROM meta WHERE name IN ('changes', 'certificates', 'crls')`)
	var c Changes
	_, err = collect(rows, err, func(row scanner) (name string, err error) {
		var n int64
		err = row.Scan(&name, &n)
		switch name {
		case "certificates":
			c.Certificates = n
		case "crls":
			c.CRLs = n
		default:
			c.All = n
		}
		return name, err
	})
	return c, s.wrap("change counters", err)
}

// bumpCertificates moves both counters inside a transaction.
func bumpCertificates(ctx context.Context, h handle) error {
	if _, err := h.exec(ctx, `UPDATE meta SET value = value + 1 WHERE name = 'certificates'`); err != nil {
		return err
	}
	return bump(ctx, h)
}
