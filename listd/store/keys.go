package store

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// KeyRow is a key pair as it is kept: what the octets mean is the keyring's.
type KeyRow struct {
	ID          int64
	List        list.ID  // 0: no list's
	Fingerprint string   // SHA-256 of Certificate, lower-case hex
	PublicKey   string   // SHA-256 of its SubjectPublicKeyInfo, lower-case hex
	Certificate []byte   // DER
	Chain       [][]byte // DER, without the leaf
	PKCS8       []byte   // EncryptedPrivateKeyInfo, never clear
	State       string   // the keyring's word
	Created     time.Time
}

// ErrKeyTaken: the same key pair belongs to another list (invariant 10).
// Permanent.
var ErrKeyTaken = errors.New("this key pair belongs to another list")

// PutKey adds a key pair and returns its number; ID is not read, a zero Created
// is now. ErrExists if that certificate is there already, ErrKeyTaken if its
// public key is another list's, ErrNotFound if there is no such list.
func (s *Store) PutKey(ctx context.Context, k KeyRow) (id int64, err error) {
	err = s.write(ctx, "put key "+k.Fingerprint, func(h handle) error {
		var others int
		if err := h.row(ctx, `SELECT count(*) FROM list_key WHERE public_key = ? AND coalesce(list, 0) <> ?`, k.PublicKey, k.List).Scan(&others); err != nil {
			return err
		}
		if others > 0 {
			return ErrKeyTaken
		}
		created := micros(k.Created)
		if created == 0 {
			created = s.now()
		}
		var of any
		if k.List != 0 {
			of = k.List
		}
		if err := h.row(ctx, `INSERT INTO list_key (list, fingerprint, public_key, certificate, chain, pkcs8, state, created)
			VALUES (?,?,?,?,?,?,?,?) RETURNING id`, of, k.Fingerprint, k.PublicKey, k.Certificate, join(k.Chain), k.PKCS8, k.State, created).Scan(&id); err != nil {
			return err
		}
		return bump(ctx, h)
	})
	return id, err
}

// Keys returns the key pairs of a list, newest first; 0 asks for those of no
// list.
func (s *Store) Keys(ctx context.Context, id list.ID) ([]KeyRow, error) {
	return s.keys(ctx, ` WHERE coalesce(list, 0) = ?`, id)
}

// AllKeys returns every key pair.
func (s *Store) AllKeys(ctx context.Context) ([]KeyRow, error) { return s.keys(ctx, ``) }

func (s *Store) keys(ctx context.Context, where string, args ...any) ([]KeyRow, error) {
	rows, err := s.read().query(ctx, `SELECT id, coalesce(list, 0), fingerprint, public_key, certificate, chain, pkcs8, state, created
		FROM list_key`+where+` ORDER BY created DESC, id DESC`, args...)
	all, err := collect(rows, err, func(row scanner) (k KeyRow, err error) {
		var chain []byte
		var created int64
		if err := row.Scan(&k.ID, &k.List, &k.Fingerprint, &k.PublicKey, &k.Certificate, &chain, &k.PKCS8, &k.State, &created); err != nil {
			return k, err
		}
		k.Created = fromMicros(created)
		k.Chain, err = split(chain)
		return k, err
	})
	return all, s.wrap("keys", err)
}

// Secret returns the octets kept under a name. ErrNotFound.
func (s *Store) Secret(ctx context.Context, name string) ([]byte, error) {
	var value []byte
	err := s.read().row(ctx, `SELECT value FROM secret WHERE name = ?`, name).Scan(&value)
	return value, s.wrap("secret "+name, err)
}

// PutSecretOnce keeps octets under a name that is free. ErrExists otherwise:
// whoever came first has decided, and the caller reads what he wrote.
func (s *Store) PutSecretOnce(ctx context.Context, name string, value []byte) error {
	return s.write(ctx, "put secret "+name, func(h handle) error {
		n, err := h.exec(ctx, `INSERT INTO secret (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`, name, value)
		if err == nil && n == 0 {
			return ErrExists
		}
		return err
	})
}

// join writes DER certificates one behind the other.
func join(ders [][]byte) []byte {
	all := []byte{}
	for _, der := range ders {
		all = append(all, der...)
	}
	return all
}

// split is the inverse of join.
func split(all []byte) ([][]byte, error) {
	certs, err := x509.ParseCertificates(all)
	if err != nil {
		return nil, fmt.Errorf("a kept chain: %w", err)
	}
	var ders [][]byte
	for _, c := range certs {
		ders = append(ders, c.Raw)
	}
	return ders, nil
}

// fingerprint is the SHA-256 of octets in lower-case hex.
func fingerprint(octets []byte) string {
	sum := sha256.Sum256(octets)
	return hex.EncodeToString(sum[:])
}
