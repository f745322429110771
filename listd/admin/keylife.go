package admin

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/trust"
)

// ActivateKey makes a key of a list, or of a robot, the one that people are to
// encrypt to and that it signs with. Keys that have nothing left to do then
// become decrypt-only, to be retired at until, or by hand if that is zero. Every
// member is told, once, how many. A key that is active stays so, and who was
// not told yet is told.
func (a *Admin) ActivateKey(ctx context.Context, listText, fingerprint string, until time.Time) (KeyDetails, int, error) {
	l, row, err := a.keyNamed(ctx, listText, fingerprint)
	if err != nil {
		return KeyDetails{}, 0, err
	}
	cert, err := x509.ParseCertificate(row.Certificate)
	if err != nil {
		return KeyDetails{}, 0, refused("import the certificate that belongs to it first", "the key %s has no certificate", short(row.Fingerprint))
	}
	now := a.Clock()
	switch {
	case now.Before(cert.NotBefore):
		return KeyDetails{}, 0, refused("activate it then", "%s: the certificate is valid from %s", trust.NotYetValid, cert.NotBefore.UTC().Format(time.DateOnly))
	case now.After(cert.NotAfter):
		return KeyDetails{}, 0, refused("have a new one issued", "%s: the certificate was valid until %s", trust.Expired, cert.NotAfter.UTC().Format(time.DateOnly))
	}
	if err := a.checkUntil(until); err != nil {
		return KeyDetails{}, 0, err
	}
	if err := a.Keyring.Activate(ctx, row, until); err != nil {
		return KeyDetails{}, 0, stateError(err, "activated")
	}
	facts := map[string]string{"was": string(row.State)}
	if !until.IsZero() {
		facts["until"] = until.UTC().Format(time.RFC3339)
	}
	a.audit(ctx, "key activate", l.ID, row.Fingerprint, facts)
	_, details, err := a.keyOf(ctx, l, row.Fingerprint)
	if err != nil {
		return KeyDetails{}, 0, err
	}
	told, err := a.announceKey(ctx, l, cert, details.Since, until)
	return details, told, err
}

// checkUntil refuses an end that is over: the private key would be gone at once.
func (a *Admin) checkUntil(until time.Time) error {
	if until.IsZero() || until.After(a.Clock()) {
		return nil
	}
	return usage("name a day to come, or leave it out and `listmaster key retire` the old key later", "--until is over")
}

// StageKey puts a key that is decrypt-only back among those that wait.
func (a *Admin) StageKey(ctx context.Context, listText, fingerprint string) (KeyDetails, error) {
	l, row, err := a.keyNamed(ctx, listText, fingerprint)
	if err != nil {
		return KeyDetails{}, err
	}
	if err := a.Keyring.Stage(ctx, row); err != nil {
		return KeyDetails{}, stateError(err, "put back")
	}
	a.audit(ctx, "key stage", l.ID, row.Fingerprint, map[string]string{"was": string(row.State)})
	_, details, err := a.keyOf(ctx, l, row.Fingerprint)
	return details, err
}

// RetireKey destroys the private half of a key. One that is active, or one of a
// list that has messages which may still have to be opened with it, only if
// force is set.
func (a *Admin) RetireKey(ctx context.Context, listText, fingerprint string, force bool) (KeyDetails, error) {
	l, row, err := a.keyNamed(ctx, listText, fingerprint)
	if err != nil {
		return KeyDetails{}, err
	}
	if row.State == store.KeyRetired {
		return KeyDetails{}, refused("", "the key %s is retired already", short(row.Fingerprint))
	}
	unopened, err := a.Store.UnopenedPosts(ctx, l.ID)
	if err != nil {
		return KeyDetails{}, Explain(err)
	}
	switch {
	case force:
	case row.State == store.KeyActive:
		return KeyDetails{}, refused("`listmaster key activate` another one first; --force destroys this one all the same", "the key %s is active: mail encrypted to it comes", short(row.Fingerprint))
	case unopened > 0 && row.State != store.KeyRequested:
		return KeyDetails{}, refused("`listmaster queue ls` shows those that wait; --force destroys the key all the same, and what is encrypted to it is lost",
			"%d messages of %s wait, or are in its archive, and may be encrypted to this key", unopened, l.Address)
	}
	if err := a.Keyring.Retire(ctx, row); err != nil {
		return KeyDetails{}, Explain(err)
	}
	facts := map[string]string{"was": string(row.State), "unopened": fmt.Sprint(unopened)}
	if uri := keyring.Reference(row); uri != "" {
		facts["pkcs11"] = uri
	}
	a.audit(ctx, "key retire", l.ID, row.Fingerprint, facts)
	_, details, err := a.keyOf(ctx, l, row.Fingerprint)
	details.PKCS11 = keyring.Reference(row)
	return details, err
}

func (a *Admin) keyNamed(ctx context.Context, listText, fingerprint string) (list.List, store.KeyRow, error) {
	l, err := a.keyHolder(ctx, listText)
	if err != nil {
		return list.List{}, store.KeyRow{}, err
	}
	row, _, err := a.keyOf(ctx, l, fingerprint)
	return l, row, err
}

