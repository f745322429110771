package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/sealist/sealist/listd/list"
)

// KeyState is where a key is in its life.
type KeyState string

// The states of a key, in the order in which it comes through them.
const (
	KeyRequested   KeyState = "requested"    // made here; its certificate has not come yet
	KeyStaged      KeyState = "staged"       // opens mail, and is not shown to anybody yet
	KeyActive      KeyState = "active"       // what people encrypt to, what the list signs with
	KeyDecryptOnly KeyState = "decrypt-only" // a successor is active; opens mail that is still encrypted to it
	KeyRetired     KeyState = "retired"      // its private half is destroyed, its certificate kept for the records
)

// KeyRow is a key pair as it is kept: what the octets mean is the keyring's.
type KeyRow struct {
	ID          int64
	List        list.ID  // 0: no list's
	Fingerprint string   // SHA-256 of Certificate, lower-case hex; requested: PublicKey
	PublicKey   string   // SHA-256 of its SubjectPublicKeyInfo, lower-case hex
	Certificate []byte   // DER; requested: empty
	Chain       [][]byte // DER, without the leaf
	PKCS8       []byte   // EncryptedPrivateKeyInfo, never clear, or a URI that says where the key is (RFC 7512); retired: empty
	State       KeyState
	Use         string // the keyring's word: sign, encrypt, both
	Created     time.Time
	Since       time.Time // when it came into State; zero in what is written: now, or Created of a new one
	Until       time.Time // decrypt-only: when it is to be retired; zero: by hand
}

// Errors about keys.
var (
	// ErrKeyTaken: the same key pair belongs to another list (invariant 10). Permanent.
	ErrKeyTaken = errors.New("this key pair belongs to another list")
	// ErrKeysChanged: somebody else changed the keys meanwhile. Reading them anew and trying again helps.
	ErrKeysChanged = errors.New("the keys were changed meanwhile")
	// ErrSecretChanged: the secret under which the keys are kept is another by now.
	ErrSecretChanged = errors.New("the keys are kept under another password by now")
)

// KeyChange is what happens to keys in one transaction.
type KeyChange struct {
	SecretName string           // of Under and Secret
	Under      []byte           // the secret must still be this; nil: it is not looked at
	Secret     []byte           // and is this from now on; nil: it stays
	Add        []KeyRow         // as PutKey takes them
	Replace    []KeyReplacement // of what is there
	All        bool             // Replace has every private key that there is, else ErrKeysChanged
}

// KeyReplacement is a key as it shall be, and the state in which it must still be.
type KeyReplacement struct {
	KeyRow // by its ID; List, PublicKey and Created stay
	Was    KeyState
	Keeps  bool // the private key stays as it is there: it may be under another password than when it was read
}

// PutKey adds a key pair and returns its number; ID is not read, a zero Created
// is now. ErrExists if that certificate is there already, ErrKeyTaken if its
// public key is another list's, ErrNotFound if there is no such list.
func (s *Store) PutKey(ctx context.Context, k KeyRow) (id int64, err error) {
	err = s.write(ctx, "put key "+k.Fingerprint, func(h handle) error {
		if id, err = putKey(ctx, h, k, s.now()); err != nil {
			return err
		}
		return bump(ctx, h)
	})
	return id, err
}

func putKey(ctx context.Context, h handle, k KeyRow, now int64) (id int64, err error) {
	var others int
	if err := h.row(ctx, `SELECT count(*) FROM list_key WHERE public_key = ? AND coalesce(list, 0) <> ?`, k.PublicKey, k.List).Scan(&others); err != nil {
		return 0, err
	}
	if others > 0 {
		return 0, ErrKeyTaken
	}
	created, since := micros(k.Created), micros(k.Since)
	if created == 0 {
		created = now
	}
	if since == 0 {
		since = created
	}
	var of any
	if k.List != 0 {
		of = k.List
	}
	err = h.row(ctx, `INSERT INTO list_key (list, fingerprint, public_key, certificate, chain, pkcs8, state, usage, created, since, until)
		VALUES (?,?,?,?,?,?,?,?,?,?,?) RETURNING id`, of, k.Fingerprint, k.PublicKey, octets(k.Certificate), join(k.Chain), octets(k.PKCS8),
		string(k.State), k.use(), created, since, micros(k.Until)).Scan(&id)
	return id, err
}

func (k KeyRow) use() string {
	if k.Use == "" {
		return "both"
	}
	return k.Use
}

