package scenario_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/scenario"
)

// Each mistake names file and line, and closes the scenario: also the rules
// that are right. The function of every other list goes on.
func TestSyntaxErrorsCloseTheFunction(t *testing.T) {
	for line, want := range map[string]string{
		"nonsense here":                                                "neither a rule, a title nor an include",
		"true() smtp":                                                  "no -> and action",
		"true() smtp -> ":                                              "is no action",
		"true() smtp => do_it":                                         "no -> and action",
		"true() smtp -> dance":                                         `no action "dance"`,
		"true() smtp -> ham":                                           `no action "ham"`,
		"true() smtp -> do_it,loudly":                                  `no option "loudly"`,
		"true() smtp -> reject,notify":                                 `no option "notify"`,
		"true() smtp -> do_it('x')":                                    "cannot have the argument",
		"true() smtp -> reject(why='x')":                               "no argument of reject",
		"true() smtp -> reject(reason='../x y')":                       "no argument of reject",
		"true() smtp -> reject(reason='x'":                             "is no action",
		"true() smtp -> request_auth([owner])":                         "cannot have the argument",
		"true() telepathy -> do_it":                                    "no authentication method",
		"true() smtp md5 -> do_it":                                     `"smtp md5" is no authentication method`,
		"true() SMTP -> do_it":                                         `"SMTP" is no authentication method`,
		"true() smtp -> DO_IT":                                         `no action "DO_IT"`,
		"true(1) smtp -> do_it":                                        "takes 0 arguments, and 1 are given",
		"is_owner([listname]) smtp -> do_it":                           "takes 2 arguments, and 1 are given",
		"is_owner([listname],[sender],[email]) smtp -> do_it":          "takes 2 arguments, and 3 are given",
		"is_owner([header->X],[sender]) smtp -> do_it":                 "cannot name a list",
		"search() smtp -> do_it":                                       "takes 1 or 2 arguments",
		"do_is_editor([listname],[sender]) smime -> do_it":             "no condition do_is_editor",
		"message('x') smtp -> do_it":                                   "no condition message",
		"is_owner([listname],[sender] smtp -> do_it":                   "a ) is missing",
		"is_owner([listname],[sender smtp) -> do_it":                   "is no variable",
		"equal('x,[sender]) smtp -> do_it":                             "a ' is missing",
		"match([sender],/x smtp -> do_it":                              "ends the regular expression is missing",
		"match([sender],/(/) smtp -> do_it":                            "is not one of RE2",
		"match([sender],/(?=x)y/) smtp -> do_it":                       "is not one of RE2",
		"match([sender],/(x)\\1/) smtp -> do_it":                       "is not one of RE2",
		"match([sender],'*') smtp -> do_it":                            "is not one of RE2",
		"match([sender],[email]) smtp -> do_it":                        "takes a value and a regular expression",
		"match(/x/,/y/) smtp -> do_it":                                 "takes no regular expression there",
		"equal([sender],/x/) smtp -> do_it":                            "takes no regular expression there",
		"match([sender],/" + strings.Repeat("x", 1001) + "/) -> do_it": "longer than 1000 octets",
		"equal([sendr],'x') smtp -> do_it":                             "no variable [sendr]",
		"equal([list->owners],'x') smtp -> do_it":                      "no variable [list->owners]",
		"equal([conf->email],'x') smtp -> do_it":                       "no variable [conf->email]",
		"less_than([msg->bytes],'4999') smtp -> do_it":                 "no variable [msg->bytes]",
		"equal([sender][0],'x') smtp -> do_it":                         "no values to be numbered",
		"!equal([custom_vars->open],'1') smtp -> do_it":                "nothing in Sealist could be the variable [custom_vars->open]",
		"equal([env->HOME],'x') smtp -> do_it":                         "nothing in Sealist could be the variable [env->home]",
		"equal([subscriber->lang],'x') smtp -> do_it":                  "nothing in Sealist could be the variable",
		"older('yesterday',[current_date]) smtp -> do_it":              "is no date",
		"newer('2026y2m30d',[current_date]) smtp -> do_it":             "is no date",
		"newer('2026y1m1d25h',[current_date]) smtp -> do_it":           "is no date",
		"newer('2026y+2x',[current_date]) smtp -> do_it":               "is no date",
		"verify_netmask('10.0.0.0/99') smtp -> do_it":                  "is no network",
		"is_owner('no list','x') smtp -> do_it":                        "no name of a list",
		"search('../../etc/passwd.txt') smtp -> do_it":                 "no search file",
		"search('.hidden.txt') smtp -> do_it":                          "no search file",
		"search('a/b.txt') smtp -> do_it":                              "no search file",
		"search('staff.xml') smtp -> do_it":                            "no search file",
		"search([sender]) smtp -> do_it":                               "no search file",
		"CustomCondition::mine([sender]) smtp -> do_it":                "Perl",
		"include":         "neither a rule, a title nor an include",
		"include ../x":    "no name to include",
		"include 'a/b'":   "no name to include",
		"include('.x')":   "no name to include",
		"include nowhere": "no file include.nowhere",
	} {
		s := written(t, "true() smtp,md5,smime -> do_it\n\n"+line+"\n")
		err := s.Err()
		if err == nil || !errors.Is(err, scenario.ErrPermanent) || !strings.Contains(err.Error(), "scenari/send.test:3: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
		d := s.Evaluate(t.Context(), from("owner", scenario.SMIME), somebody())
		if shown(d) != "reject(broken)" || d.Rule != "scenari/send.test:3" || d.Err == nil || d.Outage() != nil {
			t.Errorf("%s: decided %+v", line, d)
		}
		if errors.Is(err, scenario.ErrCustomCondition) != strings.HasPrefix(line, "CustomCondition") {
			t.Errorf("%s: ErrCustomCondition %v", line, err)
		}
	}
}

// All mistakes are told at once.
func TestEveryMistakeIsTold(t *testing.T) {
	err := written(t, "x y\ntrue() smtp -> do_it\ntrue() -> dance\n").Err()
	if want := "scenari/send.test:1: \"x y\" is neither a rule, a title nor an include; scenari/send.test:3: there is no action \"dance\""; err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

// What Sympa reads, too, and looks odd.
func TestOddLines(t *testing.T) {
	s := written(t, "# comment\r\n\r\n  paragraph  \r\ntitle.gettext A title # with a comment\r\n"+
		"is_listmaster([sender]     )   smtp,\tdkim -> do_it # comment\rtrue()->reject")
	if s.Err() != nil || s.Title("de") != "A title" {
		t.Fatalf("%v, title %q", s.Err(), s.Title("de"))
	}
	if d := s.Evaluate(t.Context(), from("listmaster", scenario.SMTP), somebody()); shown(d) != "do_it" || d.Rule != "scenari/send.test:5" {
		t.Errorf("%s by %s", shown(d), d.Rule)
	}
	if d := s.Evaluate(t.Context(), from("owner", scenario.SMTP), somebody()); shown(d) != "reject" || d.Rule != "scenari/send.test:6" {
		t.Errorf("%s by %s", shown(d), d.Rule)
	}
}

// A function has the actions that its handler can carry out.
func TestActionsOfFunctions(t *testing.T) {
	for function, bad := range map[string]string{"subscribe": "editorkey", "add": "owner", "review": "listmaster", "info": "request_auth", "visibility": "owner"} {
		l := scenario.NewLibrary(folder(t, map[string]string{"scenari/" + function + ".x": "true() smtp -> " + bad}))
		if err := load(t, l, function+".x").Err(); err == nil || !strings.Contains(err.Error(), function+" scenarios cannot answer "+bad) {
			t.Errorf("%s: %v", function, err)
		}
	}
}