func stateError(err error, what string) error {
	if errors.Is(err, keyring.ErrState) || errors.Is(err, store.ErrKeysChanged) {
		return &Error{Kind: Refused, What: "the key cannot be " + what + ": " + err.Error(), Err: err,
			Hint: "a key goes from staged to active, decrypt-only and retired; `listmaster key ls` shows where each is"}
	}
	return Explain(err)
}

// announceEvery is how long nobody is told again of a certificate that stays active.
const announceEvery = 90 * day

// announceKey tells everybody on a list of the certificate that he is to encrypt
// to, once for each time that it becomes active, and until when mail encrypted to the one before is read. Who asks again
// goes on where it was broken off.
func (a *Admin) announceKey(ctx context.Context, l list.List, cert *x509.Certificate, since, until time.Time) (told int, err error) {
	if !keyring.UseOf(cert).Encrypts() {
		return 0, nil // members meet it with the next signed mail
	}
	members, err := a.Store.Members(ctx, l.ID, store.MemberFilter{})
	if err != nil {
		return 0, Explain(err)
	}
	fingerprint, end := trust.Fingerprint(cert), ""
	if !until.IsZero() {
		end = until.UTC().Format(time.DateOnly)
	}
	for some := range slices.Chunk(members, 500) {
		var notices []store.Notice
		for _, m := range some {
			notices = append(notices, store.Notice{Template: notice.NewListCertificate, List: l.ID, To: m.Address,
				Params: map[string]string{
					"subject": cert.Subject.String(), "issuer": cert.Issuer.String(), "expires": cert.NotAfter.UTC().Format(time.DateOnly),
					"fingerprint": InPairs(fingerprint), "robot": a.robotOf(l), "until": end, notice.Certificates: fingerprint,
				},
				Key: fmt.Sprintf("%s/%d/%s/%d/%s", notice.NewListCertificate, l.ID, fingerprint, since.UnixMicro(), m.Address.Key()), Every: announceEvery})
		}
		n, err := a.Store.QueueNotices(ctx, notices)
		told += n
		if err != nil {
			return told, Explain(err)
		}
	}
	return told, nil
}

// InPairs writes a fingerprint as people compare it: AB:CD:….
func InPairs(fingerprint string) string {
	var b strings.Builder
	for i, c := range strings.ToUpper(fingerprint) {
		if i > 0 && i%2 == 0 {
			b.WriteByte(':')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// short is the beginning of a fingerprint, as lists show it.
func short(fingerprint string) string { return fingerprint[:min(16, len(fingerprint))] }

// RequestKey makes a key pair for a list, or for a robot, and returns the
// request for its certificate in PEM.
func (a *Admin) RequestKey(ctx context.Context, listText, robotDomain, keyType, use string) (KeyDetails, []byte, error) {
	if keyType == "" {
		keyType = string(keyring.KeyTypes[0])
	}
	if !slices.Contains(keyring.KeyTypes, keyring.KeyType(keyType)) {
		return KeyDetails{}, nil, usage(fmt.Sprintf("write one of %s", keyring.KeyTypes), "%q is no type of key", keyType)
	}
	u, ok := keyring.ParseUse(use)
	if !ok {
		return KeyDetails{}, nil, usage("write both, sign or encrypt", "%q is no use of a key", use)
	}
	var l list.List
	var err error
	if robotDomain != "" {
		l, err = a.robot(ctx, robotDomain)
	} else {
		l, err = a.list(ctx, listText)
	}
	if err != nil {
		return KeyDetails{}, nil, err
	}
	row, csr, err := a.Keyring.Request(ctx, l.ID, keyring.KeyType(keyType), u)
	if err != nil {
		return KeyDetails{}, nil, Explain(err)
	}
	a.audit(ctx, "key request", l.ID, row.Fingerprint, map[string]string{"type": keyType, "use": use})
	return keyDetails(l, row), csr, nil
}

// Rekeyed is what became of a change of the key password.
type Rekeyed struct {
	Keys    int      `json:"keys"`
	Damaged []string `json:"damaged"` // fingerprints of keys that nothing opens any more
}

// Rekey puts all keys under another key password. One that can be guessed is
// refused unless weak is set.
func (a *Admin) Rekey(ctx context.Context, password []byte, weak bool) (Rekeyed, error) {
	if what := keyring.Weak(password); what != "" && !weak {
		return Rekeyed{}, refused("take a random one, as `openssl rand -hex 32` writes; --weak takes this one all the same", "the new key password is weak: %s", what)
	}
	changed, damaged, err := a.Keyring.Rekey(ctx, password)
	switch {
	case errors.Is(err, keyring.ErrSamePassword):
		return Rekeyed{}, refused("", "%s", err)
	case errors.Is(err, keyring.ErrLocked), errors.Is(err, keyring.ErrNoPassword):
		return Rekeyed{}, &Error{Kind: Environment, What: err.Error(), Err: err,
			Hint: "the configuration must name the password that counts now; the new one is given with --new-password-file"}
	case err != nil:
		return Rekeyed{}, Explain(err)
	}
	a.audit(ctx, "key rekey", 0, "", map[string]string{"keys": fmt.Sprint(changed), "damaged": strings.Join(damaged, " ")})
	return Rekeyed{Keys: changed, Damaged: some(damaged)}, nil
}
