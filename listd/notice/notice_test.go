package notice_test

import (
	"fmt"
	"mime"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime/entity"
)

var stamp = notice.Stamp{MessageID: "<1@lists.example.org>", Date: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}

func newNotices(t *testing.T, s notice.Site) *notice.Notices {
	t.Helper()
	s.Address = list.MustParseAddress("listmaster@lists.example.org")
	n, err := notice.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func team(lang list.Language) list.List {
	return list.List{ID: 1, Address: list.MustParseAddress("team@lists.example.org"), Policy: list.Policy{Lang: lang}}
}

// fields are those of service mail.
var fields = map[string]bool{"From": true, "Reply-To": true, "To": true, "Subject": true, "Date": true, "Message-ID": true, "In-Reply-To": true, "References": true,
	"Auto-Submitted": true, "X-Auto-Response-Suppress": true, "MIME-Version": true, "Content-Type": true, "Content-Transfer-Encoding": true}

// evils are what a stranger may write into a name, the subject of a certificate, a reason, a line of a report.
var evils = map[string]string{
	"field": "x\r\nBcc: e@x", "field by LF": "x\nBcc: e@x", "field by CR": "x\rBcc: e@x", "body": "x\r\n\r\nBcc: e@x", "NUL": "x\x00Bcc: e@x",
	"not UTF-8": "\xff\n\nBcc: e@x", "line separator": "x\u2028Bcc: e@x", "next line": "x\u0085Bcc: e@x", "right to left": "x\u202eBcc: e@x",
	"encoded word": "=?utf-8?q?x?=\r\n =?utf-8?q?=0D=0ABcc:_e@x?=", "action": "{{.list}}{{range .lines}}", "long": strings.Repeat("ü", 2000) + "\nBcc: e@x",
	"HTML": "</pre><script>alert(1)</script><a href='https://evil.example/'>", "1 MB": strings.Repeat("x", 1<<20), "1 MB of lines": strings.Repeat("y\r\n", 1<<20/3),
	"dots": ".\r\n.\r\nQUIT", "boundary": "\r\n--x--\r\nContent-Type: text/html",
}

// TestNothingBreaksOut puts what strangers write into every variable of every template in every language, one after the other
// and all at once (invariant 6). Mail comes out, with the fields of service mail and no others, bounded, as plain text, and no
// line of it is a stranger's.
func TestNothingBreaksOut(t *testing.T) {
	n := newNotices(t, notice.Site{})
	attacked := 0
	for _, lang := range list.Languages() {
		for _, entry := range n.Names(list.List{}, lang) {
			l, benign, ok := n.Example(entry.Name, team(lang), list.MustParseAddress("jürgen@bücher.example"))
			if !ok {
				t.Fatal(entry.Name)
			}
			l.Description = evils["field"]
			want := header(t, render(t, n, l, benign))
			for what, evil := range evils {
				for _, name := range append(entry.Variables, "every") {
					nt := benign
					nt.Params = map[string]string{"message_id": evil}
					for k, v := range benign.Params {
						if nt.Params[k] = v; k == name || name == "every" {
							nt.Params[k] = evil
						}
					}
					if name == "lines" || name == "every" {
						nt.Lines = []string{evil, evil, evil}
						if what == "1 MB" {
							nt.Lines = []string{strings.Repeat(evil, 3), evil, strings.Repeat("z", 999)}
							for range 5000 {
								nt.Lines = append(nt.Lines, nt.Lines[2])
							}
						}
					}
					attack(t, fmt.Sprintf("%s, %s, %s of %s", lang, what, name, entry.Name), render(t, n, l, nt), want)
					attacked++
				}
			}
		}
	}
	if attacked < 3*28*len(evils) {
		t.Errorf("%d attacks only", attacked)
	}
}

func render(t *testing.T, n *notice.Notices, l list.List, nt store.Notice) notice.Message {
	t.Helper()
	m, err := n.Render(l, nt, stamp)
	if err != nil {
		t.Fatalf("%s: %v", nt.Template, err)
	}
	return m
}

// header returns the names of the fields, but for those that follow a Message-ID which can be quoted.
func header(t *testing.T, m notice.Message) string {
	t.Helper()
	var names []string
	for _, f := range parse(t, m.Octets()).Header() {
		if !f.Is("In-Reply-To") && !f.Is("References") && !f.Is("Reply-To") {
			names = append(names, f.Name)
		}
	}
	return strings.Join(names, " ")
}

func parse(t *testing.T, octets []byte) *entity.Entity {
	t.Helper()
	e, err := entity.Parse(octets, entity.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func attack(t *testing.T, what string, m notice.Message, want string) {
	t.Helper()
	octets := m.Octets()
	if got := header(t, m); got != want {
		t.Errorf("%s: the fields %s, want %s", what, got, want)
	}
	if len(octets) > 1<<20 { // quoted-printable makes three octets of one
		t.Errorf("%s: %d octets", what, len(octets))
	}
	e := parse(t, octets)
	for _, f := range e.Header() {
		if !fields[f.Name] || len(f.Raw) > 8000 {
			t.Errorf("%s: the field %q of %d octets", what, f.Name, len(f.Raw))
		}
	}
	if typ, params := e.MediaType(); typ != "text/plain" || params["charset"] != "utf-8" {
		t.Errorf("%s: %s %v", what, typ, params)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(e.Header().Get("Subject"))
	if err != nil || strings.ContainsAny(subject, "\r\n\x00") {
		t.Errorf("%s: Subject %q, %v", what, subject, err)
	}
	body, err := e.Decoded()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(body), "\r\n") {
		if strings.HasPrefix(line, "Bcc") || strings.HasPrefix(line, "QUIT") || strings.HasPrefix(line, "--x") || strings.ContainsAny(line, "\r\n\x00\u2028\u0085\u202e") {
			t.Errorf("%s: the line %.80q", what, line)
		}
	}
	// The same, protected: the fields of the mail stand in the part that is signed, and each once.
	for _, sealed := range []bool{false, true} {
		p, err := m.Payload(sealed)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for _, f := range p.Header() {
			if !fields[f.Name] && f.Name != "HP-Outer" {
				t.Errorf("%s, sealed %v: the field %q", what, sealed, f.Name)
			}
		}
		if len(p.Header().All("Subject")) != 1 || len(p.Header().All("HP-Outer")) > 0 != sealed {
			t.Errorf("%s, sealed %v: %d HP-Outer", what, sealed, len(p.Header().All("HP-Outer")))
		}
	}
}

// TestLanguages: every notice says something in every language, in lines that can be read.
func TestLanguages(t *testing.T) {
	n := newNotices(t, notice.Site{})
	english := n.Names(list.List{}, list.English)
	for _, lang := range list.Languages() {
		for _, e := range english {
			l, nt, _ := n.Example(e.Name, team(lang), list.Address{})
			body, err := parse(t, render(t, n, l, nt).Octets()).Decoded()
			if err != nil || len(body) < 20 {
				t.Errorf("%s: %s says %q, %v", lang, e.Name, body, err)
			}
			for line := range strings.SplitSeq(string(body), "\r\n") {
				if len([]rune(line)) > 100 {
					t.Errorf("%s: %s has a long line: %s", lang, e.Name, line)
				}
			}
		}
	}
}

// TestFields is RFC 3834 over all notices: what answers a message says so and names it, all else says that a program wrote it,
// and answers reach somebody who can do something with them.
func TestFields(t *testing.T) {
	answering := map[string]bool{"not_accepted": true, "refused": true, "in_clear": true, "not_anonymous": true, "not_all": true, "challenge": true,
		"rejected": true, "command_report": true, "archived_post": true}
	toRobot := map[string]bool{"challenge": true, "moderate": true, "member_request": true}
	n := newNotices(t, notice.Site{})
	for _, e := range n.Names(list.List{}, "") {
		for _, signer := range []list.Address{{}, list.MustParseAddress("team@lists.example.org")} {
			l, nt, _ := n.Example(e.Name, team(""), list.Address{})
			s := stamp
			s.Signer = signer
			m, err := n.Render(l, nt, s)
			if err != nil {
				t.Fatal(err)
			}
			h := parse(t, m.Octets()).Header()
			auto, id := "auto-generated", ""
			if answering[e.Name] {
				auto, id = "auto-replied", nt.Params["message_id"]
			}
			from := "team-owner@lists.example.org"
			if notice.OfSite(e.Name) {
				from = "listmaster@lists.example.org"
			}
			reply := from
			if toRobot[e.Name] {
				reply = "team-request@lists.example.org"
			}
			if !signer.IsZero() {
				from = signer.String()
			}
			if reply == from {
				reply = ""
			}
			for name, want := range map[string]string{"Auto-Submitted": auto, "In-Reply-To": id, "References": id, "From": "<" + from + ">", "Reply-To": bracketed(reply),
				"X-Auto-Response-Suppress": "All", "Date": "Mon, 23 Nov 2026 09:00:00 +0000", "Message-ID": stamp.MessageID, "Precedence": "", "Return-Path": ""} {
				if got := h.Get(name); got != want {
					t.Errorf("%s, signed by %q: %s %q, want %q", e.Name, signer, name, got, want)
				}
			}
		}
	}
}

func bracketed(s string) string {
	if s == "" {
		return ""
	}
	return "<" + s + ">"
}

// TestDocumented: the page names every notice, and each of its variables.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/notices.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range newNotices(t, notice.Site{}).Names(list.List{}, "") {
		_, row, ok := strings.Cut(string(page), "| `"+e.Name+"` | ")
		row, _, _ = strings.Cut(row, "\n")
		if !ok || strings.Contains(row, "an answer") != e.Answer || strings.Contains(row, "of no list") != notice.OfSite(e.Name) {
			t.Errorf("%s: %s", e.Name, row)
		}
		for _, v := range e.Variables {
			if !strings.Contains(row, "`"+v+"`") {
				t.Errorf("%s: nothing of %s", e.Name, v)
			}
		}
	}
}
