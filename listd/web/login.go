package web

import (
	"net/http"
	"strings"

	"github.com/sealist/sealist/listd/limit"
	"github.com/sealist/sealist/listd/list"
)

// loginPages are the ways in and out.
func (s *Server) loginPages(mux *http.ServeMux, throughSocket bool) {
	mux.Handle("GET /login", s.page(func(q *request) error { return q.login(throughSocket) }))
	mux.Handle("POST /login/mail", s.page((*request).mailLink))
	mux.Handle("GET /login/link/{token}", s.page((*request).link))
	mux.Handle("POST /login/link/{token}", s.page((*request).useLink))
	mux.Handle("GET /login/certificate", s.page(func(q *request) error { return q.presented(throughSocket) }))
	mux.Handle("POST /login/continue", s.page((*request).useHandover))
	mux.Handle("POST /logout", s.page((*request).logout))
	mux.Handle("POST /logout/everywhere", s.page((*request).logoutEverywhere))
}

// loginPage is what the page of ways in shows.
type loginPage struct {
	To          string // where to go then
	Certificate string // where a certificate is asked for; empty: nowhere
}

func (q *request) login(throughSocket bool) error {
	p := loginPage{To: local(q.FormValue("to"))}
	if q.s.LoginURL != nil {
		p.Certificate = q.s.LoginURL.JoinPath("/login/certificate").String()
	} else if _, asks := once(q.Header, verifyField); asks && q.believed(throughSocket) {
		p.Certificate = "/login/certificate" // the proxy asks everybody
	}
	return q.show(http.StatusOK, "login", p)
}

// mailLink sends a link to an address. The answer is the same whether anybody is
// known there.
func (q *request) mailLink() error {
	address, err := list.ParseAddress(strings.TrimSpace(q.PostFormValue("address")))
	if err != nil {
		return q.show(http.StatusUnprocessableEntity, "refusal", refusal{Text: q.text("error.address")})
	}
	if !q.s.mails.Allow(limit.Network(q.s.client(q.Request))) {
		return errOften
	}
	err = q.s.Admin.SendLogin(q.Context(), address, q.s.BaseURL.Host, func(token string) string {
		return q.s.BaseURL.JoinPath("/login/link/", token).String()
	})
	if err != nil {
		return err
	}
	return q.show(http.StatusOK, "told", told{Text: q.text("login.sent", address), Back: "/"})
}

// link shows a button: mail scanners follow links, and press none.
func (q *request) link() error { return q.show(http.StatusOK, "link", q.PathValue("token")) }

func (q *request) useLink() error {
	who, err := q.s.Admin.UseLogin(q.Context(), q.PathValue("token"))
	if err != nil {
		return err
	}
	if err := q.s.begin(q.Context(), q.w, q.Request, who); err != nil {
		return err
	}
	return q.seeOther("/")
}

func (q *request) logout() error {
	if err := q.s.end(q.Context(), q.w, q.Request); err != nil {
		return err
	}
	return q.seeOther("/")
}

// logoutEverywhere ends the visitor's logins in all browsers.
func (q *request) logoutEverywhere() error {
	if !q.who.known {
		return errLogin
	}
	if _, err := q.admin().EndSessions(q.Context(), q.who.Address.String()); err != nil {
		return err
	}
	return q.logout()
}
