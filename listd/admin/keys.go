package admin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/hsm"
	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/trust"
)

// P12 is a PKCS#12 file as a person hands it in, or files in PEM or DER that
// together hold the same: Sympa's cert.pem and private_key, or a certificate
// with its chain whose key was requested here.
type P12 struct {
	Name     string // of the file, for messages
	Octets   []byte
	More     [][]byte // the other files
	Password []byte   // never shown
}

// String names the file and shows nothing of what is in it.
func (p P12) String() string { return "key file " + p.Name }

// GoString is String.
func (p P12) GoString() string { return p.String() }

// Format writes String whatever the verb is.
func (p P12) Format(f fmt.State, _ rune) { fmt.Fprint(f, p.String()) }

// LogValue is String.
func (p P12) LogValue() slog.Value { return slog.StringValue(p.String()) }

// KeyImport is how a person hands in a key pair.
type KeyImport struct {
	P12
	PKCS11    string    // where the private key is, if that is a security module: a URI of RFC 7512
	Staged    bool      // it is to wait until it is activated
	Until     time.Time // when the keys that it takes over from are to be retired; zero: by hand
	Untrusted bool      // no trust anchor need vouch for the certificate
}

// KeyDetails is a key pair of a list, without its private half.
type KeyDetails struct {
	CertificateDetails                // of a requested key only Fingerprint, that of its public key
	List               list.Address   `json:"list"`
	State              store.KeyState `json:"state"`
	Use                keyring.Use    `json:"use"`   // sign, encrypt, both
	Chain              int            `json:"chain"` // certificates kept with it
	Created            time.Time      `json:"created"`
	Since              time.Time      `json:"since"`            // when it came into State
	Until              *time.Time     `json:"until,omitempty"`  // decrypt-only: when it is to be retired
	PKCS11             string         `json:"pkcs11,omitempty"` // where the private key is, if that is a security module

	signs bool // its key signs
}

// readyKey is a key pair of which nothing is left to be refused.
type readyKey struct {
	name     string // of the file
	bundle   keyring.Bundle
	placing  keyring.Placing
	warnings []string
}

// prepareKey opens key files and finds out whether the key can be kept for a
// list, so that nothing is made halfway. rows are the list's keys.
func (a *Admin) prepareKey(ctx context.Context, address list.Address, rows []store.KeyRow, k KeyImport) (*readyKey, error) {
	// Any use of the keyring opens it, or begins it where there is none yet.
	if _, err := a.Keyring.HMAC(ctx, "key import", nil); err != nil {
		return nil, &Error{Kind: Environment, What: "no key can be kept: " + err.Error(), Err: err,
			Hint: "see that key_password_file holds the password under which the other keys are kept; `listd config init` makes a first one"}
	}
	bundle, err := keyring.Parse(append([][]byte{k.Octets}, k.More...), string(k.Password))
	if err == nil && k.PKCS11 != "" {
		if bundle, err = a.Keyring.InModule(bundle, k.PKCS11); err != nil && keyring.Reason(err) == "" {
			return nil, &Error{Kind: Environment, What: k.PKCS11 + ": " + err.Error(), Err: err,
				Hint: "see that pkcs11.module and pkcs11.pin_file are right, and that `pkcs11-tool --list-slots` shows the token"}
		}
	}
	if err == nil && bundle.Private == nil {
		if !bundle.Answers(rows) {
			err = keyring.ErrNoRequest
			if len(rows) == 0 {
				err = keyring.ErrNoKey
			}
		}
	} else if err == nil {
		err = bundle.Check(address, a.Clock(), a.RSAMinBits)
	}
	if err != nil {
		return nil, keyError(err, address, cmp.Or(k.PKCS11, k.Name))
	}
	others, err := a.Store.AllKeys(ctx)
	if err != nil {
		return nil, Explain(err)
	}
	public := publicKeyFingerprint(bundle.Certificate)
	for _, row := range others {
		if l := a.nameOf(ctx, row.List); row.PublicKey == public && l != address.String() {
			return nil, &Error{Kind: Refused, Err: store.ErrKeyTaken,
				What: fmt.Sprintf("%s: %s: this key pair is another list's already (%s)", k.Name, keyring.Reason(store.ErrKeyTaken), l),
				Hint: "every list has a key pair of its own; have a new one issued"}
		}
	}
	ready := &readyKey{name: k.Name, bundle: bundle, placing: keyring.Placing{Staged: k.Staged, Until: k.Until}}
	if a.Trust != nil {
		v := bundle.Vouched(a.Trust, a.Clock())
		if refuses := a.Anchored && !k.Untrusted && v.Reason != trust.RevocationUnknown; !v.OK() && refuses {
			return nil, &Error{Kind: Refused, What: fmt.Sprintf("%s: %s: %s", k.Name, v.Reason, v.Detail),
				Hint: "no member could encrypt to the list or believe its signature; give the chain along, see that trust names its CA, or import it all the same with --untrusted"}
		} else if !v.OK() {
			ready.warnings = append(ready.warnings, fmt.Sprintf("the certificate is not one this server would trust (%s): %s", v.Reason, v.Detail))
		}
	}
	return ready, nil
}

