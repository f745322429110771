package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/trust"
)

// cookieName has the prefix that browsers take from https alone, for this host
// alone; without https, on loopback, they would not take it at all.
func (s *Server) cookieName() string {
	if s.BaseURL.Scheme == "https" {
		return "__Host-sealist"
	}
	return "sealist"
}

// visitor is who looks at a page.
type visitor struct {
	session *store.Session // nil: nobody known
}

// known tells whether it is known who that is.
func (v visitor) known() bool { return v.session != nil }

// requester is the visitor as scenarios see him.
func (v visitor) requester() admin.Requester {
	if v.session == nil {
		return admin.Requester{Method: scenario.SMTP}
	}
	return admin.Requester{Address: v.session.Address, Known: v.session.Known, Method: scenario.Method(v.session.Method), Clear: v.session.Clear}
}

// visitor finds the login of a request. One opened with a certificate ends when
// that certificate does not count any more: expired, revoked, blocked.
func (s *Server) visitor(r *http.Request) (visitor, error) {
	cookie, err := r.Cookie(s.cookieName())
	if err != nil {
		return visitor{}, nil
	}
	session, err := s.Sessions.Session(r.Context(), sessionID(cookie.Value))
	if errors.Is(err, store.ErrNotFound) {
		return visitor{}, nil
	}
	if err != nil {
		return visitor{}, err
	}
	if len(session.Certificate) > 0 {
		cert, err := x509.ParseCertificate(session.Certificate)
		if err != nil || !s.Judge.Judge(cert, trust.Signing, s.Clock(), nil).OK() {
			return visitor{}, s.Sessions.DropSession(r.Context(), session.ID)
		}
	}
	return visitor{&session}, nil
}

// sessionID is what the database knows a cookie by.
func sessionID(cookie string) string {
	sum := sha256.Sum256([]byte(cookie))
	return hex.EncodeToString(sum[:])
}

// identity is whom a login proved somebody to be.
type identity struct {
	address     list.Address
	known       []list.Address
	method      scenario.Method
	clear       bool   // by a link in clear mail
	certificate []byte // DER
}

// begin opens a session with a cookie of its own: one that was there before, and
// may have been planted, ends.
func (s *Server) begin(ctx context.Context, w http.ResponseWriter, r *http.Request, who identity) error {
	if err := s.end(ctx, w, r); err != nil {
		return err
	}
	value := make([]byte, 32)
	rand.Read(value)
	cookie := base64.RawURLEncoding.EncodeToString(value)
	now := s.Clock()
	err := s.Sessions.PutSession(ctx, store.Session{ID: sessionID(cookie), Address: who.address, Known: who.known, Method: string(who.method), Clear: who.clear,
		Certificate: who.certificate, Created: now, Expires: now.Add(s.Session)})
	if err != nil {
		return err
	}
	http.SetCookie(w, s.cookie(cookie, int(s.Session/time.Second)))
	return nil
}

// end ends the session of a request, if it has one.
func (s *Server) end(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	cookie, err := r.Cookie(s.cookieName())
	if err != nil {
		return nil
	}
	http.SetCookie(w, s.cookie("", -1))
	return s.Sessions.DropSession(ctx, sessionID(cookie.Value))
}

func (s *Server) cookie(value string, age int) *http.Cookie {
	return &http.Cookie{Name: s.cookieName(), Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: s.BaseURL.Scheme == "https", SameSite: http.SameSiteLaxMode}
}

// local makes a path of these pages of what a form says, to lead back there.
func local(to string) string {
	u, err := url.Parse(to) // which refuses control characters
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, "/") {
		return "/"
	}
	// Browsers take "//" and "/\" for the beginning of a host.
	return (&url.URL{Path: path.Clean(u.Path), RawQuery: u.RawQuery}).String()
}
