// Package web is the server's pages: what everybody may see of lists, logging in
// with a client certificate or a link in a mail, and a person's own page. It has
// no rules of its own: whatever it does goes through package admin, where the
// list's scenarios decide, as they do about mail.
//
// There is no JavaScript: the content security policy forbids all of it. A GET
// shows and changes nothing; only a POST acts, and only one that the browser says
// comes from these pages.
package web

import (
	"embed"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/limit"
	"github.com/sealist/sealist/listd/list"
)

// Parts is what the pages are made of.
type Parts struct {
	Admin *admin.Admin

	BaseURL        *url.URL       // where people reach the pages
	LoginURL       *url.URL       // where they are asked for a certificate; nil: nowhere
	TrustedProxies []netip.Prefix // whose X-Forwarded-For counts
	ProxySecret    string         // that a proxy shows; "": its word about certificates counts through a socket only
	Session        time.Duration  // how long a login lasts

	Lang  list.Language // of visitors who understand none of the others; "": English
	Clock func() time.Time
	Log   *slog.Logger
}

// Server is the pages. It is safe for concurrent use.
type Server struct {
	Parts
	templates templates
	locales   locales
	mails     *limit.Limiter // that strangers have sent: links to log in, and keys to come and leave
}

// mailsAnHour is how many of them leave for one network.
const mailsAnHour = 10

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed locale/*.txt
var localeFiles embed.FS

//go:embed static
var staticFiles embed.FS

// New reads the templates and texts of the pages.
func New(p Parts) (*Server, error) {
	if p.Clock == nil {
		p.Clock = time.Now
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.Lang == "" {
		p.Lang = list.English
	}
	s := &Server{Parts: p, mails: limit.New(p.Clock, mailsAnHour, time.Hour)}
	var err error
	if s.locales, err = readLocales(localeFiles); err != nil {
		return nil, err
	}
	s.templates, err = readTemplates(pageFiles)
	return s, err
}

// Handler answers requests to the pages. throughSocket says that they come
// through a unix socket, where only a proxy of this machine is.
func (s *Server) Handler(throughSocket bool) http.Handler {
	mux := http.NewServeMux()
	assets, _ := fs.Sub(staticFiles, "static") // the folder is there: it is embedded
	mux.Handle("GET /static/", http.StripPrefix("/static/", immutable(http.FileServerFS(assets))))
	s.publicPages(mux)
	s.loginPages(mux, throughSocket)
	s.memberPages(mux)
	mux.Handle("/", s.page(func(*request) error { return errNotFound }))
	return s.guarded(mux)
}

// immutable lets browsers keep what never changes under its name for a day.
func immutable(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") || r.URL.Path == "" {
			http.NotFound(w, r) // no folder is shown
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=86400")
		h.ServeHTTP(w, r)
	})
}
