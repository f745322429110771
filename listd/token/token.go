// Package token makes and checks what people are sent to prove that they read
// mail at an address: one-time tokens, each an HMAC over what it was made for.
//
// A token is good once, for one purpose, list, person, operation and object, and
// for some time. The database holds the facts only: without the key password
// nobody makes a token from them. Each purpose has an HMAC key of its own
// (invariant 12).
package token

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// ErrToken says that a token is not good: it was never made, was used, is over,
// or is for something else. Which of these it is nobody is told.
var ErrToken = errors.New("the key is not valid, or was used already, or is too old")

// Purpose is what a kind of token is for.
type Purpose string

// The purposes.
const (
	Challenge  Purpose = "challenge"  // proves that a person reads mail at an address
	Moderation Purpose = "moderation" // decides on a post that is held
	Login      Purpose = "login"      // opens a session on the pages
	Handover   Purpose = "handover"   // carries a login from the address that asks for certificates to the pages
)

// Claim is what a token is made for.
type Claim struct {
	List      list.ID
	Sender    list.Address // whom it is sent to
	Operation string       // as "send" or "subscribe"
	Object    string       // what it is about: a spool item, an address
}

// MACs computes HMACs under a secret of the site. *keyring.Keyring is one.
type MACs interface {
	HMAC(ctx context.Context, purpose string, data []byte) ([]byte, error)
}

// Tokens makes and checks tokens. It is safe for concurrent use.
type Tokens struct {
	store *store.Store
	macs  MACs
	clock func() time.Time
}

// New makes Tokens whose facts are kept in the store.
func New(s *store.Store, m MACs, clock func() time.Time) *Tokens { return &Tokens{s, m, clock} }

// A token is 5 octets that name its row and 20 of the HMAC, in base32: 40 letters
// and digits, for people may have to type them.
const (
	idOctets  = 5
	macOctets = 20
)

var encoding = base32.NewEncoding("abcdefghijkmnpqrstuvwxyz23456789").WithPadding(base32.NoPadding)

// Make makes a token that is good for some time.
func (t *Tokens) Make(ctx context.Context, p Purpose, c Claim, ttl time.Duration) (string, error) {
	var id [8]byte
	rand.Read(id[8-idOctets:])
	row := store.TokenRow{ID: int64(binary.BigEndian.Uint64(id[:])), Purpose: string(p), List: c.List, Sender: c.Sender, Operation: c.Operation,
		Object: c.Object, Expires: t.clock().Add(ttl).Truncate(time.Microsecond)}
	mac, err := t.mac(ctx, row)
	if err != nil {
		return "", err
	}
	if err := t.store.PutToken(ctx, row); err != nil {
		return "", fmt.Errorf("keeping a token: %w", err)
	}
	return encoding.EncodeToString(append(id[8-idOctets:], mac...)), nil
}

// Check returns what a token was made for. It stays good. ErrToken.
func (t *Tokens) Check(ctx context.Context, p Purpose, text string) (Claim, error) {
	row, err := t.row(ctx, p, text)
	return Claim{row.List, row.Sender, row.Operation, row.Object}, err
}

// Use returns what a token was made for, and makes it void. ErrToken.
func (t *Tokens) Use(ctx context.Context, p Purpose, text string) (Claim, error) {
	row, err := t.row(ctx, p, text)
	if err != nil {
		return Claim{}, err
	}
	if err := t.store.UseToken(ctx, row.ID); errors.Is(err, store.ErrNotFound) {
		return Claim{}, ErrToken
	} else if err != nil {
		return Claim{}, fmt.Errorf("using a token: %w", err)
	}
	return Claim{row.List, row.Sender, row.Operation, row.Object}, nil
}

func (t *Tokens) row(ctx context.Context, p Purpose, text string) (store.TokenRow, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	octets, err := encoding.DecodeString(text)
	if err != nil || len(text) != encoding.EncodedLen(idOctets+macOctets) || len(octets) != idOctets+macOctets {
		return store.TokenRow{}, ErrToken
	}
	var id [8]byte
	copy(id[8-idOctets:], octets)
	row, err := t.store.Token(ctx, int64(binary.BigEndian.Uint64(id[:])))
	if errors.Is(err, store.ErrNotFound) {
		return store.TokenRow{}, ErrToken
	}
	if err != nil {
		return store.TokenRow{}, fmt.Errorf("reading a token: %w", err)
	}
	mac, err := t.mac(ctx, row)
	if err != nil {
		return store.TokenRow{}, err
	}
	if row.Purpose != string(p) || !hmac.Equal(mac, octets[idOctets:]) {
		return store.TokenRow{}, ErrToken
	}
	return row, nil
}

// mac is what only this site can compute from a row.
func (t *Tokens) mac(ctx context.Context, r store.TokenRow) ([]byte, error) {
	text := fmt.Sprintf("%d\n%d\n%q\n%q\n%q\n%d", r.ID, r.List, r.Sender.Key(), r.Operation, r.Object, r.Expires.UnixMicro())
	mac, err := t.macs.HMAC(ctx, "token "+r.Purpose, []byte(text))
	if err != nil {
		return nil, fmt.Errorf("computing a token: %w", err)
	}
	return mac[:macOctets], nil
}
