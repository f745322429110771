package web

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxForm bounds what a form may carry, a certificate in it included.
const maxForm = 64 << 10

// policy is the content security policy: no script at all, nothing from
// elsewhere, no frame around.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// guarded lets through what may be answered at all.
func (s *Server) guarded(h http.Handler) http.Handler {
	sameOrigin := http.NewCrossOriginProtection() // by Sec-Fetch-Site, or by Origin and Host
	if s.LoginURL != nil {
		// The login address hands a one-time token over by a form.
		if err := sameOrigin.AddTrustedOrigin(s.LoginURL.Scheme + "://" + s.LoginURL.Host); err != nil {
			s.Log.Error("the login address is no origin", "err", err)
		}
	}
	sameOrigin.AddInsecureBypassPattern("POST /unsubscribe/{token}") // RFC 8058: mail clients post without a cookie or an origin
	foreign := s.page(func(*request) error { return errOrigin })
	sameOrigin.SetDenyHandler(foreign)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers := w.Header()
		headers.Set("Content-Security-Policy", policy)
		headers.Set("X-Content-Type-Options", "nosniff")
		headers.Set("Referrer-Policy", "same-origin") // links carry tokens
		headers.Set("Cross-Origin-Opener-Policy", "same-origin")
		headers.Set("Cross-Origin-Resource-Policy", "same-origin")
		headers.Set("Cache-Control", "no-store") // what a page shows is for its visitor
		if s.BaseURL.Scheme == "https" {
			headers.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if !s.ours(r.Host) {
			http.Error(w, "There is no such site here.", http.StatusMisdirectedRequest)
			return
		}
		if s.onlyLogin(r.Host) && r.URL.Path != "/login/certificate" && r.URL.Path != "/language" && !strings.HasPrefix(r.URL.Path, "/static/") {
			http.Redirect(w, r, s.BaseURL.JoinPath(r.URL.Path).String(), http.StatusSeeOther)
			return
		}
		if r.Body != nil {
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		}
		if unsaid(r) {
			foreign.ServeHTTP(w, r)
			return
		}
		sameOrigin.Handler(h).ServeHTTP(w, r)
	})
}

// onlyLogin tells whether a host is for logging in alone.
func (s *Server) onlyLogin(host string) bool {
	return s.LoginURL != nil && s.LoginURL.Host != s.BaseURL.Host && strings.EqualFold(host, s.LoginURL.Host)
}

// unsaid tells whether a form does not say from where it was sent, which every
// browser does. Mail clients need not (RFC 8058), nor programs, which come with a
// token instead of a cookie.
func unsaid(r *http.Request) bool {
	if strings.HasPrefix(r.URL.Path, "/unsubscribe/") || strings.HasPrefix(r.URL.Path, "/api/") || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return false
	}
	return r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == ""
}

// ours tells whether a Host field names these pages: a foreign one would get into
// links, and lets other sites' names be rebound to this machine.
func (s *Server) ours(host string) bool {
	return strings.EqualFold(host, s.BaseURL.Host) || s.LoginURL != nil && strings.EqualFold(host, s.LoginURL.Host)
}

// client is the address that a request comes from, as far as proxies that are
// trusted tell.
func (s *Server) client(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	address := peer.Addr().Unmap()
	if err == nil && !s.trusts(address) {
		return address
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		forwarded, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			return address
		}
		if address = forwarded.Unmap(); !s.trusts(address) {
			return address
		}
	}
	return address
}

func (s *Server) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(s.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}
