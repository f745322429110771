package admin

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/listd/token"
	"github.com/sealist/sealist/resolver"
)

// loginFor is how long a link to log in stays good.
const loginFor = 30 * time.Minute

// sealedLogin and clearLogin say in a token how its link was sent.
const (
	sealedLogin = "sealed"
	clearLogin  = "clear"
)

// SendLogin sends somebody a link to log in with; link makes it of a token. It
// is sealed to his certificate if he has one. Whoever asks learns nothing of
// whether that is anybody.
func (a *Admin) SendLogin(ctx context.Context, to list.Address, host string, link func(token string) string) error {
	sealed, err := a.sealsTo(ctx, to)
	if err != nil {
		return err
	}
	held, err := a.Store.Memberships(ctx, to)
	if err != nil {
		return Explain(err)
	}
	how, known := clearLogin, len(held) > 0
	if slices.ContainsFunc(a.Listmasters, to.Same) {
		sealed, known = true, true // every link of a listmaster leaves only sealed (invariant 12)
	}
	if sealed {
		how = sealedLogin
	}
	limit := 1
	if known {
		limit = 20
	}
	key, err := a.Tokens.Make(ctx, token.Login, token.Claim{Sender: to, Operation: how}, loginFor)
	if err != nil {
		return Explain(err)
	}
	_, err = a.Store.QueueNotices(ctx, []store.Notice{{
		Template: notice.LoginLink, To: to, Sealed: sealed,
		Params: map[string]string{"host": host, "link": link(key), "until": a.Clock().Add(loginFor).UTC().Format("2006-01-02 15:04 UTC")},
		Key:    notice.LoginLink + "/" + to.Key(), Every: day, Limit: limit, Stranger: !known,
	}})
	if err != nil {
		return Explain(err)
	}
	return nil
}

// sealsTo tells whether mail to somebody can be sealed. A source that cannot be
// asked is no reason to send in clear (invariant 2).
func (a *Admin) sealsTo(ctx context.Context, to list.Address) (bool, error) {
	r := a.Resolver.Resolve(ctx, []string{to.String()}, resolver.Allowances{})[0]
	return r.Err != nil || len(r.Certificates) > 0, ctx.Err()
}

// UseLogin redeems a link: who logs in. An error that wraps ErrLogin if it is
// not good.
func (a *Admin) UseLogin(ctx context.Context, key string) (Identity, error) {
	claim, err := a.Tokens.Use(ctx, token.Login, key)
	if errors.Is(err, token.ErrToken) {
		return Identity{}, ErrLogin
	}
	if err != nil {
		return Identity{}, Explain(err)
	}
	return Identity{who: Requester{Address: claim.Sender, Method: scenario.MD5, Clear: claim.Operation != sealedLogin}}, nil
}