// keyError says why key files are not taken, with the word for it, and what to
// do about it.
func keyError(err error, address list.Address, name string) *Error {
	reason := keyring.Reason(err)
	if reason == "" {
		return Explain(err)
	}
	text := err.Error()
	if !strings.Contains(text, reason+": ") {
		text = reason + ": " + text
	}
	return &Error{Kind: Refused, What: name + ": " + text, Hint: keyHint(err, address, name), Err: err}
}

// keyHint says what to do about key files that are not taken.
func keyHint(err error, address list.Address, name string) string {
	if hsm.IsURI(name) && !errors.Is(err, keyring.ErrAddress) && !errors.Is(err, keyring.ErrUnusable) {
		return moduleHint(err)
	}
	switch {
	case errors.Is(err, keyring.ErrBundlePassword):
		return "give the file's own password with --password-file"
	case errors.Is(err, keyring.ErrAddress):
		return "have a certificate issued whose subjectAltName has the rfc822Name " + address.String()
	case errors.Is(err, keyring.ErrUnusable):
		return "have a certificate issued that is valid now and for e-mail: keyEncipherment for RSA, keyAgreement for EC, digitalSignature to sign"
	case errors.Is(err, keyring.ErrNoKey):
		return "name the file with the private key too; `listmaster key request` makes a key here, whose certificate comes without"
	case errors.Is(err, keyring.ErrNoRequest):
		return "name the file with the private key too; `listmaster key ls " + address.String() + "` shows the keys that were requested"
	case errors.Is(err, keyring.ErrUnsupported), errors.Is(err, keyring.ErrIterations):
		return "write it anew with `openssl pkcs12 -export`, or its key with `openssl pkcs8 -topk8`"
	default:
		return "look at it with `openssl pkcs12 -info -nokeys -in " + name + "`, or `openssl x509 -text -noout -in " + name + "`"
	}
}

// moduleHint says what to do about a key in a security module that is not taken.
func moduleHint(err error) string {
	switch {
	case errors.Is(err, hsm.ErrPIN):
		return "write the user's PIN into the file of pkcs11.pin_file"
	case errors.Is(err, keyring.ErrTwoKeys):
		return "the private key stays where it is: give files with certificates alone, or leave --pkcs11 out"
	case errors.Is(err, hsm.ErrForbidden):
		return "set CKA_SIGN, and CKA_DECRYPT (RSA) or CKA_DERIVE (EC), for what the certificate's key usage has"
	case errors.Is(err, hsm.ErrURI):
		return "write it as pkcs11:token=NAME;object=LABEL, or with id=%01 in hexadecimal"
	default:
		return "`pkcs11-tool --login --list-objects` shows what is on the token; the list's certificate must be the first of the files"
	}
}

