// Package keyring holds the private keys of lists and of the robot.
//
// At rest a key is an EncryptedPrivateKeyInfo (RFC 5958) under the key
// password, or the URI of a key in a security module; in memory it is behind the standard library's interfaces. All keys
// of one database share one derivation of the password (one salt, one
// iteration count), so that five hundred lists open in the time of one; each
// has its own IV. A random secret, sealed under the same password, checks the
// password and makes the keys of HMAC (invariants 1 and 10).
//
// A wrong or missing password locks the keyring: what needs a key waits, the
// rest of the server goes on.
package keyring

import (
	"bytes"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sealist/sealist/listd/hsm"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// Errors of this package.
var (
	// ErrLocked is wrapped by every error that says why a key cannot be used now.
	ErrLocked = errors.New("locked")
	// ErrPassword is wrapped where the key password is not the one the keys were stored under.
	ErrPassword = errors.New("the key password is wrong")
	// ErrNoPassword is wrapped where a key password is needed and none is configured.
	ErrNoPassword = errors.New("no key password is configured")
)

// Active is the state of a key that is used for everything.
const Active = store.KeyActive

// DefaultIterations is the cost of deriving a key from the password:
// PBKDF2-HMAC-SHA256, some 0.3 s on the machines of 2026, once a process.
const DefaultIterations = 600_000

// Options of Open. The zero value is usable.
type Options struct {
	Iterations int         // of a database's first password; 0: DefaultIterations. Lower only in tests
	RSAMinBits int         // the shortest RSA key that is taken; 0: trust.DefaultRSAMinBits
	HSM        *hsm.Module // where keys are that only a reference is kept of; nil: nowhere
	Clock      func() time.Time
	Log        *slog.Logger
}

// Key is a key pair that is open.
type Key struct {
	Fingerprint string // SHA-256 of the certificate
	Certificate *x509.Certificate
	Chain       []*x509.Certificate
	Private     crypto.PrivateKey // *rsa.PrivateKey, *ecdsa.PrivateKey or hsm.Key
	State       store.KeyState    // active, decrypt-only or staged
	Since       time.Time         // when it came into State
}

// String names the key and shows nothing of it.
func (k Key) String() string { return "key " + k.Fingerprint }

// GoString is String.
func (k Key) GoString() string { return k.String() }

// Format writes String whatever the verb is.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// LogValue is String.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText is String, so that encoders do not walk into the key.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Keyring opens keys on first use and keeps them open. It is safe for
// concurrent use.
type Keyring struct {
	store    *store.Store
	password []byte
	o        Options

	mu     sync.Mutex
	opened *opened        // nil until the password has opened this database
	wrong  []byte         // the parameters with which it was tried in vain
	keys   map[string]Key // by fingerprint
}

// opened is what the right password yields.
type opened struct {
	stored []byte // what it was opened from
	d      derivation
	kek    []byte // key-encryption key of PKCS#8
	secret []byte // of HMAC
}

// Open makes a keyring over the keys in a store. A nil or empty password is
// none. It never fails: see Locked.
func Open(_ context.Context, st *store.Store, password []byte, o Options) *Keyring {
	if o.Iterations == 0 {
		o.Iterations = DefaultIterations
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Keyring{store: st, password: bytes.Clone(password), o: o, keys: map[string]Key{}}
}

// Locked says why keys cannot be opened, or nil. A database that never held a
// key is not locked.
func (k *Keyring) Locked() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, err := k.unlock(context.Background())
	if errors.Is(err, errUnused) {
		return nil
	}
	return err
}

// errUnused says that the database has no key password yet.
var errUnused = errors.New("no key was ever stored")

// unlock tries the password on what is stored. Callers hold mu.
func (k *Keyring) unlock(ctx context.Context) (*opened, error) {
	if k.opened != nil {
		return k.opened, nil
	}
	stored, err := k.store.Secret(ctx, secretName)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, errUnused
	case err != nil:
		return nil, fmt.Errorf("%w: reading the key password's check: %w", ErrLocked, err)
	case len(k.password) == 0:
		return nil, fmt.Errorf("%w: %w; set key_password_file", ErrLocked, ErrNoPassword)
	case bytes.Equal(stored, k.wrong):
		return nil, fmt.Errorf("%w: %w; the keys here were stored under another one", ErrLocked, ErrPassword)
	}
	o, err := openSecret(stored, k.password)
	if errors.Is(err, ErrPassword) {
		k.wrong = stored
		return nil, fmt.Errorf("%w: %w; the keys here were stored under another one", ErrLocked, ErrPassword)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLocked, err)
	}
	k.opened = o
	return o, nil
}

// begin unlocks, and in a database that never held a key makes this password
// the one that counts.
func (k *Keyring) begin(ctx context.Context) (*opened, error) {
	o, err := k.unlock(ctx)
	if !errors.Is(err, errUnused) {
		return o, err
	}
	if len(k.password) == 0 {
		return nil, fmt.Errorf("%w; `listd config init` writes one, key_password_file names it", ErrNoPassword)
	}
	stored, err := newSecret(k.password, k.o.Iterations)
	if err != nil {
		return nil, err
	}
	// Somebody else may be first; then it is his password that counts.
	if err := k.store.PutSecretOnce(ctx, secretName, stored); err != nil && !errors.Is(err, store.ErrExists) {
		return nil, fmt.Errorf("storing the key password's check: %w", err)
	}
	return k.unlock(ctx)
}

