package web

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/list"
)

// templates are the pages, each with the frame around it.
type templates map[string]*template.Template

func readTemplates(files fs.FS) (templates, error) {
	names, err := fs.Glob(files, "pages/*.html")
	if err != nil {
		return nil, err
	}
	all := templates{}
	for _, name := range names {
		page := strings.TrimSuffix(path.Base(name), ".html")
		if page == "frame" {
			continue
		}
		t, err := template.New("frame.html").Option("missingkey=error").ParseFS(files, "pages/frame.html", name)
		if err != nil {
			return nil, fmt.Errorf("reading the pages: %w", err)
		}
		all[page] = t
	}
	return all, nil
}

// request is one request on its way through a page.
type request struct {
	*http.Request
	w     http.ResponseWriter
	s     *Server
	who   visitor
	lang  list.Language
	title string // of the page; may be empty
}

// page makes a handler of a page, which has answered when it returns nil. Its
// error is put into words here, and nowhere else.
func (s *Server) page(answer func(*request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := &request{Request: r, w: w, s: s, lang: s.language(r)}
		w.Header().Set("Vary", "Cookie, Accept-Language")
		defer func() {
			if p := recover(); p != nil { // one page harms itself only (invariant 9); the value may quote anything
				q.refuse(fmt.Errorf("panic: %T", p))
			}
		}()
		var err error
		if q.who, err = s.visitor(r); err == nil {
			err = readForm(r)
		}
		if err == nil {
			err = answer(q)
		}
		if err != nil {
			q.refuse(err)
		}
	})
}

// readForm reads what was posted, so that half a form is no form.
func readForm(r *http.Request) error {
	if r.Method != http.MethodPost {
		return nil
	}
	err := r.ParseForm()
	if err == nil {
		err = r.ParseMultipartForm(maxForm)
	}
	var large *http.MaxBytesError
	switch {
	case err == nil, errors.Is(err, http.ErrNotMultipart):
		return nil
	case errors.As(err, &large):
		return err
	}
	return errForm
}

// admin acts in the visitor's name.
func (q *request) admin() *admin.Admin {
	if !q.who.known {
		return q.s.Admin.As("somebody on the pages")
	}
	return q.s.Admin.As(q.who.Address.String())
}

// view is what a template sees.
type view struct {
	q     *request
	Data  any
	Title string
}

// T returns a text of the pages in the visitor's language.
func (v view) T(key string, args ...any) string { return v.q.text(key, args...) }

// Lang is the visitor's language.
func (v view) Lang() list.Language { return v.q.lang }

// Languages are those there are.
func (v view) Languages() []list.Language { return list.Languages() }

// Who is the visitor's address, empty if he is not known.
func (v view) Who() string {
	if !v.q.who.known {
		return ""
	}
	return v.q.who.Address.String()
}

// Here is the path of the page, to come back to.
func (v view) Here() string {
	if v.q.Method != http.MethodGet {
		return "/"
	}
	return local(v.q.URL.RequestURI())
}

// Date writes a moment as a day.
func (v view) Date(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func (q *request) text(key string, args ...any) string {
	text, ok := q.s.locales[q.lang][key]
	if !ok {
		text = key
	}
	if len(args) > 0 {
		return fmt.Sprintf(text, args...)
	}
	return text
}

// show writes a page.
func (q *request) show(status int, page string, data any) error {
	var out bytes.Buffer // whole or not at all
	title := q.title
	if title == "" {
		title = q.text(page + ".title")
	}
	if err := q.s.templates[page].Execute(&out, view{q, data, title}); err != nil {
		return fmt.Errorf("page %s: %w", page, err)
	}
	q.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	q.w.Header().Set("Content-Language", string(q.lang))
	q.w.WriteHeader(status)
	_, err := out.WriteTo(q.w)
	if err != nil {
		q.s.Log.Debug("a visitor left before the end of a page", "err", err)
	}
	return nil
}

// seeOther leads on after a POST.
func (q *request) seeOther(path string) error {
	http.Redirect(q.w, q.Request, local(path), http.StatusSeeOther)
	return nil
}

// told shows what a POST came to, in the words of admin.
type told struct {
	Text  string
	Lines []string
	Back  string
}

// Errors of the pages themselves.
var (
	errNotFound = errors.New("there is no such page")
	errOrigin   = errors.New("a form of another site")
	errLogin    = errors.New("login needed")
	errForm     = errors.New("a form that cannot be read")
	errOften    = errors.New("too often")
)

// refusal is what a visitor reads in place of a page.
type refusal struct{ Text, Hint string }

// refuse puts an error into words and a status. What failed inside stays in the
// log.
func (q *request) refuse(err error) {
	status, why := http.StatusInternalServerError, refusal{Text: q.text("error.internal")}
	var person *admin.Error
	var large *http.MaxBytesError
	var proof *admin.NoLogin
	switch {
	case errors.Is(err, errLogin) && q.Method != http.MethodGet:
		q.w.Header().Set("Location", "/login?to=/me")
		q.w.WriteHeader(http.StatusSeeOther)
		return
	case errors.Is(err, errLogin):
		q.w.Header().Set("Location", "/login?to="+template.URLQueryEscaper(local(q.URL.RequestURI())))
		q.w.WriteHeader(http.StatusSeeOther)
		return
	case errors.As(err, &proof):
		status, why = http.StatusForbidden, refusal{Text: q.text("login.untrusted", proof.Reason)}
	case errors.Is(err, admin.ErrLogin):
		status, why = http.StatusUnprocessableEntity, refusal{Text: q.text("login.late")}
	case errors.Is(err, errNotFound), admin.IsNotFound(err):
		status, why = http.StatusNotFound, refusal{Text: q.text("error.notfound")}
	case errors.Is(err, errOrigin):
		status, why = http.StatusForbidden, refusal{Text: q.text("error.origin")}
	case errors.Is(err, errOften):
		q.w.Header().Set("Retry-After", "3600")
		status, why = http.StatusTooManyRequests, refusal{Text: q.text("error.often")}
	case errors.Is(err, errForm):
		status, why = http.StatusBadRequest, refusal{Text: q.text("error.form")}
	case errors.As(err, &large):
		status, why = http.StatusRequestEntityTooLarge, refusal{Text: q.text("error.large")}
	case errors.Is(err, admin.ErrRules):
		status, why = http.StatusForbidden, refusal{Text: q.text("error.rules"), Hint: admin.Explain(err).What}
	case errors.As(err, &person) && person.Kind != admin.Environment:
		status, why = http.StatusUnprocessableEntity, refusal{person.What, person.Hint}
	default:
		q.s.Log.Error("a page failed", "method", q.Method, "path", q.Pattern, "err", err)
	}
	q.title = q.text("error.title")
	if err := q.show(status, "refusal", why); err != nil {
		q.s.Log.Error("a page failed", "err", err)
	}
}
