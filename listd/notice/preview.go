package notice

import (
	"cmp"
	"maps"
	"mime"
	"slices"
	"strings"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/entity"
)

// Entry is a notice that there is.
type Entry struct {
	Name      string   `json:"name"`
	Answer    bool     `json:"answer"`    // it answers a message (RFC 3834)
	Variables []string `json:"variables"` // that its template may take, beside to, list and owner
	From      string   `json:"from"`      // path of the site's template, or "built in"
	Fault     string   `json:"fault,omitempty"`
}

// BuiltIn is the origin of a template that lies in no folder.
const BuiltIn = "built in"

// Names returns all notices, as a list has them, in the order of their names. The zero list has those of the site.
func (n *Notices) Names(of list.List, lang list.Language) []Entry {
	var all []Entry
	for _, name := range slices.Sorted(maps.Keys(n.shipped[list.English])) {
		e := Entry{Name: name, Answer: answers[name], Variables: []string{}, From: BuiltIn}
		for _, v := range slices.Sorted(maps.Keys(n.shipped[list.English][name].variables)) {
			if !slices.Contains(common, v) {
				e.Variables = append(e.Variables, v)
			}
		}
		whose := of
		if OfSite(name) {
			whose = list.List{}
		}
		if _, path, err := n.override(whose.Address, cmp.Or(lang, n.language(whose)), name); path != "" {
			if e.From = path; err != nil {
				e.Fault = err.Error()
			}
		}
		all = append(all, e)
	}
	return all
}

// Example returns a notice as it might be, about a list or none, and the list it is of.
func (n *Notices) Example(name string, l list.List, to list.Address) (list.List, store.Notice, bool) {
	if _, ok := n.shipped[list.English][name]; !ok {
		return l, store.Notice{}, false
	}
	l, nt := n.example(name, l, to)
	return l, nt, true
}

func (n *Notices) example(name string, l list.List, to list.Address) (list.List, store.Notice) {
	switch {
	case OfSite(name):
		l = list.List{}
	case l.Address.IsZero():
		l.Address = list.MustParseAddress("team@lists.example.org")
	}
	if to.IsZero() {
		to = list.MustParseAddress("alice@example.org")
	}
	nt := store.Notice{Template: name, List: l.ID, To: to, Params: maps.Clone(examples), Lines: []string{"the first of several lines", "the second"}}
	for name := range n.shipped[list.English][name].variables {
		if _, ok := nt.Params[name]; !ok && name != lineList && !slices.Contains(common, name) {
			nt.Params[name] = "(" + name + ")"
		}
	}
	if !l.Address.IsZero() {
		nt.Params["robot"], nt.Params["request"] = l.Request().String(), l.Request().String()
		if l.Description != "" {
			nt.Params["description"] = l.Description
		}
	}
	return l, nt
}

// examples are values of the variables that notices have. A variable that is not here is shown by its own name.
var examples = map[string]string{
	"address":     "team@lists.example.org",
	"added":       "alice@example.net",
	"count":       "3",
	"counts":      "yes",
	"date":        "Mon, 23 Nov 2026 09:30:00 +0100",
	"days":        "14",
	"description": "what the list is for",
	"email":       "bob@example.org",
	"expired":     "",
	"expires":     "2028-11-23",
	"failed":      "1",
	"fingerprint": "3f8a5d0c2b7e914466a1d90e5c7b20f8d4e6a3b19c58072fe1d3b4a6978c5e02",
	"from":        "bob@example.org",
	"host":        "lists.example.org",
	"id":          "2026-11/12",
	"issuer":      "CN=Example CA,O=Example",
	"kept":        "7d",
	"key":         "k7q2mf5wxn3tz8rd",
	"message_id":  "<20261123093000.1@mail.example.org>",
	"method":      "smtp",
	"missed":      "yes",
	"name":        "Bob Example",
	"operation":   "subscribe",
	"person":      "alice@example.org",
	"reason":      "no certificate found",
	"received":    "Mon, 23 Nov 2026 08:30:00 +0000",
	"relayed":     "41",
	"request":     "team-request@lists.example.org",
	"robot":       "sealist@lists.example.org",
	"subject":     "CN=Alice Example,O=Example",
	"until":       "2026-11-30 08:30 UTC",
	"waiting":     "2",
	"what":        "to put alice@example.org on the list team@lists.example.org",
	"why":         "editorkey",
	"withheld":    "2",
}

// Read returns the message in clear as a person reads it: names and values of its fields, and the text, in lines that end in LF.
func (m Message) Read() (header [][2]string, text string, err error) {
	e, err := entity.Parse(m.Octets(), entity.DefaultLimits())
	if err != nil {
		return nil, "", err
	}
	for _, f := range e.Header() {
		value := f.Value()
		if decoded, err := new(mime.WordDecoder).DecodeHeader(value); err == nil {
			value = decoded
		}
		header = append(header, [2]string{f.Name, value})
	}
	octets, err := e.Decoded()
	return header, strings.ReplaceAll(string(octets), "\r\n", "\n"), err
}
