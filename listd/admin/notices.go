package admin

import (
	"context"
	"errors"
	"slices"

	"github.com/sealist/sealist/listd/keyring"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
)

// ListNotices returns the notices there are, as a list has them, or the site for an empty text; in a language, or the list's.
func (a *Admin) ListNotices(ctx context.Context, listText, lang string) ([]notice.Entry, error) {
	var of list.List
	language, err := parseLanguage(lang)
	if err == nil && listText != "" {
		of, err = a.list(ctx, listText)
	}
	if err != nil {
		return nil, err
	}
	return some(a.Notices.Names(of, language)), nil
}

// NoticePreview asks what a notice would look like.
type NoticePreview struct {
	List     string // whose it is
	Template string
	Lang     string // "": the list's
	To       string // "": somebody
}

// PreviewedNotice is a notice as its reader would see it.
type PreviewedNotice struct {
	Template string      `json:"template"`
	From     string      `json:"from"`             // path of the site's template, or "built in"
	Fault    string      `json:"fault,omitempty"`  // why the site's template is not used
	Signed   bool        `json:"signed"`           // by the list's key
	Reason   string      `json:"reason,omitempty"` // why it would wait for the list's key
	Header   [][2]string `json:"header"`           // names and values, decoded
	Text     string      `json:"text"`
}

// PreviewNotice writes a notice about things that did not happen. Nothing is sent or stored.
func (a *Admin) PreviewNotice(ctx context.Context, p NoticePreview) (PreviewedNotice, error) {
	shown := PreviewedNotice{Template: p.Template}
	l, err := a.list(ctx, p.List)
	if err != nil {
		return shown, err
	}
	lang, err := parseLanguage(p.Lang)
	if err != nil {
		return shown, err
	}
	var to list.Address
	if p.To != "" {
		if to, err = parseAddress(p.To); err != nil {
			return shown, err
		}
	}
	if lang != "" {
		l.Policy.Lang = lang
	}
	of, nt, ok := a.Notices.Example(p.Template, l, to)
	if !ok {
		return shown, usage("`listmaster notice ls` shows those there are", "there is no notice %s", Printable(p.Template))
	}
	if lang != "" { // what is of no list has the site's, unless another is asked for
		of.Policy.Lang = lang
	}
	names := a.Notices.Names(l, lang)
	i := slices.IndexFunc(names, func(e notice.Entry) bool { return e.Name == p.Template })
	shown.From, shown.Fault = names[i].From, names[i].Fault
	stamp := notice.Stamp{MessageID: "<notice-1-1@" + l.Address.Domain() + ">", Date: a.Clock()}
	if of.ID != 0 {
		_, signs, err := a.Keyring.SigningKey(ctx, of.ID, a.Clock())
		switch {
		case errors.Is(err, keyring.ErrLocked) || errors.Is(err, keyring.ErrNotNow):
			shown.Reason = err.Error()
		case err != nil:
			return shown, Explain(err)
		}
		if shown.Signed = signs; signs {
			stamp.Signer = of.Address
		}
	}
	m, err := a.Notices.Render(of, nt, stamp)
	if err != nil {
		return shown, Explain(err)
	}
	if shown.Header, shown.Text, err = m.Read(); err != nil {
		return shown, Explain(err)
	}
	return shown, nil
}

// parseLanguage reads the code of a language; "" is none.
func parseLanguage(text string) (list.Language, error) {
	lang := list.Language(text)
	if text != "" && !slices.Contains(list.Languages(), lang) {
		return "", usage("", "there is no language %s; write en, fr or de", Printable(text))
	}
	return lang, nil
}