// publicKeyFingerprint is what store.KeyRow.PublicKey holds.
func publicKeyFingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// nameOf names a list, for a message.
func (a *Admin) nameOf(ctx context.Context, id list.ID) string {
	l, err := a.Store.ListByID(ctx, id)
	if err != nil {
		return "list " + id.String()
	}
	return l.Address.String()
}

// install keeps a key, tells the members of a certificate that they are to
// encrypt to, and what people will stumble over.
func (a *Admin) install(ctx context.Context, l list.List, pair *readyKey) (fingerprint string, warnings []string, err error) {
	key, err := a.Keyring.Add(ctx, l.ID, pair.bundle, pair.placing)
	if err != nil {
		return "", nil, err
	}
	facts := map[string]string{"subject": key.Certificate.Subject.String(), "state": string(key.State), "use": string(keyring.UseOf(key.Certificate))}
	if module, ok := key.Private.(hsm.Key); ok {
		facts["pkcs11"] = module.URI().String()
	}
	a.audit(ctx, "key import", l.ID, key.Fingerprint, facts)
	if key.State == store.KeyActive {
		if _, err := a.announceKey(ctx, l, key.Certificate, key.Since, pair.placing.Until); err != nil {
			return "", nil, err
		}
	}
	return key.Fingerprint, pair.warnings, nil
}

// robot returns the robot of a domain, and makes it if it is not there yet.
func (a *Admin) robot(ctx context.Context, domain string) (list.List, error) {
	address, err := list.ParseAddress(a.Robot + "@" + domain)
	if err != nil {
		return list.List{}, &Error{Kind: Usage, What: err.Error(), Hint: "name the domain alone, as lists.example.org", Err: err}
	}
	if len(a.Domains) > 0 && !slices.Contains(a.Domains, address.Domain()) {
		return list.List{}, refused("the configuration's domains are "+strings.Join(a.Domains, ", "), "%s is not a domain of this server", domain)
	}
	l, err := a.Store.EnsureRobot(ctx, address)
	if errors.Is(err, store.ErrExists) {
		return list.List{}, refused("set another robot in sealist.yaml", "there is a list %s, which cannot take commands for its domain", address)
	}
	if err != nil {
		return list.List{}, Explain(err)
	}
	return l, nil
}

// ImportKey gives a list a key pair. Posts encrypted to an earlier one are
// still opened.
func (a *Admin) ImportKey(ctx context.Context, listText string, k KeyImport) (KeyDetails, []string, error) {
	l, err := a.list(ctx, listText)
	if err != nil {
		return KeyDetails{}, nil, err
	}
	return a.importKey(ctx, l, k)
}

// ImportRobotKey gives the robot of a domain a key pair, with which it opens
// encrypted commands.
func (a *Admin) ImportRobotKey(ctx context.Context, domain string, k KeyImport) (KeyDetails, []string, error) {
	l, err := a.robot(ctx, domain)
	if err != nil {
		return KeyDetails{}, nil, err
	}
	return a.importKey(ctx, l, k)
}

func (a *Admin) importKey(ctx context.Context, l list.List, k KeyImport) (KeyDetails, []string, error) {
	if err := a.checkUntil(k.Until); err != nil {
		return KeyDetails{}, nil, err
	}
	if k.Staged && !k.Until.IsZero() {
		return KeyDetails{}, nil, usage("name the day when it takes over: `listmaster key activate LIST FINGERPRINT --until DAY`", "a staged key takes over from none, so there is no end to name")
	}
	rows, err := a.Store.Keys(ctx, l.ID)
	if err != nil {
		return KeyDetails{}, nil, Explain(err)
	}
	pair, err := a.prepareKey(ctx, l.Address, rows, k)
	if err != nil {
		return KeyDetails{}, nil, err
	}
	fingerprint, warnings, err := a.install(ctx, l, pair)
	if errors.Is(err, store.ErrExists) {
		return KeyDetails{}, nil, refused("", "%s: %s: %s has this key already", k.Name, keyring.Reason(err), l.Address)
	}
	if err != nil {
		return KeyDetails{}, nil, keyError(err, l.Address, k.Name)
	}
	_, details, err := a.keyOf(ctx, l, fingerprint)
	return details, warnings, err
}

