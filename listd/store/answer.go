package store

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/sealist/sealist/directory"
)

// KeptAnswers returns what is kept of a source's answers about these addresses, under this version of its configuration,
// with Fetched. What cannot be read is not there.
func (s *Store) KeptAnswers(ctx context.Context, source, version string, addresses []string) ([]directory.Answer, error) {
	var all []directory.Answer
	for some := range slices.Chunk(addresses, maxInList) {
		args := []any{source, version}
		for _, a := range some {
			args = append(args, directory.Normalise(a))
		}
		rows, err := s.read().query(ctx, `SELECT address_key, body, server, fetched FROM answer
			WHERE source = ? AND version = ? AND address_key IN `+inList(len(some)), args...)
		found, err := collect(rows, err, func(row scanner) (directory.Answer, error) {
			var address, server string
			var body []byte
			var fetched int64
			if err := row.Scan(&address, &body, &server, &fetched); err != nil {
				return directory.Answer{}, err
			}
			a, err := directory.DecodeAnswer(body)
			if err != nil {
				s.log.Error("a kept answer cannot be read", "source", source, "err", err)
				return directory.Answer{}, nil
			}
			a.Address, a.Server, a.Fetched = address, server, fromMicros(fetched)
			return a, nil
		})
		if err != nil {
			return nil, s.wrap("kept answers of "+source, err)
		}
		all = append(all, slices.DeleteFunc(found, func(a directory.Answer) bool { return a.Address == "" })...)
	}
	return all, nil
}

// KeepAnswers puts answers in the place of those kept about the same addresses. The change counter grows if one says
// something else than before.
func (s *Store) KeepAnswers(ctx context.Context, source, version string, answers []directory.KeptAnswer) error {
	return s.write(ctx, "keep answers of "+source, func(h handle) error {
		news := false
		for _, a := range answers {
			body, err := a.Encode()
			if err != nil {
				return err
			}
			key := directory.Normalise(a.Address)
			if len(body) > maxAnswerOctets {
				if _, err := h.exec(ctx, `DELETE FROM answer WHERE source = ? AND address_key = ?`, source, key); err != nil {
					return err
				}
				continue
			}
			var before []byte
			rows, err := h.query(ctx, `SELECT body FROM answer WHERE source = ? AND address_key = ?`, source, key)
			bodies, err := collect(rows, err, func(row scanner) (b []byte, err error) { return b, row.Scan(&b) })
			if err != nil {
				return err
			}
			if len(bodies) > 0 {
				before = bodies[0]
				news = news || !bytes.Equal(before, body)
			}
			if _, err := h.exec(ctx, `INSERT INTO answer (source, address_key, version, found, body, server, fetched, due) VALUES (?,?,?,?,?,?,?,?)
				ON CONFLICT (source, address_key) DO UPDATE SET version = excluded.version, found = excluded.found, body = excluded.body,
				server = excluded.server, fetched = excluded.fetched, due = excluded.due`,
				source, key, version, boolean(a.Err == nil), body, a.Server, micros(a.Fetched), micros(a.Due)); err != nil {
				return err
			}
		}
		if !news {
			return nil
		}
		return bumpCertificates(ctx, h)
	})
}

// maxAnswerOctets bounds what is kept of one answer: sixty certificates of 2 KB take some 160 KB.
const maxAnswerOctets = 1 << 20

// AnswerRow is a kept answer, for people.
type AnswerRow struct {
	Source       string    `json:"source"`
	Address      string    `json:"address"`
	Found        bool      `json:"found"`
	Certificates int       `json:"certificates"`
	Server       string    `json:"server"`
	Fetched      time.Time `json:"fetched"`
	Due          time.Time `json:"due"` // from when it is worth asking again
	Version      string    `json:"-"`
	Octets       int       `json:"octets"`
}

// AnswerFilter chooses kept answers. The zero value is all of them.
type AnswerFilter struct {
	Source    string
	Addresses []string  // at most 500
	Due       time.Time // only those due by then; zero: all
	Limit     int       // 0: no limit
}

func (f AnswerFilter) conditions() (c conditions) {
	if f.Source != "" {
		c.add(`source = ?`, f.Source)
	}
	if len(f.Addresses) > 0 {
		keys := make([]any, len(f.Addresses))
		for i, a := range f.Addresses {
			keys[i] = directory.Normalise(a)
		}
		c.add(`address_key IN `+inList(len(keys)), keys...)
	}
	if !f.Due.IsZero() {
		c.add(`due <= ?`, micros(f.Due))
	}
	return c
}