// Current says why this keyring's password is not the one that counts in the
// database now, or nil: Locked does not notice that somebody changed it after
// it was opened. What is open stays so all the same.
func (k *Keyring) Current(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.opened != nil {
		return k.renew(ctx)
	}
	_, err := k.unlock(ctx)
	if errors.Is(err, errUnused) {
		return nil
	}
	return err
}

// renew sees whether the keys are kept under another password than the one that
// opened this keyring, and opens it with what is stored now if that goes.
// Callers hold mu.
func (k *Keyring) renew(ctx context.Context) error {
	stored, err := k.store.Secret(ctx, secretName)
	if err != nil || bytes.Equal(stored, k.opened.stored) {
		return err
	}
	if bytes.Equal(stored, k.wrong) {
		return errRekeyed
	}
	o, err := openSecret(stored, k.password)
	if err != nil {
		k.wrong = stored
		return errRekeyed
	}
	k.opened = o
	return nil
}

// errRekeyed says that Rekey ran elsewhere.
var errRekeyed = fmt.Errorf("%w: %w: it was changed; give this server the new one and reload it", ErrLocked, ErrPassword)

// OpenAll opens every key there is, so that none has to be opened when its mail
// comes, and returns how many are open. Those that cannot be are logged, each
// by itself, and so are those in a security module that cannot be reached now.
// ErrLocked.
func (k *Keyring) OpenAll(ctx context.Context) (open int, err error) {
	rows, err := k.store.AllKeys(ctx)
	if err != nil {
		return 0, err
	}
	keys, err := k.openAll(ctx, rows)
	open = len(keys)
	for _, key := range keys {
		away := key.Ready()
		if away == nil {
			continue
		}
		open--
		k.o.Log.Error("a list's key cannot be used now", "fingerprint", key.Fingerprint, "err", away)
		if errors.Is(away, hsm.ErrHangs) {
			break // the others would only wait as long
		}
	}
	return open, err
}

func (k *Keyring) openAll(ctx context.Context, rows []store.KeyRow) (keys []Key, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, row := range rows {
		if !opens(row.State) {
			continue
		}
		o, err := k.unlock(ctx)
		if err != nil {
			return keys, err
		}
		key, err := k.open(ctx, o, row)
		if err != nil {
			k.o.Log.Error("a list's key cannot be opened", "list", row.List, "fingerprint", row.Fingerprint, "err", err)
			continue
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// opens tells whether mail is opened with keys in a state. Staged ones are among
// them: whoever issued the certificate may have published it already.
func opens(state store.KeyState) bool {
	return state == store.KeyActive || state == store.KeyDecryptOnly || state == store.KeyStaged
}

// Keys returns the open key pairs of a list, the newest first: those that are
// active, decrypt-only or staged; 0 asks for those of no list. A list without
// keys has none, also while the keyring is locked.
// The error wraps ErrLocked if the list has keys and none of them can be
// opened; one bad key among good ones is logged and left out (invariant 9).
func (k *Keyring) Keys(ctx context.Context, id list.ID) ([]Key, error) {
	all, err := k.store.Keys(ctx, id)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var rows []store.KeyRow
	for _, row := range all {
		if opens(row.State) {
			rows = append(rows, row)
		} else {
			delete(k.keys, row.Fingerprint) // destroyed: here too
		}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	o, err := k.unlock(ctx)
	if errors.Is(err, errUnused) {
		err = fmt.Errorf("%w: the database holds keys but not the password's check", ErrLocked)
	}
	if err != nil {
		return nil, err
	}
	var keys []Key
	var failed error
	for _, row := range rows {
		key, err := k.open(ctx, o, row)
		if err != nil {
			k.o.Log.Error("a list's key cannot be opened", "list", id, "fingerprint", row.Fingerprint, "err", err)
			failed = err
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: %w", ErrLocked, failed)
	}
	return keys, nil
}

// open opens one key, once.
func (k *Keyring) open(ctx context.Context, o *opened, row store.KeyRow) (Key, error) {
	key, ok := k.keys[row.Fingerprint]
	if !ok {
		var err error
		if key, err = k.openRow(ctx, o, row); err != nil {
			return Key{}, err
		}
		k.keys[row.Fingerprint] = key
	}
	key.State, key.Since = row.State, row.Since
	return key, nil
}

func (k *Keyring) openRow(ctx context.Context, o *opened, row store.KeyRow) (Key, error) {
	cert, err := x509.ParseCertificate(row.Certificate)
	if err != nil {
		return Key{}, fmt.Errorf("reading the certificate: %w", err)
	}
	if foreign(row.PKCS8, o) {
		if err := k.renew(ctx); err != nil {
			return Key{}, err
		}
		o = k.opened
	}
	private, err := k.private(row, cert, o)
	if err != nil {
		return Key{}, err
	}
	if !matches(cert, private) {
		return Key{}, ErrMismatch
	}
	key := Key{Fingerprint: row.Fingerprint, Certificate: cert, Private: private}
	for _, der := range row.Chain {
		if c, err := x509.ParseCertificate(der); err == nil {
			key.Chain = append(key.Chain, c)
		}
	}
	return key, nil
}

// HMAC returns the HMAC-SHA256 of data under a secret that only the key
// password opens. Each purpose has a key of its own.
func (k *Keyring) HMAC(ctx context.Context, purpose string, data []byte) ([]byte, error) {
	k.mu.Lock()
	o, err := k.begin(ctx)
	k.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return mac(mac(o.secret, []byte(purpose)), data), nil
}

func mac(key, data []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(data)
	return h.Sum(nil)
}
