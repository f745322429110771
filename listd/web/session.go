package web

import (
	"context"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/admin"
)

// cookieName has the prefix that browsers take from https alone, for this host
// alone; without https, on loopback, they would not take it at all.
func (s *Server) cookieName() string {
	if s.BaseURL.Scheme == "https" {
		return "__Host-sealist"
	}
	return "sealist"
}

// visitor is who looks at a page: nobody known, or somebody who has logged in.
type visitor struct {
	admin.Requester
	known bool
}

// visitor finds the login of a request.
func (s *Server) visitor(r *http.Request) (visitor, error) {
	cookie, err := r.Cookie(s.cookieName())
	if err != nil {
		return visitor{Requester: admin.Anonymous()}, nil
	}
	who, known, err := s.Admin.Session(r.Context(), cookie.Value)
	if !known {
		who = admin.Anonymous()
	}
	return visitor{who, known}, err
}

// begin opens a session with a cookie of its own: one that was there before, and
// may have been planted, ends.
func (s *Server) begin(ctx context.Context, w http.ResponseWriter, r *http.Request, who admin.Identity) error {
	if err := s.end(ctx, w, r); err != nil {
		return err
	}
	cookie, err := s.Admin.BeginSession(ctx, who, s.Session)
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
	return s.Admin.EndSession(ctx, cookie.Value)
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