// AnswerRows returns kept answers in the order of sources and addresses.
func (s *Store) AnswerRows(ctx context.Context, f AnswerFilter) ([]AnswerRow, error) {
	c := f.conditions()
	rows, err := s.read().query(ctx, `SELECT source, address_key, found, body, server, fetched, due, version FROM answer`+c.where()+
		` ORDER BY source, address_key LIMIT ?`, append(c.args, limit(f.Limit))...)
	all, err := collect(rows, err, func(row scanner) (r AnswerRow, err error) {
		var body []byte
		var fetched, due int64
		if err := row.Scan(&r.Source, &r.Address, &r.Found, &body, &r.Server, &fetched, &due, &r.Version); err != nil {
			return r, err
		}
		r.Fetched, r.Due, r.Octets = fromMicros(fetched), fromMicros(due), len(body)
		if a, err := directory.DecodeAnswer(body); err == nil {
			r.Certificates = len(a.Candidates)
		}
		return r, nil
	})
	return all, s.wrap("kept answers", err)
}

// DueAnswers returns members of lists about whom a source's answer is due, or was kept under another version of its
// configuration; those due for longest first.
func (s *Store) DueAnswers(ctx context.Context, source, version string, at time.Time, most int) ([]string, error) {
	rows, err := s.read().query(ctx, `SELECT address_key FROM answer WHERE source = ? AND (due <= ? OR version <> ?)
		AND EXISTS (SELECT 1 FROM member WHERE member.address_key = answer.address_key AND role = 'member') ORDER BY due LIMIT ?`,
		source, micros(at), version, limit(most))
	all, err := collect(rows, err, func(row scanner) (a string, err error) { return a, row.Scan(&a) })
	return all, s.wrap("due answers of "+source, err)
}

// UnansweredMembers returns addresses of members about whom no source's answer is kept, in their order, behind one.
func (s *Store) UnansweredMembers(ctx context.Context, after string, most int) ([]string, error) {
	rows, err := s.read().query(ctx, `SELECT DISTINCT address_key FROM member WHERE role = 'member' AND address_key > ?
		AND NOT EXISTS (SELECT 1 FROM answer WHERE answer.address_key = member.address_key) ORDER BY address_key LIMIT ?`, after, limit(most))
	all, err := collect(rows, err, func(row scanner) (a string, err error) { return a, row.Scan(&a) })
	return all, s.wrap("members without an answer", err)
}

// DropAnswers removes kept answers and returns how many. Servers forget what they made of them.
func (s *Store) DropAnswers(ctx context.Context, f AnswerFilter) (dropped int, err error) {
	c := f.conditions()
	err = s.write(ctx, "drop kept answers", func(h handle) error {
		n, err := h.exec(ctx, `DELETE FROM answer`+c.where(), c.args...)
		if err != nil {
			return err
		}
		dropped = int(n)
		return bumpCertificates(ctx, h)
	})
	return dropped, err
}

// PruneAnswers removes answers of sources that are no more, and those fetched before a moment about people who are
// members of no list, and returns how many.
func (s *Store) PruneAnswers(ctx context.Context, sources []string, before time.Time) (dropped int, err error) {
	gone, args := "1 = 1", []any{}
	if len(sources) > 0 {
		gone = "source NOT IN " + inList(len(sources))
		for _, name := range sources {
			args = append(args, name)
		}
	}
	err = s.write(ctx, "prune kept answers", func(h handle) error {
		n, err := h.exec(ctx, `DELETE FROM answer WHERE `+gone+` OR fetched < ?
			AND NOT EXISTS (SELECT 1 FROM member WHERE member.address_key = answer.address_key)`, append(args, micros(before))...)
		dropped = int(n)
		return err
	})
	return dropped, err
}

// AnswerStat counts one source's kept answers.
type AnswerStat struct {
	Source   string    `json:"source"`
	Positive int       `json:"positive"`
	Negative int       `json:"negative"`
	Octets   int64     `json:"octets"`
	Oldest   time.Time `json:"oldest"`
	Newest   time.Time `json:"newest"`
}

// AnswerStats counts kept answers by source.
func (s *Store) AnswerStats(ctx context.Context) ([]AnswerStat, error) {
	rows, err := s.read().query(ctx, `SELECT source, sum(found), sum(1 - found), sum(length(body)), min(fetched), max(fetched) FROM answer GROUP BY source ORDER BY source`)
	all, err := collect(rows, err, func(row scanner) (a AnswerStat, err error) {
		var oldest, newest int64
		err = row.Scan(&a.Source, &a.Positive, &a.Negative, &a.Octets, &oldest, &newest)
		a.Oldest, a.Newest = fromMicros(oldest), fromMicros(newest)
		return a, err
	})
	return all, s.wrap("counting kept answers", err)
}
