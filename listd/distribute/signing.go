package distribute

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime"
)

// signing is how a service mail is signed. The zero value is not at all.
type signing struct {
	address list.Address // that the certificate names
	options *smime.SignOptions
}

// date is what the mail says of when it was written, and the signature of when it was made: the time at which it was
// queued, the same each time it is tried. Only where the certificate was not valid yet then it is that of the signature.
func (s signing) date(queued time.Time) time.Time {
	if s.options == nil {
		return queued
	}
	return s.options.SigningTime
}

// signing returns how a notice is signed: by its list, or if it is of no list by the robot of the first domain, where
// these have a key that may sign. A signingError means that there is one and that it cannot be used: the mail waits.
func (d *Distributor) signing(ctx context.Context, l list.List, del store.Delivery, template string) (signing, error) {
	if template == notice.SigningFailed {
		return signing{}, nil
	}
	signer, err := d.signer(ctx, l)
	if err != nil || signer.ID == 0 {
		return signing{}, err
	}
	now := d.Clock()
	key, ok, err := d.Keyring.SigningKey(ctx, signer.ID, now)
	switch {
	case errors.Is(err, keyring.ErrLocked) || errors.Is(err, keyring.ErrNotNow):
		return signing{}, &signingError{signer.Address, err}
	case err != nil || !ok:
		return signing{}, err
	}
	s := signing{signer.Address, &smime.SignOptions{
		Certificate: key.Certificate, Chain: key.Chain, Capabilities: true, SigningCertificate: true, SigningTime: del.Created,
	}}
	s.options.Signer, _ = key.Signer()
	if del.Created.Before(key.Certificate.NotBefore) {
		s.options.SigningTime = now
	}
	keys, err := d.Keyring.Keys(ctx, signer.ID)
	if err != nil {
		return signing{}, err
	}
	if to, ok := keyring.Encrypting(keys, now); ok && to.Fingerprint != key.Fingerprint { // people take from here what they encrypt to
		s.options.EncryptionCertificate = to.Certificate
		for _, c := range to.Chain {
			if !slices.ContainsFunc(key.Chain, c.Equal) {
				s.options.Chain = append(slices.Clip(s.options.Chain), c)
			}
		}
	}
	return s, nil
}

// signingError says that a list has a key, and that nothing can be signed with it now.
type signingError struct {
	signer list.Address
	err    error
}

func (e *signingError) Error() string { return "signing: " + e.err.Error() }
func (e *signingError) Unwrap() error { return e.err }

// unsigned tells what becomes of a mail that cannot be signed: true if it has waited as long as the site lets it, and leaves
// unsigned; else it waits, and the listmasters are told.
func (d *Distributor) unsigned(ctx context.Context, del store.Delivery, err error) bool {
	var failed *signingError
	if !errors.As(err, &failed) {
		return false
	}
	if d.UnsignedAfter > 0 && d.Clock().Sub(del.Created) >= d.UnsignedAfter {
		d.log.Warn("service mail leaves unsigned, as notices.unsigned_after says", "list", failed.signer, "delivery", del.ID, "err", failed.err)
		return true
	}
	d.cannotSign(ctx, failed.signer, failed.err)
	return false
}

// signer is the list or robot that signs the notices of a list; the zero list: nobody does.
func (d *Distributor) signer(ctx context.Context, l list.List) (list.List, error) {
	if l.ID != 0 || d.RobotName == "" || len(d.Domains) == 0 {
		return l, nil
	}
	robot, err := list.ParseAddress(d.RobotName + "@" + d.Domains[0])
	if err != nil {
		return list.List{}, nil
	}
	r, err := d.Store.List(ctx, robot)
	if errors.Is(err, store.ErrNotFound) || err == nil && !r.Robot {
		return list.List{}, nil
	}
	return r, err
}

// cannotSign tells the listmasters that service mail waits, once a day for each list.
func (d *Distributor) cannotSign(ctx context.Context, signer list.Address, reason error) {
	if !d.alarms.due(signer.Key(), d.Clock()) {
		return
	}
	d.log.Error("service mail cannot be signed, and waits", "list", signer, "err", reason)
	var notices []store.Notice
	for _, to := range d.Listmasters {
		notices = append(notices, store.Notice{
			Template: notice.SigningFailed, To: to, Params: map[string]string{"address": signer.String(), "host": signer.Domain(), "reason": reason.Error()},
			Key: fmt.Sprintf("%s/%s/%s", notice.SigningFailed, signer.Key(), to.Key()), Every: noticeEvery,
		})
	}
	if _, err := d.Store.QueueNotices(ctx, notices); err != nil {
		d.log.Error("cannot tell the listmasters", "err", err)
		d.alarms.forget(signer.Key())
		return
	}
	d.Parts.Wake()
}

// alarms remembers what was said a while ago, so that each mail that waits does not ask the database whether it was.
type alarms struct {
	mu sync.Mutex
	at map[string]time.Time
}

// alarmEvery is far less than the time within which the database lets one mail through.
const alarmEvery = 10 * time.Minute

func (a *alarms) due(key string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at, ok := a.at[key]; ok && now.Sub(at) < alarmEvery {
		return false
	}
	if a.at == nil {
		a.at = map[string]time.Time{}
	}
	a.at[key] = now
	return true
}

func (a *alarms) forget(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.at, key)
}
