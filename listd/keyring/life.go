package keyring

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/trust"
)

// ErrState is wrapped where a key is in a state that does not lead to the one
// that was asked for.
var ErrState = errors.New("the key is in another state")

// Placing says how a new key begins. The zero value makes it active at once,
// and leaves its predecessors open for decryption until somebody retires them.
type Placing struct {
	Staged bool      // it waits to be activated
	Until  time.Time // when its predecessors are to be retired; zero: by hand
}

// Install is Add with the zero Placing.
func (k *Keyring) Install(ctx context.Context, id list.ID, b Bundle) (Key, error) {
	return k.Add(ctx, id, b, Placing{})
}

// Add checks a key pair and keeps it for a list, encrypted under the key
// password. Active keys whose every use it takes over become decrypt-only. A
// Bundle without private key belongs to a key that was requested here, or renews
// the certificate of one.
//
// Errors: those of Bundle.Check, ErrNoRequest, ErrLocked, ErrNoPassword,
// store.ErrExists, store.ErrKeyTaken.
func (k *Keyring) Add(ctx context.Context, id list.ID, b Bundle, p Placing) (Key, error) {
	l, err := k.store.ListByID(ctx, id)
	if err != nil {
		return Key{}, fmt.Errorf("reading the list: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var row store.KeyRow
	answer := b.Private == nil // also if it is tried again, when the key is found
	err = k.change(ctx, func(o *opened) (store.KeyChange, error) {
		rows, err := k.store.Keys(ctx, id)
		if err != nil {
			return store.KeyChange{}, err
		}
		var request *store.KeyRow
		if answer {
			if request, err = k.requested(o, rows, &b); err != nil {
				return store.KeyChange{}, err
			}
		}
		if err := b.Check(l.Address, k.o.Clock(), k.o.RSAMinBits); err != nil {
			return store.KeyChange{}, err
		}
		row = store.KeyRow{List: id, Fingerprint: trust.Fingerprint(b.Certificate), PublicKey: publicKey(b.Certificate),
			Certificate: b.Certificate.Raw, State: store.KeyActive, Use: string(UseOf(b.Certificate)), Since: k.o.Clock()}
		for _, c := range b.Chain {
			row.Chain = append(row.Chain, c.Raw)
		}
		if row.PKCS8, err = kept(b.Private, o); err != nil {
			return store.KeyChange{}, fmt.Errorf("encrypting the private key: %w", err)
		}
		var c store.KeyChange
		if p.Staged {
			row.State = store.KeyStaged
		} else {
			c.Replace = succeeded(rows, row, row.Since, p.Until)
		}
		if request == nil || request.State != store.KeyRequested {
			c.Add = []store.KeyRow{row}
		} else {
			row.ID = request.ID
			c.Replace = append(c.Replace, store.KeyReplacement{KeyRow: row, Was: store.KeyRequested})
		}
		return c, nil
	})
	if err != nil {
		return Key{}, fmt.Errorf("storing the key: %w", err)
	}
	return k.open(ctx, k.opened, row)
}

// change makes and writes a change to keys under the password that counts now,
// anew if somebody else was faster. Callers hold mu.
func (k *Keyring) change(ctx context.Context, f func(o *opened) (store.KeyChange, error)) error {
	for attempt := 1; ; attempt++ {
		o, err := k.begin(ctx)
		if err != nil {
			return err
		}
		c, err := f(o)
		if err != nil {
			return err
		}
		c.SecretName, c.Under = secretName, o.stored
		err = k.store.ChangeKeys(ctx, c)
		changed := errors.Is(err, store.ErrSecretChanged)
		if changed {
			if err := k.renew(ctx); err != nil { // the password is wrong now; what is open stays so
				return err
			}
		}
		if attempt == maxAttempts || !changed && !errors.Is(err, store.ErrKeysChanged) {
			return err
		}
	}
}

// maxAttempts is how often a change is tried that others get before.
const maxAttempts = 5

// publicKey is what store.KeyRow.PublicKey holds.
func publicKey(cert *x509.Certificate) string {
	return fmt.Sprintf("%x", sha256.Sum256(cert.RawSubjectPublicKeyInfo))
}

// succeeded are the active keys that have no use left once by is active: it, or
// another key activated after them, does all they did.
func succeeded(rows []store.KeyRow, by store.KeyRow, now, until time.Time) (replace []store.KeyReplacement) {
	signs, encrypts := Use(by.Use).Signs(), Use(by.Use).Encrypts()
	for _, row := range newestFirst(rows) {
		if row.State != store.KeyActive || row.Fingerprint == by.Fingerprint {
			continue
		}
		if Use(row.Use).without(signs, encrypts) != "" {
			signs, encrypts = signs || Use(row.Use).Signs(), encrypts || Use(row.Use).Encrypts()
			continue
		}
		row.State, row.Since, row.Until = store.KeyDecryptOnly, now, until
		replace = append(replace, store.KeyReplacement{KeyRow: row, Was: store.KeyActive, Keeps: true})
	}
	return replace
}

// newestFirst are rows by when they came into their state, the last first.
func newestFirst(rows []store.KeyRow) []store.KeyRow {
	sorted := slices.Clone(rows)
	slices.SortStableFunc(sorted, func(a, b store.KeyRow) int { return cmp.Compare(b.Since.UnixMicro(), a.Since.UnixMicro()) })
	return sorted
}

// Published returns the key whose certificate people are to encrypt to: of the
// active ones that may be encrypted to, the one activated last.
func Published(rows []store.KeyRow) (store.KeyRow, bool) {
	for _, row := range newestFirst(rows) {
		if row.State == store.KeyActive && Use(row.Use).Encrypts() {
			return row, true
		}
	}
	return store.KeyRow{}, false
}

// Activate makes a staged key the list's active one, or one that was put off.
// Those whose every use it takes over become decrypt-only, to be retired at
// until, or by hand if that is zero. It needs no key password. One that is
// active stays so, and until, if it is not zero, is from now on the end of those
// it took over from. ErrState.
func (k *Keyring) Activate(ctx context.Context, row store.KeyRow, until time.Time) error {
	switch row.State {
	case store.KeyActive:
		return k.end(ctx, row, until)
	case store.KeyStaged, store.KeyDecryptOnly:
	default:
		return fmt.Errorf("%w: it is %s", ErrState, row.State)
	}
	rows, err := k.store.Keys(ctx, row.List)
	if err != nil {
		return err
	}
	was := row.State
	row.State, row.Since, row.Until = store.KeyActive, k.o.Clock(), time.Time{}
	replace := append(succeeded(rows, row, row.Since, until), store.KeyReplacement{KeyRow: row, Was: was, Keeps: true})
	return k.store.ChangeKeys(ctx, store.KeyChange{Replace: replace})
}

// end says when those that an active key took over from are to be retired.
func (k *Keyring) end(ctx context.Context, active store.KeyRow, until time.Time) error {
	if until.IsZero() {
		return nil
	}
	rows, err := k.store.Keys(ctx, active.List)
	if err != nil {
		return err
	}
	var replace []store.KeyReplacement
	for _, row := range rows {
		if row.State == store.KeyDecryptOnly && row.Since.Equal(active.Since) { // of the same moment
			row.Until = until
			replace = append(replace, store.KeyReplacement{KeyRow: row, Was: store.KeyDecryptOnly, Keeps: true})
		}
	}
	if len(replace) == 0 {
		return nil
	}
	return k.store.ChangeKeys(ctx, store.KeyChange{Replace: replace})
}

// Stage puts a key that is decrypt-only back among those that wait to be
// activated. ErrState.
func (k *Keyring) Stage(ctx context.Context, row store.KeyRow) error {
	if row.State == store.KeyStaged {
		return nil
	}
	if row.State != store.KeyDecryptOnly {
		return fmt.Errorf("%w: it is %s", ErrState, row.State)
	}
	row.State, row.Since, row.Until = store.KeyStaged, k.o.Clock(), time.Time{}
	return k.store.ChangeKeys(ctx, store.KeyChange{Replace: []store.KeyReplacement{{KeyRow: row, Was: store.KeyDecryptOnly, Keeps: true}}})
}

// Retire destroys the private half of a key; of one in a security module the
// reference only, the key there is its administrator's. What is encrypted to it can never
// be opened again; its certificate stays for the records. It needs no key
// password, and does nothing to a key that is retired.
func (k *Keyring) Retire(ctx context.Context, row store.KeyRow) error {
	if row.State == store.KeyRetired {
		return nil
	}
	was := row.State
	row.State, row.PKCS8, row.Since, row.Until = store.KeyRetired, nil, k.o.Clock(), time.Time{}
	if err := k.store.ChangeKeys(ctx, store.KeyChange{Replace: []store.KeyReplacement{{KeyRow: row, Was: was}}}); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.keys, row.Fingerprint)
	return nil
}

// RetireDue retires the keys whose end has come, but none of a list that has
// messages which may still have to be opened. It returns those it retired and
// those it did not.
func (k *Keyring) RetireDue(ctx context.Context) (retired, waiting []store.KeyRow, err error) {
	due, err := k.store.KeysDue(ctx, k.o.Clock())
	if err != nil {
		return nil, nil, err
	}
	for _, row := range due {
		unopened, err := k.store.UnopenedPosts(ctx, row.List)
		if err != nil {
			return retired, waiting, err
		}
		if unopened > 0 {
			waiting = append(waiting, row)
			continue
		}
		if err := k.Retire(ctx, row); err != nil {
			return retired, waiting, fmt.Errorf("retiring %s: %w", row.Fingerprint, err)
		}
		retired = append(retired, row)
	}
	return retired, waiting, nil
}
