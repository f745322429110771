package scenario_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/scenario"
)

// The two examples of Sympa's manual, as they stand there.
func TestExamplesOfTheManual(t *testing.T) {
	smime := `  title.en-US restricted to subscribers check SMIME signature
  title.fr limité aux abonnés, vérif de la signature SMIME

  is_subscriber([listname],[sender])             smime  -> do_it
  is_editor([listname],[sender])                 smime  -> do_it
  is_owner([listname],[sender])                  smime  -> do_it
`
	key := `  title.en-US restricted to subscribers with previous MD5 authentication

  is_subscriber([listname],[sender]) smtp          -> request_auth
  true()                             md5,smime     -> do_it
`
	library := scenario.NewLibrary(folder(t, map[string]string{"scenari/send.private_smime": smime, "scenari/send.private_key": key}))
	for _, c := range []struct{ scenario, sender, smtp, md5, smime, rule string }{
		{"send.private_smime", "subscriber", "reject(no_rule)", "reject(no_rule)", "do_it", "scenari/send.private_smime:4"},
		{"send.private_smime", "editor", "reject(no_rule)", "reject(no_rule)", "do_it", "scenari/send.private_smime:5"},
		{"send.private_smime", "owner", "reject(no_rule)", "reject(no_rule)", "do_it", "scenari/send.private_smime:6"},
		{"send.private_smime", "stranger", "reject(no_rule)", "reject(no_rule)", "reject(no_rule)", ""},
		{"send.private_smime", "", "reject(no_rule)", "reject(no_rule)", "reject(no_rule)", ""},
		{"send.private_key", "subscriber", "request_auth", "do_it", "do_it", "scenari/send.private_key:4"},
		{"send.private_key", "stranger", "reject(no_rule)", "do_it", "do_it", "scenari/send.private_key:4"},
	} {
		s := load(t, library, c.scenario)
		for m, want := range map[scenario.Method]string{scenario.SMTP: c.smtp, scenario.MD5: c.md5, scenario.SMIME: c.smime} {
			d := s.Evaluate(t.Context(), from(c.sender, m), somebody())
			if shown(d) != want || m == scenario.SMIME && d.Rule != c.rule {
				t.Errorf("%s, %s by %s: %s by %q, want %s by %q", c.scenario, c.sender, m, shown(d), d.Rule, want, c.rule)
			}
		}
	}
	s := load(t, library, "send.private_smime")
	for language, want := range map[string]string{"fr-CH": "limité aux abonnés, vérif de la signature SMIME", "en": "restricted to subscribers check SMIME signature", "de": "restricted to subscribers check SMIME signature"} {
		if got := s.Title(language); got != want {
			t.Errorf("title in %s: %q", language, got)
		}
	}
	var told []string
	for _, p := range s.Check() {
		told = append(told, p.Error())
	}
	want := "scenari/send.private_smime:6: no rule covers the method smtp: such requests are rejected with the reason no_rule\n" +
		"scenari/send.private_smime:6: no rule covers the method md5: such requests are rejected with the reason no_rule"
	if strings.Join(told, "\n") != want {
		t.Errorf("checked: %q", told)
	}
}

