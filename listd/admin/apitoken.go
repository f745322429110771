package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
)

// Scope is a kind of thing that a token of the API is good for. None includes
// another.
type Scope string

// The scopes.
const (
	ScopeRead     Scope = "read"     // look at things
	ScopeWrite    Scope = "write"    // change lists, members and one's own subscriptions
	ScopeModerate Scope = "moderate" // decide on posts that are held
	ScopeServer   Scope = "server"   // what only listmasters may: certificates, queue, quarantine, tasks, lists as a whole
)

// Scopes are all there are.
func Scopes() []Scope { return []Scope{ScopeRead, ScopeWrite, ScopeModerate, ScopeServer} }

// How long a token lives.
const (
	DefaultTokenLife = 90 * day
	MaxTokenLife     = 2 * 366 * day
)

// APIToken is a token of the API as far as it may be shown.
type APIToken = store.APIToken

// NewToken is what a token is made for.
type NewToken struct {
	For    string        // the address whose rights it has
	Scopes []string      // empty: read
	Label  string        // what it is for; may be empty
	Life   time.Duration // 0: DefaultTokenLife
}

// MadeToken is a token with its secret, which is shown this once.
type MadeToken struct {
	APIToken
	Token string `json:"token"`
}

// tokenMark is how every token begins, so that whoever finds one knows what it is.
const tokenMark = "sealist_"

// AddToken makes a token of 256 random bits. It is worth what the person may do
// at the moment of each request.
func (a *Admin) AddToken(ctx context.Context, n NewToken) (MadeToken, error) {
	address, err := parseAddress(n.For)
	if err != nil {
		return MadeToken{}, err
	}
	if err := singleLine("label", n.Label); err != nil {
		return MadeToken{}, err
	}
	if len(n.Scopes) == 0 {
		n.Scopes = []string{string(ScopeRead)}
	}
	for _, s := range n.Scopes {
		if !slices.Contains(Scopes(), Scope(s)) {
			return MadeToken{}, usage("the scopes are read, write, moderate and server", "%q is no scope of a token", s)
		}
	}
	if n.Life == 0 {
		n.Life = DefaultTokenLife
	}
	if n.Life < 0 || n.Life > MaxTokenLife {
		return MadeToken{}, usage("give --expires a time of at most two years, as 90d", "a token cannot live that long, or not at all")
	}
	id, secret := make([]byte, 6), make([]byte, 32)
	rand.Read(id)
	rand.Read(secret)
	now := a.Clock()
	m := MadeToken{APIToken: APIToken{ID: hex.EncodeToString(id), Address: address, Scopes: slices.Compact(slices.Sorted(slices.Values(n.Scopes))),
		Label: n.Label, Created: now, Expires: now.Add(n.Life)}}
	m.Token = tokenMark + m.ID + "_" + base64.RawURLEncoding.EncodeToString(secret)
	m.Hash = tokenHash(m.Token)
	if err := a.Store.PutAPIToken(ctx, m.APIToken); err != nil {
		return MadeToken{}, Explain(err)
	}
	a.audit(ctx, "token add", 0, address.String(), map[string]string{"token": m.ID, "scopes": strings.Join(m.Scopes, " "), "expires": m.Expires.UTC().Format(time.RFC3339)})
	return m, nil
}

func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// APITokens returns the tokens that have not expired, of a person or of all for
// an empty text.
func (a *Admin) APITokens(ctx context.Context, addressText string) ([]APIToken, error) {
	var of list.Address
	if addressText != "" {
		var err error
		if of, err = parseAddress(addressText); err != nil {
			return nil, err
		}
	}
	all, err := a.Store.APITokens(ctx, of)
	if err != nil {
		return nil, Explain(err)
	}
	return some(all), nil
}

// RemoveToken ends a token.
func (a *Admin) RemoveToken(ctx context.Context, id string) error {
	t, err := a.Store.APIToken(ctx, id)
	if err == nil {
		err = a.Store.DropAPIToken(ctx, id)
	}
	if err != nil {
		return a.storeError(err, "there is no token "+Printable(id), "`listmaster token ls` shows those there are")
	}
	a.audit(ctx, "token rm", 0, t.Address.String(), map[string]string{"token": t.ID})
	return nil
}

// ErrBearer says that a token is none, or none any more.
var ErrBearer = errors.New("the token is not valid: it has expired, was removed, or never was one")

// Bearer finds the person whose token somebody brings. What the token proves is
// method md5, and not Clear: it never went by mail, but was shown once to the
// listmaster who made it and answers for the way it went on. It is not smime,
// for nobody signed anything. An error that wraps ErrBearer if it is none.
func (a *Admin) Bearer(ctx context.Context, secret string) (Person, APIToken, error) {
	id, _, ok := strings.Cut(strings.TrimPrefix(secret, tokenMark), "_")
	if !ok || !strings.HasPrefix(secret, tokenMark) || len(secret) > 100 {
		return Person{}, APIToken{}, ErrBearer
	}
	t, err := a.Store.APIToken(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && subtle.ConstantTimeCompare([]byte(t.Hash), []byte(tokenHash(secret))) != 1 {
		return Person{}, APIToken{}, ErrBearer
	}
	if err == nil {
		err = a.Store.UseAPIToken(ctx, t)
	}
	if err != nil {
		return Person{}, APIToken{}, Explain(err)
	}
	return a.forActor(Requester{Address: t.Address, Method: scenario.MD5}, t.Address.String()+" (token "+t.ID+")"), t, nil
}

// Tokens is `token ls`: his own, or all for a listmaster.
func (p Person) Tokens(ctx context.Context) ([]APIToken, error) {
	if p.Listmaster() {
		return p.a.APITokens(ctx, "")
	}
	if !p.proven() {
		return nil, errListmaster()
	}
	return p.a.APITokens(ctx, p.who.Address.String())
}

// RemoveToken is `token rm`: one of his own, or any for a listmaster.
func (p Person) RemoveToken(ctx context.Context, id string) error {
	own, err := p.Tokens(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(own, func(t APIToken) bool { return t.ID == id }) {
		return &Error{Kind: Refused, What: "there is no token " + Printable(id), Err: store.ErrNotFound}
	}
	return p.a.RemoveToken(ctx, id)
}
