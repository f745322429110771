package admin

import (
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

	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/trust"
)

// P12 is a PKCS#12 file as a person hands it in.
type P12 struct {
	Name     string // of the file, for messages
	Octets   []byte
	Password []byte // never shown
}

// String names the file and shows nothing of what is in it.
func (p P12) String() string { return "PKCS#12 file " + p.Name }

// GoString is String.
func (p P12) GoString() string { return p.String() }

// Format writes String whatever the verb is.
func (p P12) Format(f fmt.State, _ rune) { fmt.Fprint(f, p.String()) }

// LogValue is String.
func (p P12) LogValue() slog.Value { return slog.StringValue(p.String()) }

// KeyDetails is a key pair of a list, without its private half.
type KeyDetails struct {
	CertificateDetails
	List    list.Address `json:"list"`
	State   string       `json:"state"`
	Chain   int          `json:"chain"` // certificates kept with it
	Created time.Time    `json:"created"`

	signs bool // its key may sign
}

// readyKey is a key pair of which nothing is left to be refused.
type readyKey struct {
	bundle keyring.Bundle
}

// prepareKey opens a PKCS#12 file and finds out whether the key can be kept for
// a list, so that nothing is made halfway.
func (a *Admin) prepareKey(ctx context.Context, address list.Address, p P12) (*readyKey, error) {
	// Any use of the keyring opens it, or begins it where there is none yet.
	if _, err := a.Keyring.HMAC(ctx, "key import", nil); err != nil {
		return nil, &Error{Kind: Environment, What: "no key can be kept: " + err.Error(), Err: err,
			Hint: "see that key_password_file holds the password under which the other keys are kept; `listd config init` makes a first one"}
	}
	bundle, err := keyring.ParsePKCS12(p.Octets, string(p.Password))
	if err == nil {
		err = bundle.Check(address, a.Clock())
	}
	if err != nil {
		return nil, &Error{Kind: Refused, What: p.Name + ": " + err.Error(), Hint: keyHint(err, address, p.Name), Err: err}
	}
	rows, err := a.Store.AllKeys(ctx)
	if err != nil {
		return nil, Explain(err)
	}
	public := publicKeyFingerprint(bundle.Certificate)
	for _, row := range rows {
		if l := a.nameOf(ctx, row.List); row.PublicKey == public && l != address.String() {
			return nil, &Error{Kind: Refused, Err: store.ErrKeyTaken,
				What: fmt.Sprintf("%s: this key pair is another list's already (%s)", p.Name, l),
				Hint: "every list has a key pair of its own; have a new one issued"}
		}
	}
	return &readyKey{bundle: bundle}, nil
}

// keyHint says what to do about a PKCS#12 file that is not taken.
func keyHint(err error, address list.Address, name string) string {
	switch {
	case errors.Is(err, keyring.ErrBundlePassword):
		return "give the file's own password with --password-file"
	case errors.Is(err, keyring.ErrPEM):
		return "put key and certificates into one file with `openssl pkcs12 -export -inkey KEY -in CERTIFICATE -certfile CHAIN -out list.p12`"
	case errors.Is(err, keyring.ErrAddress):
		return "have a certificate issued whose subjectAltName has the rfc822Name " + address.String()
	case errors.Is(err, keyring.ErrUnusable):
		return "have a certificate issued that is valid now and for e-mail encryption: keyEncipherment for RSA, keyAgreement for EC"
	default:
		return "look at it with `openssl pkcs12 -info -nokeys -in " + name + "`"
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

// install keeps a key and tells what people will stumble over.
func (a *Admin) install(ctx context.Context, id list.ID, pair *readyKey) (warnings []string, err error) {
	if _, err := a.Keyring.Install(ctx, id, pair.bundle); err != nil {
		return nil, err
	}
	cert := pair.bundle.Certificate
	a.audit(ctx, "key import", id, trust.Fingerprint(cert), map[string]string{"subject": cert.Subject.String()})
	if a.Trust != nil {
		if v := a.Trust.Judge(cert, trust.Encryption, a.Clock(), pair.bundle.Chain); !v.OK() {
			warnings = append(warnings, fmt.Sprintf("the certificate is not one this server would encrypt to (%s): %s", v.Reason, v.Detail))
		}
	}
	return warnings, nil
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
func (a *Admin) ImportKey(ctx context.Context, listText string, p P12) (KeyDetails, []string, error) {
	l, err := a.list(ctx, listText)
	if err != nil {
		return KeyDetails{}, nil, err
	}
	return a.importKey(ctx, l, p)
}

// ImportRobotKey gives the robot of a domain a key pair, with which it opens
// encrypted commands.
func (a *Admin) ImportRobotKey(ctx context.Context, domain string, p P12) (KeyDetails, []string, error) {
	l, err := a.robot(ctx, domain)
	if err != nil {
		return KeyDetails{}, nil, err
	}
	return a.importKey(ctx, l, p)
}

func (a *Admin) importKey(ctx context.Context, l list.List, p P12) (KeyDetails, []string, error) {
	pair, err := a.prepareKey(ctx, l.Address, p)
	if err != nil {
		return KeyDetails{}, nil, err
	}
	warnings, err := a.install(ctx, l.ID, pair)
	if errors.Is(err, store.ErrExists) {
		return KeyDetails{}, nil, refused("", "%s: %s has this key already", p.Name, l.Address)
	}
	if err != nil {
		return KeyDetails{}, nil, Explain(err)
	}
	keys, err := a.keysOf(ctx, l)
	if err != nil {
		return KeyDetails{}, nil, err
	}
	fingerprint := trust.Fingerprint(pair.bundle.Certificate)
	for _, k := range keys {
		if k.Fingerprint == fingerprint {
			return k, warnings, nil
		}
	}
	return KeyDetails{}, nil, &Error{Kind: Environment, What: "the key was kept, and is not there now"}
}

// Keys returns the key pairs of one list, or of all for an empty text.
func (a *Admin) Keys(ctx context.Context, listText string) ([]KeyDetails, error) {
	var lists []list.List
	if listText != "" {
		l, err := a.list(ctx, listText)
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
		k := KeyDetails{List: l.Address, State: row.State, Chain: len(row.Chain), Created: row.Created}
		if cert, err := x509.ParseCertificate(row.Certificate); err == nil {
			k.CertificateDetails, k.signs = describe(cert), keyring.MaySign(cert)
		} else {
			k.Fingerprint, k.Subject = row.Fingerprint, "cannot be read: "+err.Error()
		}
		keys = append(keys, k)
	}
	return keys, nil
}