// Each condition with each kind of argument, by a rule that does it.
func TestConditions(t *testing.T) {
	message := post{
		fields: map[string][]string{
			"Subject": {"Hello Team"}, "X-Loop": {"one", "two", "three"}, "To": {"team@lists.example.org"},
			"X-Spam-Status": {"Yes, score=9"}, "Date": {"Sun, 01 Mar 2026 10:00:00 +0000"}, "Reply-To": {"x@example.org, The Owner <owner@example.org>"},
		},
		text: "please confirm", parts: []scenario.Part{{Type: "text/plain", Text: "please"}, {Type: "image/png"}}, encrypted: true, size: 5000,
	}
	for _, c := range []struct {
		condition string
		holds     bool
	}{
		{"true()", true}, {"all()", true}, {"!true()", false}, {"! true ( )", true == false},
		{"is_subscriber([listname],[sender])", true},
		{"IS_Subscriber([listname], [sender])", true},
		{"is_subscriber([listname] [sender])", true}, // Sympa needs no comma
		{"is_subscriber('[listname]','[sender]')", true},
		{"is_subscriber(team,[sender])", true},
		{"is_subscriber('team@lists.example.org',[sender])", true},
		{"is_subscriber([list->name],[email])", true},
		{"is_subscriber([list->address],[sender])", true},
		{"is_editor([listname],[sender])", false},
		{"!is_editor([listname],[sender])", true},
		{"is_owner([listname],[msg_header->Reply-To])", true},
		{"is_owner([listname],[header->reply-to][0])", true},
		{"is_owner([listname],[header->missing])", false},
		{"is_listmaster([sender])", false},
		{"is_listmaster('listmaster@example.org')", true},
		{"equal([sender],'SUBSCRIBER@example.org')", true},
		{"equal([sender],[email])", true},
		{"equal([header->X-Loop],'two')", true},
		{"equal([header->X-Loop][0],'two')", false},
		{"equal([header->X-Loop][-1],'three')", true},
		{"equal([header->X-Loop][7],'')", true},
		{"equal([header->X-Loop][-7],'')", true},
		{"equal([header->missing],'')", true},
		{"equal([msg_encrypted],'smime')", true},
		{"equal([msg->smime_crypted],smime)", true},
		{"equal([msg->smime_signed],'1')", false},
		{"equal([msg->spam_status],'spam')", true},
		{"equal([is_bcc],0)", true},
		{"equal([listname],team)", true},
		{"equal([domain],[host])", true},
		{"equal([conf->host],'lists.example.org')", true},
		{"equal([list->subject],'a, b (c)')", true},
		{"equal([list->status],\"open\")", true},
		{"equal([remote_host],'unknown_host')", true},
		{"equal([remote_addr],'')", true},
		{"equal([topic],'')", true},
		{"equal([msg_part->type],'image/png')", true},
		{"match([msg_part->body],/pleas/)", true},
		{"match([msg_body],/CONFIRM$/)", true},
		{"match([header->Subject],/^hello\\s+team$/)", true},
		{"match([sender],/@example\\.org$/)", true},
		{"match([sender],/\\/x|, (y)/)", false},
		{"match([list->address],/@[domain]$/)", true},
		{"match([sender],/@[host]$/)", false},
		{"match('x@listsZexampleZorg',/@[domain]$/)", false},
		{"match([sender],//)", false},
		{"match([sender],'@example')", true},
		{"less_than([msg->size],10000)", true},
		{"less_than([msg->size],'4999')", false},
		{"less_than([list->total],2)", true},
		{"less_than('abc','abd')", true},
		{"older([current_date],'2026y3m2d')", true},
		{"older('2026y3m1d12h','execution_date')", true}, // not later is older
		{"newer('2026y3m1d12h0min1sec',[current_date])", true},
		{"newer([date],'2026y3m')", true},
		{"older('execution_date-2w','2026y2m16d')", true},
		{"newer('execution_date+1y1m','2027y')", true},
		{"older([header->Date],[current_date])", true},
		{"newer('1000','999')", true},
		{"verify_netmask('127.0.0.0/8')", false}, // of mail
		{"search(staff.txt)", true},
		{"search('staff.ldap',[sender])", false},
		{"search(\"staff.sql\")", false},
	} {
		s := written(t, c.condition+" smtp -> do_it\n")
		if err := s.Err(); err != nil {
			t.Errorf("%s: %v", c.condition, err)
			continue
		}
		f := somebody()
		f.found = map[string]bool{"staff.txt": true}
		r := from("subscriber", scenario.SMTP)
		r.Message, r.List.Description = message, "a, b (c)"
		d := s.Evaluate(t.Context(), r, f)
		if d.Err != nil || (d.Action == scenario.DoIt) != c.holds {
			t.Errorf("%s: %s (%v), want %v", c.condition, shown(d), d.Err, c.holds)
		}
	}
}

func TestNetmasksAreOfTheWeb(t *testing.T) {
	for mask, want := range map[string]bool{
		"192.0.2.0/24": true, "192.0.2.7": true, "192.0.2.1-192.0.2.9": true, "192.0.2.1:192.0.2.9": true, "any": true, "default": true,
		"192.0.3.0/24": false, "2001:db8::/32": false, "192.0.2.8-192.0.2.9": false,
	} {
		r := from("stranger", scenario.SMIME)
		r.Addr = netip.MustParseAddr("::ffff:192.0.2.7")
		d := written(t, "verify_netmask('"+mask+"') smime -> do_it").Evaluate(t.Context(), r, somebody())
		if (d.Action == scenario.DoIt) != want || d.Err != nil {
			t.Errorf("%s: %s, %v", mask, shown(d), d.Err)
		}
	}
}

func TestActions(t *testing.T) {
	for action, want := range map[string]string{
		"do_it": "do_it", "do_it , Quiet": "do_it,quiet", "do_it,notify": "do_it,notify", "do_it,quiet,notify": "do_it,quiet,notify",
		"editor": "editor", "editorkey,quiet": "editorkey,quiet", "owner,quiet": "owner,quiet", "listmaster,notify": "listmaster,notify",
		"request_auth": "request_auth", "request_auth([email])": "request_auth([email])", "request_auth(email)": "request_auth([email])", "request_auth([sender])": "request_auth",
		"reject": "reject", "reject,quiet": "reject,quiet", "reject(reason='send_closed')": "reject(send_closed)", "reject(reason=\"a\"),quiet": "reject(a),quiet",
		"reject(reason=bare)": "reject(bare)", "reject(tt2='message_report')": "reject(tt2=message_report)", "reject('add_closed')": "reject(tt2=add_closed)",
		"reject(reason='a', tt2='b')": "reject(tt2=b)",
	} {
		s := written(t, "true() smtp -> "+action)
		if d := s.Evaluate(t.Context(), from("stranger", scenario.SMTP), somebody()); shown(d) != want || s.Err() != nil {
			t.Errorf("%s: %s (%v), want %s", action, shown(d), s.Err(), want)
		}
	}
}

