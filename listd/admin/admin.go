// Package admin holds what people do with a server: make lists, change
// members, install keys, look into the queue, ask why a certificate is used.
// Each use case checks what it was given, acts in one transaction where it can
// and leaves an entry in the audit log. It works on the database, whether a
// server runs beside it or not; the server sees changes by the change counter.
//
// Everything it takes comes from a person: text goes in, and what is wrong with
// it comes back as an *Error that tells what, where, why and what next.
//
// Interim: whoever may read the database may do everything here; scenarios for
// owners and editors come with the web pages.
package admin

import (
	"context"
	"log/slog"
	"time"

	"github.com/sealist/sealist/directory"
	"github.com/sealist/sealist/listd/bounce"
	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/listd/token"
	"github.com/sealist/sealist/resolver"
)

// Parts is what the use cases work with. Those that a use case does not need
// may be nil.
type Parts struct {
	Store       *store.Store
	Keyring     Keyring
	Resolver    Resolver
	Directories []Directory       // LDAP directories, in the order of the configuration
	Includes    Includes          // members from the directories
	Trust       resolver.Judge    // the site's trust
	Anchored    bool              // the site names trust anchors: a list's certificate must lead to one
	RSAMinBits  int               // of trust.algorithms; 0: trust.DefaultRSAMinBits
	Caching     Caching           // how long directories' answers count
	Graces      Graces            // of trust.revocation, for what `crl ls` says of an end
	Fetcher     Fetcher           // of CRLs
	Scheduler   Scheduler         // of tasks
	Scenarios   *scenario.Library // the built-in ones if nil
	Facts       scenario.Facts    // what scenarios ask
	Notices     *notice.Notices   // service mail, for who looks at it

	Tokens      *token.Tokens // that people are sent
	Listmasters []list.Address
	Returns     *bounce.Returns // reads the tokens of one-click unsubscription; nil: there are none

	// ReadMessage makes what a scenario may ask of a message.
	ReadMessage func(octets []byte) (scenario.Message, error)

	Domains []string         // domains in which lists may be made; empty: any
	Robot   string           // local part of the address that takes commands, in every domain
	Actor   string           // who acts, for the audit log, as "listmaster (user root)"
	Sealed  bool             // what he asks came encrypted: his words leave only so, and are not in the audit log
	Clock   func() time.Time // time.Now if nil
	Log     *slog.Logger     // discards if nil
}

// Caching says how long what directories answered counts.
type Caching struct{ Positive, Negative time.Duration }

// Keyring keeps the lists' keys. *keyring.Keyring is one.
type Keyring interface {
	HMAC(ctx context.Context, purpose string, data []byte) ([]byte, error)
	SigningKey(ctx context.Context, l list.ID, now time.Time) (keyring.Key, bool, error)
	InModule(b keyring.Bundle, uri string) (keyring.Bundle, error)
	Add(ctx context.Context, l list.ID, b keyring.Bundle, p keyring.Placing) (keyring.Key, error)
	Request(ctx context.Context, l list.ID, t keyring.KeyType, use keyring.Use) (store.KeyRow, []byte, error)
	Activate(ctx context.Context, row store.KeyRow, until time.Time) error
	Stage(ctx context.Context, row store.KeyRow) error
	Retire(ctx context.Context, row store.KeyRow) error
	Rekey(ctx context.Context, password []byte) (changed int, damaged []string, err error)
}

// Resolver finds people's certificates. *resolver.Resolver is one.
type Resolver interface {
	Explain(ctx context.Context, address string, fresh bool, allowed resolver.Allowances) resolver.Explanation
	Resolve(ctx context.Context, addresses []string, allowed resolver.Allowances) []resolver.Result
	JudgeAnswer(ctx context.Context, address string, a directory.Answer) []resolver.Certificate
}

// Admin offers the use cases. It is safe for concurrent use.
type Admin struct {
	Parts
}

// New makes an Admin.
func New(p Parts) *Admin {
	if p.Clock == nil {
		p.Clock = time.Now
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.Actor == "" {
		p.Actor = "listmaster"
	}
	if p.Scenarios == nil {
		p.Scenarios = scenario.NewLibrary("")
	}
	return &Admin{Parts: p}
}

// As is the same for somebody else, whom the audit log then names.
func (a *Admin) As(actor string) *Admin {
	by := *a
	by.Actor = actor
	return &by
}

// some makes an empty slice of none, so that JSON has [] and not null.
func some[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// list finds a list by what a person wrote.
func (a *Admin) list(ctx context.Context, text string) (list.List, error) {
	address, err := parseListAddress(text)
	if err != nil {
		return list.List{}, err
	}
	l, err := a.Store.List(ctx, address)
	if err == nil && l.Robot {
		return list.List{}, refused("`listmaster key import --robot "+address.Domain()+" FILE` gives it a key", "%s is no list: it takes commands for its domain", address)
	}
	if err != nil {
		return list.List{}, a.storeError(err, "there is no list "+address.String(), "`listmaster list ls` shows those there are")
	}
	return l, nil
}

// parseListAddress reads LIST, which is NAME@DOMAIN.
func parseListAddress(text string) (list.Address, error) {
	address, err := list.ParseAddress(text)
	if err != nil {
		return list.Address{}, &Error{Kind: Usage, What: err.Error(), Hint: "name a list by its whole address, as board@lists.example.org", Err: err}
	}
	return address, nil
}

// audit notes who did what. What was done stays done if the note fails; the
// log says so.
func (a *Admin) audit(ctx context.Context, action string, l list.ID, object string, detail map[string]string) {
	err := a.Store.Audit(ctx, store.AuditEntry{Actor: a.Actor, Action: action, List: l, Object: object, Detail: detail})
	if err != nil {
		a.Log.Error("the audit log could not be written", "action", action, "object", object, "error", err)
	}
}
