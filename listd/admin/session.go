package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/listd/token"
	"github.com/sealist/sealist/smime/trust"
)

// Identity is whom a login proved somebody to be. Only a login makes one.
type Identity struct {
	who         Requester
	certificate []byte // DER; empty: a link in a mail
}

// Address is the person's address.
func (i Identity) Address() list.Address { return i.who.Address }

// ErrLogin is wrapped where a login proves nobody.
var ErrLogin = errors.New("this login proves nobody")

// NoLogin says why a client certificate proves nobody. Reason is one of trust's
// words, no_address included.
type NoLogin struct{ Reason trust.Reason }

// Error names the reason.
func (e *NoLogin) Error() string { return "the certificate does not count here: " + string(e.Reason) }

// Unwrap returns ErrLogin.
func (e *NoLogin) Unwrap() error { return ErrLogin }

// Holder is whom a client certificate names, if it counts now: its holder could
// sign mail with it. Of several addresses it is the one that lists know.
// *NoLogin.
func (a *Admin) Holder(ctx context.Context, cert *x509.Certificate) (Identity, error) {
	who := Requester{Method: scenario.SMIME}
	if v := a.Trust.Judge(cert, trust.Signing, a.Clock(), nil); !v.OK() {
		return Identity{}, &NoLogin{v.Reason}
	}
	for _, text := range trust.Addresses(cert) {
		if address, err := list.ParseAddress(text); err == nil {
			who.Known = append(who.Known, address)
		}
	}
	if len(who.Known) == 0 {
		return Identity{}, &NoLogin{trust.NoAddress}
	}
	who.Address = who.Known[0]
	for _, address := range who.Known {
		held, err := a.Store.Memberships(ctx, address)
		if err != nil {
			return Identity{}, Explain(err)
		}
		if len(held) > 0 {
			who.Address = address
			break
		}
	}
	return Identity{who, cert.Raw}, nil
}

// handoverFor is how long a visitor has between the address that asks for
// certificates and the pages.
const handoverFor = 5 * time.Minute

// HandOver makes a token that carries a login from the address that asks for
// certificates to the pages. *NoLogin.
func (a *Admin) HandOver(ctx context.Context, cert *x509.Certificate) (Identity, string, error) {
	who, err := a.Holder(ctx, cert)
	if err != nil {
		return who, "", err
	}
	key, err := a.Tokens.Make(ctx, token.Handover, token.Claim{Sender: who.Address(), Object: base64.StdEncoding.EncodeToString(cert.Raw)}, handoverFor)
	if err != nil {
		return who, "", Explain(err)
	}
	return who, key, nil
}

// TakeOver redeems such a token; the certificate is judged again. *NoLogin; an
// error that wraps ErrLogin if the token is not good.
func (a *Admin) TakeOver(ctx context.Context, key string) (Identity, error) {
	claim, err := a.Tokens.Use(ctx, token.Handover, key)
	if errors.Is(err, token.ErrToken) {
		return Identity{}, ErrLogin
	}
	if err != nil {
		return Identity{}, Explain(err)
	}
	der, err := base64.StdEncoding.DecodeString(claim.Object)
	if err != nil {
		return Identity{}, Explain(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return Identity{}, Explain(err)
	}
	return a.Holder(ctx, cert)
}

// BeginSession keeps a login for some time, and returns its cookie: 256 random
// bits, of which the database knows a hash.
func (a *Admin) BeginSession(ctx context.Context, who Identity, lifetime time.Duration) (cookie string, err error) {
	value := make([]byte, 32)
	rand.Read(value)
	cookie = base64.RawURLEncoding.EncodeToString(value)
	now := a.Clock()
	err = a.Store.PutSession(ctx, store.Session{ID: sessionID(cookie), Address: who.who.Address, Known: who.who.Known, Method: string(who.who.Method),
		Clear: who.who.Clear, Certificate: who.certificate, Created: now, Expires: now.Add(lifetime)})
	if err != nil {
		return "", Explain(err)
	}
	return cookie, nil
}

// Session finds whose login a cookie is; false: nobody's. One opened with a
// certificate ends when that does not count any more: expired, revoked, blocked.
func (a *Admin) Session(ctx context.Context, cookie string) (Requester, bool, error) {
	s, err := a.Store.Session(ctx, sessionID(cookie))
	if errors.Is(err, store.ErrNotFound) {
		return Requester{}, false, nil
	}
	if err != nil {
		return Requester{}, false, Explain(err)
	}
	if len(s.Certificate) > 0 {
		cert, err := x509.ParseCertificate(s.Certificate)
		if err != nil || !a.Trust.Judge(cert, trust.Signing, a.Clock(), nil).OK() {
			return Requester{}, false, a.EndSession(ctx, cookie)
		}
	}
	return Requester{Address: s.Address, Known: s.Known, Method: scenario.Method(s.Method), Clear: s.Clear}, true, nil
}

// EndSession ends a login.
func (a *Admin) EndSession(ctx context.Context, cookie string) error {
	if err := a.Store.DropSession(ctx, sessionID(cookie)); err != nil {
		return Explain(err)
	}
	return nil
}

// EndSessions ends all logins of a person, wherever they were made, and returns
// how many those were.
func (a *Admin) EndSessions(ctx context.Context, addressText string) (int, error) {
	address, err := parseAddress(addressText)
	if err != nil {
		return 0, err
	}
	n, err := a.Store.DropSessions(ctx, address)
	if err != nil {
		return 0, Explain(err)
	}
	a.audit(ctx, "login rm", 0, address.String(), map[string]string{"ended": fmt.Sprint(n)})
	return n, nil
}

// sessionID is what the database knows a cookie by.
func sessionID(cookie string) string {
	sum := sha256.Sum256([]byte(cookie))
	return hex.EncodeToString(sum[:])
}