// octets is b, or no octets where there are none: the columns are never NULL.
func octets(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// ChangeKeys does everything or nothing. What private keys it replaces is
// overwritten in the database's files as far as the database does that.
//
// Errors: those of PutKey, ErrKeysChanged, ErrSecretChanged.
func (s *Store) ChangeKeys(ctx context.Context, c KeyChange) error {
	err := s.write(ctx, "change keys", func(h handle) error {
		if err := s.dialect.destroying(ctx, h); err != nil {
			return err
		}
		return changeKeys(ctx, h, c, s.now())
	})
	if err == nil && len(c.Replace) > 0 {
		s.dialect.destroyed(ctx, s.writer)
	}
	return err
}

func changeKeys(ctx context.Context, h handle, c KeyChange, now int64) error {
	if c.Under != nil {
		var value []byte
		if err := h.row(ctx, `SELECT value FROM secret WHERE name = ?`+h.dialect.forUpdate, c.SecretName).Scan(&value); err != nil {
			return err
		}
		if !bytes.Equal(value, c.Under) {
			return ErrSecretChanged
		}
	}
	if c.Secret != nil {
		if _, err := h.exec(ctx, `UPDATE secret SET value = ? WHERE name = ?`, c.Secret, c.SecretName); err != nil {
			return err
		}
	}
	for _, k := range c.Add {
		if _, err := putKey(ctx, h, k, now); err != nil {
			return err
		}
	}
	if c.All {
		var private int
		if err := h.row(ctx, `SELECT count(*) FROM list_key WHERE length(pkcs8) > 0`).Scan(&private); err != nil {
			return err
		}
		if private != len(c.Replace) {
			return ErrKeysChanged
		}
	}
	for _, k := range c.Replace {
		since := micros(k.Since)
		if since == 0 {
			since = now
		}
		n, err := h.exec(ctx, `UPDATE list_key SET fingerprint = ?, certificate = ?, chain = ?, state = ?, usage = ?, since = ?, until = ? WHERE id = ? AND state = ?`,
			k.Fingerprint, octets(k.Certificate), join(k.Chain), string(k.State), k.use(), since, micros(k.Until), k.ID, string(k.Was))
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrKeysChanged
		}
		if k.Keeps {
			continue
		}
		if _, err := h.exec(ctx, `UPDATE list_key SET pkcs8 = ? WHERE id = ?`, octets(k.PKCS8), k.ID); err != nil {
			return err
		}
	}
	return bump(ctx, h)
}

// Keys returns the key pairs of a list, newest first; 0 asks for those of no
// list.
func (s *Store) Keys(ctx context.Context, id list.ID) ([]KeyRow, error) {
	return s.keys(ctx, ` WHERE coalesce(list, 0) = ?`, id)
}

// AllKeys returns every key pair.
func (s *Store) AllKeys(ctx context.Context) ([]KeyRow, error) { return s.keys(ctx, ``) }

// Key returns the key pair with a fingerprint. ErrNotFound.
func (s *Store) Key(ctx context.Context, fingerprint string) (KeyRow, error) {
	rows, err := s.keys(ctx, ` WHERE fingerprint = ?`, fingerprint)
	if err == nil && len(rows) == 0 {
		err = s.wrap("key "+fingerprint, ErrNotFound)
	}
	if err != nil {
		return KeyRow{}, err
	}
	return rows[0], nil
}

// KeysDue returns the key pairs whose end has come.
func (s *Store) KeysDue(ctx context.Context, now time.Time) ([]KeyRow, error) {
	return s.keys(ctx, ` WHERE state = ? AND until > 0 AND until <= ?`, string(KeyDecryptOnly), micros(now))
}

func (s *Store) keys(ctx context.Context, where string, args ...any) ([]KeyRow, error) {
	rows, err := s.read().query(ctx, `SELECT id, coalesce(list, 0), fingerprint, public_key, certificate, chain, pkcs8, state, usage, created, since, until
		FROM list_key`+where+` ORDER BY created DESC, id DESC`, args...)
	all, err := collect(rows, err, func(row scanner) (k KeyRow, err error) {
		var chain []byte
		var created, since, until int64
		if err := row.Scan(&k.ID, &k.List, &k.Fingerprint, &k.PublicKey, &k.Certificate, &chain, &k.PKCS8, &k.State, &k.Use, &created, &since, &until); err != nil {
			return k, err
		}
		k.Created, k.Since, k.Until = fromMicros(created), fromMicros(since), fromMicros(until)
		k.Chain, err = split(chain)
		return k, err
	})
	return all, s.wrap("keys", err)
}

// UnopenedPosts counts what of a list may still have to be opened: messages
// that wait or are being distributed, those with copies that wait for a
// certificate, those that a notice which has not left yet may take along, and
// those that its archive keeps.
func (s *Store) UnopenedPosts(ctx context.Context, id list.ID) (n int, err error) {
	err = s.read().row(ctx, `SELECT count(*) FROM item WHERE list = ? AND blob IS NOT NULL AND (state NOT IN (?, ?) OR archived > ?
		OR EXISTS (SELECT 1 FROM delivery WHERE delivery.item = item.id AND (delivery.due IS NOT NULL OR delivery.state = 'withheld' AND delivery.kind = 'copy')))`,
		id, string(ItemDone), string(ItemRejected), s.now()).Scan(&n)
	return n, s.wrap("unopened posts", err)
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
