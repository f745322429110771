package web

import (
	"context"
	"crypto/sha1" //nolint:gosec // browsers and mail clients show this fingerprint, too
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/limit"
	"github.com/sealist/sealist/listd/list"
)

// publicPages are what everybody may look at.
func (s *Server) publicPages(mux *http.ServeMux) {
	mux.Handle("GET /{$}", s.page((*request).home))
	mux.Handle("GET /lists/{list}", s.page((*request).list))
	mux.Handle("GET /lists/{list}/{file}", s.page((*request).certificate))
	mux.Handle("POST /lists/{list}/subscribe", s.page((*request).subscribe))
	mux.Handle("POST /lists/{list}/unsubscribe", s.page((*request).unsubscribe))
	mux.Handle("POST /language", s.page((*request).chooseLanguage))
	mux.Handle("GET /help/certificates", s.page(func(q *request) error { return q.show(http.StatusOK, "help", nil) }))
}

// home shows the lists that the visitor may know of.
func (q *request) home() error {
	lists, err := q.s.Admin.VisibleLists(q.Context(), q.who.Requester)
	if err != nil {
		return err
	}
	return q.show(http.StatusOK, "home", lists)
}

// listPage is what the page of a list shows.
type listPage struct {
	admin.ListView
	SHA256, SHA1 string // fingerprints, in pairs of hex digits
	Expired      bool
}

// list shows a list as far as the visitor may see it.
func (q *request) list() error {
	v, err := q.s.Admin.ViewList(q.Context(), q.who.Requester, q.PathValue("list"))
	if err != nil {
		return err
	}
	p := listPage{ListView: v}
	if c := v.Certificate; c != nil {
		sum := sha1.Sum(c.Raw)
		p.SHA256, p.SHA1 = pairs(v.Details.Fingerprint), pairs(hex.EncodeToString(sum[:]))
		p.Expired = c.NotAfter.Before(q.s.Clock())
	}
	q.title = v.List.Address.String()
	return q.show(http.StatusOK, "list", p)
}

// pairs writes hex digits as certificate viewers do.
func pairs(digits string) string {
	var out strings.Builder
	for i := 0; i+1 < len(digits); i += 2 {
		if i > 0 {
			out.WriteByte(':')
		}
		out.WriteString(strings.ToUpper(digits[i : i+2]))
	}
	return out.String()
}

// downloads are the forms in which a list's certificate can be had.
var downloads = map[string]struct{ form, mediaType string }{
	"cer": {admin.FormDER, "application/x-x509-email-cert"}, // what browsers hand to a mail client's store
	"pem": {admin.FormPEM, "application/x-pem-file"},
	"p7c": {admin.FormP7C, "application/pkcs7-mime; smime-type=certs-only"}, // RFC 8551 section 3.8
}

// certificate hands out a list's certificate.
func (q *request) certificate() error {
	form, ok := strings.CutPrefix(q.PathValue("file"), "certificate.")
	kind, known := downloads[form]
	ok = ok && known
	if !ok {
		return errNotFound
	}
	l, err := q.s.Admin.VisibleList(q.Context(), q.who.Requester, q.PathValue("list"), "")
	if err != nil {
		return err
	}
	octets, err := q.s.Admin.ExportKey(q.Context(), l.Address.String(), admin.KeyExport{Form: kind.form})
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", kind.mediaType)
	q.w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", fileName(l)+"."+form))
	_, err = q.w.Write(octets)
	return err
}

// fileName is a list's address as every file system takes it.
func fileName(l list.List) string {
	return strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, l.Name()+"_"+l.Address.Domain())
}

// subscribe puts the visitor on a list, or somebody unknown who names his
// address: then the scenario sends him a challenge.
func (q *request) subscribe() error {
	return q.join(func(ctx context.Context, r admin.Requester, l list.List) (admin.Done, error) {
		return q.admin().Subscribe(ctx, r, l, list.Address{}, strings.TrimSpace(q.PostFormValue("name")))
	})
}

// unsubscribe takes him off.
func (q *request) unsubscribe() error {
	return q.join(func(ctx context.Context, r admin.Requester, l list.List) (admin.Done, error) {
		return q.admin().Unsubscribe(ctx, r, l, list.Address{})
	})
}

func (q *request) join(do func(context.Context, admin.Requester, list.List) (admin.Done, error)) error {
	r := q.who.Requester
	l, err := q.s.Admin.VisibleList(q.Context(), r, q.PathValue("list"), "")
	if err != nil {
		return err
	}
	if !q.who.known {
		if r.Address, err = list.ParseAddress(strings.TrimSpace(q.PostFormValue("address"))); err != nil {
			return &admin.Error{Kind: admin.Usage, What: q.text("error.address"), Err: err}
		}
		if !q.s.mails.Allow(limit.Network(q.s.client(q.Request))) {
			return errOften
		}
	}
	done, err := do(q.Context(), r, l)
	if !q.who.known {
		return q.unproven(r.Address, "/lists/"+l.Address.String(), err)
	}
	if err != nil {
		return err
	}
	if q.who, err = q.s.visitor(q.Request); err != nil { // leaving ends logins (invariant 12)
		return err
	}
	return q.show(http.StatusOK, "told", told{done.Text, done.Lines, "/lists/" + l.Address.String()})
}

// unproven answers somebody who only says that an address is his: what came of it,
// which would tell whether it is on the list, stands in mail to that address.
func (q *request) unproven(address list.Address, back string, err error) error {
	var e *admin.Error
	if errors.As(err, &e) && e.Kind == admin.Refused && !errors.Is(err, admin.ErrRules) {
		err = nil
	}
	if err != nil {
		return err
	}
	return q.show(http.StatusOK, "told", told{Text: q.text("list.asked", address), Back: back})
}

// chooseLanguage keeps a language for a year.
func (q *request) chooseLanguage() error {
	http.SetCookie(q.w, &http.Cookie{Name: langCookie, Value: string(list.Language(q.PostFormValue("lang"))), Path: "/", MaxAge: 365 * 86400,
		HttpOnly: true, Secure: q.s.BaseURL.Scheme == "https", SameSite: http.SameSiteLaxMode})
	return q.seeOther(q.PostFormValue("back"))
}
