package web

import (
	"io"
	"net/http"
	"strings"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/list"
)

// memberPages are a person's own.
func (s *Server) memberPages(mux *http.ServeMux) {
	mux.Handle("GET /me", s.page((*request).me))
	mux.Handle("POST /me/lists/{list}", s.page((*request).set))
	mux.Handle("POST /me/certificate", s.page((*request).pin))
	mux.Handle("POST /me/certificate/unpin", s.page((*request).unpin))
	mux.Handle("GET /unsubscribe/{token}", s.page((*request).leaving))
	mux.Handle("POST /unsubscribe/{token}", s.page((*request).leave))
}

// minePage is what a person's page shows.
type minePage struct {
	admin.Mine
	Modes []string
}

func (q *request) me() error {
	if !q.who.known {
		return errLogin
	}
	m, err := q.s.Admin.Mine(q.Context(), q.who.Requester)
	if err != nil {
		return err
	}
	modes := []string{string(list.ReceiveMail), string(list.ReceiveNotMe), string(list.ReceiveDigest), string(list.ReceiveNotice), string(list.ReceiveNoMail), "conceal", "noconceal"}
	return q.show(http.StatusOK, "me", minePage{m, modes})
}

// set changes how he gets the posts of a list.
func (q *request) set() error {
	if !q.who.known {
		return errLogin
	}
	l, err := q.s.Admin.VisibleList(q.Context(), q.who.Requester, q.PathValue("list"), "")
	if err != nil {
		return err
	}
	if _, err := q.admin().Set(q.Context(), q.who.Requester, l, q.PostFormValue("mode")); err != nil {
		return err
	}
	return q.seeOther("/me")
}

// pin has a certificate used for him: a file, or what was pasted.
func (q *request) pin() error {
	if !q.who.known {
		return errLogin
	}
	octets, err := q.upload("certificate")
	if err != nil {
		return err
	}
	if _, err := q.s.Admin.PinOwn(q.Context(), q.who.Requester, q.FormValue("address"), octets); err != nil {
		return err
	}
	return q.seeOther("/me")
}

func (q *request) unpin() error {
	if !q.who.known {
		return errLogin
	}
	if _, err := q.s.Admin.UnpinOwn(q.Context(), q.who.Requester, q.PostFormValue("address")); err != nil {
		return err
	}
	return q.seeOther("/me")
}

// upload reads a file of a form, or the text field of that name.
func (q *request) upload(name string) ([]byte, error) {
	if q.MultipartForm != nil && len(q.MultipartForm.File[name]) == 1 && q.MultipartForm.File[name][0].Size > 0 {
		f, err := q.MultipartForm.File[name][0].Open()
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(f)
	}
	return []byte(q.PostFormValue(name + "_text")), nil
}

// leaving shows whom a link of RFC 8058 takes off which list; it takes nobody.
func (q *request) leaving() error {
	l, _, err := q.s.Admin.Subscription(q.Context(), q.PathValue("token"))
	if err != nil {
		return err
	}
	return q.show(http.StatusOK, "leaving", struct {
		List  list.Address // and not whose link it is: the copy may have been passed on
		Token string
	}{l.Address, q.PathValue("token")})
}

// leave takes him off. Mail clients post without a cookie; who has left already
// hears the same.
func (q *request) leave() error {
	l, m, err := q.s.Admin.Subscription(q.Context(), q.PathValue("token"))
	if err != nil {
		return err
	}
	if got := strings.TrimSpace(q.PostFormValue("List-Unsubscribe")); got != "One-Click" {
		return &admin.Error{Kind: admin.Usage, What: q.text("leaving.form")}
	}
	done, err := q.s.Admin.LeaveByLink(q.Context(), l, m)
	if err != nil {
		return err
	}
	_, still, err := q.s.Admin.Subscription(q.Context(), q.PathValue("token"))
	if err != nil {
		return err
	}
	if !still.Address.IsZero() { // the owners decide
		return q.show(http.StatusOK, "told", told{Text: done.Text, Back: "/"})
	}
	return q.show(http.StatusOK, "told", told{Text: q.text("leaving.done", l.Address), Back: "/"})
}