// Keys returns the key pairs of one list, or of all for an empty text.
func (a *Admin) Keys(ctx context.Context, listText string) ([]KeyDetails, error) {
	var lists []list.List
	if listText != "" {
		l, err := a.keyHolder(ctx, listText)
		if err != nil {
			return nil, err
		}
		lists = []list.List{l}
	} else {
		all, err := a.Store.Lists(ctx)
		if err != nil {
			return nil, Explain(err)
		}
		robots, err := a.Store.Robots(ctx)
		if err != nil {
			return nil, Explain(err)
		}
		lists = append(all, robots...)
	}
	keys := []KeyDetails{}
	for _, l := range lists {
		some, err := a.keysOf(ctx, l)
		if err != nil {
			return nil, err
		}
		keys = append(keys, some...)
	}
	return keys, nil
}

// keysOf reads what can be read of a list's keys without the key password.
func (a *Admin) keysOf(ctx context.Context, l list.List) ([]KeyDetails, error) {
	rows, err := a.Store.Keys(ctx, l.ID)
	if err != nil {
		return nil, Explain(err)
	}
	keys := make([]KeyDetails, 0, len(rows))
	for _, row := range rows {
		keys = append(keys, keyDetails(l, row))
	}
	return keys, nil
}

func keyDetails(l list.List, row store.KeyRow) KeyDetails {
	k := KeyDetails{List: l.Address, State: row.State, Use: keyring.Use(row.Use), Chain: len(row.Chain), Created: row.Created, Since: row.Since, PKCS11: keyring.Reference(row)}
	if !row.Until.IsZero() {
		k.Until = &row.Until
	}
	if len(row.Certificate) == 0 { // requested, or given up
		k.Fingerprint, k.Addresses, k.Usages = row.Fingerprint, []string{}, []string{}
		return k
	}
	cert, err := x509.ParseCertificate(row.Certificate)
	if err != nil {
		k.Fingerprint, k.Subject = row.Fingerprint, "cannot be read: "+err.Error()
		return k
	}
	k.CertificateDetails, k.Use = describe(cert), keyring.UseOf(cert)
	k.signs = k.Use.Signs() && row.State == store.KeyActive
	return k
}

// keyHolder finds a list, or the robot of a domain, by its address.
func (a *Admin) keyHolder(ctx context.Context, text string) (list.List, error) {
	address, err := parseListAddress(text)
	if err != nil {
		return list.List{}, err
	}
	l, err := a.Store.List(ctx, address)
	if err != nil {
		return list.List{}, a.storeError(err, "there is no list "+address.String(), "`listmaster list ls` shows those there are")
	}
	return l, nil
}

// keyOf finds a key of a list by its fingerprint, or the beginning of it.
func (a *Admin) keyOf(ctx context.Context, l list.List, text string) (store.KeyRow, KeyDetails, error) {
	rows, err := a.Store.Keys(ctx, l.ID)
	if err != nil {
		return store.KeyRow{}, KeyDetails{}, Explain(err)
	}
	var found []store.KeyRow
	for _, row := range rows {
		if sameFingerprint(text, row.Fingerprint) {
			found = append(found, row)
		}
	}
	hint := "`listmaster key ls " + l.Address.String() + "` shows those there are; at least eight digits are needed"
	switch len(found) {
	case 0:
		return store.KeyRow{}, KeyDetails{}, refused(hint, "%s has no key with the fingerprint %s", l.Address, text)
	case 1:
		return found[0], keyDetails(l, found[0]), nil
	}
	return store.KeyRow{}, KeyDetails{}, refused(hint, "%d keys of %s have a fingerprint that begins with %s", len(found), l.Address, text)
}
