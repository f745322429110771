// Package api is the JSON API under /api/v1: the verbs of the listmaster command
// as resources, for programs that act for a person. It has no rules of its own
// and no way around them: all it gets to hold is an admin.Person, whose methods
// decide.
//
// Whoever asks shows a token (RFC 6750). Cookies are not looked at, so that no
// page of another site can have a browser ask for it, and no other origin is
// ever allowed to read an answer.
package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/limit"
)

// Base is the path that all resources are under.
const Base = "/api/v1"

// How much one client gets: requests with a token, and requests of a network
// whose token is none, each within a minute.
const (
	perToken  = 600
	perFailed = 30
	within    = time.Minute
)

// Parts is what the API is made of.
type Parts struct {
	// Bearer finds the person whose token it is: an error that wraps admin.ErrBearer if it is nobody's.
	Bearer func(ctx context.Context, token string) (admin.Person, admin.APIToken, error)
	Client func(*http.Request) netip.Addr // where a request comes from
	Host   string                         // that requests must name
	Clock  func() time.Time
	Log    *slog.Logger
}

// Server is the API. It is safe for concurrent use.
type Server struct {
	Parts
	mux          *http.ServeMux
	tokens, lost *limit.Limiter
}

// New makes the API.
func New(p Parts) *Server {
	if p.Clock == nil {
		p.Clock = time.Now
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{Parts: p, mux: http.NewServeMux(), tokens: limit.New(p.Clock, perToken, within), lost: limit.New(p.Clock, perFailed, within)}
	for _, r := range routes() {
		s.mux.Handle(r.method+" "+Base+r.path, s.handler(r))
	}
	s.mux.HandleFunc("GET "+Base+"/openapi.json", s.openAPI)
	return s
}

// call is one request on its way.
type call struct {
	*http.Request
	w http.ResponseWriter
	admin.Person
	token admin.APIToken
}

// Errors of the API itself.
var (
	errToken     = errors.New("no token")
	errScope     = errors.New("not in the scope of the token")
	errOften     = errors.New("too often")
	errMediaType = errors.New("not a body of this kind")
	errBody      = errors.New("not a body that can be read")
)

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if !strings.EqualFold(r.Host, s.Host) { // a foreign name may have been rebound to this machine
		write(w, problem{Status: http.StatusMisdirectedRequest, Detail: "There is no such site here."})
		return
	}
	if _, pattern := s.mux.Handler(r); pattern == "" {
		s.unknown(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// unknown answers what no route is for.
func (s *Server) unknown(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := s.mux.Handler(other); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		write(w, problem{Status: http.StatusNotFound, Detail: "There is nothing here.", Hint: Base + "/openapi.json tells what there is."})
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	write(w, problem{Status: http.StatusMethodNotAllowed, Detail: "This takes " + strings.Join(allowed, " or ") + "."})
}

// handler makes a handler of a route.
func (s *Server) handler(route route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil { // one request harms itself only (invariant 9); the value may quote anything
				s.Log.Error("a request to the API panicked", "route", route.method+" "+route.path, "panic", panicKind(p))
				write(w, problem{Status: http.StatusInternalServerError, Detail: "The server made a mistake; its log has the place."})
			}
		}()
		c := &call{Request: r, w: w}
		err := s.admit(c, route)
		if err == nil {
			err = route.knows(r.URL.Query())
		}
		if err == nil {
			r.Body = http.MaxBytesReader(w, r.Body, route.most)
			err = route.serve(c)
		}
		if err != nil {
			s.refuse(c, route, err)
		}
	})
}

// admit finds out who asks, and whether his token is for this.
func (s *Server) admit(c *call, route route) error {
	var err error
	if c.Person, c.token, err = s.Bearer(c.Context(), bearer(c.Header)); errors.Is(err, admin.ErrBearer) {
		if !s.lost.Allow(limit.Network(s.Client(c.Request))) { // whoever has a token is not kept out by others of his network
			return errOften
		}
		return errToken
	} else if err != nil {
		return err
	}
	if !s.tokens.Allow(c.token.ID) {
		return errOften
	}
	for _, scope := range c.token.Scopes {
		if admin.Scope(scope) == route.scope {
			return nil
		}
	}
	return errScope
}

// bearer is the token of the only Authorization field; empty if there is none.
func bearer(h http.Header) string {
	fields := h.Values("Authorization")
	if len(fields) != 1 {
		return ""
	}
	scheme, token, ok := strings.Cut(fields[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
