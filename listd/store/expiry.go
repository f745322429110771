package store

import (
	"context"
	"time"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/listd/list"
)

// ExpiryTold says that somebody was told of the end of a certificate.
type ExpiryTold struct {
	Audience    string // who was told: of a list its owners, the holder, the listmasters
	Address     string // whose certificate it is
	Fingerprint string // SHA-256, lower-case hex
	Stage       int    // days that were left; 0: it had expired
}

// ToldExpiries returns what an audience was told: the most urgent stage of each
// certificate, by normalised address and fingerprint.
func (s *Store) ToldExpiries(ctx context.Context, audience string) (map[[2]string]int, error) {
	rows, err := s.read().query(ctx, `SELECT address_key, fingerprint, min(stage) FROM expiry_told WHERE audience = ? GROUP BY address_key, fingerprint`, audience)
	told := map[[2]string]int{}
	_, err = collect(rows, err, func(row scanner) (struct{}, error) {
		var key [2]string
		var stage int
		err := row.Scan(&key[0], &key[1], &stage)
		told[key] = stage
		return struct{}{}, err
	})
	return told, s.wrap("certificates' ends that were told", err)
}

// TellExpiries notes what is told now, until a moment, and queues the mail that
// tells it, in one transaction. Where all of it was told already nothing is
// queued.
func (s *Store) TellExpiries(ctx context.Context, told []ExpiryTold, until time.Time, notices ...Notice) (queued int, err error) {
	err = s.write(ctx, "tell of certificates' ends", func(h handle) error {
		queued = 0
		var fresh int64
		for _, t := range told {
			n, err := h.exec(ctx, `INSERT INTO expiry_told (audience, address_key, fingerprint, stage, until) VALUES (?,?,?,?,?)
				ON CONFLICT (audience, address_key, fingerprint, stage) DO NOTHING`, t.Audience, directory.Normalise(t.Address), t.Fingerprint, t.Stage, micros(until))
			if err != nil {
				return err
			}
			fresh += n
		}
		if fresh == 0 {
			return nil
		}
		queued, err = queueNotices(ctx, h, 0, notices, s.now())
		return err
	})
	return queued, err
}

// ForgetExpiries removes what need not be known any more, and returns how much.
func (s *Store) ForgetExpiries(ctx context.Context) (removed int, err error) {
	err = s.write(ctx, "forget certificates' ends that were told", func(h handle) error {
		n, err := h.exec(ctx, `DELETE FROM expiry_told WHERE until <= ?`, s.now())
		removed = int(n)
		return err
	})
	return removed, err
}

// People returns the addresses of everybody who has a role on a list that is not
// closed, in the order of their keys, behind one; at most that many.
func (s *Store) People(ctx context.Context, after string, most int) ([]list.Address, error) {
	rows, err := s.read().query(ctx, `SELECT min(address) FROM member WHERE address_key > ? AND EXISTS
		(SELECT 1 FROM list WHERE list.id = member.list AND list.state <> ?) GROUP BY address_key ORDER BY address_key LIMIT ?`, after, list.Closed, limit(most))
	all, err := collect(rows, err, func(row scanner) (a list.Address, err error) {
		var text string
		if err := row.Scan(&text); err != nil {
			return a, err
		}
		return a, a.UnmarshalText([]byte(text))
	})
	return all, s.wrap("people", err)
}