// Methods stand between condition and arrow, with commas or blanks; none is
// smtp; nothing escalates.
func TestMethodsAreNoLadder(t *testing.T) {
	for text, want := range map[string]string{
		"smtp": "smtp", "": "smtp", "md5,smime": "md5 smime", "smime , smtp,": "smtp smime", "smtp,dkim": "smtp", "dkim": "", "pgp,md5": "md5",
	} {
		s := written(t, "true() "+text+" -> do_it")
		var covered []string
		for _, m := range scenario.Methods() {
			if s.Evaluate(t.Context(), from("stranger", m), somebody()).Action == scenario.DoIt {
				covered = append(covered, string(m))
			}
		}
		if got := strings.Join(covered, " "); got != want {
			t.Errorf("%q covers %q, want %q", text, got, want)
		}
	}
	d := load(t, scenario.NewLibrary(""), "send.public").Evaluate(t.Context(), from("stranger", "pgp"), somebody())
	if shown(d) != "reject(unknown_method)" || d.Outage() != nil {
		t.Errorf("an unknown method: %s", shown(d))
	}
}

// An error rejects, is kept beside the reason, and an outage can be told from
// what asking again will not mend.
func TestErrorsReject(t *testing.T) {
	gone := errors.New("database gone")
	broken := somebody()
	broken.err = gone
	d := load(t, scenario.NewLibrary(""), "send.private").Evaluate(t.Context(), from("subscriber", scenario.SMTP), broken)
	if shown(d) != "reject(error)" || !errors.Is(d.Outage(), gone) || d.Rule != "send.private:3" {
		t.Errorf("an outage: %+v", d)
	}
	// The negation of what could not be answered is no answer.
	d = written(t, "!is_subscriber([listname],[sender]) smtp -> do_it").Evaluate(t.Context(), from("stranger", scenario.SMTP), broken)
	if shown(d) != "reject(error)" || d.Outage() == nil {
		t.Errorf("a negated outage: %+v", d)
	}
	for _, text := range []string{
		"!is_subscriber(nolist,[sender]) smtp -> do_it",
		"older([header->Date],[current_date]) smtp -> do_it",
		"verify_netmask([header->X]) smtp -> do_it",
	} {
		r := from("stranger", scenario.SMTP)
		r.Addr = netip.MustParseAddr("192.0.2.7")
		d = written(t, text).Evaluate(t.Context(), r, somebody())
		if shown(d) != "reject(error)" || d.Err == nil || d.Outage() != nil || d.Rule != "scenari/send.test:1" {
			t.Errorf("%s: %+v", text, d)
		}
	}
	var none scenario.Scenario
	if d := none.Evaluate(t.Context(), from("owner", scenario.SMIME), somebody()); shown(d) != "reject(no_rule)" {
		t.Errorf("no scenario at all: %s", shown(d))
	}
}

// What is searched for, and what leaves for other servers: nothing of a
// message's content.
func TestSearchAsks(t *testing.T) {
	var asked []scenario.Query
	f := somebody()
	f.asked = &asked
	r := from("stranger", scenario.SMTP)
	r.Email, r.Message = list.MustParseAddress("new@example.org"), post{fields: map[string][]string{"Subject": {"secret"}}}
	written(t, "search(a.txt) -> do_it\nsearch(b.ldap,[email]) -> do_it\nsearch(c.txt,[msg_header->Subject]) -> do_it").Evaluate(t.Context(), r, f)
	if len(asked) != 4 || asked[0].File != "blocklist.txt" || asked[1].Value != "stranger@example.org" || asked[2].Value != "new@example.org" || asked[3].Value != "secret" {
		t.Errorf("asked: %+v", asked)
	}
	for _, q := range asked {
		for name, value := range q.Variables {
			if strings.Contains(value, "secret") || q.List != team {
				t.Errorf("%s has %s = %q", q.File, name, value)
			}
		}
	}
}

func TestExplainTellsEachRule(t *testing.T) {
	d, steps := load(t, scenario.NewLibrary(""), "send.privatekey").Explain(t.Context(), from("subscriber", scenario.SMIME), somebody())
	var told []string
	for _, s := range steps {
		told = append(told, s.Rule+" "+s.Result)
	}
	if got := strings.Join(told, "; "); d.Action != scenario.DoIt || got != "blocklist.txt does not hold; send.privatekey:3 is not for smime; send.privatekey:4 decides" {
		t.Errorf("%s: %s", shown(d), got)
	}
	closed := from("subscriber", scenario.SMIME)
	closed.List.State = list.Closed
	for what, s := range map[string]scenario.Scenario{"a closed list": written(t, doIt), "an error": written(t, doIt+"oops oops")} {
		if d, steps := s.Explain(t.Context(), closed, somebody()); d.Action != scenario.Reject || steps != nil {
			t.Errorf("%s: %s, %v", what, shown(d), steps)
		}
	}
}
