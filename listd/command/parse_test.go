package command_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/command"
	"github.com/sealist/sealist/smime/entity"
)

// show writes commands in one line each, for tables.
func show(all []command.Command, p *command.Problem) string {
	var out []string
	for _, c := range all {
		s := string(c.Verb)
		if c.Quiet {
			s = "quiet " + s
		}
		for _, part := range []string{c.List, c.Address.String(), c.Key, string(c.Mode), c.What} {
			if part != "" {
				s += " " + part
			}
		}
		if c.Name != "" {
			s += fmt.Sprintf(" %q", c.Name)
		}
		if c.Conceal != nil {
			s += fmt.Sprint(" conceal=", *c.Conceal)
		}
		out = append(out, s)
	}
	if p != nil {
		out = append(out, "! "+p.Why)
	}
	return strings.Join(out, "; ")
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"subscribe staff Anna Maria Ber", `SUBSCRIBE staff "Anna Maria Ber"`},
		{"SUB staff@lists.example.org", "SUBSCRIBE staff@lists.example.org"},
		{"quiet add staff ben@example.org Ben", `quiet ADD staff ben@example.org "Ben"`},
		{"  sig * ", "SIGNOFF *"},
		{"uns staff anna@example.org", "SIGNOFF staff anna@example.org"},
		{"unsubscribe staff", "SIGNOFF staff"},
		{"set staff not_me\nset * conceal\nset staff eachmail", "SET staff not_me; SET * conceal=true; SET staff mail"},
		{"set staff sometimes", "! write it as SET LIST|* MODE"},
		{"set staff", "! write it as SET LIST|* MODE"},
		{"con abc123\nauth abc subscribe staff", "CONFIRM abc123; AUTH abc subscribe staff"},
		{"dis staff k3y", "DISTRIBUTE staff k3y"},
		{"rej staff k3y not here", "REJECT staff k3y not here"},
		{"who staff\nstatus\nsos\nlis", "REVIEW staff; WHICH; HELP; LISTS"},
		{"get staff certificate\nget CERTIFICATE", "GET staff certificate; GET certificate"}, {"get certificate 2026-11", "GET certificate 2026-11"},
		{"rem *", "REMIND *"}, {"review *", "! write it as REVIEW LIST"},
		{"help\nquit\nadd staff x@example.org", "HELP"}, {"help\n-\nlists", "HELP"}, {"help\n-- \nlists", "HELP"},
		{"help\n\n> lists\n", "HELP"},
		{"help\nhello there\nlists", "HELP; ! it is not a command"},
		{"which one", "! write it as WHICH"}, {"subscribe", "! write it as SUBSCRIBE LIST [NAME]"}, {"add staff ben", "! write it as ADD LIST ADDRESS [NAME]"},
		{"add staff a@b.org,c@d.org", "! write it as ADD LIST ADDRESS [NAME]"},
		{"con a b", "! write it as CONFIRM KEY"}, {"con <b>", "! write it as CONFIRM KEY"},
		{"hel\x00p", "! it holds a control character"}, {"help " + strings.Repeat("x", 300), "! it is longer than 200 characters"},
		// Letters that only look like others, or fold to them outside ASCII, make no command and no address.
		{"whiсh", "! it is not a command"}, {"\u212Aelp", "! it is not a command"}, {"li\u017Fts", "! it is not a command"},
		{"", ""},
	} {
		if got := show(command.Parse(c.text, "")); got != c.want {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
}

// In mail to a list the list may be left out, and another is not taken in its place.
func TestParseAtHome(t *testing.T) {
	const home = "staff@lists.example.org"
	for _, c := range []struct{ text, want string }{
		{"subscribe", "SUBSCRIBE " + home}, {"subscribe staff", "SUBSCRIBE staff"}, {"subscribe STAFF@lists.example.org Anna", `SUBSCRIBE STAFF@lists.example.org "Anna"`},
		{"subscribe Anna", "SUBSCRIBE " + home + ` "Anna"`}, {"set nomail", "SET " + home + " nomail"}, {"add ben@example.org", "ADD " + home + " ben@example.org"},
		{"get certificate", "GET " + home + " certificate"}, {"sig *", "SIGNOFF *"}, {"review other", "! write it as REVIEW LIST"},
	} {
		if got := show(command.Parse(c.text, home)); got != c.want {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
}

// A mail of ten thousand lines is read as far as its bounds.
func TestParseBounds(t *testing.T) {
	all, p := command.Parse(strings.Repeat("which\n", 10_000), "")
	if len(all) != command.MaxCommands || p == nil {
		t.Errorf("%d commands, %v", len(all), p)
	}
	if all, p := command.Parse(strings.Repeat("\n", 10_000)+"which\n", ""); len(all) != 0 || p == nil {
		t.Errorf("%d commands, %v", len(all), p)
	}
}

func TestText(t *testing.T) {
	const mixed = "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	part := func(fields, body string) string { return "--b\r\n" + fields + "\r\n\r\n" + body + "\r\n" }
	for _, c := range []struct{ name, mail, want string }{
		{"plain", "From: a@b.org\r\n\r\nhelp\r\n", "help\r\n"},
		{"base64", "Content-Transfer-Encoding: base64\r\n\r\naGVscA==\r\n", "help"},
		{"latin1", "Content-Type: text/plain; charset=iso-8859-1\r\n\r\nsub staff Andr\xe9\r\n", "sub staff André\r\n"},
		{"unknown charset", "Content-Type: text/plain; charset=x-none\r\n\r\nsub staff Andr\xe9\r\n", ""},
		{"html alone", "Content-Type: text/html\r\n\r\nhelp\r\n", ""},
		{"html beside", "Content-Type: multipart/alternative; boundary=b\r\n\r\n" + part("Content-Type: text/html", "lists") + part("Content-Type: text/plain", "help") + "--b--\r\n", "help"},
		{"the first part", mixed + part("Content-Type: text/plain", "help") + part("Content-Type: text/plain", "lists") + "--b--\r\n", "help"},
		{"attached first", mixed + part("Content-Type: text/plain\r\nContent-Disposition: attachment", "help") + part("Content-Type: text/plain", "lists") + "--b--\r\n", ""},
		{"forwarded", mixed + part("Content-Type: message/rfc822", "Subject: x\r\n\r\nhelp") + "--b--\r\n", ""},
		{"forwarded alone", "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nhelp\r\n", ""},
		{"legacy display", "Content-Type: text/plain; hp=\"cipher\"; hp-legacy-display=1\r\n\r\nSubject: lists\r\n\r\nhelp\r\n", "help\r\n"},
	} {
		e, err := entity.Parse([]byte(c.mail), entity.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := command.Text(e); got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("quiet subscribe staff Anna\nset * nomail\n-- \nx", true)
	f.Fuzz(func(t *testing.T, text string, atHome bool) {
		home := ""
		if atHome {
			home = "staff@lists.example.org"
		}
		all, p := command.Parse(text, home)
		if len(all) > command.MaxCommands {
			t.Error(len(all))
		}
		for _, c := range all {
			if strings.ContainsAny(c.Line+c.Name+c.What+c.List, "\r\n\x00") || len(c.Line) > 210 {
				t.Errorf("%+v", c)
			}
		}
		if p != nil && strings.ContainsAny(p.Line, "\r\n") {
			t.Errorf("%+v", p)
		}
	})
}
