package scenario_test

import (
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/scenario"
)

func TestCheck(t *testing.T) {
	all := " smtp,md5,smime -> "
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                    {"is_owner([listname],[sender])" + all + "do_it", ""},
		"behind what always holds":   {"true()" + all + "editorkey\nis_owner([listname],[sender]) smtp -> do_it", "2: no request reaches this rule: scenari/send.test:1 has decided before"},
		"not behind another method":  {"true() smtp -> editorkey\nis_owner([listname],[sender]) md5,smime -> do_it", ""},
		"behind two that together":   {"true() smtp -> editorkey\ntrue() md5,smime -> do_it\ntrue() smtp,smime -> reject", "3: no request reaches this rule: scenari/send.test:2 has decided before"},
		"the same twice":             {"is_owner([listname],[sender])" + all + "do_it\nis_owner( '[listname]' , [sender] ) smime -> owner", "2: no request reaches this rule: scenari/send.test:1 has the same condition"},
		"the negation is another":    {"is_owner([listname],[sender])" + all + "do_it\n!is_owner([listname],[sender]) smime -> owner", ""},
		"never":                      {"!true()" + all + "do_it\ntrue()" + all + "owner", "1: this rule never holds"},
		"a method that is missing":   {"is_owner([listname],[sender]) smtp,md5 -> do_it\ntrue() smtp,md5 -> reject", "2: no rule covers the method smime: such requests are rejected with the reason no_rule"},
		"no method missed by closed": {"true() smtp -> reject", ""},
		"dkim alone":                 {"true() dkim -> do_it\ntrue()" + all + "owner", "1: the method dkim is ignored: nothing is authenticated by it; 1: no request reaches this rule: it names no method there is"},
		"dkim beside":                {"true() smtp,dkim,md5,smime -> do_it", "1: the method dkim is ignored: nothing is authenticated by it"},
		"a forgeable right":          {"match([header->X-Secret],/abc/)" + all + "do_it", "1: [msg_header->x-secret] gives a right, and anybody can write it: a signature covers a header field only where the client protects it"},
		"a forgeable role":           {"is_editor([listname],[header->X-Sender][-1])" + all + "editorkey", "1: [msg_header->x-sender][-1] gives a right, and anybody can write it: a signature covers a header field only where the client protects it"},
		"a forgeable refusal":        {"match([header->Subject],/spam/)" + all + "reject", ""},
		"endless":                    {"true() smtp,md5 -> request_auth\ntrue() smime -> do_it", "1: who answers the challenge comes with the method md5, and is challenged again"},
		"not endless for another":    {"true()" + all + "request_auth([email])", ""},
		"one word":                   {"paragraph\ntrue()" + all + "do_it", "1: a line of one word means nothing and is passed over"},
		"topics":                     {"equal([topic],'x')" + all + "do_it", "1: [topic] is always empty: there are no topics in Sealist"},
	} {
		var told []string
		for _, p := range written(t, c.text).Check() {
			if p.Severity != scenario.Warning {
				t.Errorf("%s: %s is no warning", name, p.Text)
			}
			told = append(told, strings.TrimPrefix(p.Error(), "scenari/send.test:"))
		}
		if got := strings.Join(told, "; "); got != c.want {
			t.Errorf("%s: %q\nwant %q", name, got, c.want)
		}
	}
}

// A finding names the file it is in, also one that is included.
func TestCheckNamesIncludedFiles(t *testing.T) {
	l := scenario.NewLibrary(folder(t, map[string]string{"scenari/send.x": "include a\ntrue() smime -> do_it", "scenari/include.a": "true() smtp,md5 -> owner\n\ntrue() smtp -> editor"}))
	p := load(t, l, "send.x").Check()
	if len(p) != 1 || p[0].File != "scenari/include.a" || p[0].Line != 3 {
		t.Errorf("%v", p)
	}
}
